//! Reading the records of a segment with suspicion.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::proofs;
use super::segment::{HASH_BYTES, HEAD_BYTES, HEADER_BYTES, Head, Position, RECORD_OVERHEAD_BYTES, Segment};
use crate::StoreError;

/// A sound record.
pub(super) struct Record {
    pub(super) head: Head,
    pub(super) effects: Vec<u8>,
    /// The proof parts that are still there, as they are stored.
    pub(super) proofs: Vec<u8>,
    pub(super) position: Position,
    /// Where it begins in the file.
    pub(super) offset: u64,
    /// Where it began when nothing of the segment was pruned: what places are counted from.
    pub(super) committed_at: u64,
}

/// What comes next in a segment.
pub(super) enum Step {
    /// A sound record.
    Record(Record),
    /// The segment ends here.
    End,
    /// What follows is no record: it is torn if nothing valid comes later.
    Invalid,
}

/// Reads the records of one segment in order and verifies the chain.
pub(super) struct Records<'a> {
    segment: &'a Segment,
    file: BufReader<File>,
    length: u64,
    /// Where the next record begins.
    pub(super) offset: u64,
    /// Where it would begin if nothing were pruned.
    pub(super) committed_at: u64,
    /// The last sound record.
    pub(super) last: Position,
}

impl<'a> Records<'a> {
    /// Begins at the first record of a segment.
    pub(super) fn open(segment: &'a Segment) -> Result<Self, StoreError> {
        let open = || {
            let mut file = File::open(&segment.path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(HEADER_BYTES as u64))?;
            Ok(Records {
                segment,
                file: BufReader::with_capacity(1 << 20, file),
                length,
                offset: HEADER_BYTES as u64,
                committed_at: HEADER_BYTES as u64,
                last: Position { seq: segment.header.first_seq.saturating_sub(1), hash: segment.header.prev_hash },
            })
        };
        open().map_err(|source| segment.failed(source))
    }

    /// The next record. After `End` or `Invalid` there is nothing more to read.
    pub(super) fn step(&mut self) -> io::Result<Step> {
        let rest = self.length.saturating_sub(self.offset);
        if rest == 0 {
            return Ok(Step::End);
        }
        if rest < RECORD_OVERHEAD_BYTES as u64 {
            return Ok(Step::Invalid);
        }
        let mut head = [0; HEAD_BYTES];
        self.file.read_exact(&mut head)?;
        let Some(head) = self.segment.header.head(&head) else { return Ok(Step::Invalid) };
        let bytes = head.record_bytes();
        if !self.is_next(&head) || bytes > rest {
            return Ok(Step::Invalid);
        }
        let (mut effects, mut proofs) = (vec![0; head.effect_bytes()], vec![0; head.kept_bytes()]);
        let mut hash = [0; HASH_BYTES];
        self.file.read_exact(&mut effects)?;
        self.file.read_exact(&mut hash)?;
        self.file.read_exact(&mut proofs)?;
        if self.segment.header.hash(&head, &effects) != hash || proofs::decode(&effects, &proofs).is_err() {
            return Ok(Step::Invalid);
        }
        let position = Position { seq: head.seq, hash };
        let record = Record { effects, proofs, position, offset: self.offset, committed_at: self.committed_at, head };
        self.offset += bytes;
        self.committed_at += record.head.committed_bytes();
        self.last = position;
        Ok(Step::Record(record))
    }

    fn is_next(&self, head: &Head) -> bool {
        Some(head.seq) == self.last.seq.checked_add(1) && head.prev_hash == self.last.hash
    }

    /// How many bytes follow the last sound record.
    pub(super) fn rest(&self) -> u64 {
        self.length.saturating_sub(self.offset)
    }

    /// True if the head of any other record of this segment is found at or after the place where reading stopped. A record
    /// is written only after the one before it is durable, so the invalid bytes before such a head are damage, not torn.
    pub(super) fn anything_later(&mut self) -> io::Result<bool> {
        let mut rest = Vec::new();
        self.file.seek(SeekFrom::Start(self.offset))?;
        self.file.read_to_end(&mut rest)?;
        let first_seq = self.segment.header.first_seq;
        // No record can have a number beyond what fits into the rest: this rules out chance matches of the crc.
        let last_seq = self.last.seq.saturating_add(1 + (rest.len() / RECORD_OVERHEAD_BYTES) as u64);
        Ok(rest.windows(HEAD_BYTES).enumerate().any(|(at, bytes)| {
            self.segment.header.head(bytes).is_some_and(|head| {
                let is_the_torn_one = at == 0 && self.is_next(&head);
                !is_the_torn_one && (first_seq..=last_seq).contains(&head.seq)
            })
        }))
    }
}
