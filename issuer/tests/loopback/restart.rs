//! What an issuer finds again when it starts.

use std::{fs, time::Duration};

use farthing_ecash::{
    amount::Amount,
    calendar::Day,
    credential::issue::Answer,
    entry::{Entry, EntryKind},
    keys::PublicKey,
};
use farthing_issuer::{ISSUANCE, error::RunError};
use farthing_proto::v1::{ErrorReason, GetIssuerRequest, GetLogSizeRequest};

use crate::running::{Running, TODAY, Wallet, parts, transaction};

const ALICE: &str = "alice@bank.example";

#[tokio::test]
async fn a_restart_keeps_everything() {
    let issuer = Running::start().await;
    let key = issuer.key().await;
    let wallet = issuer.registered(ALICE, "person", 50_00).await;
    let bob = issuer.invite("bob@bank.example", "bank").await;
    let request = wallet.withdraw(key.id(), TODAY, 30_00, 0);
    let response = issuer.withdraw(&request).await.unwrap();
    // The directory's entry comes by itself.
    while issuer.log_size().await < 5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let log = issuer.handles.store.log_read(ISSUANCE, 0, 100).await.unwrap();
    let kinds: Vec<_> = log.iter().map(|record| Entry::from_bytes(&record.entry).unwrap().kind().code()).collect();
    assert_eq!(kinds[0], EntryKind::Key.code());

    let issuer = issuer.restart().await;
    assert_eq!(issuer.key().await, key);
    assert_eq!(issuer.handles.store.log_read(ISSUANCE, 0, 100).await.unwrap(), log);
    assert_eq!(issuer.withdraw(&request).await.unwrap(), response);
    let account = issuer.account(&wallet, TODAY).await.unwrap();
    assert_eq!((account.balance, account.withdrawn_today), (20_00, 30_00));
    assert_eq!(issuer.handles.totals().withdrawn, Amount::new(30_00));
    let bob = Wallet::new("bob@bank.example").register(key.id(), TODAY, &bob);
    assert_eq!(issuer.register(&bob).await.unwrap().log_index, 5);
    issuer.stop().await;
}

#[tokio::test]
async fn the_issuer_tells_who_it_is() {
    let issuer = Running::start().await;
    let answer = issuer.issuer().get_issuer(GetIssuerRequest {}).await.unwrap().into_inner();
    assert_eq!((answer.log_origin.as_str(), answer.time_zone.as_str()), ("issuer.test/issuance", "Europe/Luxembourg"));
    assert_eq!(answer.logical_day, TODAY.get());
    let key = PublicKey::from_bytes(&answer.keys[0]).unwrap();
    assert_eq!(answer.current_key_id, key.id().as_bytes());
    // The key is the first entry of the log.
    let record = issuer.handles.store.log_read(ISSUANCE, 0, 1).await.unwrap().remove(0);
    assert_eq!(Entry::from_bytes(&record.entry).unwrap().body(), answer.keys[0]);
    // Until when wallets are valid is the second.
    let record = issuer.handles.store.log_read(ISSUANCE, answer.calendar_log_index, 1).await.unwrap().remove(0);
    let entry = Entry::from_bytes(&record.entry).unwrap();
    assert_eq!((answer.calendar_log_index, entry.kind()), (1, EntryKind::Calendar));
    assert_eq!((entry.body(), answer.calendar.as_slice()), ([6, 0, 0, 0].as_slice(), [6, 0, 0, 0].as_slice()));
    let size = issuer.ledger().get_log_size(GetLogSizeRequest {}).await.unwrap().into_inner();
    assert_eq!((size.origin, size.size), (answer.log_origin, 2));
    issuer.stop().await;
}

#[tokio::test]
async fn a_further_key_takes_over_when_the_first_is_over() {
    let issuer = Running::start().await;
    let (old, clock) = (issuer.key().await, issuer.clock.clone());
    let wallet = issuer.registered(ALICE, "person", 50_00).await;
    let home = issuer.stop().await;
    let path = home.path().join("issuer.toml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, config.replace("issuing.key\"", "issuing.key\", \"keys/next.key\"")).unwrap();
    let (config, started) = parts(home.path(), &clock).unwrap();
    let issuer = Running::serve(home, config, started, clock).await.map_err(|(_, error)| error).unwrap();
    assert_eq!(issuer.key().await.id(), old.id());
    assert_eq!(issuer.issuer().get_issuer(GetIssuerRequest {}).await.unwrap().into_inner().keys.len(), 2);

    issuer.pass(Duration::from_secs(365 * 86_400)).await;
    let today = Day::new(TODAY.get() + 365);
    let new = issuer.key().await;
    assert_eq!(new.dates().first, today);
    let failure = issuer.withdraw(&wallet.withdraw(old.id(), today, 1, 0)).await.unwrap_err();
    assert_eq!(failure.reason, ErrorReason::KeyExpired);
    assert_eq!(failure.metadata["key_id"], old.id().to_string());
    issuer.withdraw(&wallet.withdraw(new.id(), today, 1, 0)).await.unwrap();
    issuer.stop().await;
}

#[tokio::test]
async fn a_lost_key_is_not_replaced_by_a_new_one() {
    let issuer = Running::start().await;
    let (lost, clock) = (issuer.key().await.id(), issuer.clock.clone());
    let home = issuer.stop().await;
    fs::remove_file(home.path().join("keys/issuing.key")).unwrap();
    let (config, started) = parts(home.path(), &clock).unwrap();
    let refused = Running::serve(home, config, started, clock).await.err().map(|(_, error)| error);
    assert!(matches!(refused, Some(RunError::KeyLost(key)) if key == lost));
}

#[tokio::test]
async fn a_policy_in_another_currency_does_not_start() {
    let issuer = Running::start().await;
    let clock = issuer.clock.clone();
    let home = issuer.stop().await;
    let path = home.path().join("policy.toml");
    let policy = fs::read_to_string(&path).unwrap();
    for other in [policy.replace("\"EUR\"", "\"CHF\""), policy.replace("exponent = 2", "exponent = 6")] {
        fs::write(&path, other).unwrap();
        let (_, started) = parts(home.path(), &clock).unwrap();
        let refused = farthing_issuer::Issuer::start(started, clock.clone()).await.err();
        assert!(matches!(refused, Some(RunError::Currency { .. })));
    }
    fs::write(&path, policy.replace("version", "vresion")).unwrap();
    assert!(matches!(parts(home.path(), &clock).err(), Some(RunError::Policy { .. })));
}

/// Another calendar is announced once, and counts from the next month on: all states of a month are valid for as long.
#[tokio::test]
async fn another_calendar_is_announced_and_counts_from_the_next_month_on() {
    let issuer = Running::start().await;
    let clock = issuer.clock.clone();
    let home = issuer.stop().await;
    let path = home.path().join("issuer.toml");
    let config = fs::read_to_string(&path).unwrap();
    assert!(!config.contains("validity_months"));
    fs::write(&path, format!("validity_months = 5\n{config}")).unwrap();
    let (config, started) = parts(home.path(), &clock).unwrap();
    let issuer = Running::serve(home, config, started, clock.clone()).await.map_err(|(_, error)| error).unwrap();
    let issuer = issuer.restart().await;
    let told = issuer.issuer().get_issuer(GetIssuerRequest {}).await.unwrap().into_inner();
    assert_eq!((told.calendar, told.calendar_log_index, issuer.log_size().await), (vec![6, 0, 0, 0], 1, 3));
    assert_eq!(told.calendar_log_indices, [1, 2]);

    // In November as before; in December periods have five months.
    for (identity, days, validity) in [(ALICE, 0, "2026-12"), ("bob@bank.example", 30, "2027-01")] {
        issuer.pass(Duration::from_secs(days * 86_400)).await;
        let wallet = Wallet::new(identity);
        let invitation = issuer.invite(identity, "person").await;
        let today = Day::new(TODAY.get() + u32::try_from(days).unwrap());
        let told = issuer.issuer().get_issuer(GetIssuerRequest {}).await.unwrap().into_inner();
        assert_eq!(told.calendar_log_index, if days == 0 { 1 } else { 2 });
        let request = wallet.register(issuer.key().await.id(), today, &invitation);
        let answer = issuer.register(&request).await.unwrap().answer;
        let sent = transaction(&request.transaction);
        let answer = Answer::from_bytes(sent.core(), &answer).unwrap();
        assert_eq!(answer.registration().unwrap().1.to_string(), validity);
    }
    let home = issuer.stop().await;
    for months in [0, 121] {
        let config = fs::read_to_string(&path).unwrap();
        let line = config.lines().next().unwrap();
        fs::write(&path, config.replace(line, &format!("validity_months = {months}"))).unwrap();
        assert!(matches!(parts(home.path(), &clock), Err(RunError::Config(_))));
    }
}
