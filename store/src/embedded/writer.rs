//! The one thread that decides and writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{mpsc, oneshot};

use super::effects::{self, Effect, ProofDigest};
use super::index::Index;
use super::journal::{AppendError, Journal};
use super::lock::Lock;
use super::place::RecordAddress;
use super::proofs;
use super::segment::Position;
use super::{Options, Shared};
use crate::batch::Operation;
use crate::failpoints::{FailPoint, FailPoints};
use crate::{Batch, Outcome, StoreError};

/// Most batches in one group: bounds how long the first of them waits for the decisions about the others.
const GROUP_BATCHES_MAX: usize = 1024;

/// A group of this many bytes takes no further batch. With the longest batch on top a record's body stays within 8 MiB.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;
const _: () = assert!(GROUP_BYTES_MAX + crate::BATCH_BYTES_MAX <= super::segment::BODY_BYTES_MAX);

/// What the writer is asked for.
pub(super) enum Request {
    Commit { batch: Batch, answer: oneshot::Sender<Result<Outcome, StoreError>> },
    Close { answer: oneshot::Sender<Result<(), StoreError>> },
}

type Waiting = (Batch, oneshot::Sender<Result<Outcome, StoreError>>);

/// The writer and all that it alone owns.
pub(super) struct Writer {
    queue: mpsc::Receiver<Request>,
    journal: Journal,
    index: Index,
    shared: Arc<Shared>,
    failpoints: FailPoints,
    /// Released last.
    lock: Lock,
}

impl Writer {
    pub(super) fn new(
        queue: mpsc::Receiver<Request>,
        journal: Journal,
        index: Index,
        lock: Lock,
        shared: Arc<Shared>,
        options: &Options,
    ) -> Self {
        Self { queue, journal, index, shared, failpoints: options.failpoints(), lock }
    }

    /// Works until the store is closed, has failed, or has no handles any more.
    pub(super) fn run(mut self) {
        let _alarm = Alarm(Arc::clone(&self.shared));
        let mut close = None;
        while close.is_none() && self.shared.failed().is_none() {
            let Some(request) = self.queue.blocking_recv() else { break };
            let mut group = Vec::new();
            let mut bytes = 0;
            let mut next = Some(request);
            while let Some(request) = next.take() {
                match request {
                    Request::Commit { batch, answer } => {
                        bytes += batch.bytes();
                        group.push((batch, answer));
                    }
                    Request::Close { answer } => close = Some(answer),
                }
                if close.is_none() && group.len() < GROUP_BATCHES_MAX && bytes < GROUP_BYTES_MAX {
                    next = self.queue.try_recv().ok();
                }
            }
            if !group.is_empty() {
                self.commit(group);
            }
        }
        self.queue.close();
        while let Ok(request) = self.queue.try_recv() {
            // These were never looked at, so an error is the truth.
            let error = self.shared.failed().unwrap_or(StoreError::Closed);
            match request {
                Request::Commit { answer, .. } => drop(answer.send(Err(error))),
                Request::Close { answer } => drop(answer.send(Err(error))),
            }
        }
        let closed = self.close();
        if let Some(answer) = close {
            // Nobody may be waiting any more.
            let _ = answer.send(closed);
        }
    }

    /// Decides a group, makes it durable, applies it, and answers every batch of it.
    fn commit(&mut self, group: Vec<Waiting>) {
        match self.make_durable(&group) {
            Ok(outcomes) => {
                for ((_, answer), outcome) in group.into_iter().zip(outcomes) {
                    let counter = match outcome {
                        Outcome::Applied { .. } => &self.shared.applied,
                        _ => &self.shared.conflicts,
                    };
                    counter.fetch_add(1, Ordering::Relaxed);
                    // A caller that has gone away finds its answer by asking again.
                    let _ = answer.send(Ok(outcome));
                }
            }
            Err(Stop::DiskFull) => {
                tracing::warn!("the disk is full; nothing was written");
                group.into_iter().for_each(|(_, answer)| drop(answer.send(Err(StoreError::DiskFull))));
            }
            Err(Stop::NothingWritten) => group.into_iter().for_each(|(_, answer)| {
                drop(answer.send(Err(self.shared.failed().unwrap_or(StoreError::Closed))));
            }),
            Err(Stop::Doubtful) => group.into_iter().for_each(|(_, answer)| drop(answer.send(Ok(Outcome::Unknown)))),
        }
    }

    /// The outcomes of a group, all of them durable. Conflicts too wait for the whole group: they may show a value that
    /// an earlier batch of the same group has written.
    fn make_durable(&mut self, group: &[Waiting]) -> Result<Vec<Outcome>, Stop> {
        let mut plan = Plan::new(&self.index);
        let outcomes: Result<Vec<_>, _> = group.iter().map(|(batch, _)| plan.decide(batch)).collect();
        let outcomes = outcomes.map_err(|error| {
            self.shared.fail_index(&error.to_string());
            Stop::NothingWritten
        })?;
        let Plan { effects, proofs, sizes, .. } = plan;
        if effects.is_empty() {
            return Ok(outcomes);
        }
        let (address, position) = self.journal.append(&effects, &proofs).map_err(|error| match error {
            AppendError::DiskFull => Stop::DiskFull,
            AppendError::Fatal(reason) => {
                self.shared.fail(&reason);
                Stop::Doubtful
            }
        })?;
        self.shared.syncs.fetch_add(1, Ordering::Relaxed);
        self.apply(&effects, address, position).map_err(|error| {
            self.shared.fail_index(&error.to_string());
            Stop::Doubtful
        })?;
        self.shared.announce(&sizes);
        Ok(outcomes)
    }

    fn apply(&self, effects: &[u8], address: RecordAddress, position: Position) -> Result<(), StoreError> {
        let stopped = |error: std::io::Error| StoreError::Index { what: error.to_string() };
        self.failpoints.hit(FailPoint::AfterSyncBeforeIndex).map_err(stopped)?;
        self.index.apply(effects, address, position)?;
        self.failpoints.hit(FailPoint::AfterIndexBeforeAck).map_err(stopped)
    }

    /// Lets go of everything, the lock last. After a failure the index is not noted as clean.
    fn close(self) -> Result<(), StoreError> {
        self.shared.end_pruning();
        self.shared.release();
        let closed = match self.shared.failed() {
            Some(error) => Err(error),
            None => self.index.close(&self.shared.note),
        };
        drop(self.lock);
        closed
    }
}

/// Why a group got no outcomes.
enum Stop {
    /// Nothing was applied, and the store goes on.
    DiskFull,
    /// The store has failed before anything was written.
    NothingWritten,
    /// The store has failed, and what the disk holds is not known.
    Doubtful,
}

/// Ends the store if the writer panics, so that nobody waits for it.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail_index("the writer panicked");
            self.0.release();
        }
    }
}

/// The decisions about a group: what the index would hold after the batches decided so far.
struct Plan<'a> {
    index: &'a Index,
    /// Values changed by the group.
    values: HashMap<(&'static str, Vec<u8>), Option<Vec<u8>>>,
    /// Sizes of the logs it appends to.
    sizes: HashMap<&'static str, u64>,
    /// The effects and the proof parts of the journal record.
    effects: Vec<u8>,
    proofs: Vec<u8>,
}

impl<'a> Plan<'a> {
    fn new(index: &'a Index) -> Self {
        Self { index, values: HashMap::new(), sizes: HashMap::new(), effects: Vec::new(), proofs: Vec::new() }
    }

    fn decide(&mut self, batch: &Batch) -> Result<Outcome, StoreError> {
        for expectation in &batch.expectations {
            let existing = self.value(expectation.space.0, &expectation.key)?;
            if existing != expectation.value {
                return Ok(Outcome::Conflict { space: expectation.space, key: expectation.key.clone(), existing });
            }
        }
        let mut positions = Vec::new();
        for operation in &batch.operations {
            match operation {
                Operation::Put { space, key, value } => self.put(space.0, key, value)?,
                Operation::Delete { space, key } => {
                    encode(&mut self.effects, Effect::Delete { space: space.0, key })?;
                    self.values.insert((space.0, key.clone()), None);
                }
                Operation::Append { log, entry, proof, proof_hash, index_at } => {
                    let index = self.size(log.0)?;
                    let digest = ProofDigest::new(proof.len(), *proof_hash).map_err(|_| bug(TOO_LONG))?;
                    encode(&mut self.effects, Effect::Append { log: log.0, index, entry, proof: digest })?;
                    proofs::encode(&mut self.proofs, proof);
                    self.sizes.insert(log.0, index.checked_add(1).ok_or_else(|| bug("a log is full"))?);
                    positions.push(index);
                    if let Some((space, key)) = index_at {
                        self.put(space.0, key, &index.to_le_bytes())?;
                    }
                }
            }
        }
        Ok(Outcome::Applied { positions })
    }

    fn put(&mut self, space: &'static str, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        encode(&mut self.effects, Effect::Put { space, key, value })?;
        self.values.insert((space, key.to_vec()), Some(value.to_vec()));
        Ok(())
    }

    fn value(&self, space: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.values.get(&(space, key.to_vec())) {
            Some(value) => Ok(value.clone()),
            None => self.index.get(space, key),
        }
    }

    fn size(&self, log: &'static str) -> Result<u64, StoreError> {
        match self.sizes.get(log) {
            Some(size) => Ok(*size),
            None => self.index.log_size(log),
        }
    }
}

const TOO_LONG: &str = "a batch beyond its limits reached the writer";

fn encode(body: &mut Vec<u8>, effect: Effect<'_>) -> Result<(), StoreError> {
    effects::encode(body, effect).map_err(|_| bug(TOO_LONG))
}

/// What the limits make impossible.
fn bug(what: &str) -> StoreError {
    StoreError::Index { what: what.to_owned() }
}
