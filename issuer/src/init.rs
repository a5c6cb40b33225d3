//! A first configuration for a new issuer.

use std::{
    io,
    path::{Path, PathBuf},
};

use farthing_ledger::key::VerifierKey;
use farthing_service::{clock::Clock, private_file};

use crate::{check_origin, config::Config, error::RunError, keys, today};

/// The origin in the configuration with comments.
const ORIGIN: &str = "issuer.example/farthing/issuance";

/// The configuration with comments.
const CONFIG: &str = include_str!("../issuer.example.toml");

/// The policy with comments.
const POLICY: &str = include_str!("../../policy.example.toml");

/// What was written.
pub struct Written {
    /// The configuration file.
    pub config: PathBuf,
    /// By what everybody checks the log.
    pub log_key: VerifierKey,
}

/// Writes `issuer.toml`, `policy.toml`, a first issuing key and the key of the log into a folder. The log is named `origin`, or
/// as in the example.
///
/// # Errors
/// [`RunError::File`], also for a file that is there already; it stays as it is.
pub fn init(dir: &Path, origin: Option<&str>, clock: &dyn Clock) -> Result<Written, RunError> {
    let origin = origin.unwrap_or(ORIGIN);
    check_origin(origin)?;
    private_file::create_dir(dir).map_err(fault(dir))?;
    let (config, policy) = (dir.join("issuer.toml"), dir.join("policy.toml"));
    for path in [&config, &policy] {
        if path.exists() {
            return Err(fault(path)(io::ErrorKind::AlreadyExists.into()));
        }
    }
    private_file::write(&policy, POLICY.as_bytes()).map_err(fault(&policy))?;
    private_file::write(&config, CONFIG.replace(ORIGIN, origin).as_bytes()).map_err(fault(&config))?;
    let written = Config::load(&config)?;
    let policy = written.load_policy()?;
    let today = today(&policy, clock.unix_seconds())?;
    keys::load_or_make(&written.keys, policy.currency(), written.key_periods, today)?;
    let log = written.log.setup(origin)?;
    Ok(Written { config, log_key: log.signer.verifier().clone() })
}

fn fault(path: &Path) -> impl FnOnce(io::Error) -> RunError {
    move |source| RunError::File { path: path.to_path_buf(), source }
}
