//! The proof parts of a journal record: what may be taken away later.
//!
//! They follow the record's hash and are not covered by it; what it covers, in the effects, is the length and the SHA-256
//! of each. So the chain holds with or without them. For each append that had a proof part, in order: one byte, and the
//! proof if the byte is [`KEPT`]; if it is [`PRUNED`] there is nothing more.

use sha2::{Digest, Sha256};

use super::effects::{Effect, Effects, Malformed};

const PRUNED: u8 = 0;
const KEPT: u8 = 1;

/// Bytes before each proof part.
pub(super) const MARK_BYTES: usize = 1;

/// Adds the proof part of an append to a record that is being made. An empty proof part is none.
pub(super) fn encode(section: &mut Vec<u8>, proof: &[u8]) {
    if !proof.is_empty() {
        section.push(KEPT);
        section.extend_from_slice(proof);
    }
}

/// One append that had a proof part.
pub(super) struct ProofPart<'a> {
    pub(super) log: &'a str,
    pub(super) index: u64,
    /// `None` once it is pruned.
    pub(super) proof: Option<&'a [u8]>,
}

/// The proof parts of a record with these effects, if they are what the effects say.
pub(super) fn decode<'a>(effects: &'a [u8], section: &'a [u8]) -> Result<Vec<ProofPart<'a>>, Malformed> {
    let mut parts = Vec::new();
    let mut rest = section;
    for effect in Effects::new(effects) {
        let Effect::Append { log, index, proof: digest, .. } = effect? else { continue };
        if digest.bytes == 0 {
            continue;
        }
        let (mark, after) = rest.split_first().ok_or(Malformed)?;
        let proof = match *mark {
            PRUNED => None,
            KEPT => {
                let bytes = usize::try_from(digest.bytes).map_err(|_| Malformed)?;
                let (proof, after) = after.split_at_checked(bytes).ok_or(Malformed)?;
                rest = after;
                Some(proof)
            }
            _ => return Err(Malformed),
        };
        if proof.is_none() {
            rest = after;
        }
        if proof.is_some_and(|proof| Sha256::digest(proof).as_slice() != digest.hash) {
            return Err(Malformed);
        }
        parts.push(ProofPart { log, index, proof });
    }
    if rest.is_empty() { Ok(parts) } else { Err(Malformed) }
}

/// The same section without the proof parts of one log, and how many were taken away.
pub(super) fn without(parts: &[ProofPart<'_>], pruned_log: &str) -> (Vec<u8>, u64) {
    let mut section = Vec::new();
    let mut pruned = 0;
    for part in parts {
        match part.proof {
            Some(proof) if part.log != pruned_log => encode(&mut section, proof),
            Some(_) => {
                pruned += 1;
                section.push(PRUNED);
            }
            None => section.push(PRUNED),
        }
    }
    (section, pruned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::effects::{self, ProofDigest};
    use super::*;

    fn sample() -> (Vec<u8>, Vec<u8>) {
        let (mut body, mut section) = (Vec::new(), Vec::new());
        for (index, (log, proof)) in
            [("a", &b"first"[..]), ("b", b"other"), ("a", b""), ("a", b"last")].into_iter().enumerate()
        {
            let proof_digest = ProofDigest::of(proof).unwrap();
            effects::encode(
                &mut body,
                Effect::Append { log, index: index as u64, entry: b"entry", proof: proof_digest },
            )
            .unwrap();
            encode(&mut section, proof);
        }
        (body, section)
    }

    #[test]
    fn proof_parts_come_back_and_one_log_can_be_pruned() {
        let (body, section) = sample();
        let proofs = |section: &[u8]| -> Vec<(u64, Option<Vec<u8>>)> {
            let parts = decode(&body, section).unwrap();
            parts.iter().map(|part| (part.index, part.proof.map(<[u8]>::to_vec))).collect()
        };
        let some = |bytes: &[u8]| Some(bytes.to_vec());
        assert_eq!(proofs(&section), [(0, some(b"first")), (1, some(b"other")), (3, some(b"last"))]);
        let (pruned, count) = without(&decode(&body, &section).unwrap(), "a");
        assert_eq!((proofs(&pruned), count), (vec![(0, None), (1, some(b"other")), (3, None)], 2));
        let (again, count) = without(&decode(&body, &pruned).unwrap(), "a");
        assert_eq!((again, count), (pruned, 0));
    }

    #[test]
    fn every_change_of_a_byte_is_refused() {
        let (body, section) = sample();
        for byte in 0..section.len() {
            for bit in 0..8 {
                let mut flipped = section.clone();
                flipped[byte] ^= 1 << bit;
                assert!(decode(&body, &flipped).is_err(), "byte {byte}, bit {bit}");
            }
            assert!(decode(&body, &section[..byte]).is_err());
        }
        assert!(decode(&body, &[&section[..], &[0]].concat()).is_err());
    }
}
