//! The command line: `farthing`, and `farthing-walletd` which is its `daemon` command as a program of its own.
//!
//! A command is read ([`args`]), asks a [`backend`] – the daemon when one runs, otherwise the wallet opened right here – and
//! shows the answer, a message of `farthing.v1`, in one of two ways: text for people, or one JSON document. So there is one
//! path for each command whoever holds the wallet. Data goes to standard output and everything else to standard error.

mod args;
mod backend;
mod duration;
pub mod exit;
mod output;
mod printable;
mod problem;
mod progress;
mod qr;
mod run;
mod secret;
mod show;
mod table;

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory as _, Parser as _, error::ErrorKind};

use self::{args::Cli, exit::Exit, output::Output, problem::Problem};

pub use args::command;

/// The program `farthing`: reads its arguments, does what they say, and tells how it ended.
#[must_use]
pub fn main() -> ExitCode {
    run_with(std::env::args_os().collect())
}

/// The program `farthing-walletd`: `farthing daemon` under its own name, with the same options.
#[must_use]
pub fn daemon_main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    arguments.insert(arguments.len().min(1), args::DAEMON.into());
    run_with(arguments)
}

fn run_with(arguments: Vec<OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, &arguments).into(),
    };
    let output = Output::new(&cli.global);
    let ended = run::run(&cli, &output).unwrap_or_else(|problem| {
        output.problem(&problem);
        problem.exit
    });
    ended.into()
}

/// Shows help, the version, or what is wrong with the command line.
fn refuse(error: &clap::Error, arguments: &[OsString]) -> Exit {
    let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let json = arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json");
    if json && !is_help {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let message = text.split("\n\nUsage:").next().unwrap_or(text).trim();
        let usage = Cli::command().render_usage().to_string();
        output::json_problem(&Problem::usage(message, format!("{usage}. `farthing help` lists the commands.")));
        return Exit::Usage;
    }
    // Nothing can be done when neither stream takes it.
    let _ = error.print();
    if is_help { Exit::Done } else { Exit::Usage }
}
