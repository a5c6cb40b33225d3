//! How histories begin and end: with some money in every wallet, and with nothing on its way any more.

use std::{collections::BTreeMap, sync::Arc};

use farthing_tests::demo::PASSPHRASE;
use farthing_wallet::{Options, Wallet};

use crate::{
    books::PURPOSES,
    history::{GROCER, Mishap, NEWCOMER, Step, WALLETS},
    terms::Terms,
    world::World,
};

/// From any day to a month after that in which its payments expire.
const MONTHS_LATER: u32 = 100;

impl World {
    /// Everybody has something to begin with, and some payments are on their way that take their time.
    pub(crate) async fn begin_life(&mut self) {
        let quiet = |step| (step, Mishap::Nothing);
        for wallet in 0..NEWCOMER {
            let withdraw = |purpose, amount| quiet(Step::Withdraw { wallet, purpose, amount });
            self.take(&[withdraw("", 30_000_000), withdraw("meal", 20_000_000)]).await;
        }
        let pay = |from, to, purpose, amount| Step::Pay { from, to, purpose, amount };
        // More than a person may receive in a day: in parts, and what a person cannot claim back to its payer in parts.
        self.take(&[quiet(pay(0, 1, "", 12_000_000)), quiet(pay(1, NEWCOMER, "meal", 12_000_000))]).await;
        let killed = Mishap::KilledBeforeAnswered;
        self.take(&[(pay(0, GROCER, "meal", 1_500_000), killed), quiet(pay(GROCER, NEWCOMER, "", 500_000))]).await;
        self.take(&[
            quiet(Step::Receive { wallet: 1, join: false }),
            quiet(Step::Receive { wallet: GROCER, join: false }),
        ])
        .await;
        self.take(&[quiet(Step::Ask { wallet: 1, amount: 250_000 }), quiet(Step::Replay { entry: 3 })]).await;
        self.take(&[quiet(Step::Answer { wallet: 0, request: 0 })]).await;
    }

    /// Months later everything is claimed or taken back, by whoever is first. Then wallets, accounts and fees are all there is.
    pub(crate) async fn end_life(&mut self) {
        let quiet = |step| (step, Mishap::Nothing);
        self.take(&[quiet(Step::Register)]).await;
        self.set_policy(Terms::WIDE).await;
        self.settle_and_count().await;
        self.set_policy(Terms::FIRST).await;
        let contested = |from, to| quiet(Step::Pay { from, to, purpose: "", amount: 100_000 });
        for (one, other) in [(0, 1), (GROCER, NEWCOMER)] {
            self.take(&[contested(one, other), contested(other, one)]).await;
        }
        self.pass_days(MONTHS_LATER).await;
        self.take(&[0, 1, GROCER, NEWCOMER].map(|wallet| quiet(Step::Renew { wallet }))).await;
        // More than comes back in a day, and so in parts.
        self.take(&[quiet(Step::Refund { wallet: 1 })]).await;
        self.take(&[quiet(Step::Redeem { wallet: GROCER, amount: 1_000_000 })]).await;
        self.set_policy(Terms::WIDE).await;
        self.pass_days(1).await;
        // A claim that was written down before its payment was taken back, and is sent when it is too late.
        self.take(&[(Step::Receive { wallet: 1, join: false }, Mishap::KilledBeforeSent)]).await;
        self.take(&[quiet(Step::Refund { wallet: 0 })]).await;
        self.race().await;
        self.settle_and_count().await;
        for (number, name) in PURPOSES {
            assert_eq!(self.books.waiting(number, |_| true), 0, "nobody has what was paid for {name:?}");
        }
        self.restore("the end", &[0, 1, NEWCOMER]).await;
        self.follow().await;
    }

    /// Payees claim and payers take back, all at the same time.
    async fn race(&mut self) {
        self.find_links().await;
        let both = |wallet: usize| {
            let mut both = [Step::Receive { wallet, join: true }, Step::Refund { wallet }];
            // A wallet does one after the other: of two that pay each other both begin with the same payments.
            both.rotate_left(wallet % 2);
            both.map(|step| (step, Mishap::Nothing))
        };
        let steps: Vec<_> = (0..WALLETS).flat_map(both).collect();
        self.take(&steps).await;
    }

    /// Wallets come back from their words as they are, by what is in the logs.
    pub(crate) async fn restore(&self, when: &str, wallets: &[usize]) {
        for &number in wallets {
            let (path, connection) = (self.path(&format!("{when}-{number}")), self.cluster.connection());
            let options = Options { attempts_max: 4, ..self.options() };
            let purse = &self.purses[number];
            let restored = Wallet::create_from_words(&path, PASSPHRASE, &connection, &purse.words, options);
            let restored = restored.await.unwrap();
            restored.restore(Some(&purse.identity), Arc::new(|_, _| ())).await.unwrap();
            let whose = format!("wallet {number}, restored in {when}");
            assert_eq!(restored.balance().await, purse.wallet().balance().await, "{whose}");
            assert_eq!(restored.holdings().await, purse.wallet().holdings().await, "{whose}");
            restored.close().await;
        }
    }

    /// A follower, who knows nobody's secrets, has nothing against either log.
    async fn follow(&self) {
        let sizes = [self.cluster.issuance_log_size().await.unwrap(), self.cluster.payment_log_size().await.unwrap()];
        let mut follower = self.cluster.start_follower().unwrap();
        follower.verified(sizes).await.unwrap();
        follower.stop().await.unwrap();
    }

    /// How much was really tried.
    pub(crate) fn tried(&self) -> BTreeMap<String, u64> {
        let mut tried = self.books.count.clone();
        tried.insert("meals".to_owned(), self.books.became);
        tried.insert("requests".to_owned(), u64::try_from(self.requests.len()).unwrap());
        tried.insert("replayed".to_owned(), self.replayed);
        tried.insert("links".to_owned(), u64::try_from(self.links_of(NEWCOMER).len()).unwrap());
        tried.insert("lost".to_owned(), self.purses.iter().map(|purse| purse.lost()).sum());
        tried.insert("killed".to_owned(), self.purses.iter().map(|purse| purse.killed).sum());
        tried
    }
}
