//! Pruning: taking proof parts away for good, segment by segment.
//!
//! Only sealed segments are touched, the writer never comes back to them. A pruned copy is written beside the segment and
//! synchronised, takes its name, and the directory is synchronised; whenever the machine stops, one of the two is there,
//! whole, and each continues the same chain. A segment is pruned of a log as a whole: one that also holds later entries of
//! the log waits until they may go too, so that no segment is copied again and again.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use super::archive::Archive;
use super::directory;
use super::index::Index;
use super::proofs;
use super::records::{Record, Records, Step};
use super::segment::{Header, Segment};
use crate::StoreError;
use crate::failpoints::{FailPoint, FailPoints};

/// What pruning has done. Its fields say what is true now, whichever call did it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PruneReport {
    /// No entry below this index has a proof part any more. Less than what was asked for when the rest lies in the segment
    /// that is being written, or in one that also holds later entries.
    pub pruned_below: u64,
    /// Segments that this call made smaller.
    pub segments: u64,
    /// Proof parts that this call took away.
    pub proofs: u64,
    /// Bytes that the journal is smaller by.
    pub bytes: u64,
}

/// What a pruning needs of an open store.
pub(super) struct Pruning<'a> {
    pub(super) index: &'a Index,
    pub(super) archive: &'a Archive,
    pub(super) journal: &'a std::path::Path,
    pub(super) failpoints: &'a FailPoints,
    /// Set when the store is being closed: the pruning ends early.
    pub(super) stop: &'a AtomicBool,
}

impl Pruning<'_> {
    /// Takes away the proof parts of the entries of `log` with index < `below`.
    pub(super) fn run(&self, log: &str, below: u64) -> Result<PruneReport, StoreError> {
        let segments = Segment::list(self.journal)?;
        let Some((writing, sealed)) = segments.split_last() else { return Ok(PruneReport::default()) };
        let below = below.min(self.index.log_size(log)?);
        let mut boundary = writing.header.first_seq;
        if let Some(place) = self.index.place(log, below)? {
            boundary = boundary.min(place.record.segment);
        }
        let mut report = PruneReport::default();
        for segment in sealed.iter().filter(|segment| segment.header.first_seq < boundary) {
            if self.is_pruned(segment, log)? {
                continue;
            }
            let pruned = self.prune(segment, log)?;
            report.segments += u64::from(pruned.proofs > 0);
            report.proofs += pruned.proofs;
            report.bytes += pruned.bytes;
        }
        report.pruned_below = self.first_entry_from(log, below, boundary)?;
        Ok(report)
    }

    /// The first of the entries before `below` that lies in the segment `boundary` or later; `below` if none does.
    fn first_entry_from(&self, log: &str, below: u64, boundary: u64) -> Result<u64, StoreError> {
        let (mut low, mut high) = (0, below);
        while low < high {
            let middle = low + (high - low) / 2;
            let place = self.index.place(log, middle)?.ok_or_else(|| super::index::broken("a log entry is missing"))?;
            if place.record.segment < boundary { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// A segment is pruned of a log as a whole, so its first proof part tells.
    fn is_pruned(&self, segment: &Segment, log: &str) -> Result<bool, StoreError> {
        let mut found = None;
        self.each_record(segment, |record| {
            let parts = proofs::decode(&record.effects, &record.proofs)
                .map_err(|_| segment.damaged(record.position.seq, record.offset, MALFORMED))?;
            found = parts.iter().find(|part| part.log == log).map(|part| part.proof.is_none());
            Ok(found.is_none())
        })?;
        // Without any there is nothing to take away.
        Ok(found.unwrap_or(true))
    }

    fn prune(&self, segment: &Segment, log: &str) -> Result<Pruned, StoreError> {
        let copy = segment.path.with_extension("tmp");
        let failed = |source| StoreError::io("cannot write", &copy, source);
        let written = self.write_copy(segment, log, &copy);
        let (pruned, file) = written.inspect_err(|_| {
            // Best effort: what is left is removed at the next start.
            let _ = fs::remove_file(&copy);
        })?;
        let replace = || {
            file.sync_all()?;
            self.failpoints.hit(FailPoint::BeforePruneRename)?;
            fs::rename(&copy, &segment.path)?;
            self.failpoints.hit(FailPoint::AfterPruneRename)
        };
        replace().map_err(failed)?;
        self.archive.forget(segment.header.first_seq);
        directory::sync(self.journal)?;
        Ok(pruned)
    }

    fn write_copy(&self, segment: &Segment, log: &str, copy: &std::path::Path) -> Result<(Pruned, File), StoreError> {
        let failed = |source| StoreError::io("cannot write", copy, source);
        let header = Header { pruned: true, ..segment.header.clone() };
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(copy).map_err(failed)?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        out.write_all(&header.to_bytes()).map_err(failed)?;
        let mut pruned = Pruned::default();
        let complete = self.each_record(segment, |record| {
            let malformed = || segment.damaged(record.position.seq, record.offset, MALFORMED);
            let parts = proofs::decode(&record.effects, &record.proofs).map_err(|_| malformed())?;
            let (kept, count) = proofs::without(&parts, log);
            let bytes = header.pruned_record(&record.head, &record.effects, &record.position.hash, &kept);
            out.write_all(&bytes.ok_or_else(malformed)?).map_err(failed)?;
            pruned.proofs += count;
            pruned.bytes += (record.proofs.len() - kept.len()) as u64;
            self.failpoints.hit(FailPoint::MidPrune).map_err(failed)?;
            Ok(true)
        })?;
        if !complete {
            return Err(StoreError::Closed);
        }
        let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
        Ok((pruned, file))
    }

    /// Shows the records of a sealed segment until `visit` answers false or the store is being closed, which is then what
    /// this answers.
    fn each_record(
        &self,
        segment: &Segment,
        mut visit: impl FnMut(&Record) -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        let mut records = Records::open(segment)?;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(StoreError::Closed);
            }
            match records.step().map_err(|source| segment.failed(source))? {
                Step::Record(record) => {
                    if !visit(&record)? {
                        return Ok(false);
                    }
                }
                Step::End => return Ok(true),
                Step::Invalid => {
                    let what = "the record is damaged: nothing of this segment was pruned";
                    return Err(segment.damaged(records.last.seq + 1, records.offset, what));
                }
            }
        }
    }
}

const MALFORMED: &str = "the proof parts of a record are malformed";

/// What was taken from one segment.
#[derive(Default)]
struct Pruned {
    proofs: u64,
    bytes: u64,
}
