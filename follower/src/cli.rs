//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use farthing_service::logging::LogFormat;

/// Copies both public logs, verifies everything in them with public data alone, cosigns it, and serves the copy to others.
#[derive(Parser)]
#[command(name = "farthing-follower", version)]
pub(crate) struct Cli {
    /// What is logged to standard error, such as "info" or "farthing_follower=debug".
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
    /// Writes a first configuration and a witness key into a folder, and shows the public key.
    Init {
        /// The folder; made when it is missing.
        #[arg(long)]
        dir: PathBuf,
        /// The name of this witness, such as follower.example/w1. Trust policies know it by this name.
        #[arg(long)]
        name: String,
    },
    /// Follows until SIGTERM or SIGINT. Ends with exit code 1 when a log is not as it must be.
    Run {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Tells how far the copy goes, when it was last brought up to date, and whether anything was found. Ends with exit code 1
    /// when something was found or a log is stale.
    Status {
        #[command(flatten)]
        file: ConfigFile,
        /// One JSON document on standard output, times in seconds since 1970-01-01.
        #[arg(long)]
        json: bool,
    },
    /// Tells the money supply, payments a day, wallets, and every policy with its date.
    Audit {
        #[command(flatten)]
        file: ConfigFile,
        /// One JSON document on standard output, amounts in minor units.
        #[arg(long)]
        json: bool,
    },
    /// Writes both logs as C2SP tiles into a folder, for any web server. The follower must not be running.
    Export {
        #[command(flatten)]
        file: ConfigFile,
        /// The folder; made when it is missing.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Verifies the whole copy again from the first entry. The follower must not be running.
    Verify {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Compares the copy with what others show of the same logs. The follower must not be running.
    Compare {
        #[command(flatten)]
        file: ConfigFile,
        /// Where another follower, or the issuer, shows the issuance log: https://HOST:PORT
        #[arg(long, value_name = "URL")]
        issuance: Option<String>,
        /// Where another follower, or the redeemer, shows the payments log: https://HOST:PORT
        #[arg(long, value_name = "URL")]
        payments: Option<String>,
    },
    /// Lets a follower go on that stopped at a finding. The follower must not be running.
    Resume {
        #[command(flatten)]
        file: ConfigFile,
    },
}

#[derive(Args)]
pub(crate) struct ConfigFile {
    /// The configuration file.
    #[arg(long = "config", value_name = "FILE")]
    pub(crate) path: PathBuf,
}
