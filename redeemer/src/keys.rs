//! Issuing keys from files: the same files as the issuer's.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path};

use farthing_ecash::keys::{KeyRing, SigningKey};
use zeroize::Zeroizing;

use crate::error::RunError;

/// Reads the files of all keys.
///
/// # Errors
/// [`RunError::KeyFile`] for a file that is no key, or that everybody can read; [`RunError::Config`] for no key at all;
/// [`RunError::File`].
pub fn load<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Result<KeyRing, RunError> {
    let keys = paths.into_iter().map(load_one).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(RunError::Config("keys: name at least one file with an issuing key".to_owned()));
    }
    Ok(KeyRing::new(keys))
}

fn load_one(path: &Path) -> Result<SigningKey, RunError> {
    let fault = |what| RunError::KeyFile { path: path.to_path_buf(), what };
    let unreadable = |source: io::Error| RunError::File { path: path.to_path_buf(), source };
    let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(fault("others than its owner can read this issuing key: chmod 600 it"));
    }
    let contents = Zeroizing::new(fs::read(path).map_err(unreadable)?);
    let secret = from_hex(&contents).unwrap_or(contents);
    SigningKey::from_secret_bytes(&secret).map_err(|_| fault("this is no issuing key"))
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

    #[test]
    fn a_key_is_read_in_either_form_and_nothing_else_is_a_key() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("issuing.key");
        let write = |contents: &[u8], mode| {
            fs::write(&path, contents).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        };
        let day = Day::new(20_000);
        let dates = KeyDates { first: day, last_issue: day, accept_until: day, exchange_until: day };
        let currency = Currency::new("EUR", 2).unwrap();
        let key = SigningKey::generate(currency, dates, &mut UnwrapErr(SysRng)).unwrap();
        let secret = key.to_secret_bytes();
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        for contents in [secret.to_vec(), hex.clone().into_bytes(), format!("{hex}\n").into_bytes()] {
            write(&contents, 0o600);
            let ring = load([path.as_path()]).unwrap();
            assert!(ring.get(&key.public().id()).is_some());
        }
        let odd = format!("{hex}0");
        for contents in [&[][..], b"\n", odd.as_bytes(), &secret[1..], b"no key"] {
            write(contents, 0o600);
            assert!(matches!(load([path.as_path()]), Err(RunError::KeyFile { .. })));
        }
        write(&secret, 0o604);
        assert!(matches!(load([path.as_path()]), Err(RunError::KeyFile { .. })));
        assert!(matches!(load([]), Err(RunError::Config(_))));
    }
}
