//! The index: what the journal's effects add up to. The only user of fjall.
//!
//! One keyspace, so that one atomic batch changes everything at once: the effects of a record and the position of the
//! journal they bring the index to. Keys begin with a kind; names with their length, so that no name is a prefix of
//! another: `a` → position (sequence number u64 LE, hash 32), `k` name key → value, `e` log index(u64 BE) → place in the
//! journal (see [`super::place`]), `n` log → size u64 LE.
//!
//! Every reading is of a snapshot: fjall makes the keys of a batch visible one after the other to whoever reads without one.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fjall::config::{BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry, PartitioningPolicy, PinningPolicy};
use fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Slice, Snapshot};

use super::directory;
use super::effects::{Effect, Effects};
use super::index_note::IndexNote;
use super::place::{Place, Places, RecordAddress};
use super::segment::Position;
use crate::StoreError;
use crate::engine::Pairs;
use crate::error::is_disk_full;

const APPLIED: &[u8] = b"a";

/// Threads that write tables and merge them.
const WORKERS: usize = 2;

/// Bits of a filter for each key: one look-up in a hundred of a serial that is new reads a block in vain.
const FILTER_BITS_PER_KEY: f32 = 10.0;

/// An open index; clones share it.
#[derive(Clone)]
pub(super) struct Index {
    pairs: Keyspace,
    database: Database,
}

impl Index {
    /// Opens or creates the index in `dir`. Of `memory_bytes` one half is the cache of blocks; a quarter is for what is
    /// new, which exists twice while it is written out. The filters come on top: 1.25 bytes for each key.
    pub(super) fn open(dir: &Path, memory_bytes: u64) -> Result<Self, StoreError> {
        let filter = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(FILTER_BITS_PER_KEY));
        // Nearly every look-up is of a serial that is new: with all filters in memory it reads nothing.
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(memory_bytes / 4)
                .filter_policy(FilterPolicy::all(filter))
                .filter_block_partitioning_policy(PartitioningPolicy::all(false))
                .filter_block_pinning_policy(PinningPolicy::all(true))
                .index_block_partitioning_policy(PartitioningPolicy::all(false))
                .index_block_pinning_policy(PinningPolicy::all(true))
        };
        guarded(|| {
            // What its buffer loses with the process is replayed from our journal.
            let database = Database::builder(files(dir))
                .cache_size(memory_bytes / 2)
                .manual_journal_persist(true)
                .worker_threads(WORKERS)
                .open()?;
            Ok(Self { pairs: database.keyspace("pairs", options)?, database })
        })
    }

    /// True if there are files of an index in `dir`.
    pub(super) fn exists(dir: &Path) -> bool {
        files(dir).exists()
    }

    /// The journal position that the index has reached.
    pub(super) fn applied(&self) -> Result<Position, StoreError> {
        let Some(bytes) = self.value(APPLIED)? else { return Ok(Position { seq: 0, hash: [0; 32] }) };
        let position = bytes
            .split_first_chunk()
            .and_then(|(seq, hash)| Some(Position { seq: u64::from_le_bytes(*seq), hash: hash.try_into().ok()? }));
        position.ok_or_else(|| broken("the position is malformed"))
    }

    /// Applies the effects of a record at `address`, which bring the index to `position`, in one atomic step.
    pub(super) fn apply(&self, effects: &[u8], address: RecordAddress, position: Position) -> Result<(), StoreError> {
        let malformed = |_| broken("the record's effects are malformed");
        let mut places = Places::new(address, effects);
        let mut batch = self.database.batch();
        let mut sizes = HashMap::new();
        let mut decoding = Effects::new(effects);
        while let Some(effect) = decoding.next() {
            match effect.map_err(malformed)? {
                Effect::Put { space, key, value } => batch.insert(&self.pairs, pair_key(space, key), value),
                Effect::Delete { space, key } => batch.remove(&self.pairs, pair_key(space, key)),
                Effect::Append { log, index, entry, proof } => {
                    let place = places.next(entry.len(), proof.bytes, decoding.end()).map_err(malformed)?;
                    batch.insert(&self.pairs, entry_key(log, index), &place.to_bytes()[..]);
                    sizes.insert(log, index.checked_add(1).ok_or_else(|| broken("a log is full"))?);
                }
            }
        }
        for (log, size) in sizes {
            batch.insert(&self.pairs, named(b'n', log), &size.to_le_bytes()[..]);
        }
        batch.insert(&self.pairs, APPLIED, [&position.seq.to_le_bytes()[..], &position.hash].concat());
        guarded(|| batch.commit())
    }

    /// What all batches up to now add up to, and no part of a later one.
    fn snapshot(&self) -> Snapshot {
        self.database.snapshot()
    }

    fn value(&self, key: impl AsRef<[u8]>) -> Result<Option<Slice>, StoreError> {
        guarded(|| self.snapshot().get(&self.pairs, key))
    }

    pub(super) fn get(&self, space: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.value(pair_key(space, key))?.map(|value| value.to_vec()))
    }

    pub(super) fn scan(&self, space: &str, prefix: &[u8], from: &[u8], limit: usize) -> Result<Pairs, StoreError> {
        let name = named(b'k', space);
        let mut pairs = self.range(&pair_key(space, from.max(prefix)), &pair_key(space, prefix), limit)?;
        pairs.iter_mut().for_each(|(key, _)| drop(key.drain(..name.len().min(key.len()))));
        Ok(pairs)
    }

    /// At most `limit` pairs with keys ≥ `from` that begin with `prefix`, ascending.
    fn range(&self, from: &[u8], prefix: &[u8], limit: usize) -> Result<Pairs, StoreError> {
        let bytes = |pair: Guard| pair.into_inner().map(|(key, value)| (key.to_vec(), value.to_vec()));
        let within =
            |pair: &fjall::Result<(Vec<u8>, _)>| pair.as_ref().map_or(true, |(key, _)| key.starts_with(prefix));
        guarded(|| self.snapshot().range(&self.pairs, from..).take(limit).map(bytes).take_while(within).collect())
    }

    pub(super) fn log_size(&self, log: &str) -> Result<u64, StoreError> {
        let Some(bytes) = self.value(named(b'n', log))? else { return Ok(0) };
        Ok(u64::from_le_bytes(bytes.as_ref().try_into().map_err(|_| broken("a log's size is malformed"))?))
    }

    /// Where the entry of a log lies in the journal; `None` if there is none.
    pub(super) fn place(&self, log: &str, index: u64) -> Result<Option<Place>, StoreError> {
        self.value(entry_key(log, index))?.map(|bytes| place_from(&bytes)).transpose()
    }

    /// The places of at most `limit` entries of a log with index ≥ `from`, ascending.
    pub(super) fn places(&self, log: &str, from: u64, limit: usize) -> Result<Vec<(u64, Place)>, StoreError> {
        let pairs = self.range(&entry_key(log, from), &named(b'e', log), limit)?;
        let place = |((key, bytes), index): ((Vec<u8>, Vec<u8>), u64)| {
            if key != entry_key(log, index) {
                return Err(broken("a log entry is missing"));
            }
            Ok((index, place_from(&bytes)?))
        };
        pairs.into_iter().zip(from..=u64::MAX).map(place).collect()
    }

    /// Compares all that two indexes hold; answers how many keys they share and how many differ.
    pub(super) fn compare(&self, other: &Self) -> Result<(u64, u64), StoreError> {
        guarded(|| {
            let (mut same, mut different) = (0, 0);
            let (mut left, mut right) = (self.snapshot().iter(&self.pairs), other.snapshot().iter(&other.pairs));
            let next = |pairs: &mut fjall::Iter| pairs.next().map(Guard::into_inner).transpose();
            let (mut a, mut b) = (next(&mut left)?, next(&mut right)?);
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
                    a = next(&mut left)?;
                }
                if order.is_ge() {
                    b = next(&mut right)?;
                }
            }
        })
    }

    /// Closes the index, which must be its last handle, synchronises its files and notes that they may be trusted.
    pub(super) fn close(self, note: &IndexNote) -> Result<(), StoreError> {
        guarded(|| {
            self.database.persist(PersistMode::SyncAll)?;
            // Ends its threads.
            drop(self);
            Ok(())
        })?;
        directory::sync_tree(note.dir())?;
        note.mark_clean()
    }
}

/// Where fjall's files are.
fn files(dir: &Path) -> PathBuf {
    dir.join("fjall")
}

/// Calls fjall. On damaged files it panics in places where it should answer with an error; either way the index is lost
/// and the journal is not.
fn guarded<T>(call: impl FnOnce() -> fjall::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error))))
            if is_disk_full(&error) =>
        {
            Err(StoreError::DiskFull)
        }
        Ok(Err(error)) => Err(StoreError::Index { what: error.to_string() }),
        Err(_) => Err(broken("fjall panicked")),
    }
}

fn place_from(bytes: &[u8]) -> Result<Place, StoreError> {
    Place::from_bytes(bytes).ok_or_else(|| broken("the place of a log entry is malformed"))
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
