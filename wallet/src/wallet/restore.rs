//! Restoring a wallet from its words: its past is in the logs (`docs/PROTOCOL.md` section 8).

use farthing_ecash::identity::Identity;

use super::{Progress, inner::Inner};
use crate::{
    book::Edit,
    error::WalletError,
    report::{RestoreReport, Restored},
};

impl Inner {
    /// Refuses what a wallet that does not know its past must not do: it would take spent coins for money, or register
    /// twice.
    pub(super) async fn ready(&self) -> Result<(), WalletError> {
        let book = self.book.lock().await;
        book.check_not_stopped()?;
        if book.is_restoring() { Err(WalletError::RestoreUnfinished) } else { Ok(()) }
    }

    /// Looks through both logs and puts together what the wallet holds. What an earlier run has found is not looked for
    /// again.
    pub(super) async fn restore(
        &self,
        identity: Option<Identity>,
        progress: Progress,
    ) -> Result<RestoreReport, WalletError> {
        let _turn = self.receiving.lock().await;
        if self.book.lock().await.is_restoring() {
            // Pins the issuer, from whose name the wallet's secrets follow, and the redeemer.
            self.issuance().await?;
            self.terms().await?;
            self.catch_up(None, &progress).await?;
        }
        let mut book = self.book.lock().await;
        let mut edits = Vec::new();
        if let Some(identity) = identity {
            match book.pid()? {
                Some(pid) if pid != identity.pid() => return Err(WalletError::OtherIdentity { identity }),
                Some(_) => edits.push(Edit::Identity(Some(identity.as_str().to_owned()))),
                None => {}
            }
        }
        if book.is_restoring() {
            edits.push(Edit::Restored);
        }
        if !edits.is_empty() {
            book.commit(edits).await?;
        }
        let restored = match (book.state().is_ok(), book.identity()?) {
            (false, _) => Restored::NeverRegistered,
            (true, None) => Restored::WithoutIdentity,
            (true, Some(identity)) => Restored::For(identity),
        };
        Ok(RestoreReport {
            restored,
            balance: book.balance(),
            issuance_log_size: book.inbox().issuance_next,
            payment_log_size: book.inbox().next,
            items: book.item_count(),
        })
    }
}
