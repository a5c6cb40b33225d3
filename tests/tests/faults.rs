//! The network fails in the middle of each operation and disks are full: every operation comes to an end, once, and no
//! money is lost. (Processes that are killed are in `programs.rs`.)
#![allow(clippy::unwrap_used, missing_docs)]

use std::{path::PathBuf, process::Command};

use farthing_ecash::{
    amount::{Amount, Currency},
    identity::Identity,
};
use farthing_tests::{
    cluster::{Cluster, Setup},
    demo::PASSPHRASE,
    proxy::{Fault, Proxy},
};
use farthing_wallet::{OperationState, Options, RegisterOutcome, RequestId, Server, Wallet, WalletError};

const POLICY: &str = include_str!("../src/demo/policy.toml");

fn eur(text: &str) -> Amount {
    Currency::new("EUR", 6).unwrap().parse(text).unwrap()
}

fn options() -> Options {
    Options { attempts_max: 1, ..Options::default() }
}

/// Two registered wallets behind relays that can lose things; the first holds 20.00 EUR and has 30.00 EUR in its account.
struct Scene {
    dir: tempfile::TempDir,
    cluster: Cluster,
    to_issuer: Proxy,
    to_redeemer: Proxy,
    payee: Identity,
}

impl Scene {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cluster = Cluster::start(&dir.path().join("servers"), Setup::with_policy(POLICY)).await.unwrap();
        let to_issuer = Proxy::start(cluster.issuer_address()).await.unwrap();
        let to_redeemer = Proxy::start(cluster.redeemer_address()).await.unwrap();
        let payee = Identity::parse("payee@bank.example").unwrap();
        let scene = Self { dir, cluster, to_issuer, to_redeemer, payee };
        for (name, identity) in [("payer", "payer@bank.example"), ("payee", "payee@bank.example")] {
            let invitation = scene.cluster.invite(identity, "person").await.unwrap();
            scene.cluster.credit(identity, eur("50.00")).await.unwrap();
            let wallet = scene.create(name).await;
            wallet.register(identity, &invitation).await.unwrap();
            wallet.close().await;
        }
        let payer = scene.open("payer").await;
        payer.withdraw(eur("20.00"), RequestId::random()).await.unwrap();
        payer.close().await;
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn create(&self, name: &str) -> Wallet {
        let connection = self.cluster.connection_through(&self.to_issuer, &self.to_redeemer);
        Wallet::create_with(&self.path(name), PASSPHRASE, &connection, None, options()).await.unwrap().0
    }

    async fn open(&self, name: &str) -> Wallet {
        Wallet::open_with(&self.path(name), PASSPHRASE, options()).await.unwrap()
    }

    fn set(&self, fault: Fault) {
        self.to_issuer.set(fault);
        self.to_redeemer.set(fault);
    }

    fn lost(&self) -> u64 {
        self.to_issuer.lost() + self.to_redeemer.lost()
    }

    /// The wallet is closed with what it began, and opened again.
    async fn reopen(&self, wallet: Wallet, name: &str) -> Wallet {
        wallet.close().await;
        self.open(name).await
    }

    /// Whether something was lost since `before`, when it should have been.
    fn check_lost(&self, fault: Fault, before: u64) {
        assert!(fault == Fault::Refuse || self.lost() > before, "{fault:?} lost nothing");
    }

    async fn finish(&self, wallet: &Wallet) {
        self.set(Fault::None);
        let resumed = wallet.resume().await.unwrap();
        assert!(!wallet.has_unfinished().await, "still unfinished after {resumed:?}");
    }
}

const LOSSES: [Fault; 3] = [Fault::LoseRequest, Fault::LoseAnswer, Fault::Refuse];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawal_that_was_interrupted_ends_once() {
    let scene = Scene::new().await;
    let mut held = eur("20.00");
    for fault in LOSSES {
        let wallet = scene.open("payer").await;
        let before = scene.lost();
        scene.set(fault);
        let request = RequestId::random();
        let first = wallet.withdraw(eur("5.00"), request).await;
        if let Ok(receipt) = &first {
            assert_eq!(receipt.item.state, OperationState::Pending, "{fault:?}");
        }
        scene.check_lost(fault, before);
        let wallet = scene.reopen(wallet, "payer").await;
        scene.finish(&wallet).await;
        // Asked again with the same id it is done, and done once.
        let again = wallet.withdraw(eur("5.00"), request).await.unwrap();
        assert_eq!(again.item.state, OperationState::Done);
        held = held.checked_add(eur("5.00")).unwrap();
        assert_eq!(wallet.balance().await.available, held, "{fault:?}");
        wallet.close().await;
    }
    assert_eq!(scene.cluster.account_balance("payer@bank.example").await.unwrap(), eur("15.00"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_was_interrupted_ends_once() {
    let scene = Scene::new().await;
    let mut paid = 0u64;
    for fault in LOSSES {
        let wallet = scene.open("payer").await;
        let before = scene.lost();
        scene.set(fault);
        let request = RequestId::random();
        let first = wallet.pay(&scene.payee, eur("1.00"), "once", request).await;
        if let Ok(receipt) = &first {
            assert_eq!(receipt.item.state, OperationState::Pending, "{fault:?}");
        }
        scene.check_lost(fault, before);
        let wallet = scene.reopen(wallet, "payer").await;
        scene.finish(&wallet).await;
        let again = wallet.pay(&scene.payee, eur("1.00"), "once", request).await.unwrap();
        assert_eq!(again.item.state, OperationState::Done);
        paid += 1;
        let spent = eur("1.01").get() * paid;
        assert_eq!(wallet.balance().await.available.get(), eur("20.00").get() - spent, "{fault:?}");
        wallet.close().await;
    }
    let payee = scene.open("payee").await;
    let report = payee.receive().await.unwrap();
    assert_eq!(report.claimed.len(), LOSSES.len(), "each payment arrived once");
    payee.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_was_interrupted_ends_once() {
    let scene = Scene::new().await;
    for (round, fault) in (1u64..).zip(LOSSES) {
        let payer = scene.open("payer").await;
        payer.pay(&scene.payee, eur("1.00"), "", RequestId::random()).await.unwrap();
        payer.close().await;
        let payee = scene.open("payee").await;
        let before = scene.lost();
        scene.set(fault);
        if let Ok(report) = payee.receive().await {
            assert!(report.claimed.is_empty() && report.delay.is_some(), "{fault:?}: {report:?}");
        }
        scene.check_lost(fault, before);
        let payee = scene.reopen(payee, "payee").await;
        scene.finish(&payee).await;
        payee.receive().await.unwrap();
        let balance = payee.balance().await;
        assert_eq!(balance.available.get(), eur("1.00").get() * round, "{fault:?}");
        assert_eq!((balance.in_flight, balance.claimable), (Amount::ZERO, Amount::ZERO));
        payee.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redemption_that_was_interrupted_is_credited_once() {
    let mut scene = Scene::new().await;
    let mut credited = eur("30.00");
    for fault in LOSSES {
        let wallet = scene.open("payer").await;
        let before = scene.lost();
        scene.set(fault);
        let request = RequestId::random();
        if let Ok(receipt) = wallet.redeem(eur("2.00"), request).await {
            assert_eq!(receipt.item.state, OperationState::Pending, "{fault:?}");
        }
        scene.check_lost(fault, before);
        let wallet = scene.reopen(wallet, "payer").await;
        // The redeemer is restarted before, while or after it credits the account.
        scene.set(Fault::None);
        scene.cluster.restart_redeemer().await.unwrap();
        scene.finish(&wallet).await;
        let again = wallet.redeem(eur("2.00"), request).await.unwrap();
        assert_eq!(again.item.state, OperationState::Done);
        wallet.close().await;
        scene.cluster.wait_until_paid_out().await.unwrap();
        credited = credited.checked_add(eur("2.00")).unwrap();
        assert_eq!(scene.cluster.account_balance("payer@bank.example").await.unwrap(), credited, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_that_was_interrupted_ends_once() {
    let scene = Scene::new().await;
    for (round, fault) in LOSSES.into_iter().enumerate() {
        let name = format!("new{round}");
        let identity = format!("{name}@bank.example");
        let invitation = scene.cluster.invite(&identity, "person").await.unwrap();
        let wallet = scene.create(&name).await;
        // The first contact works; the registration does not.
        wallet.currency().await.unwrap();
        let before = scene.lost();
        scene.set(fault);
        if let Ok(outcome) = wallet.register(&identity, &invitation).await {
            assert!(matches!(outcome, RegisterOutcome::Pending { .. }), "{fault:?}");
        }
        scene.check_lost(fault, before);
        let wallet = scene.reopen(wallet, &name).await;
        scene.finish(&wallet).await;
        let outcome = wallet.register(&identity, &invitation).await.unwrap();
        assert!(matches!(outcome, RegisterOutcome::Registered(_)), "{fault:?}");
        wallet.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_say_what_is_wrong_and_lose_nothing() {
    let scene = Scene::new().await;
    let wallet = scene.open("payer").await;
    let nobody = Identity::parse("nobody@bank.example").unwrap();
    let pay = |payee: Identity, amount: &'static str| {
        let wallet = wallet.clone();
        async move { wallet.pay(&payee, eur(amount), "", RequestId::random()).await.map(|_| ()).unwrap_err() }
    };
    assert!(matches!(pay(nobody, "1.00").await, WalletError::IdentityUnknown { .. }));
    let payee = scene.payee.clone();
    assert!(matches!(pay(payee.clone(), "20.00").await, WalletError::InsufficientFunds { .. }), "the fee is missing");
    assert!(matches!(pay(payee.clone(), "0.00001").await, WalletError::BelowMinimum { .. }));
    assert!(matches!(pay(payee.clone(), "0").await, WalletError::AmountZero | WalletError::BelowMinimum { .. }));
    let long = "x".repeat(257);
    let too_long = wallet.pay(&payee, eur("1.00"), &long, RequestId::random()).await.map(|_| ()).unwrap_err();
    assert!(matches!(too_long, WalletError::MemoTooLong { length: 257 }));
    let too_much = wallet.withdraw(eur("99.00"), RequestId::random()).await.map(|_| ()).unwrap_err();
    assert!(matches!(too_much, WalletError::AccountTooLow { .. } | WalletError::CapExceeded { .. }));
    let too_much = wallet.redeem(eur("20.01"), RequestId::random()).await.map(|_| ()).unwrap_err();
    assert!(matches!(too_much, WalletError::InsufficientFunds { .. }));
    let request = RequestId::random();
    wallet.pay(&payee, eur("1.00"), "", request).await.unwrap();
    let reused = wallet.pay(&payee, eur("2.00"), "", request).await.map(|_| ()).unwrap_err();
    assert!(matches!(reused, WalletError::RequestIdReused));
    scene.set(Fault::Refuse);
    let unreachable = wallet.pay(&payee, eur("1.00"), "", RequestId::random()).await;
    match unreachable {
        Err(WalletError::Unreachable { server: Server::Issuer | Server::Redeemer, .. }) => {}
        Ok(receipt) => assert_eq!(receipt.item.state, OperationState::Pending),
        Err(other) => panic!("{other}"),
    }
    scene.finish(&wallet).await;
    let held = wallet.balance().await;
    assert!([eur("18.99"), eur("17.98")].contains(&held.available));
    assert_eq!(held.in_flight, Amount::ZERO);
    wallet.close().await;
}

/// A small file system in memory; `None`, with a message, where it cannot be made.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path())
            .status()
            .is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("skipped: a tmpfs cannot be mounted here (needs root)");
        }
        mounted.then_some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_the_wallet_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount("8m") else { return };
    let scene = Scene::new().await;
    let invitation = scene.cluster.invite("disk@bank.example", "person").await.unwrap();
    scene.cluster.credit("disk@bank.example", eur("50.00")).await.unwrap();
    let path = disk.0.path().join("wallet");
    let connection = scene.cluster.connection_through(&scene.to_issuer, &scene.to_redeemer);
    let (wallet, _) = Wallet::create_with(&path, PASSPHRASE, &connection, None, options()).await.unwrap();
    wallet.register("disk@bank.example", &invitation).await.unwrap();
    wallet.withdraw(eur("10.00"), RequestId::random()).await.unwrap();

    // Somebody else fills the disk.
    let ballast = disk.0.path().join("ballast");
    let _ = std::fs::write(&ballast, vec![7u8; 16 * 1024 * 1024]);
    let mut refused = 0;
    for _ in 0..3 {
        if wallet.pay(&scene.payee, eur("1.00"), "", RequestId::random()).await.is_err() {
            refused += 1;
        }
    }
    assert!(refused > 0, "a full disk was not noticed");
    wallet.close().await;

    std::fs::remove_file(&ballast).unwrap();
    let wallet = Wallet::open_with(&path, PASSPHRASE, options()).await.unwrap();
    wallet.resume().await.unwrap();
    let before = wallet.balance().await;
    assert_eq!(before.in_flight, Amount::ZERO);
    let done = 3 - refused;
    assert_eq!(before.available.get(), eur("10.00").get() - done * eur("1.01").get());
    wallet.pay(&scene.payee, eur("1.00"), "", RequestId::random()).await.unwrap();
    wallet.close().await;
}
