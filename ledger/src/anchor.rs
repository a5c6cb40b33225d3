//! The anchor: a file outside the store with the last checkpoint that may have been published.
//!
//! A store that is restored from a backup looks whole. Only something outside of it can tell that it is old.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// A file with a note, and beside it one with a note that contradicts the log.
#[derive(Debug, Clone)]
pub struct Anchor {
    path: PathBuf,
}

impl Anchor {
    /// The anchor in this file.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a checkpoint is kept that contradicts the log.
    #[must_use]
    pub fn evidence_path(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_os_string();
        name.push(".contradiction");
        self.path.with_file_name(name)
    }

    /// The note in it; `None` when there is no such file.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read(&self) -> io::Result<Option<String>> {
        read(&self.path)
    }

    /// The contradicting note; `None` when there is none.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn evidence(&self) -> io::Result<Option<String>> {
        read(&self.evidence_path())
    }

    /// Replaces the note in one durable step.
    ///
    /// # Errors
    /// Those of the file system; then the old note may still be there.
    pub fn write(&self, note: &str) -> io::Result<()> {
        write(&self.path, note)
    }

    /// Keeps a note that contradicts the log; the first one, which is enough.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_evidence(&self, note: &str) -> io::Result<()> {
        match self.evidence()? {
            Some(_) => Ok(()),
            None => write(&self.evidence_path(), note),
        }
    }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A reader sees the old or the new text, never a part; so does the next start after a power failure.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let fresh = path.with_file_name(name);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_anchor_is_replaced_whole_and_the_first_evidence_stays() {
        let home = tempfile::tempdir().unwrap();
        let anchor = Anchor::new(home.path().join("outside/anchor"));
        assert_eq!(anchor.read().unwrap(), None);
        anchor.write("a longer text\n").unwrap();
        anchor.write("short\n").unwrap();
        assert_eq!(anchor.read().unwrap().as_deref(), Some("short\n"));
        assert_eq!(anchor.evidence().unwrap(), None);
        anchor.write_evidence("first").unwrap();
        anchor.write_evidence("second").unwrap();
        assert_eq!(anchor.evidence().unwrap().as_deref(), Some("first"));
        assert_eq!(fs::read_dir(home.path().join("outside")).unwrap().count(), 2);
    }
}
