//! A first configuration for a new follower.

use std::path::Path;

use farthing_ledger::key::CosignerKey;
use farthing_service::private_file;
use getrandom::{SysRng, rand_core::UnwrapErr};

use crate::error::RunError;

/// The configuration with comments.
const CONFIG: &str = include_str!("../follower.example.toml");

/// Writes `follower.toml`, to be edited, and `witness.key` into a folder. Files that are there stay as they are. Returns what
/// to tell the operator.
///
/// # Errors
/// [`RunError::Io`], also for a file that is there already; [`RunError::Key`] for a name that is none.
pub fn init(dir: &Path, name: &str) -> Result<String, RunError> {
    let witness =
        CosignerKey::generate(name, &mut UnwrapErr(SysRng)).map_err(|source| RunError::Key { what: "name", source })?;
    private_file::create_dir(dir).map_err(RunError::io(dir))?;
    let (config, key) = (dir.join("follower.toml"), dir.join("witness.key"));
    for path in [&config, &key] {
        if path.exists() {
            return Err(RunError::io(path)(std::io::ErrorKind::AlreadyExists.into()));
        }
    }
    private_file::write(&key, witness.to_secret_text().as_bytes()).map_err(RunError::io(&key))?;
    private_file::write(&config, CONFIG.as_bytes()).map_err(RunError::io(&config))?;
    Ok(format!("edit {}, then run with it\nwitness key: {}\n", config.display(), witness.verifier()))
}
