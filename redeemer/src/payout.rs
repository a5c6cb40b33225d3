//! The outbox: what is owed to accounts, delivered to the issuer exactly once.
//!
//! A record is written together with the redemption that it belongs to, and removed, durably, after the issuer has
//! confirmed. Whatever happens in between, the record is delivered again under the same transaction id, and the issuer
//! credits each id once.

use std::sync::Arc;

use farthing_ecash::amount::Amount;
use farthing_store::{Batch, Outcome, Space, Store};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{backoff::Backoff, issuer::Issuer};

/// Transaction id → account key 32, amount u64 little-endian.
pub(crate) const OUTBOX: Space = Space("outbox");

/// Records read at a time.
const PAGE: usize = 256;

/// Delivers what is owed.
pub(crate) struct Payouts {
    store: Store,
    issuer: Arc<Issuer>,
    wake: Arc<Notify>,
}

impl Payouts {
    pub(crate) fn new(store: Store, issuer: Arc<Issuer>, wake: Arc<Notify>) -> Self {
        Self { store, issuer, wake }
    }

    /// Delivers at the start, and whenever there is a new redemption, until the shutdown.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut backoff = Backoff::default();
        loop {
            let left = match shutdown.run_until_cancelled(self.deliver_all()).await {
                Some(left) => left,
                None => return,
            };
            if left == 0 {
                backoff.reset();
                if shutdown.run_until_cancelled(self.wake.notified()).await.is_none() {
                    return;
                }
            } else if !backoff.pause(&shutdown).await {
                return;
            }
        }
    }

    /// Tries every record once, and counts those that stay. One that the issuer does not take holds no other up.
    async fn deliver_all(&self) -> u64 {
        let (mut from, mut delivered, mut left) = (Vec::new(), 0u64, 0u64);
        loop {
            let page = match self.store.scan(OUTBOX, &from, PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::error!(%error, "cannot read the outbox");
                    return 1;
                }
            };
            let Some((last, _)) = page.last() else { break };
            from = [last, &[0][..]].concat();
            for (id, record) in &page {
                match self.deliver(id, record).await {
                    Ok(()) => delivered += 1,
                    Err(error) => {
                        tracing::debug!(%error, "a redemption is not delivered yet");
                        left += 1;
                    }
                }
            }
        }
        if left > 0 {
            tracing::warn!(delivered, left, "some redemptions are not delivered yet");
        } else if delivered > 0 {
            tracing::info!(delivered, "redemptions delivered");
        }
        left
    }

    async fn deliver(&self, id: &[u8], record: &[u8]) -> Result<(), DeliveryError> {
        let (account, amount) = record.split_first_chunk::<32>().ok_or(DeliveryError::Damaged)?;
        let amount = u64::from_le_bytes(amount.try_into().map_err(|_| DeliveryError::Damaged)?);
        self.issuer.credit(id, account, Amount::new(amount)).await?;
        match self.store.commit(Batch::new().delete(OUTBOX, id)).await? {
            Outcome::Applied { .. } => Ok(()),
            // It is delivered once more, which changes nothing.
            Outcome::Unknown | Outcome::Conflict { .. } => Err(DeliveryError::Unknown),
        }
    }
}

/// Why a record stays in the outbox.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error("the record is damaged: verify the store")]
    Damaged,
    #[error("the issuer: {0}")]
    Issuer(#[from] farthing_service::status::Failure),
    #[error(transparent)]
    Store(#[from] farthing_store::StoreError),
    #[error("the store does not know whether the record was removed")]
    Unknown,
}
