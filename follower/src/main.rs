//! The program `farthing-follower`.

mod cli;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
};

use clap::Parser as _;
use farthing_follower::{
    audit::Audit,
    config::Config,
    copy::Copy,
    error::RunError,
    export, init, run,
    status::{Patience, Status},
    verify,
};
use farthing_service::{
    clock::{Clock as _, SystemClock},
    logging, shutdown,
};

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let logging = logging::init(cli.log.as_deref(), cli.log_format).map_err(RunError::from);
    match logging.and_then(|()| execute(cli.command)) {
        Ok((report, code)) => {
            // Whoever closes the pipe has read enough.
            let _ = io::stdout().write_all(report.as_bytes());
            code
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn execute(command: Command) -> Result<(String, ExitCode), RunError> {
    let report = match command {
        Command::Init { dir, name } => init::init(&dir, &name),
        Command::Run { file } => {
            let shutdown = shutdown::on_signals().map_err(RunError::Threads)?;
            let clock = Arc::new(SystemClock::default());
            run::run(&Config::load(&file.path)?, clock, shutdown).await.map(|()| String::new())
        }
        Command::Status { file, json } => return status(&Config::load(&file.path)?, json),
        Command::Audit { file, json } => {
            let audit = Audit::load(&Config::load(&file.path)?.data_dir)?;
            if json { audit.to_json() } else { Ok(audit.to_text()) }
        }
        Command::Export { file, dir } => {
            let config = Config::load(&file.path)?;
            export::export(&Copy::open(&config.store_dir())?, &dir).await
        }
        Command::Verify { file } => verify::verify(&Config::load(&file.path)?).await,
        Command::Compare { file, issuance, payments } => {
            run::compare(&Config::load(&file.path)?, issuance.as_deref(), payments.as_deref()).await
        }
        Command::Resume { file } => {
            let copy = Copy::open(&Config::load(&file.path)?.store_dir())?;
            copy.forget_finding().await?;
            Ok("the finding is forgotten; `run` goes on\n".to_owned())
        }
    };
    report.map(|report| (report, ExitCode::SUCCESS))
}

fn status(config: &Config, json: bool) -> Result<(String, ExitCode), RunError> {
    let now = SystemClock::default().unix_seconds();
    let status = Status::new(Audit::load(&config.data_dir)?, now, Patience::of(config));
    let code = if status.is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    Ok((if json { status.to_json()? } else { status.to_text(now) }, code))
}
