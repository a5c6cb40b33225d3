//! Reading and verifying the entries up to a checkpoint.

use std::sync::Arc;

use farthing_ecash::calendar::Day;
use farthing_ledger::{checkpoint::SignedCheckpoint, hash::Hash};

use super::{FollowError, Follower, blocking};
use crate::{
    books::Decoded,
    evidence::{self, Exhibit},
    finding::{Finding, Wrong},
    judge::{self, Suspect},
    log::Log,
    source::{Fetched, SourceError},
};

/// Entries read at a time.
const PIECE: usize = 256;

/// Records that one write of the store makes, tiles apart.
const WRITES_MAX: usize = 3_000;

/// Bytes of entries and proof parts in one write of the store.
const BYTES_MAX: usize = 2 * 1024 * 1024;

/// Leaves that one checkpoint may add. A server of Farthing signs after 65,536 at the latest; a copy that leaves checkpoints out
/// may show more at once, which is not worth the memory.
const LEAVES_MAX: u64 = 1 << 17;

/// Inputs between two checkpoints that are held until their proof is checked: those of 65,536 claims of 64 notes. A log of
/// Farthing never has more, and commonly one or two for an entry.
const INPUTS_MAX: usize = 65_536 * 65;

impl Follower {
    /// Reads and verifies the entries up to a checkpoint, and the checkpoint. `issuance` is how much of the issuance log they
    /// may rest on.
    pub(super) async fn take(
        &mut self,
        log: Log,
        checkpoint: SignedCheckpoint,
        issuance: u64,
    ) -> Result<(), FollowError> {
        self.compare(log, &checkpoint).await?;
        // Its entries may be in the copy already, when a copy that was read before has left it out.
        if checkpoint.head().size > self.books.side(log).tree.size() {
            self.read(log, &checkpoint, issuance).await?;
        }
        self.conclude(log, checkpoint, issuance).await
    }

    async fn read(&mut self, log: Log, checkpoint: &SignedCheckpoint, issuance: u64) -> Result<(), FollowError> {
        // What was signed is known before an entry is looked at, so nothing else is ever kept or judged.
        let leaves = self.signed_leaves(log, checkpoint).await?;
        self.followed_mut(log).taking = Some(checkpoint.clone());
        let mut leaves = leaves.as_slice();
        while !leaves.is_empty() {
            let next = self.books.side(log).tree.size();
            let followed = self.followed(log);
            let fetched = followed.upstream.source.entries(next, leaves.len().min(PIECE)).await;
            let fetched = fetched.map_err(|error| followed.broken(error))?;
            if fetched.is_empty() || fetched.len() > leaves.len() {
                return Err(followed.broken(SourceError::Malformed("not as many entries as were signed")));
            }
            let (signed, rest) = leaves.split_at(fetched.len());
            let differing = fetched.iter().zip(signed).position(|(fetched, leaf)| fetched.leaf() != *leaf);
            if let Some(place) = differing {
                let index = next.saturating_add(u64::try_from(place).unwrap_or(u64::MAX));
                return Err(self.not_signed(log, index, checkpoint, fetched.get(place)));
            }
            let (decoded, suspect) = blocking(move || judge::decode(log, next, fetched)).await?;
            self.check_days(log, next, &decoded)?;
            for piece in pieces(decoded) {
                self.take_piece(log, piece, issuance, checkpoint).await?;
            }
            suspect.map_err(|suspect| self.suspected(*suspect, checkpoint))?;
            leaves = rest;
        }
        Ok(())
    }

    /// The leaves up to a checkpoint that are not in the copy yet.
    async fn signed_leaves(&self, log: Log, checkpoint: &SignedCheckpoint) -> Result<Vec<Hash>, FollowError> {
        let followed = self.followed(log);
        let (mut tree, head) = (self.books.side(log).tree.clone(), checkpoint.head());
        let (first, source) = (tree.size(), &followed.upstream.source);
        if head.size.saturating_sub(first) > LEAVES_MAX {
            return Err(followed.broken(SourceError::Malformed("a checkpoint that adds too much at once")));
        }
        let leaves = source.leaves(first, head.size).await.map_err(|error| followed.broken(error))?;
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        if tree.head() == head {
            return Ok(leaves);
        }
        Err(self.contradicted(log, checkpoint).await?)
    }

    /// Logical days are not ahead of the calendar, by more than time zones are. Which of the two clocks is wrong nobody can
    /// tell, so nothing is found: the entries wait until their day has come, or the clock here is set.
    fn check_days(&self, log: Log, first: u64, entries: &[Decoded]) -> Result<(), FollowError> {
        let today = self.today();
        let last = Day::new(today.get().saturating_add(1));
        match (first..).zip(entries).find(|(_, decoded)| decoded.entry.day() > last) {
            None => Ok(()),
            Some((index, decoded)) => {
                let day = decoded.entry.day();
                Err(self.followed(log).broken(SourceError::DayAhead { index, day, today }))
            }
        }
    }

    /// The entry that is shown is not the one that was signed. Another follower may have damaged its copy.
    fn not_signed(&self, log: Log, index: u64, checkpoint: &SignedCheckpoint, entry: Option<&Fetched>) -> FollowError {
        if self.followed(log).upstream.is_mirror {
            return self.followed(log).broken(SourceError::NotSigned(index));
        }
        self.found_at(Finding::entry(log, index, Wrong::NotSigned), checkpoint, entry)
    }

    fn suspected(&self, suspect: Suspect, checkpoint: &SignedCheckpoint) -> FollowError {
        let Suspect { finding, entry } = suspect;
        self.found_at(finding, checkpoint, entry.as_ref())
    }

    fn found_at(&self, finding: Finding, checkpoint: &SignedCheckpoint, entry: Option<&Fetched>) -> FollowError {
        let exhibits: Vec<Exhibit<'_>> = match entry {
            Some(Fetched { entry, proof }) => vec![("bytes", entry.as_slice()), ("proof", proof.as_slice())],
            None => Vec::new(),
        };
        self.found(finding, checkpoint, &exhibits)
    }

    /// Keeps the evidence of a finding: the checkpoint that the log has signed over it, and what else there is. What a mirror
    /// may have caused by what it left out is no finding.
    pub(super) fn found(
        &self,
        finding: Finding,
        checkpoint: &SignedCheckpoint,
        exhibits: &[Exhibit<'_>],
    ) -> FollowError {
        let followed = self.followed(finding.log);
        if followed.upstream.is_mirror && finding.what.rests_on_what_is_listed() {
            return followed.broken(SourceError::LeftOut(finding.to_string()));
        }
        let note = checkpoint.note().to_string();
        let all = [&[("signed", note.as_bytes())], exhibits].concat();
        evidence::keep(&self.evidence, &finding, &all);
        finding.into()
    }

    async fn take_piece(
        &mut self,
        log: Log,
        piece: Vec<Decoded>,
        issuance: u64,
        checkpoint: &SignedCheckpoint,
    ) -> Result<(), FollowError> {
        let known = self.copy.known(log, &piece).await?;
        let (books, edge) = (self.books.clone(), self.followed(log).edge.clone());
        let judged = blocking(move || judge::entries(log, piece, books, edge, issuance, known)).await?;
        let mut judged = judged.map_err(|suspect| self.suspected(*suspect, checkpoint))?;
        if self.followed(log).inputs.len().saturating_add(judged.inputs.len()) > INPUTS_MAX {
            let what = SourceError::Malformed("more inputs between two checkpoints than a log can have");
            return Err(self.followed(log).broken(what));
        }
        self.copy.append(log, &judged.entries, &judged.tiles, &mut judged.books, &judged.writes).await?;
        self.books = judged.books;
        let followed = self.followed_mut(log);
        followed.edge = judged.edge;
        followed.rested_on = followed.rested_on.max(issuance);
        Arc::make_mut(&mut followed.inputs).extend(judged.inputs);
        Ok(())
    }
}

/// Cuts entries into pieces that the store takes in one write.
fn pieces(entries: Vec<Decoded>) -> Vec<Vec<Decoded>> {
    let mut pieces = vec![Vec::new()];
    let (mut writes, mut bytes) = (0, 0);
    for entry in entries {
        let (more_writes, more_bytes) = (entry.writes(), entry.bytes.len() + entry.proof.len());
        if writes + more_writes > WRITES_MAX || bytes + more_bytes > BYTES_MAX {
            pieces.push(Vec::new());
            (writes, bytes) = (0, 0);
        }
        (writes, bytes) = (writes + more_writes, bytes + more_bytes);
        if let Some(piece) = pieces.last_mut() {
            piece.push(entry);
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
