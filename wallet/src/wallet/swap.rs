//! Making one coin of several, by Swap, which costs no fee: when an operation needs it, and while the wallet is at rest.

use std::sync::Arc;

use farthing_ecash::amount::Amount;
use getrandom::{
    SysRng,
    rand_core::{Rng as _, UnwrapErr},
};

use super::inner::{Driving, Inner};
use crate::{
    book::Book,
    error::{Server, WalletError},
    history::HistoryItem,
    operation::{Intent, Season, Settled, Swap},
    select::smallest,
    terms::{self, Terms},
    vault::RecordId,
};

impl Inner {
    /// Begins to make one coin of these, which are of one purpose.
    pub(super) async fn begin_swap(
        &self,
        book: &mut Book,
        terms: Arc<Terms>,
        inputs: Vec<RecordId>,
    ) -> Result<Driving<'_>, WalletError> {
        let nothing = || WalletError::Internal { what: "a swap without coins".to_owned() };
        let (coins, purpose) = book.chosen(&inputs).ok_or_else(nothing)?;
        let amount = Amount::new(coins.iter().map(|coin| coin.value).fold(0, u64::saturating_add));
        let intent = Intent::Swap(Swap {});
        let item = HistoryItem { amount, purpose: book.purpose_name(purpose), ..self.new_item(book, &intent, None) };
        self.begin(book, &Season::Payments(terms), intent, inputs, Some(item), Vec::new()).await
    }

    /// Makes one coin of several for an operation that has to wait for it.
    pub(super) async fn merge(
        &self,
        mut book: tokio::sync::MutexGuard<'_, Book>,
        terms: Arc<Terms>,
        inputs: Vec<RecordId>,
    ) -> Result<(), WalletError> {
        let driving = self.begin_swap(&mut book, terms, inputs).await?;
        drop(book);
        match self.drive(&driving).await? {
            Settled::Done => Ok(()),
            Settled::Pending { delay } => Err(WalletError::Unreachable {
                server: Server::Redeemer,
                what: format!("coins had to be put together first, and that is not finished ({delay})"),
            }),
        }
    }

    /// Whether nothing is under way and there are more coins of a purpose than a wallet at rest leaves. Asks no server.
    pub(super) async fn has_many_coins(&self) -> bool {
        let book = self.book.lock().await;
        let today = book.pins().and_then(|pins| terms::own_day(pins, self.unix_seconds()).ok());
        let key = today.and_then(|today| book.current_key(today));
        key.is_some_and(|key| is_at_rest(&book) && !book.plenty(key.id()).is_empty())
    }

    /// Makes one coin of the smallest two or four of a purpose, of any of which there are many; says whether there was one.
    ///
    /// # Errors
    /// As those of a swap; the coins are as they were, or the swap goes on when it is resumed.
    pub(super) async fn consolidate(&self) -> Result<bool, WalletError> {
        let terms = self.terms().await?;
        let mut book = self.book.lock().await;
        if !is_at_rest(&book) {
            return Ok(false);
        }
        let (mut rng, groups) = (UnwrapErr(SysRng), book.plenty(terms.header.key));
        // There are so few purposes that the bias of the remainder is nothing.
        let place = usize::try_from(rng.next_u32()).unwrap_or(0).checked_rem(groups.len());
        let Some(coins) = place.and_then(|place| groups.get(place)) else { return Ok(false) };
        let inputs = smallest(coins, rng.next_u32());
        let driving = self.begin_swap(&mut book, terms, inputs).await?;
        drop(book);
        self.drive(&driving).await?;
        Ok(true)
    }
}

/// Whether nothing was begun that is not finished.
fn is_at_rest(book: &Book) -> bool {
    book.operations().next().is_none()
}
