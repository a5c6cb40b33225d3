//! Replaying the logs: what followers check of logged transactions, with public data only (`docs/PROTOCOL.md` section 9).
//!
//! A [`Logged`] transaction is read from its log entry and proof part; [`Replay`] verifies many of them together. It checks
//! everything that a [`BatchVerifier`](crate::verify::BatchVerifier) checks but `Ā = x·A'`, which needs the issuing key and
//! is shown by a [`SpentProof`](crate::spent::SpentProof) for all inputs of a checkpoint; and it checks the answer: that all
//! outputs were signed under the one published key, with what the signer may add and nothing else. Days, serials, fees, key
//! dates and policies are about the log as a whole and the follower's to check.

use std::collections::BTreeMap;

use rand_core::CryptoRng;

use crate::{
    amount::Amount,
    calendar::Month,
    credential::issue::{Addition, Answer},
    entry::{Entry, EntryKind},
    error::DecodeError,
    keys::{KeyId, PublicKey},
    policy::PolicyTerms,
    transaction::{Core, Transaction, TransactionId},
    verify::check_public,
};

/// A transaction with its answer as a log has them. Nothing is verified yet.
pub struct Logged {
    transaction: Transaction,
    answer: Answer,
}

impl Logged {
    /// Reads an entry and its proof part strictly.
    ///
    /// # Errors
    /// [`DecodeError`] for an entry that is no transaction, and for anything that is not canonical.
    pub fn read(entry: &Entry, proof: &[u8]) -> Result<Self, DecodeError> {
        let EntryKind::Transaction(_) = entry.kind() else { return Err(DecodeError::UnknownCode) };
        let (transaction, answer) = Transaction::from_log(entry.body(), proof)?;
        Ok(Self { transaction, answer })
    }

    /// The core.
    #[must_use]
    pub fn core(&self) -> &Core {
        self.transaction.core()
    }

    /// The transaction id.
    #[must_use]
    pub fn id(&self) -> TransactionId {
        self.transaction.id()
    }

    /// Class and validity that a Register was answered with.
    #[must_use]
    pub fn registration(&self) -> Option<(u32, Month)> {
        self.answer.registration()
    }

    /// What the signer had to add to the outputs: of its own choice it adds only class and validity of a registration, which
    /// stand in the answer.
    fn addition(&self, months: u32) -> Addition {
        let registered = self.registration().map(|(class, validity)| Addition::Registration { class, validity });
        registered.unwrap_or_else(|| Addition::of(self.core(), months))
    }
}

/// A logged transaction whose proofs hold and whose answer is under the published key. Only [`Replay::verify`] makes one.
pub struct Replayed(Logged);

impl Replayed {
    /// The core: statement, day, fee, amounts, serials, and the inputs for a [`SpentProof`](crate::spent::SpentProof).
    #[must_use]
    pub fn core(&self) -> &Core {
        self.0.core()
    }

    /// The transaction id.
    #[must_use]
    pub fn id(&self) -> TransactionId {
        self.0.id()
    }

    /// Class and validity that a Register was answered with.
    #[must_use]
    pub fn registration(&self) -> Option<(u32, Month)> {
        self.0.registration()
    }

    /// The core alone, for whoever keeps it until the next checkpoint.
    #[must_use]
    pub fn into_core(self) -> Core {
        self.0.transaction.into_core()
    }
}

/// What is wrong with a logged transaction. Everything here is public, so it may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A wallet state that is no longer valid was accepted, or a note refunded before its expiry.
    #[error("the wallet state was no longer valid, or the note had not expired, in the month of the statement")]
    Period,
    /// An equation or a range does not hold.
    #[error("its proof does not verify")]
    Proof,
    /// It names a policy that was not announced.
    #[error("it names a policy that was not announced")]
    Policy,
    /// Inputs or outputs are under a key that was not announced.
    #[error("it uses the key {0}, which was not announced")]
    Key(KeyId),
    /// The outputs were not signed under the announced key, or something else was added to them.
    #[error("its outputs were not signed under the announced key")]
    Answer,
}

/// The first transaction of a batch, in the order in which they were queued, that is not as it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("transaction {index} of the batch: {fault}")]
pub struct Refused {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// Collects logged transactions of any kinds and verifies them together.
pub struct Replay<'k> {
    keys: &'k BTreeMap<KeyId, PublicKey>,
    transactions: Vec<(Transaction, Amount)>,
    /// What each transaction was answered with; no addition when its policy is not known.
    answers: Vec<(Answer, Option<Addition>)>,
}

impl<'k> Replay<'k> {
    /// An empty batch under these announced keys.
    #[must_use]
    pub fn new(keys: &'k BTreeMap<KeyId, PublicKey>) -> Self {
        Self { keys, transactions: Vec::new(), answers: Vec::new() }
    }

    /// Adds a transaction. `terms` are those of the policy that it names; Register and Withdraw name none, and of the others
    /// those without are refused.
    pub fn queue(&mut self, logged: Logged, terms: Option<&PolicyTerms>) {
        let is_whole = terms.is_some() || logged.core().statement().is_for_issuer();
        let addition = is_whole.then(|| logged.addition(terms.map_or(0, |terms| terms.months)));
        let minimum = terms.map_or(Amount::ZERO, |terms| terms.minimum);
        self.transactions.push((logged.transaction, minimum));
        self.answers.push((logged.answer, addition));
    }

    /// How many transactions wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.transactions.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }

    /// Verifies everything that was queued.
    ///
    /// # Errors
    /// [`Refused`] names the first bad transaction.
    pub fn verify(self, rng: &mut impl CryptoRng) -> Result<Vec<Replayed>, Refused> {
        let bad_proof = first_bad(&self.transactions, false, rng);
        // What stands before the first bad proof is looked at for other faults, so that the first of all is named.
        let sound = bad_proof.unwrap_or(self.transactions.len());
        for (index, ((transaction, _), (answer, addition))) in
            self.transactions.iter().zip(&self.answers).take(sound).enumerate()
        {
            let checked = addition.ok_or(Fault::Policy).and_then(|it| self.check_answer(transaction, answer, it));
            checked.map_err(|fault| Refused { index, fault })?;
        }
        if let Some(index) = bad_proof {
            let period = self.transactions.get(index).is_none_or(|(transaction, _)| transaction.core().period_holds());
            return Err(Refused { index, fault: if period { Fault::Proof } else { Fault::Period } });
        }
        let answers = self.answers.into_iter().map(|(answer, _)| answer);
        let transactions = self.transactions.into_iter().map(|(transaction, _)| transaction);
        Ok(transactions.zip(answers).map(|(transaction, answer)| Replayed(Logged { transaction, answer })).collect())
    }

    fn check_answer(&self, transaction: &Transaction, answer: &Answer, addition: Addition) -> Result<(), Fault> {
        let core = transaction.core();
        if let Some((_, unknown)) = core.input_keys().find(|(_, key)| !self.keys.contains_key(key)) {
            return Err(Fault::Key(unknown));
        }
        let key = self.keys.get(&core.header().key).ok_or(Fault::Key(core.header().key))?;
        match answer.check_with_id(core, transaction.id(), addition, key) {
            Ok(_) => Ok(()),
            Err(_) => Err(Fault::Answer),
        }
    }
}

/// The first transaction whose proof fails. A batch that fails is halved until the bad one is alone; one that is known to
/// fail (`has_bad`) is not verified again.
fn first_bad(queue: &[(Transaction, Amount)], has_bad: bool, rng: &mut impl CryptoRng) -> Option<usize> {
    if !has_bad && check_public(queue, rng).is_ok() {
        return None;
    }
    if queue.len() <= 1 {
        return Some(0);
    }
    let (front, back) = queue.split_at(queue.len() / 2);
    match first_bad(front, false, rng) {
        Some(index) => Some(index),
        // The front alone is sound, so the fault is in the back.
        None => first_bad(back, true, rng).map(|index| front.len() + index),
    }
}
