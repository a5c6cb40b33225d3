//! Following both logs: read, verify, keep, cosign.

mod compare;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use farthing_ecash::spent::SpentInput;
use farthing_ledger::{
    checkpoint::SignedCheckpoint,
    edge::Edge,
    hash::Hash,
    key::{CosignerKey, VerifierKey},
    note::Timestamp,
    published::Published,
};

use crate::{
    books::{Books, Decoded},
    copy::{Copy, CopyError},
    evidence,
    finding::{Finding, Wrong},
    judge::{self, Suspect},
    log::Log,
    source::{Fetched, Source, SourceError},
};

/// Entries read at a time.
const PIECE: usize = 256;

/// Records that one write of the store makes, tiles apart.
const WRITES_MAX: usize = 3_000;

/// Bytes of entries and proof parts in one write of the store.
const BYTES_MAX: usize = 2 * 1024 * 1024;

/// Leaves that one checkpoint may add. A server of Farthing signs after 65,536 at the latest; the hashes of so many more are
/// 128 MiB.
const LEAVES_MAX: u64 = 1 << 22;

/// Following has stopped.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// A log is not as it must be.
    #[error("{0}")]
    Finding(#[from] Finding),
    /// Something was found before, and nobody has looked at it yet.
    #[error("stopped at an earlier finding: {0}\nLook at it; then `farthing-follower resume` lets the follower go on")]
    Stopped(String),
    /// A log cannot be read for the time being.
    #[error("the {log} log cannot be read from {from}: {source}")]
    Source {
        /// Which log.
        log: Log,
        /// From where.
        from: String,
        /// Why.
        source: SourceError,
    },
    /// The copy.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// A task of this program failed.
    #[error("a fault of this program: {0}")]
    Fault(&'static str),
}

/// A log as it is read.
pub struct Upstream {
    /// From where.
    pub source: Arc<dyn Source>,
    /// The key that signs it.
    pub key: VerifierKey,
    /// Whether that is another follower, which may know less than this one and takes no cosignatures.
    pub is_mirror: bool,
}

/// What is followed of one log.
pub(crate) struct Followed {
    log: Log,
    upstream: Upstream,
    edge: Edge,
    published: Arc<Published>,
    /// The folder for evidence.
    evidence: PathBuf,
    /// What was spent since the last verified checkpoint.
    inputs: Vec<SpentInput>,
    /// The last verified checkpoint.
    newest: Option<SignedCheckpoint>,
    /// The checkpoint whose entries are being read: of those that were read it is what the log has signed over them.
    taking: Option<SignedCheckpoint>,
    /// Whether that is cosigned.
    is_cosigned: bool,
}

/// A follower of both logs.
pub struct Follower {
    copy: Copy,
    books: Books,
    issuance: Followed,
    payments: Followed,
    witness: CosignerKey,
    evidence: PathBuf,
}

impl Followed {
    async fn open(
        copy: &Copy,
        log: Log,
        upstream: Upstream,
        witness: &CosignerKey,
        books: &Books,
        evidence: PathBuf,
    ) -> Result<Self, FollowError> {
        let witnesses = vec![witness.verifier().clone()];
        let published = Published::open(copy.store().clone(), log.name(), upstream.key.clone(), witnesses).await;
        let published = Arc::new(published.map_err(CopyError::from)?);
        let edge = copy.edge(log).await?;
        let size = books.side(log).checkpoint;
        let newest = match copy.checkpoint(log, size).await? {
            Some(note) if size > 0 => SignedCheckpoint::open(&note, &upstream.key).ok(),
            _ => None,
        };
        let inputs = match log {
            Log::Issuance => Vec::new(),
            Log::Payments => copy.inputs(size, edge.size()).await?,
        };
        let followed =
            Self { log, upstream, edge, published, evidence, inputs, newest, taking: None, is_cosigned: false };
        if let Some(newest) = &followed.newest {
            followed.publish(copy, newest).await?;
        }
        Ok(followed)
    }

    /// Gives a verified checkpoint out.
    async fn publish(&self, copy: &Copy, checkpoint: &SignedCheckpoint) -> Result<(), FollowError> {
        // A piece of the next checkpoint may have been read before the server went away.
        let size = checkpoint.head().size;
        let edge = if size == self.edge.size() { self.edge.clone() } else { copy.edge_at(self.log, size).await? };
        self.published.publish(checkpoint.clone(), Arc::new(edge));
        Ok(())
    }

    fn broken(&self, source: SourceError) -> FollowError {
        FollowError::Source { log: self.log, from: self.upstream.source.name(), source }
    }

    /// A checkpoint that its log has signed. From its own server anything else is a finding.
    fn open_note(&self, note: &str, size: u64) -> Result<SignedCheckpoint, FollowError> {
        SignedCheckpoint::open(note, &self.upstream.key).map_err(|error| {
            if self.upstream.is_mirror {
                self.broken(SourceError::Malformed("a checkpoint that the log has not signed"))
            } else {
                let finding = Finding::checkpoint(self.log, size, Wrong::Checkpoint(error.to_string()));
                evidence::keep(&self.evidence, &finding, &[("shown", note.as_bytes())]);
                finding.into()
            }
        })
    }
}

impl Follower {
    /// Takes up where the copy ends.
    ///
    /// # Errors
    /// [`FollowError::Copy`].
    pub async fn open(
        copy: Copy,
        issuance: Upstream,
        payments: Upstream,
        witness: CosignerKey,
        evidence: PathBuf,
    ) -> Result<Self, FollowError> {
        let books = copy.books().await?;
        let issuance = Followed::open(&copy, Log::Issuance, issuance, &witness, &books, evidence.clone()).await?;
        let payments = Followed::open(&copy, Log::Payments, payments, &witness, &books, evidence.clone()).await?;
        Ok(Self { copy, books, issuance, payments, witness, evidence })
    }

    /// What was concluded so far.
    #[must_use]
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// The copy.
    #[must_use]
    pub fn copy(&self) -> &Copy {
        &self.copy
    }

    /// What is given out of a log.
    #[must_use]
    pub fn published(&self, log: Log) -> &Arc<Published> {
        &self.followed(log).published
    }

    fn followed(&self, log: Log) -> &Followed {
        match log {
            Log::Issuance => &self.issuance,
            Log::Payments => &self.payments,
        }
    }

    fn followed_mut(&mut self, log: Log) -> &mut Followed {
        match log {
            Log::Issuance => &mut self.issuance,
            Log::Payments => &mut self.payments,
        }
    }

    /// Reads and verifies everything that the logs have signed since the last time, and cosigns it.
    ///
    /// # Errors
    /// [`FollowError::Finding`] when a log is not as it must be: it is kept, and nothing is followed or cosigned any more
    /// until the operator has looked. Other errors are to be tried again.
    pub async fn follow(&mut self) -> Result<(), FollowError> {
        if let Some(text) = self.copy.finding().await? {
            return Err(FollowError::Stopped(text));
        }
        let followed = self.advance().await;
        if let Err(FollowError::Finding(finding)) = &followed {
            self.copy.keep_finding(&finding.to_string()).await?;
        }
        followed
    }

    async fn advance(&mut self) -> Result<(), FollowError> {
        for log in Log::ALL {
            self.look(log).await?;
        }
        self.follow_issuance().await?;
        self.follow_payments().await?;
        for log in Log::ALL {
            self.cosign(log).await?;
        }
        Ok(())
    }

    async fn follow_issuance(&mut self) -> Result<(), FollowError> {
        while let Some(checkpoints) = self.next(Log::Issuance).await? {
            for checkpoint in checkpoints {
                self.take(Log::Issuance, checkpoint, u64::MAX).await?;
            }
        }
        Ok(())
    }

    async fn follow_payments(&mut self) -> Result<(), FollowError> {
        while let Some(checkpoints) = self.next(Log::Payments).await? {
            for checkpoint in checkpoints {
                let named = checkpoint.checkpoint().issuance.map_or(0, |issuance| issuance.size);
                if named > self.books.issuance.checkpoint {
                    self.follow_issuance().await?;
                }
                // The issuer shows less than the redeemer has seen of it: wait for it.
                if named > self.books.issuance.checkpoint {
                    let what = SourceError::Malformed("fewer entries than the redeemer has seen of the issuance log");
                    return Err(self.issuance.broken(what));
                }
                self.take(Log::Payments, checkpoint, named).await?;
            }
        }
        Ok(())
    }

    /// The next checkpoints of a log.
    async fn next(&self, log: Log) -> Result<Option<Vec<SignedCheckpoint>>, FollowError> {
        let followed = self.followed(log);
        let last = self.books.side(log).checkpoint;
        let notes = followed.upstream.source.checkpoints(last).await.map_err(|error| followed.broken(error))?;
        let mut checkpoints = Vec::with_capacity(notes.len());
        let mut before = last;
        for note in &notes {
            let checkpoint = followed.open_note(note, last)?;
            if checkpoint.head().size <= before {
                return Err(followed.broken(SourceError::Malformed("checkpoints out of order")));
            }
            before = checkpoint.head().size;
            checkpoints.push(checkpoint);
        }
        Ok((!checkpoints.is_empty()).then_some(checkpoints))
    }

    /// Reads and verifies the entries up to a checkpoint, and the checkpoint.
    async fn take(&mut self, log: Log, checkpoint: SignedCheckpoint, issuance: u64) -> Result<(), FollowError> {
        self.compare(log, &checkpoint).await?;
        let head = checkpoint.head();
        let first = self.books.side(log).tree.size();
        if head.size < first {
            return Err(self.found(Finding::checkpoint(log, head.size, Wrong::SetBack(first)), &checkpoint, None));
        }
        // What was signed is known before an entry is looked at, so nothing else is ever kept or judged.
        let leaves = self.signed_leaves(log, &checkpoint).await?;
        self.followed_mut(log).taking = Some(checkpoint.clone());
        let mut leaves = leaves.as_slice();
        while !leaves.is_empty() {
            let next = self.books.side(log).tree.size();
            let followed = self.followed(log);
            let fetched = followed.upstream.source.entries(next, leaves.len().min(PIECE)).await;
            let fetched = fetched.map_err(|error| followed.broken(error))?;
            if fetched.is_empty() || fetched.len() > leaves.len() {
                return Err(followed.broken(SourceError::Malformed("not as many entries as were signed")));
            }
            let (signed, rest) = leaves.split_at(fetched.len());
            let differing = fetched.iter().zip(signed).position(|(fetched, leaf)| fetched.leaf() != *leaf);
            if let Some(place) = differing {
                let index = next.saturating_add(u64::try_from(place).unwrap_or(u64::MAX));
                return Err(self.not_signed(log, index, &checkpoint, fetched.get(place)));
            }
            let (decoded, suspect) = blocking(move || judge::decode(log, next, fetched)).await?;
            for piece in pieces(decoded) {
                self.take_piece(log, piece, issuance, &checkpoint).await?;
            }
            suspect.map_err(|suspect| self.suspected(*suspect, &checkpoint))?;
            leaves = rest;
        }
        self.conclude(log, checkpoint).await
    }

    /// The leaves up to a checkpoint that are not in the copy yet.
    async fn signed_leaves(&self, log: Log, checkpoint: &SignedCheckpoint) -> Result<Vec<Hash>, FollowError> {
        let followed = self.followed(log);
        let (mut tree, head) = (self.books.side(log).tree.clone(), checkpoint.head());
        let (first, source) = (tree.size(), &followed.upstream.source);
        if head.size - first > LEAVES_MAX {
            return Err(followed.broken(SourceError::Malformed("a checkpoint that adds too much at once")));
        }
        let leaves = source.leaves(first, head.size).await.map_err(|error| followed.broken(error))?;
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        if tree.head() == head {
            return Ok(leaves);
        }
        Err(self.contradicted(log, checkpoint).await?)
    }

    /// The entry that is shown is not the one that was signed. Another follower may have damaged its copy.
    fn not_signed(&self, log: Log, index: u64, checkpoint: &SignedCheckpoint, entry: Option<&Fetched>) -> FollowError {
        if self.followed(log).upstream.is_mirror {
            return self.followed(log).broken(SourceError::NotSigned(index));
        }
        self.found(Finding::entry(log, index, Wrong::NotSigned), checkpoint, entry)
    }

    fn suspected(&self, suspect: Suspect, checkpoint: &SignedCheckpoint) -> FollowError {
        let Suspect { finding, entry } = suspect;
        self.found(finding, checkpoint, entry.as_ref())
    }

    /// Keeps the evidence of a finding.
    fn found(&self, finding: Finding, checkpoint: &SignedCheckpoint, entry: Option<&Fetched>) -> FollowError {
        let note = checkpoint.note().to_string();
        let mut exhibits = vec![("signed", note.as_bytes())];
        if let Some(Fetched { entry, proof }) = entry {
            exhibits.extend([("bytes", entry.as_slice()), ("proof", proof.as_slice())]);
        }
        evidence::keep(&self.evidence, &finding, &exhibits);
        finding.into()
    }

    async fn take_piece(
        &mut self,
        log: Log,
        piece: Vec<Decoded>,
        issuance: u64,
        checkpoint: &SignedCheckpoint,
    ) -> Result<(), FollowError> {
        let known = self.copy.known(log, &piece).await?;
        let (books, edge) = (self.books.clone(), self.followed(log).edge.clone());
        let judged = blocking(move || judge::entries(log, piece, books, edge, issuance, known)).await?;
        let mut judged = judged.map_err(|suspect| self.suspected(*suspect, checkpoint))?;
        self.copy.append(log, &judged.entries, &judged.tiles, &mut judged.books, &judged.writes).await?;
        self.books = judged.books;
        let followed = self.followed_mut(log);
        followed.edge = judged.edge;
        followed.inputs.extend(judged.inputs);
        Ok(())
    }

    async fn conclude(&mut self, log: Log, checkpoint: SignedCheckpoint) -> Result<(), FollowError> {
        let mut issuance = None;
        if log == Log::Payments
            && let Some(named) = checkpoint.checkpoint().issuance
        {
            issuance = self.copy.issuance_head(named.size).await?;
        }
        let inputs = std::mem::take(&mut self.followed_mut(log).inputs);
        let (books, judged) = (self.books.clone(), checkpoint.clone());
        let books = blocking(move || judge::checkpoint(log, &judged, books, issuance, &inputs)).await?;
        let books = books.map_err(|finding| self.found(finding, &checkpoint, None))?;
        self.copy.conclude(log, &checkpoint, &books).await?;
        self.books = books;
        let followed = self.followed_mut(log);
        followed.newest = Some(checkpoint);
        followed.taking = None;
        followed.is_cosigned = false;
        Ok(())
    }

    /// Says of the newest checkpoint that all of it was verified: to whoever asks here, and to the log's server.
    async fn cosign(&mut self, log: Log) -> Result<(), FollowError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let time = Timestamp::from_unix_seconds(now).ok_or(FollowError::Fault("the clock"))?;
        let followed = self.followed(log);
        let Some(mut checkpoint) = followed.newest.clone().filter(|_| !followed.is_cosigned) else { return Ok(()) };
        let cosignature = self.witness.cosign(checkpoint.note().text(), time);
        checkpoint.note_mut().add(cosignature);
        followed.publish(&self.copy, &checkpoint).await?;
        if let Err(error) = followed.published.add_cosignatures(checkpoint.note().clone()).await {
            tracing::warn!(%error, "the cosignature of the {log} log cannot be kept");
        }
        let mut is_taken = true;
        if !followed.upstream.is_mirror
            && let Err(error) = followed.upstream.source.hand_back(checkpoint.note()).await
        {
            tracing::warn!(%error, "the server of the {log} log does not take the cosignature");
            is_taken = matches!(error, SourceError::Refused(_));
        }
        self.followed_mut(log).is_cosigned = is_taken;
        Ok(())
    }
}

/// Does what takes long without holding up whoever reads from this follower.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, FollowError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| FollowError::Fault("a thread has failed"))
}

/// Cuts entries into pieces that the store takes in one write.
fn pieces(entries: Vec<Decoded>) -> Vec<Vec<Decoded>> {
    let mut pieces = vec![Vec::new()];
    let (mut writes, mut bytes) = (0, 0);
    for entry in entries {
        let (more_writes, more_bytes) = (entry.writes(), entry.bytes.len() + entry.proof.len());
        if writes + more_writes > WRITES_MAX || bytes + more_bytes > BYTES_MAX {
            pieces.push(Vec::new());
            (writes, bytes) = (0, 0);
        }
        (writes, bytes) = (writes + more_writes, bytes + more_bytes);
        if let Some(piece) = pieces.last_mut() {
            piece.push(entry);
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
