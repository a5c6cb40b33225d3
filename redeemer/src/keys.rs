//! The issuing keys that are accepted: from the same files as the issuer's. More may come while the redeemer runs.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use farthing_ecash::{
    calendar::Day,
    keys::{KeyId, KeyRing, SigningKey},
};
use farthing_service::key_files::{self, KeyFileError};

use crate::{error::RunError, issuer::Issuer};

/// The keys that are accepted now.
#[derive(Default)]
pub struct Keys(RwLock<Arc<KeyRing>>);

impl Keys {
    /// These keys, for now.
    #[must_use]
    pub fn new(ring: KeyRing) -> Self {
        Self(RwLock::new(Arc::new(ring)))
    }

    /// The keys at this moment: what is done with one ring is done with the same keys to its end.
    #[must_use]
    pub fn ring(&self) -> Arc<KeyRing> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Accepts these keys from now on. The policy's rules are published under all of them.
    pub(crate) fn replace(&self, ring: KeyRing) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
    }
}

/// Reads the files of all keys.
///
/// # Errors
/// [`RunError::KeyFile`] for a file that is no key, or that everybody can read; [`RunError::Config`] for no key at all;
/// [`RunError::File`].
pub fn load(paths: &[PathBuf]) -> Result<KeyRing, RunError> {
    let keys = key_files::load_all(paths)?;
    if keys.is_empty() {
        return Err(RunError::Config("keys: name at least one file with an issuing key".to_owned()));
    }
    Ok(KeyRing::new(keys.into_iter().map(|(_, key)| key)))
}

impl From<KeyFileError> for RunError {
    fn from(error: KeyFileError) -> Self {
        match error {
            KeyFileError::NoKey { path, what } => Self::KeyFile { path, what },
            KeyFileError::Unreadable { path, source } => Self::File { path, source },
            other => Self::Config(other.to_string()),
        }
    }
}

/// The first key of `old` that money may still come back under and that `new` does not have.
pub(crate) fn missing(old: &KeyRing, new: &KeyRing, today: Day) -> Option<KeyId> {
    let needed = old.iter().map(SigningKey::public).filter(|key| today <= key.dates().exchange_until);
    needed.map(|key| key.id()).find(|id| new.get(id).is_none())
}

/// Leaves out the keys that the issuer has not announced: followers would see rules under a key that nobody knows. While the
/// issuer does not answer, the keys in `published`, under which there are rules, are known; if there are none yet, it is believed
/// to announce all when it starts.
pub(crate) async fn announced(ring: KeyRing, issuer: &Issuer, published: &BTreeSet<KeyId>) -> KeyRing {
    // The only key has to be right.
    if ring.iter().count() < 2 {
        return ring;
    }
    let issuance = issuer.issuance_checkpoint().await;
    let is_known = |key: &&SigningKey| match &issuance {
        Ok(issuance) => issuance.announces(key.public().id()),
        Err(_) => published.is_empty() || published.contains(&key.public().id()),
    };
    let (known, unknown): (Vec<_>, Vec<_>) = ring.iter().partition(is_known);
    for key in &unknown {
        tracing::warn!(key = %key.public().id(), "the issuer has not announced this key, as far as is known: it is not used before");
    }
    if unknown.is_empty() {
        return ring;
    }
    // A key has no copy but through its secret bytes.
    let copies = known.into_iter().filter_map(|key| SigningKey::from_secret_bytes(&key.to_secret_bytes()).ok());
    KeyRing::new(copies)
}
