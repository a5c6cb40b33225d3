//! The scrub: reads everything and compares.

use std::fmt;
use std::path::Path;

use super::Options;
use super::chain::{TornTail, replay, verify_tail};
use super::directory;
use super::index::Index;
use super::index_note::{IndexNote, Trust};
use super::lock::Lock;
use super::recover::{index_dir, journal_dir};
use super::segment::{Position, Segment};
use crate::StoreError;

/// What a scrub found in a journal that is sound. Its `Display` is one line for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Segments of the journal.
    pub segments: usize,
    /// Records, all of them verified.
    pub records: u64,
    /// A record that was being written when the store stopped; the next start cuts it off.
    pub torn_tail: Option<TornTail>,
    /// The state of the index.
    pub index: IndexCheck,
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records in {} segments are sound", self.records, self.segments)?;
        if let Some(torn) = &self.torn_tail {
            write!(f, "; a torn record of {} bytes follows them in {}", torn.bytes, torn.segment)?;
        }
        match &self.index {
            IndexCheck::WillBeRebuilt { reason } => write!(f, "; the index will be rebuilt: {reason}"),
            IndexCheck::Agrees { keys, behind: 0 } => write!(f, "; the index agrees in all {keys} keys"),
            IndexCheck::Agrees { keys, behind } => {
                write!(f, "; the index agrees in all {keys} keys and has yet to see {behind} records")
            }
            IndexCheck::Differs { keys } => write!(f, "; the index differs in {keys} keys and must be rebuilt"),
        }
    }
}

/// The state of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexCheck {
    /// Missing, unreadable or not to be trusted: the next start rebuilds it.
    WillBeRebuilt {
        /// Why.
        reason: String,
    },
    /// It holds exactly what the journal says for the record that it has reached.
    Agrees {
        /// Keys compared.
        keys: u64,
        /// Records that it has not seen yet; the next start applies them.
        behind: u64,
    },
    /// It does not hold what the journal says: [`rebuild`](crate::rebuild) it.
    Differs {
        /// Keys that differ.
        keys: u64,
    },
}

/// Verifies the whole journal and compares the index with one built from it. Changes nothing in the journal; needs as much
/// free space as the index has. The store must not be open.
///
/// # Errors
/// [`StoreError::Damaged`] names the damaged record; [`StoreError::Locked`] the process that has the store open.
pub fn verify(dir: &Path) -> Result<VerifyReport, StoreError> {
    let journal = journal_dir(dir);
    std::fs::metadata(&journal).map_err(|source| StoreError::io("there is no journal in", &journal, source))?;
    let _lock = Lock::take(dir)?;
    let segments = Segment::list(&journal)?;
    let tail = verify_tail(&segments, Position { seq: 0, hash: [0; 32] })?;
    let index = check_index(dir, &segments)?;
    Ok(VerifyReport { segments: segments.len(), records: tail.last.seq, torn_tail: tail.torn_tail, index })
}

fn check_index(dir: &Path, segments: &[Segment]) -> Result<IndexCheck, StoreError> {
    let note = IndexNote::new(&index_dir(dir));
    if !Index::exists(note.dir()) {
        return Ok(IndexCheck::WillBeRebuilt { reason: "it is missing".to_owned() });
    }
    if note.read() == Trust::None {
        return Ok(IndexCheck::WillBeRebuilt {
            reason: "it was copied while in use, or was found unreadable".to_owned(),
        });
    }
    note.mark_in_use()?;
    let memory_bytes = Options::default().index_memory_bytes;
    let index = match Index::open(note.dir(), memory_bytes) {
        Ok(index) => index,
        Err(StoreError::Index { what }) => return Ok(IndexCheck::WillBeRebuilt { reason: what }),
        Err(error) => return Err(error),
    };
    let scratch = dir.join("verify.tmp");
    let checked = compare(&index, segments, &scratch, memory_bytes);
    let closed = index.close(&note);
    directory::remove(&scratch)?;
    match checked {
        Err(StoreError::Index { what }) => {
            note.distrust();
            Ok(IndexCheck::WillBeRebuilt { reason: what })
        }
        Ok(checked) => closed.map(|()| checked),
        Err(error) => Err(error),
    }
}

/// Builds another index up to the same record and compares the two.
fn compare(index: &Index, segments: &[Segment], scratch: &Path, memory_bytes: u64) -> Result<IndexCheck, StoreError> {
    let applied = index.applied()?;
    let tail = verify_tail(segments, applied)?;
    directory::remove(scratch)?;
    directory::create(scratch)?;
    let model = Index::open(scratch, memory_bytes)?;
    replay(segments, Position { seq: 0, hash: [0; 32] }, applied.seq, &model)?;
    let (same, different) = index.compare(&model)?;
    if different > 0 {
        return Ok(IndexCheck::Differs { keys: different });
    }
    Ok(IndexCheck::Agrees { keys: same, behind: tail.last.seq - applied.seq })
}
