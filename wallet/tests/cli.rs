//! The command line as a person or a script meets it: the program itself is run, on wallets whose servers nobody reaches.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "cli/home.rs"]
mod home;

use std::{fs, process::Stdio};

use farthing_wallet::cli::exit::Exit;

use home::{Home, mode};

const COMMANDS: [&str; 19] = [
    "init",
    "register",
    "withdraw",
    "pay",
    "receive",
    "link",
    "balance",
    "history",
    "redeem",
    "request",
    "requests",
    "receipt",
    "challenge",
    "prove-income",
    "prove-payment",
    "verify-proof",
    "info",
    "daemon",
    "completions",
];

#[test]
fn every_command_has_help_and_the_exit_codes_are_in_it() {
    let home = Home::new();
    let help = home.farthing(&["--help"]);
    assert_eq!(help.code, 0);
    assert!(help.out.contains(&Exit::table()), "{}", help.out);
    for command in COMMANDS {
        assert!(help.out.contains(&format!("\n  {command} ")), "{command}");
        let help = home.farthing(&[command, "--help"]);
        assert_eq!(help.code, 0);
        assert!(help.out.contains(&format!("Usage: farthing {command}")), "{}", help.out);
        assert!(help.err.is_empty());
    }
    assert_eq!(home.farthing(&["--version"]).code, 0);
}

#[test]
fn the_readme_has_the_same_exit_codes() {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    for exit in Exit::ALL {
        let row = format!("| {} | {} |", exit.code(), exit.meaning());
        assert!(readme.contains(&row), "README.md lacks the row\n{row}");
    }
}

#[test]
fn a_wrong_command_line_is_told_as_text_or_as_one_document() {
    let home = Home::new();
    for wrong in [vec!["pya"], vec!["withdraw"], vec!["balance", "--tiemout", "1s"], vec![], vec!["history", "-n", "0"]]
    {
        let told = home.farthing(&wrong);
        assert_eq!((told.code, told.out.as_str()), (2, ""), "{wrong:?}");
        assert!(!told.err.is_empty());
        let told = home.farthing(&[wrong.as_slice(), &["--json"]].concat());
        assert_eq!((told.code, told.reason().as_str()), (2, "USAGE"), "{wrong:?}");
        assert!(told.err.is_empty());
    }
}

#[test]
fn what_cannot_be_an_amount_or_identity_is_refused_before_anything_is_opened() {
    let home = Home::new();
    for wrong in [
        ["pay", "bob@bank.example", "3,50"],
        ["pay", "bob@bank.example", "-3.50"],
        ["pay", "bob@bank.example", "1.0000000000000000000"],
        ["pay", "bob at bank", "3.50"],
        ["pay", "b\u{43e}b@bank.example", "3.50"],
    ] {
        let told = home.farthing(&wrong);
        assert_eq!((told.code, told.out.as_str()), (2, ""), "{wrong:?}");
        assert_eq!(home.farthing(&[&wrong[..], &["--json"]].concat()).reason(), "USAGE");
    }
    let told = home.farthing(&["pay", "bob@bank.example", "1.0000000000000000000"]);
    assert!(told.err.contains("at most 18 decimals"), "{}", told.err);
    let told = home.farthing(&["pay", "bob@bank.example"]);
    assert!(told.code == 2 && told.err.contains("Give the amount"), "{}", told.err);
}

#[test]
fn what_cannot_be_a_link_is_refused_before_anything_is_opened() {
    let home = Home::new();
    for wrong in [
        &["receive", "farthing:claim/AAAA"][..],
        &["receive", "farthing:pay?to=bob@bank.example"],
        &["receive", "bob@bank.example"],
        &["link", "abc"],
    ] {
        let told = home.farthing(&[wrong, &["--json"]].concat());
        assert_eq!((told.code, told.err.as_str()), (2, ""), "{wrong:?} {}", told.out);
        assert_eq!(home.farthing(wrong).out, "");
    }
    let told = home.farthing(&["pay", "farthing:claim/AAAA", "1.00"]);
    assert!(told.code == 2 && told.err.contains("farthing receive"), "{}", told.err);
}

#[test]
fn a_picture_is_png_or_svg_and_that_is_said_before_anything_is_opened() {
    let home = Home::new();
    for wrong in ["tea.gif", "tea", ".png"] {
        let told = home.farthing(&["request", "1.00", "--out", wrong, "--json"]);
        assert_eq!((told.code, told.reason().as_str()), (2, "USAGE"), "{wrong}");
    }
    assert_eq!(home.farthing(&["request", "--out", "tea.png", "--json"]).reason(), "NO_WALLET");
}

#[test]
fn a_wallet_is_made_once_and_its_words_are_shown_once() {
    let home = Home::new();
    let made = home.init(&["--json"]);
    assert_eq!(made.code, 0, "{}", made.err);
    let document = made.document();
    let words: Vec<&str> = document["words"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(words.len(), 24);
    assert_eq!(document["data_dir"], home.wallet().to_str().unwrap());
    assert_eq!(mode(&home.wallet()), 0o700);
    for entry in fs::read_dir(home.wallet()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
    let stored = fs::read(home.wallet().join("ca.pem")).unwrap();
    assert_eq!(stored, fs::read(home.path("certificates/ca.pem")).unwrap());

    let again = home.init(&["--json"]);
    assert_eq!((again.code, again.reason().as_str()), (7, "WALLET_EXISTS"));

    // The words make a wallet anew in another place, and are not echoed.
    let words_file = home.secret("words", &words.join(" "));
    let other = home.path("other");
    let made = home.init(&["--data-dir", other.to_str().unwrap(), "--words-file", &words_file]);
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(!(made.out + &made.err).contains(&words.join(" ")));
    let wrong = home.secret("words", &words.iter().rev().copied().collect::<Vec<_>>().join(" "));
    let told = home.init(&["--data-dir", home.path("third").to_str().unwrap(), "--words-file", &wrong]);
    assert_eq!(told.code, 2, "{}", told.err);
}

#[test]
fn a_wallet_is_not_made_with_servers_that_cannot_be_reached_in_any_way() {
    let home = Home::new();
    let ca = home.path("certificates/ca.pem");
    let ca = ca.to_str().unwrap();
    let key = home.path("certificates/ca.key");
    for (issuer, ca) in
        [("http://localhost:1", ca), ("localhost:1", ca), ("https://localhost:1", key.to_str().unwrap())]
    {
        let told = home.farthing(&["init", "--issuer", issuer, "--redeemer", "https://localhost:2", "--ca", ca]);
        assert_eq!(told.code, 2, "{}", told.err);
    }
    assert!(!home.wallet().exists());
}

#[test]
fn a_passphrase_comes_from_a_file_or_standard_input_and_a_wrong_one_opens_nothing() {
    let home = Home::with_wallet();
    let wrong = home.secret("wrong", "guessed");
    let told = home.farthing(&["balance", "--passphrase-file", &wrong, "--json"]);
    assert_eq!((told.code, told.reason().as_str()), (7, "WRONG_PASSPHRASE"));
    let told = home.farthing_without_passphrase(&["balance"]);
    assert!(told.code == 2 && told.err.contains("--passphrase-file"), "{}", told.err);
    let told = home.farthing(&["balance", "--passphrase-file", home.path("none").to_str().unwrap()]);
    assert!(told.code == 2 && told.err.contains("cannot read the passphrase"), "{}", told.err);

    let mut command = home.command(env!("CARGO_BIN_EXE_farthing"), &["balance", "--passphrase-file", "-"]);
    command.stdin(Stdio::from(fs::File::open(home.path("passphrase")).unwrap()));
    assert!(command.output().unwrap().status.success());
}

#[test]
fn without_a_wallet_one_is_told_how_to_make_it() {
    let home = Home::new();
    for command in [&["balance"][..], &["receive"], &["info"], &["history"], &["daemon"], &["withdraw", "1"]] {
        let told = home.farthing(&[command, &["--json"]].concat());
        assert_eq!((told.code, told.reason().as_str()), (7, "NO_WALLET"), "{command:?}");
        assert!(home.farthing(command).err.contains("farthing init"));
    }
}

#[test]
fn a_fresh_wallet_tells_its_facts_without_a_server() {
    let home = Home::with_wallet();
    let balance = home.farthing(&["balance", "--json"]);
    assert_eq!(balance.code, 0, "{}", balance.err);
    let document = balance.document();
    assert_eq!(
        document,
        serde_json::json!({ "available": 0, "in_flight": 0, "claimable": 0, "restricted": [], "currency": null })
    );
    let history = home.farthing(&["history"]);
    assert_eq!((history.code, history.out.as_str()), (0, ""));
    let history = home.farthing(&["history", "--json"]).document();
    assert_eq!(history, serde_json::json!({ "items": [], "next_page_token": null, "currency": null }));

    let info = home.farthing(&["info", "--json", "--timeout", "20s"]);
    assert_eq!(info.code, 0, "{}", info.err);
    let info = info.document();
    assert_eq!((info["registered"].as_bool(), info["identity"].as_str()), (Some(false), None));
    assert_eq!(info["data_dir"], home.wallet().to_str().unwrap());
    assert!(info["issuer"].as_str().unwrap().starts_with("https://127.0.0.1:"));
}

#[test]
fn servers_that_nobody_reaches_are_told_with_what_to_do() {
    let home = Home::with_wallet();
    let code = home.secret("code", "0123456789abcdef");
    for command in [
        &["withdraw", "20.00"][..],
        &["register", "alice@bank.example", "--invitation-file", &code],
        &["pay", "bob@bank.example", "3.50"],
    ] {
        let told = home.farthing(command);
        assert_eq!((told.code, told.out.as_str()), (5, ""), "{command:?} {}", told.err);
        assert!(told.err.contains("Nothing is lost"), "{}", told.err);
        let told = home.farthing(&[command, &["--json"]].concat());
        assert_eq!((told.code, told.reason().as_str()), (5, "PEER_UNREACHABLE"));
    }
}

#[test]
fn a_damaged_wallet_is_not_taken_for_a_wrong_passphrase() {
    let home = Home::with_wallet();
    let config = home.wallet().join("config.toml");
    let good = fs::read_to_string(&config).unwrap();
    fs::write(&config, good.replace("[issuer]", "[isuer]")).unwrap();
    let told = home.farthing(&["balance"]);
    assert!(told.code == 7 && told.err.contains("config.toml:"), "{}", told.err);
    assert_eq!(home.farthing(&["balance", "--json"]).reason(), "WALLET_CONFIG");
    fs::write(&config, good).unwrap();
    assert_eq!(home.farthing(&["balance"]).code, 0);

    for file in ["vault", "store/journal/00000000000000000001.journal"] {
        let path = home.wallet().join(file);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(&path, &bad).unwrap();
        let told = home.farthing(&["balance", "--json"]);
        assert_eq!((told.code, told.reason().as_str()), (7, "WALLET_DAMAGED"), "{file}");
        fs::write(&path, good).unwrap();
    }
    assert_eq!(home.farthing(&["balance"]).code, 0);
}

#[test]
fn completions_for_every_shell() {
    let home = Home::new();
    for (shell, sign) in [("bash", "_farthing()"), ("zsh", "#compdef farthing"), ("fish", "complete -c farthing")] {
        let script = home.farthing(&["completions", shell]);
        assert_eq!(script.code, 0);
        assert!(script.out.contains(sign) && script.out.contains("withdraw"), "{shell}");
        assert_eq!(home.farthing(&["completions", shell, "--json"]).document()["script"], script.out.as_str());
    }
    assert_eq!(home.farthing(&["completions", "tcsh"]).code, 2);
}

#[test]
fn colours_are_for_terminals_or_those_who_insist() {
    let home = Home::new();
    assert!(!home.farthing(&["balance"]).err.contains('\u{1b}'));
    assert!(home.farthing(&["balance", "--color", "always"]).err.contains('\u{1b}'));
}
