//! Directories and files whose names survive a power failure: a new name is durable only once the directory that holds it
//! is synchronised.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::StoreError;

/// Creates `dir` and its missing parents (mode 0700), each durable in its own parent.
pub(super) fn create(dir: &Path) -> Result<(), StoreError> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = parent(dir);
    create(parent)?;
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(StoreError::io("cannot create the directory", dir, error))
        }
        _ => sync(parent),
    }
}

/// Makes the names in `dir` durable.
pub(super) fn sync(dir: &Path) -> Result<(), StoreError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|source| StoreError::io("cannot synchronise the directory", dir, source))
}

/// Writes a whole file so that it is there with all its bytes or not at all, durably, and returns it open for writing.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<File, StoreError> {
    let temporary = path.with_extension("tmp");
    let write = || {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        Ok(file)
    };
    let file = write().map_err(|source| {
        // Best effort: a file that is left is removed at the next start.
        let _ = fs::remove_file(&temporary);
        StoreError::io("cannot write", path, source)
    })?;
    sync(parent(path))?;
    Ok(file)
}

/// Removes a directory with everything in it, if it is there.
pub(super) fn remove(dir: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("cannot remove", dir, error)),
        _ => Ok(()),
    }
}

/// Makes the bytes of every file in `dir` and below durable, and their names.
pub(super) fn sync_tree(dir: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::io("cannot synchronise", dir, source);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            File::open(entry.path()).and_then(|file| file.sync_all()).map_err(failed)?;
        }
    }
    sync(dir)
}

/// The directory that holds `path`; for a bare name, the current one.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => Path::new("/"),
    }
}
