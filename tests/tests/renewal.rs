//! The life of a registration: renewed in its window, of another class, lost and followed by the next.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{path::PathBuf, sync::Arc, time::Duration};

use farthing_ecash::{
    amount::{Amount, Currency},
    identity::Identity,
    statement::Statement,
};
use farthing_service::clock::ManualClock;
use farthing_tests::{
    cluster::{Cluster, Setup},
    demo::{ALICE, BOB, PASSPHRASE},
};
use farthing_wallet::{Options, RenewOutcome, RequestId, Restored, Wallet, WalletError};

const POLICY: &str = include_str!("../src/demo/policy.toml");
/// 2025-11-20 12:00 in Luxembourg (UTC+1). In the past: followers wait for days to come.
const NOON: i64 = 1_763_636_400;
const DAY: u64 = 24 * 3_600;

struct Scene {
    dir: tempfile::TempDir,
    cluster: Cluster,
    clock: Arc<ManualClock>,
}

fn eur(text: &str) -> Amount {
    Currency::new("EUR", 6).unwrap().parse(text).unwrap()
}

impl Scene {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(NOON));
        let setup = Setup { clock: clock.clone(), ..Setup::with_policy(POLICY) };
        let cluster = Cluster::start(&dir.path().join("servers"), setup).await.unwrap();
        Self { dir, cluster, clock }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A new wallet and its words.
    async fn create(&self, name: &str) -> (Wallet, String) {
        let options = Options { clock: self.clock.clone(), ..Options::default() };
        let connection = self.cluster.connection();
        let made = Wallet::create_with(&self.path(name), PASSPHRASE, &connection, None, options).await.unwrap();
        (made.0, made.1.to_string())
    }

    async fn registered(&self, name: &str, identity: &str) -> (Wallet, String) {
        let invitation = self.cluster.invite(identity, "person").await.unwrap();
        let made = self.create(name).await;
        made.0.register(identity, &invitation).await.unwrap();
        made
    }

    /// Alice, with 50.00 EUR.
    async fn alice(&self) -> Wallet {
        self.cluster.credit_new(ALICE, "person", eur("90.00")).await.unwrap();
        let (alice, _) = self.registered("alice", ALICE).await;
        alice.withdraw(eur("50.00"), RequestId::random()).await.unwrap();
        alice
    }

    async fn pass(&self, days: u64) {
        self.clock.pass(Duration::from_secs(days * DAY));
        self.cluster.advance_days().await.unwrap();
    }

    async fn renewals(&self) -> usize {
        let transactions = self.cluster.payment_transactions(0).await.unwrap();
        transactions.iter().filter(|logged| logged.core.statement() == Statement::Renew).count()
    }

    /// A follower has nothing against either log, which says so again and again.
    async fn followed(&self) {
        let sizes = [self.cluster.issuance_log_size().await.unwrap(), self.cluster.payment_log_size().await.unwrap()];
        let mut follower = self.cluster.start_follower().unwrap();
        follower.verified(sizes).await.unwrap();
        follower.stop().await.unwrap();
    }
}

async fn pay(payer: &Wallet, payee: &str, amount: &str) {
    payer.pay(&Identity::parse(payee).unwrap(), eur(amount), "", RequestId::random()).await.unwrap();
}

async fn registration(wallet: &Wallet) -> (String, String) {
    let registration = wallet.info().await.unwrap().registration.unwrap();
    (registration.class_name, registration.valid_through.to_string())
}

fn is(class: &str, through: &str) -> (String, String) {
    (class.to_owned(), through.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_keeps_counters_and_money_and_brings_class_and_validity() {
    let scene = Scene::new().await;
    let alice = scene.alice().await;
    let (bob, words) = scene.registered("bob", BOB).await;
    pay(&alice, BOB, "4.00").await;
    bob.receive().await.unwrap();
    assert_eq!(registration(&bob).await, is("person", "2025-12"));
    assert!(matches!(bob.renew().await.unwrap(), RenewOutcome::NotDue { .. }));

    // Another class: of the wallet, when it renews. What it has received today counts on.
    assert_eq!(bob.info().await.unwrap().new_class(), None);
    scene.cluster.set_class(BOB, "grocer").await.unwrap();
    assert_eq!(bob.info().await.unwrap().new_class(), Some("grocer"));
    assert_eq!(registration(&bob).await, is("person", "2025-12"));
    let RenewOutcome::Renewed(renewed) = bob.renew().await.unwrap() else { panic!("not renewed") };
    assert_eq!((renewed.class_name.as_str(), renewed.valid_through.to_string().as_str()), ("grocer", "2025-12"));
    let info = bob.info().await.unwrap();
    let caps = info.receipt_caps.unwrap();
    assert_eq!((caps.used_today, caps.used_this_month), (eur("4.00"), eur("4.00")));
    assert_eq!(caps.left_today, Some(eur("4996.00")));
    assert_eq!(bob.balance().await.available, eur("4.00"));
    // One renewal is outstanding at a time.
    scene.cluster.set_class(BOB, "person").await.unwrap();
    let again = bob.renew().await;
    assert!(matches!(again, Err(WalletError::GrantOutstanding { .. })), "{again:?}");

    // In the window by itself.
    scene.pass(20).await;
    pay(&alice, BOB, "8.00").await;
    let report = bob.receive().await.unwrap();
    assert_eq!((report.claimed.len(), report.not_renewed), (1, None));
    assert_eq!(scene.renewals().await, 1, "a call that claims does not renew");
    bob.receive().await.unwrap();
    assert_eq!(registration(&bob).await, is("person", "2026-06"));
    assert_eq!((scene.renewals().await, bob.balance().await.available), (2, eur("12.00")));

    let options = Options { clock: scene.clock.clone(), ..Options::default() };
    let (path, connection) = (scene.path("again"), scene.cluster.connection());
    let again = Wallet::create_from_words(&path, PASSPHRASE, &connection, &words, options).await.unwrap();
    let bob_is = Identity::parse(BOB).unwrap();
    let report = again.restore(Some(&bob_is), Arc::new(|_, _| {})).await.unwrap();
    assert_eq!(report.restored, Restored::For(bob_is));
    assert_eq!(again.holdings().await, bob.holdings().await);
    assert_eq!(registration(&again).await, is("person", "2026-06"));
    scene.followed().await;

    // A wallet that was away in the window renews when it comes back.
    scene.pass(45).await;
    assert_eq!(registration(&alice).await, is("person", "2025-12"));
    pay(&bob, ALICE, "1.00").await;
    assert_eq!(alice.receive().await.unwrap().claimed.len(), 0);
    assert_eq!(registration(&alice).await, is("person", "2026-06"));
    assert_eq!(alice.receive().await.unwrap().claimed.len(), 1);
    for wallet in [alice, bob, again] {
        wallet.close().await;
    }
    scene.cluster.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_wallet_is_followed_by_the_next_and_never_are_both_alive() {
    let scene = Scene::new().await;
    let alice = scene.alice().await;
    let (lost, _) = scene.registered("lost", BOB).await;
    pay(&alice, BOB, "5.00").await;
    lost.receive().await.unwrap();

    let (invitation, valid_through) = scene.cluster.revoke(BOB).await.unwrap();
    assert_eq!(valid_through.to_string(), "2025-12");
    scene.cluster.credit(BOB, eur("7.00")).await.unwrap();
    let (next, _) = scene.create("next").await;
    let refused = next.register(BOB, &invitation).await;
    let Err(WalletError::RegistrationWaits { from }) = refused else { panic!("{refused:?}") };
    assert_eq!(from.to_string(), "2026-01-02");
    let info = next.info().await.unwrap();
    assert_eq!((info.registration, info.registration_from), (None, Some(from)));
    assert_eq!(info.account.unwrap().balance, eur("7.00"));

    // The account is the next wallet's at once, and payments come to it.
    let withdrawn = lost.withdraw(eur("1.00"), RequestId::random()).await;
    assert!(matches!(withdrawn, Err(WalletError::WalletRevoked)), "{withdrawn:?}");
    next.withdraw(eur("6.00"), RequestId::random()).await.unwrap();
    pay(&next, ALICE, "2.00").await;
    // Who has paid before looks the key up again after a while.
    scene.clock.pass(Duration::from_secs(700));
    pay(&alice, BOB, "3.00").await;
    assert!(matches!(next.receive().await, Err(WalletError::RegistrationWaits { .. })));
    // What the lost one holds comes back to the account when whoever has it redeems it.
    lost.redeem(eur("1.00"), RequestId::random()).await.unwrap();
    scene.cluster.wait_until_paid_out().await.unwrap();
    assert_eq!(scene.cluster.account_balance(BOB).await.unwrap(), eur("2.00"));

    // In the window the lost one is not renewed, and the next one waits.
    scene.pass(20).await;
    let refused = lost.renew().await;
    assert!(matches!(refused, Err(WalletError::WalletRevoked)), "{refused:?}");
    assert!(lost.receive().await.unwrap().not_renewed.unwrap().contains("revoked"));
    assert!(matches!(next.receive().await, Err(WalletError::RegistrationWaits { .. })));
    // On 2026-01-01 a claim of the day before might still be under way.
    scene.pass(22).await;
    assert!(matches!(next.receive().await, Err(WalletError::RegistrationWaits { .. })));
    lost.receive().await.unwrap();
    // What is not taken back is not, because it is not renewed.
    assert!(lost.refund(None).await.unwrap().not_renewed.unwrap().contains("revoked"));

    scene.pass(1).await;
    assert!(next.receive().await.unwrap().claimed.is_empty(), "it registers");
    let report = next.receive().await.unwrap();
    assert_eq!(report.claimed.iter().map(|payment| payment.amount).collect::<Vec<_>>(), [eur("3.00")]);
    assert_eq!(registration(&next).await, is("person", "2026-06"));
    assert_eq!(scene.renewals().await, 0);
    scene.followed().await;
    for wallet in [alice, lost, next] {
        wallet.close().await;
    }
    scene.cluster.stop().await.unwrap();
}
