//! The journal as one chain: its records in order, across segments.

use super::index::Index;
use super::place::RecordAddress;
use super::records::{Record, Records, Step};
use super::segment::{Position, Segment};
use crate::StoreError;

/// A record that was being written when the process or the machine stopped. It was never acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TornTail {
    /// File name of the segment.
    pub segment: String,
    /// Where the torn record begins, in bytes.
    pub offset: u64,
    /// How many bytes of it there are.
    pub bytes: u64,
}

/// The verified end of the journal.
pub(super) struct Tail<'a> {
    pub(super) segment: &'a Segment,
    /// Where the sound records of the last segment end.
    pub(super) length: u64,
    /// Where they would end if nothing of it were pruned.
    pub(super) committed: u64,
    pub(super) last: Position,
    pub(super) last_record_at: Option<u64>,
    pub(super) torn_tail: Option<TornTail>,
    pub(super) verified_records: u64,
}

/// Verifies the chain from the segment that holds the record `known`, which must be in it, to the end.
pub(super) fn verify_tail(segments: &[Segment], known: Position) -> Result<Tail<'_>, StoreError> {
    let tail = walk(segments, known.seq, |segment, record| {
        if record.position.seq == known.seq && record.position.hash != known.hash {
            return Err(segment.damaged(known.seq, record.offset, "the index was built from another journal"));
        }
        Ok(())
    })?;
    if known.seq > tail.last.seq {
        return Err(tail.segment.damaged(
            tail.last.seq + 1,
            tail.length,
            "the index has seen records that the journal does not hold: its end is damaged or missing",
        ));
    }
    Ok(tail)
}

/// Applies the records after `applied`, up to record `last`, to the index.
pub(super) fn replay(segments: &[Segment], applied: Position, last: u64, index: &Index) -> Result<(), StoreError> {
    if applied.seq == last {
        return Ok(());
    }
    walk(segments, applied.seq, |segment, record| {
        let is_new = applied.seq < record.position.seq && record.position.seq <= last;
        let address = RecordAddress { segment: segment.header.first_seq, committed_at: record.committed_at };
        if is_new { index.apply(&record.effects, address, record.position) } else { Ok(()) }
    })?;
    Ok(())
}

/// Reads the records in order, from the start of the segment that holds record `from`, and shows each sound one with its
/// segment. Damage is an error, a torn tail is not.
fn walk<'a>(
    segments: &'a [Segment],
    from: u64,
    mut visit: impl FnMut(&Segment, &Record) -> Result<(), StoreError>,
) -> Result<Tail<'a>, StoreError> {
    let first = segments.partition_point(|segment| segment.header.first_seq <= from.max(1)).saturating_sub(1);
    let mut tail: Option<Tail<'a>> = None;
    let mut verified_records = 0;
    let mut rest = segments.iter().skip(first).peekable();
    while let Some(segment) = rest.next() {
        let mut records = Records::open(segment)?;
        if let Some(before) = &tail
            && before.last != records.last
        {
            return Err(segment.damaged(before.last.seq + 1, 0, "the segment does not continue the one before it"));
        }
        let mut last_record_at = None;
        let torn = loop {
            match records.step().map_err(|source| segment.failed(source))? {
                Step::Record(record) => {
                    visit(segment, &record)?;
                    last_record_at = Some(record.offset);
                    verified_records += 1;
                }
                Step::End => break false,
                Step::Invalid => break true,
            }
        };
        let (offset, last) = (records.offset, records.last);
        if torn && (rest.peek().is_some() || records.anything_later().map_err(|source| segment.failed(source))?) {
            return Err(segment.damaged(last.seq + 1, offset, "the record is damaged, and valid ones follow it"));
        }
        let torn_tail = torn.then(|| TornTail { segment: segment.header.name(), offset, bytes: records.rest() });
        let committed = records.committed_at;
        tail = Some(Tail { segment, length: offset, committed, last, last_record_at, torn_tail, verified_records });
    }
    tail.ok_or_else(|| missing_end(0))
}

/// The journal is gone, or was never as long as the index remembers.
pub(super) fn missing_end(record: u64) -> StoreError {
    StoreError::Damaged {
        segment: "its end".to_owned(),
        record,
        offset: 0,
        what: "the index has seen records that the journal does not hold: the end of the journal is missing",
    }
}
