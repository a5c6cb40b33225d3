//! One journal segment: its header and the form of its records.
//!
//! Header, 92 bytes: magic 8, version u32, flags u32 (1 = proof parts were taken away), first sequence number u64, salt 32,
//! hash before the first record 32, crc32c.
//! Record: length of the effects u32, length of the proof parts as committed u32 and as kept u32, sequence number u64, hash
//! of the record before 32, crc32c u32 of salt and these, effects, hash 32, proof parts. The hash is SHA-256(label ‖ salt ‖
//! the head without the length as kept and without its crc ‖ effects): proof parts can be taken away, see
//! [`super::proofs`]. Integers are little-endian.
//!
//! The salt is random and never leaves the store, so that nobody can send bytes which, inside a record that was torn,
//! look like a later record. The first segment's hash is random too: no two journals can be mixed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::StoreError;

const MAGIC: [u8; 8] = *b"FARTHJNL";
const VERSION: u32 = 2;
const LABEL: &[u8] = b"farthing/v2/journal";

/// Bytes of a segment's header.
pub(super) const HEADER_BYTES: usize = 92;
/// Bytes of a record before its effects.
pub(super) const HEAD_BYTES: usize = 56;
/// Bytes of a record's hash.
pub(super) const HASH_BYTES: usize = 32;
/// Bytes of a record besides its effects and proof parts.
pub(super) const RECORD_OVERHEAD_BYTES: usize = HEAD_BYTES + HASH_BYTES;
/// Longest effects and proof parts of a record together: a full group and one batch more, see the writer.
pub(super) const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A place in the chain: a record's number and hash. Number 0 is the start of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) seq: u64,
    pub(super) hash: [u8; 32],
}

/// What a segment's header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) first_seq: u64,
    pub(super) salt: [u8; 32],
    pub(super) prev_hash: [u8; 32],
    /// True once proof parts of the segment may be missing: its records no longer lie where they were committed.
    pub(super) pruned: bool,
}

impl Header {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&u32::from(self.pruned).to_le_bytes());
        bytes.extend_from_slice(&self.first_seq.to_le_bytes());
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&self.prev_hash);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let (magic, version) = (fields.take::<8>()?, fields.take::<4>()?);
        let pruned = u32::from_le_bytes(fields.take()?) == 1;
        let first_seq = u64::from_le_bytes(fields.take()?);
        let header = Self { first_seq, salt: fields.take()?, prev_hash: fields.take()?, pruned };
        // Writing it again checks the crc, and that no byte was ignored.
        (magic == MAGIC && version == VERSION.to_le_bytes() && header.to_bytes() == bytes).then_some(header)
    }

    /// File name of the segment. Twenty digits hold every u64, so that names sort like numbers.
    pub(super) fn name(&self) -> String {
        Self::name_of(self.first_seq)
    }

    /// File name of the segment that begins with this record.
    pub(super) fn name_of(first_seq: u64) -> String {
        format!("{first_seq:020}.journal")
    }

    /// The bytes of a record and its hash.
    pub(super) fn record(
        &self,
        seq: u64,
        prev_hash: &[u8; 32],
        effects: &[u8],
        proofs: &[u8],
    ) -> Option<(Vec<u8>, [u8; 32])> {
        let proof_bytes = u32::try_from(proofs.len()).ok()?;
        let effect_bytes = u32::try_from(effects.len()).ok()?;
        let head = Head { effect_bytes, proof_bytes, kept_bytes: proof_bytes, seq, prev_hash: *prev_hash };
        if !head.is_within_limits() {
            return None;
        }
        let hash = self.hash(&head, effects);
        Some((self.record_bytes(&head, effects, &hash, proofs), hash))
    }

    /// The same record with fewer proof parts. Number and hash stay: the chain does not change.
    pub(super) fn pruned_record(&self, head: &Head, effects: &[u8], hash: &[u8; 32], kept: &[u8]) -> Option<Vec<u8>> {
        let kept_bytes = u32::try_from(kept.len()).ok()?;
        let head = Head { kept_bytes, ..head.clone() };
        head.is_within_limits().then(|| self.record_bytes(&head, effects, hash, kept))
    }

    fn record_bytes(&self, head: &Head, effects: &[u8], hash: &[u8; 32], proofs: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(RECORD_OVERHEAD_BYTES + effects.len() + proofs.len());
        head.write_fields(&mut bytes);
        bytes.extend_from_slice(&self.crc(&bytes).to_le_bytes());
        bytes.extend_from_slice(effects);
        bytes.extend_from_slice(hash);
        bytes.extend_from_slice(proofs);
        bytes
    }

    pub(super) fn hash(&self, head: &Head, effects: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(LABEL);
        hash.update(self.salt);
        hash.update(head.effect_bytes.to_le_bytes());
        hash.update(head.proof_bytes.to_le_bytes());
        hash.update(head.seq.to_le_bytes());
        hash.update(head.prev_hash);
        hash.update(effects);
        hash.finalize().into()
    }

    fn crc(&self, fields: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&self.salt), fields)
    }

    /// The head of a record, if these bytes are one of this segment.
    pub(super) fn head(&self, bytes: &[u8]) -> Option<Head> {
        let mut fields = Fields(bytes);
        let head = Head {
            effect_bytes: u32::from_le_bytes(fields.take()?),
            proof_bytes: u32::from_le_bytes(fields.take()?),
            kept_bytes: u32::from_le_bytes(fields.take()?),
            seq: u64::from_le_bytes(fields.take()?),
            prev_hash: fields.take()?,
        };
        let crc = u32::from_le_bytes(fields.take()?);
        let covered = bytes.get(..HEAD_BYTES - size_of::<u32>())?;
        (self.crc(covered) == crc && head.is_within_limits()).then_some(head)
    }
}

/// The head of a record, without its crc.
#[derive(Clone)]
pub(super) struct Head {
    effect_bytes: u32,
    proof_bytes: u32,
    kept_bytes: u32,
    pub(super) seq: u64,
    pub(super) prev_hash: [u8; 32],
}

impl Head {
    fn write_fields(&self, bytes: &mut Vec<u8>) {
        for length in [self.effect_bytes, self.proof_bytes, self.kept_bytes] {
            bytes.extend_from_slice(&length.to_le_bytes());
        }
        bytes.extend_from_slice(&self.seq.to_le_bytes());
        bytes.extend_from_slice(&self.prev_hash);
    }

    fn is_within_limits(&self) -> bool {
        self.kept_bytes <= self.proof_bytes
            && length(self.effect_bytes).saturating_add(length(self.proof_bytes)) <= BODY_BYTES_MAX
    }

    /// Bytes of the effects.
    pub(super) fn effect_bytes(&self) -> usize {
        length(self.effect_bytes)
    }

    /// Bytes of the proof parts that are still there, with their marks.
    pub(super) fn kept_bytes(&self) -> usize {
        length(self.kept_bytes)
    }

    /// True if proof parts of this record were taken away.
    pub(super) fn is_pruned(&self) -> bool {
        self.kept_bytes < self.proof_bytes
    }

    /// Bytes of the record as it is.
    pub(super) fn record_bytes(&self) -> u64 {
        (RECORD_OVERHEAD_BYTES + length(self.effect_bytes) + length(self.kept_bytes)) as u64
    }

    /// Bytes of the record as it was committed.
    pub(super) fn committed_bytes(&self) -> u64 {
        (RECORD_OVERHEAD_BYTES + length(self.effect_bytes) + length(self.proof_bytes)) as u64
    }
}

fn length(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Takes fixed fields from the front of a slice.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }
}

/// A segment file whose header is sound.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) header: Header,
}

impl Segment {
    /// All segments of a journal, ascending. A segment only gets its name after its header is durable, so a header that
    /// cannot be read is damage.
    pub(super) fn list(journal: &Path) -> Result<Vec<Self>, StoreError> {
        let failed = |source| StoreError::io("cannot list", journal, source);
        let mut paths = Vec::new();
        for entry in fs::read_dir(journal).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "journal") {
                paths.push(path);
            }
        }
        paths.sort();
        let segments = paths.into_iter().map(Self::open).collect::<Result<Vec<_>, _>>()?;
        match segments.first() {
            Some(first) if first.header.first_seq != 1 => {
                Err(first.damaged(1, 0, "this is the first segment there is; earlier ones are missing"))
            }
            _ => Ok(segments),
        }
    }

    fn open(path: PathBuf) -> Result<Self, StoreError> {
        let file = File::open(&path).map_err(|source| StoreError::io("cannot read", &path, source))?;
        Self::of(path, &file)
    }

    /// The segment in an open file that was found at `path`.
    pub(super) fn of(path: PathBuf, file: &File) -> Result<Self, StoreError> {
        let mut bytes = [0; HEADER_BYTES];
        let read = file.read_exact_at(&mut bytes, 0);
        let header = match read {
            Ok(()) => Header::from_bytes(&bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(source) => return Err(StoreError::io("cannot read", &path, source)),
        };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match header {
            Some(header) if header.name() == name => Ok(Self { path, header }),
            _ => {
                let record = name.trim_end_matches(".journal").parse().unwrap_or(0);
                Err(StoreError::Damaged { segment: name, record, offset: 0, what: "the segment's header is damaged" })
            }
        }
    }

    pub(super) fn damaged(&self, record: u64, offset: u64, what: &'static str) -> StoreError {
        StoreError::Damaged { segment: self.header.name(), record, offset, what }
    }

    pub(super) fn failed(&self, source: io::Error) -> StoreError {
        StoreError::io("cannot read", &self.path, source)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_header_with_any_bit_flipped_is_refused() {
        let header = Header { first_seq: 9, salt: [3; 32], prev_hash: [4; 32], pruned: true };
        let bytes: [u8; HEADER_BYTES] = header.to_bytes().try_into().unwrap();
        assert_eq!(Header::from_bytes(&bytes), Some(header));
        for bit in 0..HEADER_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::from_bytes(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn a_record_of_another_segment_is_no_record_here() {
        let here = Header { first_seq: 1, salt: [1; 32], prev_hash: [0; 32], pruned: false };
        let other = Header { salt: [2; 32], ..here.clone() };
        let (bytes, _) = other.record(1, &[0; 32], b"effects", b"proofs").unwrap();
        assert!(other.head(&bytes).is_some());
        assert!(here.head(&bytes).is_none());
        assert!(here.record(1, &[0; 32], &vec![0; BODY_BYTES_MAX + 1], b"").is_none());
        assert!(here.record(1, &[0; 32], &vec![0; BODY_BYTES_MAX], b"p").is_none());
    }
}
