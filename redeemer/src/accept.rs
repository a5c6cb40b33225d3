//! The rule of acceptance, docs/PROTOCOL.md section 7, in its seven steps.

mod record;

use std::sync::Arc;

use farthing_ecash::{error::DecodeError, statement::Statement, transaction::Transaction};
use farthing_service::listener::Network;
pub use record::{Accepted, Records};
use tokio::{sync::Semaphore, task::spawn_blocking};
use tokio_util::task::TaskTracker;

use crate::{
    check::{Candidate, Verifier, check_statement},
    error::SubmitError,
    keys::Keys,
    ledger::PaymentLog,
    policy::PolicyInForce,
    redemption::{Redemption, Redemptions},
    renewal::Renewals,
};

/// Longest transaction that is decoded at once: a payment of four coins, a claim of five notes, under a fifth of a
/// millisecond.
const DECODED_AT_ONCE_BYTES_MAX: usize = 6 * 1_024;

/// Takes transactions.
pub struct Acceptor {
    log: Arc<PaymentLog>,
    records: Arc<Records>,
    keys: Arc<Keys>,
    policy: Arc<PolicyInForce>,
    verifier: Verifier,
    redemptions: Redemptions,
    renewals: Renewals,
    /// Transactions that are being decoded: one for each core.
    decoding: Semaphore,
    /// Writes that go on when the request was dropped.
    writes: TaskTracker,
}

impl Acceptor {
    /// Puts the parts together.
    pub(crate) fn new(
        log: Arc<PaymentLog>,
        keys: Arc<Keys>,
        policy: Arc<PolicyInForce>,
        verifier: Verifier,
        redemptions: Redemptions,
        renewals: Renewals,
        records: Records,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            records: Arc::new(records),
            log,
            keys,
            policy,
            verifier,
            redemptions,
            renewals,
            decoding: Semaphore::new(cores),
            writes: TaskTracker::new(),
        }
    }

    /// What has been accepted, and how it is written.
    #[must_use]
    pub fn records(&self) -> &Arc<Records> {
        &self.records
    }

    /// Accepts a transaction, or gives the answer that it got before. Dropping the future does not undo anything: once a
    /// transaction is being written it is written, and sending it again gives its answer.
    ///
    /// `sender` is where the request came from, if it came over a connection.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn submit(
        &self,
        transaction: Vec<u8>,
        private: &[u8],
        sender: Option<Network>,
    ) -> Result<Accepted, SubmitError> {
        // 1. Decode strictly, compute the id.
        let transaction = self.decode(transaction).await?;
        // 2. If it is recorded, give the recorded answer, whatever the day.
        if let Some(accepted) = self.records.find(&transaction).await? {
            return Ok(accepted);
        }
        // 3. What is cheap to check; then the serials.
        let candidate = self.check(transaction)?.sent_by(sender);
        let redemption = Redemption::read(candidate.transaction().core(), private)?;
        self.records.check_fresh(candidate.transaction()).await?;
        // 4. The proofs, with others. 5. The answer, in memory.
        let signed = self.verifier.verify(candidate).await?;
        // Only now is the issuer asked for grant and account: who has no valid proof cannot make this server ask.
        self.renewals.admit(signed.verified.transaction().core()).await?;
        let payout = match redemption {
            Some(redemption) => Some(self.redemptions.admit(redemption, self.log.today()).await?),
            None => None,
        };
        let id = *signed.verified.transaction().id().as_bytes();
        let reservation = match &payout {
            Some(payout) => Some(self.records.liabilities().reserve(id, payout.amount()).await?),
            None => None,
        };
        // 6. One durable write. 7. Only then the answer.
        let (records, wake) = (self.records.clone(), self.redemptions.wake(payout.is_some()));
        let write = self.writes.spawn(async move {
            let accepted = records.write(&signed, payout.as_ref(), reservation.as_ref()).await?;
            wake.into_iter().for_each(|wake| wake.notify_one());
            Ok(accepted)
        });
        write.await.unwrap_or(Err(SubmitError::Internal("a write has failed")))
    }

    /// Decoding a payment means some tens of curve points, less than handing it to another thread and back is worth; a large
    /// claim means hundreds, and is not decoded on the threads that serve connections.
    async fn decode(&self, bytes: Vec<u8>) -> Result<Transaction, SubmitError> {
        if bytes.len() <= DECODED_AT_ONCE_BYTES_MAX {
            return decoded(Transaction::from_bytes(&bytes));
        }
        let _turn = self.decoding.acquire().await.map_err(|_| SubmitError::Internal("decoding has ended"))?;
        let result = spawn_blocking(move || Transaction::from_bytes(&bytes)).await;
        decoded(result.map_err(|_| SubmitError::Internal("decoding has failed"))?)
    }

    fn check(&self, transaction: Transaction) -> Result<Candidate, SubmitError> {
        let core = transaction.core();
        check_statement(core)?;
        let (header, logical_day) = (core.header(), self.log.today());
        if !self.log.accepts(header.day) {
            return Err(SubmitError::PeriodMoved { logical_day });
        }
        let terms = self.policy.terms(header)?;
        Candidate::new(transaction, &terms, &self.keys.ring(), logical_day)
    }

    /// Waits for writes that are under way.
    pub(crate) async fn close(&self) {
        self.writes.close();
        self.writes.wait().await;
    }
}

fn decoded(result: Result<Transaction, DecodeError>) -> Result<Transaction, SubmitError> {
    result.map_err(|error| SubmitError::field("transaction", error.to_string()))
}

/// The name of a statement is public: it stands in the log.
pub(crate) fn log_accepted(statement: Statement, accepted: &Accepted) {
    tracing::debug!(statement = statement.name(), log_index = accepted.log_index, "accepted");
}
