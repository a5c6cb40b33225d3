//! Atomic, durable, conditional batches on ordered key spaces and append-only logs.
//!
//! A server of electronic cash must never accept one coin twice, whatever crashes. It asks the store for one thing: apply
//! this batch whole or not at all, only if these expectations hold, and answer when it is durable. For a nullifier the
//! stored value is the **binding** (the transaction id): the same binding again is a retry, another one a double spend.
//!
//! ```
//! use farthing_store::{Batch, LogName, Outcome, Space, Store};
//!
//! const SPENT: Space = Space("spent");
//! const PAYMENTS: LogName = LogName("payments");
//!
//! # let home = tempfile::tempdir().unwrap();
//! # let dir = home.path().join("store");
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let (store, report) = Store::open(&dir)?;
//! println!("{report}");
//!
//! let spend = |serial: [u8; 32], transaction: [u8; 32]| {
//!     Batch::new()
//!         .expect_absent(SPENT, serial)
//!         .put(SPENT, serial, transaction)
//!         .append(PAYMENTS, b"the entry".to_vec(), b"its proof part".to_vec(), None)
//! };
//! // The first spend is applied, and durable when the answer comes.
//! assert_eq!(store.commit(spend([1; 32], [7; 32])).await?, Outcome::Applied { positions: vec![0] });
//!
//! // A second one conflicts, and shows what the coin was spent for.
//! match store.commit(spend([1; 32], [8; 32])).await? {
//!     Outcome::Conflict { existing, .. } => assert_eq!(existing, Some([7; 32].to_vec())),
//!     other => panic!("a double spend was not refused: {other:?}"),
//! }
//! assert_eq!(store.log_read(PAYMENTS, 0, 10).await?.len(), 1);
//! store.close().await;
//!
//! // Another process, another day.
//! let (store, _) = Store::open(&dir)?;
//! assert_eq!(store.get(SPENT, &[1; 32]).await?, Some([7; 32].to_vec()));
//! # store.close().await;
//! # Ok::<(), farthing_store::StoreError>(())
//! # }).unwrap();
//! ```
//!
//! The embedded engine writes an append-only, hash-chained journal and synchronises the disk once per group of waiting
//! batches; the index beside it, a [fjall](https://docs.rs/fjall/3) database, can be rebuilt from the journal at any time
//! and is never trusted to be durable. See [`embedded`] for the files and for what happens at the start.

mod batch;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod embedded;
pub mod engine;
mod error;
#[cfg(feature = "failpoints")]
pub mod failpoints;
#[cfg(not(feature = "failpoints"))]
#[allow(unreachable_pub)]
mod failpoints;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

pub use batch::{
    BATCH_BYTES_MAX, BATCH_STEPS_MAX, Batch, KEY_BYTES_MAX, LogName, LogRecord, NAME_BYTES_MAX, Outcome, Space,
    VALUE_BYTES_MAX,
};
pub use embedded::{
    IndexCheck, IndexRecovery, Options, PruneReport, RecoveryReport, TornTail, VerifyReport, rebuild, verify,
};
pub use engine::{Pairs, Statistics};
pub use error::StoreError;

use engine::Engine;

/// Most pairs or log entries one read returns; a larger limit is lowered to it. Callers that read large values bound the
/// memory with a smaller limit of their own.
pub const READ_ITEMS_MAX: usize = 10_000;

/// A cheap handle on an open store; clones share it.
///
/// Reads show durable data only, and a commit's own data from the moment it is answered. When the last handle is dropped
/// the store is closed like with [`Store::close`], which may block for as long as the disk needs.
#[derive(Clone)]
pub struct Store {
    engine: Arc<dyn Engine>,
}

impl Store {
    /// Opens or creates the embedded engine in `dir` (created with mode 0700) with default [`Options`]. Blocks while it
    /// verifies the journal and, if needed, rebuilds the index.
    ///
    /// # Errors
    /// [`StoreError::Locked`] names the process that has it open; [`StoreError::Damaged`] names the damaged record.
    pub fn open(dir: &Path) -> Result<(Self, RecoveryReport), StoreError> {
        Self::open_with(dir, Options::default())
    }

    /// Like [`Store::open`], with other options.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(dir: &Path, options: Options) -> Result<(Self, RecoveryReport), StoreError> {
        let (engine, report) = embedded::Embedded::open(dir, options)?;
        Ok((Self::from_engine(Arc::new(engine)), report))
    }

    /// A handle on any engine.
    pub fn from_engine(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }

    /// Applies the batch whole or not at all. It is durable when the answer is [`Outcome::Applied`]. Once polled,
    /// dropping the future does **not** cancel the commit.
    ///
    /// # Errors
    /// Every error means that nothing was applied; [`Outcome::Unknown`] means that nobody knows.
    pub async fn commit(&self, batch: Batch) -> Result<Outcome, StoreError> {
        batch.check()?;
        self.engine.commit(batch).await
    }

    /// The value of `key` in `space`.
    ///
    /// # Errors
    /// [`StoreError::Failed`] or [`StoreError::Closed`]; [`StoreError::Index`] when the index is unreadable.
    pub async fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        batch::check_key(space, key)?;
        self.engine.get(space, key).await
    }

    /// At most `limit` (and at most [`READ_ITEMS_MAX`]) pairs of `space` with keys ≥ `from`, ascending. Pairs committed
    /// meanwhile may or may not be seen.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn scan(&self, space: Space, from: &[u8], limit: usize) -> Result<Pairs, StoreError> {
        batch::check_name(space.0)?;
        self.engine.scan(space, &[], from, limit.min(READ_ITEMS_MAX)).await
    }

    /// At most `limit` (and at most [`READ_ITEMS_MAX`]) pairs of `space` whose keys begin with `prefix`, ascending.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn scan_prefix(&self, space: Space, prefix: &[u8], limit: usize) -> Result<Pairs, StoreError> {
        batch::check_name(space.0)?;
        self.engine.scan(space, prefix, prefix, limit.min(READ_ITEMS_MAX)).await
    }

    /// Number of entries of `log`; zero if nothing was ever appended.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn log_size(&self, log: LogName) -> Result<u64, StoreError> {
        batch::check_name(log.0)?;
        self.engine.log_size(log).await
    }

    /// At most `limit` (and at most [`READ_ITEMS_MAX`]) entries of `log` with index ≥ `from`, ascending, with their proof
    /// parts as far as these are not pruned.
    ///
    /// # Errors
    /// As [`Store::get`]; [`StoreError::Damaged`] when an entry is not what was committed.
    pub async fn log_read(&self, log: LogName, from: u64, limit: usize) -> Result<Vec<LogRecord>, StoreError> {
        batch::check_name(log.0)?;
        self.engine.log_read(log, from, limit.min(READ_ITEMS_MAX)).await
    }

    /// Like [`Store::log_read`], but the bytes of the proof parts are not read and stay empty; their hashes are there.
    ///
    /// # Errors
    /// As [`Store::log_read`].
    pub async fn log_read_entries(&self, log: LogName, from: u64, limit: usize) -> Result<Vec<LogRecord>, StoreError> {
        batch::check_name(log.0)?;
        self.engine.log_read_entries(log, from, limit.min(READ_ITEMS_MAX)).await
    }

    /// Takes the proof parts of the entries of `log` with index < `below` from the disk for good, as far as they lie in
    /// parts of the journal that are not written any more: [`PruneReport::pruned_below`] says how far that is, so ask again
    /// later. Entries and the hashes of the proof parts stay. It may take as long as copying these parts of the journal and
    /// needs free space for one [`Options::segment_bytes_max`]; reads and commits go on meanwhile, and a process or machine
    /// that stops in between loses nothing. Once polled, dropping the future does not cancel it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names a damaged record, whose segment is left alone; [`StoreError::DiskFull`];
    /// [`StoreError::Closed`] when the store was closed meanwhile.
    pub async fn prune_proofs(&self, log: LogName, below: u64) -> Result<PruneReport, StoreError> {
        batch::check_name(log.0)?;
        self.engine.prune_proofs(log, below).await
    }

    /// Follows the size of `log`: the receiver sees it after each durable append, not later than
    /// the commit is answered, and ends when the store is closed.
    pub fn log_watch(&self, log: LogName) -> watch::Receiver<u64> {
        self.engine.log_watch(log)
    }

    /// Counters since the store was opened.
    pub fn statistics(&self) -> Statistics {
        self.engine.statistics()
    }

    /// Finishes all queued batches, makes the index durable, stops the writer and releases the lock. Other clones of the
    /// handle answer [`StoreError::Closed`] from now on. A failure is logged only: the journal has everything, so the
    /// next start has more to do but nothing is lost.
    pub async fn close(self) {
        if let Err(error) = self.engine.close().await {
            tracing::warn!(%error, "the store did not close cleanly");
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
