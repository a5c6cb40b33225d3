//! Entries that were entered before, looked at once more: for a checkpoint that a mirror shows later than it was signed.

use farthing_ecash::{
    entry::{Entry, EntryKind},
    policy::SignedRules,
    spent::SpentInput,
    statement::Statement,
    transaction::Core,
};

use super::{Books, RecordError};
use crate::finding::Wrong;

/// What a part of a log comes to. Amounts in minor units.
#[derive(Debug, Default)]
pub struct Stretch {
    /// What was spent, in its order.
    pub inputs: Vec<SpentInput>,
    /// Sum of the withdrawals.
    pub withdrawn: u128,
    /// Sum of the redemptions.
    pub redeemed: u128,
    /// Sum of the fees.
    pub fees: u128,
    /// The first entry that rests on more of the issuance log than it may, and what is missing.
    pub too_early: Option<(u64, Wrong)>,
}

impl Books {
    /// Adds an entry of these books to a stretch. `issuance` is how much of the issuance log it may rest on: less than it was
    /// allowed when it was entered, if a checkpoint that names less of it was left out.
    ///
    /// # Errors
    /// [`RecordError`] when the copy has it otherwise than it was entered.
    pub fn enter_again(
        &self,
        stretch: &mut Stretch,
        index: u64,
        entry: &Entry,
        issuance: u64,
    ) -> Result<(), RecordError> {
        let mut keys = Vec::new();
        if let EntryKind::Transaction(statement) = entry.kind() {
            let core = Core::from_prefix(entry.body()).map_err(|_| RecordError)?.0;
            let publics = core.publics();
            let counted = match statement {
                Statement::Withdraw => Some((&mut stretch.withdrawn, publics.amount)),
                Statement::Redeem => Some((&mut stretch.redeemed, publics.amount)),
                Statement::Pay => Some((&mut stretch.fees, publics.fee)),
                _ => None,
            };
            if let Some((sum, amount)) = counted {
                *sum = sum.saturating_add(u128::from(amount));
            }
            stretch.inputs.extend(SpentInput::all(&core));
            keys.push(core.header().key);
            keys.extend(core.input_keys().map(|(_, key)| key));
            if statement == Statement::Renew && publics.grant >= issuance {
                stretch.too_early.get_or_insert((index, Wrong::GrantUnknown(publics.grant)));
            }
        } else if entry.kind() == EntryKind::Rules {
            keys.push(SignedRules::from_bytes(entry.body()).map_err(|_| RecordError)?.key());
        }
        if let Some(key) = keys.into_iter().find(|key| self.announced(*key, issuance).is_none()) {
            stretch.too_early.get_or_insert((index, Wrong::KeyUnknown(key)));
        }
        Ok(())
    }
}
