//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use farthing_service::{clock::date_to_day, logging::LogFormat};

/// Verifies transactions, keeps what was spent, enforces the policy, and pays out to accounts.
#[derive(Parser)]
#[command(name = "farthing-redeemer", version)]
pub(crate) struct Cli {
    /// What is logged to standard error, such as "info" or "farthing_redeemer=debug".
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// How log lines look: text or json.
    #[arg(long, global = true, default_value = "text", value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serves until SIGTERM or SIGINT.
    Run {
        #[command(flatten)]
        file: ConfigFile,
        /// Confirms that the clock is right although it is far ahead of the last day here.
        #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_day)]
        accept_day: Option<u32>,
    },
    /// Works on policy files.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Writes a first configuration and policy into a folder, to be edited.
    Init {
        /// The folder; made when it is missing.
        #[arg(long)]
        dir: PathBuf,
        /// The name of the payment log, which its key bears and which never changes.
        #[arg(long, value_name = "NAME")]
        origin: Option<String>,
    },
    /// Works on the store of a redeemer that is not running.
    #[command(subcommand)]
    Store(StoreCommand),
}

#[derive(Args)]
pub(crate) struct ConfigFile {
    /// The configuration file.
    #[arg(long = "config", value_name = "FILE")]
    pub(crate) path: PathBuf,
}

#[derive(Subcommand)]
pub(crate) enum PolicyCommand {
    /// Says what a policy file means, or every mistake in it with line and column (exit code 1).
    Check {
        /// The policy file.
        file: PathBuf,
        /// One JSON document on standard output, amounts in minor units.
        #[arg(long)]
        json: bool,
    },
    /// Says in words what a policy file changes of another, and for whom (exit code 0: nothing for anybody; 1: something; 2: a
    /// file is wrong).
    Diff {
        /// The policy before.
        old: PathBuf,
        /// The policy after.
        new: PathBuf,
        /// One JSON document on standard output, amounts in minor units.
        #[arg(long)]
        json: bool,
    },
    /// Says whether the policy file is in force at the running redeemer, or why not (exit code 1).
    Status(ConfigFile),
}

#[derive(Subcommand)]
pub(crate) enum StoreCommand {
    /// Verifies the whole journal, and compares the index with it (exit code 1 when it differs). Changes nothing.
    Verify(ConfigFile),
    /// Makes the index anew from the journal.
    Rebuild(ConfigFile),
}

fn parse_day(text: &str) -> Result<u32, String> {
    date_to_day(text).ok_or_else(|| "write a date as YYYY-MM-DD".to_owned())
}
