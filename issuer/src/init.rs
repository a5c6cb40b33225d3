//! A first configuration for a new issuer.

use std::{
    io,
    path::{Path, PathBuf},
};

use farthing_ecash::calendar::Day;
use farthing_service::{
    clock::{Clock, civil_day},
    private_file,
};

use crate::{config::Config, error::RunError, keys, zone};

/// The configuration with comments.
const CONFIG: &str = include_str!("../issuer.example.toml");

/// The policy with comments.
const POLICY: &str = include_str!("../../policy.example.toml");

/// Writes `issuer.toml`, `policy.toml` and a first issuing key into a folder. Returns the path of the first.
///
/// # Errors
/// [`RunError::File`], also for a file that is there already; it stays as it is.
pub fn init(dir: &Path, clock: &dyn Clock) -> Result<PathBuf, RunError> {
    private_file::create_dir(dir).map_err(fault(dir))?;
    let (config, policy) = (dir.join("issuer.toml"), dir.join("policy.toml"));
    for path in [&config, &policy] {
        if path.exists() {
            return Err(fault(path)(io::ErrorKind::AlreadyExists.into()));
        }
    }
    private_file::write(&policy, POLICY.as_bytes()).map_err(fault(&policy))?;
    private_file::write(&config, CONFIG.as_bytes()).map_err(fault(&config))?;
    let written = Config::load(&config)?;
    let policy = written.load_policy()?;
    let today = Day::new(civil_day(clock.unix_seconds(), &zone(&policy)?));
    keys::load_or_make(&written.keys, policy.currency(), written.key_periods, today)?;
    Ok(config)
}

fn fault(path: &Path) -> impl FnOnce(io::Error) -> RunError {
    move |source| RunError::File { path: path.to_path_buf(), source }
}
