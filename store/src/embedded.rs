//! The embedded engine: an append-only journal that is the truth, and an index that can be rebuilt from it.
//!
//! # Files
//! - `lock` – locked while the store is open; holds the process id.
//! - `journal/<first sequence number>.journal` – segments of hash-chained records, one record per group of batches.
//! - `index/` – a fjall database, and a note on whether it may be trusted.
//!
//! # A commit
//! One writer thread takes all batches that wait, decides each against the index and the earlier batches of the same
//! group, appends one record, synchronises the disk once, applies the record to the index, and only then answers. A group
//! grows by itself while the disk is busy; nothing waits on purpose. Conflicts write nothing. The first error of a write
//! or of a synchronisation ends the store: Linux reports such an error once and then marks the pages clean, so a second
//! attempt proves nothing. The one exception is a full disk, if the journal could be cut back and synchronised.
//!
//! # Log entries
//! Entries and their proof parts stand in the journal only; the index says where. The proof parts of old entries can be
//! taken away for good ([`Store::prune_proofs`](crate::Store::prune_proofs)): a record's hash covers the SHA-256 of each
//! proof part instead of its bytes, so a sealed segment is copied without them and the chain still holds.
//!
//! # The start
//! The lock is taken; the chain is verified from the segment of the record that the index has seen last; a torn tail is
//! cut and reported; records which the index has not seen are applied. A record that is followed by anything valid was
//! once durable, so if it cannot be read the journal is damaged and the store refuses to start. It also refuses when the
//! index has seen records that the journal does not hold: a journal is synchronised before the index hears of it.
//!
//! The index has a write-ahead log of its own, which is not synchronised, and tables, which are before they count. So after
//! a crash of the process or of the machine it is a little behind the journal, and only what it lacks is applied again. It
//! is built anew if its files are damaged, or if they were copied while in use.

mod archive;
mod chain;
mod directory;
mod effects;
mod index;
mod index_note;
mod journal;
mod lock;
mod place;
mod proofs;
mod prune;
mod records;
mod recover;
mod segment;
mod verify;
mod writer;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot, watch};

pub use chain::TornTail;
pub use prune::PruneReport;
pub use recover::{IndexRecovery, RecoveryReport, rebuild};
pub use verify::{IndexCheck, VerifyReport, verify};

use crate::engine::{Answer, Engine, Pairs, Statistics};
use crate::failpoints::FailPoints;
use crate::{Batch, LogName, LogRecord, Outcome, Space, StoreError};
use archive::Archive;
use index::Index;
use index_note::IndexNote;
use place::Place;
use prune::Pruning;
use writer::{Request, Writer};

/// How the embedded engine is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// A journal segment that has reached this size, in bytes, is followed by a new one. 256 MiB: short enough to copy
    /// and to verify in seconds.
    pub segment_bytes_max: u64,
    /// Most batches that may wait for the writer; one more is refused with [`StoreError::Overloaded`].
    pub queue_length_max: usize,
    /// Memory that the index may use for what is new and as its cache, in bytes. Its filters take 1.25 bytes for each key
    /// on top.
    pub index_memory_bytes: u64,
    /// Armed fail points; only crash tests set them.
    #[cfg(feature = "failpoints")]
    pub failpoints: FailPoints,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes_max: 256 * 1024 * 1024,
            queue_length_max: 4096,
            index_memory_bytes: 64 * 1024 * 1024,
            #[cfg(feature = "failpoints")]
            failpoints: FailPoints::from_env(),
        }
    }
}

impl Options {
    fn failpoints(&self) -> FailPoints {
        #[cfg(feature = "failpoints")]
        return self.failpoints.clone();
        #[cfg(not(feature = "failpoints"))]
        FailPoints::default()
    }
}

/// What the writer thread and the readers share.
struct Shared {
    /// `None` once the store is closed or has failed.
    index: RwLock<Option<Index>>,
    note: IndexNote,
    archive: Archive,
    journal_dir: PathBuf,
    failpoints: FailPoints,
    /// Set when the store is being closed.
    closing: AtomicBool,
    /// Held while a pruning runs; the lock of the directory is not released before.
    pruning: Mutex<()>,
    failure: OnceLock<String>,
    logs: Mutex<HashMap<&'static str, watch::Sender<u64>>>,
    applied: AtomicU64,
    conflicts: AtomicU64,
    syncs: AtomicU64,
}

impl Shared {
    /// Ends the store for good. Only the first reason is kept.
    fn fail(&self, reason: &str) {
        if self.failure.set(reason.to_owned()).is_ok() {
            tracing::error!(reason, "the store has failed; the process must be restarted");
        }
    }

    /// Ends the store because the index cannot be trusted: it will be rebuilt.
    fn fail_index(&self, reason: &str) {
        self.fail(reason);
        self.note.distrust();
    }

    fn failed(&self) -> Option<StoreError> {
        self.failure.get().map(|reason| StoreError::Failed { reason: reason.clone() })
    }

    fn read<T>(&self, read: impl FnOnce(&Index) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if let Some(error) = self.failed() {
            return Err(error);
        }
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let index = index.as_ref().ok_or(StoreError::Closed)?;
        read(index).inspect_err(|error| {
            // A damaged old record is bad for whoever reads it. Only what decides about commits ends the store.
            if matches!(error, StoreError::Index { .. }) {
                self.fail_index(&error.to_string());
            }
        })
    }

    fn log_read(&self, log: &str, from: u64, limit: usize, with_proofs: bool) -> Result<Vec<LogRecord>, StoreError> {
        let places = self.read(|index| index.places(log, from, limit))?;
        let record = |(index, place): (u64, Place)| {
            let (entry, proof_hash) = self.archive.entry(&place)?;
            let proof = if with_proofs { self.archive.proof(log, index, &place, &proof_hash)? } else { Vec::new() };
            Ok(LogRecord { index, entry, proof, proof_hash })
        };
        places.into_iter().map(record).collect()
    }

    fn prune(&self, log: &str, below: u64) -> Result<PruneReport, StoreError> {
        let _alone = self.pruning.lock().unwrap_or_else(PoisonError::into_inner);
        if self.closing.load(Ordering::Relaxed) {
            return Err(self.failed().unwrap_or(StoreError::Closed));
        }
        // A handle of its own: a reader of the index would keep the writer from closing it for as long as this takes.
        let index = self.read(|index| Ok(index.clone()))?;
        let (archive, journal, failpoints, stop) = (&self.archive, &*self.journal_dir, &self.failpoints, &self.closing);
        Pruning { index: &index, archive, journal, failpoints, stop }.run(log, below)
    }

    /// Ends a pruning and waits for its end.
    fn end_pruning(&self) {
        self.closing.store(true, Ordering::Relaxed);
        drop(self.pruning.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Takes the index from the readers and ends all watches.
    fn release(&self) {
        self.index.write().unwrap_or_else(PoisonError::into_inner).take();
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Tells the followers of the logs their new sizes.
    fn announce(&self, sizes: &HashMap<&'static str, u64>) {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, size) in sizes {
            if let Some(log) = logs.get(name) {
                log.send_replace(*size);
            }
        }
    }
}

/// The embedded engine.
pub(crate) struct Embedded {
    shared: Arc<Shared>,
    /// `None` only while being dropped.
    requests: Option<mpsc::Sender<Request>>,
    writer: Option<JoinHandle<()>>,
}

impl Embedded {
    pub(crate) fn open(dir: &Path, options: Options) -> Result<(Self, RecoveryReport), StoreError> {
        let recovered = recover::recover(dir, &options)?;
        let (requests, queue) = mpsc::channel(options.queue_length_max.max(1));
        let shared = Arc::new(Shared {
            index: RwLock::new(Some(recovered.index.clone())),
            note: recovered.note,
            archive: Archive::new(recover::journal_dir(dir)),
            journal_dir: recover::journal_dir(dir),
            failpoints: options.failpoints(),
            closing: AtomicBool::new(false),
            pruning: Mutex::new(()),
            failure: OnceLock::new(),
            logs: Mutex::default(),
            applied: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
        });
        let writer =
            Writer::new(queue, recovered.journal, recovered.index, recovered.lock, Arc::clone(&shared), &options);
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| StoreError::io("cannot start the writer of", dir, source))?;
        tracing::info!(report = %recovered.report, "store open");
        Ok((Self { shared, requests: Some(requests), writer: Some(writer) }, recovered.report))
    }

    fn requests(&self) -> Result<&mpsc::Sender<Request>, StoreError> {
        if let Some(error) = self.shared.failed() {
            return Err(error);
        }
        self.requests.as_ref().ok_or(StoreError::Closed)
    }

    fn closed(&self) -> StoreError {
        self.shared.failed().unwrap_or(StoreError::Closed)
    }
}

impl Engine for Embedded {
    fn commit(&self, batch: Batch) -> Answer<'_, Outcome> {
        Box::pin(async move {
            let (answer, outcome) = oneshot::channel();
            self.requests()?.try_send(Request::Commit { batch, answer }).map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
                mpsc::error::TrySendError::Closed(_) => self.closed(),
            })?;
            // A writer that ended without an answer may or may not have written.
            outcome.await.unwrap_or(Ok(Outcome::Unknown))
        })
    }

    fn get<'a>(&'a self, space: Space, key: &'a [u8]) -> Answer<'a, Option<Vec<u8>>> {
        Box::pin(async move { self.shared.read(|index| index.get(space.0, key)) })
    }

    fn scan<'a>(&'a self, space: Space, prefix: &'a [u8], from: &'a [u8], limit: usize) -> Answer<'a, Pairs> {
        Box::pin(async move { self.shared.read(|index| index.scan(space.0, prefix, from, limit)) })
    }

    fn log_size(&self, log: LogName) -> Answer<'_, u64> {
        Box::pin(async move { self.shared.read(|index| index.log_size(log.0)) })
    }

    fn log_read(&self, log: LogName, from: u64, limit: usize) -> Answer<'_, Vec<LogRecord>> {
        Box::pin(async move { self.shared.log_read(log.0, from, limit, true) })
    }

    fn log_read_entries(&self, log: LogName, from: u64, limit: usize) -> Answer<'_, Vec<LogRecord>> {
        Box::pin(async move { self.shared.log_read(log.0, from, limit, false) })
    }

    fn prune_proofs(&self, log: LogName, below: u64) -> Answer<'_, PruneReport> {
        Box::pin(async move {
            let (answer, report) = oneshot::channel();
            let shared = Arc::clone(&self.shared);
            std::thread::Builder::new()
                .name("store-prune".to_owned())
                .spawn(move || drop(answer.send(shared.prune(log.0, below))))
                .map_err(|source| StoreError::io("cannot start pruning", &self.shared.journal_dir, source))?;
            report.await.unwrap_or_else(|_| Err(self.closed()))
        })
    }

    fn log_watch(&self, log: LogName) -> watch::Receiver<u64> {
        // The lock is held while the size is read, so that no announcement falls between the two.
        let mut logs = self.shared.logs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = logs.get(log.0) {
            return sender.subscribe();
        }
        match self.shared.read(|index| index.log_size(log.0)) {
            Ok(size) => {
                let (sender, receiver) = watch::channel(size);
                logs.insert(log.0, sender);
                receiver
            }
            // A closed store: the sender is gone, so the receiver has ended.
            Err(_) => watch::channel(0).1,
        }
    }

    fn statistics(&self) -> Statistics {
        Statistics {
            applied: self.shared.applied.load(Ordering::Relaxed),
            conflicts: self.shared.conflicts.load(Ordering::Relaxed),
            syncs: self.shared.syncs.load(Ordering::Relaxed),
        }
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let (answer, closed) = oneshot::channel();
            if self.requests()?.send(Request::Close { answer }).await.is_err() {
                return Err(self.closed());
            }
            closed.await.unwrap_or_else(|_| Err(self.closed()))
        })
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // Without senders the writer finishes the queue and closes.
        self.requests.take();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the store's writer panicked");
        }
    }
}
