//! What a verifier hands to whoever is to prove something: its name and a random number.

use rand_core::CryptoRng;

use crate::{
    encoding::Reader,
    error::{DecodeError, VerificationFailure},
};

/// Bytes of the number.
pub const CHALLENGE_BYTES: usize = 32;

/// Most bytes of a verifier's name: it stands in one line before the prover's eyes.
pub const VERIFIER_LENGTH_MAX: usize = 128;

/// A verifier's name and a number that it has drawn. A proof that answers it convinces this verifier, who knows that it
/// is new; whoever is shown it later sees a proof for somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    verifier: String,
    number: [u8; CHALLENGE_BYTES],
}

/// A name that no verifier can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// Nothing is in it.
    #[error("the verifier's name is empty")]
    Empty,
    /// It is too long.
    #[error("the verifier's name has {length} bytes; {VERIFIER_LENGTH_MAX} are allowed")]
    TooLong {
        /// Its bytes.
        length: usize,
    },
    /// It would not be shown as it is.
    #[error("the verifier's name has control characters, or white space at its ends")]
    Unprintable,
}

impl Challenge {
    /// A challenge with a fresh number.
    ///
    /// # Errors
    /// [`ChallengeError`] for a name that is empty, longer than [`VERIFIER_LENGTH_MAX`] bytes, or cannot be shown.
    pub fn new(verifier: &str, rng: &mut impl CryptoRng) -> Result<Self, ChallengeError> {
        let mut number = [0; CHALLENGE_BYTES];
        rng.fill_bytes(&mut number);
        Self::from_parts(verifier, number)
    }

    /// A challenge that was made before.
    ///
    /// # Errors
    /// As [`Challenge::new`].
    pub fn from_parts(verifier: &str, number: [u8; CHALLENGE_BYTES]) -> Result<Self, ChallengeError> {
        if verifier.is_empty() {
            return Err(ChallengeError::Empty);
        }
        if verifier.len() > VERIFIER_LENGTH_MAX {
            return Err(ChallengeError::TooLong { length: verifier.len() });
        }
        if verifier.chars().any(char::is_control) || verifier.trim() != verifier {
            return Err(ChallengeError::Unprintable);
        }
        Ok(Self { verifier: verifier.to_owned(), number })
    }

    /// The verifier's name.
    #[must_use]
    pub fn verifier(&self) -> &str {
        &self.verifier
    }

    /// The number, 32 bytes.
    #[must_use]
    pub fn number(&self) -> &[u8; CHALLENGE_BYTES] {
        &self.number
    }

    /// Refuses any other challenge.
    pub(super) fn check(given: Option<&Self>, wanted: Option<&Self>) -> Result<(), VerificationFailure> {
        if given == wanted { Ok(()) } else { Err(VerificationFailure) }
    }

    /// The length of the name, the name, the number.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::try_from(self.verifier.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(self.verifier.as_bytes());
        bytes.extend_from_slice(&self.number);
    }

    /// Nothing when the length is 0.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        let length = reader.u8()?;
        if length == 0 {
            return Ok(None);
        }
        let name = std::str::from_utf8(reader.bytes(length.into())?).map_err(|_| DecodeError::Field("verifier"))?;
        Self::from_parts(name, reader.array()?).map(Some).map_err(|_| DecodeError::Field("verifier"))
    }
}
