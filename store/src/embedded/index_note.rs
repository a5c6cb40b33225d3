//! Whether the index's files may be trusted: a note beside them.
//!
//! The index synchronises nothing itself. After a clean close everything was synchronised by us; after a crash of the
//! process alone the kernel still has every write. After a crash of the machine nothing is known.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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
    /// In use when its process ended, but the machine has run on.
    SameBoot,
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
            Ok(text) if Some(&text) == self.in_use().as_ref() => Trust::SameBoot,
            _ => Trust::None,
        }
    }

    /// Notes that the index is in use from now on. Call before anything is written to it.
    pub(super) fn mark_in_use(&self) -> Result<(), StoreError> {
        // Where the boot cannot be told the note never matches: rebuilt after every crash.
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

    /// The boot's id tells a crash of the process from one of the machine, the directory's inode a copy that was made
    /// while the index was in use from the original.
    fn in_use(&self) -> Option<String> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let inode = fs::metadata(&self.dir).ok()?.ino();
        Some(format!("in use {} {inode}\n", boot.trim()))
    }
}
