//! What a server gives out of a log: the newest checkpoint, those that witnesses have cosigned, and proofs as far as the
//! newest goes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use farthing_store::{Batch, LogName, Outcome, READ_ITEMS_MAX, Space, Store, StoreError};
use tokio::sync::watch;

use crate::{
    anchor::Anchor,
    checkpoint::{CheckpointError, SignedCheckpoint},
    cosignature::cosignatures,
    edge::Edge,
    history,
    key::VerifierKey,
    note::SignedNote,
    view::{TreeView, ViewError},
};

/// Length and name of the log, size u64 big-endian → the note of a cosigned checkpoint.
const COSIGNED: Space = Space("cosigned");

/// Cosigned checkpoints that are kept. A witness that signs each one, one a second, has this long to be outrun by another.
const COSIGNED_MAX: usize = 256;

/// Why a checkpoint that was handed back is not taken.
#[derive(Debug, thiserror::Error)]
pub enum CosignError {
    /// It is not by this log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// No witness that is known here has cosigned it.
    #[error("no witness that is known here has cosigned it")]
    NoWitness,
    /// It goes further than what is published here.
    #[error("the log here does not go so far yet")]
    Beyond,
    /// This log's own key has signed it, and it does not fit this log.
    #[error("the checkpoint contradicts this log; it is kept as evidence")]
    Contradiction,
    /// The tree cannot be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The store does not know whether the cosignatures were written.
    #[error("the store does not know whether the cosignatures were written")]
    OutcomeUnknown,
}

impl From<StoreError> for CosignError {
    fn from(error: StoreError) -> Self {
        Self::View(error.into())
    }
}

/// The newest checkpoint and the edge of its tree.
struct Newest {
    checkpoint: Option<SignedCheckpoint>,
    edge: Arc<Edge>,
}

/// What is given out of a log.
pub struct Published {
    store: Store,
    log: LogName,
    key: VerifierKey,
    witnesses: Vec<VerifierKey>,
    newest: RwLock<Newest>,
    sizes: watch::Sender<u64>,
    /// By size.
    cosigned: Mutex<BTreeMap<u64, SignedNote>>,
    /// Of a log that is signed here: whatever the key has signed was published here before, so anything larger is evidence.
    anchor: Option<Anchor>,
    /// Whether something was shown that contradicts the log. The file with it tells those who start later.
    is_contradicted: AtomicBool,
}

impl Published {
    /// Gives out a log of the store that was signed by `key`, nothing of it yet. `witnesses` are those whose cosignatures are
    /// taken.
    ///
    /// # Errors
    /// [`ViewError`] when the cosignatures in the store cannot be read.
    pub async fn open(
        store: Store,
        log: LogName,
        key: VerifierKey,
        witnesses: Vec<VerifierKey>,
    ) -> Result<Self, ViewError> {
        let prefix = prefix(log);
        let mut cosigned = BTreeMap::new();
        for (place, note) in store.scan_prefix(COSIGNED, &prefix, READ_ITEMS_MAX).await? {
            let size = place.strip_prefix(prefix.as_slice()).and_then(|size| size.try_into().ok());
            let note = std::str::from_utf8(&note).ok().and_then(|note| note.parse().ok());
            let (Some(size), Some(note)) = (size, note) else {
                return Err(ViewError::Damaged("a cosigned checkpoint"));
            };
            cosigned.insert(u64::from_be_bytes(size), note);
        }
        let newest = RwLock::new(Newest { checkpoint: None, edge: Arc::default() });
        let (sizes, _) = watch::channel(0);
        let cosigned = Mutex::new(cosigned);
        let is_contradicted = AtomicBool::new(false);
        Ok(Self { store, log, key, witnesses, newest, sizes, cosigned, anchor: None, is_contradicted })
    }

    /// For the server whose key signs the log: keeps what contradicts the log beside this anchor.
    #[must_use]
    pub fn with_anchor(mut self, anchor: Anchor) -> Self {
        self.anchor = Some(anchor);
        self
    }

    /// The key of the log.
    #[must_use]
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The witnesses whose cosignatures are taken.
    #[must_use]
    pub fn witnesses(&self) -> &[VerifierKey] {
        &self.witnesses
    }

    /// Gives out a checkpoint, which was verified or signed here, and the tree behind it.
    pub fn publish(&self, checkpoint: SignedCheckpoint, edge: Arc<Edge>) {
        let size = edge.size();
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = Newest { checkpoint: Some(checkpoint), edge };
        self.sizes.send_replace(size);
    }

    /// The size of the newest checkpoint; 0 for none.
    #[must_use]
    pub fn size(&self) -> u64 {
        *self.sizes.borrow()
    }

    /// Follows the size of the newest checkpoint.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.sizes.subscribe()
    }

    /// The newest checkpoint, with the cosignatures that are known of it.
    #[must_use]
    pub fn newest(&self) -> Option<SignedCheckpoint> {
        let checkpoint = self.newest.read().unwrap_or_else(PoisonError::into_inner).checkpoint.clone();
        let mut checkpoint = checkpoint?;
        if let Some(note) = self.cosigned().get(&checkpoint.head().size) {
            note.signatures().iter().for_each(|signature| checkpoint.note_mut().add(signature.clone()));
        }
        Some(checkpoint)
    }

    /// The note of the newest checkpoint that at least so many witnesses have cosigned.
    #[must_use]
    pub fn checkpoint(&self, wanted: usize) -> Option<SignedNote> {
        if wanted == 0 {
            return self.newest().map(|checkpoint| checkpoint.note().clone());
        }
        self.newest_cosigned(|note| cosignatures(note, &self.witnesses).len() >= wanted)
    }

    /// The newest cosigned checkpoint for which something holds.
    #[must_use]
    pub fn newest_cosigned(&self, holds: impl Fn(&SignedNote) -> bool) -> Option<SignedNote> {
        let cosigned = self.cosigned();
        cosigned.range(..=self.size()).rev().map(|(_, note)| note).find(|note| holds(note)).cloned()
    }

    /// The number of entries of a checkpoint of this log.
    #[must_use]
    pub fn size_of(&self, note: &SignedNote) -> Option<u64> {
        SignedCheckpoint::verify(note.clone(), &self.key).ok().map(|checkpoint| checkpoint.head().size)
    }

    /// The tree as far as the newest checkpoint goes.
    #[must_use]
    pub fn view(&self) -> TreeView {
        let edge = self.newest.read().unwrap_or_else(PoisonError::into_inner).edge.clone();
        TreeView::new(self.store.clone(), self.log, edge)
    }

    /// Takes the cosignatures of a checkpoint that a witness hands back.
    ///
    /// # Errors
    /// [`CosignError`]. After [`CosignError::Contradiction`] the log is not signed any more.
    pub async fn add_cosignatures(&self, note: SignedNote) -> Result<(), CosignError> {
        let checkpoint = SignedCheckpoint::verify(note, &self.key)?;
        let head = checkpoint.head();
        let view = self.view();
        match view.root_at(head.size).await {
            Ok(root) if root == head.root => {}
            // A larger one that was never published here: this log was set back.
            Err(ViewError::Beyond) if self.anchor.is_none() => return Err(CosignError::Beyond),
            Ok(_) | Err(ViewError::Beyond) => {
                self.keep_evidence(checkpoint.note());
                return Err(CosignError::Contradiction);
            }
            Err(error) => return Err(error.into()),
        }
        if !self.says_the_same(&checkpoint).await? {
            self.keep_evidence(checkpoint.note());
            return Err(CosignError::Contradiction);
        }
        let found = cosignatures(checkpoint.note(), &self.witnesses);
        if found.is_empty() {
            return Err(CosignError::NoWitness);
        }
        if self.is_outrun(head.size) {
            return Ok(());
        }
        let place = [prefix(self.log), head.size.to_be_bytes().to_vec()].concat();
        // Another witness may hand back the same checkpoint at the same time.
        loop {
            let stored = self.store.get(COSIGNED, &place).await?;
            // Only what was checked is kept: the text, the log's signature, known witnesses.
            let mut kept = match stored.as_deref().and_then(|note| std::str::from_utf8(note).ok()?.parse().ok()) {
                Some(kept) => kept,
                None => self.bare(&checkpoint)?,
            };
            found.iter().for_each(|cosigned| kept.add(cosigned.signature.clone()));
            // Who gathers cosignatures sees the same ones again and again.
            if stored.as_deref() == Some(kept.to_string().as_bytes()) {
                return Ok(());
            }
            let batch = match stored {
                Some(stored) => Batch::new().expect_equals(COSIGNED, place.as_slice(), stored),
                None => Batch::new().expect_absent(COSIGNED, place.as_slice()),
            };
            let batch = self.forget_old(batch, head.size).put(COSIGNED, place.as_slice(), kept.to_string());
            match self.store.commit(batch).await? {
                Outcome::Applied { .. } => {
                    let mut cosigned = self.cosigned();
                    cosigned.insert(head.size, kept);
                    while cosigned.len() > COSIGNED_MAX {
                        cosigned.pop_first();
                    }
                    return Ok(());
                }
                Outcome::Conflict { .. } => {}
                Outcome::Unknown => return Err(CosignError::OutcomeUnknown),
            }
        }
    }

    /// Whether the checkpoint of this size that is known here has the same lines: the same tree with other words over it would
    /// be another truth.
    async fn says_the_same(&self, checkpoint: &SignedCheckpoint) -> Result<bool, CosignError> {
        let size = checkpoint.head().size;
        let known = history::list(&self.store, self.log, size.saturating_sub(1), 1).await?.into_iter().next();
        let known = known.and_then(|note| SignedCheckpoint::open(&note, &self.key).ok());
        let known = known.filter(|known| known.head().size == size);
        let cosigned = self.cosigned().get(&size).map(|note| note.text().to_owned());
        let texts = [known.map(|known| known.note().text().to_owned()), cosigned];
        Ok(texts.iter().flatten().all(|text| text == checkpoint.note().text()))
    }

    /// The checkpoint with the log's signature alone.
    fn bare(&self, checkpoint: &SignedCheckpoint) -> Result<SignedNote, CosignError> {
        let note = checkpoint.note();
        let signature = note.signatures().iter().find(|signature| self.key.is_named_by(signature));
        let signature = signature.ok_or(CosignError::NoWitness)?.clone();
        SignedNote::new(note.text().to_owned(), signature).map_err(|error| CosignError::Checkpoint(error.into()))
    }

    /// Whether so many newer checkpoints are cosigned that nobody asks for this one any more.
    fn is_outrun(&self, size: u64) -> bool {
        let cosigned = self.cosigned();
        cosigned.len() >= COSIGNED_MAX && cosigned.first_key_value().is_some_and(|(first, _)| size < *first)
    }

    /// Makes room for the checkpoint of this size.
    fn forget_old(&self, batch: Batch, size: u64) -> Batch {
        let cosigned = self.cosigned();
        if cosigned.contains_key(&size) {
            return batch;
        }
        let too_many = (cosigned.len() + 1).saturating_sub(COSIGNED_MAX);
        cosigned
            .keys()
            .take(too_many)
            .fold(batch, |batch, size| batch.delete(COSIGNED, [prefix(self.log), size.to_be_bytes().to_vec()].concat()))
    }

    fn keep_evidence(&self, note: &SignedNote) {
        let Some(anchor) = &self.anchor else { return };
        self.is_contradicted.store(true, Ordering::SeqCst);
        tracing::error!(
            "a checkpoint was shown that this log's key has signed and that does not fit this log: the log was set back or \
             its key is used elsewhere. No further checkpoint is signed; see {}",
            anchor.evidence_path().display()
        );
        if let Err(error) = anchor.write_evidence(&note.to_string()) {
            tracing::error!(%error, "the evidence cannot be written");
        }
    }

    /// Whether a checkpoint was shown that the log's key has signed and that does not fit the log.
    pub(crate) fn is_contradicted(&self) -> bool {
        self.is_contradicted.load(Ordering::SeqCst)
    }

    fn cosigned(&self) -> MutexGuard<'_, BTreeMap<u64, SignedNote>> {
        self.cosigned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the keys of a log's records begin with.
pub(crate) fn prefix(log: LogName) -> Vec<u8> {
    let name = log.0.as_bytes();
    [&[u8::try_from(name.len()).unwrap_or(u8::MAX)][..], name].concat()
}
