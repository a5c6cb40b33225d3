//! What a checkpoint may say of the entries below it.

use std::collections::BTreeMap;

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

impl Books {
    /// Takes note of a checkpoint over exactly the entries entered so far. Of a payments checkpoint, `issuance` is what is
    /// known of the issuance checkpoint that it names, and `inputs` are those of the transactions since the one before.
    ///
    /// # Errors
    /// [`Finding`]. Then the books are to be thrown away.
    pub fn conclude(
        &mut self,
        log: Log,
        checkpoint: &Checkpoint,
        issuance: Option<IssuanceHead>,
        inputs: &[SpentInput],
    ) -> Result<(), Finding> {
        let wrong = |what| Finding::checkpoint(log, checkpoint.size, what);
        if self.side(log).tree.head() != checkpoint.head() {
            return Err(wrong(Wrong::Root));
        }
        if log == Log::Payments {
            self.conclude_payments(checkpoint, issuance).map_err(wrong)?;
            self.check_spent(checkpoint, inputs).map_err(wrong)?;
        }
        self.side_mut(log).checkpoint = checkpoint.size;
        Ok(())
    }

    fn conclude_payments(&mut self, checkpoint: &Checkpoint, issuance: Option<IssuanceHead>) -> Result<(), Wrong> {
        let named = checkpoint.issuance.ok_or(Wrong::IssuanceMissing)?;
        let issuance =
            issuance.filter(|issuance| issuance.root == named.root).ok_or(Wrong::IssuanceOther(named.size))?;
        if named.size < self.issuance_named {
            return Err(Wrong::IssuanceGoesBack);
        }
        self.issuance_named = named.size;
        let (withdrawn, redeemed, fees) = (issuance.withdrawn, self.redeemed, self.fees);
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
