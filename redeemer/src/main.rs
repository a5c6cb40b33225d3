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
    policy,
    reload::Reload,
    run,
};
use farthing_service::{
    clock::SystemClock,
    listener::{ConnectionLimits, Listener},
    logging, scrub, shutdown,
    watch::{self, Pace},
};

use crate::cli::{Cli, Command, PolicyCommand, StoreCommand};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let logging = logging::init(cli.log.as_deref(), cli.log_format).map_err(RunError::from);
    match logging.and_then(|()| execute(cli.command)) {
        Ok((code, report)) => {
            // Whoever closes the pipe has read enough.
            let _ = io::stdout().write_all(report.as_bytes());
            code.into()
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The exit code, and what to print.
fn execute(command: Command) -> Result<(u8, String), RunError> {
    let is_well = |(is_well, report): (bool, String)| (u8::from(!is_well), report);
    Ok(match command {
        Command::Run { file, accept_day } => {
            serve(&Config::load(&file.path)?, accept_day)?;
            (0, String::new())
        }
        Command::Policy(PolicyCommand::Check { file, json }) => is_well(policy::check_file(&file, json)?),
        Command::Policy(PolicyCommand::Diff { old, new, json }) => policy::diff_files(&old, &new, json),
        Command::Policy(PolicyCommand::Status(file)) => {
            let path = Config::load(&file.path)?.policy_status();
            is_well(watch::read_standing(&path).map_err(|source| RunError::File { path, source })?)
        }
        Command::Init { dir, origin } => {
            let Written { config, log_key } = init::init(&dir, origin.as_deref())?;
            (0, format!("edit {}, then run with it\nverifier key of the log: {log_key}\n", config.display()))
        }
        Command::Store(StoreCommand::Verify(file)) => is_well(scrub::verify(&Config::load(&file.path)?.store_dir())?),
        Command::Store(StoreCommand::Rebuild(file)) => (0, scrub::rebuild(&Config::load(&file.path)?.store_dir())?),
    })
}

#[tokio::main]
async fn serve(config: &Config, accepted_day: Option<u32>) -> Result<(), RunError> {
    let shutdown = shutdown::on_signals().map_err(RunError::Threads)?;
    let (server_tls, issuer_tls) = config.certificates()?;
    let listener = Listener::bind(config.listen, server_tls, ConnectionLimits::default()).await?;
    let reload = Some(Reload { pace: Pace::with_hangups().map_err(RunError::Threads)?, ..config.reload() });
    let parts = Parts { accepted_day, reload, ..Parts::from_config(config, &issuer_tls)? };
    run(parts, listener, Arc::new(SystemClock::default()), shutdown).await
}
