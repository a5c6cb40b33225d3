//! The issuing keys: files that the issuer makes, and that the redeemer gets a copy of; and their announcement in the log.

pub mod plan;

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use farthing_ecash::{
    amount::Currency,
    calendar::Day,
    entry::{Entry, EntryKind},
    keys::{KeyDates, KeyId, KeyRing, PublicKey, SigningKey},
};
use farthing_service::key_files::{self, KeyFileError};
use farthing_store::{Batch, Outcome, READ_ITEMS_MAX, Space, Store};
use getrandom::{SysRng, rand_core::UnwrapErr};
use serde::Deserialize;

use crate::{
    error::{IssuerError, RunError},
    issuance::{ISSUANCE, IssuanceLog},
};

/// Key id → index of its entry in the log, u64 little-endian.
const ANNOUNCED: Space = Space("key");

/// For how long a new key is good, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPeriods {
    /// Outputs are signed under it; at least 1.
    pub issue_days: u32,
    /// After that, payments still take money under it.
    pub accept_days: u32,
    /// After that, its money can still be claimed, swapped and redeemed.
    pub exchange_days: u32,
}

impl Default for KeyPeriods {
    /// A year, 45 days, nine years.
    fn default() -> Self {
        Self { issue_days: 365, accept_days: 45, exchange_days: 9 * 365 }
    }
}

impl KeyPeriods {
    /// The dates of a key that signs from `first` on.
    #[must_use]
    pub fn from(self, first: Day) -> KeyDates {
        let later = |day: Day, days: u32| Day::new(day.get().saturating_add(days));
        let last_issue = later(first, self.issue_days.saturating_sub(1));
        let accept_until = later(last_issue, self.accept_days);
        KeyDates { first, last_issue, accept_until, exchange_until: later(accept_until, self.exchange_days) }
    }
}

/// Reads all key files. A missing one is made, in a folder without keys the first: the first key signs from `today` on, a
/// further one from the day after the newest key's last.
///
/// # Errors
/// [`RunError::KeyFile`] and [`RunError::File`]; [`RunError::Config`] when no file is named.
pub fn load_or_make(
    paths: &[PathBuf],
    currency: &Currency,
    periods: KeyPeriods,
    today: Day,
) -> Result<KeyRing, RunError> {
    if paths.is_empty() {
        return Err(RunError::Config("keys: name at least one file or folder".to_owned()));
    }
    let files = key_files::files(paths)?;
    let (present, mut missing): (Vec<_>, Vec<_>) = files.into_iter().partition(|path| path.exists());
    let mut keys = present.iter().map(|path| key_files::load(path)).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() && missing.is_empty() {
        missing.extend(paths.iter().take(1).map(|folder| folder.join(file_name(today))));
    }
    for path in missing {
        let newest = keys.iter().map(|key| key.public().dates().last_issue).max();
        let first = newest.map_or(today, |last| Day::new(last.get().saturating_add(1)).max(today));
        keys.push(make(&path, currency, periods.from(first))?);
    }
    Ok(KeyRing::new(keys))
}

/// The name of the file of a key that signs from this day on.
fn file_name(first: Day) -> String {
    format!("{first}.{}", key_files::EXTENSION)
}

/// Makes a key and writes it to a file that is not there yet (0600).
///
/// # Errors
/// [`RunError::File`]; [`RunError::Config`] for dates beyond all calendars.
pub fn make(path: &Path, currency: &Currency, dates: KeyDates) -> Result<SigningKey, RunError> {
    let key = SigningKey::generate(currency.clone(), dates, &mut UnwrapErr(SysRng))
        .map_err(|error| RunError::Config(format!("key_periods: {error}")))?;
    let unwritten = |source: io::Error| RunError::File { path: path.to_path_buf(), source };
    key_files::write(path, &key).map_err(unwritten)?;
    tracing::info!(key = %key.public().id(), first = %dates.first, last_issue = %dates.last_issue, "made an issuing key");
    Ok(key)
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

/// The keys in use. More may come while the issuer runs.
pub(crate) struct Keys(RwLock<Arc<Announced>>);

/// Keys that are in the log.
pub(crate) struct Announced {
    pub(crate) ring: KeyRing,
    /// Where each is announced.
    pub(crate) indices: HashMap<KeyId, u64>,
}

impl Keys {
    /// Announces what is not announced yet.
    pub(crate) async fn start(log: &IssuanceLog, ring: KeyRing) -> Result<Self, RunError> {
        let indices = announce(log, &ring).await?;
        Ok(Self(RwLock::new(Arc::new(Announced { ring, indices }))))
    }

    /// The keys at this moment: what is done with them is done with the same keys to its end.
    pub(crate) fn now(&self) -> Arc<Announced> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Announces what is new among these keys, then uses them. Answers how many are new.
    ///
    /// # Errors
    /// As [`announce`]; everything stays as it was.
    pub(crate) async fn replace(&self, log: &IssuanceLog, ring: KeyRing) -> Result<usize, RunError> {
        let known = self.now();
        let fresh = ring.iter().filter(|key| known.ring.get(&key.public().id()).is_none()).count();
        let indices = announce(log, &ring).await?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Announced { ring, indices });
        Ok(fresh)
    }
}

/// The keys in canonical form that are still accepted for anything.
pub(crate) fn accepted(keys: &KeyRing, today: Day) -> impl Iterator<Item = &PublicKey> {
    keys.iter().map(SigningKey::public).filter(move |key| today <= key.dates().exchange_until)
}

/// Announces every key in the log, once; and checks that none of those announced is missing. Tells where each key stands.
pub(crate) async fn announce(log: &IssuanceLog, keys: &KeyRing) -> Result<HashMap<KeyId, u64>, RunError> {
    for (_, key) in announced(log.store()).await? {
        if log.today() <= key.dates().exchange_until && keys.get(&key.id()).is_none() {
            return Err(RunError::KeyLost(key.id()));
        }
    }
    for key in keys.iter().map(SigningKey::public) {
        let id = *key.id().as_bytes();
        let outcome = log.commit(|day| {
            let entry = Entry::new(EntryKind::Key, day, key.to_bytes()).map_err(|_| IssuerError::damaged())?;
            let index_at = Some((ANNOUNCED, id.to_vec()));
            Ok(Batch::new().expect_absent(ANNOUNCED, id).append(ISSUANCE, entry.to_bytes(), Vec::new(), index_at))
        });
        match outcome.await? {
            Outcome::Applied { .. } => tracing::info!(key = %key.id(), "announced an issuing key"),
            Outcome::Conflict { .. } => {}
            Outcome::Unknown => return Err(IssuerError::OutcomeUnknown.into()),
        }
    }
    Ok(announced(log.store()).await?.into_iter().map(|(index, key)| (key.id(), index)).collect())
}

/// The keys in the log with their indices.
async fn announced(store: &Store) -> Result<Vec<(u64, PublicKey)>, IssuerError> {
    let mut keys = Vec::new();
    for (_, index) in store.scan(ANNOUNCED, &[], READ_ITEMS_MAX).await? {
        let index = u64::from_le_bytes(index.try_into().map_err(|_| IssuerError::damaged())?);
        let record = store.log_read(ISSUANCE, index, 1).await?.pop().ok_or_else(IssuerError::damaged)?;
        let entry = Entry::from_bytes(&record.entry).map_err(|_| IssuerError::damaged())?;
        keys.push((index, PublicKey::from_bytes(entry.body()).map_err(|_| IssuerError::damaged())?));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{fs, os::unix::fs::PermissionsExt as _};

    use farthing_service::private_file;

    use super::*;

    const TODAY: Day = Day::new(20_777);

    fn euro() -> Currency {
        Currency::new("EUR", 6).unwrap()
    }

    fn load_all(paths: &[PathBuf], today: Day) -> Result<KeyRing, RunError> {
        load_or_make(paths, &euro(), KeyPeriods::default(), today)
    }

    #[test]
    fn a_key_is_made_once_and_a_further_one_follows_it() {
        let home = tempfile::tempdir().unwrap();
        let first = home.path().join("keys/first.key");
        let made = load_all(std::slice::from_ref(&first), TODAY).unwrap();
        let id = made.current(TODAY).unwrap().public().id();
        assert_eq!(fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o600);
        let dates = made.current(TODAY).unwrap().public().dates();
        let days = [dates.first, dates.last_issue, dates.accept_until, dates.exchange_until].map(Day::get);
        assert_eq!(days, [20_777, 21_141, 21_186, 24_471]);

        let again = load_all(std::slice::from_ref(&first), Day::new(20_800)).unwrap();
        assert_eq!(again.current(TODAY).unwrap().public().id(), id);
        let two = load_all(&[first, home.path().join("keys/second.key")], Day::new(20_800)).unwrap();
        assert_eq!(two.iter().count(), 2);
        assert_eq!(two.current(dates.last_issue).unwrap().public().id(), id);
        assert_ne!(two.current(Day::new(21_142)).unwrap().public().id(), id);
    }

    #[test]
    fn a_file_that_is_no_key_or_no_secret_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("issuing.key");
        make(&path, &euro(), KeyPeriods::default().from(TODAY)).unwrap();
        let paths = std::slice::from_ref(&path);
        let text = fs::read(&path).unwrap();
        for wrong in [&text[..text.len() - 2], &text[2..], b"", b"xx"] {
            private_file::write(&path, wrong).unwrap();
            assert!(matches!(load_all(paths, TODAY), Err(RunError::KeyFile { .. })));
        }
        private_file::write(&path, &text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        assert!(matches!(load_all(paths, TODAY), Err(RunError::KeyFile { .. })));
        assert!(matches!(load_all(&[], TODAY), Err(RunError::Config(_))));
    }
}
