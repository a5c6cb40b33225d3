//! What operators, strangers and time do.

use std::time::Duration;

use farthing_wallet::WalletError;

use super::World;
use crate::{history::Step, terms::Terms};

impl World {
    /// Takes the steps that no wallet takes.
    pub(super) async fn operate(&mut self, step: &Step) {
        match *step {
            Step::Replay { entry } => self.replay(entry).await,
            Step::SetClass { wallet, grocer } => {
                let class = if grocer { "grocer" } else { "person" };
                self.cluster.set_class(self.purses[wallet].identity.as_str(), class).await.unwrap();
            }
            Step::SetPolicy(terms) => self.set_policy(terms).await,
            Step::Rotate => {
                let today = self.cluster.logical_day().await.unwrap();
                // Refused when a key begins on that day already.
                let _rotated = self.cluster.rotate_key(Some(today + 2)).await;
            }
            Step::PassDays(days) => self.pass_days(days).await,
            Step::RestartIssuer => self.cluster.restart_issuer().await.unwrap(),
            Step::RestartRedeemer => self.cluster.restart_redeemer().await.unwrap(),
            Step::KillIssuer => self.cluster.kill_issuer().await.unwrap(),
            Step::KillRedeemer => self.cluster.kill_redeemer().await.unwrap(),
            _ => {}
        }
    }

    pub(crate) async fn set_policy(&mut self, terms: Terms) {
        self.cluster.change_policy(&terms.text()).await.unwrap();
    }

    /// Lets days pass, for servers and wallets. The operator has made keys for them.
    pub(crate) async fn pass_days(&mut self, days: u32) {
        let today = self.cluster.logical_day().await.unwrap();
        while self.cluster.keys_end().unwrap().get() <= today + days + 3 {
            self.cluster.rotate_key(None).await.unwrap();
        }
        self.clock.pass(Duration::from_secs(u64::from(days) * 86_400));
        self.cluster.advance_days().await.unwrap();
    }

    /// Sends a logged transaction again, which must get its first answer, at whatever time.
    async fn replay(&mut self, entry: u64) {
        let entry = entry % self.cluster.payment_log_size().await.unwrap();
        let Ok(logged) = self.cluster.logged_transaction(entry).await else { return };
        // What has a private part cannot be sent by strangers.
        let Ok(answer) = self.cluster.submit(logged.request).await else { return };
        assert_eq!(answer, (logged.answer, entry), "a replay got another answer");
        self.replayed += 1;
    }
}

/// Servers and disks are honest here: nothing may look otherwise to a wallet.
pub(super) fn check_honest(error: &WalletError) {
    let accuses = matches!(
        error,
        WalletError::Contradiction { .. }
            | WalletError::LogContradictsItself { .. }
            | WalletError::BadAnswer { .. }
            | WalletError::Damaged { .. }
            | WalletError::Storage { .. }
            | WalletError::Internal { .. }
    );
    assert!(!accuses, "{error:?}");
}
