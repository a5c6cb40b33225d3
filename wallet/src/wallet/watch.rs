//! Following the history.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Wallet, inner::Inner};
use crate::{history::HistoryItem, report::Balance};

impl Wallet {
    /// Follows the history from a cursor on: first the items that changed after it, then those that change later.
    #[must_use]
    pub fn watch(&self, after_cursor: u64) -> Watch {
        Watch { inner: Arc::clone(&self.inner), after: after_cursor, changes: None }
    }
}

/// Follows the history; see [`Wallet::watch`]. It keeps the wallet open as a clone does.
pub struct Watch {
    inner: Arc<Inner>,
    after: u64,
    changes: Option<watch::Receiver<Option<u64>>>,
}

impl Watch {
    /// The next item that is new or got further, as it is now, with the balance after it. Its
    /// [`cursor`](HistoryItem::cursor) is where to go on later. An item that changed several times meanwhile comes once.
    /// `None` when the wallet was closed. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<(HistoryItem, Balance)> {
        loop {
            let mut changes = {
                let book = self.inner.book.lock().await;
                if let Some(item) = book.changed_after(self.after) {
                    self.after = item.cursor;
                    return Some((item.clone(), book.balance()));
                }
                self.changes.get_or_insert_with(|| book.watch()).clone()
            };
            let after = self.after;
            // Also true when a caller begins with a cursor that was never reached.
            changes.wait_for(|last| last.is_none_or(|last| last > after)).await.ok()?.as_ref()?;
        }
    }
}
