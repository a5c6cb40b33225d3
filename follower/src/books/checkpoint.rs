//! What a checkpoint may say of the entries below it.

use std::{collections::BTreeMap, sync::Arc};

use farthing_ecash::{keys::KeyId, spent::SpentInput};
use farthing_ledger::{checkpoint::Checkpoint, hash::Hash};

use super::Books;
use crate::{
    finding::{Finding, Wrong},
    log::Log,
};

/// Coins in circulation stay below this, so that no sum of coins reaches 2^64 (docs/WIRE.md section 6).
const CIRCULATION_END: u128 = 1 << 63;

/// An issuance checkpoint that was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssuanceHead {
    /// Its root.
    pub root: Hash,
    /// What was withdrawn in its entries, in minor units.
    pub withdrawn: u128,
}

/// What was entered up to a checkpoint; later entries may have been entered too.
#[derive(Debug)]
pub struct Seen {
    /// Root of the tree of so many entries.
    pub root: Hash,
    /// Of a payments checkpoint: what is known of the issuance checkpoint that it names.
    pub issuance: Option<IssuanceHead>,
    /// Of the payments log: the inputs of the transactions since the checkpoint before.
    pub inputs: Arc<Vec<SpentInput>>,
    /// Of the payments log: sum of the redemptions, in minor units.
    pub redeemed: u128,
    /// Of the payments log: sum of the fees, in minor units.
    pub fees: u128,
}

impl Books {
    /// Takes note of a checkpoint over entries that were entered.
    ///
    /// # Errors
    /// [`Finding`]. Then the books are to be thrown away.
    pub fn conclude(&mut self, log: Log, checkpoint: &Checkpoint, seen: &Seen) -> Result<(), Finding> {
        let wrong = |what| Finding::checkpoint(log, checkpoint.size, what);
        if seen.root != checkpoint.root || checkpoint.size > self.side(log).tree.size() {
            return Err(wrong(Wrong::Root));
        }
        if log == Log::Payments {
            self.conclude_payments(checkpoint, seen).map_err(wrong)?;
            self.check_spent(checkpoint, &seen.inputs).map_err(wrong)?;
        }
        self.side_mut(log).checkpoint = checkpoint.size;
        Ok(())
    }

    fn conclude_payments(&mut self, checkpoint: &Checkpoint, seen: &Seen) -> Result<(), Wrong> {
        let named = checkpoint.issuance.ok_or(Wrong::IssuanceMissing)?;
        let issuance =
            seen.issuance.filter(|issuance| issuance.root == named.root).ok_or(Wrong::IssuanceOther(named.size))?;
        if named.size < self.issuance_named {
            return Err(Wrong::IssuanceGoesBack);
        }
        self.issuance_named = named.size;
        let (withdrawn, redeemed, fees) = (issuance.withdrawn, seen.redeemed, seen.fees);
        let out = redeemed.checked_add(fees).ok_or(Wrong::TooMuch)?;
        let circulating = withdrawn.checked_sub(out).ok_or(Wrong::PaidOut { withdrawn, redeemed, fees })?;
        if circulating < CIRCULATION_END { Ok(()) } else { Err(Wrong::TooMuch) }
    }

    /// Every input since the checkpoint before was under the published key: `Ā = x·A'`.
    fn check_spent(&self, checkpoint: &Checkpoint, inputs: &[SpentInput]) -> Result<(), Wrong> {
        let mut found: BTreeMap<KeyId, u64> = BTreeMap::new();
        for input in inputs {
            *found.entry(input.key()).or_default() += 1;
        }
        for spent in &checkpoint.spent {
            let count = found.remove(&spent.key).unwrap_or(0);
            if count != spent.inputs {
                return Err(Wrong::SpentInputs { key: spent.key, found: count, shown: spent.inputs });
            }
            let key = self.keys.get(&spent.key).ok_or(Wrong::KeyUnknown(spent.key))?;
            let proof = spent.proof.verify_inputs(key, checkpoint.root.as_bytes(), inputs);
            proof.map_err(|_| Wrong::SpentProof(spent.key))?;
        }
        match found.pop_first() {
            None => Ok(()),
            Some((key, found)) => Err(Wrong::SpentInputs { key, found, shown: 0 }),
        }
    }
}
