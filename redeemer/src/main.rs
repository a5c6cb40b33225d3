//! The program `farthing-redeemer`.

mod cli;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
};

use clap::Parser as _;
use farthing_redeemer::{
    Parts,
    config::Config,
    error::RunError,
    init::{self, Written},
    policy, run,
};
use farthing_service::{
    clock::SystemClock,
    listener::{ConnectionLimits, Listener},
    logging, scrub, shutdown,
};

use crate::cli::{Cli, Command, PolicyCommand, StoreCommand};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let logging = logging::init(cli.log.as_deref(), cli.log_format).map_err(RunError::from);
    match logging.and_then(|()| execute(cli.command)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is well.
fn execute(command: Command) -> Result<bool, RunError> {
    let (is_well, report) = match command {
        Command::Run { file, accept_day } => {
            serve(&Config::load(&file.path)?, accept_day)?;
            (true, String::new())
        }
        Command::Policy(PolicyCommand::Check { file, json }) => policy::check_file(&file, json)?,
        Command::Init { dir, origin } => {
            let Written { config, log_key } = init::init(&dir, origin.as_deref())?;
            (true, format!("edit {}, then run with it\nverifier key of the log: {log_key}\n", config.display()))
        }
        Command::Store(StoreCommand::Verify(file)) => scrub::verify(&Config::load(&file.path)?.store_dir())?,
        Command::Store(StoreCommand::Rebuild(file)) => (true, scrub::rebuild(&Config::load(&file.path)?.store_dir())?),
    };
    // Whoever closes the pipe has read enough.
    let _ = io::stdout().write_all(report.as_bytes());
    Ok(is_well)
}

#[tokio::main]
async fn serve(config: &Config, accepted_day: Option<u32>) -> Result<(), RunError> {
    let shutdown = shutdown::on_signals().map_err(RunError::Threads)?;
    let (server_tls, issuer_tls) = config.certificates()?;
    let listener = Listener::bind(config.listen, server_tls, ConnectionLimits::default()).await?;
    let parts = Parts { accepted_day, ..Parts::from_config(config, &issuer_tls)? };
    run(parts, listener, Arc::new(SystemClock::default()), shutdown).await
}
