//! What a storage engine does; the embedded one implements it here, a networked one can.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::watch;

use crate::{Batch, LogName, LogRecord, Outcome, PruneReport, Space, StoreError};

/// The boxed future an engine answers with.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keys with their values, ascending.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A storage engine. The contract is that of [`Store`](crate::Store), which checks all limits before it calls; the
/// conformance suite tests it.
pub trait Engine: Send + Sync + 'static {
    /// Decides and applies a batch; durable when it answers `Applied`. Once polled, dropping the future does not cancel.
    fn commit(&self, batch: Batch) -> Answer<'_, Outcome>;

    /// The value of a key.
    fn get<'a>(&'a self, space: Space, key: &'a [u8]) -> Answer<'a, Option<Vec<u8>>>;

    /// At most `limit` pairs with keys ≥ `from` that begin with `prefix`, ascending.
    fn scan<'a>(&'a self, space: Space, prefix: &'a [u8], from: &'a [u8], limit: usize) -> Answer<'a, Pairs>;

    /// Number of entries of a log.
    fn log_size(&self, log: LogName) -> Answer<'_, u64>;

    /// At most `limit` entries of a log with index ≥ `from`, ascending.
    fn log_read(&self, log: LogName, from: u64, limit: usize) -> Answer<'_, Vec<LogRecord>>;

    /// Like `log_read`, without the bytes of the proof parts.
    fn log_read_entries(&self, log: LogName, from: u64, limit: usize) -> Answer<'_, Vec<LogRecord>>;

    /// Takes the proof parts of the entries of a log with index < `below` away for good, as far as the engine can now.
    fn prune_proofs(&self, log: LogName, below: u64) -> Answer<'_, PruneReport>;

    /// Follows the size of a log.
    fn log_watch(&self, log: LogName) -> watch::Receiver<u64>;

    /// What the engine has done since it was opened.
    fn statistics(&self) -> Statistics;

    /// Finishes what was queued, then releases everything. Every later call answers [`StoreError::Closed`].
    fn close(&self) -> Answer<'_, ()>;
}

/// Counters since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Batches applied.
    pub applied: u64,
    /// Batches refused with a conflict.
    pub conflicts: u64,
    /// Groups of batches made durable together, each with one synchronisation of the disk.
    pub syncs: u64,
}
