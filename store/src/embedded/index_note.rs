//! Whether the index's files may be trusted: a note beside them.
//!
//! An index that was in use may be trusted where it is, whatever stopped it: its tables are synchronised before they count,
//! and what was newer is applied again. A copy of it that was made meanwhile may not: some of its files are older than others, so it
//! may lack records in the middle and know only the newest.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::directory;
use crate::StoreError;

/// The note of one index directory.
pub(super) struct IndexNote {
    dir: PathBuf,
    path: PathBuf,
}

/// What the note says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Closed and synchronised.
    Clean,
    /// In use when its process or its machine stopped.
    InPlace,
    /// Anything else.
    None,
}

impl IndexNote {
    /// The note in the index directory `dir`.
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf(), path: dir.join("note") }
    }

    /// The index directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn read(&self) -> Trust {
        match fs::read_to_string(&self.path) {
            Ok(text) if text == "clean\n" => Trust::Clean,
            Ok(text) if Some(&text) == self.in_use().as_ref() => Trust::InPlace,
            _ => Trust::None,
        }
    }

    /// Notes that the index is in use from now on. Call before anything is written to it.
    pub(super) fn mark_in_use(&self) -> Result<(), StoreError> {
        // Where the file system knows no time of birth the note never matches: rebuilt after every crash.
        let text = self.in_use().unwrap_or_else(|| "in use\n".to_owned());
        directory::write_new(&self.path, text.as_bytes()).map(drop)
    }

    /// Notes that the index is complete. Call after everything in it is synchronised.
    pub(super) fn mark_clean(&self) -> Result<(), StoreError> {
        directory::write_new(&self.path, b"clean\n").map(drop)
    }

    /// Makes the next start rebuild the index. Best effort: there is already an error to report.
    pub(super) fn distrust(&self) {
        let _ = fs::remove_file(&self.path);
    }

    /// The directory's inode and its time of birth tell the original from a copy.
    fn in_use(&self) -> Option<String> {
        let metadata = fs::metadata(&self.dir).ok()?;
        let born = metadata.created().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(format!("in use {} {}\n", metadata.ino(), born.as_nanos()))
    }
}
