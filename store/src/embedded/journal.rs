//! The writing end of the journal.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::chain::Tail;
use super::directory;
use super::place::RecordAddress;
use super::segment::{HEADER_BYTES, Header, Position};
use crate::StoreError;
use crate::error::is_disk_full;
use crate::failpoints::{FailPoint, FailPoints};

/// An open journal. Only records that are durable count: `length` and `last` move after the disk is synchronised.
pub(super) struct Journal {
    dir: PathBuf,
    file: File,
    header: Header,
    length: u64,
    /// Where the next record would begin if nothing of this segment were pruned.
    committed: u64,
    last: Position,
    segment_bytes_max: u64,
    failpoints: FailPoints,
}

/// Why a record was not appended.
#[derive(Debug)]
pub(super) enum AppendError {
    /// The disk is full; the journal was cut back to its last record, and that is durable.
    DiskFull,
    /// Nobody knows what the disk holds.
    Fatal(String),
}

impl Journal {
    /// Begins a new journal in the empty directory `dir`.
    pub(super) fn create(dir: &Path, segment_bytes_max: u64, failpoints: FailPoints) -> Result<Self, StoreError> {
        let last = Position { seq: 0, hash: random()? };
        let (file, header) = begin_segment(dir, last)?;
        let length = HEADER_BYTES as u64;
        Ok(Self {
            dir: dir.to_path_buf(),
            file,
            header,
            length,
            committed: length,
            last,
            segment_bytes_max,
            failpoints,
        })
    }

    /// Continues a journal after its last sound record: cuts what follows it and makes the rest durable.
    ///
    /// `last_record_at` is where the last record begins, if it may not be durable yet. It is written again: if an earlier
    /// process ended because the synchronisation failed, the kernel has marked its pages clean and would skip them.
    pub(super) fn resume(
        dir: &Path,
        tail: &Tail<'_>,
        last_record_at: Option<u64>,
        segment_bytes_max: u64,
        failpoints: FailPoints,
    ) -> Result<Self, StoreError> {
        let Tail { segment, length, committed, last, .. } = *tail;
        let resume = || {
            let file = OpenOptions::new().read(true).write(true).open(&segment.path)?;
            if file.metadata()?.len() > length {
                file.set_len(length)?;
            }
            if let Some(at) = last_record_at {
                let mut record = vec![0; usize::try_from(length.saturating_sub(at)).map_err(io::Error::other)?];
                file.read_exact_at(&mut record, at)?;
                file.write_all_at(&record, at)?;
            }
            file.sync_all()?;
            Ok(file)
        };
        let file = resume().map_err(|source| StoreError::io("cannot continue", &segment.path, source))?;
        let header = segment.header.clone();
        Ok(Self { dir: dir.to_path_buf(), file, header, length, committed, last, segment_bytes_max, failpoints })
    }

    /// Appends one record and makes it durable. After `Fatal` the journal must not be used again.
    pub(super) fn append(&mut self, effects: &[u8], proofs: &[u8]) -> Result<(RecordAddress, Position), AppendError> {
        if self.length >= self.segment_bytes_max && self.last.seq >= self.header.first_seq {
            self.roll()?;
        }
        let seq = self.last.seq.checked_add(1).ok_or_else(|| AppendError::Fatal("no sequence numbers left".into()))?;
        let (record, hash) = self
            .header
            .record(seq, &self.last.hash, effects, proofs)
            .ok_or_else(|| AppendError::Fatal("a record is too long".into()))?;
        if let Err(error) = self.write(&record) {
            return Err(self.cut_back(&error));
        }
        self.failpoints
            .hit(FailPoint::AfterAppendBeforeSync)
            .and_then(|()| self.file.sync_data())
            .map_err(|error| AppendError::Fatal(format!("cannot synchronise the journal: {error}")))?;
        let address = RecordAddress { segment: self.header.first_seq, committed_at: self.committed };
        self.length += record.len() as u64;
        self.committed += record.len() as u64;
        self.last = Position { seq, hash };
        Ok((address, self.last))
    }

    fn write(&self, record: &[u8]) -> io::Result<()> {
        self.failpoints.hit(FailPoint::BeforeAppend)?;
        // In two halves only where a test may stop in between.
        let middle = if cfg!(feature = "failpoints") { record.len() / 2 } else { 0 };
        let (first, second) = record.split_at(middle);
        self.file.write_all_at(first, self.length)?;
        self.failpoints.hit(FailPoint::MidAppend)?;
        self.file.write_all_at(second, self.length + first.len() as u64)
    }

    /// After a write that failed. A full disk is harmless if the half record can be taken away again, durably; nothing
    /// was synchronised in between, so nothing of it was ever acknowledged.
    fn cut_back(&self, error: &io::Error) -> AppendError {
        if !is_disk_full(error) {
            return AppendError::Fatal(format!("cannot write the journal: {error}"));
        }
        match self.file.set_len(self.length).and_then(|()| self.file.sync_all()) {
            Ok(()) => AppendError::DiskFull,
            Err(error) => AppendError::Fatal(format!("cannot cut the journal back on a full disk: {error}")),
        }
    }

    fn roll(&mut self) -> Result<(), AppendError> {
        match begin_segment(&self.dir, self.last) {
            Ok((file, header)) => {
                self.file = file;
                self.header = header;
                self.length = HEADER_BYTES as u64;
                self.committed = self.length;
                Ok(())
            }
            // A segment gets its name after its header is durable, so the journal still ends where it ended.
            Err(StoreError::DiskFull) => Err(AppendError::DiskFull),
            Err(error) => Err(AppendError::Fatal(format!("cannot begin a segment: {error}"))),
        }
    }
}

/// Creates the segment that follows `last`, durably.
fn begin_segment(dir: &Path, last: Position) -> Result<(File, Header), StoreError> {
    let header = Header { first_seq: last.seq.saturating_add(1), salt: random()?, prev_hash: last.hash, pruned: false };
    let file = directory::write_new(&dir.join(header.name()), &header.to_bytes())?;
    Ok((file, header))
}

fn random() -> Result<[u8; 32], StoreError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Failed { reason: format!("no randomness: {error}") })?;
    Ok(bytes)
}
