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
    reload::Reload,
    run,
};
use farthing_service::{
    clock::SystemClock,
    listener::ConnectionLimits,
    logging, scrub, shutdown,
    watch::{self, Pace},
};

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
        Command::Keys(command) => command.execute(),
        Command::Status(file) => status(&Config::load(&file.path)?),
        Command::Store(StoreCommand::Verify(file)) => Ok(scrub::verify(&Config::load(&file.path)?.store_dir())?),
        Command::Store(StoreCommand::Rebuild(file)) => {
            Ok((true, scrub::rebuild(&Config::load(&file.path)?.store_dir())?))
        }
    }
}

/// What became of the files that are looked at.
fn status(config: &Config) -> Result<(bool, String), RunError> {
    let mut told = (true, String::new());
    for path in [config.policy_status(), config.keys_status()] {
        let (is_in_force, words) =
            watch::read_standing(&path).map_err(|source| RunError::File { path: path.clone(), source })?;
        told = (told.0 && is_in_force, told.1 + &words);
    }
    Ok(told)
}

async fn serve(config: &Config, accepted_day: Option<u32>) -> Result<(), RunError> {
    let shutdown = shutdown::on_signals().map_err(RunError::System)?;
    let clock = Arc::new(SystemClock::default());
    let listeners = Listeners::bind(config, ConnectionLimits::default()).await?;
    let reload = Some(Reload { pace: Pace::with_hangups().map_err(RunError::System)?, ..config.reload() });
    let parts = Parts { accepted_day, reload, ..Parts::from_config(config, clock.as_ref())? };
    run(parts, listeners, clock, shutdown).await
}
