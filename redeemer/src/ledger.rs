//! The payment log: entries are appended in one step with what they stand for, and their days never go back.

use std::{sync::Arc, time::Duration};

use farthing_ecash::{
    calendar::Day,
    entry::{Entry, EntryKind},
};
use farthing_service::logical_day::{DayFence, LogicalDay};
use farthing_store::{Batch, LogName, LogRecord, Outcome, Space, Store, StoreError};

use crate::error::RunError;

/// The log of everything that the redeemer accepts and announces.
pub const PAYMENTS: LogName = LogName("payments");

/// How long it takes until everybody sees a day that is written.
const NEW_DAY_PAUSE: Duration = Duration::from_millis(1);

/// The payment log.
pub struct PaymentLog {
    store: Store,
    day: Arc<LogicalDay>,
}

impl PaymentLog {
    /// The log in a store that keeps this day.
    #[must_use]
    pub fn new(store: Store, day: Arc<LogicalDay>) -> Self {
        Self { store, day }
    }

    /// The store that the log is in.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The logical day.
    #[must_use]
    pub fn today(&self) -> Day {
        Day::new(self.day.today())
    }

    /// Whether a statement of this day is accepted now.
    #[must_use]
    pub fn accepts(&self, statement_day: Day) -> bool {
        self.day.accepts(statement_day.get())
    }

    /// Commits the batch that `draft` makes for the logical day; its entries must be of that day. `draft` is called again
    /// when the day has advanced before the batch was written.
    ///
    /// # Errors
    /// Those of `draft`; [`StoreError`].
    pub(crate) async fn commit<E: From<StoreError>>(
        &self,
        draft: impl Fn(Day) -> Result<Batch, E>,
    ) -> Result<Outcome, E> {
        loop {
            let fence = self.day.fence();
            let outcome = self.store.commit(fence.guard(draft(Day::new(fence.day()))?)).await?;
            if !DayFence::is_over(&outcome) {
                return Ok(outcome);
            }
            tokio::time::sleep(NEW_DAY_PAUSE).await;
        }
    }

    /// An entry with its proof part; `None` beyond the end of the log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn read(&self, index: u64) -> Result<Option<LogRecord>, StoreError> {
        Ok(self.store.log_read(PAYMENTS, index, 1).await?.pop())
    }
}

/// Adds an entry without a proof part to a batch.
pub(crate) fn announce(
    batch: Batch,
    kind: EntryKind,
    day: Day,
    body: Vec<u8>,
    index_at: (Space, Vec<u8>),
) -> Result<Batch, RunError> {
    let entry = Entry::new(kind, day, body).map_err(|_| RunError::Damaged("policy"))?;
    Ok(batch.append(PAYMENTS, entry.to_bytes(), Vec::new(), Some(index_at)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::{Mutex, PoisonError};

    use farthing_service::clock::ManualClock;
    use jiff::tz::TimeZone;
    use tokio::{runtime::Handle, task::block_in_place};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn an_entry_that_is_late_is_built_again_for_the_new_day() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("store")).unwrap().0;
        let clock = Arc::new(ManualClock::new(86_400 * 100));
        let day = LogicalDay::start(store.clone(), clock.clone(), TimeZone::UTC, None).await.unwrap();
        let log = PaymentLog::new(store, Arc::new(day));
        let asked = Mutex::new(Vec::new());
        let outcome = log.commit(|day| {
            let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
            if asked.is_empty() {
                // Midnight, between reading the day and writing the entry.
                clock.pass(Duration::from_secs(86_400));
                block_in_place(|| Handle::current().block_on(log.day.advance())).unwrap();
            }
            asked.push(day.get());
            Ok::<_, StoreError>(Batch::new().append(PAYMENTS, day.get().to_le_bytes(), [], None))
        });
        assert_eq!(outcome.await.unwrap(), Outcome::Applied { positions: vec![0] });
        assert_eq!(*asked.lock().unwrap(), [100, 101]);
        assert_eq!(log.read(0).await.unwrap().unwrap().entry, 101u32.to_le_bytes());
        assert!(log.read(1).await.unwrap().is_none());
    }
}
