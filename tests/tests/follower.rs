//! Followers of real servers, over TLS: one reads from the servers, another from the first, and servers that were set back.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{path::Path, sync::Arc, time::Duration};

use farthing_ecash::{
    amount::{Amount, Currency},
    identity::Identity,
    statement::Statement,
};
use farthing_follower::{config::Config, log::Log, run};
use farthing_ledger::{checkpoint::SignedCheckpoint, quorum::TrustPolicy};
use farthing_service::clock::ManualClock;
use farthing_tests::{
    cluster::{Cluster, Setup},
    demo::{ALICE, BOB, PASSPHRASE, copy_dir},
};
use farthing_wallet::{Options, RequestId, Wallet};

const POLICY: &str = include_str!("../src/demo/policy.toml");

async fn sizes(cluster: &Cluster) -> [u64; 2] {
    [cluster.issuance_log_size().await.unwrap(), cluster.payment_log_size().await.unwrap()]
}

/// Registers a wallet: an entry in the issuance log.
async fn register(cluster: &Cluster, home: &Path) {
    let invitation = cluster.invite("alice@bank.example", "person").await.unwrap();
    let (wallet, _) = Wallet::create(&home.join("alice"), PASSPHRASE, &cluster.connection(), None).await.unwrap();
    wallet.register("alice@bank.example", &invitation).await.unwrap();
    wallet.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_of_a_follower_sees_the_same_logs() {
    let home = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(home.path(), Setup::with_policy(POLICY)).await.unwrap();
    register(&cluster, home.path()).await;
    let mut first = cluster.start_follower().unwrap();
    let verified = first.verified(sizes(&cluster).await).await.unwrap();
    for log in Log::ALL {
        assert!(cluster.cosigned(log).await.unwrap() > 0);
    }
    let second_config = cluster.second_follower().unwrap();
    let mut second = cluster.start_follower_with(&second_config).unwrap();
    let mirrored = second.verified(Log::ALL.map(|log| verified.logs[&log].checkpoint)).await.unwrap();
    second.stop().await.unwrap();
    assert_eq!((mirrored.wallets, &mirrored.policies), (verified.wallets, &verified.policies));

    // Compared with the follower itself and with the server.
    let config = Config::load(&second_config).unwrap();
    let report = run::compare(&config, Some(&config.issuance.address), Some(&config.payments.address)).await.unwrap();
    assert_eq!(report.matches("agrees on").count(), 2, "{report}");
    first.stop().await.unwrap();
    cluster.stop().await.unwrap();
}

/// A wallet that asks for two witnesses and reads from the first follower alone. The second reads from the first too, and hands
/// its cosignatures to the servers, where the first finds them.
#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_over_one_follower_finds_the_cosignatures_of_two() {
    let home = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(home.path(), Setup::with_policy(POLICY)).await.unwrap();
    let paths = [cluster.follower_config(), cluster.second_follower().unwrap()];
    let followers = paths.each_ref().map(|path| cluster.start_follower_with(path).unwrap());
    let configs = paths.each_ref().map(|path| Config::load(path).unwrap());
    let logs = Log::ALL.map(|log| configs[0].verifier_key(log).unwrap());
    let witnesses = configs.each_ref().map(|config| config.witness().unwrap().verifier().clone());
    let trust = TrustPolicy::with_witnesses(logs, witnesses, 2).unwrap().to_string();
    let invitation = cluster.invite("alice@bank.example", "person").await.unwrap();
    let options = Options { trust: Some(trust), checkpoint_patience: Duration::from_secs(120), ..Options::default() };
    let connection = cluster.connection_over_follower();
    let path = home.path().join("alice");
    let (wallet, _) = Wallet::create_with(&path, PASSPHRASE, &connection, None, options).await.unwrap();
    wallet.register("alice@bank.example", &invitation).await.unwrap();
    wallet.close().await;
    for follower in followers {
        follower.stop().await.unwrap();
    }
    cluster.stop().await.unwrap();
}

/// 2026-11-20 12:00 in Luxembourg (UTC+1).
const NOON: i64 = 1_795_172_400;

fn eur(text: &str) -> Amount {
    Currency::new("EUR", 6).unwrap().parse(text).unwrap()
}

/// Bob splits a payment above his cap, Alice takes another back in parts: all of it holds in the eyes of a follower.
#[tokio::test(flavor = "multi_thread")]
async fn notes_in_parts_and_back_at_their_payer_are_verified() {
    let home = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(NOON));
    let setup = Setup { clock: clock.clone(), ..Setup::with_policy(POLICY) };
    let cluster = Cluster::start(&home.path().join("servers"), setup).await.unwrap();
    cluster.credit_new(ALICE, "person", eur("40.00")).await.unwrap();
    let mut wallets = Vec::new();
    for identity in [ALICE, BOB] {
        let invitation = cluster.invite(identity, "person").await.unwrap();
        let options = Options { clock: clock.clone(), ..Options::default() };
        let dir = home.path().join(identity);
        let (wallet, _) = Wallet::create_with(&dir, PASSPHRASE, &cluster.connection(), None, options).await.unwrap();
        wallet.register(identity, &invitation).await.unwrap();
        wallets.push(wallet);
    }
    let [alice, bob] = wallets.as_slice() else { panic!("two wallets") };
    alice.withdraw(eur("40.00"), RequestId::random()).await.unwrap();
    let pay = async |amount: &str| {
        alice.pay(&Identity::parse(BOB).unwrap(), eur(amount), "", RequestId::random()).await.unwrap();
    };
    let pass_days = async |days: u64| {
        clock.pass(Duration::from_secs(days * 86_400));
        cluster.advance_days().await.unwrap();
    };
    pay("12.00").await;
    assert_eq!(bob.receive().await.unwrap().available, eur("10.00"));
    pass_days(1).await;
    assert_eq!(bob.receive().await.unwrap().available, eur("12.00"));
    pay("14.00").await;
    pass_days(72).await;
    alice.renew().await.unwrap();
    assert_eq!(alice.refund(None).await.unwrap().refunded.len(), 1);
    pass_days(1).await;
    assert_eq!(alice.refund(None).await.unwrap().available, eur("27.98"));

    let logged = cluster.payment_transactions(0).await.unwrap();
    let count = |statement| logged.iter().filter(|logged| logged.core.statement() == statement).count();
    let kinds = [Statement::Split, Statement::Claim, Statement::SplitExpired, Statement::Refund];
    assert_eq!(kinds.map(count), [1, 2, 1, 2]);
    let mut follower = cluster.start_follower().unwrap();
    follower.verified(sizes(&cluster).await).await.unwrap();
    follower.stop().await.unwrap();
    cluster.stop().await.unwrap();
}

/// Store and anchor of both servers are put back from a copy: the servers cannot know it, the follower does.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_put_back_from_a_backup_is_found() {
    let home = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(home.path(), Setup::with_policy(POLICY)).await.unwrap();
    cluster.stop_servers().await.unwrap();
    let (server, backup) = (home.path().join("issuer"), home.path().join("backup"));
    copy_dir(&server, &backup).unwrap();
    cluster.restart_issuer().await.unwrap();
    cluster.restart_redeemer().await.unwrap();
    // Something is written after the copy.
    register(&cluster, home.path()).await;
    let mut follower = cluster.start_follower().unwrap();
    follower.verified(sizes(&cluster).await).await.unwrap();
    follower.stop().await.unwrap();

    cluster.stop_servers().await.unwrap();
    std::fs::remove_dir_all(&server).unwrap();
    copy_dir(&backup, &server).unwrap();
    cluster.restart_issuer().await.unwrap();
    let found = cluster.start_follower().unwrap().finding().await.unwrap();
    assert!(found.starts_with("the issuance log, checkpoint of "), "{found}");
    assert!(found.contains("it was set back"), "{found}");
    let evidence = home.path().join("follower/data/evidence");
    let seen: Vec<_> = std::fs::read_dir(&evidence).unwrap().map(|file| file.unwrap().path()).collect();
    let seen = seen.into_iter().find(|path| path.to_string_lossy().ends_with("-seen")).unwrap();
    let config = Config::load(&cluster.follower_config()).unwrap();
    let key = config.verifier_key(Log::Issuance).unwrap();
    SignedCheckpoint::open(&std::fs::read_to_string(seen).unwrap(), &key).unwrap();
    // It stays so, whatever the server says from now on.
    let found = cluster.start_follower().unwrap().finding().await.unwrap();
    assert!(found.starts_with("stopped at an earlier finding"), "{found}");
    cluster.stop().await.unwrap();
}
