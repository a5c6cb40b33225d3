//! The issuing keys: files that the issuer makes, and that the redeemer gets a copy of; and their announcement in the log.

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use farthing_ecash::{
    amount::Currency,
    calendar::Day,
    entry::{Entry, EntryKind},
    keys::{KeyDates, KeyId, KeyRing, PublicKey, SigningKey},
};
use farthing_service::private_file;
use farthing_store::{Batch, Outcome, READ_ITEMS_MAX, Space, Store};
use getrandom::{SysRng, rand_core::UnwrapErr};
use serde::Deserialize;
use zeroize::Zeroizing;

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

/// Reads all key files. A missing one is made: the first key signs from `today` on, a further one from the day after the
/// newest key's last.
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
        return Err(RunError::Config("keys: name at least one file".to_owned()));
    }
    let (present, missing): (Vec<_>, Vec<_>) = paths.iter().partition(|path| path.exists());
    let mut keys = present.into_iter().map(|path| load(path)).collect::<Result<Vec<_>, _>>()?;
    for path in missing {
        let newest = keys.iter().map(|key| key.public().dates().last_issue).max();
        let first = newest.map_or(today, |last| Day::new(last.get().saturating_add(1)).max(today));
        keys.push(make(path, currency, periods.from(first))?);
    }
    Ok(KeyRing::new(keys))
}

fn load(path: &Path) -> Result<SigningKey, RunError> {
    let fault = |what| RunError::KeyFile { path: path.to_path_buf(), what };
    let unreadable = |source: io::Error| RunError::File { path: path.to_path_buf(), source };
    let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(fault("others than its owner can read this issuing key: chmod 600 it"));
    }
    let text = Zeroizing::new(fs::read(path).map_err(unreadable)?);
    let secret = from_hex(&text).ok_or_else(|| fault("this is no issuing key"))?;
    SigningKey::from_secret_bytes(&secret).map_err(|_| fault("this is no issuing key"))
}

/// Makes a key and writes it to a file (0600): its secret bytes in lower-case hex.
///
/// # Errors
/// [`RunError::File`]; [`RunError::Config`] for dates beyond all calendars.
pub fn make(path: &Path, currency: &Currency, dates: KeyDates) -> Result<SigningKey, RunError> {
    let key = SigningKey::generate(currency.clone(), dates, &mut UnwrapErr(SysRng))
        .map_err(|error| RunError::Config(format!("key_periods: {error}")))?;
    let text = to_hex(&key.to_secret_bytes());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let written = folder.map_or(Ok(()), private_file::create_dir).and_then(|()| private_file::write(path, &text));
    written.map_err(|source| RunError::File { path: path.to_path_buf(), source })?;
    tracing::info!(key = %key.public().id(), first = %dates.first, last_issue = %dates.last_issue, "made an issuing key");
    Ok(key)
}

fn to_hex(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(2 * bytes.len() + 1));
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
        }
    }
    text.push(b'\n');
    text
}

fn from_hex(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (pairs, []) = text.trim_ascii_end().as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Zeroizing::new(Vec::with_capacity(pairs.len()));
    for [high, low] in pairs {
        bytes.push(digit(*high)? << 4 | digit(*low)?);
    }
    Some(bytes)
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
