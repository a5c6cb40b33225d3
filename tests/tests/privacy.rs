//! What the servers record: nothing links a withdrawal to what is done with its money, and nothing about people or money
//! stands in a log line.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    collections::HashSet,
    io::Write,
    sync::{Arc, Mutex},
};

use farthing_ecash::{
    amount::{Amount, Currency},
    identity::Identity,
    statement::Statement,
};
use farthing_tests::{
    cluster::{Cluster, Logged, Setup},
    demo::{self, PASSPHRASE},
    proxy::Proxy,
};
use farthing_wallet::{RequestId, Wallet};
use tracing_subscriber::fmt::MakeWriter;

const POLICY: &str = include_str!("../src/demo/policy.toml");

fn eur(text: &str) -> Amount {
    Currency::new("EUR", 6).unwrap().parse(text).unwrap()
}

/// All strings of eight bytes in a transaction and its answer.
fn windows(logged: &Logged) -> HashSet<[u8; 8]> {
    let parts = [&logged.request, &logged.answer];
    parts.iter().flat_map(|part| part.windows(8)).map(|window| window.try_into().unwrap()).collect()
}

/// One wallet withdraws, pays the other, receives and swaps nothing else; the transactions of its life, in order.
struct Life {
    withdrawal: Logged,
    later: Vec<Logged>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawal_shares_no_bytes_with_later_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(&dir.path().join("servers"), Setup::with_policy(POLICY)).await.unwrap();
    let mut wallets = Vec::new();
    for name in ["one", "two"] {
        let identity = format!("{name}@bank.example");
        let invitation = cluster.invite(&identity, "person").await.unwrap();
        cluster.credit(&identity, eur("30.00")).await.unwrap();
        let path = dir.path().join(name);
        let (wallet, _) = Wallet::create(&path, PASSPHRASE, &cluster.connection(), None).await.unwrap();
        wallet.register(&identity, &invitation).await.unwrap();
        wallets.push((wallet, Identity::parse(&identity).unwrap()));
    }

    let mut lives = Vec::new();
    for (own, other) in [(0, 1), (1, 0)] {
        let (wallet, (_, payee)) = (&wallets[own].0, &wallets[other]);
        let issued = cluster.issuance_log_size().await.unwrap();
        wallet.withdraw(eur("20.00"), RequestId::random()).await.unwrap();
        let withdrawal = find(&cluster.issuance_transactions(issued).await.unwrap(), Statement::Withdraw);
        let from = cluster.payment_log_size().await.unwrap();
        wallet.pay(payee, eur("3.50"), "one", RequestId::random()).await.unwrap();
        wallet.pay(payee, eur("2.50"), "two", RequestId::random()).await.unwrap();
        let later = cluster.payment_transactions(from).await.unwrap();
        assert_eq!(later.len(), 2);
        lives.push(Life { withdrawal, later });
    }
    for (index, life) in lives.iter_mut().enumerate() {
        let from = cluster.payment_log_size().await.unwrap();
        let report = wallets[index].0.receive().await.unwrap();
        assert_eq!(report.claimed.len(), 2);
        life.later.extend(cluster.payment_transactions(from).await.unwrap());
        assert!(life.later.len() >= 3);
    }

    // What every transaction of the other wallet has as well is a public parameter: key id, policy hash, day.
    for (life, stranger) in [(&lives[0], &lives[1]), (&lives[1], &lives[0])] {
        let public: HashSet<_> =
            std::iter::once(&stranger.withdrawal).chain(&stranger.later).flat_map(windows).collect();
        let withdrawn = windows(&life.withdrawal);
        assert!(withdrawn.len() > 400);
        for later in &life.later {
            let shared: Vec<_> = windows(later).into_iter().filter(|window| withdrawn.contains(window)).collect();
            let telling: Vec<_> = shared.iter().filter(|window| !public.contains(*window)).collect();
            assert!(telling.is_empty(), "a withdrawal and a later transaction share {telling:02x?}");
        }
    }
}

/// On one connection the redeemer would see that two transactions are of one wallet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transaction_comes_over_a_connection_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(&dir.path().join("servers"), Setup::with_policy(POLICY)).await.unwrap();
    let to_issuer = Proxy::start(cluster.issuer_address()).await.unwrap();
    let to_redeemer = Proxy::start(cluster.redeemer_address()).await.unwrap();
    let invitation = cluster.invite("one@bank.example", "person").await.unwrap();
    cluster.credit("one@bank.example", eur("30.00")).await.unwrap();
    let connection = cluster.connection_through(&to_issuer, &to_redeemer);
    let (wallet, _) = Wallet::create(&dir.path().join("one"), PASSPHRASE, &connection, None).await.unwrap();
    wallet.register("one@bank.example", &invitation).await.unwrap();
    let itself = Identity::parse("one@bank.example").unwrap();

    let before = to_issuer.connections();
    wallet.withdraw(eur("5.00"), RequestId::random()).await.unwrap();
    wallet.withdraw(eur("6.00"), RequestId::random()).await.unwrap();
    assert!(to_issuer.connections() >= before + 2);
    for round in 0..2 {
        let before = to_redeemer.connections();
        wallet.pay(&itself, eur("1.00"), "", RequestId::random()).await.unwrap();
        assert!(to_redeemer.connections() > before, "payment {round}");
    }
    // Looking through the log, then two claims.
    let before = to_redeemer.connections();
    assert_eq!(wallet.receive().await.unwrap().claimed.len(), 2);
    assert!(
        to_redeemer.connections() >= before + 3,
        "{} for a scan and two claims",
        to_redeemer.connections() - before
    );
    let before = to_redeemer.connections();
    wallet.redeem(eur("1.00"), RequestId::random()).await.unwrap();
    assert!(to_redeemer.connections() > before);
}

fn find(transactions: &[Logged], statement: Statement) -> Logged {
    transactions.iter().find(|logged| logged.core.statement() == statement).unwrap().clone()
}

/// Keeps everything that is logged.
#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Vec<u8>>>);

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Tape {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The canary: the whole demo at level info, and none of its people, amounts or serials in a line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_log_line_holds_an_identity_an_amount_or_a_serial() {
    let tape = Tape::default();
    let filter = farthing_service::logging::filter(Some("info")).unwrap();
    // Without the time, whose digits would now and then be those of an amount.
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(tape.clone()).with_ansi(false).without_time().init();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("demo");
    demo::clear(&path).unwrap();
    let cluster = demo::run(&path, &mut std::io::sink()).await.unwrap();

    let people =
        ["alice", "bob", "eva@", "ben@", "shop@", "bank.example", "works.example", "grocer.example", "books.example"];
    let money = [
        "3500000", "3.50", "20000000", "20.00", "8000000", "12.00", "12000000", "4.50", "4500000", "23.00", "23000000",
    ];
    let mut forbidden: Vec<String> =
        [&people[..], &money[..], &["meal"]].concat().into_iter().map(str::to_owned).collect();
    let transactions = cluster.payment_transactions(0).await.unwrap();
    let serials: Vec<_> = transactions.iter().flat_map(|logged| logged.core.nullifiers()).collect();
    assert!(serials.len() > 6);
    for serial in &serials {
        let text = serial.to_string();
        forbidden.extend([text.clone(), text.to_uppercase(), text[..16].to_owned()]);
    }
    cluster.stop().await.unwrap();

    let lines = String::from_utf8(tape.0.lock().unwrap().clone()).unwrap();
    assert!(lines.lines().count() > 4, "the servers log something: {lines}");
    for word in forbidden {
        assert!(!lines.contains(&word), "a log line holds {word}:\n{lines}");
    }
}
