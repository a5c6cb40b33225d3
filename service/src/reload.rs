//! The files that a server looks at while it runs: the policy, and the issuing keys.

use std::path::{Path, PathBuf};

use crate::watch::{self, Pace};

/// What probes ask for to learn whether the policy file on disk is the policy in use.
pub const POLICY_HEALTH: &str = "farthing.policy";

/// What probes ask for to learn whether the key files on disk are the keys in use.
pub const KEYS_HEALTH: &str = "farthing.keys";

/// Which files are looked at, and how often.
#[derive(Debug, Clone)]
pub struct Reload {
    /// The policy file.
    pub policy: PathBuf,
    /// Where it is told what became of a change of it.
    pub policy_status: PathBuf,
    /// The files and folders of the issuing keys.
    pub keys: Vec<PathBuf>,
    /// Where it is told what became of a new key.
    pub keys_status: PathBuf,
    /// How often.
    pub pace: Pace,
}

impl Reload {
    /// These files at the usual pace, for a server with this data folder.
    #[must_use]
    pub fn new(data_dir: &Path, policy: &Path, keys: &[PathBuf]) -> Self {
        Self {
            policy: policy.to_owned(),
            policy_status: policy_status(data_dir),
            keys: keys.to_owned(),
            keys_status: keys_status(data_dir),
            pace: Pace::default(),
        }
    }
}

/// Where a running server with this data folder tells what became of a changed policy file.
#[must_use]
pub fn policy_status(data_dir: &Path) -> PathBuf {
    data_dir.join("policy.status")
}

/// Where a running server with this data folder tells what became of new key files.
#[must_use]
pub fn keys_status(data_dir: &Path) -> PathBuf {
    data_dir.join("keys.status")
}

/// What is seen of the policy file: its bytes, or why it cannot be read; nothing when no path is watched.
pub type PolicyLook = Option<Result<Vec<u8>, String>>;

/// Looks at the policy file, the first of these paths.
#[must_use]
pub fn look_at_policy(paths: &[PathBuf]) -> PolicyLook {
    paths.first().map(|path| watch::contents(path))
}
