//! What a wallet shows to a verifier: commands of three people, real servers, and a verifier who has no wallet.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    ffi::OsStr,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use farthing_ecash::{
    amount::{Amount, Currency},
    calendar::Day,
};
use farthing_tests::{
    cluster::{Cluster, Setup},
    demo::{ALICE, BOB, begin_on_one_day},
    programs::Farthing,
};

const POLICY: &str = include_str!("../src/demo/policy.toml");

fn eur(text: &str) -> Amount {
    Currency::new("EUR", 6).unwrap().parse(text).unwrap()
}

/// A registered wallet with money in its account.
async fn set_up(cluster: &Cluster, dir: &Path, identity: &str) -> Farthing {
    let farthing = Farthing::new(dir).unwrap();
    let urls = [cluster.issuer_address(), cluster.redeemer_address()].map(|address| format!("https://{address}"));
    let ca = cluster.authority();
    let init = ["init", "--issuer", &urls[0], "--redeemer", &urls[1], "--ca", ca.to_str().unwrap()];
    assert_eq!(farthing.json(&init).unwrap().0, 0);
    let invitation = dir.with_extension("invitation");
    fs::write(&invitation, cluster.invite(identity, "person").await.unwrap()).unwrap();
    let register = ["register", identity, "--invitation-file", invitation.to_str().unwrap()];
    assert_eq!(farthing.json(&register).unwrap().0, 0);
    cluster.credit(identity, eur("50.00")).await.unwrap();
    farthing
}

/// What a command says on a terminal on which this is typed. `None` where no terminal can be made.
fn on_a_terminal(farthing: &Farthing, arguments: &[&str], typed: &str) -> Option<String> {
    let command = farthing.command(arguments);
    let quoted = |word: &OsStr| format!("'{}'", word.to_str().unwrap().replace('\'', r"'\''"));
    let line: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
    let mut script = Command::new("script");
    script.args(["-qec", &line.join(" "), "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = script.spawn().ok()?;
    running.stdin.take()?.write_all(typed.as_bytes()).unwrap();
    let said = running.wait_with_output().unwrap();
    Some(String::from_utf8_lossy(&said.stdout).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verifier_believes_what_was_shown_to_it_and_nothing_else() {
    // Both claims count for one month.
    begin_on_one_day().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let mut cluster = Cluster::start(&dir.path().join("servers"), Setup::with_policy(POLICY)).await.unwrap();
    let alice = set_up(&cluster, &dir.path().join("alice"), ALICE).await;
    let bob = set_up(&cluster, &dir.path().join("bob"), BOB).await;
    let office = Farthing::new(&dir.path().join("office")).unwrap();
    assert_eq!(alice.json(&["withdraw", "20.00"]).unwrap().0, 0);
    let paid = [alice.json(&["pay", BOB, "3.50"]).unwrap().1, alice.json(&["pay", BOB, "1.25"]).unwrap().1];
    let month = Day::new(cluster.logical_day().await.unwrap()).month().to_string();
    let (code, received) = bob.json(&["receive"]).unwrap();
    assert_eq!((code, received["claimed"].as_array().unwrap().len()), (0, 2), "{received}");
    let sizes = (cluster.payment_log_size().await.unwrap(), cluster.issuance_log_size().await.unwrap());

    // The office has no wallet, and trusts what Alice trusts.
    let (_, standing) = alice.json(&["trust"]).unwrap();
    let trust = file("trust.txt");
    fs::write(&trust, standing["policy"].as_str().unwrap()).unwrap();
    let challenge = || {
        let (code, made) = office.json(&["challenge", "Housing Office"]).unwrap();
        assert_eq!((code, made["verifier"].as_str()), (0, Some("Housing Office")), "{made}");
        made["challenge"].as_str().unwrap().to_owned()
    };
    let (mine, other) = (challenge(), challenge());
    assert_ne!(mine, other);

    let (income, kept) = (file("income.txt"), file("kept.txt"));
    let prove = |month: &str| {
        let arguments = ["prove-income", "--month", month, "--challenge", &mine, "--identity", "-o", &income];
        bob.json(&arguments).unwrap()
    };
    let (code, made) = prove(&month);
    assert_eq!(code, 0, "{made}");
    assert_eq!((&made["month_total"], &made["verifier"]), (&4_750_000.into(), &"Housing Office".into()));
    let (code, refused) = prove("1999-12");
    assert_eq!((code, refused["error"]["reason"].as_str()), (2, Some("MALFORMED_REQUEST")), "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().contains(month.as_str()), "{refused}");

    let url = format!("https://{}", cluster.redeemer_address());
    let ca = cluster.authority().to_str().unwrap().to_owned();
    let asking = ["--trust", &trust, "--redeemer", &url, "--ca", &ca];
    let check = |file: &str, more: &[&str]| {
        let arguments = [&["verify-proof", file], &asking[..], more].concat();
        office.json(&arguments).unwrap()
    };
    let look = |file: &str, more: &[&str]| {
        let arguments = [&["verify-proof", file, "--trust", &trust], more].concat();
        office.json(&arguments).unwrap()
    };
    // Without a wallet somebody has to be named.
    let (code, nobody) = office.json(&["verify-proof", &income, "--challenge", &mine]).unwrap();
    assert_eq!((code, nobody["error"]["reason"].as_str()), (7, Some("NO_WALLET")), "{nobody}");
    assert!(nobody["error"]["next"].as_str().unwrap().contains("--trust FILE"), "{nobody}");
    let refused = |outcome: (i32, serde_json::Value)| {
        assert_eq!((outcome.0, outcome.1["error"]["reason"].as_str()), (1, Some("NOT_PROVEN")), "{}", outcome.1);
    };
    let (code, shown) = check(&income, &["--challenge", &mine, "--save", &kept]);
    assert_eq!((code, shown["proof"].as_str(), shown["identity"].as_str()), (0, Some("income"), Some(BOB)), "{shown}");
    assert_eq!((&shown["month_total_at_least"], &shown["month"]), (&4_750_000.into(), &month.as_str().into()));
    refused(check(&income, &["--challenge", &other]));
    refused(check(&income, &[]));
    // Bob's own wallet knows the redeemer and whom to trust.
    let (code, _) = bob.json(&["verify-proof", &income, "--challenge", &mine]).unwrap();
    assert_eq!(code, 0);
    let text = office.run(&[&["verify-proof", &income, "--challenge", &mine], &asking[..]].concat()).unwrap();
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("at least 4.75 EUR") && text.contains(BOB) && text.contains("Housing Office"), "{text}");

    // Payments need nobody.
    let (rent, id) = (file("rent.txt"), paid[0]["payment_id"].as_str().unwrap());
    let (code, made) = alice.json(&["prove-payment", id, "--challenge", &mine, "-o", &rent]).unwrap();
    assert_eq!((code, &made["amount"], &made["payee"]), (0, &3_500_000.into(), &BOB.into()), "{made}");
    let (code, _) = bob.json(&["prove-payment", id, "--payee", BOB]).unwrap();
    assert_ne!(code, 0, "the payee has not paid it");
    refused(look(&rent, &["--challenge", &other]));
    let receipt = file("receipt.txt");
    assert_eq!(alice.json(&["receipt", id, "--output", &receipt]).unwrap().0, 0);
    assert_eq!(look(&receipt, &[]).1["proof"], "receipt");
    assert_eq!(look(&receipt, &["--challenge", &mine]).0, 2);
    // What is for proofs of income only is not overlooked.
    for (file, more) in [(&rent, &["--challenge", mine.as_str()][..]), (&receipt, &[])] {
        assert_eq!(check(file, more).0, 2);
        assert_eq!(look(file, &[more, &["--save", &kept]].concat()).0, 2);
    }
    // By mail, with the line ends of mail.
    for (file, more) in
        [(&rent, &["--challenge", mine.as_str()][..]), (&kept, &["--challenge", mine.as_str()]), (&receipt, &[])]
    {
        let mailed = format!("{file}.eml");
        fs::write(&mailed, fs::read_to_string(file).unwrap().replace('\n', "\r\n")).unwrap();
        assert_eq!(look(&mailed, more).0, 0, "{file}");
    }
    // On a terminal nothing is written before its owner has agreed.
    let shown = file("shown.txt");
    let arguments = ["prove-income", "--month", &month, "--challenge", &mine, "-o", &shown];
    for (answer, written) in [("n\n", false), ("y\n", true)] {
        let Some(said) = on_a_terminal(&bob, &arguments, answer) else { break };
        assert!(
            said.contains("Show Housing Office that the owner of a wallet has received at least 4.75 EUR"),
            "{said}"
        );
        assert_eq!(Path::new(&shown).exists(), written, "{said}");
    }

    // Nothing of this is in a log; and what was attested or logged is checked when no server runs any more.
    assert_eq!(sizes, (cluster.payment_log_size().await.unwrap(), cluster.issuance_log_size().await.unwrap()));
    cluster.stop_servers().await.unwrap();
    let (code, shown) = check(&kept, &["--challenge", &mine]);
    assert_eq!((code, &shown["month_total_at_least"]), (0, &4_750_000.into()), "{shown}");
    let (code, shown) = look(&rent, &["--challenge", &mine]);
    assert_eq!((code, shown["proof"].as_str(), shown["payee"].as_str()), (0, Some("payment"), Some(BOB)), "{shown}");
    assert_eq!((&shown["amount"], &shown["transaction_id"]), (&3_500_000.into(), &id.into()));
    let (code, _) = check(&income, &["--challenge", &mine, "--timeout", "2s"]);
    assert_eq!(code, 5, "without its attestation it has to be asked about");
}
