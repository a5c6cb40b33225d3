//! The body of a journal record: what a group of batches changed, as bytes.
//!
//! The index is changed by decoding these bytes, live and at replay alike, so a rebuilt index cannot differ.
//!
//! Each effect is a tag, names with a length byte, keys with a u16 and values with a u32 length, all little-endian:
//! 1 = put (space, key, value), 2 = delete (space, key), 3 = append (log, index u64, length of the proof part u32, its
//! SHA-256 if that is not 0, entry). The proof part itself stands apart, see [`super::proofs`].

use sha2::{Digest, Sha256};

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect<'a> {
    Put { space: &'a str, key: &'a [u8], value: &'a [u8] },
    Delete { space: &'a str, key: &'a [u8] },
    Append { log: &'a str, index: u64, entry: &'a [u8], proof: ProofDigest },
}

/// What the effects say of a proof part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProofDigest {
    /// Its length. 0: there never was one.
    pub(super) bytes: u32,
    /// Its SHA-256, also of one that is empty.
    pub(super) hash: [u8; 32],
}

/// Bytes of a SHA-256 hash.
pub(super) const PROOF_HASH_BYTES: usize = 32;

impl ProofDigest {
    /// The digest of these bytes.
    pub(super) fn of(proof: &[u8]) -> Result<Self, Malformed> {
        Self::new(proof.len(), Sha256::digest(proof).into())
    }

    /// The digest of so many bytes with this hash.
    pub(super) fn new(bytes: usize, hash: [u8; 32]) -> Result<Self, Malformed> {
        Ok(Self { bytes: u32::try_from(bytes).map_err(|_| Malformed)?, hash })
    }
}

const PUT: u8 = 1;
const DELETE: u8 = 2;
const APPEND: u8 = 3;

/// Adds an effect to a record's body. Lengths were limited when the batch was checked; a longer one would be a bug, and
/// is refused rather than cut.
pub(super) fn encode(body: &mut Vec<u8>, effect: Effect<'_>) -> Result<(), Malformed> {
    match effect {
        Effect::Put { space, key, value } => {
            body.push(PUT);
            put_name(body, space)?;
            put_key(body, key)?;
            put_value(body, value)
        }
        Effect::Delete { space, key } => {
            body.push(DELETE);
            put_name(body, space)?;
            put_key(body, key)
        }
        Effect::Append { log, index, entry, proof } => {
            body.push(APPEND);
            put_name(body, log)?;
            body.extend_from_slice(&index.to_le_bytes());
            body.extend_from_slice(&proof.bytes.to_le_bytes());
            if proof.bytes > 0 {
                body.extend_from_slice(&proof.hash);
            }
            put_value(body, entry)
        }
    }
}

/// Bytes that are no effects: only a bug or another version of this program writes them under a valid hash.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

fn put_name(body: &mut Vec<u8>, name: &str) -> Result<(), Malformed> {
    body.push(u8::try_from(name.len()).map_err(|_| Malformed)?);
    body.extend_from_slice(name.as_bytes());
    Ok(())
}

fn put_key(body: &mut Vec<u8>, key: &[u8]) -> Result<(), Malformed> {
    body.extend_from_slice(&u16::try_from(key.len()).map_err(|_| Malformed)?.to_le_bytes());
    body.extend_from_slice(key);
    Ok(())
}

fn put_value(body: &mut Vec<u8>, value: &[u8]) -> Result<(), Malformed> {
    body.extend_from_slice(&u32::try_from(value.len()).map_err(|_| Malformed)?.to_le_bytes());
    body.extend_from_slice(value);
    Ok(())
}

/// The effects of a record's body, in order.
pub(super) struct Effects<'a> {
    body: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Effects<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, rest: body }
    }

    /// Where in the body the effect ends that was given last. An append ends with its entry.
    pub(super) fn end(&self) -> usize {
        self.body.len() - self.rest.len()
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.bytes(N)?.try_into().map_err(|_| Malformed)
    }

    fn name(&mut self) -> Result<&'a str, Malformed> {
        let [len] = self.array()?;
        std::str::from_utf8(self.bytes(usize::from(len))?).map_err(|_| Malformed)
    }

    fn key(&mut self) -> Result<&'a [u8], Malformed> {
        let len = u16::from_le_bytes(self.array()?);
        self.bytes(usize::from(len))
    }

    fn value(&mut self) -> Result<&'a [u8], Malformed> {
        let len = u32::from_le_bytes(self.array()?);
        self.bytes(usize::try_from(len).map_err(|_| Malformed)?)
    }

    fn proof(&mut self) -> Result<ProofDigest, Malformed> {
        match u32::from_le_bytes(self.array()?) {
            0 => ProofDigest::of(b""),
            bytes => Ok(ProofDigest { bytes, hash: self.array::<PROOF_HASH_BYTES>()? }),
        }
    }

    fn effect(&mut self) -> Result<Effect<'a>, Malformed> {
        match self.array()? {
            [PUT] => Ok(Effect::Put { space: self.name()?, key: self.key()?, value: self.value()? }),
            [DELETE] => Ok(Effect::Delete { space: self.name()?, key: self.key()? }),
            [APPEND] => Ok(Effect::Append {
                log: self.name()?,
                index: u64::from_le_bytes(self.array()?),
                proof: self.proof()?,
                entry: self.value()?,
            }),
            _ => Err(Malformed),
        }
    }
}

impl<'a> Iterator for Effects<'a> {
    type Item = Result<Effect<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let effect = self.effect();
        if effect.is_err() {
            self.rest = &[];
        }
        Some(effect)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn effects_come_back_and_every_cut_is_refused() {
        let effects = [
            Effect::Put { space: "spent", key: b"", value: &[7; 300] },
            Effect::Delete { space: "s", key: &[1; 256] },
            Effect::Append { log: "payments", index: u64::MAX, entry: b"entry", proof: ProofDigest::of(b"").unwrap() },
            Effect::Append { log: "p", index: 7, entry: b"", proof: ProofDigest::of(b"proof").unwrap() },
        ];
        let mut body = Vec::new();
        let mut ends = vec![0];
        for effect in effects {
            encode(&mut body, effect).unwrap();
            ends.push(body.len());
        }
        assert_eq!(Effects::new(&body).collect::<Result<Vec<_>, _>>().unwrap(), effects);
        for cut in 0..body.len() {
            let decoded: Result<Vec<_>, _> = Effects::new(&body[..cut]).collect();
            assert_eq!(decoded.is_ok(), ends.contains(&cut), "cut at {cut}");
        }
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        assert_eq!(encode(&mut Vec::new(), Effect::Delete { space: "s", key: &[0; 65_536] }), Err(Malformed));
        assert_eq!(encode(&mut Vec::new(), Effect::Delete { space: &"s".repeat(256), key: b"" }), Err(Malformed));
    }
}
