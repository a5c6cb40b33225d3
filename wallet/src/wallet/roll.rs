//! Moving money from older issuing keys to the one that signs now (docs/PROTOCOL.md section 2), by Swap.
//!
//! Right after a rotation the key of a coin tells who has moved already and who has not, so wallets do it at a random time: a
//! daemon whenever chance says so, and any wallet when the end comes near.

use farthing_ecash::calendar::Day;

use super::inner::Inner;
use crate::{error::WalletError, select::usual_count, terms};

/// Days before payments do not take a coin any more in which any use of the wallet moves it.
pub(crate) const SOON_DAYS: u32 = 14;

/// Swaps in one go, at the end. What is left comes next time.
const SWAPS_AT_ONCE: usize = 16;

impl Inner {
    /// For how many days payments will take the money that ends first; `None` when all is under the newest key. Asks no server.
    pub(super) async fn aging_days(&self) -> Option<u32> {
        let book = self.book.lock().await;
        let today = terms::own_day(book.pins()?, self.unix_seconds()).ok()?;
        let aging = book.aging(today).into_iter().find(|group| today <= group.dates.exchange_until)?;
        Some(aging.dates.accept_until.get().saturating_sub(today.get()))
    }

    /// Swaps some coins of the key that ends first; says whether there were any.
    ///
    /// # Errors
    /// As those of a swap; the coins are as they were, or the swap goes on when it is resumed.
    pub(super) async fn roll_over(&self) -> Result<bool, WalletError> {
        let terms = self.terms().await?;
        let today = terms.header.day;
        let mut book = self.book.lock().await;
        let Some(group) = book.aging(today).into_iter().find(|group| today <= group.dates.exchange_until) else {
            return Ok(false);
        };
        let count = usual_count(group.coins.len());
        let inputs = group.coins.into_iter().take(count).map(|(id, _)| id).collect();
        let driving = self.begin_swap(&mut book, terms, inputs).await?;
        drop(book);
        self.drive(&driving).await?;
        Ok(true)
    }

    /// Moves some of what payments will not take much longer, unless this call has `claimed`: swaps beside claims, or many at
    /// once, show that all is one wallet's. On the last day all goes. What cannot be moved now is moved another time.
    pub(super) async fn roll_over_soon(&self, claimed: bool) {
        let swaps = match self.aging_days().await {
            Some(0 | 1) => SWAPS_AT_ONCE,
            Some(..=SOON_DAYS) if !claimed => 1,
            _ => 0,
        };
        for _ in 0..swaps {
            match self.roll_over().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!("money under an older key is not moved yet: {error}");
                    return;
                }
            }
        }
    }
}

/// Whether a key ends so soon that its owner should know.
pub(super) fn ends_soon(accept_until: Day, today: Day) -> bool {
    accept_until.get() <= today.get().saturating_add(2 * SOON_DAYS)
}
