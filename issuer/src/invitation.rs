//! Invitations: codes that the operator hands to the owner of an identity, over a channel that proves who that is.

use getrandom::SysRng;
use getrandom::rand_core::{Rng as _, UnwrapErr};
use sha2::{Digest as _, Sha256};

/// What is stored of an invitation: SHA-256, so that a stolen store registers nobody.
pub(crate) type InvitationHash = [u8; 32];

/// Digits that people do not mix up: without I, L, O and U.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Random digits of a code, five bits each: 120 bits.
const LENGTH: usize = 24;

/// A code is written in groups of this many digits.
const GROUP: usize = 4;

/// Longest code that is looked at, in bytes: people add spaces.
pub(crate) const INVITATION_BYTES_MAX: usize = 128;

/// Draws a new code, such as `7K3M-9QRT-…`.
pub(crate) fn draw() -> String {
    let mut random = [0; LENGTH];
    UnwrapErr(SysRng).fill_bytes(&mut random);
    let mut code = String::with_capacity(LENGTH + LENGTH / GROUP);
    for (place, byte) in random.into_iter().enumerate() {
        if place != 0 && place % GROUP == 0 {
            code.push('-');
        }
        let digit = DIGITS.get(usize::from(byte % 32)).copied().unwrap_or(b'0');
        code.push(char::from(digit));
    }
    code
}

/// The hash of a code. Case, spaces and hyphens do not count.
pub(crate) fn hash(code: &str) -> InvitationHash {
    let digits = code.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'-');
    let digits: Vec<u8> = digits.map(|byte| byte.to_ascii_uppercase()).collect();
    Sha256::new().chain_update(b"farthing/v1/invitation").chain_update(digits).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_fresh_and_survives_how_people_write_it() {
        let code = draw();
        assert_ne!(code, draw());
        assert_eq!(code.len(), LENGTH + 5);
        assert!(code.bytes().all(|byte| DIGITS.contains(&byte) || byte == b'-'));
        let written = format!(" {} ", code.replace('-', " ").to_lowercase());
        assert_eq!(hash(&written), hash(&code));
        assert_ne!(hash(&code[1..]), hash(&code));
    }
}
