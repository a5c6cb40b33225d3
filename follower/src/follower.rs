//! Following both logs: read, verify, keep, cosign.

mod compare;
mod conclude;
mod take;
mod witness;

use std::{path::PathBuf, sync::Arc};

use farthing_ecash::{calendar::Day, spent::SpentInput};
use farthing_ledger::{
    checkpoint::SignedCheckpoint,
    edge::Edge,
    key::{CosignerKey, VerifierKey},
    published::Published,
};
use farthing_service::clock::Clock;

use self::witness::Cosigned;
use crate::{
    audit::Look,
    books::Books,
    copy::{Copy, CopyError},
    evidence,
    finding::{Finding, Wrong},
    log::Log,
    source::{Source, SourceError},
};

/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

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
    /// Whether that is another follower, which may be damaged, behind, or leave something out.
    pub is_mirror: bool,
    /// Who takes the cosignatures of this follower.
    pub hand_back: Option<Arc<dyn Source>>,
}

/// What a follower is set up with, beside the logs.
pub struct Setting {
    /// The key by which it cosigns.
    pub witness: CosignerKey,
    /// Other witnesses whose cosignatures it gives out.
    pub others: Vec<VerifierKey>,
    /// The folder for evidence.
    pub evidence: PathBuf,
    /// Where its time comes from.
    pub clock: Arc<dyn Clock>,
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
    inputs: Arc<Vec<SpentInput>>,
    /// How much of the issuance log the entries since then were allowed to rest on.
    rested_on: u64,
    /// The last verified checkpoint.
    newest: Option<SignedCheckpoint>,
    /// The checkpoint whose entries are being read: of those that were read it is what the log has signed over them.
    taking: Option<SignedCheckpoint>,
    cosigned: Cosigned,
    /// When everything that it shows was last verified, in seconds since 1970.
    checked_at: Option<i64>,
    /// When a checkpoint was last verified.
    grown_at: Option<i64>,
    /// Why that is not so now.
    waiting_for: Option<String>,
}

/// A follower of both logs.
pub struct Follower {
    copy: Copy,
    books: Books,
    issuance: Followed,
    payments: Followed,
    witness: CosignerKey,
    evidence: PathBuf,
    clock: Arc<dyn Clock>,
}

impl Followed {
    async fn open(
        copy: &Copy,
        log: Log,
        upstream: Upstream,
        setting: &Setting,
        books: &Books,
    ) -> Result<Self, FollowError> {
        let own = setting.witness.verifier();
        let others = setting.others.iter().filter(|other| other.public_bytes() != own.public_bytes());
        let witnesses = [own].into_iter().chain(others).cloned().collect();
        let published = Published::open(copy.store().clone(), log.name(), upstream.key.clone(), witnesses).await;
        let published = Arc::new(published.map_err(CopyError::from)?);
        let edge = copy.edge(log).await?;
        let size = books.side(log).checkpoint;
        let newest = match copy.checkpoint(log, size).await? {
            Some(note) if size > 0 => SignedCheckpoint::open(&note, &upstream.key).ok(),
            _ => None,
        };
        // On what entries without a checkpoint were allowed to rest is not known any more.
        let rested_on = if edge.size() > size { u64::MAX } else { 0 };
        Ok(Self {
            log,
            upstream,
            edge,
            published,
            evidence: setting.evidence.clone(),
            inputs: Arc::default(),
            rested_on,
            newest,
            taking: None,
            cosigned: Cosigned::default(),
            checked_at: None,
            grown_at: None,
            waiting_for: None,
        })
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
        setting: Setting,
    ) -> Result<Self, FollowError> {
        let books = copy.books().await?;
        let issuance = Followed::open(&copy, Log::Issuance, issuance, &setting, &books).await?;
        let payments = Followed::open(&copy, Log::Payments, payments, &setting, &books).await?;
        let Setting { witness, evidence, clock, .. } = setting;
        let mut follower = Self { copy, books, issuance, payments, witness, evidence, clock };
        let Books { payments, .. } = &follower.books;
        let read = follower.stretch(Log::Payments, payments.checkpoint, payments.tree.size(), u64::MAX).await?;
        follower.payments.inputs = Arc::new(read.inputs);
        for log in Log::ALL {
            if let Some(newest) = follower.followed(log).newest.clone() {
                follower.followed(log).publish(&follower.copy, &newest).await?;
                let cosigned = follower.cosigned(newest)?;
                follower.followed_mut(log).is_witnessed(cosigned);
            }
        }
        Ok(follower)
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

    /// When a log was last looked at, and for what it waits.
    #[must_use]
    pub fn look_of(&self, log: Log) -> Look {
        let Followed { checked_at, grown_at, waiting_for, .. } = self.followed(log);
        Look { checked_at: *checked_at, grown_at: *grown_at, waiting_for: waiting_for.clone() }
    }

    /// The day of the clock here, in the time of Greenwich.
    fn today(&self) -> Day {
        Day::new(u32::try_from(self.clock.unix_seconds().max(0) / DAY_SECONDS).unwrap_or(u32::MAX))
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

    /// What keeps one log waiting keeps the other from nothing that it does not rest on.
    async fn advance(&mut self) -> Result<(), FollowError> {
        let mut waiting = None;
        for log in Log::ALL {
            let followed = self.advance_log(log).await;
            let now = self.clock.unix_seconds();
            match followed {
                Ok(()) => {
                    let followed = self.followed_mut(log);
                    (followed.checked_at, followed.waiting_for) = (Some(now), None);
                }
                Err(error @ FollowError::Source { .. }) => {
                    self.followed_mut(log).waiting_for = Some(error.to_string());
                    waiting.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        for log in Log::ALL {
            self.give_out(log).await?;
            if self.followed(log).waiting_for.is_none() {
                self.gather_from_upstream(log).await?;
            }
        }
        waiting.map_or(Ok(()), Err)
    }

    async fn advance_log(&mut self, log: Log) -> Result<(), FollowError> {
        self.look(log).await?;
        match log {
            Log::Issuance => self.follow_issuance().await,
            Log::Payments => self.follow_payments().await,
        }
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
}

/// Does what takes long without holding up whoever reads from this follower.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, FollowError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| FollowError::Fault("a thread has failed"))
}
