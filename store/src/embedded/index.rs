//! The index: the only user of sled.
//!
//! One tree, so that one atomic batch changes everything at once: the effects of a record and the position of the journal
//! they bring the index to. Keys begin with a kind; names with their length, so that no name is a prefix of another:
//! `a` → position (sequence number u64 LE, hash 32), `k` name key → value, `e` log index(u64 BE) → place in the journal (see [`super::place`]), `n` log → size u64 LE.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::directory;
use super::effects::{Effect, Effects};
use super::index_note::IndexNote;
use super::place::{Place, Places, RecordAddress};
use super::segment::Position;
use crate::StoreError;
use crate::engine::Pairs;
use crate::error::is_disk_full;

const APPLIED: &[u8] = b"a";

/// How often sled writes its buffers out by itself. Nothing depends on it: what is missing is replayed.
const FLUSH_EVERY_MS: u64 = 2_000;

/// How long to wait for the last of sled's own threads to let go of its file, in steps of 5 ms.
const RELEASE_STEPS_MAX: u32 = 2_000;

/// An open index; clones share it.
#[derive(Clone)]
pub(super) struct Index {
    db: sled::Db,
}

impl Index {
    /// Opens or creates the index in `dir`.
    pub(super) fn open(dir: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let path = files(dir);
        wait_until_released(&path)?;
        let config = sled::Config::new().path(path).cache_capacity(cache_bytes).flush_every_ms(Some(FLUSH_EVERY_MS));
        Ok(Self { db: guarded(|| config.open())? })
    }

    /// True if there are files of an index in `dir`.
    pub(super) fn exists(dir: &Path) -> bool {
        files(dir).exists()
    }

    /// The journal position that the index has reached.
    pub(super) fn applied(&self) -> Result<Position, StoreError> {
        let Some(bytes) = guarded(|| self.db.get(APPLIED))? else { return Ok(Position { seq: 0, hash: [0; 32] }) };
        let position = bytes
            .split_first_chunk()
            .and_then(|(seq, hash)| Some(Position { seq: u64::from_le_bytes(*seq), hash: hash.try_into().ok()? }));
        position.ok_or_else(|| broken("the position is malformed"))
    }

    /// Applies the effects of a record at `address`, which bring the index to `position`, in one atomic step.
    pub(super) fn apply(&self, effects: &[u8], address: RecordAddress, position: Position) -> Result<(), StoreError> {
        let malformed = |_| broken("the record's effects are malformed");
        let mut places = Places::new(address, effects);
        let mut batch = sled::Batch::default();
        let mut sizes = HashMap::new();
        let mut decoding = Effects::new(effects);
        while let Some(effect) = decoding.next() {
            match effect.map_err(malformed)? {
                Effect::Put { space, key, value } => batch.insert(pair_key(space, key), value),
                Effect::Delete { space, key } => batch.remove(pair_key(space, key)),
                Effect::Append { log, index, entry, proof } => {
                    let place = places.next(entry.len(), proof.bytes, decoding.end()).map_err(malformed)?;
                    batch.insert(entry_key(log, index), &place.to_bytes()[..]);
                    sizes.insert(log, index.checked_add(1).ok_or_else(|| broken("a log is full"))?);
                }
            }
        }
        for (log, size) in sizes {
            batch.insert(named(b'n', log), &size.to_le_bytes());
        }
        batch.insert(APPLIED, [&position.seq.to_le_bytes()[..], &position.hash].concat());
        guarded(|| self.db.apply_batch(batch))
    }

    pub(super) fn get(&self, space: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(guarded(|| self.db.get(pair_key(space, key)))?.map(|value| value.to_vec()))
    }

    pub(super) fn scan(&self, space: &str, prefix: &[u8], from: &[u8], limit: usize) -> Result<Pairs, StoreError> {
        let name = named(b'k', space);
        let (begin, within) = (pair_key(space, from.max(prefix)), pair_key(space, prefix));
        let pairs = || {
            self.db
                .range(begin..)
                .take_while(|pair| pair.as_ref().map_or(true, |(key, _)| key.starts_with(&within)))
                .take(limit)
                .collect::<Result<Vec<_>, _>>()
        };
        let pairs = guarded(pairs)?;
        Ok(pairs
            .into_iter()
            .map(|(key, value)| (key.iter().copied().skip(name.len()).collect(), value.to_vec()))
            .collect())
    }

    pub(super) fn log_size(&self, log: &str) -> Result<u64, StoreError> {
        let Some(bytes) = guarded(|| self.db.get(named(b'n', log)))? else { return Ok(0) };
        Ok(u64::from_le_bytes(bytes.as_ref().try_into().map_err(|_| broken("a log's size is malformed"))?))
    }

    /// Where the entry of a log lies in the journal; `None` if there is none.
    pub(super) fn place(&self, log: &str, index: u64) -> Result<Option<Place>, StoreError> {
        let Some(bytes) = guarded(|| self.db.get(entry_key(log, index)))? else { return Ok(None) };
        Place::from_bytes(&bytes).map(Some).ok_or_else(|| broken("the place of a log entry is malformed"))
    }

    /// The places of at most `limit` entries of a log with index ≥ `from`, ascending.
    pub(super) fn places(&self, log: &str, from: u64, limit: usize) -> Result<Vec<(u64, Place)>, StoreError> {
        let size = self.log_size(log)?;
        let found = |index| Ok((index, self.place(log, index)?.ok_or_else(|| broken("a log entry is missing"))?));
        (from..size).take(limit).map(found).collect()
    }

    /// Compares all that two indexes hold; answers how many keys they share and how many differ.
    pub(super) fn compare(&self, other: &Self) -> Result<(u64, u64), StoreError> {
        guarded(|| {
            let (mut same, mut different) = (0, 0);
            let (mut left, mut right) = (self.db.iter(), other.db.iter());
            let (mut a, mut b) = (left.next().transpose()?, right.next().transpose()?);
            loop {
                let order = match (&a, &b) {
                    (None, None) => return Ok((same, different)),
                    (Some(_), None) => std::cmp::Ordering::Less,
                    (None, Some(_)) => std::cmp::Ordering::Greater,
                    (Some((x, _)), Some((y, _))) => x.cmp(y),
                };
                if order.is_eq() && a == b {
                    same += 1
                } else {
                    different += 1
                }
                if order.is_le() {
                    a = left.next().transpose()?;
                }
                if order.is_ge() {
                    b = right.next().transpose()?;
                }
            }
        })
    }

    /// Closes the index, which must be its last handle, synchronises its files and notes that they may be trusted.
    pub(super) fn close(self, note: &IndexNote) -> Result<(), StoreError> {
        guarded(|| self.db.flush().map(drop))?;
        guarded(|| {
            drop(self.db);
            Ok(())
        })?;
        wait_until_released(&files(note.dir()))?;
        directory::sync_tree(note.dir())?;
        note.mark_clean()
    }
}

/// Where sled's files are.
fn files(dir: &Path) -> PathBuf {
    dir.join("sled")
}

/// Dropping sled's handle does not end its threads at once, and the last of them still writes. They are gone when its
/// lock is.
fn wait_until_released(path: &Path) -> Result<(), StoreError> {
    let Ok(file) = OpenOptions::new().read(true).write(true).open(path.join("db")) else { return Ok(()) };
    for _ in 0..RELEASE_STEPS_MAX {
        if file.try_lock().is_ok() {
            // Not left to the closing of the file, see `Lock`.
            return file.unlock().map_err(|source| StoreError::io("cannot unlock", path, source));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(broken("another handle holds it"))
}

/// Calls sled. On damaged files it panics in places where it should answer with an error; either way the index is lost
/// and the journal is not.
fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) if is_disk_full(&error) => Err(StoreError::DiskFull),
        Ok(Err(error)) => Err(StoreError::Index { what: error.to_string() }),
        Err(_) => Err(broken("sled panicked")),
    }
}

pub(super) fn broken(what: &str) -> StoreError {
    StoreError::Index { what: what.to_owned() }
}

fn named(kind: u8, name: &str) -> Vec<u8> {
    // Names are limited to 32 bytes when a batch is checked.
    let len = u8::try_from(name.len()).unwrap_or(u8::MAX);
    [&[kind, len], name.as_bytes()].concat()
}

fn pair_key(space: &str, key: &[u8]) -> Vec<u8> {
    [&named(b'k', space), key].concat()
}

fn entry_key(log: &str, index: u64) -> Vec<u8> {
    [&named(b'e', log)[..], &index.to_be_bytes()].concat()
}
