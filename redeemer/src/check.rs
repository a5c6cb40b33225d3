//! What is checked of a transaction before anything dear is done: step 3 of docs/PROTOCOL.md section 7. Nothing here reads
//! or writes the store.

mod lane;
mod offenders;
mod queue;
#[cfg(test)]
mod sample;
mod settle;
mod verifier;

use farthing_ecash::{
    amount::Amount,
    calendar::Day,
    credential::{issue::Addition, kinds::Kind},
    keys::{KeyDates, KeyRing},
    policy::PolicyTerms,
    statement::Statement,
    transaction::{Core, Transaction},
};
use farthing_service::listener::Network;
pub use verifier::{Signed, Verifier, VerifierSettings};

use crate::error::SubmitError;

/// A transaction that may be accepted if its proofs hold and its serials are fresh.
pub struct Candidate {
    transaction: Transaction,
    /// The smallest note of its policy.
    minimum: Amount,
    /// What is added to its outputs.
    addition: Addition,
    /// Who sent it, when it came over a connection.
    sender: Option<Network>,
}

impl Candidate {
    /// Checks a transaction against what stands beside it: the terms of its policy, the keys, and the logical day, which is
    /// told to wallets that are late.
    ///
    /// # Errors
    /// [`SubmitError`] with the first thing that is wrong.
    pub fn new(
        transaction: Transaction,
        terms: &PolicyTerms,
        keys: &KeyRing,
        logical_day: Day,
    ) -> Result<Self, SubmitError> {
        let core = transaction.core();
        if core.statement() == Statement::Pay {
            check_pay(core, terms)?;
        }
        if !core.period_holds() {
            return Err(SubmitError::PeriodMoved { logical_day });
        }
        check_keys(core, keys)?;
        let addition = Addition::of(core, terms.months);
        Ok(Self { transaction, minimum: terms.minimum, addition, sender: None })
    }

    /// The same, sent by somebody in this network: whoever sends bad proofs is verified apart.
    #[must_use]
    pub fn sent_by(self, sender: Option<Network>) -> Self {
        Self { sender, ..self }
    }

    /// The transaction.
    #[must_use]
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// Its notes and coins: what admission counts.
    fn weight(&self) -> usize {
        self.transaction.core().weight()
    }
}

/// Refuses statements that are not for the redeemer.
///
/// # Errors
/// [`SubmitError::Malformed`].
pub fn check_statement(core: &Core) -> Result<(), SubmitError> {
    match core.statement() {
        Statement::Pay | Statement::Claim | Statement::Redeem | Statement::Swap => Ok(()),
        Statement::Split | Statement::SplitExpired | Statement::Refund | Statement::Renew => Ok(()),
        Statement::Register | Statement::Withdraw => {
            Err(SubmitError::field("transaction", format!("{} is for the issuer", core.statement().name())))
        }
    }
}

fn check_pay(core: &Core, terms: &PolicyTerms) -> Result<(), SubmitError> {
    if core.publics().fee != terms.fee.get() {
        return Err(SubmitError::field("transaction", "the fee is not the policy's"));
    }
    let bucket = core.delivery().map(|delivery| delivery.bucket);
    if bucket.is_none_or(|bucket| u64::from(bucket) >> terms.bucket_bits != 0) {
        return Err(SubmitError::field("transaction", "the bucket has more bits than the policy's"));
    }
    Ok(())
}

/// Outputs are signed under the key that is current on the statement's day. Inputs of a Pay may be under any key up to its
/// `accept_until`; other statements only move money of a wallet, and may use it up to `exchange_until`.
fn check_keys(core: &Core, keys: &KeyRing) -> Result<(), SubmitError> {
    let header = core.header();
    let current = keys.current(header.day).map(|key| key.public().id());
    if current != Some(header.key) {
        return Err(SubmitError::KeyExpired { key: header.key });
    }
    let last_day = |dates: KeyDates| match core.statement() {
        Statement::Pay => dates.accept_until,
        _ => dates.exchange_until,
    };
    for (kind, id) in core.input_keys() {
        let is_accepted = keys.get(&id).is_some_and(|key| header.day <= last_day(key.public().dates()));
        // A rule is under the output key, which decoding has checked.
        if kind != Kind::Rule && !is_accepted {
            return Err(SubmitError::KeyExpired { key: id });
        }
    }
    Ok(())
}
