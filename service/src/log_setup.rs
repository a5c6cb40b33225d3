//! How a server signs its own log: the key, the anchor outside the store, the witnesses. Part of the configuration of issuer
//! and redeemer, as the table `[log]`.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use farthing_ledger::{
    key::{KeyError, KeyKind, LogSigner, VerifierKey},
    pruning::PruneRule,
};
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
    /// How many witnesses have to have cosigned a checkpoint before proof parts that it covers may go; all if it is not given.
    pub witness_quorum: Option<usize>,
    /// Days for which an entry keeps its proof part; for ever if it is not given.
    pub prune_proofs_after_days: Option<u32>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            key: PathBuf::from("log.key"),
            anchor: PathBuf::from("checkpoint.anchor"),
            checkpoint_interval_seconds: 1,
            witnesses: Vec::new(),
            witness_quorum: None,
            prune_proofs_after_days: None,
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
    /// Which proof parts may go; none of them if there is no rule.
    pub pruning: Option<PruneRule>,
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
    /// Two names for one key would count twice.
    #[error("log.witnesses: {text}: this key stands there before")]
    WitnessTwice {
        /// What stands there.
        text: String,
    },
    /// A quorum that there cannot be.
    #[error(
        "log.witness_quorum: {wanted} of {witnesses} witnesses: it has to be from 1 to their number, and without witnesses \
         nobody has checked the proofs that log.prune_proofs_after_days would take away"
    )]
    Quorum {
        /// What stands there, or follows from it.
        wanted: usize,
        /// How many witnesses there are.
        witnesses: usize,
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
        let witnesses = self.witness_keys()?;
        let pruning = match self.prune_proofs_after_days {
            Some(days) => Some(PruneRule { days, witnesses: self.quorum(witnesses.len())? }),
            None if self.witness_quorum.is_some() => self.quorum(witnesses.len()).map(|_| None)?,
            None => None,
        };
        Ok(LogSetup {
            signer: load_or_make(&self.key, origin)?,
            anchor: self.anchor.clone(),
            interval: Duration::from_secs(self.checkpoint_interval_seconds),
            witnesses,
            pruning,
        })
    }

    fn witness_keys(&self) -> Result<Vec<VerifierKey>, LogSetupError> {
        let mut keys = Vec::<VerifierKey>::new();
        for text in &self.witnesses {
            let fault = |error| LogSetupError::Witness { text: text.clone(), error };
            let key: VerifierKey = text.parse().map_err(fault)?;
            if key.kind() != KeyKind::Witness {
                return Err(fault(KeyError::Kind));
            }
            if keys.iter().any(|known| known.public_bytes() == key.public_bytes()) {
                return Err(LogSetupError::WitnessTwice { text: text.clone() });
            }
            keys.push(key);
        }
        Ok(keys)
    }

    fn quorum(&self, witnesses: usize) -> Result<usize, LogSetupError> {
        let wanted = self.witness_quorum.unwrap_or(witnesses);
        let is_possible = (1..=witnesses).contains(&wanted);
        if is_possible { Ok(wanted) } else { Err(LogSetupError::Quorum { wanted, witnesses }) }
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

    use farthing_ledger::key::CosignerKey;

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

    #[test]
    fn nothing_is_pruned_that_no_witness_has_checked() {
        let home = tempfile::tempdir().unwrap();
        let witness = |name: &str| CosignerKey::generate(name, &mut UnwrapErr(SysRng)).unwrap().verifier().to_string();
        let witnesses = vec![witness("one.example"), witness("two.example"), witness("three.example")];
        let config = LogConfig { key: home.path().join("log.key"), ..LogConfig::default() };
        let pruning = |config: LogConfig| config.setup("log.example").map(|setup| setup.pruning);
        assert_eq!(pruning(config.clone()).unwrap(), None);
        assert_eq!(pruning(LogConfig { witnesses: witnesses.clone(), ..config.clone() }).unwrap(), None);
        let old = LogConfig { prune_proofs_after_days: Some(90), ..config };
        assert!(matches!(pruning(old.clone()), Err(LogSetupError::Quorum { wanted: 0, witnesses: 0 })));
        let old = LogConfig { witnesses: witnesses.clone(), ..old };
        assert_eq!(pruning(old.clone()).unwrap(), Some(PruneRule { days: 90, witnesses: 3 }));
        let of = |quorum| LogConfig { witness_quorum: Some(quorum), ..old.clone() };
        assert_eq!(pruning(of(2)).unwrap(), Some(PruneRule { days: 90, witnesses: 2 }));
        for quorum in [0, 4] {
            assert!(matches!(pruning(of(quorum)), Err(LogSetupError::Quorum { witnesses: 3, .. })));
        }
        // One witness does not become two by standing there twice.
        let twice = LogConfig { witnesses: vec![witnesses[0].clone(), witnesses[0].clone()], ..old.clone() };
        assert!(matches!(pruning(twice), Err(LogSetupError::WitnessTwice { .. })));
    }
}
