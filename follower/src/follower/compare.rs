//! Holding what is shown against the copy: one log for everybody, and none that is set back.

use std::sync::Arc;

use farthing_ledger::{
    checkpoint::SignedCheckpoint,
    tile::{self, Content, TILE_WIDTH, TilePath},
    tree::Frontier,
    view::TreeView,
};

use super::{FollowError, Follower};
use crate::{
    copy::CopyError,
    evidence,
    finding::{Finding, Wrong},
    log::Log,
    source::{Source, SourceError},
};

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
    /// each other prove that the log shows different things to different people.
    ///
    /// # Errors
    /// [`Wrong::SplitView`], after both were written to the folder for evidence.
    pub async fn compare(&self, log: Log, checkpoint: &SignedCheckpoint) -> Result<(), FollowError> {
        let head = checkpoint.head();
        if head.size > self.followed(log).edge.size() || head.size == 0 {
            return Ok(());
        }
        if self.view(log).root_at(head.size).await.map_err(CopyError::from)? == head.root {
            return Ok(());
        }
        let own = self.copy.checkpoint(log, head.size).await?;
        Err(self.split(Finding::checkpoint(log, head.size, Wrong::SplitView), own, checkpoint))
    }

    /// Checks that a checkpoint beyond the copy continues it, by the proof of whoever shows it.
    ///
    /// # Errors
    /// [`Wrong::SplitView`] when it shows two checkpoints that contradict each other; [`FollowError::Source`] when it does
    /// not prove it.
    pub async fn compare_beyond(
        &self,
        log: Log,
        checkpoint: &SignedCheckpoint,
        shower: &dyn Source,
    ) -> Result<(), FollowError> {
        let (followed, own) = (self.followed(log), self.books.side(log).checkpoint);
        let Some(newest) = &followed.newest else { return Ok(()) };
        let proof = shower.consistency(own, checkpoint.head().size).await.map_err(|error| followed.broken(error))?;
        if proof.verify(&newest.head(), &checkpoint.head()).is_ok() {
            return Ok(());
        }
        // It may have been shown another checkpoint of the same size.
        let listed = shower.checkpoints(own.saturating_sub(1)).await.map_err(|error| followed.broken(error))?;
        for note in &listed {
            if let Ok(other) = SignedCheckpoint::open(note, followed.published.key()) {
                self.compare(log, &other).await?;
            }
        }
        Err(followed.broken(SourceError::Malformed("no proof that its log continues the one here")))
    }

    fn view(&self, log: Log) -> TreeView {
        TreeView::new(self.copy.store().clone(), log.name(), Arc::new(self.followed(log).edge.clone()))
    }

    /// Keeps both checkpoints.
    fn split(&self, finding: Finding, own: Option<String>, shown: &SignedCheckpoint) -> FollowError {
        let own = own.unwrap_or_else(|| "only entries were read so far, no checkpoint of them\n".to_owned());
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
        let leaves = followed.upstream.source.leaves(0, head.size).await.map_err(|error| followed.broken(error))?;
        let shown = leaves.iter().copied().collect::<Frontier>();
        if shown.head() != head {
            if followed.upstream.is_mirror {
                return Ok(followed.broken(SourceError::Malformed("a tree that the log has not signed")));
            }
            return Ok(self.found(Finding::checkpoint(log, head.size, Wrong::Root), checkpoint, None));
        }
        let (view, mut first) = (self.view(log), 0u64);
        for signed in leaves.chunks(usize::from(TILE_WIDTH)) {
            let left = view.size().saturating_sub(first).min(u64::from(TILE_WIDTH));
            let width = u16::try_from(left).unwrap_or(TILE_WIDTH);
            if width == 0 {
                break;
            }
            let path = TilePath { content: Content::Hashes { level: 0 }, index: first / u64::from(TILE_WIDTH), width };
            let own = tile::decode_hashes(&view.tile(path).await.map_err(CopyError::from)?).unwrap_or_default();
            if let Some(place) = own.iter().zip(signed).position(|(own, signed)| own != signed) {
                first = first.saturating_add(u64::try_from(place).unwrap_or_default());
                break;
            }
            first = first.saturating_add(left);
        }
        let own = self.copy.checkpoint(log, self.books.side(log).checkpoint).await?;
        Ok(self.split(Finding::entry(log, first, Wrong::SplitView), own, checkpoint))
    }
}
