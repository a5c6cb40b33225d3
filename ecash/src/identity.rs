//! Identities: the strings that people pay to, and the scalars that stand for them (`docs/PROTOCOL.md` section 2,
//! `docs/WIRE.md` section 1).

use std::fmt;

use curve25519_dalek::Scalar;
use sha2::{Digest, Sha256, Sha512};

use crate::error::DecodeError;

/// The longest identity in bytes, that of the longest e-mail address.
const LENGTH_MAX: usize = 254;

/// An identity in its canonical form, such as `alice@bank.example` or `+35212345678`: 1 to 254 bytes of visible ASCII
/// in lower case. It prints as itself, but `Debug` shows nothing of it, so that it does not get into logs by accident.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(String);

/// A text that cannot be an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Nothing but white space.
    #[error("the identity is empty; write one such as alice@bank.example or +35212345678")]
    Empty,
    /// More than 254 bytes.
    #[error("the identity has {length} bytes, at most {LENGTH_MAX} are allowed")]
    TooLong {
        /// The length in bytes without white space round it.
        length: usize,
    },
    /// White space, a control character, or a character beyond ASCII, which could look like another one.
    #[error(
        "character {position} of the identity (U+{:04X}) is not allowed: use letters A to Z, digits and ASCII signs \
         without spaces, and write an international domain in its xn-- form", u32::from(*.character)
    )]
    Character {
        /// Its place, counted in characters from 1 after white space at the beginning.
        position: usize,
        /// The character itself.
        character: char,
    },
}

impl Identity {
    /// Brings a text into canonical form: without white space at both ends, in lower case.
    ///
    /// # Errors
    /// [`IdentityError`] says what is wrong and what to write instead.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(IdentityError::Empty);
        }
        if let Some((index, character)) = text.chars().enumerate().find(|(_, character)| !character.is_ascii_graphic())
        {
            return Err(IdentityError::Character { position: index + 1, character });
        }
        if text.len() > LENGTH_MAX {
            return Err(IdentityError::TooLong { length: text.len() });
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `pid = ScalarWide(SHA-512("farthing/v1/identity" ‖ canonical identity))`.
    #[must_use]
    pub fn pid(&self) -> Pid {
        let hash = Sha512::new().chain_update(b"farthing/v1/identity").chain_update(&self.0).finalize();
        Pid(Scalar::from_bytes_mod_order_wide(&hash.into()))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// The scalar of an identity. Whoever has it can test guessed identities against it, so it is not printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pid(Scalar);

impl Pid {
    /// Reads the 32 canonical bytes.
    ///
    /// # Errors
    /// [`DecodeError::Scalar`] if they are not a scalar below the group order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, DecodeError> {
        Option::from(Scalar::from_canonical_bytes(bytes)).map(Self).ok_or(DecodeError::Scalar)
    }

    /// The 32 canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The bucket of the payment log that notes to this identity are in: the first `bits` bits of
    /// SHA-256("farthing/v1/bucket" ‖ pid) as a number. The policy says how many bits, 0 to 32; with 0 all are in
    /// bucket 0, and more than 32 count as 32.
    #[must_use]
    pub fn bucket(&self, bits: u8) -> u32 {
        let [a, b, c, d, ..] = self.hash(b"farthing/v1/bucket");
        u32::from_be_bytes([a, b, c, d]).checked_shr(32u32.saturating_sub(u32::from(bits))).unwrap_or(0)
    }

    /// SHA-256("farthing/v1/dir" ‖ pid), under which the directory has the encryption key of the identity.
    #[must_use]
    pub fn directory_hash(&self) -> [u8; 32] {
        self.hash(b"farthing/v1/dir")
    }

    pub(crate) fn scalar(&self) -> Scalar {
        self.0
    }

    fn hash(&self, label: &[u8]) -> [u8; 32] {
        Sha256::new().chain_update(label).chain_update(self.0.as_bytes()).finalize().into()
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pid(..)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn what_is_not_visible_ascii_is_refused() {
        assert_eq!(Identity::parse(" \u{a0}\n"), Err(IdentityError::Empty));
        assert_eq!(
            Identity::parse(" b\u{43e}b@bank.example"),
            Err(IdentityError::Character { position: 2, character: '\u{43e}' })
        );
        for text in ["a b", "a\tb", "a\0", "\u{200b}a", "a\u{feff}", "\u{ff41}", "a\u{7f}"] {
            assert!(matches!(Identity::parse(text), Err(IdentityError::Character { .. })), "{text:?}");
        }
        assert!(Identity::parse(&"a".repeat(254)).is_ok());
        assert_eq!(Identity::parse(&"a".repeat(255)), Err(IdentityError::TooLong { length: 255 }));
        let said = Identity::parse("b\u{43e}b").unwrap_err().to_string();
        assert!(said.starts_with("character 2 of the identity (U+043E) is not allowed"), "{said}");
    }

    #[test]
    fn nothing_shows_in_debug_output() {
        let identity = Identity::parse("alice@bank.example").unwrap();
        assert_eq!(format!("{identity:?} {:?} {identity}", identity.pid()), "Identity(..) Pid(..) alice@bank.example");
    }

    /// Hashes computed with another program.
    #[test]
    fn buckets_are_the_first_bits_and_directory_hashes_fit() {
        let pid = Identity::parse("Alice@Bank.example").unwrap().pid();
        assert_eq!(pid.bucket(32), 0x8d0a_8da5);
        assert_eq!(
            [0, 1, 4, 8, 31, 33, 255].map(|bits| pid.bucket(bits)),
            [0, 1, 8, 0x8d, 0x4685_46d2, 0x8d0a_8da5, 0x8d0a_8da5]
        );
        assert_eq!(hex(&pid.directory_hash()), "0444a59996a4185b24ffe571f59b0cea100082707e6b23ea440e6ce8dc643238");
    }

    #[test]
    fn a_pid_is_read_only_from_canonical_bytes() {
        let pid = Identity::parse("+35212345678").unwrap().pid();
        assert_eq!(Pid::from_bytes(pid.to_bytes()), Ok(pid));
        assert_eq!(Pid::from_bytes([0xff; 32]), Err(DecodeError::Scalar));
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_a_fixed_point(text in "\\PC*") {
            if let Ok(identity) = Identity::parse(&text) {
                prop_assert_eq!(Identity::parse(identity.as_str()), Ok(identity.clone()));
                prop_assert!(identity.as_str().bytes().all(|byte| (0x21..=0x7e).contains(&byte) && !byte.is_ascii_uppercase()));
            }
        }
    }
}
