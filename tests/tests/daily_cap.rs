//! The daily cap cannot be passed: not by splitting, not by racing copies of a wallet, not by the clock, not round
//! midnight, not with a wallet state from before.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use farthing_ecash::{
    amount::{Amount, Currency},
    calendar::Day,
    identity::Identity,
    statement::Statement,
};
use farthing_service::clock::ManualClock;
use farthing_tests::{
    cluster::{Cluster, Setup},
    demo::{ALICE, BOB, PASSPHRASE, copy_dir},
};
use farthing_wallet::{Options, PendingReason, ReceiveReport, RequestId, Wallet};

const POLICY: &str = include_str!("../src/demo/policy.toml");
/// 2026-11-20 12:00 in Luxembourg (UTC+1).
const NOON: i64 = 1_795_172_400;
const HOUR: u64 = 3600;

struct Scene {
    dir: tempfile::TempDir,
    cluster: Cluster,
    clock: Arc<ManualClock>,
}

fn eur(text: &str) -> Amount {
    Currency::new("EUR", 6).unwrap().parse(text).unwrap()
}

impl Scene {
    /// Alice holds 90.00 EUR, Bob nothing. A person may receive 10.00 EUR a day.
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(NOON));
        let setup = Setup { clock: clock.clone(), ..Setup::with_policy(POLICY) };
        let cluster = Cluster::start(&dir.path().join("servers"), setup).await.unwrap();
        let scene = Self { dir, cluster, clock };
        scene.cluster.credit_new(ALICE, "person", eur("90.00")).await.unwrap();
        for (name, identity) in [("alice", ALICE), ("bob", BOB)] {
            let invitation = scene.cluster.invite(identity, "person").await.unwrap();
            let connection = scene.cluster.connection();
            let (wallet, _) =
                Wallet::create_with(&scene.path(name), PASSPHRASE, &connection, None, scene.options()).await.unwrap();
            wallet.register(identity, &invitation).await.unwrap();
            wallet.close().await;
        }
        let alice = scene.open("alice").await;
        alice.withdraw(eur("90.00"), RequestId::random()).await.unwrap();
        alice.close().await;
        scene
    }

    fn options(&self) -> Options {
        Options { clock: self.clock.clone(), ..Options::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn open(&self, name: &str) -> Wallet {
        let path: &Path = &self.path(name);
        Wallet::open_with(path, PASSPHRASE, self.options()).await.unwrap()
    }

    async fn pay_bob(&self, amounts: &[&str]) {
        let alice = self.open("alice").await;
        for amount in amounts {
            alice.pay(&Identity::parse(BOB).unwrap(), eur(amount), "", RequestId::random()).await.unwrap();
        }
        alice.close().await;
    }

    /// Claims in the log from this entry on.
    async fn claims_since(&self, from: u64) -> usize {
        let transactions = self.cluster.payment_transactions(from).await.unwrap();
        transactions.iter().filter(|logged| logged.core.statement() == Statement::Claim).count()
    }

    async fn receive(&self, name: &str) -> ReceiveReport {
        let wallet = self.open(name).await;
        let report = wallet.receive().await.unwrap();
        wallet.close().await;
        report
    }
}

fn sum(report: &ReceiveReport) -> Amount {
    report.claimed.iter().fold(Amount::ZERO, |sum, payment| sum.checked_add(payment.amount).unwrap())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn many_small_notes_do_not_pass_it() {
    runtime().block_on(async {
        let scene = Scene::new().await;
        scene.pay_bob(&["1.50"; 9]).await;
        let report = scene.receive("bob").await;
        // Six of them, and a part of the seventh.
        assert_eq!(sum(&report), eur("10.00"));
        assert_eq!(report.pending.len(), 3);
        assert!(report.pending.iter().all(|pending| pending.reason == PendingReason::OverDayCap));
        let again = scene.receive("bob").await;
        assert!(again.claimed.is_empty());

        // What waits is claimed on the next day.
        scene.clock.pass(Duration::from_secs(24 * HOUR));
        scene.cluster.advance_days().await.unwrap();
        let report = scene.receive("bob").await;
        assert_eq!(sum(&report), eur("3.50"));
        assert!(report.pending.is_empty());
    });
}

#[test]
fn two_copies_of_a_wallet_racing_do_not_pass_it() {
    runtime().block_on(async {
        let scene = Scene::new().await;
        scene.pay_bob(&["6.00", "7.00"]).await;
        copy_dir(&scene.path("bob"), &scene.path("bob-copy")).unwrap();
        let (one, other) = (scene.open("bob").await, scene.open("bob-copy").await);
        let (first, second) = tokio::join!(one.receive(), other.receive());
        let mut claimed: u64 = [first, second].into_iter().flatten().map(|report| sum(&report).get()).sum();
        // Once more, one after the other: each takes over what the other did, and there is room for neither.
        for copy in [&one, &other, &one, &other] {
            claimed += copy.receive().await.map_or(0, |report| sum(&report).get());
        }
        assert!(claimed <= eur("10.00").get(), "{claimed} minor units were claimed");
        // What the log says counts, not what the wallets say: both know it now.
        for copy in [&one, &other] {
            assert_eq!(copy.receive().await.unwrap().available, eur("10.00"));
        }
    });
}

#[test]
fn a_wallet_state_from_before_does_not_pass_it() {
    runtime().block_on(async {
        let scene = Scene::new().await;
        copy_dir(&scene.path("bob"), &scene.path("bob-before")).unwrap();
        scene.pay_bob(&["8.00", "8.00"]).await;
        assert_eq!(sum(&scene.receive("bob").await), eur("10.00"));
        // The copy still has the state with a total of zero.
        let from = scene.cluster.payment_log_size().await.unwrap();
        let before = scene.open("bob-before").await;
        if let Ok(report) = before.receive().await {
            assert!(report.claimed.is_empty(), "an old state claimed {}", sum(&report).get());
        }
        assert_eq!(scene.claims_since(from).await, 0, "an old state made a claim");
    });
}

#[test]
fn a_clock_that_goes_back_does_not_pass_it() {
    runtime().block_on(async {
        let mut scene = Scene::new().await;
        scene.pay_bob(&["9.00", "9.00", "9.00"]).await;
        assert_eq!(sum(&scene.receive("bob").await), eur("10.00"));
        scene.clock.pass(Duration::from_secs(24 * HOUR));
        scene.cluster.advance_days().await.unwrap();
        assert_eq!(sum(&scene.receive("bob").await), eur("10.00"));
        let today = scene.cluster.logical_day().await.unwrap();

        // Two days back: neither the running nor the restarted servers follow.
        scene.clock.set(NOON - 24 * 3600);
        scene.cluster.advance_days().await.unwrap();
        assert_eq!(scene.cluster.logical_day().await.unwrap(), today);
        scene.cluster.restart_redeemer().await.unwrap();
        assert_eq!(scene.cluster.logical_day().await.unwrap(), today);
        // A wallet whose own clock disagrees stops; one with the right clock finds its day's cap used up.
        scene.clock.set(NOON + 24 * 3600 + 60);
        let report = scene.receive("bob").await;
        assert!(report.claimed.is_empty());
        assert_eq!(report.pending.len(), 1);
    });
}

#[test]
fn the_minute_round_midnight_gives_each_day_its_own_cap_and_no_more() {
    runtime().block_on(async {
        let scene = Scene::new().await;
        scene.pay_bob(&["7.00", "7.00", "7.00"]).await;
        // 23:59:30 of the first day.
        scene.clock.pass(Duration::from_secs(12 * HOUR - 30));
        assert_eq!(sum(&scene.receive("bob").await), eur("10.00"));
        let before = Day::new(scene.cluster.logical_day().await.unwrap());
        // 00:00:30 of the next: the day before is still accepted in statements, and its counter is still full.
        scene.clock.pass(Duration::from_secs(60));
        scene.cluster.advance_days().await.unwrap();
        assert_eq!(scene.cluster.logical_day().await.unwrap(), before.get() + 1);
        assert_eq!(sum(&scene.receive("bob").await), eur("10.00"));
        let report = scene.receive("bob").await;
        assert!(report.claimed.is_empty());
        assert_eq!(report.pending.len(), 1);
    });
}
