//! What was accepted: the serials, the answers and the log entries, written in one step.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use farthing_ecash::{
    calendar::Day,
    entry::{Entry, EntryKind, leaf_hash},
    statement::Statement,
    transaction::Transaction,
};
use farthing_ledger::hash::Hash;
use farthing_store::{Batch, Outcome, Space};

use super::log_accepted;
use crate::{
    check::Signed,
    error::SubmitError,
    heard::{Extract, Heard},
    ledger::{PAYMENTS, PaymentLog},
    liabilities::{Liabilities, Reservation},
    policy::{PolicyFence, PolicyInForce},
    redemption::{CAPS, Payout},
    renewal::{GRANTS, grant_key},
};

/// Transaction id → index of its entry.
const IDS: Space = Space("id");

/// Serial → id of the transaction that consumed it. Serials of all kinds share it.
const NULLIFIERS: Space = Space("nullifier");

/// How long it takes until everybody knows a policy that is written.
const NEW_POLICY_PAUSE: Duration = Duration::from_millis(1);

/// The answer to an accepted transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The canonical answer.
    pub answer: Vec<u8>,
    /// The index of the entry in the payment log.
    pub log_index: u64,
}

/// What was accepted.
pub struct Records {
    log: Arc<PaymentLog>,
    policy: Arc<PolicyInForce>,
    liabilities: Arc<Liabilities>,
    heard: Arc<Heard>,
}

impl Records {
    pub(crate) fn new(
        log: Arc<PaymentLog>,
        policy: Arc<PolicyInForce>,
        liabilities: Arc<Liabilities>,
        heard: Arc<Heard>,
    ) -> Self {
        Self { log, policy, liabilities, heard }
    }

    /// What it owes.
    pub(super) fn liabilities(&self) -> &Arc<Liabilities> {
        &self.liabilities
    }

    /// The answer that this transaction got before.
    ///
    /// # Errors
    /// [`SubmitError::StoreUnavailable`].
    pub async fn find(&self, transaction: &Transaction) -> Result<Option<Accepted>, SubmitError> {
        match self.log.store().get(IDS, transaction.id().as_bytes()).await? {
            Some(index) => self.answer_at(index_from(&index)?, transaction.core_bytes()).await.map(Some),
            None => Ok(None),
        }
    }

    /// Checks that nothing that a transaction consumes, serials and grants, was consumed by another one. That the transaction itself was written
    /// a moment ago is found out by [`Records::write`].
    ///
    /// # Errors
    /// [`SubmitError::AlreadySpent`], [`SubmitError::StoreUnavailable`].
    pub async fn check_fresh(&self, transaction: &Transaction) -> Result<(), SubmitError> {
        let id = transaction.id();
        for nullifier in transaction.core().nullifiers() {
            match self.log.store().get(NULLIFIERS, nullifier.as_bytes()).await? {
                Some(by) if by != id.as_bytes() => return Err(self.spent_by(&by).await?),
                _ => {}
            }
        }
        if let Some(grant) = grant_key(transaction.core())
            && let Some(by) = self.log.store().get(GRANTS, &grant).await?
            && by != id.as_bytes()
        {
            return Err(self.spent_by(&by).await?);
        }
        Ok(())
    }

    /// Writes a verified transaction with its answer, all of it or nothing; or finds that it is written. A redemption has
    /// a `payout`, which is owed to its account from then on, and a `reservation`, which is settled.
    ///
    /// # Errors
    /// [`SubmitError::AlreadySpent`] when another transaction was first; [`SubmitError::PolicyMoved`] when two policies have
    /// come since it was built; [`SubmitError::CapExceeded`];
    /// [`SubmitError::StoreUnavailable`] and [`SubmitError::OutcomeUnknown`].
    pub async fn write(
        &self,
        signed: &Signed,
        payout: Option<&Payout>,
        reservation: Option<&Reservation>,
    ) -> Result<Accepted, SubmitError> {
        let transaction = signed.verified.transaction();
        let is_redemption = transaction.core().statement() == Statement::Redeem;
        if is_redemption != payout.is_some() || is_redemption != reservation.is_some() {
            return Err(SubmitError::Internal("a redemption and nothing else has a payout"));
        }
        let answer = signed.answer.to_bytes();
        // The leaf of the entry as it was drafted last, which is that of the entry as it is written.
        let leaf = Mutex::new(None);
        loop {
            let redeemed = match payout {
                Some(payout) => self.log.store().get(CAPS, &payout.account().to_bytes()).await?,
                None => None,
            };
            let payout = payout.map(|payout| (payout, redeemed.as_deref()));
            let draft = |day| {
                let fence = self.policy.fence(transaction.core().header(), day)?;
                batch(transaction, &answer, payout, day, &leaf).map(|batch| fence.guard(batch))
            };
            let outcome = self.log.commit(draft).await?;
            if PolicyFence::is_over(&outcome) {
                tokio::time::sleep(NEW_POLICY_PAUSE).await;
                continue;
            }
            return match outcome {
                Outcome::Applied { positions } => {
                    let log_index = *positions.first().ok_or(SubmitError::Internal("the entry has no position"))?;
                    reservation.into_iter().for_each(Reservation::settle);
                    let extract = Extract::of(transaction.core());
                    self.liabilities.paid(&extract);
                    if let Some(leaf) = leaf.into_inner().unwrap_or_else(PoisonError::into_inner) {
                        self.heard.tell(log_index, leaf, extract);
                    }
                    let accepted = Accepted { answer, log_index };
                    log_accepted(transaction.core().statement(), &accepted);
                    Ok(accepted)
                }
                // Another redemption into this account: look again at what is left of the cap.
                Outcome::Conflict { space: CAPS, .. } => continue,
                Outcome::Conflict { space: IDS, existing: Some(index), .. } => {
                    self.answer_at(index_from(&index)?, transaction.core_bytes()).await
                }
                Outcome::Conflict { space: NULLIFIERS | GRANTS, existing: Some(by), .. } => {
                    Err(self.spent_by(&by).await?)
                }
                Outcome::Conflict { .. } => Err(SubmitError::Internal("the store is not consistent")),
                Outcome::Unknown => {
                    // It may have been written: so it counts.
                    reservation.into_iter().for_each(Reservation::settle);
                    Err(SubmitError::OutcomeUnknown)
                }
            };
        }
    }

    /// The error that names the entry of the transaction that consumed a serial.
    async fn spent_by(&self, id: &[u8]) -> Result<SubmitError, SubmitError> {
        let index = self.log.store().get(IDS, id).await?;
        let index = index.ok_or(SubmitError::Internal("a serial was spent by no transaction"))?;
        Ok(SubmitError::AlreadySpent { log_index: index_from(&index)? })
    }

    /// The answer in an entry: what follows the core.
    async fn answer_at(&self, log_index: u64, core: &[u8]) -> Result<Accepted, SubmitError> {
        let damaged = SubmitError::Internal("the entry of a recorded transaction is not there");
        let Some(record) = self.log.read(log_index).await? else { return Err(damaged) };
        let entry = Entry::from_bytes(&record.entry).ok();
        let answer = entry.as_ref().and_then(|entry| entry.body().strip_prefix(core)).ok_or(damaged)?;
        Ok(Accepted { answer: answer.to_vec(), log_index })
    }
}

/// Everything that accepting a transaction means. The id is expected first, so that a transaction that is written already
/// conflicts with itself there and not at its serials.
fn batch(
    transaction: &Transaction,
    answer: &[u8],
    payout: Option<(&Payout, Option<&[u8]>)>,
    day: Day,
    leaf: &Mutex<Option<Hash>>,
) -> Result<Batch, SubmitError> {
    let core = transaction.core();
    let (id, statement_day) = (transaction.id(), core.header().day.get());
    if statement_day != day.get() && statement_day.checked_add(1) != Some(day.get()) {
        return Err(SubmitError::PeriodMoved { logical_day: day });
    }
    let kind = EntryKind::Transaction(core.statement());
    let entry = Entry::new(kind, day, [transaction.core_bytes(), answer].concat())
        .map_err(|_| SubmitError::Internal("the entry is too long"))?;
    let entry = entry.to_bytes();
    let hash = Hash::new(leaf_hash(&entry, Some(transaction.proof_bytes())));
    *leaf.lock().unwrap_or_else(PoisonError::into_inner) = Some(hash);
    let mut batch = Batch::new().expect_absent(IDS, *id.as_bytes());
    for nullifier in core.nullifiers() {
        batch = batch.expect_absent(NULLIFIERS, *nullifier.as_bytes());
    }
    for nullifier in core.nullifiers() {
        batch = batch.put(NULLIFIERS, *nullifier.as_bytes(), *id.as_bytes());
    }
    if let Some(grant) = grant_key(core) {
        batch = batch.expect_absent(GRANTS, grant).put(GRANTS, grant, *id.as_bytes());
    }
    batch = batch.append(PAYMENTS, entry, transaction.proof_bytes(), Some((IDS, id.as_bytes().to_vec())));
    match payout {
        Some((payout, redeemed)) => payout.add_to(batch, &id, day, redeemed),
        None => Ok(batch),
    }
}

fn index_from(bytes: &[u8]) -> Result<u64, SubmitError> {
    let bytes = bytes.try_into().map_err(|_| SubmitError::Internal("the index of an entry is damaged"))?;
    Ok(u64::from_le_bytes(bytes))
}
