//! Verifying a checkpoint over entries that are in the copy, also one that was shown late.
//!
//! A server lists every checkpoint that it has signed. A mirror may leave one out; then the entries up to the next one are in the
//! copy when it comes along, and it is judged by what they come to when they are looked at again.

use std::sync::Arc;

use farthing_ledger::{checkpoint::SignedCheckpoint, tree::TreeHead};

use super::{FollowError, Follower, blocking};
use crate::{
    books::{IssuanceHead, Seen, Stretch},
    copy::CopyError,
    evidence::Exhibit,
    finding::{Finding, Wrong},
    judge,
    log::Log,
    source::SourceError,
};

impl Follower {
    /// Verifies a checkpoint over entries that are in the copy, and what they may rest on of the issuance log.
    pub(super) async fn conclude(
        &mut self,
        log: Log,
        checkpoint: SignedCheckpoint,
        issuance: u64,
    ) -> Result<(), FollowError> {
        let (head, side) = (checkpoint.head(), self.books.side(log));
        let (last, end) = (side.checkpoint, side.tree.size());
        // What was entered beyond it belongs to the next one.
        let beyond = self.stretch(log, head.size, end, u64::MAX).await?;
        let mut inputs = self.followed(log).inputs.clone();
        if log == Log::Payments && (head.size < end || self.followed(log).rested_on > issuance) {
            let again = self.stretch(log, last, head.size, issuance).await?;
            if let Some((index, what)) = again.too_early {
                return Err(self.found(Finding::entry(log, index, what), &checkpoint, &[]));
            }
            inputs = Arc::new(again.inputs);
        }
        let named = checkpoint.checkpoint().issuance.filter(|_| log == Log::Payments);
        let seen = Seen {
            root: self.view(log).root_at(head.size).await.map_err(CopyError::from)?,
            issuance: match named {
                Some(named) => self.issuance_head(named).await?,
                None => None,
            },
            inputs,
            redeemed: self.books.redeemed.saturating_sub(beyond.redeemed),
            fees: self.books.fees.saturating_sub(beyond.fees),
        };
        let (books, judged) = (self.books.clone(), checkpoint.clone());
        let books = match blocking(move || judge::checkpoint(log, &judged, books, &seen)).await? {
            Ok(books) => books,
            Err(finding) => return Err(self.found_below(finding, &checkpoint, named).await?),
        };
        let withdrawn = books.withdrawn.saturating_sub(beyond.withdrawn);
        self.copy.conclude(log, &checkpoint, withdrawn, &books).await?;
        self.books = books;
        let cosigned = self.cosigned(checkpoint)?;
        let now = self.clock.unix_seconds();
        let followed = self.followed_mut(log);
        followed.grown_at = Some(now);
        followed.inputs = Arc::new(beyond.inputs);
        if head.size == end {
            (followed.taking, followed.rested_on) = (None, 0);
        }
        followed.is_witnessed(cosigned);
        Ok(())
    }

    /// What the entries of a part of the copy come to, when they may rest on so much of the issuance log.
    pub(super) async fn stretch(&self, log: Log, from: u64, to: u64, issuance: u64) -> Result<Stretch, CopyError> {
        let mut stretch = Stretch::default();
        let again = |index, entry: &_| self.books.enter_again(&mut stretch, index, entry, issuance);
        self.copy.again(log, from, to, again).await?;
        Ok(stretch)
    }

    /// A finding about a checkpoint rests on the one before it and on the issuance checkpoint that it names.
    async fn found_below(
        &self,
        finding: Finding,
        checkpoint: &SignedCheckpoint,
        named: Option<TreeHead>,
    ) -> Result<FollowError, FollowError> {
        let before = self.followed(finding.log).newest.as_ref().map(|before| before.note().to_string());
        let issuance = match named {
            Some(named) => self.copy.checkpoint(Log::Issuance, named.size).await?,
            None => None,
        };
        let exhibits = [("before", &before), ("issuance", &issuance)];
        let there = exhibits.iter().filter_map(|(what, note)| Some((*what, note.as_deref()?.as_bytes())));
        Ok(self.found(finding, checkpoint, &there.collect::<Vec<Exhibit<'_>>>()))
    }

    /// What is known of an issuance checkpoint that a payments checkpoint names: `None` when the issuer has not signed it.
    async fn issuance_head(&self, named: TreeHead) -> Result<Option<IssuanceHead>, FollowError> {
        if let Some(head) = self.copy.issuance_head(named.size).await? {
            return Ok(Some(head));
        }
        let (log, followed) = (Log::Issuance, &self.issuance);
        let fits = named.size <= followed.edge.size()
            && self.view(log).root_at(named.size).await.map_err(CopyError::from)? == named.root;
        if !fits {
            return Ok(None);
        }
        // A mirror that was read before may have left it out.
        let listed = followed.upstream.source.checkpoints(named.size.saturating_sub(1)).await;
        let listed = listed.map_err(|error| followed.broken(error))?;
        if let Some(note) = listed.first() {
            let checkpoint = followed.open_note(note, named.size)?;
            if checkpoint.head() == named {
                let beyond = self.stretch(log, named.size, self.books.issuance.tree.size(), u64::MAX).await?;
                let withdrawn = self.books.withdrawn.saturating_sub(beyond.withdrawn);
                self.copy.conclude(log, &checkpoint, withdrawn, &self.books).await?;
                return Ok(self.copy.issuance_head(named.size).await?);
            }
        }
        if followed.upstream.is_mirror {
            let what = Wrong::IssuanceOther(named.size).to_string();
            return Err(followed.broken(SourceError::LeftOut(what)));
        }
        Ok(None)
    }
}
