//! Verification of mixed transactions, alone or in batches (`docs/PROTOCOL.md` sections 3.2 and 4).

use std::collections::BTreeMap;

use curve25519_dalek::{RistrettoPoint, Scalar, traits::VartimeMultiscalarMul};
use rand_core::CryptoRng;

use crate::{
    amount::Amount,
    credential::present::Input,
    error::VerificationFailure,
    keys::{KeyId, KeyRing},
    sigma::batch::{Accumulator, Batch, Weights},
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
    let mut weights = Weights::new(rng);
    let mut sum = public_sum(queue, &mut weights)?;
    add_presentations(keys, queue, &mut weights, &mut sum)?;
    sum.check()
}

/// Everything that needs no issuing key: all but `Ā = x·A'`.
pub(crate) fn check_public(
    queue: &[(Transaction, Amount)],
    rng: &mut impl CryptoRng,
) -> Result<(), VerificationFailure> {
    public_sum(queue, &mut Weights::new(rng))?.check()
}

/// All equations and range proofs, weighted. The weights are drawn when everything was absorbed, and not before.
fn public_sum<R: CryptoRng>(
    queue: &[(Transaction, Amount)],
    weights: &mut Weights<'_, R>,
) -> Result<Accumulator, VerificationFailure> {
    if !queue.iter().all(|(transaction, _)| transaction.core().period_holds()) {
        return Err(VerificationFailure);
    }
    Batch::absorb(queue.iter().map(|(transaction, minimum)| (transaction, *minimum)))?.weigh(weights)
}

/// An input, and where it stands in the batch.
struct Placed<'a> {
    transaction: usize,
    number: usize,
    input: &'a Input,
}

impl Placed<'_> {
    /// The number of `Ā` among the points of the transaction's core.
    fn abar(&self) -> usize {
        3 * self.number + 2
    }
}

/// `Ā = x·A'` for all inputs: per key one multiplication `x·A*` of `A* = Σ w·A'`, and `Σ w·Ā − x·A*` is added to the
/// batch's sum. The multiplication is constant-time in `x`; after it, `x` is in no scalar any more, only in the point.
/// What is then done with the point takes the same time whatever point it is, since all scalars are public.
fn add_presentations<R: CryptoRng>(
    keys: &KeyRing,
    queue: &[(Transaction, Amount)],
    weights: &mut Weights<'_, R>,
    sum: &mut Accumulator,
) -> Result<(), VerificationFailure> {
    let mut by_key: BTreeMap<KeyId, Vec<Placed<'_>>> = BTreeMap::new();
    for (transaction, (it, _)) in queue.iter().enumerate() {
        for (number, input) in it.core().inputs.iter().enumerate() {
            by_key.entry(input.key).or_default().push(Placed { transaction, number, input });
        }
    }
    for (id, inputs) in by_key {
        let key = keys.get(&id).ok_or(VerificationFailure)?;
        if let [only] = inputs.as_slice() {
            let weight = weights.next();
            sum.add_to(only.transaction, only.abar(), weight)?;
            sum.push_point(weight, -(only.input.a.point() * key.x()));
            continue;
        }
        let weights: Vec<Scalar> = inputs.iter().map(|_| weights.next()).collect();
        for (placed, weight) in inputs.iter().zip(&weights) {
            sum.add_to(placed.transaction, placed.abar(), *weight)?;
        }
        let a = RistrettoPoint::vartime_multiscalar_mul(&weights, inputs.iter().map(|placed| placed.input.a.point()));
        sum.push_point(Scalar::ONE, -(a * key.x()));
    }
    Ok(())
}
