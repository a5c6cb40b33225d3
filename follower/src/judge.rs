//! Judging a piece of a log: its entries against the books, and all its proofs together.

use farthing_ecash::spent::SpentInput;
use farthing_ledger::{
    checkpoint::SignedCheckpoint,
    edge::{Edge, FullTile},
};

use crate::{
    books::{Books, Decoded, Known, Seen, Writes},
    finding::{Finding, Place, Wrong},
    log::Log,
    replay,
    source::Fetched,
};

/// A piece of a log that is as it must be.
pub(crate) struct Judged {
    pub(crate) entries: Vec<Decoded>,
    pub(crate) books: Books,
    pub(crate) edge: Edge,
    pub(crate) tiles: Vec<FullTile>,
    pub(crate) writes: Writes,
    /// Of the payments log: what was spent, in its order.
    pub(crate) inputs: Vec<SpentInput>,
}

/// What is wrong, and the entry.
pub(crate) struct Suspect {
    pub(crate) finding: Finding,
    pub(crate) entry: Option<Fetched>,
}

/// Decodes entries that begin at an index, up to the first that cannot be read.
pub(crate) fn decode(log: Log, first: u64, fetched: Vec<Fetched>) -> (Vec<Decoded>, Result<(), Box<Suspect>>) {
    let mut decoded = Vec::with_capacity(fetched.len());
    for (index, fetched) in (first..).zip(fetched) {
        match Decoded::read(&fetched.entry, &fetched.proof) {
            Ok(entry) => decoded.push(entry),
            Err(what) => {
                let finding = Finding::entry(log, index, what);
                return (decoded, Err(Box::new(Suspect { finding, entry: Some(fetched) })));
            }
        }
    }
    (decoded, Ok(()))
}

/// Judges entries that follow all those before. `issuance` is how much of the issuance log they may rest on. Of several
/// things that are wrong the first is named.
pub(crate) fn entries(
    log: Log,
    mut entries: Vec<Decoded>,
    books: Books,
    edge: Edge,
    issuance: u64,
    known: Known,
) -> Result<Judged, Box<Suspect>> {
    let first = edge.size();
    judge(log, &mut entries, books, edge, issuance, known)
        .map_err(|finding| {
            let place = match finding.place {
                Place::Entry(index) => index.checked_sub(first).and_then(|place| usize::try_from(place).ok()),
                Place::Checkpoint(_) => None,
            };
            let entry = place.and_then(|place| entries.get(place));
            let entry = entry.map(|it| Fetched { entry: it.bytes.clone(), proof: it.proof.clone() });
            Box::new(Suspect { finding, entry })
        })
        .map(|judged| Judged { entries, ..judged })
}

fn judge(
    log: Log,
    entries: &mut [Decoded],
    mut books: Books,
    mut edge: Edge,
    issuance: u64,
    mut known: Known,
) -> Result<Judged, Finding> {
    let (mut writes, mut tiles, mut waiting, mut inputs) = (Writes::default(), Vec::new(), Vec::new(), Vec::new());
    let mut found = Ok(());
    for decoded in entries {
        let index = edge.size();
        match books.enter(log, decoded, issuance, &mut known, &mut writes) {
            Ok(terms) => {
                if let Some(logged) = decoded.logged.take() {
                    inputs.extend(SpentInput::all(logged.core()));
                    waiting.push((index, logged, terms));
                }
            }
            Err(finding) => {
                found = Err(finding);
                break;
            }
        }
        edge.push(decoded.leaf(), &mut tiles);
    }
    replay::verify(&books.keys, waiting)
        .map_err(|(index, fault)| Finding::entry(log, index, Wrong::Transaction(fault)))?;
    found?;
    Ok(Judged { entries: Vec::new(), books, edge, tiles, writes, inputs })
}

/// Judges a checkpoint over entries that were judged.
pub(crate) fn checkpoint(
    log: Log,
    checkpoint: &SignedCheckpoint,
    mut books: Books,
    seen: &Seen,
) -> Result<Books, Finding> {
    books.conclude(log, checkpoint.checkpoint(), seen)?;
    Ok(books)
}
