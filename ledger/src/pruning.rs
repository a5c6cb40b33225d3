//! Taking proof parts away that others have checked (docs/PROTOCOL.md section 9): entries older than the operator wants to
//! keep whole, and covered by a checkpoint that enough witnesses have cosigned. Whoever cosigns has verified every proof up to
//! there. Cores and the hashes of the proof parts stay, so that a copy kept elsewhere can still be checked.

use std::{sync::Arc, time::Duration};

use farthing_ecash::calendar::Day;
use farthing_store::{LogName, PruneReport, Store};
use tokio_util::sync::CancellationToken;

use crate::{cosignature::cosignatures, published::Published, view::ViewError};

/// Time between two prunings. The store prunes by whole segments, which take days to fill.
const INTERVAL: Duration = Duration::from_secs(3_600);

/// Which proof parts may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneRule {
    /// Whole logical days for which an entry keeps its proof part after its own day.
    pub days: u32,
    /// How many of the log's witnesses have to have cosigned a checkpoint over it; at least 1.
    pub witnesses: usize,
}

/// Prunes one log by a rule.
pub struct Pruner {
    store: Store,
    log: LogName,
    published: Arc<Published>,
    rule: PruneRule,
}

impl Pruner {
    /// Prunes `log` as far as the cosigned checkpoints of `published`, which is the same log, let it.
    #[must_use]
    pub fn new(store: Store, log: LogName, published: Arc<Published>, rule: PruneRule) -> Self {
        Self { store, log, published, rule }
    }

    /// Takes away what may go `today`. `None` when nothing may.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn prune(&self, today: Day) -> Result<Option<PruneReport>, ViewError> {
        match self.boundary(today).await? {
            0 => Ok(None),
            below => Ok(Some(self.store.prune_proofs(self.log, below).await?)),
        }
    }

    /// The first entry that keeps its proof part.
    async fn boundary(&self, today: Day) -> Result<u64, ViewError> {
        let PruneRule { days, witnesses } = self.rule;
        let is_checked = |cosigned: usize| cosigned >= witnesses.max(1);
        let known = self.published.witnesses();
        let checked = self.published.newest_cosigned(|note| is_checked(cosignatures(note, known).len()));
        let Some(checked) = checked.and_then(|note| self.published.size_of(&note)) else { return Ok(0) };
        // The days of a log never go back: the old entries are at its beginning.
        let (mut low, mut high) = (0, checked);
        while low < high {
            let middle = low + (high - low) / 2;
            let is_old = self.day_of(middle).await?.get().checked_add(days).is_some_and(|kept| kept < today.get());
            if is_old { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    async fn day_of(&self, index: u64) -> Result<Day, ViewError> {
        let page = self.store.log_read_entries(self.log, index, 1).await?;
        // Type u8, logical day u32: docs/WIRE.md section 5.
        let day = page.first().and_then(|record| record.entry.get(1..)?.first_chunk::<4>().copied());
        day.map(|day| Day::new(u32::from_le_bytes(day))).ok_or(ViewError::Damaged("an entry of the log"))
    }

    /// Prunes once an hour until the shutdown.
    pub async fn keep(self, today: impl Fn() -> Day + Send, shutdown: CancellationToken) {
        loop {
            // Left alone at the shutdown; the store ends it when it is closed.
            match shutdown.run_until_cancelled(self.prune(today())).await {
                None => return,
                Some(Ok(Some(report))) if report.proofs > 0 => {
                    tracing::info!(proofs = report.proofs, bytes = report.bytes, "pruned proof parts");
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => tracing::warn!(%error, "proof parts are not pruned"),
            }
            if shutdown.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_none() {
                return;
            }
        }
    }
}
