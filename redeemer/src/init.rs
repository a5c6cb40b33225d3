//! A first configuration for a new redeemer.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use farthing_ledger::key::VerifierKey;
use farthing_service::private_file;

use crate::{check_origin, config::Config, error::RunError};

/// The configuration with comments.
const CONFIG: &str = include_str!("../redeemer.example.toml");

/// The policy with comments.
const POLICY: &str = include_str!("../../policy.example.toml");

/// The origin in the configuration with comments.
const ORIGIN: &str = "redeemer.example/farthing/payments";

/// What was written.
pub struct Written {
    /// The configuration file.
    pub config: PathBuf,
    /// By what everybody checks the log.
    pub log_key: VerifierKey,
}

/// Writes `redeemer.toml` and `policy.toml`, to be edited, and the key of the log into a folder. The log is named `origin`, or
/// as in the example. Files that are there stay as they are.
///
/// # Errors
/// [`RunError::File`], also for a file that is there already.
pub fn init(dir: &Path, origin: Option<&str>) -> Result<Written, RunError> {
    let origin = origin.unwrap_or(ORIGIN);
    check_origin(origin)?;
    private_file::create_dir(dir).map_err(fault(dir))?;
    let (config, policy) = (dir.join("redeemer.toml"), dir.join("policy.toml"));
    for path in [&config, &policy] {
        if path.exists() {
            return Err(fault(path)(io::ErrorKind::AlreadyExists.into()));
        }
    }
    write(&policy, POLICY)?;
    write(&config, &CONFIG.replace(ORIGIN, origin))?;
    let log = Config::load(&config)?.log.setup(origin)?;
    Ok(Written { config, log_key: log.signer.verifier().clone() })
}

fn write(path: &Path, text: &str) -> Result<(), RunError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(fault(path))
}

fn fault(path: &Path) -> impl FnOnce(io::Error) -> RunError {
    move |source| RunError::File { path: path.to_path_buf(), source }
}
