//! Files with issuing keys: the issuer makes them, the redeemer gets copies.
//!
//! A configuration names files, or folders in which each `*.key` is one: then a new key needs no change of the configuration, and
//! a running server takes it up by itself.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use farthing_ecash::keys::SigningKey;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::private_file;

/// How the names of key files in a folder end.
pub const EXTENSION: &str = "key";

/// Why there is no key in a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file or the folder cannot be read.
    #[error("cannot use {}: {source}", path.display())]
    Unreadable {
        /// The file or the folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What is in it is no key, or others can read it.
    #[error("{}: {what}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
}

/// Whether a path of the configuration stands for a folder: one that is there, or that is not and has not the name of a key.
#[must_use]
pub fn is_folder(path: &Path) -> bool {
    path.is_dir() || (!path.exists() && !has_name_of_key(path))
}

fn has_name_of_key(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == EXTENSION)
}

/// All key files that these paths stand for, in the order of their names within a folder. A file that is named itself need not
/// be there; a folder that is not there has none.
///
/// # Errors
/// [`KeyFileError::Unreadable`] for a folder.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, KeyFileError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.extend((!is_folder(path)).then(|| path.clone()));
            continue;
        }
        let unreadable = |source| KeyFileError::Unreadable { path: path.clone(), source };
        let entries = fs::read_dir(path).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        let mut found: Vec<_> =
            entries.into_iter().map(|entry| entry.path()).filter(|path| has_name_of_key(path)).collect();
        found.sort();
        files.append(&mut found);
    }
    Ok(files)
}

/// Reads a key: its secret bytes, or these in hexadecimal digits.
///
/// # Errors
/// [`KeyFileError`]; also when others than the owner may read the file.
pub fn load(path: &Path) -> Result<SigningKey, KeyFileError> {
    let fault = |what| KeyFileError::NoKey { path: path.to_path_buf(), what };
    let unreadable = |source: io::Error| KeyFileError::Unreadable { path: path.to_path_buf(), source };
    let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(fault("others than its owner can read this issuing key: chmod 600 it"));
    }
    let contents = Zeroizing::new(fs::read(path).map_err(unreadable)?);
    let secret = from_hex(&contents).unwrap_or(contents);
    SigningKey::from_secret_bytes(&secret).map_err(|_| fault("this is no issuing key"))
}

/// Reads all keys that these paths stand for.
///
/// # Errors
/// [`KeyFileError`] of the first file with one.
pub fn load_all(paths: &[PathBuf]) -> Result<Vec<(PathBuf, SigningKey)>, KeyFileError> {
    files(paths)?.into_iter().map(|path| load(&path).map(|key| (path, key))).collect()
}

/// Writes a key to a file (mode 0600): its secret bytes in lower-case hexadecimal digits. The folder is made when it is missing.
///
/// # Errors
/// Those of the file system; [`io::ErrorKind::AlreadyExists`] when there is such a file, which stays as it is.
pub fn write(path: &Path, key: &SigningKey) -> io::Result<()> {
    if path.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.map_or(Ok(()), private_file::create_dir)?;
    private_file::write(path, &to_hex(&key.to_secret_bytes()))
}

/// What is seen of key files, without what is in them: the digest of each, `None` when it cannot be read.
pub type Seen = Vec<(PathBuf, Option<[u8; 32]>)>;

/// Looks at all key files that these paths stand for.
#[must_use]
pub fn look(paths: &[PathBuf]) -> Seen {
    let digest = |path: &Path| fs::read(path).ok().map(|text| Sha256::digest(Zeroizing::new(text).as_slice()).into());
    let files = files(paths).unwrap_or_default();
    files.into_iter().map(|path| (path.clone(), digest(&path))).collect()
}

fn to_hex(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(2 * bytes.len() + 1));
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
        }
    }
    text.push(b'\n');
    text
}

/// The bytes that hexadecimal digits stand for; white space at the end does not count. `None` for anything else.
fn from_hex(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (pairs, []) = text.trim_ascii_end().as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Zeroizing::new(Vec::with_capacity(pairs.len()));
    for [high, low] in pairs {
        bytes.push(digit(*high)? << 4 | digit(*low)?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs::Permissions;

    use farthing_ecash::{amount::Currency, calendar::Day, keys::KeyDates};
    use getrandom::{SysRng, rand_core::UnwrapErr};

    use super::*;

    fn key() -> SigningKey {
        let day = Day::new(20_000);
        let dates = KeyDates { first: day, last_issue: day, accept_until: day, exchange_until: day };
        SigningKey::generate(Currency::new("EUR", 2).unwrap(), dates, &mut UnwrapErr(SysRng)).unwrap()
    }

    #[test]
    fn a_key_is_read_in_either_form_and_nothing_else_is_a_key() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("issuing.key");
        let put = |contents: &[u8], mode| {
            fs::write(&path, contents).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        };
        let key = key();
        let secret = key.to_secret_bytes();
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        for contents in [secret.to_vec(), hex.clone().into_bytes(), format!("{hex}\n").into_bytes()] {
            put(&contents, 0o600);
            assert_eq!(load(&path).unwrap().public().id(), key.public().id());
        }
        let odd = format!("{hex}0");
        for contents in [&[][..], b"\n", odd.as_bytes(), &secret[1..], b"no key"] {
            put(contents, 0o600);
            assert!(matches!(load(&path), Err(KeyFileError::NoKey { .. })));
        }
        put(&secret, 0o604);
        assert!(matches!(load(&path), Err(KeyFileError::NoKey { .. })));
        assert!(matches!(load(home.path()), Err(KeyFileError::NoKey { .. } | KeyFileError::Unreadable { .. })));
    }

    #[test]
    fn a_folder_stands_for_the_keys_in_it() {
        let home = tempfile::tempdir().unwrap();
        let (folder, single) = (home.path().join("keys"), home.path().join("single.key"));
        let paths = [folder.clone(), single.clone()];
        // Neither is there.
        assert!(is_folder(&folder) && !is_folder(&single));
        assert_eq!(files(&paths).unwrap(), std::slice::from_ref(&single));
        assert_eq!(look(&paths), [(single.clone(), None)]);
        for name in ["b.key", "a.key", "notes.txt"] {
            write(&folder.join(name), &key()).unwrap();
        }
        write(&single, &key()).unwrap();
        let expected = [folder.join("a.key"), folder.join("b.key"), single.clone()];
        assert_eq!(files(&paths).unwrap(), expected);
        let loaded = load_all(&paths).unwrap();
        assert_eq!(loaded.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(), expected);
        assert!(look(&paths).iter().all(|(_, digest)| digest.is_some()));
        assert_eq!(fs::metadata(&single).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(write(&single, &key()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
