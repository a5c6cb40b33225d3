//! What happens when a store is opened: verify, cut, rebuild, replay.

use std::fmt;
use std::fs;
use std::path::Path;

use super::Options;
use super::chain::{Tail, TornTail, missing_end, replay, verify_tail};
use super::directory;
use super::index::Index;
use super::index_note::{IndexNote, Trust};
use super::journal::Journal;
use super::lock::Lock;
use super::segment::{Position, Segment};
use crate::StoreError;

/// What was found and done when the store was opened. Its `Display` is one line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// True if there was no store before.
    pub created: bool,
    /// Number of the journal's last record; 0 if it has none.
    pub last_record: u64,
    /// Records whose hashes were verified.
    pub verified_records: u64,
    /// What was cut off the end of the journal.
    pub torn_tail: Option<TornTail>,
    /// What was done with the index.
    pub index: IndexRecovery,
}

/// What was done with the index.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexRecovery {
    /// Begun with the store.
    Created,
    /// It had seen every record.
    Intact,
    /// It was behind the journal by so many records, which were applied.
    Replayed {
        /// How many.
        records: u64,
    },
    /// It was built anew from the whole journal.
    Rebuilt {
        /// Why.
        reason: String,
        /// From how many records.
        records: u64,
    },
}

impl fmt::Display for RecoveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.created {
            return f.write_str("new store");
        }
        write!(f, "{} records, {} verified", self.last_record, self.verified_records)?;
        if let Some(TornTail { segment, offset, bytes }) = &self.torn_tail {
            write!(f, ", a torn record of {bytes} bytes cut off {segment} at byte {offset}")?;
        }
        match &self.index {
            IndexRecovery::Created => Ok(()),
            IndexRecovery::Intact => f.write_str(", index intact"),
            IndexRecovery::Replayed { records } => write!(f, ", {records} records applied to the index"),
            IndexRecovery::Rebuilt { reason, records } => {
                write!(f, ", index rebuilt from {records} records: {reason}")
            }
        }
    }
}

/// Everything an open store needs.
pub(super) struct Recovered {
    pub(super) lock: Lock,
    pub(super) journal: Journal,
    pub(super) index: Index,
    pub(super) note: IndexNote,
    pub(super) report: RecoveryReport,
}

/// The directories of a store.
pub(super) fn journal_dir(dir: &Path) -> std::path::PathBuf {
    dir.join("journal")
}

pub(super) fn index_dir(dir: &Path) -> std::path::PathBuf {
    dir.join("index")
}

/// Discards the index and builds it anew from the journal, once that has been verified. The store must not be open.
///
/// This is also how an operator accepts a journal whose end is lost: the index, which remembers that there was more, is no
/// witness any more. Restore the journal instead if there is a copy.
///
/// # Errors
/// As [`Store::open`](crate::Store::open); and [`StoreError::Io`] if there is no store in `dir`.
pub fn rebuild(dir: &Path) -> Result<RecoveryReport, StoreError> {
    let journal = journal_dir(dir);
    fs::metadata(&journal).map_err(|source| StoreError::io("there is no journal in", &journal, source))?;
    let lock = Lock::take(dir)?;
    verify_tail(&Segment::list(&journal)?, Position { seq: 0, hash: [0; 32] })?;
    // An index that is only half removed must not look like one that can be trusted.
    IndexNote::new(&index_dir(dir)).distrust();
    directory::remove(&index_dir(dir))?;
    let recovered = recover_locked(dir, &Options::default(), lock)?;
    recovered.index.close(&recovered.note)?;
    Ok(recovered.report)
}

/// Opens the store's files and brings index and journal to the same point.
pub(super) fn recover(dir: &Path, options: &Options) -> Result<Recovered, StoreError> {
    directory::create(dir)?;
    let lock = Lock::take(dir)?;
    recover_locked(dir, options, lock)
}

fn recover_locked(dir: &Path, options: &Options, lock: Lock) -> Result<Recovered, StoreError> {
    let (journal_dir, index_dir) = (journal_dir(dir), index_dir(dir));
    directory::create(&journal_dir)?;
    remove_unfinished(&journal_dir)?;
    let segments = Segment::list(&journal_dir)?;
    let note = IndexNote::new(&index_dir);
    if segments.is_empty() {
        if Index::exists(&index_dir) {
            // The journal is created first, so there was one.
            return Err(missing_end(0));
        }
        let journal = Journal::create(&journal_dir, options.segment_bytes_max, options.failpoints())?;
        let index = new_index(&note, options)?;
        let report = RecoveryReport {
            created: true,
            last_record: 0,
            verified_records: 0,
            torn_tail: None,
            index: IndexRecovery::Created,
        };
        return Ok(Recovered { lock, journal, index, note, report });
    }
    match existing_index(&note, options)? {
        Existing::Usable { index, applied, clean } => {
            match verify_tail(&segments, applied) {
                Ok(tail) => {
                    let journal = resume(&journal_dir, &tail, clean, options)?;
                    replay(&segments, applied, tail.last.seq, &index).inspect_err(|_| note.distrust())?;
                    let records = tail.last.seq - applied.seq;
                    let done = if records == 0 { IndexRecovery::Intact } else { IndexRecovery::Replayed { records } };
                    Ok(Recovered { lock, journal, index, note, report: tail.report(done) })
                }
                Err(error) => {
                    // What the index has seen is evidence against the journal: it must still count after a reboot.
                    if let Err(error) = index.close(&note) {
                        tracing::warn!(%error, "the index could not be kept");
                    }
                    Err(error)
                }
            }
        }
        Existing::Unusable { reason } => {
            let start = Position { seq: 0, hash: [0; 32] };
            let tail = verify_tail(&segments, start)?;
            let journal = resume(&journal_dir, &tail, false, options)?;
            let index = new_index(&note, options)?;
            tracing::warn!(%reason, records = tail.last.seq, "rebuilding the index from the journal");
            replay(&segments, start, tail.last.seq, &index)?;
            let done = IndexRecovery::Rebuilt { reason, records: tail.last.seq };
            Ok(Recovered { lock, journal, index, note, report: tail.report(done) })
        }
    }
}

enum Existing {
    Usable { index: Index, applied: Position, clean: bool },
    Unusable { reason: String },
}

fn existing_index(note: &IndexNote, options: &Options) -> Result<Existing, StoreError> {
    if !Index::exists(note.dir()) {
        return Ok(Existing::Unusable { reason: "it was missing".to_owned() });
    }
    let trust = note.read();
    if trust == Trust::None {
        // It is not even opened: it may lack records in the middle and know only the newest.
        let reason = "it was copied while in use, or was found unreadable".to_owned();
        return Ok(Existing::Unusable { reason });
    }
    note.mark_in_use()?;
    let opened = Index::open(note.dir(), options.index_memory_bytes).and_then(|index| Ok((index.applied()?, index)));
    match opened {
        Ok((applied, index)) => Ok(Existing::Usable { index, applied, clean: trust == Trust::Clean }),
        Err(StoreError::Index { what }) => Ok(Existing::Unusable { reason: what }),
        Err(error) => Err(error),
    }
}

/// Begins an empty index in place of whatever is there.
fn new_index(note: &IndexNote, options: &Options) -> Result<Index, StoreError> {
    note.distrust();
    directory::remove(note.dir())?;
    directory::create(note.dir())?;
    note.mark_in_use()?;
    Index::open(note.dir(), options.index_memory_bytes)
}

/// Segments and notes that were being written when the process stopped.
fn remove_unfinished(journal_dir: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::io("cannot clear", journal_dir, source);
    for entry in fs::read_dir(journal_dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "tmp") {
            fs::remove_file(path).map_err(failed)?;
        }
    }
    Ok(())
}

impl Tail<'_> {
    fn report(&self, index: IndexRecovery) -> RecoveryReport {
        RecoveryReport {
            created: false,
            last_record: self.last.seq,
            verified_records: self.verified_records,
            torn_tail: self.torn_tail.clone(),
            index,
        }
    }
}

fn resume(journal_dir: &Path, tail: &Tail<'_>, clean: bool, options: &Options) -> Result<Journal, StoreError> {
    if let Some(TornTail { segment, offset, bytes }) = &tail.torn_tail {
        tracing::warn!(segment, offset, bytes, "cutting a torn record off the journal");
    }
    let last_record_at = tail.last_record_at.filter(|_| !clean);
    Journal::resume(journal_dir, tail, last_record_at, options.segment_bytes_max, options.failpoints())
}
