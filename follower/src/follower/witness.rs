//! Saying to others what was verified, and passing on what other witnesses say.

use std::{collections::VecDeque, mem, sync::Arc};

use farthing_ledger::{checkpoint::SignedCheckpoint, note::Timestamp, published::CosignError};

use super::{FollowError, Followed, Follower, Upstream};
use crate::{
    log::Log,
    source::{Source, SourceError},
};

/// Cosigned checkpoints that wait for whoever takes them. Of a follower that was away longer only the newest are of use.
const WAITING_MAX: usize = 64;

/// Cosigned checkpoints on their way.
#[derive(Default)]
pub(super) struct Cosigned {
    /// Verified, and not given out yet.
    fresh: VecDeque<SignedCheckpoint>,
    /// Given out here, and not handed back yet.
    unsent: VecDeque<SignedCheckpoint>,
}

fn push(waiting: &mut VecDeque<SignedCheckpoint>, checkpoint: SignedCheckpoint) {
    waiting.push_back(checkpoint);
    if waiting.len() > WAITING_MAX {
        waiting.pop_front();
    }
}

impl Followed {
    /// Takes note of the newest verified checkpoint, which was cosigned.
    pub(super) fn is_witnessed(&mut self, cosigned: SignedCheckpoint) {
        self.newest = Some(cosigned.clone());
        push(&mut self.cosigned.fresh, cosigned);
    }
}

impl Follower {
    /// Cosigns a checkpoint at the moment at which it is the largest that was verified: that is what a cosignature says
    /// (C2SP tlog-cosignature). Each is cosigned, not only the newest of a look, so that witnesses that look at different
    /// moments cosign the same ones.
    pub(super) fn cosigned(&self, mut checkpoint: SignedCheckpoint) -> Result<SignedCheckpoint, FollowError> {
        let now = u64::try_from(self.clock.unix_seconds()).ok().and_then(Timestamp::from_unix_seconds);
        let cosignature = self.witness.cosign(checkpoint.note().text(), now.ok_or(FollowError::Fault("the clock"))?);
        checkpoint.note_mut().add(cosignature);
        Ok(checkpoint)
    }

    /// Gives the cosigned checkpoints out: to whoever asks here, and to the log's server.
    pub(super) async fn give_out(&mut self, log: Log) -> Result<(), FollowError> {
        let fresh = mem::take(&mut self.followed_mut(log).cosigned.fresh);
        let followed = self.followed(log);
        if let Some(newest) = fresh.back() {
            followed.publish(&self.copy, newest).await?;
        }
        for cosigned in &fresh {
            if let Err(error) = followed.published.add_cosignatures(cosigned.note().clone()).await {
                tracing::warn!(%error, "the cosignature of the {log} log cannot be kept");
            }
        }
        let followed = self.followed_mut(log);
        fresh.into_iter().for_each(|cosigned| push(&mut followed.cosigned.unsent, cosigned));
        let Some(taker) = followed.upstream.hand_back.clone() else {
            followed.cosigned.unsent.clear();
            return Ok(());
        };
        while let Some(cosigned) = followed.cosigned.unsent.front() {
            match taker.hand_back(cosigned.note()).await {
                Ok(()) => drop(followed.cosigned.unsent.pop_front()),
                Err(error) => {
                    tracing::warn!(%error, "{} does not take the cosignature of the {log} log", taker.name());
                    if matches!(error, SourceError::Refused(_)) {
                        followed.cosigned.unsent.clear();
                    }
                    break;
                }
            }
        }
        Ok(())
    }

    /// Takes over what the source of a log and the taker of the cosignatures give out.
    pub(super) async fn gather_from_upstream(&self, log: Log) -> Result<(), FollowError> {
        let Upstream { source, hand_back, .. } = &self.followed(log).upstream;
        let taker = hand_back.as_ref().filter(|taker| !Arc::ptr_eq(taker, source));
        for giver in [source].into_iter().chain(taker) {
            match self.take_over(log, giver.as_ref()).await {
                Err(error @ FollowError::Source { .. }) => tracing::warn!("cosignatures: {error}"),
                gathered => gathered?,
            }
        }
        Ok(())
    }

    /// Takes over the cosignatures of other witnesses from somebody who gives them out, so that wallets that read here find as
    /// many as they ask for. Each is checked, and each checkpoint is held against the copy.
    ///
    /// # Errors
    /// [`FollowError::Finding`] when the log has signed two things that contradict each other: it is kept, so that nothing is
    /// followed or cosigned any more until the operator has looked; [`FollowError::Source`].
    pub async fn gather(&self, log: Log, giver: &dyn Source) -> Result<(), FollowError> {
        let gathered = self.take_over(log, giver).await;
        if let Err(FollowError::Finding(finding)) = &gathered {
            self.copy.keep_finding(&format!("{finding}; seen at {}", giver.name())).await?;
        }
        gathered
    }

    /// [`Follower::gather`], without keeping what is found.
    async fn take_over(&self, log: Log, giver: &dyn Source) -> Result<(), FollowError> {
        let published = &self.followed(log).published;
        let broken = |source| FollowError::Source { log, from: giver.name(), source };
        let others = published.witnesses().len().saturating_sub(1);
        // The newest that one has cosigned, the newest that two have, and so on.
        for count in 1..=others {
            let Some(note) = giver.cosigned(count).await.map_err(broken)? else { break };
            let checkpoint = SignedCheckpoint::open(&note, published.key());
            let checkpoint =
                checkpoint.map_err(|_| broken(SourceError::Malformed("a note that the log has not signed")))?;
            self.compare(log, &checkpoint).await?;
            match published.add_cosignatures(checkpoint.note().clone()).await {
                // Of entries that were not verified yet, or by witnesses whom nobody asks for here.
                Ok(()) | Err(CosignError::Beyond | CosignError::NoWitness) => {}
                Err(error) => tracing::warn!(%error, "cosignatures of the {log} log cannot be kept"),
            }
        }
        Ok(())
    }
}
