//! What all calls share.

use std::{sync::Arc, time::Duration};

use farthing_ecash::{
    calendar::Month,
    statement::Statement,
    transaction::{Core, Transaction},
    validity::Calendars,
};
use farthing_ledger::publisher::Publisher;
use farthing_store::StoreError;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use crate::{
    accounts::Accounts, directory::Directory, error::IssuerError, issuance::IssuanceLog, keys::Keys,
    policy::PolicyInUse, publication::Withdrawals, registry::Registry, supply::Supply, verifier::Verifier,
};

/// The issuer at work.
pub(crate) struct Office {
    pub(crate) log: Arc<IssuanceLog>,
    pub(crate) registry: Registry,
    pub(crate) accounts: Accounts,
    pub(crate) directory: Arc<Directory>,
    pub(crate) supply: Supply,
    pub(crate) keys: Arc<Keys>,
    pub(crate) publisher: Arc<Publisher<Withdrawals>>,
    pub(crate) policy: PolicyInUse,
    pub(crate) verifier: Verifier,
    pub(crate) origin: String,
    /// Until when wallet states are valid, and where the log says so.
    pub(crate) calendars: Calendars,
    /// Time between two batches of directory entries in the log.
    pub(crate) directory_interval: Duration,
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the store has failed for good.
    pub(crate) store_failed: CancellationToken,
}

impl Office {
    /// The validity of states that are signed in a month.
    pub(crate) fn validity(&self, month: Month) -> Result<Month, IssuerError> {
        self.calendars.validity(month).ok_or_else(IssuerError::damaged)
    }

    /// Carries out a change in a task of its own: a caller that goes away does not stop it half-way.
    pub(crate) async fn carry_out<T, F>(self: &Arc<Self>, change: impl FnOnce(Arc<Self>) -> F) -> Result<T, IssuerError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, IssuerError>> + Send + 'static,
    {
        let done = self.tasks.spawn(change(self.clone()).in_current_span()).await;
        let done = done.unwrap_or(Err(IssuerError::Internal("a change was given up: a fault of the issuer")));
        if matches!(done, Err(IssuerError::StoreUnavailable(StoreError::Failed { .. }))) {
            self.store_failed.cancel();
        }
        done
    }

    /// Refuses statements of a day that is not accepted, and those that are not under the key of that day.
    pub(crate) fn check_period(&self, core: &Core) -> Result<(), IssuerError> {
        let header = core.header();
        self.log.check_day(header.day)?;
        match self.keys.now().ring.current(header.day) {
            Some(current) if current.public().id() == header.key => Ok(()),
            _ => Err(IssuerError::KeyExpired { key: header.key }),
        }
    }
}

/// Decodes a transaction of one kind.
pub(crate) fn decode(bytes: &[u8], wanted: Statement) -> Result<Transaction, IssuerError> {
    let transaction =
        Transaction::from_bytes(bytes).map_err(|error| IssuerError::field("transaction", error.to_string()))?;
    if transaction.core().statement() == wanted {
        Ok(transaction)
    } else {
        Err(IssuerError::field("transaction", format!("must be a {}", wanted.name())))
    }
}
