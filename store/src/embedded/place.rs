//! Where in the journal a log entry lies. The index keeps this instead of the bytes.
//!
//! Places are counted as if nothing had ever been pruned, so that pruning changes no place; [`super::archive`] finds the
//! bytes.

use super::effects::{Malformed, PROOF_HASH_BYTES};
use super::proofs::MARK_BYTES;
use super::segment::{HASH_BYTES, HEAD_BYTES};

/// Where a record was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordAddress {
    /// First sequence number of its segment.
    pub(super) segment: u64,
    /// Where in the segment it begins, in bytes, if nothing is pruned.
    pub(super) committed_at: u64,
}

/// Where an entry and its proof part lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) record: RecordAddress,
    /// Where the entry begins, from the beginning of the record.
    pub(super) entry_at: u32,
    pub(super) entry_bytes: u32,
    /// Where the proof part begins, from the beginning of the record if nothing of it is pruned.
    pub(super) proof_at: u32,
    /// 0: it has none.
    pub(super) proof_bytes: u32,
    /// crc32c of the hash of the proof part, if it has one, the length of the entry, and the entry.
    pub(super) crc: u32,
}

/// Bytes of a place in the index.
pub(super) const PLACE_BYTES: usize = 36;

impl Place {
    pub(super) fn to_bytes(self) -> [u8; PLACE_BYTES] {
        let mut bytes = [0; PLACE_BYTES];
        let wide = [self.record.segment, self.record.committed_at].map(u64::to_le_bytes);
        let narrow = [self.entry_at, self.entry_bytes, self.proof_at, self.proof_bytes, self.crc].map(u32::to_le_bytes);
        let fields = wide.as_flattened().iter().chain(narrow.as_flattened());
        bytes.iter_mut().zip(fields).for_each(|(byte, field)| *byte = *field);
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; PLACE_BYTES] = bytes.try_into().ok()?;
        let (wide, narrow) = bytes.split_first_chunk::<16>()?;
        let [segment, committed_at] = <[[u8; 8]; 2]>::try_from(wide.as_chunks().0).ok()?.map(u64::from_le_bytes);
        let narrow = <[[u8; 4]; 5]>::try_from(narrow.as_chunks().0).ok()?;
        let [entry_at, entry_bytes, proof_at, proof_bytes, crc] = narrow.map(u32::from_le_bytes);
        let record = RecordAddress { segment, committed_at };
        Some(Self { record, entry_at, entry_bytes, proof_at, proof_bytes, crc })
    }

    /// Bytes in front of the entry that are read with it: the hash of the proof part, if it has one, and the length.
    pub(super) fn prefix_bytes(&self) -> usize {
        let hash = if self.proof_bytes > 0 { PROOF_HASH_BYTES } else { 0 };
        hash + size_of::<u32>()
    }
}

/// Finds the places of the appends of one record while its effects are decoded.
pub(super) struct Places<'a> {
    record: RecordAddress,
    effects: &'a [u8],
    proofs_end: usize,
}

impl<'a> Places<'a> {
    pub(super) fn new(record: RecordAddress, effects: &'a [u8]) -> Self {
        Self { record, effects, proofs_end: HEAD_BYTES + effects.len() + HASH_BYTES }
    }

    /// The place of the next append. Its entry ends at `end` of the effects.
    pub(super) fn next(&mut self, entry_bytes: usize, proof_bytes: u32, end: usize) -> Result<Place, Malformed> {
        let narrow = |value: usize| u32::try_from(value).map_err(|_| Malformed);
        let proof_at = self.proofs_end + MARK_BYTES;
        if proof_bytes > 0 {
            self.proofs_end = proof_at + usize::try_from(proof_bytes).map_err(|_| Malformed)?;
        }
        let begin = end.checked_sub(entry_bytes).ok_or(Malformed)?;
        let mut place = Place {
            record: self.record,
            entry_at: narrow(HEAD_BYTES + begin)?,
            entry_bytes: narrow(entry_bytes)?,
            proof_at: if proof_bytes > 0 { narrow(proof_at)? } else { 0 },
            proof_bytes,
            crc: 0,
        };
        let covered = begin.checked_sub(place.prefix_bytes()).and_then(|begin| self.effects.get(begin..end));
        place.crc = crc32c::crc32c(covered.ok_or(Malformed)?);
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_place_comes_back() {
        let record = RecordAddress { segment: 1 << 40, committed_at: 3 };
        let place = Place { record, entry_at: 4, entry_bytes: 5, proof_at: 6, proof_bytes: 7, crc: u32::MAX };
        assert_eq!(Place::from_bytes(&place.to_bytes()), Some(place));
        assert_eq!(Place::from_bytes(&place.to_bytes()[1..]), None);
    }
}
