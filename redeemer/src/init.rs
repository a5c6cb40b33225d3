//! A first configuration for a new redeemer.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use farthing_service::private_file;

use crate::error::RunError;

/// The configuration with comments.
const CONFIG: &str = include_str!("../redeemer.example.toml");

/// The policy with comments.
const POLICY: &str = include_str!("../../policy.example.toml");

/// Writes `redeemer.toml` and `policy.toml` into a folder, to be edited. Returns the path of the first. Files that are there
/// stay as they are.
///
/// # Errors
/// [`RunError::File`], also for a file that is there already.
pub fn init(dir: &Path) -> Result<PathBuf, RunError> {
    private_file::create_dir(dir).map_err(fault(dir))?;
    let (config, policy) = (dir.join("redeemer.toml"), dir.join("policy.toml"));
    for path in [&config, &policy] {
        if path.exists() {
            return Err(fault(path)(io::ErrorKind::AlreadyExists.into()));
        }
    }
    write(&policy, POLICY)?;
    write(&config, CONFIG)?;
    Ok(config)
}

fn write(path: &Path, text: &str) -> Result<(), RunError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(fault(path))
}

fn fault(path: &Path) -> impl FnOnce(io::Error) -> RunError {
    move |source| RunError::File { path: path.to_path_buf(), source }
}
