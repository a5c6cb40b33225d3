//! The hash of RFC 6962 section 2.1: SHA-256 with one byte in front that keeps leaves and nodes apart.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

/// Bytes of a hash.
pub const HASH_LENGTH: usize = 32;

/// A hash of a leaf, of an inner node, or of a whole tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; HASH_LENGTH]);

impl Hash {
    /// Wraps 32 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; HASH_LENGTH]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; HASH_LENGTH] {
        &self.0
    }

    /// The hash of a leaf, SHA-256(0x00 ‖ leaf). Of an entry of a Farthing log the leaf is the entry and, if its kind has a
    /// proof part, SHA-256 of that (docs/WIRE.md section 5).
    #[must_use]
    pub fn leaf(leaf: &[u8]) -> Self {
        Self(Sha256::new().chain_update([0]).chain_update(leaf).finalize().into())
    }

    /// The hash of an inner node, SHA-256(0x01 ‖ left ‖ right).
    #[must_use]
    pub fn node(left: &Self, right: &Self) -> Self {
        Self(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
    }

    /// The root of the tree without leaves, SHA-256 of nothing.
    #[must_use]
    pub fn empty_root() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// Reads 32 bytes; `None` for another length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Reads what [`Hash`] shows itself as: base64 with padding. `None` for anything else.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        Self::from_slice(&STANDARD.decode(text).ok()?)
    }
}

/// Base64 with padding, as in checkpoints.
impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn base64_is_read_back_and_nothing_else_is_a_hash() {
        let hash = Hash::leaf(b"farthing");
        let text = hash.to_string();
        assert_eq!(Hash::from_base64(&text), Some(hash));
        assert_eq!(text.len(), 44);
        // Another last digit before the padding stands for bits that are thrown away: two texts for one hash.
        let loose = Hash::new([0; 32]).to_string().replace("A=", "B=");
        for wrong in ["", "AAAA", text.trim_end_matches('='), &format!("{text}\n"), &format!(" {text}"), &loose] {
            assert_eq!(Hash::from_base64(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn leaves_nodes_and_the_empty_tree_are_those_of_the_rfc() {
        let hex = |hash: Hash| hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(Hash::empty_root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(hex(Hash::leaf(b"")), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        let two = Hash::node(&Hash::leaf(b""), &Hash::leaf(&[0]));
        assert_eq!(hex(two), "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
    }
}
