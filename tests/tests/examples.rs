//! The examples for programs in other languages run, against a real wallet daemon over real servers.
//!
//! Python needs the packages of `examples/python/requirements.txt`, the shell script grpcurl or buf. `.ci/run` provides
//! both and says where in `FARTHING_EXAMPLES_PYTHON` and `PATH`; elsewhere a missing one is said and its example skipped.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use farthing_ecash::amount::{Amount, Currency};
use farthing_tests::{
    cluster::{Cluster, Setup},
    demo::{ALICE, BOB, PASSPHRASE},
};
use farthing_wallet::{
    RequestId, Wallet,
    daemon::{self, DaemonSettings, Endpoint},
};
use tokio_util::sync::CancellationToken;

const POLICY: &str = include_str!("../src/demo/policy.toml");

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples")
}

fn eur(text: &str) -> Amount {
    Currency::new("EUR", 6).unwrap().parse(text).unwrap()
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_languages_pay_through_the_daemon() {
    let python = std::env::var("FARTHING_EXAMPLES_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_python = runs(&python, &["-c", "import grpc, grpc_tools, grpc_status"]);
    let has_grpcurl = runs("grpcurl", &["--version"]) || runs("grpcurl", &["-version"]) || runs("buf", &["--version"]);
    if !has_python {
        eprintln!("skipped: {python} has not the packages of examples/python/requirements.txt");
    }
    if !has_grpcurl {
        eprintln!("skipped: neither grpcurl nor buf is installed");
    }
    if !has_python && !has_grpcurl {
        return;
    }

    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(&dir.path().join("servers"), Setup::with_policy(POLICY)).await.unwrap();
    let mut wallets = Vec::new();
    for (name, identity) in [("alice", ALICE), ("bob", BOB)] {
        let invitation = cluster.invite(identity, "person").await.unwrap();
        let path = dir.path().join(name);
        let (wallet, _) = Wallet::create(&path, PASSPHRASE, &cluster.connection(), None).await.unwrap();
        wallet.register(identity, &invitation).await.unwrap();
        wallets.push((wallet, path));
    }
    cluster.credit(ALICE, eur("20.00")).await.unwrap();
    let (alice, home) = &wallets[0];
    alice.withdraw(eur("10.00"), RequestId::random()).await.unwrap();
    cluster.credit_for("meal", ALICE, eur("2.00")).await.unwrap();
    alice.withdraw_for("meal", eur("2.00"), RequestId::random()).await.unwrap();

    let stop = CancellationToken::new();
    let listen = ([127, 0, 0, 1], 0).into();
    let settings = DaemonSettings { listen, receive_every: None, join: false, consolidate: true };
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let (wallet, path, until) = (alice.clone(), home.clone(), stop.clone());
    let daemon = tokio::spawn(async move {
        let ready = |_: &Endpoint| {
            let _ = ready.send(());
        };
        daemon::run(wallet, &path, settings, until, ready).await
    });
    is_ready.await.unwrap();

    let mut spent = 0;
    if has_python {
        let run = |arguments: &[&str]| {
            let script = examples().join("python/pay.py");
            Command::new(&python).arg(script).args(arguments).env("FARTHING_DIR", home).output().unwrap()
        };
        let paid = run(&[BOB, "1.50", "from python"]);
        assert!(paid.status.success(), "{}", text(&paid));
        assert!(text(&paid).starts_with("done: payment"), "{}", text(&paid));
        spent += eur("1.51").get();
        // With money for one purpose, which Bob may not receive.
        let paid = run(&[BOB, "1.00", "", "meal"]);
        assert!(paid.status.success() && text(&paid).contains("0.99 EUR left for meal only"), "{}", text(&paid));
        // A refusal comes with its reason.
        let refused = run(&["nobody@bank.example", "1.00"]);
        assert!(!refused.status.success());
        assert!(text(&refused).contains("IDENTITY_UNKNOWN"), "{}", text(&refused));
    }
    if has_grpcurl {
        let run = |arguments: &[&str]| {
            let script = examples().join("grpcurl.sh");
            Command::new("sh").arg(script).args(arguments).env("FARTHING_DIR", home).output().unwrap()
        };
        let balance = run(&[]);
        assert!(balance.status.success(), "{}", text(&balance));
        assert!(text(&balance).contains(&(eur("10.00").get() - spent).to_string()), "{}", text(&balance));
        let request = r#"{"payee": "bob@bank.example", "amount": "2500000", "memo": "from a shell", "request_id": "MDEyMzQ1Njc4OWFiY2RlZg=="}"#;
        for _ in 0..2 {
            // The same request id: paid once.
            let paid = run(&["Pay", request]);
            assert!(paid.status.success(), "{}", text(&paid));
            assert!(text(&paid).contains("OPERATION_STATE_DONE"), "{}", text(&paid));
        }
        spent += eur("2.51").get();
    }
    assert_eq!(alice.balance().await.available.get(), eur("10.00").get() - spent);
    // The daemon closes its wallet when it ends.
    stop.cancel();
    daemon.await.unwrap().unwrap();
    let report = wallets[1].0.receive().await.unwrap();
    assert_eq!(report.claimed.len(), usize::from(has_python) + usize::from(has_grpcurl));
}
