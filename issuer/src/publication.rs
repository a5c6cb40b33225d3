//! What the checkpoints of the issuance log are made from: how much has been withdrawn in it.

use farthing_ecash::{
    entry::{Entry, EntryKind},
    statement::Statement,
    transaction::Core,
};
use farthing_ledger::{
    hash::Hash,
    publisher::{Extensions, Subject, SubjectError},
};
use farthing_store::LogRecord;

/// The sum of all withdrawals in the log, exactly as far as a checkpoint goes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Withdrawals {
    /// Minor units.
    total: u128,
}

impl Withdrawals {
    /// The sum that a checkpoint was signed with.
    pub(crate) fn total(state: &[u8]) -> Result<u128, SubjectError> {
        let bytes = state.try_into().map_err(|_| SubjectError::Damaged("the sum of withdrawals"))?;
        Ok(u128::from_le_bytes(bytes))
    }
}

impl Subject for Withdrawals {
    fn restore(&mut self, state: Option<&[u8]>) -> Result<(), SubjectError> {
        self.total = state.map_or(Ok(0), Self::total)?;
        Ok(())
    }

    async fn begin(&mut self, _: u64) -> Result<(), SubjectError> {
        Ok(())
    }

    fn heard(&mut self, _: u64) -> Result<Option<Hash>, SubjectError> {
        Ok(None)
    }

    fn entry(&mut self, record: &LogRecord) -> Result<(), SubjectError> {
        let kind = EntryKind::Transaction(Statement::Withdraw);
        if record.entry.first() != Some(&kind.code()) {
            return Ok(());
        }
        let entry = Entry::from_bytes(&record.entry).ok();
        let core = entry.and_then(|entry| Some(Core::from_prefix(entry.body()).ok()?.0));
        let core = core.ok_or(SubjectError::Damaged("a withdrawal in the log"))?;
        // 2^64 withdrawals of 2^64 do not reach 2^128.
        self.total = self.total.saturating_add(core.publics().amount.into());
        Ok(())
    }

    async fn extensions(&mut self, _: &Hash) -> Result<Extensions, SubjectError> {
        Ok(Extensions::default())
    }

    fn state(&self) -> Vec<u8> {
        self.total.to_le_bytes().to_vec()
    }
}
