//! The program `farthing-issuer`.

mod cli;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
};

use clap::Parser as _;
use farthing_issuer::{
    Parts,
    config::{Config, Listeners},
    error::RunError,
    init::{self, Written},
    run,
};
use farthing_service::{clock::SystemClock, listener::ConnectionLimits, logging, scrub, shutdown};

use crate::cli::{Cli, Command, StoreCommand};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let logging = logging::init(cli.log.as_deref(), cli.log_format).map_err(RunError::from);
    match logging.and_then(|()| execute(cli.command)) {
        Ok((is_well, report)) => {
            // Whoever closes the pipe has read enough.
            let _ = io::stdout().write_all(report.as_bytes());
            if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is well, and what to print.
#[tokio::main]
async fn execute(command: Command) -> Result<(bool, String), RunError> {
    match command {
        Command::Run { file, accept_day } => {
            serve(&Config::load(&file.path)?, accept_day).await?;
            Ok((true, String::new()))
        }
        Command::Init { dir, origin } => {
            let Written { config, log_key } = init::init(&dir, origin.as_deref(), &SystemClock::default())?;
            let text = format!("edit {}, then run with it\nverifier key of the log: {log_key}\n", config.display());
            Ok((true, text))
        }
        Command::Admin(command) => Ok((true, command.execute().await?)),
        Command::Store(StoreCommand::Verify(file)) => Ok(scrub::verify(&Config::load(&file.path)?.store_dir())?),
        Command::Store(StoreCommand::Rebuild(file)) => {
            Ok((true, scrub::rebuild(&Config::load(&file.path)?.store_dir())?))
        }
    }
}

async fn serve(config: &Config, accepted_day: Option<u32>) -> Result<(), RunError> {
    let shutdown = shutdown::on_signals().map_err(RunError::System)?;
    let clock = Arc::new(SystemClock::default());
    let listeners = Listeners::bind(config, ConnectionLimits::default()).await?;
    let parts = Parts { accepted_day, ..Parts::from_config(config, clock.as_ref())? };
    run(parts, listeners, clock, shutdown).await
}
