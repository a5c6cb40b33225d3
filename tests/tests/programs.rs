//! The programs as people and operators run them: separate processes, real commands, `kill -9`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    path::Path,
    process::{Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use farthing_ecash::{
    amount::{Amount, Currency},
    identity::Identity,
    statement::Statement,
};
use farthing_tests::{
    cluster::{Cluster, Setup},
    demo::{ALICE, BOB, PASSPHRASE},
    programs::{Farthing, Process},
    proxy::{Fault, Proxy},
};
use farthing_wallet::{Options, RequestId, Wallet};

const POLICY: &str = include_str!("../src/demo/policy.toml");

fn eur(text: &str) -> Amount {
    Currency::new("EUR", 6).unwrap().parse(text).unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Makes and registers a wallet by commands.
async fn set_up(cluster: &Cluster, dir: &Path, identity: &str, issuer: String, redeemer: String) -> Farthing {
    let farthing = Farthing::new(dir).unwrap();
    let ca = cluster.authority();
    let ca = ca.to_str().unwrap();
    let (code, made) = farthing.json(&["init", "--issuer", &issuer, "--redeemer", &redeemer, "--ca", ca]).unwrap();
    assert_eq!(code, 0, "{made}");
    let invitation = dir.with_extension("invitation");
    std::fs::write(&invitation, cluster.invite(identity, "person").await.unwrap()).unwrap();
    let arguments = ["register", identity, "--invitation-file", invitation.to_str().unwrap()];
    let (code, registered) = farthing.json(&arguments).unwrap();
    assert_eq!((code, registered["identity"].as_str()), (0, Some(identity)), "{registered}");
    cluster.credit(identity, eur("50.00")).await.unwrap();
    farthing
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_does_its_job_and_answers_one_document() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(&dir.path().join("servers"), Setup::with_policy(POLICY)).await.unwrap();
    let urls = || (format!("https://{}", cluster.issuer_address()), format!("https://{}", cluster.redeemer_address()));
    let (issuer, redeemer) = urls();
    let alice = set_up(&cluster, &dir.path().join("alice"), ALICE, issuer, redeemer).await;
    let (issuer, redeemer) = urls();
    let bob = set_up(&cluster, &dir.path().join("bob"), BOB, issuer, redeemer).await;

    let (code, withdrawn) = alice.json(&["withdraw", "20.00"]).unwrap();
    assert_eq!((code, withdrawn["state"].as_str()), (0, Some("done")), "{withdrawn}");
    assert_eq!(withdrawn["available"], 20_000_000);
    let (code, paid) = alice.json(&["pay", BOB, "3.50", "--memo", "lunch"]).unwrap();
    assert_eq!((code, paid["state"].as_str()), (0, Some("done")), "{paid}");
    assert_eq!((&paid["available"], &paid["fee"]), (&16_490_000.into(), &10_000.into()));
    let (code, received) = bob.json(&["receive"]).unwrap();
    assert_eq!(code, 0);
    assert_eq!(received["claimed"][0]["amount"], 3_500_000);
    assert_eq!(received["claimed"][0]["memo"], "lunch");
    assert_eq!(received["claimed"][0]["payment_id"], paid["payment_id"], "payer and payee name it alike");

    // A request is paid by its link.
    let (code, request) = bob.json(&["request", "1.00", "--memo", "tea"]).unwrap();
    assert_eq!(code, 0);
    let uri = request["uri"].as_str().unwrap();
    assert!(uri.starts_with("farthing:"), "{uri}");
    let (code, paid) = alice.json(&["--yes", "pay", uri]).unwrap();
    assert_eq!((code, &paid["available"]), (0, &15_480_000.into()), "{paid}");
    // Its payee knows what it was paid for.
    let (_, requests) = bob.json(&["requests"]).unwrap();
    assert_eq!(requests["requests"][0]["state"], "open", "{requests}");
    let (_, received) = bob.json(&["receive"]).unwrap();
    assert_eq!(received["claimed"][0]["request_reference"], request["reference"], "{received}");
    let (_, requests) = bob.json(&["requests"]).unwrap();
    let made = &requests["requests"][0];
    assert_eq!((&made["state"], &made["received"]), (&"paid".into(), &1_000_000.into()), "{requests}");
    assert_eq!(made["payments"][0]["payment_id"], paid["payment_id"]);
    for (name, begins) in [("request.png", &b"\x89PNG\r\n\x1a\n"[..]), ("request.svg", b"<svg ")] {
        let file = dir.path().join(name);
        let arguments = ["request", "2.00", "--expires", "7d", "--out", file.to_str().unwrap()];
        let (code, request) = bob.json(&arguments).unwrap();
        assert_eq!((code, request["file"].as_str()), (0, file.to_str()), "{request}");
        assert!(request["uri"].as_str().unwrap().contains("&expires="), "{request}");
        assert!(std::fs::read(&file).unwrap().starts_with(begins));
    }
    // Without somebody who can be asked, a request is not paid by mistake.
    let (code, refused) = alice.json(&["pay", uri]).unwrap();
    assert_eq!((code, refused["error"]["reason"].as_str()), (2, Some("USAGE")), "{refused}");

    // The same request id does not pay twice; with another amount it is refused.
    let id = "00112233445566778899aabbccddeeff";
    for _ in 0..2 {
        let (code, paid) = alice.json(&["pay", BOB, "0.50", "--request-id", id]).unwrap();
        assert_eq!((code, &paid["available"]), (0, &14_970_000.into()), "{paid}");
    }
    let (code, reused) = alice.json(&["pay", BOB, "0.60", "--request-id", id]).unwrap();
    assert_eq!((code, reused["error"]["reason"].as_str()), (2, Some("REQUEST_ID_REUSED")), "{reused}");

    // What is refused says why, by exit code, reason and advice.
    let refusals: [(&[&str], i32, &str); 4] = [
        (&["pay", "nobody@bank.example", "1.00"], 3, "IDENTITY_UNKNOWN"),
        (&["pay", BOB, "100.00"], 4, "INSUFFICIENT_BALANCE"),
        (&["withdraw", "31.00"], 4, "INSUFFICIENT_BALANCE"),
        (&["redeem", "99.00"], 4, "INSUFFICIENT_BALANCE"),
    ];
    for (arguments, expected, reason) in refusals {
        let (code, refused) = alice.json(arguments).unwrap();
        assert_eq!(code, expected, "{arguments:?}: {refused}");
        assert_eq!(refused["error"]["reason"], reason, "{arguments:?}");
        assert!(refused["error"]["next"].as_str().is_some_and(|next| !next.is_empty()), "{refused}");
    }
    let (code, capped) = alice.json(&["withdraw", "85.00"]).unwrap();
    assert_eq!((code, capped["error"]["reason"].as_str()), (3, Some("CAP_EXCEEDED")), "{capped}");

    let (code, redeemed) = alice.json(&["redeem", "5.00"]).unwrap();
    assert_eq!((code, &redeemed["available"]), (0, &9_970_000.into()), "{redeemed}");
    let (_, balance) = alice.json(&["balance"]).unwrap();
    assert_eq!(balance["available"], 9_970_000);
    let (_, history) = alice.json(&["history"]).unwrap();
    assert!(history["items"].as_array().unwrap().len() >= 6, "{history}");
    let (_, info) = bob.json(&["info"]).unwrap();
    assert_eq!(info["identity"], BOB);
    // Pay, claim, pay, claim, pay, redeem; the last of them may not be signed yet.
    assert_eq!(info["anonymity_set_size"], 2);
    assert!(info["transactions_today"].as_u64().is_some_and(|today| (1..=6).contains(&today)), "{info}");

    // What is in the log is shown to others, who need no wallet for that.
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (receipt, trust) = (file("receipt.txt"), file("trust.txt"));
    let payment = paid["payment_id"].as_str().unwrap();
    let (code, written) = alice.json(&["receipt", payment, "--output", &receipt]).unwrap();
    assert_eq!((code, written["file"].as_str()), (0, Some(receipt.as_str())), "{written}");
    let (code, proven) = bob.json(&["verify-proof", &receipt]).unwrap();
    assert_eq!((code, &proven["proven"], &proven["kind"]), (0, &true.into(), &"pay".into()), "{proven}");
    assert_eq!(proven["transaction_id"], payment);
    let (code, standing) = alice.json(&["trust"]).unwrap();
    assert_eq!((code, &standing["first_contact"]), (0, &true.into()), "{standing}");
    std::fs::write(&trust, standing["policy"].as_str().unwrap()).unwrap();
    let nobody = Farthing::new(&dir.path().join("nobody")).unwrap();
    assert_eq!(nobody.json(&["verify-proof", &receipt, "--trust", &trust]).unwrap().0, 0);
    let text_of = std::fs::read_to_string(&receipt).unwrap();
    std::fs::write(&receipt, text_of.replace("index ", "index 1")).unwrap();
    let (code, refused) = nobody.json(&["verify-proof", &receipt, "--trust", &trust]).unwrap();
    assert_eq!((code, refused["error"]["reason"].as_str()), (1, Some("NOT_PROVEN")), "{refused}");
    let (code, gone_on) = alice.json(&["trust", "--go-on"]).unwrap();
    assert_eq!((code, &gone_on["went_on"]), (0, &false.into()), "{gone_on}");

    // For people: decimals, a QR code for requests, advice on standard error.
    let shown = alice.run(&["balance"]).unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).contains("9.97"), "{}", text(&shown));
    let refused = alice.run(&["pay", BOB, "1.1234567"]).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(refused.stdout.is_empty() && !refused.stderr.is_empty());
    cluster.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_was_killed_is_finished_by_the_next_which_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(&dir.path().join("servers"), Setup::with_policy(POLICY)).await.unwrap();
    let to_issuer = Proxy::start(cluster.issuer_address()).await.unwrap();
    let to_redeemer = Proxy::start(cluster.redeemer_address()).await.unwrap();
    let url = |proxy: &Proxy| format!("https://{}", proxy.address());
    let alice = set_up(&cluster, &dir.path().join("alice"), ALICE, url(&to_issuer), url(&to_redeemer)).await;
    let bob = set_up(&cluster, &dir.path().join("bob"), BOB, url(&to_issuer), url(&to_redeemer)).await;
    assert_eq!(alice.json(&["withdraw", "20.00"]).unwrap().0, 0);

    let mut available = eur("20.00").get();
    for (arguments, cost) in [
        (&["pay", BOB, "1.00"][..], eur("1.01").get()),
        (&["pay", "new@person.example", "1.00", "--unregistered"][..], eur("1.01").get()),
        (&["redeem", "2.00"][..], eur("2.00").get()),
        (&["withdraw", "3.00"][..], eur("3.00").get().wrapping_neg()),
    ] {
        let lost = to_issuer.lost() + to_redeemer.lost();
        to_issuer.set(Fault::LoseAnswer);
        to_redeemer.set(Fault::LoseAnswer);
        let mut running = alice.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        for _ in 0..600 {
            if to_issuer.lost() + to_redeemer.lost() > lost {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(to_issuer.lost() + to_redeemer.lost() > lost, "{arguments:?} sent nothing");
        running.kill().unwrap();
        running.wait().unwrap();
        to_issuer.set(Fault::None);
        to_redeemer.set(Fault::None);

        let next = alice.run(&["balance"]).unwrap();
        assert!(text(&next).contains("Finished what an earlier command began"), "{arguments:?}: {}", text(&next));
        // What the payee needs was not shown by the command that was killed.
        assert_eq!(text(&next).contains("\nfarthing:claim/"), arguments.contains(&"--unregistered"), "{}", text(&next));
        available = available.wrapping_sub(cost);
        let (_, balance) = alice.json(&["balance"]).unwrap();
        assert_eq!(balance["available"], available, "{arguments:?}");
        assert_eq!(balance["in_flight"], 0);
    }
    let (_, received) = bob.json(&["receive"]).unwrap();
    assert_eq!(received["claimed"].as_array().unwrap().len(), 1);
    cluster.wait_until_paid_out().await.unwrap();
    assert_eq!(cluster.account_balance(ALICE).await.unwrap(), eur("29.00"));
    cluster.stop().await.unwrap();
}

/// A line of standard input.
fn fed(farthing: &Farthing, arguments: &[&str], line: &str) -> (i32, serde_json::Value) {
    use std::io::Write as _;
    let mut command = farthing.command(&[arguments, &["--json"]].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{line}").unwrap();
    let ended = child.wait_with_output().unwrap();
    let document = serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("{}", text(&ended)));
    (ended.status.code().unwrap(), document)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_registered_is_paid_by_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(&dir.path().join("servers"), Setup::with_policy(POLICY)).await.unwrap();
    let urls = || (format!("https://{}", cluster.issuer_address()), format!("https://{}", cluster.redeemer_address()));
    let (issuer, redeemer) = urls();
    let alice = set_up(&cluster, &dir.path().join("alice"), ALICE, issuer, redeemer).await;
    assert_eq!(alice.json(&["withdraw", "20.00"]).unwrap().0, 0);

    // Not by mistake, also not when every question is answered with yes.
    let arguments = ["pay", "new@person.example", "5", "--memo", "welcome"];
    for more in [&[][..], &["--yes"]] {
        let (code, refused) = alice.json(&[&arguments, more].concat()).unwrap();
        assert_eq!((code, refused["error"]["reason"].as_str()), (3, Some("IDENTITY_UNKNOWN")), "{refused}");
        assert!(refused["error"]["next"].as_str().unwrap().contains("--unregistered"), "{refused}");
    }
    let (code, paid) = alice.json(&[&arguments[..], &["--unregistered"]].concat()).unwrap();
    assert_eq!((code, paid["unregistered"].as_bool()), (0, Some(true)), "{paid}");
    assert_eq!(paid["available"], 14_990_000);
    let link = paid["link"].as_str().unwrap();
    assert!(link.starts_with("farthing:claim/"), "{link}");
    let (code, again) = alice.json(&["link", paid["payment_id"].as_str().unwrap()]).unwrap();
    assert_eq!((code, &again["link"], &again["memo"]), (0, &paid["link"], &"welcome".into()), "{again}");
    assert_eq!(again["refundable_from"], paid["refundable_from"]);
    let shown = text(&alice.run(&["link", paid["payment_id"].as_str().unwrap()]).unwrap());
    assert!(shown.starts_with(link) && shown.contains("5.00 EUR"), "{shown}");
    let (_, history) = alice.json(&["history", "-n", "1"]).unwrap();
    assert_eq!(history["items"][0]["unregistered"], true);

    let (issuer, redeemer) = urls();
    let person = set_up(&cluster, &dir.path().join("person"), "new@person.example", issuer, redeemer).await;
    let (code, received) = person.json(&["receive"]).unwrap();
    assert_eq!((code, received["claimed"].as_array().unwrap().len()), (0, 0), "{received}");
    // From standard input nobody else on the machine sees it.
    let (code, received) = fed(&person, &["receive", "-"], link);
    assert_eq!((code, &received["links"][0]["state"]), (0, &"claimed".into()), "{received}");
    assert_eq!(
        (&received["claimed"][0]["amount"], &received["claimed"][0]["memo"]),
        (&5_000_000.into(), &"welcome".into())
    );
    let (code, received) = person.json(&["receive", link]).unwrap();
    assert_eq!((code, &received["links"][0]["state"]), (0, &"claimed_before".into()), "{received}");
    assert_eq!(received["available"], 5_000_000);
    let (code, other) = alice.json(&["receive", link]).unwrap();
    assert_eq!((code, other["error"]["reason"].as_str()), (3, Some("IDENTITY_UNKNOWN")), "{other}");
    // From now on the name is known. Its owner wants both payments in one claim.
    for _ in 0..2 {
        assert_eq!(alice.json(&["pay", "new@person.example", "1.00"]).unwrap().0, 0);
    }
    let (code, received) = person.json(&["receive", "--join"]).unwrap();
    assert_eq!((code, received["claimed"].as_array().unwrap().len()), (0, 2), "{received}");
    let logged = cluster.payment_transactions(0).await.unwrap();
    let claims = logged.iter().filter(|logged| logged.core.statement() == Statement::Claim);
    assert_eq!(claims.count(), 2, "that of the link, and that of both");
    cluster.stop().await.unwrap();
}

/// Waits until both servers answer.
async fn up(cluster: &Cluster) {
    for _ in 0..600 {
        if cluster.payment_log_size().await.is_ok() && cluster.issuance_log_size().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("a server does not start");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_are_killed_again_and_again_lose_and_invent_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(&dir.path().join("servers"), Setup::with_policy(POLICY)).await.unwrap();
    let mut wallets = Vec::new();
    for (name, identity) in [("alice", ALICE), ("bob", BOB)] {
        let invitation = cluster.invite(identity, "person").await.unwrap();
        cluster.credit(identity, eur("50.00")).await.unwrap();
        let path = dir.path().join(name);
        let options = Options { attempts_max: 2, ..Options::default() };
        let (wallet, _) = Wallet::create_with(&path, PASSPHRASE, &cluster.connection(), None, options).await.unwrap();
        wallet.register(identity, &invitation).await.unwrap();
        wallet.withdraw(eur("5.00"), RequestId::random()).await.unwrap();
        wallets.push(wallet);
    }
    cluster.stop_servers().await.unwrap();

    // Both go on until the last kill, however fast or slow the machine is.
    let stop = Arc::new(AtomicBool::new(false));
    let paid = Arc::new(AtomicU32::new(0));
    let spend = |from: usize, to: &'static str| {
        let (wallet, stop, paid) = (wallets[from].clone(), stop.clone(), paid.clone());
        tokio::spawn(async move {
            let payee = Identity::parse(to).unwrap();
            let mut round = 0u64;
            while !stop.load(Ordering::Relaxed) {
                let done = wallet.pay(&payee, Amount::new(10_000 + round), "", RequestId::random()).await;
                paid.fetch_add(u32::from(done.is_ok()), Ordering::Relaxed);
                let _ = wallet.receive().await;
                let _ = wallet.redeem(Amount::new(1_000 + round), RequestId::random()).await;
                let _ = wallet.withdraw(Amount::new(2_000 + round), RequestId::random()).await;
                round = (round + 1) % 8;
            }
        })
    };
    let start = |name: &str, config: &Path| Process::serve(name, config).unwrap();
    let mut issuer = start("farthing-issuer", &cluster.issuer_config());
    let mut redeemer = start("farthing-redeemer", &cluster.redeemer_config());
    up(&cluster).await;
    let spenders = [spend(0, BOB), spend(1, ALICE)];
    for kill in 1..=9 {
        // Something is paid between two kills, and the kill falls where it falls.
        let before = paid.load(Ordering::Relaxed);
        for _ in 0..200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if paid.load(Ordering::Relaxed) > before {
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(70 * kill)).await;
        redeemer.kill().unwrap();
        redeemer = start("farthing-redeemer", &cluster.redeemer_config());
        if kill % 3 == 0 {
            issuer.kill().unwrap();
            issuer = start("farthing-issuer", &cluster.issuer_config());
        }
        up(&cluster).await;
    }
    stop.store(true, Ordering::Relaxed);
    for spender in spenders {
        spender.await.unwrap();
    }
    let paid = paid.load(Ordering::Relaxed);
    assert!(paid >= 3, "{paid} payments in nine lives: this tried nothing");

    // Now they are left alone.
    for wallet in &wallets {
        for _ in 0..100 {
            let _ = wallet.resume().await;
            if !wallet.has_unfinished().await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert!(!wallet.has_unfinished().await);
        wallet.receive().await.unwrap();
    }
    cluster.wait_until_paid_out().await.unwrap();
    let supply = cluster.supply().await.unwrap();
    let mut accounted = supply.redeemed.checked_add(cluster.fees().await.unwrap()).unwrap();
    for wallet in &wallets {
        let balance = wallet.balance().await;
        assert_eq!(balance.in_flight, Amount::ZERO);
        accounted = accounted.checked_add(balance.available).unwrap().checked_add(balance.claimable).unwrap();
    }
    assert_eq!(supply.withdrawn, accounted, "issued = held + redeemed + fees");
    issuer.kill().unwrap();
    redeemer.kill().unwrap();
}
