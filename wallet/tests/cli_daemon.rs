//! The daemon as other programs meet it: found by its files, reached with its token, and gone when it is asked to go.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "cli/home.rs"]
mod home;

use std::fs;

use farthing_proto::v1::{
    ErrorReason, GetBalanceRequest, ListHistoryRequest, PayRequest, wallet_service_client::WalletServiceClient,
};
use farthing_service::{
    channel::{self, Deadlines},
    status::Failure,
    tls::ClientTls,
    token::Token,
};
use farthing_wallet::daemon::Endpoint;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use home::{Home, mode};

const FARTHING: &str = env!("CARGO_BIN_EXE_farthing");

#[test]
fn the_daemon_holds_the_wallet_until_it_is_asked_to_stop() {
    let home = Home::with_wallet();
    let daemon = home.daemon(FARTHING, &["daemon", "--json", "--quiet"]);
    let endpoint = Endpoint::load(&home.wallet()).unwrap().unwrap();
    let document: serde_json::Value = serde_json::from_str(&daemon.line).unwrap();
    assert_eq!(document["address"], endpoint.address.as_str());
    assert_eq!((endpoint.pid, document["pid"].as_u64()), (daemon.pid(), Some(daemon.pid().into())));
    assert!(endpoint.address.starts_with("https://127.0.0.1:"));
    let files = [Endpoint::file(&home.wallet()), endpoint.token_file.clone()];
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    assert_eq!(mode(&home.wallet().join("daemon")), 0o700);

    // Whoever can read the files needs no passphrase, and the wallet stays with the daemon.
    let balance = home.farthing_without_passphrase(&["balance", "--json"]);
    assert_eq!(balance.code, 0, "{}", balance.err);
    assert_eq!(balance.document()["available"], 0);
    let info = home.farthing_without_passphrase(&["info", "--json", "--timeout", "30s"]);
    assert_eq!(info.document()["daemon"]["pid"], daemon.pid());
    let told = home.farthing_without_passphrase(&["pay", "bob@bank.example", "3.50", "--json"]);
    assert_eq!((told.code, told.reason().as_str()), (5, "PEER_UNREACHABLE"));

    let second = home.farthing(&["daemon"]);
    assert_eq!(second.code, 7);
    assert!(second.err.contains(&format!("kill {}", daemon.pid())), "{}", second.err);

    // A process that does not find the daemon does not get the wallet either.
    let hidden = home.path("hidden");
    fs::rename(&files[0], &hidden).unwrap();
    let told = home.farthing(&["balance", "--json"]);
    assert_eq!((told.code, told.reason().as_str()), (7, "WALLET_IN_USE"));
    assert!(told.document()["error"]["message"].as_str().unwrap().contains(&daemon.pid().to_string()));
    fs::rename(&hidden, &files[0]).unwrap();

    assert_eq!(daemon.terminate(), 0);
    assert!(files.iter().all(|file| !file.exists()));
    assert_eq!(home.farthing(&["balance"]).code, 0);
}

#[test]
fn only_the_token_opens_the_service_and_health_needs_none() {
    let home = Home::with_wallet();
    let daemon = home.daemon(env!("CARGO_BIN_EXE_farthing-walletd"), &["--quiet", "--listen", "[::1]:0"]);
    let endpoint = Endpoint::load(&home.wallet()).unwrap().unwrap();
    assert!(endpoint.address.starts_with("https://[::1]:"), "{}", daemon.line);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let tls = ClientTls::load(&endpoint.ca, None).unwrap();
        let channel = channel::open(&endpoint.address, &tls, Deadlines::default()).unwrap();
        HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.unwrap();

        let mut stranger = WalletServiceClient::new(channel.clone());
        let refused = stranger.get_balance(GetBalanceRequest {}).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert_eq!(Failure::from(refused).reason, ErrorReason::TokenInvalid);

        let token = Token::load(&endpoint.token_file).unwrap();
        let mut owner = WalletServiceClient::with_interceptor(channel, token.bearer());
        let balance = owner.get_balance(GetBalanceRequest {}).await.unwrap().into_inner();
        assert_eq!(balance.balance.unwrap().available, 0);

        // Bad fields are named.
        let refused =
            owner.list_history(ListHistoryRequest { page_size: 1_001, ..Default::default() }).await.unwrap_err();
        assert!(refused.message().starts_with("page_size"), "{}", refused.message());
        let refused =
            owner.list_history(ListHistoryRequest { page_token: "x".into(), page_size: 1 }).await.unwrap_err();
        assert_eq!(Failure::from(refused).reason, ErrorReason::MalformedRequest);
        let pay =
            PayRequest { payee: "bob@bank.example".into(), amount: 1, request_id: vec![0; 15], ..Default::default() };
        let refused = owner.pay(pay.clone()).await.unwrap_err();
        assert!(refused.message().starts_with("request_id"), "{}", refused.message());
        let refused = owner.pay(PayRequest { payee: "b b".into(), request_id: vec![0; 16], ..pay }).await.unwrap_err();
        assert!(refused.message().starts_with("payee"), "{}", refused.message());
    });
    assert_eq!(daemon.terminate(), 0);
}

#[test]
fn a_stream_of_events_does_not_hold_up_the_end() {
    use farthing_proto::v1::WatchEventsRequest;
    let home = Home::with_wallet();
    let daemon = home.daemon(FARTHING, &["daemon", "--quiet", "--receive-every", "1h"]);
    let endpoint = Endpoint::load(&home.wallet()).unwrap().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut events = runtime.block_on(async {
        let tls = ClientTls::load(&endpoint.ca, None).unwrap();
        let channel = channel::open(&endpoint.address, &tls, Deadlines::default()).unwrap();
        let token = Token::load(&endpoint.token_file).unwrap();
        let mut owner = WalletServiceClient::with_interceptor(channel, token.bearer());
        owner.watch_events(WatchEventsRequest { after_cursor: 0 }).await.unwrap().into_inner()
    });
    assert_eq!(daemon.terminate(), 0);
    let end = runtime.block_on(events.message());
    assert!(matches!(end, Ok(None)), "{end:?}");
}

#[test]
fn what_a_killed_daemon_left_behind_is_ignored() {
    let home = Home::with_wallet();
    let daemon = home.daemon(FARTHING, &["daemon", "--quiet"]);
    daemon.kill();
    assert!(Endpoint::file(&home.wallet()).exists());
    let balance = home.farthing(&["balance"]);
    assert_eq!(balance.code, 0, "{}", balance.err);
    let daemon = home.daemon(FARTHING, &["daemon", "--quiet"]);
    assert_eq!(Endpoint::load(&home.wallet()).unwrap().unwrap().pid, daemon.pid());
    assert_eq!(daemon.terminate(), 0);
}

#[test]
fn the_daemon_is_for_this_machine_only() {
    let home = Home::with_wallet();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:7005"] {
        let told = home.farthing(&["daemon", "--listen", address, "--json"]);
        assert_eq!((told.code, told.reason().as_str()), (2, "USAGE"), "{address}");
    }
    assert!(!home.wallet().join("daemon").exists());
}
