//! Registration.

use std::time::Duration;

use farthing_ecash::{
    calendar::Day,
    credential::issue::Answer,
    entry::{Entry, EntryKind},
    keys::KeyId,
    register,
    statement::Statement,
};
use farthing_proto::v1::{ErrorReason, GetEntryRequest, InviteRequest, RegisterRequest};
use farthing_service::status::Failure;

use crate::running::{Running, TODAY, Wallet, transaction};

const ALICE: &str = "alice@bank.example";
const BOB: &str = "bob@bank.example";

#[tokio::test]
async fn a_wallet_is_registered_and_a_retry_gets_the_same_bytes() {
    let issuer = Running::start().await;
    let (key, wallet) = (issuer.key().await, Wallet::new(ALICE));
    let invitation = issuer.invite(" Alice@BANK.example ", "bank").await;
    let written = invitation.replace('-', " ").to_lowercase();
    let request = wallet.register(key.id(), TODAY, &written);
    let response = issuer.register(&request).await.unwrap();

    let sent = transaction(&request.transaction);
    let answer = Answer::from_bytes(sent.core(), &response.answer).unwrap();
    let state = register::finish(sent.core(), &answer, &key, &wallet.keys, &wallet.identity).unwrap();
    assert_eq!(state.attributes().class(), 7);
    assert_eq!(state.attributes().validity(), TODAY.month().plus(1), "to the end of the half-year");

    let entry = issuer.ledger().get_entry(GetEntryRequest { index: response.log_index }).await.unwrap().into_inner();
    assert_eq!(entry.proof, sent.proof_bytes());
    let entry = Entry::from_bytes(&entry.entry.unwrap().entry).unwrap();
    assert_eq!((entry.kind(), entry.day()), (EntryKind::Transaction(Statement::Register), TODAY));
    assert_eq!(entry.body(), [sent.core_bytes(), &response.answer].concat());

    assert_eq!(issuer.register(&request).await.unwrap(), response);
    // Whatever the day, and whatever stands beside the transaction.
    issuer.pass(Duration::from_secs(3 * 86_400)).await;
    let retry = RegisterRequest { invitation: String::new(), ..request };
    assert_eq!(issuer.register(&retry).await.unwrap(), response);
    assert_eq!(issuer.account(&wallet, Day::new(TODAY.get() + 3)).await.unwrap().class_name, "bank");
    issuer.stop().await;
}

/// Nothing of what is refused leaves a trace: the right request is still accepted afterwards.
#[tokio::test]
async fn what_is_wrong_is_refused_with_its_reason() {
    let issuer = Running::start().await;
    let key = issuer.key().await.id();
    let (wallet, other) = (Wallet::new(ALICE), Wallet::new(BOB));
    let (invitation, bobs) = (issuer.invite(ALICE, "person").await, issuer.invite(BOB, "person").await);
    let right = wallet.register(key, TODAY, &invitation);
    let again = wallet.register(key, TODAY, &invitation);
    let bob = other.register(key, TODAY, &bobs);
    let size = issuer.log_size().await;

    let cut = |bytes: &[u8]| bytes[..bytes.len() - 1].to_vec();
    let flip = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    let (transaction, private_part) = (&right.transaction, &right.private_part);
    let with = |transaction: &[u8], private_part: &[u8], invitation: &str| RegisterRequest {
        transaction: transaction.to_vec(),
        private_part: private_part.to_vec(),
        invitation: invitation.to_owned(),
    };
    let withdrawal = wallet.withdraw(key, TODAY, 1, 0);
    let last = transaction.len() - 32;
    let cases = [
        (with(&[], private_part, &invitation), ErrorReason::MalformedRequest),
        (with(&cut(transaction), private_part, &invitation), ErrorReason::MalformedRequest),
        (with(&[&transaction[..], &[0]].concat(), private_part, &invitation), ErrorReason::MalformedRequest),
        (with(&withdrawal.transaction, private_part, &invitation), ErrorReason::MalformedRequest),
        (with(transaction, &cut(private_part), &invitation), ErrorReason::MalformedRequest),
        (with(transaction, &[], &invitation), ErrorReason::MalformedRequest),
        (with(transaction, private_part, &"A".repeat(1_000)), ErrorReason::MalformedRequest),
        (with(transaction, private_part, ""), ErrorReason::NotInvited),
        (with(transaction, private_part, &bobs), ErrorReason::NotInvited),
        (Wallet::new("carol@bank.example").register(key, TODAY, &invitation), ErrorReason::NotInvited),
        // A response of the proof, the proof of Y, and the private part of another registration.
        (with(&flip(transaction, last), private_part, &invitation), ErrorReason::ProofInvalid),
        (with(transaction, &flip(private_part, private_part.len() - 32), &invitation), ErrorReason::ProofInvalid),
        (with(transaction, &again.private_part, &invitation), ErrorReason::ProofInvalid),
        (with(transaction, &bob.private_part, &bobs), ErrorReason::ProofInvalid),
        (wallet.register(KeyId::new([7; 32]), TODAY, &invitation), ErrorReason::KeyExpired),
    ];
    for (number, (request, reason)) in cases.into_iter().enumerate() {
        let failure = issuer.register(&request).await.unwrap_err();
        assert_eq!(failure.reason, reason, "case {number}: {failure}");
    }
    for day in [TODAY.get() - 1, TODAY.get() + 1, 0] {
        let late = wallet.register(key, Day::new(day), &invitation);
        let failure = issuer.register(&late).await.unwrap_err();
        assert_eq!((failure.reason, failure.number("logical_day")), (ErrorReason::PeriodMoved, Some(20_777)));
    }
    assert_eq!(issuer.log_size().await, size);
    issuer.register(&right).await.unwrap();
    issuer.stop().await;
}

#[tokio::test]
async fn an_identity_and_an_account_key_are_registered_once() {
    let issuer = Running::start().await;
    let key = issuer.key().await.id();
    let invitation = issuer.invite(ALICE, "person").await;
    let wallet = Wallet::new(ALICE);
    issuer.register(&wallet.register(key, TODAY, &invitation)).await.unwrap();

    // The same wallet or another one, with the invitation that was used.
    for wallet in [&wallet, &Wallet::new(ALICE)] {
        let failure = issuer.register(&wallet.register(key, TODAY, &invitation)).await.unwrap_err();
        assert_eq!(failure.reason, ErrorReason::IdentityTaken);
    }
    let request = InviteRequest { identity: ALICE.to_owned(), class_name: "person".to_owned() };
    let failure = Failure::from(issuer.admin().invite(request).await.unwrap_err());
    assert_eq!(failure.reason, ErrorReason::IdentityTaken);

    // The same account key under another identity.
    let invitation = issuer.invite(BOB, "person").await;
    let bob = Wallet { identity: Wallet::new(BOB).identity, ..wallet };
    let failure = issuer.register(&bob.register(key, TODAY, &invitation)).await.unwrap_err();
    assert_eq!(failure.reason, ErrorReason::IdentityTaken);
    issuer.register(&Wallet::new(BOB).register(key, TODAY, &invitation)).await.unwrap();
    issuer.stop().await;
}

#[tokio::test]
async fn a_new_invitation_replaces_the_one_before() {
    let issuer = Running::start().await;
    let (key, wallet) = (issuer.key().await.id(), Wallet::new(ALICE));
    let old = issuer.invite(ALICE, "person").await;
    let new = issuer.invite(ALICE, "bank").await;
    let failure = issuer.register(&wallet.register(key, TODAY, &old)).await.unwrap_err();
    assert_eq!(failure.reason, ErrorReason::NotInvited);
    issuer.register(&wallet.register(key, TODAY, &new)).await.unwrap();
    assert_eq!(issuer.account(&wallet, TODAY).await.unwrap().class, 7);
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_wallets_that_race_for_an_identity_one_wins() {
    let issuer = Running::start().await;
    let key = issuer.key().await.id();
    let invitation = issuer.invite(ALICE, "person").await;
    let wallets: Vec<_> = (0..8).map(|_| Wallet::new(ALICE)).collect();
    let requests: Vec<_> = wallets.iter().map(|wallet| wallet.register(key, TODAY, &invitation)).collect();
    let tasks: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let mut client = issuer.issuer();
            tokio::spawn(async move { client.register(request).await })
        })
        .collect();
    let mut won = Vec::new();
    for (number, task) in tasks.into_iter().enumerate() {
        match task.await.unwrap() {
            Ok(_) => won.push(number),
            Err(status) => assert_eq!(Failure::from(status).reason, ErrorReason::IdentityTaken),
        }
    }
    assert_eq!(won.len(), 1);
    for (number, wallet) in wallets.iter().enumerate() {
        assert_eq!(issuer.account(wallet, TODAY).await.is_ok(), won.contains(&number));
    }
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_sent_often_at_once_is_one() {
    let issuer = Running::start().await;
    let invitation = issuer.invite(ALICE, "person").await;
    let request = Wallet::new(ALICE).register(issuer.key().await.id(), TODAY, &invitation);
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (mut client, request) = (issuer.issuer(), request.clone());
            tokio::spawn(async move { client.register(request).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap().unwrap().into_inner());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    issuer.stop().await;
}

#[tokio::test]
async fn the_day_before_is_accepted_in_the_first_hour() {
    let issuer = Running::start().await;
    let (key, tomorrow) = (issuer.key().await.id(), Day::new(TODAY.get() + 1));
    let wallet = Wallet::new(ALICE);
    let invitation = issuer.invite(ALICE, "person").await;
    let request = wallet.register(key, TODAY, &invitation);
    let late = Wallet::new(BOB).register(key, TODAY, &issuer.invite(BOB, "person").await);
    issuer.pass(Duration::from_secs(12 * 3_600)).await;

    let response = issuer.register(&request).await.unwrap();
    let entry = issuer.ledger().get_entry(GetEntryRequest { index: response.log_index }).await.unwrap().into_inner();
    assert_eq!(Entry::from_bytes(&entry.entry.unwrap().entry).unwrap().day(), tomorrow);
    issuer.pass(Duration::from_secs(3_600)).await;
    let failure = issuer.register(&late).await.unwrap_err();
    assert_eq!((failure.reason, failure.number("logical_day")), (ErrorReason::PeriodMoved, Some(20_778)));
    issuer.stop().await;
}
