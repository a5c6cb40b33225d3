//! A wallet is lost and comes back from its words.

use std::sync::Arc;

use farthing_ecash::identity::Identity;
use farthing_wallet::{Options, Restored, Wallet};

use super::{ALICE, BOB, Failure, PASSPHRASE, Script};

impl Script<'_> {
    pub(super) async fn restore(&mut self) -> Result<(), Failure> {
        self.title("12. Bob loses his machine. On another one he has his 24 words, and nothing else")?;
        let lost = self.with("bob", async |wallet: &Wallet| Ok(wallet.balance().await)).await?;
        let dir = self.wallet_dir("bob");
        std::fs::remove_dir_all(&dir)?;

        let connection = self.cluster.connection();
        let wallet = Wallet::create_from_words(&dir, PASSPHRASE, &connection, &self.words, Options::default()).await?;
        let restored = wallet.restore(Some(&Identity::parse(BOB)?), Arc::new(|_, _| ())).await;
        wallet.close().await;
        let report = restored?;
        check!(
            matches!(&report.restored, Restored::For(identity) if identity.as_str() == BOB),
            "it is another wallet: {:?}",
            report.restored
        );
        let found = &report.balance;
        check!(
            (found.available, found.in_flight, found.claimable) == (lost.available, lost.in_flight, lost.claimable),
            "he had {lost:?}, and now {found:?}"
        );
        self.say(&format!(
            "{} + {} entries of both logs were looked through: {} to spend and {} to claim, as before.",
            report.issuance_log_size,
            report.payment_log_size,
            self.show(found.available),
            self.show(found.claimable)
        ))?;
        let amount = self.eur("0.50")?;
        let receipt = self.pay("bob", ALICE, amount, "still here").await?;
        self.say(&format!("He pays Alice {} with it and keeps {}.", self.show(amount), self.show(receipt.available)))?;
        self.say("The servers saw: somebody who read the logs, as followers do; and a payment.")?;
        self.ok("wallet-restored")
    }
}
