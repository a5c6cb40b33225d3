//! The issuance log: every registration, withdrawal, directory entry and key, in an order in which days never go back.

use std::{sync::Arc, time::Duration};

use farthing_ecash::{
    calendar::Day,
    entry::{Entry, EntryKind},
    transaction::Transaction,
};
use farthing_service::logical_day::{DayFence, LogicalDay};
use farthing_store::{Batch, LogName, Outcome, Space, Store};

use crate::error::IssuerError;

/// The log of everything that the issuer signs and announces.
pub const ISSUANCE: LogName = LogName("issuance");

/// Transaction id → index of its entry, u64 little-endian.
pub(crate) const IDS: Space = Space("id");

/// How often a batch is built again because the day advances just now. The new day is a moment away.
const FENCE_TRIES: usize = 1_000;

/// That moment.
const FENCE_PAUSE: Duration = Duration::from_millis(2);

/// An answer that is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answered {
    /// The canonical answer.
    pub(crate) answer: Vec<u8>,
    /// The index of the entry in the issuance log.
    pub(crate) log_index: u64,
}

/// The issuance log and the days on which it is written.
pub(crate) struct IssuanceLog {
    store: Store,
    day: Arc<LogicalDay>,
}

impl IssuanceLog {
    pub(crate) fn new(store: Store, day: Arc<LogicalDay>) -> Self {
        Self { store, day }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The logical day.
    pub(crate) fn today(&self) -> Day {
        Day::new(self.day.today())
    }

    /// Refuses statements of a day that is not accepted now.
    pub(crate) fn check_day(&self, statement_day: Day) -> Result<(), IssuerError> {
        if self.day.accepts(statement_day.get()) {
            Ok(())
        } else {
            Err(IssuerError::PeriodMoved { logical_day: self.today() })
        }
    }

    /// The answer that this transaction got before: what follows its core in the entry.
    pub(crate) async fn recorded(&self, transaction: &Transaction) -> Result<Option<Answered>, IssuerError> {
        let Some(index) = self.store.get(IDS, transaction.id().as_bytes()).await? else {
            return Ok(None);
        };
        let log_index = u64::from_le_bytes(index.try_into().map_err(|_| IssuerError::damaged())?);
        let record = self.store.log_read(ISSUANCE, log_index, 1).await?.pop().ok_or_else(IssuerError::damaged)?;
        let entry = Entry::from_bytes(&record.entry).map_err(|_| IssuerError::damaged())?;
        let answer = entry.body().strip_prefix(transaction.core_bytes()).ok_or_else(IssuerError::damaged)?;
        Ok(Some(Answered { answer: answer.to_vec(), log_index }))
    }

    /// As [`IssuanceLog::recorded`], for a transaction whose id was found taken.
    pub(crate) async fn recorded_meanwhile(&self, transaction: &Transaction) -> Result<Answered, IssuerError> {
        self.recorded(transaction).await?.ok_or_else(IssuerError::damaged)
    }

    /// Adds the entry of a transaction with its answer to a batch, which is applied only if the id is not on record.
    pub(crate) fn answer(
        batch: Batch,
        transaction: &Transaction,
        answer: &[u8],
        day: Day,
    ) -> Result<Batch, IssuerError> {
        let kind = EntryKind::Transaction(transaction.core().statement());
        let entry = Entry::new(kind, day, [transaction.core_bytes(), answer].concat())
            .map_err(|_| IssuerError::Internal("the entry is no entry"))?;
        let id = transaction.id();
        let index_at = Some((IDS, id.as_bytes().to_vec()));
        let proof = transaction.proof_bytes();
        Ok(batch.expect_absent(IDS, *id.as_bytes()).append(ISSUANCE, entry.to_bytes(), proof, index_at))
    }

    /// Commits the batch that `draft` makes for the logical day; its entries must be of that day. `draft` is called again
    /// when the day has advanced meanwhile.
    pub(crate) async fn commit(
        &self,
        draft: impl Fn(Day) -> Result<Batch, IssuerError>,
    ) -> Result<Outcome, IssuerError> {
        for _ in 0..FENCE_TRIES {
            let fence = self.day.fence();
            let batch = fence.guard(draft(Day::new(fence.day()))?);
            let outcome = self.store.commit(batch).await?;
            if !DayFence::is_over(&outcome) {
                return Ok(outcome);
            }
            tokio::time::sleep(FENCE_PAUSE).await;
        }
        Err(IssuerError::Overloaded)
    }
}
