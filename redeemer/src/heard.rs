//! What the acceptance of a transaction tells whoever makes checkpoints, so that nothing has to be read and decoded again.
//!
//! It is a courtesy: what does not fit, or came before a restart, is read from the log.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use farthing_ecash::{
    amount::Amount,
    entry::{Entry, EntryKind},
    spent::SpentInput,
    statement::Statement,
    transaction::Core,
};
use farthing_ledger::{hash::Hash, publisher::SubjectError};
use farthing_store::LogRecord;

/// Entries that wait for a checkpoint here, with some 400 bytes each. More than that wait in the log.
const WAITING_MAX: usize = 65_536;

/// What a checkpoint is made from, of one entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extract {
    /// What was spent.
    pub(crate) inputs: Vec<SpentInput>,
    /// What goes back to an account.
    pub(crate) redeemed: Amount,
    /// What the redeemer keeps.
    pub(crate) fee: Amount,
}

impl Extract {
    /// From the core of an accepted transaction.
    pub(crate) fn of(core: &Core) -> Self {
        let publics = core.publics();
        let (mut redeemed, mut fee) = (Amount::ZERO, Amount::ZERO);
        match core.statement() {
            Statement::Redeem => redeemed = Amount::new(publics.amount),
            Statement::Pay => fee = Amount::new(publics.fee),
            _ => {}
        }
        Self { inputs: SpentInput::all(core).collect(), redeemed, fee }
    }

    /// From an entry as it is logged.
    pub(crate) fn read(record: &LogRecord) -> Result<Self, SubjectError> {
        let damaged = || SubjectError::Damaged("an entry of the payment log");
        let entry = Entry::from_bytes(&record.entry).map_err(|_| damaged())?;
        match entry.kind() {
            EntryKind::Transaction(_) => Core::from_prefix(entry.body()).map(|(core, _)| Self::of(&core)),
            _ => return Ok(Self::default()),
        }
        .map_err(|_| damaged())
    }
}

/// Entries that were accepted and have no checkpoint yet, by index.
#[derive(Default)]
pub(crate) struct Heard(Mutex<BTreeMap<u64, (Hash, Extract)>>);

impl Heard {
    /// Tells of an accepted entry.
    pub(crate) fn tell(&self, index: u64, leaf: Hash, extract: Extract) {
        let mut heard = self.lock();
        if heard.len() < WAITING_MAX {
            heard.insert(index, (leaf, extract));
        }
    }

    /// Takes what was told of an entry; what was told of those before is of no use any more.
    pub(crate) fn take(&self, index: u64) -> Option<(Hash, Extract)> {
        let mut heard = self.lock();
        while heard.first_key_value().is_some_and(|(first, _)| *first < index) {
            heard.pop_first();
        }
        heard.remove(&index)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, (Hash, Extract)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_taken_once_and_what_is_late_is_forgotten() {
        let (heard, leaf) = (Heard::default(), Hash::leaf(b"leaf"));
        for index in [7, 5, 9] {
            heard.tell(index, leaf, Extract::default());
        }
        assert_eq!(heard.take(5), Some((leaf, Extract::default())));
        assert_eq!(heard.take(5), None);
        assert_eq!(heard.take(8), None);
        assert_eq!(heard.take(7), None);
        assert_eq!(heard.take(9), Some((leaf, Extract::default())));
    }

    #[test]
    fn what_does_not_fit_is_not_kept() {
        let heard = Heard::default();
        for index in 0..70_000 {
            heard.tell(index, Hash::leaf(b""), Extract::default());
        }
        assert!(heard.take(65_535).is_some());
        assert!(heard.take(65_536).is_none());
    }
}
