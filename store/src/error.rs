//! Errors, named for the situation of the caller.

use std::io;
use std::path::{Path, PathBuf};

/// Why the store could not do what was asked. An error of [`Store::commit`](crate::Store::commit) means that the batch
/// was **not** applied; a doubtful end is [`Outcome::Unknown`](crate::Outcome::Unknown), not an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process (or another handle of this one) has the store open.
    #[error("the store in {} is in use by {}", dir.display(), holder(*pid))]
    Locked {
        /// The store's directory.
        dir: PathBuf,
        /// The process that holds the lock, if it left its id.
        pid: Option<u32>,
    },
    /// The journal is damaged before its end, or its end is missing. The store does not start: restore the journal from a
    /// copy, or from a follower.
    #[error("the journal is damaged in {segment}, record {record}, byte {offset}: {what}")]
    Damaged {
        /// File name of the segment.
        segment: String,
        /// Sequence number of the record that cannot be read.
        record: u64,
        /// Where in the segment that record begins, in bytes.
        offset: u64,
        /// What was found.
        what: &'static str,
    },
    /// An earlier write failed and nothing can be promised any more: stop the process and start it again, which verifies
    /// what the disk holds.
    #[error("the store has failed and must be opened again: {reason}")]
    Failed {
        /// The first failure.
        reason: String,
    },
    /// No space is left. Nothing was applied and the journal is intact: ask again when there is space.
    #[error("no space left on the device")]
    DiskFull,
    /// Too many batches are waiting. Nothing was applied: back off and ask again.
    #[error("too many batches are waiting")]
    Overloaded,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// A batch or argument is larger than the store accepts.
    #[error("{what}: {found}, at most {max}")]
    Limit {
        /// What was counted.
        what: &'static str,
        /// How many there were.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// A file could not be read or written.
    #[error("{what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The index could not be read or written. It holds nothing that is not also in the journal and is rebuilt when the
    /// store is opened next.
    #[error("the index failed: {what}")]
    Index {
        /// What the index engine said.
        what: String,
    },
}

impl StoreError {
    /// An I/O error with its place; a full disk keeps its own name.
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        if is_disk_full(&source) {
            return Self::DiskFull;
        }
        Self::Io { what, path: path.to_path_buf(), source }
    }
}

/// True for the errors that go away when somebody makes space.
pub(crate) fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}
