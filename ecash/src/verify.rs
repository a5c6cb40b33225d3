//! Verification of mixed transactions, alone or in batches (`docs/PROTOCOL.md` sections 3.2 and 4).

use std::collections::BTreeMap;

use curve25519_dalek::{RistrettoPoint, Scalar, traits::VartimeMultiscalarMul};
use rand_core::CryptoRng;

use crate::{
    amount::Amount,
    credential::present::Input,
    error::VerificationFailure,
    keys::{KeyId, KeyRing},
    range::{self, RangeCheck},
    sigma::batch::{Accumulator, weight},
    statement::{Ranges, Statement},
    transaction::{Core, Transaction, TransactionId},
};

/// A transaction whose proofs hold. Only verification makes one.
pub struct Verified(Transaction);

impl Verified {
    /// The transaction.
    #[must_use]
    pub fn transaction(&self) -> &Transaction {
        &self.0
    }

    /// Its core.
    #[must_use]
    pub fn core(&self) -> &Core {
        self.0.core()
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> TransactionId {
        self.0.id()
    }
}

/// Collects transactions of any kinds and verifies them together: the batch passes if and only if each passes alone.
///
/// It checks presentations, equations, ranges, and that a wallet state is valid and a refunded note expired. Day, epoch,
/// policy hash, fee, key dates and serials are the acceptor's to check.
pub struct BatchVerifier<'k> {
    keys: &'k KeyRing,
    queue: Vec<(Transaction, Amount)>,
}

impl<'k> BatchVerifier<'k> {
    /// An empty batch that accepts inputs under these keys.
    #[must_use]
    pub fn new(keys: &'k KeyRing) -> Self {
        Self { keys, queue: Vec::new() }
    }

    /// Adds a transaction. `minimum` is its policy's least payment; only Pay reads it.
    pub fn queue(&mut self, transaction: Transaction, minimum: Amount) {
        self.queue.push((transaction, minimum));
    }

    /// Verifies everything that was queued.
    ///
    /// # Errors
    /// The transactions, in the order in which they were queued, when at least one of them fails.
    pub fn verify(self, rng: &mut impl CryptoRng) -> Result<Vec<Verified>, Vec<(Transaction, Amount)>> {
        match check(self.keys, &self.queue, rng) {
            Ok(()) => Ok(self.queue.into_iter().map(|(transaction, _)| Verified(transaction)).collect()),
            Err(VerificationFailure) => Err(self.queue),
        }
    }
}

impl Transaction {
    /// Verifies this transaction alone: a batch of one.
    ///
    /// # Errors
    /// [`VerificationFailure`].
    pub fn verify(
        self,
        keys: &KeyRing,
        minimum: Amount,
        rng: &mut impl CryptoRng,
    ) -> Result<Verified, VerificationFailure> {
        let mut batch = BatchVerifier::new(keys);
        batch.queue(self, minimum);
        batch.verify(rng).ok().and_then(|verified| verified.into_iter().next()).ok_or(VerificationFailure)
    }
}

fn check(keys: &KeyRing, queue: &[(Transaction, Amount)], rng: &mut impl CryptoRng) -> Result<(), VerificationFailure> {
    check_public(queue, rng)?;
    check_presentations(keys, queue, rng)
}

/// Everything that needs no issuing key: all but `Ā = x·A'`.
pub(crate) fn check_public(
    queue: &[(Transaction, Amount)],
    rng: &mut impl CryptoRng,
) -> Result<(), VerificationFailure> {
    if !queue.iter().all(|(transaction, _)| transaction.core().period_holds()) {
        return Err(VerificationFailure);
    }
    let mut accumulator = Accumulator::new();
    for (transaction, _) in queue {
        accumulator.add(transaction, rng)?;
    }
    accumulator.check()?;
    range::verify(queue.iter().filter_map(|(transaction, minimum)| range_check(transaction, *minimum)).collect())
}

/// `Ā = x·A'` for all inputs: per key one constant-time multiplication, `x·A* = Ā*` with `A* = Σ w·A'`, `Ā* = Σ w·Ā`.
fn check_presentations(
    keys: &KeyRing,
    queue: &[(Transaction, Amount)],
    rng: &mut impl CryptoRng,
) -> Result<(), VerificationFailure> {
    let mut by_key: BTreeMap<KeyId, Vec<&Input>> = BTreeMap::new();
    for input in queue.iter().flat_map(|(transaction, _)| &transaction.core().inputs) {
        by_key.entry(input.key).or_default().push(input);
    }
    for (id, inputs) in by_key {
        let key = keys.get(&id).ok_or(VerificationFailure)?;
        let weights: Vec<Scalar> = inputs.iter().map(|_| weight(rng)).collect();
        let sum = |points: Vec<RistrettoPoint>| RistrettoPoint::vartime_multiscalar_mul(&weights, points);
        let a = sum(inputs.iter().map(|input| input.a.point()).collect());
        let abar = sum(inputs.iter().map(|input| input.abar.point()).collect());
        if a * key.x() != abar {
            return Err(VerificationFailure);
        }
    }
    Ok(())
}

fn range_check(transaction: &Transaction, minimum: Amount) -> Option<RangeCheck<'_>> {
    let core = transaction.core();
    let ranges = core.ranges();
    if ranges == Ranges::None {
        return None;
    }
    let commitments = core.ranged();
    let mut minimums = vec![0; commitments.len()];
    if core.statement() == Statement::Pay {
        // C_note is the second of the range column.
        if let Some(note) = minimums.get_mut(1) {
            *note = minimum.get();
        }
    }
    Some(RangeCheck {
        ranges,
        seed: transaction.bound().range_seed,
        commitments,
        minimums,
        proof: &transaction.proof().range,
    })
}
