//! How a server signs its own log: the key, the anchor outside the store, the witnesses. Part of the configuration of issuer
//! and redeemer, as the table `[log]`.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use farthing_ledger::key::{KeyError, KeyKind, LogSigner, VerifierKey};
use getrandom::{SysRng, rand_core::UnwrapErr};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::private_file;

/// The table `[log]`. Paths are relative to the file's folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// The secret key by which checkpoints are signed. A missing one is made.
    pub key: PathBuf,
    /// The anchor: a file with the last signed checkpoint. Best on another disk than the store, and never put back from a
    /// backup together with it.
    pub anchor: PathBuf,
    /// Seconds between two checkpoints at least; there is none when nothing was written.
    pub checkpoint_interval_seconds: u64,
    /// The verifier keys of the witnesses whose cosignatures are taken.
    pub witnesses: Vec<String>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            key: PathBuf::from("log.key"),
            anchor: PathBuf::from("checkpoint.anchor"),
            checkpoint_interval_seconds: 1,
            witnesses: Vec::new(),
        }
    }
}

/// What a server needs to sign its log.
pub struct LogSetup {
    /// The key.
    pub signer: LogSigner,
    /// The anchor.
    pub anchor: PathBuf,
    /// Time between two checkpoints at least.
    pub interval: Duration,
    /// The witnesses whose cosignatures are taken.
    pub witnesses: Vec<VerifierKey>,
}

/// Why a log cannot be signed with what the configuration names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogSetupError {
    /// The key's file cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others can read it.
    #[error("others than its owner can read {}: whoever has it can sign another history. chmod 600 it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// It holds no key.
    #[error("{}: {error}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: KeyError,
    },
    /// It is the key of a log with another name.
    #[error(
        "{} is the key of the log {found}, but `origin` is {wanted}: put the origin back; or, for a log that was never signed, \
         remove the file, and a key is made",
        path.display()
    )]
    OtherOrigin {
        /// The file.
        path: PathBuf,
        /// The name of the key.
        found: String,
        /// The origin.
        wanted: String,
    },
    /// The origin cannot be the name of a key.
    #[error("origin: {0}")]
    Origin(KeyError),
    /// A witness.
    #[error("log.witnesses: {text}: {error}")]
    Witness {
        /// What stands there.
        text: String,
        /// What is wrong.
        error: KeyError,
    },
}

impl LogConfig {
    /// Changes all paths.
    pub fn for_each_path(&mut self, mut change: impl FnMut(&mut PathBuf)) {
        change(&mut self.key);
        change(&mut self.anchor);
    }

    /// Reads what the table names; a missing key is made.
    ///
    /// # Errors
    /// [`LogSetupError`].
    pub fn setup(&self, origin: &str) -> Result<LogSetup, LogSetupError> {
        let witness = |text: &String| {
            let fault = |error| LogSetupError::Witness { text: text.clone(), error };
            let key: VerifierKey = text.parse().map_err(fault)?;
            if key.kind() == KeyKind::Witness { Ok(key) } else { Err(fault(KeyError::Kind)) }
        };
        Ok(LogSetup {
            signer: load_or_make(&self.key, origin)?,
            anchor: self.anchor.clone(),
            interval: Duration::from_secs(self.checkpoint_interval_seconds),
            witnesses: self.witnesses.iter().map(witness).collect::<Result<_, _>>()?,
        })
    }
}

/// Reads the key of the log of this origin, or makes it (0600).
///
/// # Errors
/// [`LogSetupError`].
pub fn load_or_make(path: &Path, origin: &str) -> Result<LogSigner, LogSetupError> {
    let fault = |source| LogSetupError::File { path: path.to_path_buf(), source };
    let unfit = |error| LogSetupError::Key { path: path.to_path_buf(), error };
    let mode = match fs::metadata(path) {
        Ok(found) => found.permissions().mode(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let signer = LogSigner::generate(origin, &mut UnwrapErr(SysRng)).map_err(LogSetupError::Origin)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            folder.map_or(Ok(()), private_file::create_dir).map_err(fault)?;
            private_file::write(path, signer.to_secret_text().as_bytes()).map_err(fault)?;
            tracing::info!(key = %signer.verifier(), "made the key of the log");
            return Ok(signer);
        }
        Err(error) => return Err(fault(error)),
    };
    if mode & 0o077 != 0 {
        return Err(LogSetupError::Exposed { path: path.to_path_buf() });
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(fault)?);
    let signer = LogSigner::from_secret_text(&text).map_err(unfit)?;
    match signer.verifier().name() {
        name if name == origin => Ok(signer),
        name => Err(LogSetupError::OtherOrigin {
            path: path.to_path_buf(),
            found: name.to_owned(),
            wanted: origin.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_key_is_made_once_for_one_origin_and_kept_private() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("keys/log.key");
        let made = load_or_make(&path, "log.example").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(load_or_make(&path, "log.example").unwrap().verifier(), made.verifier());
        assert!(matches!(load_or_make(&path, "other.example"), Err(LogSetupError::OtherOrigin { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        assert!(matches!(load_or_make(&path, "log.example"), Err(LogSetupError::Exposed { .. })));
        private_file::write(&path, b"no key").unwrap();
        assert!(matches!(load_or_make(&path, "log.example"), Err(LogSetupError::Key { .. })));
        assert!(matches!(load_or_make(&home.path().join("new"), "a b"), Err(LogSetupError::Origin(_))));
    }

    #[test]
    fn witnesses_are_witnesses() {
        let home = tempfile::tempdir().unwrap();
        let key = home.path().join("log.key");
        let log = load_or_make(&key, "log.example").unwrap().verifier().to_string();
        for text in ["nonsense".to_owned(), log] {
            let config = LogConfig { key: key.clone(), witnesses: vec![text], ..LogConfig::default() };
            assert!(matches!(config.setup("log.example"), Err(LogSetupError::Witness { .. })));
        }
    }
}
