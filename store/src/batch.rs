//! What a caller asks of the store in one atomic step, and the answer.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::StoreError;

/// A named key space. The name is 1 to [`NAME_BYTES_MAX`] bytes and part of the stored format: never rename one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Space(pub &'static str);

/// A named append-only log. The name is 1 to [`NAME_BYTES_MAX`] bytes and part of the stored format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogName(pub &'static str);

/// Longest name of a space or log, in bytes: the length is stored in one byte in front of every key.
pub const NAME_BYTES_MAX: usize = 32;

/// Longest key, in bytes. Keys are hashes and serials with short prefixes; long keys would fill the index's inner nodes.
pub const KEY_BYTES_MAX: usize = 256;

/// Longest value, log entry or proof part, in bytes: four times the longest log entry of the protocol (65,535 bytes).
pub const VALUE_BYTES_MAX: usize = 256 * 1024;

/// Most expectations and operations in one batch. A batch is held in memory and decided by one thread while all others
/// wait.
pub const BATCH_STEPS_MAX: usize = 4096;

/// Most bytes in one batch, counting keys, values and names: what one journal record may hold.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Tags and lengths that one step adds to a journal record, in bytes, rounded up.
const STEP_BYTES: usize = 64;

/// A list of expectations, puts, deletes and appends that is applied whole or not at all.
///
/// All expectations are checked against the state before the batch; then the operations happen in the order in which
/// they were added. Building never fails: limits are checked by [`Store::commit`](crate::Store::commit).
#[derive(Clone, Default)]
#[must_use = "a batch does nothing until it is committed"]
pub struct Batch {
    pub(crate) expectations: Vec<Expectation>,
    pub(crate) operations: Vec<Operation>,
}

#[derive(Clone)]
pub(crate) struct Expectation {
    pub(crate) space: Space,
    pub(crate) key: Vec<u8>,
    /// `None`: the key must be absent.
    pub(crate) value: Option<Vec<u8>>,
}

#[derive(Clone)]
pub(crate) enum Operation {
    Put { space: Space, key: Vec<u8>, value: Vec<u8> },
    Delete { space: Space, key: Vec<u8> },
    Append { log: LogName, entry: Vec<u8>, proof: Vec<u8>, proof_hash: [u8; 32], index_at: Option<(Space, Vec<u8>)> },
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Expects that `key` has no value in `space`.
    pub fn expect_absent(mut self, space: Space, key: impl Into<Vec<u8>>) -> Self {
        self.expectations.push(Expectation { space, key: key.into(), value: None });
        self
    }

    /// Expects that `key` has exactly this value in `space`.
    pub fn expect_equals(mut self, space: Space, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.expectations.push(Expectation { space, key: key.into(), value: Some(value.into()) });
        self
    }

    /// Sets the value of `key` in `space`, whether or not it had one.
    pub fn put(mut self, space: Space, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.operations.push(Operation::Put { space, key: key.into(), value: value.into() });
        self
    }

    /// Removes `key` from `space`; nothing happens if it has no value.
    pub fn delete(mut self, space: Space, key: impl Into<Vec<u8>>) -> Self {
        self.operations.push(Operation::Delete { space, key: key.into() });
        self
    }

    /// Appends an entry with its proof part to `log`. With `index_at`, the same step also puts the entry's index under
    /// that key, as a u64 in eight little-endian bytes.
    pub fn append(
        mut self,
        log: LogName,
        entry: impl Into<Vec<u8>>,
        proof: impl Into<Vec<u8>>,
        index_at: Option<(Space, Vec<u8>)>,
    ) -> Self {
        let (entry, proof) = (entry.into(), proof.into());
        // Here and not in the writer: callers hash at the same time, the writer is one.
        let proof_hash = Sha256::digest(&proof).into();
        self.operations.push(Operation::Append { log, entry, proof, proof_hash, index_at });
        self
    }

    /// True when the batch holds neither expectations nor operations.
    pub fn is_empty(&self) -> bool {
        self.expectations.is_empty() && self.operations.is_empty()
    }

    /// The bytes the batch holds: names, keys and values, and for each step what a journal record adds at most.
    pub(crate) fn bytes(&self) -> usize {
        let expected = self.expectations.iter().map(|e| e.space.0.len() + e.key.len() + option_len(&e.value));
        let operated = self.operations.iter().map(|operation| match operation {
            Operation::Put { space, key, value } => space.0.len() + key.len() + value.len(),
            Operation::Delete { space, key } => space.0.len() + key.len(),
            Operation::Append { log, entry, proof, index_at, .. } => {
                let index_at = index_at.as_ref().map_or(0, |(space, key)| space.0.len() + key.len() + 8);
                log.0.len() + entry.len() + proof.len() + index_at
            }
        });
        expected.sum::<usize>()
            + operated.sum::<usize>()
            + STEP_BYTES * (self.expectations.len() + self.operations.len())
    }

    /// Checks every limit.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        limit("steps of a batch", self.expectations.len() + self.operations.len(), BATCH_STEPS_MAX)?;
        limit("bytes of a batch", self.bytes(), BATCH_BYTES_MAX)?;
        for expectation in &self.expectations {
            check_key(expectation.space, &expectation.key)?;
            limit("bytes of a value", option_len(&expectation.value), VALUE_BYTES_MAX)?;
        }
        for operation in &self.operations {
            match operation {
                Operation::Put { space, key, value } => {
                    check_key(*space, key)?;
                    limit("bytes of a value", value.len(), VALUE_BYTES_MAX)?;
                }
                Operation::Delete { space, key } => check_key(*space, key)?,
                Operation::Append { log, entry, proof, index_at, .. } => {
                    check_name(log.0)?;
                    limit("bytes of a log entry", entry.len(), VALUE_BYTES_MAX)?;
                    limit("bytes of a proof part", proof.len(), VALUE_BYTES_MAX)?;
                    if let Some((space, key)) = index_at {
                        check_key(*space, key)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn option_len(value: &Option<Vec<u8>>) -> usize {
    value.as_ref().map_or(0, Vec::len)
}

fn limit(what: &'static str, found: usize, max: usize) -> Result<(), StoreError> {
    if found > max { Err(StoreError::Limit { what, found, max }) } else { Ok(()) }
}

pub(crate) fn check_name(name: &'static str) -> Result<(), StoreError> {
    if name.is_empty() {
        return Err(StoreError::Limit { what: "bytes of a name (at least one)", found: 0, max: NAME_BYTES_MAX });
    }
    limit("bytes of a name", name.len(), NAME_BYTES_MAX)
}

pub(crate) fn check_key(space: Space, key: &[u8]) -> Result<(), StoreError> {
    check_name(space.0)?;
    limit("bytes of a key", key.len(), KEY_BYTES_MAX)
}

/// Counts only: keys and values may be serials and must not reach a log.
impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("expectations", &self.expectations.len())
            .field("operations", &self.operations.len())
            .finish()
    }
}

/// How a commit ended.
#[derive(Clone, PartialEq, Eq)]
#[must_use = "only `Applied` means that the batch happened"]
pub enum Outcome {
    /// The batch was applied and is durable. `positions` holds the log index of each append, in the batch's order.
    Applied {
        /// Log index of each append of the batch.
        positions: Vec<u64>,
    },
    /// The first expectation that did not hold; nothing was written.
    Conflict {
        /// Space of the expectation.
        space: Space,
        /// Key of the expectation.
        key: Vec<u8>,
        /// The value found there, durable like every value this store shows; `None` when the key was absent.
        existing: Option<Vec<u8>>,
    },
    /// The batch may or may not have been applied. Ask again with the same batch once the store works again: the answer
    /// is then `Applied`, or a `Conflict` that shows the value of one's own batch. Never assume either.
    Unknown,
}

/// Lengths only: keys and values may be serials and must not reach a log.
impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied { positions } => f.debug_struct("Applied").field("positions", positions).finish(),
            Self::Conflict { space, key, existing } => f
                .debug_struct("Conflict")
                .field("space", &space.0)
                .field("key_bytes", &key.len())
                .field("existing_bytes", &existing.as_ref().map(Vec::len))
                .finish(),
            Self::Unknown => f.write_str("Unknown"),
        }
    }
}

/// One entry of a log.
#[derive(Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Position in the log, from zero, without gaps.
    pub index: u64,
    /// The entry's bytes.
    pub entry: Vec<u8>,
    /// The proof part's bytes; empty for entries that have none, for those whose proof part was pruned, and where it was
    /// not asked for.
    pub proof: Vec<u8>,
    /// SHA-256 of the proof part as it was committed, of no bytes if it had none. It stays when the proof part is pruned.
    pub proof_hash: [u8; 32],
}

impl LogRecord {
    /// A record whose proof part is there.
    pub fn new(index: u64, entry: impl Into<Vec<u8>>, proof: impl Into<Vec<u8>>) -> Self {
        let (entry, proof) = (entry.into(), proof.into());
        Self { index, proof_hash: Sha256::digest(&proof).into(), entry, proof }
    }

    /// The same record without the bytes of its proof part: what is left when it is pruned.
    #[must_use]
    pub fn without_proof(self) -> Self {
        Self { proof: Vec::new(), ..self }
    }
}

/// Index and lengths only: entries hold serials and must not reach a log.
impl fmt::Debug for LogRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogRecord")
            .field("index", &self.index)
            .field("entry_bytes", &self.entry.len())
            .field("proof_bytes", &self.proof.len())
            .finish()
    }
}
