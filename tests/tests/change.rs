//! What changes while people use their money: the policy, and the issuing key. Nobody notices, and followers find nothing.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{path::PathBuf, sync::Arc, time::Duration};

use farthing_ecash::{
    amount::{Amount, Currency},
    identity::Identity,
    statement::Statement,
};
use farthing_issuer::keys::KeyPeriods;
use farthing_service::clock::ManualClock;
use farthing_tests::{
    cluster::{Cluster, Setup},
    demo::{ALICE, BOB, PASSPHRASE},
};
use farthing_wallet::{Options, RequestId, Wallet};

const POLICY: &str = include_str!("../src/demo/policy.toml");
/// 2026-03-02 12:00 in Luxembourg (UTC+1), and its day: followers, which live by the real calendar, wait for days to come.
const NOON: i64 = 1_772_449_200;
const TODAY: u32 = 20_514;

struct Scene {
    dir: tempfile::TempDir,
    cluster: Cluster,
    clock: Arc<ManualClock>,
}

fn eur(text: &str) -> Amount {
    Currency::new("EUR", 6).unwrap().parse(text).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

impl Scene {
    async fn new(key_periods: KeyPeriods) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(NOON));
        let setup = Setup { clock: clock.clone(), key_periods, ..Setup::with_policy(POLICY) };
        let cluster = Cluster::start(&dir.path().join("servers"), setup).await.unwrap();
        Self { dir, cluster, clock }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A registered wallet that holds so much.
    async fn wallet(&self, identity: &str, amount: &str) -> Wallet {
        let invitation = self.cluster.invite(identity, "person").await.unwrap();
        let options = Options { clock: self.clock.clone(), ..Options::default() };
        let (path, connection) = (self.path(identity), self.cluster.connection());
        let (wallet, _) = Wallet::create_with(&path, PASSPHRASE, &connection, None, options).await.unwrap();
        wallet.register(identity, &invitation).await.unwrap();
        if amount != "0" {
            self.cluster.credit(identity, eur(amount)).await.unwrap();
            wallet.withdraw(eur(amount), RequestId::random()).await.unwrap();
        }
        wallet
    }

    async fn pass_days(&self, days: u64) {
        for _ in 0..days {
            self.clock.pass(Duration::from_secs(86_400));
        }
        self.cluster.advance_days().await.unwrap();
    }

    /// A follower reads everything and finds nothing wrong.
    async fn all_is_well(&self) {
        let mut follower = self.cluster.start_follower().unwrap();
        let sizes = [self.cluster.issuance_log_size().await.unwrap(), self.cluster.payment_log_size().await.unwrap()];
        follower.verified(sizes).await.unwrap();
        follower.stop().await.unwrap();
    }
}

async fn pay(wallet: &Wallet, payee: &str, amount: &str) {
    let receipt = wallet.pay(&Identity::parse(payee).unwrap(), eur(amount), "", RequestId::random()).await.unwrap();
    assert_eq!(receipt.delay, None);
}

/// Three payers pay all the time while the policy is replaced twice: once with a grace, once without, so what is on its way is
/// built anew.
#[test]
fn payments_go_on_while_the_policy_changes() {
    const PAYERS: usize = 3;
    runtime().block_on(async {
        let scene = Scene::new(KeyPeriods::default()).await;
        let bob = scene.wallet(BOB, "0").await;
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let (paid, mut payments) = tokio::sync::mpsc::unbounded_channel();
        let mut payers = tokio::task::JoinSet::new();
        for number in 0..PAYERS {
            let wallet = scene.wallet(&format!("payer{number}@bank.example"), "20.00").await;
            let (stopped, paid) = (stopped.clone(), paid.clone());
            payers.spawn(async move {
                let mut count = 0;
                while !*stopped.borrow() {
                    pay(&wallet, BOB, "0.01").await;
                    count += 1;
                    paid.send(()).unwrap();
                }
                wallet.close().await;
                count
            });
        }
        // Between two changes each policy is used: of these payments at most one of each payer was on its way before.
        let mut some = async || {
            while payments.try_recv().is_ok() {}
            for _ in 0..2 * PAYERS {
                payments.recv().await.unwrap();
            }
        };
        some().await;
        let dearer = POLICY.replace("fee = \"0.01\"", "fee = \"0.02\"");
        assert_eq!(scene.cluster.change_policy(&dearer).await.unwrap(), 2);
        some().await;
        let at_once = POLICY.replace("grace = \"10m\"", "grace = \"0s\"").replace("fee = \"0.01\"", "fee = \"0.03\"");
        assert_eq!(scene.cluster.change_policy(&at_once).await.unwrap(), 3);
        some().await;
        stop.send(true).unwrap();
        let count: usize = payers.join_all().await.into_iter().sum();

        let logged = scene.cluster.payment_transactions(0).await.unwrap();
        let pays: Vec<_> = logged.iter().filter(|logged| logged.core.statement() == Statement::Pay).collect();
        assert_eq!(pays.len(), count, "each payment was made once");
        for (epoch, fee) in [(1, "0.01"), (2, "0.02"), (3, "0.03")] {
            let of_epoch = pays.iter().filter(|logged| logged.core.header().epoch == epoch);
            let fees: Vec<_> = of_epoch.map(|logged| logged.core.publics().fee).collect();
            assert!(!fees.is_empty() && fees.iter().all(|paid| *paid == eur(fee).get()), "{epoch}: {fees:?}");
        }
        // A lowered cap bites on the next look.
        let lowered = at_once.replace("per_day = \"10.00\", per_month", "per_day = \"0.05\", per_month");
        assert_eq!(scene.cluster.change_policy(&lowered).await.unwrap(), 4);
        let report = bob.receive().await.unwrap();
        assert_eq!((report.claimed.len(), report.pending.len()), (5, count - 5));
        bob.close().await;
        scene.all_is_well().await;
        scene.cluster.stop().await.unwrap();
    });
}

/// Two rotations: the second key takes over on its day, wallets move their money, and what was forgotten under the first key is
/// still good when payments do not take it any more.
#[test]
fn money_outlives_its_key() {
    runtime().block_on(async {
        let periods = KeyPeriods { issue_days: 30, accept_days: 10, exchange_days: 400 };
        let scene = Scene::new(periods).await;
        let alice = scene.wallet(ALICE, "20.00").await;
        let bob = scene.wallet(BOB, "0").await;
        let carol = scene.wallet("carol@bank.example", "5.00").await;
        pay(&alice, BOB, "3.00").await;
        assert_eq!(alice.aging_days().await, None);

        let second = scene.cluster.rotate_key(Some(TODAY + 2)).await.unwrap();
        scene.cluster.rotate_key(None).await.unwrap();
        // Announced: nothing changes yet.
        pay(&alice, BOB, "1.00").await;
        assert_eq!(alice.aging_days().await, None);
        scene.pass_days(2).await;
        // The first key's last day is the 29th after the first; payments take its money for ten more.
        assert_eq!(second.dates.first.get(), TODAY + 2);
        alice.info().await.unwrap();
        assert_eq!(alice.aging_days().await, Some(37));
        // Money of the older key goes first; the change is under the newer one.
        pay(&alice, BOB, "1.00").await;
        assert_eq!(alice.aging_days().await, None);
        assert!(alice.info().await.unwrap().ending.is_empty());

        // The second key is over on the 31st, a third one signs. Carol did nothing all the time; payments would not take her
        // coin, nor Bob's notes: but nothing is lost.
        scene.pass_days(43).await;
        let info = carol.info().await.unwrap();
        let ending: Vec<_> = info.ending.iter().map(|money| (money.amount, money.accept_until.get())).collect();
        assert_eq!(ending, [(eur("5.00"), TODAY + 39)]);
        assert_eq!(carol.aging_days().await, Some(0));
        let claimed = bob.receive().await.unwrap();
        assert_eq!(claimed.claimed.len(), 3, "notes and state are of the first key: {:?}", claimed.delay);
        // A payment exchanges it first.
        pay(&carol, BOB, "1.00").await;
        assert_eq!(carol.aging_days().await, None);
        // And looking for payments moves what is left.
        assert!(alice.aging_days().await.is_some());
        alice.receive().await.unwrap();
        assert_eq!(alice.aging_days().await, None);
        assert_eq!(alice.balance().await.available, eur("14.97"));
        bob.redeem(eur("4.00"), RequestId::random()).await.unwrap();
        for wallet in [alice, bob, carol] {
            wallet.close().await;
        }
        scene.all_is_well().await;
        scene.cluster.stop().await.unwrap();
    });
}
