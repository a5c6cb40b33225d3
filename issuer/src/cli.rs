//! The command line.

mod admin;
mod keys;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use farthing_service::{clock::date_to_day, logging::LogFormat};

pub(crate) use admin::Admin;
pub(crate) use keys::Keys;

/// Keeps accounts, registers wallets, signs withdrawals, and publishes the issuance log.
#[derive(Parser)]
#[command(name = "farthing-issuer", version)]
pub(crate) struct Cli {
    /// What is logged to standard error, such as "info" or "farthing_issuer=debug".
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
    /// Writes a first configuration, policy and issuing key into a folder, to be edited.
    Init {
        /// The folder; made when it is missing.
        #[arg(long)]
        dir: PathBuf,
        /// The name of the issuance log, which its key bears and which never changes.
        #[arg(long, value_name = "NAME")]
        origin: Option<String>,
    },
    /// Does the operator's work at the issuer that runs with a configuration.
    Admin(Admin),
    /// Plans and makes rotations of the issuing key, also while the issuer runs.
    Keys(Keys),
    /// Says whether the policy file and the key files are in use at the running issuer, or why not (exit code 1).
    Status(ConfigFile),
    /// Works on the store of an issuer that is not running.
    #[command(subcommand)]
    Store(StoreCommand),
}

#[derive(Args)]
pub(crate) struct ConfigFile {
    /// The configuration file.
    #[arg(long = "config", value_name = "FILE", global = true, default_value = "issuer.toml")]
    pub(crate) path: PathBuf,
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
