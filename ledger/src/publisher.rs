//! Signing a log's checkpoints, and never two that contradict each other.
//!
//! A checkpoint is in the store, by compare-and-swap, and in the [anchor](crate::anchor) before anybody sees it. So after a
//! crash at any moment the next start finds what may have been seen, goes on from there, and refuses to start when the log in
//! the store is not its continuation.

mod committed;
mod error;
mod subject;

use std::{collections::VecDeque, io, path::PathBuf, sync::Arc, time::Duration};

use farthing_store::{Batch, LogName, LogRecord, Outcome, Space, Store};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    anchor::Anchor,
    checkpoint::{Checkpoint, SignedCheckpoint},
    edge::Edge,
    history,
    key::{LogSigner, VerifierKey},
    published::{Published, prefix},
    tree::TreeHead,
    view::{PAGE_ENTRIES, TreeView, ViewError, leaf_hash, load_edge, put_tiles},
};

use self::committed::Committed;
pub use self::{
    error::PublishError,
    subject::{Extensions, Plain, Subject, SubjectError},
};

/// Length and name of the log → the last checkpoint: u32 little-endian length and text of its note, then the subject's state.
const CHECKPOINT: Space = Space("checkpoint");

/// Entries that one checkpoint adds at most: their tiles, 2 MiB, fit into one batch of the store.
pub const ENTRIES_MAX: u64 = 65_536;

/// How long the publisher waits at most before it tries again what failed.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Where a log is, and what signs it.
pub struct LogParts {
    /// The store with the log.
    pub store: Store,
    /// The log.
    pub log: LogName,
    /// Its key; the key's name is the log's origin.
    pub signer: LogSigner,
    /// The anchor: a file outside the store, best on another disk.
    pub anchor: PathBuf,
    /// The witnesses whose cosignatures are taken.
    pub witnesses: Vec<VerifierKey>,
}

/// Signs the checkpoints of one log.
pub struct Publisher<S> {
    published: Arc<Published>,
    store: Store,
    log: LogName,
    inner: Mutex<Inner<S>>,
}

struct Inner<S> {
    store: Store,
    log: LogName,
    signer: LogSigner,
    anchor: Anchor,
    published: Arc<Published>,
    subject: S,
    committed: Option<Committed>,
    edge: Edge,
    /// Whether the committed checkpoint is in the anchor and given out.
    is_out: bool,
    /// Whether what is in the store may be another than `committed`.
    is_unsure: bool,
}

impl<S: Subject> Publisher<S> {
    /// Takes up a log where its last checkpoint left it, and gives that checkpoint out.
    ///
    /// # Errors
    /// [`PublishError::RolledBack`], [`PublishError::Changed`], [`PublishError::Contradicted`], [`PublishError::NotOurs`]:
    /// then the log must not be signed; and those of store and files.
    pub async fn open(parts: LogParts, subject: S) -> Result<Self, PublishError> {
        let LogParts { store, log, signer, anchor, witnesses } = parts;
        let anchor = Anchor::new(anchor);
        check_evidence(&anchor)?;
        let key = signer.verifier().clone();
        let published = Published::open(store.clone(), log, key, witnesses).await?.with_anchor(anchor.clone());
        let published = Arc::new(published);
        let mut inner = Inner {
            store: store.clone(),
            log,
            signer,
            anchor,
            published: published.clone(),
            subject,
            committed: None,
            edge: Edge::default(),
            is_out: false,
            is_unsure: true,
        };
        inner.take_up().await?;
        inner.give_out().await?;
        Ok(Self { published, store, log, inner: Mutex::new(inner) })
    }

    /// What is given out.
    #[must_use]
    pub fn published(&self) -> &Arc<Published> {
        &self.published
    }

    /// Signs checkpoints until one covers everything that is in the log now, and gives the last one. `None` for a log without
    /// entries.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn bring_up_to_date(&self) -> Result<Option<SignedCheckpoint>, PublishError> {
        let size = self.store.log_size(self.log).await?;
        loop {
            let mut inner = self.inner.lock().await;
            inner.advance(size).await?;
            if inner.edge.size() >= size {
                return Ok(inner.committed.as_ref().map(|committed| committed.checkpoint.clone()));
            }
        }
    }

    /// The last checkpoint with the state that its subject had then. `None` while it is not in the anchor, too: then nobody
    /// may see it yet.
    pub async fn state(&self) -> Option<(SignedCheckpoint, Vec<u8>)> {
        let inner = self.inner.lock().await;
        let committed = inner.committed.as_ref().filter(|_| inner.is_out);
        committed.map(|committed| (committed.checkpoint.clone(), committed.state.clone()))
    }

    /// Signs a checkpoint when the log has grown, at most one in each interval, until the shutdown. What passes by is tried
    /// again; what does not ends it, with an error in the log of the program: whatever else the server does goes on.
    pub async fn keep(self: Arc<Self>, interval: Duration, shutdown: CancellationToken) {
        let mut sizes = self.store.log_watch(self.log);
        let mut pause = interval;
        loop {
            let signed = self.published.size();
            match shutdown.run_until_cancelled(sizes.wait_for(|size| *size > signed)).await {
                Some(Ok(_)) => {}
                // The store is closed, or the server ends.
                Some(Err(_)) | None => return,
            }
            match self.bring_up_to_date().await {
                Ok(_) => pause = interval,
                Err(error) if error.is_passing() => {
                    match &error {
                        PublishError::Subject(SubjectError::Refused(_)) => tracing::error!(%error, "nothing is signed"),
                        _ => tracing::warn!(%error, "the checkpoint waits"),
                    }
                    pause = (pause * 2).clamp(Duration::from_millis(100), PAUSE_MAX);
                }
                Err(error) => {
                    tracing::error!(%error, "no further checkpoint is signed");
                    return;
                }
            }
            if shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }
}

fn check_evidence(anchor: &Anchor) -> Result<(), PublishError> {
    let path = anchor.evidence_path();
    match anchor.evidence() {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(PublishError::Contradicted { evidence: path }),
        Err(source) => Err(PublishError::Anchor { path, source }),
    }
}

impl<S: Subject> Inner<S> {
    /// Takes up what store and anchor say, which has to be one history.
    async fn take_up(&mut self) -> Result<(), PublishError> {
        let entries = self.store.log_size(self.log).await?;
        let key = self.signer.verifier().clone();
        let record = self.store.get(CHECKPOINT, &prefix(self.log)).await?;
        self.committed = record.map(|record| Committed::read(record, &key)).transpose()?;
        let size = self.committed.as_ref().map_or(0, Committed::size);
        if size > entries {
            return Err(self.rolled_back(entries, size));
        }
        self.edge = load_edge(&self.store, self.log, size).await?;
        if let Some(committed) = &self.committed
            && self.edge.root() != committed.checkpoint.head().root
        {
            return Err(self.changed(size));
        }
        let anchored = self.anchor.read().map_err(|source| self.anchor_fault(source))?;
        // Between the first checkpoint and its anchor a server may have died; afterwards there always is one.
        if anchored.is_none() && history::list(&self.store, self.log, 0, 2).await?.len() > 1 {
            return Err(PublishError::AnchorLost { anchor: self.anchor.path().to_path_buf() });
        }
        // An empty one is the operator's word for the store.
        if let Some(note) = anchored.filter(|note| !note.is_empty()) {
            let place = self.anchor.path().display().to_string();
            let anchored =
                SignedCheckpoint::open(&note, &key).map_err(|error| PublishError::NotOurs { place, error })?;
            self.check_anchored(anchored, entries).await?;
        }
        self.is_unsure = false;
        Ok(())
    }

    /// What the anchor says has to be in the log.
    async fn check_anchored(&mut self, anchored: SignedCheckpoint, entries: u64) -> Result<(), PublishError> {
        let TreeHead { size, root } = anchored.head();
        if size > entries {
            return Err(self.rolled_back(entries, size));
        }
        if size <= self.edge.size() {
            let view = TreeView::new(self.store.clone(), self.log, Arc::new(self.edge.clone()));
            return if view.root_at(size).await? == root { Ok(()) } else { Err(self.changed(size)) };
        }
        // The store was set back to a moment between these entries and their checkpoint, which is good for both.
        let (edge, batch) = self.follow(size).await?;
        if edge.root() != root {
            return Err(self.changed(size));
        }
        self.subject.adopt(anchored.checkpoint());
        let state = self.subject.state();
        self.commit(anchored, state, edge, batch).await
    }

    /// Signs a checkpoint over entries that have none yet, below `limit`; none when there are none.
    async fn advance(&mut self, limit: u64) -> Result<(), PublishError> {
        check_evidence(&self.anchor)?;
        if self.published.is_contradicted() {
            return Err(PublishError::Contradicted { evidence: self.anchor.evidence_path() });
        }
        if self.is_unsure {
            self.take_up().await?;
            self.is_out = false;
        }
        self.give_out().await?;
        let size = limit.min(self.edge.size().saturating_add(ENTRIES_MAX));
        if size <= self.edge.size() {
            return Ok(());
        }
        self.subject.begin(size).await?;
        let (edge, batch) = self.follow(size).await?;
        let TreeHead { size, root } = edge.head();
        let Extensions { issuance, spent } = self.subject.extensions(&root).await?;
        let origin = self.signer.verifier().name().to_owned();
        let signed = Checkpoint { origin, size, root, issuance, spent }.sign(&self.signer)?;
        let state = self.subject.state();
        self.commit(signed, state, edge, batch).await?;
        self.give_out().await
    }

    /// Adds the entries below `size` to the tree and shows them to the subject. Gives the new edge, and the tiles that became
    /// full.
    async fn follow(&mut self, size: u64) -> Result<(Edge, Batch), PublishError> {
        let state = self.committed.as_ref().map(|committed| committed.state.as_slice());
        self.subject.restore(state)?;
        let (mut edge, mut full, mut page) = (self.edge.clone(), Vec::new(), VecDeque::<LogRecord>::new());
        while edge.size() < size {
            let index = edge.size();
            if let Some(hash) = self.subject.heard(index)? {
                edge.push(hash, &mut full);
                continue;
            }
            while page.front().is_some_and(|record| record.index < index) {
                page.pop_front();
            }
            if page.front().is_none_or(|record| record.index != index) {
                let wanted = usize::try_from(size - index).map_or(PAGE_ENTRIES, |left| left.min(PAGE_ENTRIES));
                page = self.store.log_read_entries(self.log, index, wanted).await?.into();
            }
            let damaged = ViewError::Damaged("an entry of the log");
            let record = page.pop_front().ok_or(damaged)?;
            let hash = leaf_hash(&record).ok_or(ViewError::Damaged("an entry of the log"))?;
            self.subject.entry(&record)?;
            edge.push(hash, &mut full);
        }
        Ok((edge, put_tiles(Batch::new(), self.log, &full)))
    }

    /// Writes a checkpoint with its tiles, if the one before is still the last.
    async fn commit(
        &mut self,
        checkpoint: SignedCheckpoint,
        state: Vec<u8>,
        edge: Edge,
        batch: Batch,
    ) -> Result<(), PublishError> {
        let next = Committed::new(checkpoint, state);
        let place = prefix(self.log);
        let batch = match &self.committed {
            Some(committed) => batch.expect_equals(CHECKPOINT, place.as_slice(), committed.record.as_slice()),
            None => batch.expect_absent(CHECKPOINT, place.as_slice()),
        };
        let batch = history::put(batch.put(CHECKPOINT, place, next.record.as_slice()), self.log, &next.checkpoint);
        let outcome = self.store.commit(batch).await;
        match outcome {
            Ok(Outcome::Applied { .. }) => {
                (self.committed, self.edge, self.is_out) = (Some(next), edge, false);
                Ok(())
            }
            // Another publisher was first, or nobody knows who: look again before anything else is signed.
            Ok(_) => {
                self.is_unsure = true;
                Err(PublishError::OutcomeUnknown)
            }
            Err(error) => {
                self.is_unsure = true;
                Err(error.into())
            }
        }
    }

    /// Writes the committed checkpoint into the anchor; only then anybody sees it.
    async fn give_out(&mut self) -> Result<(), PublishError> {
        let Some(committed) = self.committed.as_ref().filter(|_| !self.is_out) else { return Ok(()) };
        let note = committed.checkpoint.note().to_string();
        let anchor = self.anchor.clone();
        // It waits for the disk: not on the threads that serve connections.
        let written = tokio::task::spawn_blocking(move || anchor.write(&note)).await;
        written.unwrap_or_else(|fault| Err(io::Error::other(fault))).map_err(|source| self.anchor_fault(source))?;
        self.published.publish(committed.checkpoint.clone(), Arc::new(self.edge.clone()));
        self.is_out = true;
        Ok(())
    }

    fn rolled_back(&self, entries: u64, signed: u64) -> PublishError {
        PublishError::RolledBack { entries, signed, anchor: self.anchor.path().to_path_buf() }
    }

    fn changed(&self, size: u64) -> PublishError {
        PublishError::Changed { size, anchor: self.anchor.path().to_path_buf() }
    }

    fn anchor_fault(&self, source: io::Error) -> PublishError {
        PublishError::Anchor { path: self.anchor.path().to_path_buf(), source }
    }
}
