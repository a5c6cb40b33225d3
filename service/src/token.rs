//! Bearer tokens: who can read the file may call.

use std::{
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use farthing_proto::v1::ErrorReason;
use subtle::ConstantTimeEq as _;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::Interceptor,
};
use zeroize::Zeroizing;

use crate::{private_file, status::Refusal};

/// Random bytes in a token. In the file it stands as 64 lower-case hex digits.
const TOKEN_BYTES: usize = 32;

const HEADER: &str = "authorization";
const SCHEME: &str = "Bearer ";

/// A secret that a server wrote into a file and that its callers send back.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("token file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} holds no token (64 hex digits): delete it and restart the server that wrote it", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// Others can read the file.
    #[error("the token file {} can be read by others: delete it and restart the server that wrote it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The system has no randomness.
    #[error("no randomness for a token: {0}")]
    Randomness(getrandom::Error),
}

impl Token {
    /// Makes a new token and writes it to the file (0600), in place of an older one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path) -> Result<Self, TokenError> {
        let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
        getrandom::fill(bytes.as_mut()).map_err(TokenError::Randomness)?;
        let mut text = Zeroizing::new(String::with_capacity(2 * TOKEN_BYTES));
        for byte in bytes.iter() {
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(digit.into(), 16));
            }
        }
        private_file::write(path, text.as_bytes()).map_err(|source| file_error(path, source))?;
        Ok(Self(text))
    }

    /// Reads the token in the file.
    ///
    /// # Errors
    /// When the file is missing, can be read by others than its owner, or holds no token.
    pub fn load(path: &Path) -> Result<Self, TokenError> {
        let text = std::fs::read_to_string(path).map_err(|source| file_error(path, source))?;
        let text = Zeroizing::new(text);
        let metadata = std::fs::metadata(path).map_err(|source| file_error(path, source))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(TokenError::Exposed { path: path.to_path_buf() });
        }
        let token = text.trim_ascii();
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if token.len() != 2 * TOKEN_BYTES || !token.bytes().all(is_digit) {
            return Err(TokenError::Malformed { path: path.to_path_buf() });
        }
        Ok(Self(Zeroizing::new(token.to_owned())))
    }

    /// Reads the token in the file, or makes one when there is no file.
    ///
    /// # Errors
    /// As [`Token::load`] and [`Token::create`].
    pub fn load_or_create(path: &Path) -> Result<Self, TokenError> {
        match Self::load(path) {
            Err(TokenError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => Self::create(path),
            loaded => loaded,
        }
    }

    /// For servers: refuses calls without this token.
    pub fn guard(&self) -> TokenGuard {
        TokenGuard(self.clone())
    }

    /// For clients: sends this token with every call.
    pub fn bearer(&self) -> TokenBearer {
        TokenBearer(self.clone())
    }
}

/// Lets only calls through that carry the token.
#[derive(Clone)]
pub struct TokenGuard(Token);

impl Interceptor for TokenGuard {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let given = request.metadata().get(HEADER).and_then(|value| value.as_bytes().strip_prefix(SCHEME.as_bytes()));
        let right = given.is_some_and(|given| bool::from(given.ct_eq(self.0.0.as_bytes())));
        if right {
            Ok(request)
        } else {
            let text = "send the metadata `authorization: Bearer TOKEN` with the token from the server's token file";
            Err(Refusal::new(ErrorReason::TokenInvalid, text).into())
        }
    }
}

/// Adds the token to every call.
#[derive(Clone)]
pub struct TokenBearer(Token);

impl Interceptor for TokenBearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = Zeroizing::new(format!("{SCHEME}{}", self.0.0.as_str()));
        let mut value = MetadataValue::<Ascii>::try_from(value.as_str())
            .map_err(|_| Refusal::new(ErrorReason::Internal, "the token is no header value"))?;
        value.set_sensitive(true);
        request.metadata_mut().insert(HEADER, value);
        Ok(request)
    }
}

fn file_error(path: &Path, source: io::Error) -> TokenError {
    TokenError::File { path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::fs;

    #[test]
    fn a_token_is_kept_in_a_private_file_and_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let made = Token::load_or_create(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let loaded = Token::load_or_create(&path).unwrap();
        assert!(*made.0 == *loaded.0);
        let other = Token::create(&path).unwrap();
        assert!(*made.0 != *other.0);
    }

    #[test]
    fn a_file_that_others_read_or_that_holds_no_token_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        Token::create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Token::load(&path), Err(TokenError::Exposed { .. })));
        for text in ["", "abc", &"A".repeat(64), &"a".repeat(65)] {
            private_file::write(&path, text.as_bytes()).unwrap();
            assert!(matches!(Token::load(&path), Err(TokenError::Malformed { .. })));
        }
    }

    #[test]
    fn only_the_right_token_passes() {
        let dir = tempfile::tempdir().unwrap();
        let token = Token::create(&dir.path().join("token")).unwrap();
        let other = Token::create(&dir.path().join("other")).unwrap();
        let mut guard = token.guard();
        assert!(guard.call(Request::new(())).is_err());
        let wrong = other.bearer().call(Request::new(())).unwrap();
        assert!(guard.call(wrong).is_err());
        let right = token.bearer().call(Request::new(())).unwrap();
        assert!(guard.call(right).is_ok());
        for text in ["", "Bearer ", "Bearer x", &*token.0] {
            let mut request = Request::new(());
            request.metadata_mut().insert(HEADER, text.parse().unwrap());
            assert!(guard.call(request).is_err(), "{text:?}");
        }
    }
}
