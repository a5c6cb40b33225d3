//! Holding what is shown against the copy: one log for everybody, and none that is set back.

use std::sync::Arc;

use farthing_ledger::{
    checkpoint::SignedCheckpoint,
    hash::Hash,
    note::SignedNote,
    tile,
    tree::{Frontier, TreeHead},
    view::TreeView,
};

use super::{FollowError, Follower};
use crate::{
    copy::CopyError,
    evidence,
    finding::{Finding, Wrong},
    log::Log,
    source::{Source, SourceError, tiles},
};

/// How far ahead somebody may be who is held against the copy by all its hashes: 128 MiB of them.
const BEYOND_MAX: u64 = 1 << 22;

/// Leaves read at a time when a whole tree is held against the copy: 2 MiB.
const LEAVES_AT_ONCE: u64 = 1 << 16;

impl Follower {
    /// Holds the newest checkpoint that is shown against what was seen before.
    pub(super) async fn look(&self, log: Log) -> Result<(), FollowError> {
        let followed = self.followed(log);
        let seen = self.books.side(log).checkpoint;
        let newest = followed.upstream.source.newest().await.map_err(|error| followed.broken(error))?;
        let newest = newest.map(|note| followed.open_note(&note, seen)).transpose()?;
        if let Some(checkpoint) = &newest {
            self.compare(log, checkpoint).await?;
        }
        let shown = newest.as_ref().map_or(0, |checkpoint| checkpoint.head().size);
        if shown >= seen || followed.upstream.is_mirror {
            return Ok(());
        }
        // A checkpoint is written before it is shown: it may be listed already.
        let listed = followed.upstream.source.checkpoints(seen - 1).await.map_err(|error| followed.broken(error))?;
        for note in &listed {
            let checkpoint = followed.open_note(note, seen)?;
            if checkpoint.head().size == seen {
                return self.compare(log, &checkpoint).await;
            }
        }
        let finding = Finding::checkpoint(log, shown, Wrong::SetBack(seen));
        let own = self.copy.checkpoint(log, seen).await?.unwrap_or_default();
        let note = newest.map_or_else(String::new, |checkpoint| checkpoint.note().to_string());
        evidence::keep(&self.evidence, &finding, &[("seen", own.as_bytes()), ("shown", note.as_bytes())]);
        Err(finding.into())
    }

    /// Checks that a checkpoint signed by the log fits the copy, as far as that goes. Whoever shows it: two that contradict
    /// each other prove that the log shows different things to different people. Two of one size say the same in every line.
    ///
    /// # Errors
    /// [`Wrong::SplitView`], after both were written to the folder for evidence.
    pub async fn compare(&self, log: Log, checkpoint: &SignedCheckpoint) -> Result<(), FollowError> {
        let head = checkpoint.head();
        if head.size > self.followed(log).edge.size() || head.size == 0 {
            return Ok(());
        }
        let own = self.copy.checkpoint(log, head.size).await?;
        if self.view(log).root_at(head.size).await.map_err(CopyError::from)? == head.root
            && own.as_deref().is_none_or(|own| says_the_same(own, checkpoint))
        {
            return Ok(());
        }
        Err(self.split(Finding::checkpoint(log, head.size, Wrong::SplitView), own, checkpoint))
    }

    /// Checks that a checkpoint fits the copy, also where it goes further: then by a proof of whoever shows it, and without
    /// one by all the hashes that the log has signed.
    ///
    /// # Errors
    /// [`Wrong::SplitView`] when the log has signed two things that contradict each other; [`FollowError::Source`] when it is
    /// not shown what was signed.
    pub async fn compare_with(
        &self,
        log: Log,
        checkpoint: &SignedCheckpoint,
        shower: &dyn Source,
    ) -> Result<(), FollowError> {
        self.compare(log, checkpoint).await?;
        let (head, own) = (checkpoint.head(), self.books.side(log).checkpoint);
        let Some(newest) = self.followed(log).newest.as_ref().filter(|_| head.size > own) else { return Ok(()) };
        if let Ok(proof) = shower.consistency(own, head.size).await
            && proof.verify(&newest.head(), &head).is_ok()
        {
            return Ok(());
        }
        let broken = |source| FollowError::Source { log, from: shower.name(), source };
        if head.size - own > BEYOND_MAX {
            return Err(broken(SourceError::Malformed(
                "a checkpoint that is too far ahead to be compared: follow first",
            )));
        }
        match self.relation(log, head, shower).await? {
            Relation::Continues => Ok(()),
            Relation::Differs(index) => {
                let seen = Some(newest.note().to_string());
                Err(self.split(Finding::entry(log, index, Wrong::SplitView), seen, checkpoint))
            }
            Relation::NotShown => {
                Err(broken(SourceError::Malformed("neither a proof nor the entries of the checkpoint that it shows")))
            }
        }
    }

    pub(super) fn view(&self, log: Log) -> TreeView {
        TreeView::new(self.copy.store().clone(), log.name(), Arc::new(self.followed(log).edge.clone()))
    }

    /// Keeps both checkpoints.
    fn split(&self, finding: Finding, own: Option<String>, shown: &SignedCheckpoint) -> FollowError {
        let taking = || self.followed(finding.log).taking.as_ref().map(|taking| taking.note().to_string());
        let own =
            own.or_else(taking).unwrap_or_else(|| "entries were read, and no checkpoint of them yet\n".to_owned());
        let shown = shown.note().to_string();
        evidence::keep(&self.evidence, &finding, &[("seen", own.as_bytes()), ("shown", shown.as_bytes())]);
        finding.into()
    }

    /// A checkpoint does not continue the copy: finds out whether the log has signed something else for what is in the copy.
    pub(super) async fn contradicted(
        &self,
        log: Log,
        checkpoint: &SignedCheckpoint,
    ) -> Result<FollowError, FollowError> {
        let (followed, head) = (self.followed(log), checkpoint.head());
        let own = self.copy.checkpoint(log, self.books.side(log).checkpoint).await?;
        match self.relation(log, head, followed.upstream.source.as_ref()).await? {
            Relation::Differs(index) => Ok(self.split(Finding::entry(log, index, Wrong::SplitView), own, checkpoint)),
            Relation::NotShown if !followed.upstream.is_mirror => {
                Ok(self.found(Finding::checkpoint(log, head.size, Wrong::Root), checkpoint, &[]))
            }
            // Of a mirror, or not what was sent a moment before.
            Relation::NotShown | Relation::Continues => {
                Ok(followed.broken(SourceError::Malformed("a tree that the log has not signed")))
            }
        }
    }

    /// Holds all leaves of a signed tree that goes further than the copy against those of the copy.
    async fn relation(&self, log: Log, head: TreeHead, shower: &dyn Source) -> Result<Relation, FollowError> {
        let (view, mut tree, mut differing) = (self.view(log), Frontier::new(), None);
        while tree.size() < head.size {
            let first = tree.size();
            let end = head.size.min(first.saturating_add(LEAVES_AT_ONCE));
            let signed = shower.leaves(first, end).await;
            let signed = signed.map_err(|source| FollowError::Source { log, from: shower.name(), source })?;
            if signed.is_empty() || u64::try_from(signed.len()).map_or(true, |more| more > end - first) {
                return Ok(Relation::NotShown);
            }
            if differing.is_none() {
                differing = first_difference(&view, first, &signed).await?;
            }
            signed.iter().for_each(|leaf| tree.push(*leaf));
        }
        Ok(match differing {
            _ if tree.head() != head => Relation::NotShown,
            Some(index) => Relation::Differs(index),
            None => Relation::Continues,
        })
    }
}

/// How a tree that the log has signed relates to the copy.
enum Relation {
    /// It continues the copy.
    Continues,
    /// The first entry in which they differ.
    Differs(u64),
    /// What is shown is not that tree.
    NotShown,
}

/// The first of the leaves from `first` on that the copy has otherwise.
async fn first_difference(view: &TreeView, first: u64, leaves: &[Hash]) -> Result<Option<u64>, CopyError> {
    let end = first.saturating_add(u64::try_from(leaves.len()).unwrap_or(u64::MAX)).min(view.size());
    let mut next = first;
    for (path, skipped) in tiles(first, end.max(first)) {
        let own = tile::decode_hashes(&view.tile(path).await?).unwrap_or_default();
        for own in own.into_iter().skip(skipped) {
            let place = usize::try_from(next - first).ok();
            if place.and_then(|place| leaves.get(place)) != Some(&own) {
                return Ok(Some(next));
            }
            next += 1;
        }
    }
    Ok(None)
}

/// Whether a checkpoint of the copy is of another size, or has the text of this one.
fn says_the_same(own: &str, checkpoint: &SignedCheckpoint) -> bool {
    let own = own.parse::<SignedNote>().ok();
    own.is_none_or(|own| own.text() == checkpoint.note().text() || size(own.text()) != size(checkpoint.note().text()))
}

/// The line of a checkpoint that tells how many entries it covers.
fn size(text: &str) -> Option<&str> {
    text.lines().nth(1)
}
