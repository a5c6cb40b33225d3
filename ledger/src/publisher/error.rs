//! Why no checkpoint is signed.

use std::{io, path::PathBuf};

use farthing_store::StoreError;

use super::SubjectError;
use crate::{checkpoint::CheckpointError, view::ViewError};

/// Why no checkpoint is signed, or a log is not taken up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The store has less than what was published.
    #[error(
        "the log has {entries} entries, but a checkpoint over {signed} was signed ({}): this store is an older copy, or lost \
         its end. Do not go on with it: everybody who saw the checkpoint would see a split log. Put the newest copy of the \
         store back. If those entries are lost for good, the log has to end: start a new one under another origin and key",
        anchor.display()
    )]
    RolledBack {
        /// Entries in the store.
        entries: u64,
        /// Entries of the checkpoint.
        signed: u64,
        /// Where the checkpoint is.
        anchor: PathBuf,
    },
    /// The store has something else than what was published.
    #[error(
        "the first {size} entries of the log are not those of a checkpoint that was signed ({}): entries were changed, or this \
         is the store of another log. Put the right copy of the store back; verify it with `store verify`",
        anchor.display()
    )]
    Changed {
        /// Entries of the checkpoint.
        size: u64,
        /// Where the checkpoint is.
        anchor: PathBuf,
    },
    /// The store knows of checkpoints, and the anchor is gone.
    #[error(
        "checkpoints were signed, but {} with the last one is not there: nothing tells whether this store is the newest copy. \
         Put the file back. If you know that no other copy of the store is newer, write an empty file in its place",
        anchor.display()
    )]
    AnchorLost {
        /// Where it should be.
        anchor: PathBuf,
    },
    /// Somebody has shown a checkpoint that this key signed for another log than this.
    #[error(
        "a checkpoint contradicts this log ({}): it was set back, or its key was used elsewhere. Nothing is signed until that \
         is cleared up. Put the newest copy of the store back and remove the file, or end the log",
        evidence.display()
    )]
    Contradicted {
        /// The checkpoint that was shown.
        evidence: PathBuf,
    },
    /// The last checkpoint is not by this key, or is none.
    #[error("the last checkpoint in {place} cannot be relied on: {error}. Is the log's key the right one?")]
    NotOurs {
        /// Where it is.
        place: String,
        /// Why.
        error: CheckpointError,
    },
    /// What the log says besides.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// The tree.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The anchor.
    #[error("cannot use {}: {source}", path.display())]
    Anchor {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The store does not know whether the checkpoint was written; asking again finds out.
    #[error("the store does not know whether the checkpoint was written")]
    OutcomeUnknown,
    /// A checkpoint that could not be read back.
    #[error("a checkpoint could not be made: {0}")]
    Checkpoint(#[from] CheckpointError),
}

impl From<StoreError> for PublishError {
    fn from(error: StoreError) -> Self {
        Self::View(error.into())
    }
}

impl PublishError {
    /// Whether it may go away while the server runs: what others have to put right, and what the machine may do better next
    /// time.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Subject(SubjectError::Waiting(_) | SubjectError::Refused(_))
                | Self::Anchor { .. }
                | Self::OutcomeUnknown
                | Self::View(_)
        )
    }
}
