//! Reading log entries back from the journal, by their places.
//!
//! A segment that was never pruned is read where the place says. In a pruned one records lie further in front: its heads
//! are walked once, and every [`ROW_RECORDS`]th position is kept. An open file stays what it was when pruning puts
//! another in its place, and so do the positions kept with it: readers notice nothing.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sha2::{Digest, Sha256};

use super::effects::PROOF_HASH_BYTES;
use super::place::{Place, RecordAddress};
use super::proofs;
use super::segment::{HASH_BYTES, HEAD_BYTES, HEADER_BYTES, Head, Header, Segment};
use crate::StoreError;

/// Segments held open for reading.
const OPEN_SEGMENTS_MAX: usize = 64;

/// Of a pruned segment the position of every so many-th record is kept.
const ROW_RECORDS: usize = 32;

/// The journal, for readers. Clones share it.
#[derive(Clone)]
pub(super) struct Archive {
    dir: Arc<PathBuf>,
    open: Arc<Mutex<OpenSegments>>,
}

#[derive(Default)]
struct OpenSegments {
    segments: HashMap<u64, (u64, Arc<OpenSegment>)>,
    uses: u64,
}

struct OpenSegment {
    segment: Segment,
    file: File,
    /// For a pruned segment: where records were committed and where they are, ascending.
    rows: OnceLock<Vec<(u64, u64)>>,
}

impl Archive {
    /// Reads the journal in `dir`.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir: Arc::new(dir), open: Arc::default() }
    }

    /// The entry at this place, and the hash of its proof part.
    pub(super) fn entry(&self, place: &Place) -> Result<(Vec<u8>, [u8; PROOF_HASH_BYTES]), StoreError> {
        let segment = self.segment(place.record.segment)?;
        let at = segment.record_at(place.record)?.saturating_add(u64::from(place.entry_at));
        let prefix = place.prefix_bytes();
        let mut bytes =
            vec![0; prefix + usize::try_from(place.entry_bytes).unwrap_or(usize::MAX).min(u32::MAX as usize)];
        segment.read_exact(&mut bytes, at.saturating_sub(prefix as u64), place.record)?;
        if crc32c::crc32c(&bytes) != place.crc {
            return Err(segment.damaged(place.record, "a log entry is not what was committed"));
        }
        let hash = match bytes.first_chunk() {
            Some(hash) if place.proof_bytes > 0 => *hash,
            _ => Sha256::digest(b"").into(),
        };
        bytes.drain(..prefix);
        Ok((bytes, hash))
    }

    /// The proof part at this place, whose hash is known; empty if there never was one, or it was pruned.
    pub(super) fn proof(
        &self,
        log: &str,
        index: u64,
        place: &Place,
        hash: &[u8; PROOF_HASH_BYTES],
    ) -> Result<Vec<u8>, StoreError> {
        if place.proof_bytes == 0 {
            return Ok(Vec::new());
        }
        let segment = self.segment(place.record.segment)?;
        let at = segment.record_at(place.record)?;
        if segment.segment.header.pruned
            && let Some(head) = Some(segment.head(at, place.record)?).filter(Head::is_pruned)
        {
            return segment.kept_proof(&head, at, log, index, place.record);
        }
        let mut proof = vec![0; usize::try_from(place.proof_bytes).unwrap_or(usize::MAX)];
        segment.read_exact(&mut proof, at.saturating_add(u64::from(place.proof_at)), place.record)?;
        if Sha256::digest(&proof).as_slice() != hash {
            return Err(segment.damaged(place.record, "a proof part is not what was committed"));
        }
        Ok(proof)
    }

    /// Lets go of a segment that was put in the place of another.
    pub(super) fn forget(&self, segment: u64) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).segments.remove(&segment);
    }

    fn segment(&self, first_seq: u64) -> Result<Arc<OpenSegment>, StoreError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.uses += 1;
        let uses = open.uses;
        if let Some((last_use, segment)) = open.segments.get_mut(&first_seq) {
            *last_use = uses;
            return Ok(Arc::clone(segment));
        }
        let segment = Arc::new(OpenSegment::open(self.dir.join(Header::name_of(first_seq)))?);
        if open.segments.len() >= OPEN_SEGMENTS_MAX
            && let Some(oldest) = open.segments.iter().min_by_key(|(_, (last_use, _))| *last_use).map(|(seq, _)| *seq)
        {
            open.segments.remove(&oldest);
        }
        open.segments.insert(first_seq, (uses, Arc::clone(&segment)));
        Ok(segment)
    }
}

impl OpenSegment {
    fn open(path: PathBuf) -> Result<Self, StoreError> {
        let file = File::open(&path).map_err(|source| StoreError::io("cannot read", &path, source))?;
        // The header is read from this very file: pruning may be about to put another in its place.
        Ok(Self { segment: Segment::of(path, &file)?, file, rows: OnceLock::new() })
    }

    /// Where a record begins in this file.
    fn record_at(&self, record: RecordAddress) -> Result<u64, StoreError> {
        if !self.segment.header.pruned {
            return Ok(record.committed_at);
        }
        let rows = match self.rows.get() {
            Some(rows) => rows,
            None => {
                let walked = self.walk()?;
                self.rows.get_or_init(|| walked)
            }
        };
        let before = rows.partition_point(|(committed_at, _)| *committed_at <= record.committed_at);
        let start = before.checked_sub(1).and_then(|row| rows.get(row)).copied();
        let (mut committed_at, mut at) = start.unwrap_or((HEADER_BYTES as u64, HEADER_BYTES as u64));
        while committed_at < record.committed_at {
            let head = self.head(at, record)?;
            committed_at = committed_at.saturating_add(head.committed_bytes());
            at = at.saturating_add(head.record_bytes());
        }
        if committed_at == record.committed_at { Ok(at) } else { Err(self.damaged(record, "no record begins here")) }
    }

    fn walk(&self) -> Result<Vec<(u64, u64)>, StoreError> {
        let failed = |source| self.segment.failed(source);
        let length = self.file.metadata().map_err(failed)?.len();
        let (mut committed_at, mut at) = (HEADER_BYTES as u64, HEADER_BYTES as u64);
        let (mut rows, mut count) = (Vec::new(), 0usize);
        while at.saturating_add(HEAD_BYTES as u64) <= length {
            let mut bytes = [0; HEAD_BYTES];
            self.file.read_exact_at(&mut bytes, at).map_err(failed)?;
            // Damage, or a record that is being written: whoever looks for what lies behind it finds out.
            let Some(head) = self.segment.header.head(&bytes) else { break };
            if count.is_multiple_of(ROW_RECORDS) {
                rows.push((committed_at, at));
            }
            count += 1;
            committed_at = committed_at.saturating_add(head.committed_bytes());
            at = at.saturating_add(head.record_bytes());
        }
        Ok(rows)
    }

    fn head(&self, at: u64, record: RecordAddress) -> Result<Head, StoreError> {
        let mut bytes = [0; HEAD_BYTES];
        self.read_exact(&mut bytes, at, record)?;
        self.segment.header.head(&bytes).ok_or_else(|| self.damaged(record, "the head of a record is damaged"))
    }

    /// A proof part of a record of which some were pruned.
    fn kept_proof(
        &self,
        head: &Head,
        at: u64,
        log: &str,
        index: u64,
        record: RecordAddress,
    ) -> Result<Vec<u8>, StoreError> {
        let (mut effects, mut section) = (vec![0; head.effect_bytes()], vec![0; head.kept_bytes()]);
        let effects_at = at.saturating_add(HEAD_BYTES as u64);
        self.read_exact(&mut effects, effects_at, record)?;
        let section_at = effects_at.saturating_add((effects.len() + HASH_BYTES) as u64);
        self.read_exact(&mut section, section_at, record)?;
        let parts = proofs::decode(&effects, &section).ok();
        let part = parts.and_then(|parts| parts.into_iter().find(|part| part.log == log && part.index == index));
        let part = part.ok_or_else(|| self.damaged(record, "the proof parts of a record are damaged"))?;
        Ok(part.proof.unwrap_or_default().to_vec())
    }

    fn read_exact(&self, bytes: &mut [u8], at: u64, record: RecordAddress) -> Result<(), StoreError> {
        self.file.read_exact_at(bytes, at).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged(record, "it ends before a log entry that was committed"),
            _ => self.segment.failed(source),
        })
    }

    /// Damage in or near a record, whose number is told if its head can be read.
    fn damaged(&self, record: RecordAddress, what: &'static str) -> StoreError {
        let mut bytes = [0; HEAD_BYTES];
        let read = self.file.read_exact_at(&mut bytes, record.committed_at).ok();
        let seq = read.and_then(|()| self.segment.header.head(&bytes)).map_or(record.segment, |head| head.seq);
        self.segment.damaged(seq, record.committed_at, what)
    }
}
