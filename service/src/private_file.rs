//! Files that only their owner may read.
//!
//! A new name is durable only once the directory that holds it is synchronised: a key that signs money must not vanish with
//! the power.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

/// Writes a file of mode 0600, replacing an older one in one durable step: a reader sees the old or the new contents, never a
/// part, and so does the next start after a power failure. When it returns, that is the new contents.
///
/// # Errors
/// Those of the file system; then the file has its old contents, or the new ones that a power failure may take back.
pub fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    write_then(path, contents, sync)
}

/// Makes a directory of mode 0700 with its parents, each durable in its own parent; one that exists stays as it is.
///
/// # Errors
/// Those of the file system.
pub fn create_dir(path: &Path) -> io::Result<()> {
    create_dir_then(path, sync)
}

fn write_then(path: &Path, contents: &[u8], sync: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = path.with_file_name(name);
    // A leftover of a crashed process with the same number, whose permissions are not known.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    sync(holder(path))
}

fn create_dir_then(path: &Path, sync: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let is_missing = |dir: &&Path| !dir.as_os_str().is_empty() && !dir.is_dir();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    missing.into_iter().rev().map(holder).try_for_each(sync)
}

/// The directory that holds a name.
fn holder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a directory durable.
fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::{cell::RefCell, os::unix::fs::PermissionsExt as _};

    #[test]
    fn the_file_is_private_even_when_it_replaces_a_public_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, "public").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
    #[test]
    fn a_file_is_written_when_its_directory_is_synchronised() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("secret");
        let mut synchronised = None;
        let written = write_then(&path, b"new", |dir| {
            assert_eq!(fs::read(&path).unwrap(), b"new", "the name is there before it is made durable");
            synchronised = Some(dir.to_path_buf());
            sync(dir)
        });
        written.unwrap();
        assert_eq!(synchronised.as_deref(), Some(home.path()));

        let failed = write_then(&path, b"newer", |_| Err(io::ErrorKind::StorageFull.into()));
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn new_directories_are_synchronised_in_their_parents() {
        let home = tempfile::tempdir().unwrap();
        let (one, two) = (home.path().join("one"), home.path().join("one/two"));
        let synchronised = RefCell::new(Vec::new());
        let note = |dir: &Path| {
            synchronised.borrow_mut().push(dir.to_path_buf());
            sync(dir)
        };
        create_dir_then(&two, note).unwrap();
        assert_eq!(synchronised.take(), [home.path(), &one]);
        for dir in [&one, &two] {
            assert_eq!(fs::metadata(dir).unwrap().permissions().mode() & 0o777, 0o700);
        }
        create_dir_then(&two, note).unwrap();
        assert!(synchronised.take().is_empty());

        let failed = create_dir_then(&two.join("three"), |_| Err(io::ErrorKind::StorageFull.into()));
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_bare_name_is_held_by_the_working_directory() {
        for (path, dir) in [("name", "."), ("one/name", "one"), ("/name", "/")] {
            assert_eq!(holder(Path::new(path)), Path::new(dir));
        }
        create_dir(Path::new("")).unwrap();
    }
}
