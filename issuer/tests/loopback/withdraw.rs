//! Withdrawals.

use std::time::Duration;

use farthing_ecash::{amount::Amount, calendar::Day, credential::issue::Answer, keys::KeyId, withdraw};
use farthing_proto::v1::{ErrorReason, GetSupplyRequest, WithdrawRequest};
use farthing_service::status::Failure;
use farthing_store::{Batch, Outcome, Space};

use crate::running::{Running, TODAY, Wallet, transaction};

const ALICE: &str = "alice@bank.example";
const BOB: &str = "bob@bank.example";

#[tokio::test]
async fn money_becomes_a_coin_and_a_retry_gets_the_same_bytes() {
    let issuer = Running::start().await;
    let key = issuer.key().await;
    let wallet = issuer.registered(ALICE, "person", 50_00).await;
    let request = wallet.withdraw(key.id(), TODAY, 20_00, 0);
    let response = issuer.withdraw(&request).await.unwrap();

    let sent = transaction(&request.transaction);
    let answer = Answer::from_bytes(sent.core(), &response.answer).unwrap();
    let coin = withdraw::finish(sent.core(), &answer, &key, &wallet.keys).unwrap();
    assert_eq!((coin.attributes().value(), coin.attributes().purpose()), (Amount::new(20_00), 0));

    assert_eq!(issuer.withdraw(&request).await.unwrap(), response);
    let account = issuer.account(&wallet, TODAY).await.unwrap();
    assert_eq!((account.balance, account.withdrawn_today, account.withdraw_left_today), (30_00, 20_00, Some(80_00)));
    assert_eq!((account.class_name.as_str(), account.class), ("person", 1));

    issuer.pass(Duration::from_secs(2 * 86_400)).await;
    assert_eq!(issuer.withdraw(&request).await.unwrap(), response);
    let account = issuer.account(&wallet, Day::new(TODAY.get() + 2)).await.unwrap();
    assert_eq!((account.balance, account.withdrawn_today), (30_00, 0));
    assert_eq!(issuer.handles.totals().withdrawn, Amount::new(20_00));
    issuer.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_its_reason() {
    let issuer = Running::start().await;
    let key = issuer.key().await.id();
    let alice = issuer.registered(ALICE, "person", 50_00).await;
    let bob = issuer.registered(BOB, "person", 50_00).await;
    let stranger = Wallet::new(ALICE);
    let right = alice.withdraw(key, TODAY, 1_00, 0);
    let bobs = bob.withdraw(key, TODAY, 1_00, 0);
    let size = issuer.log_size().await;

    let with = |transaction: &[u8], private_part: &[u8]| WithdrawRequest {
        transaction: transaction.to_vec(),
        private_part: private_part.to_vec(),
    };
    let flip = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    let (transaction, private_part) = (&right.transaction, &right.private_part);
    let registration = alice.register(key, TODAY, "");
    // The amount stands before the purpose (4 bytes), the nonce (24), two commitments (64) and ct-self (73).
    let core = transaction.len() - (2 + 4) * 32;
    let amount = core - 73 - 64 - 24 - 4 - 8;
    let zero = [&transaction[..amount], &[0; 8], &transaction[amount + 8..]].concat();
    let cases = [
        (with(&transaction[1..], private_part), ErrorReason::MalformedRequest),
        (with(&[], &[]), ErrorReason::MalformedRequest),
        (with(transaction, &private_part[1..]), ErrorReason::MalformedRequest),
        (with(&registration.transaction, private_part), ErrorReason::MalformedRequest),
        (with(&zero, private_part), ErrorReason::MalformedRequest),
        // More than was proved, another response, another's opening or transaction.
        (with(&flip(transaction, amount), private_part), ErrorReason::ProofInvalid),
        (with(&flip(transaction, transaction.len() - 32), private_part), ErrorReason::ProofInvalid),
        (with(transaction, &bobs.private_part), ErrorReason::ProofInvalid),
        (with(&bobs.transaction, private_part), ErrorReason::ProofInvalid),
        (alice.withdraw(KeyId::new([7; 32]), TODAY, 1, 0), ErrorReason::KeyExpired),
        (alice.withdraw(key, Day::new(TODAY.get() - 1), 1, 0), ErrorReason::PeriodMoved),
        (alice.withdraw(key, Day::new(TODAY.get() + 1), 1, 0), ErrorReason::PeriodMoved),
        (stranger.withdraw(key, TODAY, 1, 0), ErrorReason::AccountUnknown),
    ];
    for (number, (request, reason)) in cases.into_iter().enumerate() {
        let failure = issuer.withdraw(&request).await.unwrap_err();
        assert_eq!(failure.reason, reason, "case {number}: {failure}");
    }
    assert_eq!(issuer.log_size().await, size);
    assert_eq!(issuer.account(&alice, TODAY).await.unwrap().balance, 50_00);
    issuer.withdraw(&right).await.unwrap();
    issuer.stop().await;
}

#[tokio::test]
async fn what_is_refused_today_may_be_accepted_later() {
    let issuer = Running::start().await;
    let key = issuer.key().await.id();
    let wallet = issuer.registered(ALICE, "person", 5_00).await;
    let request = wallet.withdraw(key, TODAY, 5_01, 0);
    let failure = issuer.withdraw(&request).await.unwrap_err();
    assert_eq!((failure.reason, failure.number("available")), (ErrorReason::InsufficientBalance, Some(5_00)));
    issuer.credit(ALICE, 1).await;
    issuer.withdraw(&request).await.unwrap();

    // There is a balance for each purpose, and nothing in that of another.
    issuer.credit(ALICE, 5_00).await;
    let failure = issuer.withdraw(&wallet.withdraw(key, TODAY, 1, 3)).await.unwrap_err();
    assert_eq!((failure.reason, failure.number("available")), (ErrorReason::InsufficientBalance, Some(0)));
    issuer.stop().await;
}

#[tokio::test]
async fn each_purpose_has_a_balance_of_its_own() {
    let issuer = Running::start().await;
    let key = issuer.key().await;
    let wallet = issuer.registered(ALICE, "person", 1_00).await;
    assert_eq!(issuer.credit_for("meal", ALICE, 12_00).await, 12_00);
    assert_eq!(issuer.credit_for("rent", ALICE, 80_00).await, 80_00);
    assert_eq!(issuer.credit_for("unrestricted", ALICE, 1).await, 1_01);
    let balances = async || {
        let account = issuer.account(&wallet, TODAY).await.unwrap();
        (account.balance, account.restricted.into_iter().map(|part| (part.purpose, part.amount)).collect::<Vec<_>>())
    };
    let (meal, rent) = (|amount| ("meal".to_owned(), amount), |amount| ("rent".to_owned(), amount));
    assert_eq!(balances().await, (1_01, vec![meal(12_00), rent(80_00)]));

    // The purpose of the statement is debited, and the coin has it.
    let request = wallet.withdraw(key.id(), TODAY, 5_00, 3);
    let response = issuer.withdraw(&request).await.unwrap();
    let sent = transaction(&request.transaction);
    let answer = Answer::from_bytes(sent.core(), &response.answer).unwrap();
    let coin = withdraw::finish(sent.core(), &answer, &key, &wallet.keys).unwrap();
    assert_eq!((coin.attributes().value(), coin.attributes().purpose()), (Amount::new(5_00), 3));
    assert_eq!(balances().await, (1_01, vec![meal(7_00), rent(80_00)]));
    // What one purpose lacks another does not give.
    for (amount, purpose, available) in [(7_01, 3, 7_00), (1_02, 0, 1_01), (80_01, 258, 80_00)] {
        let failure = issuer.withdraw(&wallet.withdraw(key.id(), TODAY, amount, purpose)).await.unwrap_err();
        assert_eq!((failure.reason, failure.number("available")), (ErrorReason::InsufficientBalance, Some(available)));
    }
    // A purpose that the policy does not have: nobody could claim it, and its payer could not take it back.
    let account = [&wallet.identity.pid().directory_hash()[..], &5u32.to_le_bytes()].concat();
    let batch = Batch::new().put(Space("balance"), account, 9_00u64.to_le_bytes());
    assert!(matches!(issuer.handles.store.commit(batch).await.unwrap(), Outcome::Applied { .. }));
    let failure = issuer.withdraw(&wallet.withdraw(key.id(), TODAY, 1, 5)).await.unwrap_err();
    assert_eq!(failure.reason, ErrorReason::MalformedRequest);
    assert!(failure.message.contains("no purpose 5"), "{failure}");
    assert_eq!(balances().await, (1_01, vec![meal(7_00), ("5".to_owned(), 9_00), rent(80_00)]));

    issuer.withdraw(&wallet.withdraw(key.id(), TODAY, 80_00, 258)).await.unwrap();
    issuer.withdraw(&wallet.withdraw(key.id(), TODAY, 1, 0)).await.unwrap();
    let supply = async |issuer: &Running| {
        let supply = issuer.admin().get_supply(GetSupplyRequest {}).await.unwrap().into_inner();
        let parts = supply.restricted_withdrawn.into_iter().map(|part| (part.purpose, part.amount));
        (supply.withdrawn, parts.collect::<Vec<_>>())
    };
    let expected = (85_01, vec![meal(5_00), rent(80_00)]);
    assert_eq!(supply(&issuer).await, expected);
    let issuer = issuer.restart().await;
    assert_eq!(supply(&issuer).await, expected);
    assert_eq!(issuer.account(&wallet, TODAY).await.unwrap().withdrawn_today, 85_01);
    issuer.stop().await;
}

#[tokio::test]
async fn a_class_withdraws_no_more_than_its_cap_in_a_day() {
    let issuer = Running::start().await;
    let key = issuer.key().await.id();
    let wallet = issuer.registered(ALICE, "person", 500_00).await;
    let bank = issuer.registered(BOB, "bank", 500_00).await;
    issuer.withdraw(&wallet.withdraw(key, TODAY, 60_00, 0)).await.unwrap();
    let over = wallet.withdraw(key, TODAY, 40_01, 0);
    let failure = issuer.withdraw(&over).await.unwrap_err();
    assert_eq!((failure.reason, failure.number("left")), (ErrorReason::CapExceeded, Some(40_00)));
    assert_eq!(failure.metadata["cap"], "withdraw_per_day");
    issuer.withdraw(&wallet.withdraw(key, TODAY, 40_00, 0)).await.unwrap();
    issuer.withdraw(&bank.withdraw(key, TODAY, 500_00, 0)).await.unwrap();
    assert_eq!(issuer.account(&bank, TODAY).await.unwrap().withdraw_left_today, None);

    // A statement of yesterday, accepted in the first hour, counts for today.
    issuer.pass(Duration::from_secs(12 * 3_600)).await;
    issuer.withdraw(&over).await.unwrap();
    let tomorrow = Day::new(TODAY.get() + 1);
    let failure = issuer.withdraw(&wallet.withdraw(key, tomorrow, 60_00, 0)).await.unwrap_err();
    assert_eq!(failure.number("left"), Some(59_99));
    // A clock that is set back opens nothing anew.
    issuer.clock.set(crate::running::NOON);
    issuer.handles.day.advance().await.unwrap();
    let failure = issuer.withdraw(&wallet.withdraw(key, tomorrow, 60_00, 0)).await.unwrap_err();
    assert_eq!(failure.number("left"), Some(59_99));
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawals_at_once_never_take_more_than_there_is() {
    let issuer = Running::start().await;
    let key = issuer.key().await.id();
    let wallet = issuer.registered(ALICE, "bank", 10_00).await;
    // 24 withdrawals of 3.00, each sent twice.
    let send = |request: &WithdrawRequest| {
        let (mut client, request) = (issuer.issuer(), request.clone());
        tokio::spawn(async move { client.withdraw(request).await })
    };
    let requests: Vec<_> = (0..24).map(|_| wallet.withdraw(key, TODAY, 3_00, 0)).collect();
    let tasks: Vec<_> = requests.iter().map(|request| (send(request), send(request))).collect();
    let mut answers = Vec::new();
    for (one, other) in tasks {
        match (one.await.unwrap(), other.await.unwrap()) {
            (Ok(one), Ok(other)) => {
                assert_eq!(one.get_ref(), other.get_ref());
                answers.push(one.into_inner().log_index);
            }
            (Err(one), Err(other)) => {
                for status in [one, other] {
                    assert_eq!(Failure::from(status).reason, ErrorReason::InsufficientBalance);
                }
            }
            _ => panic!("the same bytes were answered in two ways"),
        }
    }
    answers.sort_unstable();
    answers.dedup();
    assert_eq!(answers.len(), 3);
    assert_eq!(issuer.account(&wallet, TODAY).await.unwrap().balance, 1_00);
    assert_eq!(issuer.handles.totals().withdrawn, Amount::new(9_00));
    issuer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawals_at_once_of_several_purposes_share_one_cap() {
    let issuer = Running::start().await;
    let key = issuer.key().await.id();
    let wallet = issuer.registered(ALICE, "person", 500_00).await;
    issuer.credit_for("meal", ALICE, 500_00).await;
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let request = wallet.withdraw(key, TODAY, 20_00, 3 * (number % 2));
            let mut client = issuer.issuer();
            tokio::spawn(async move { client.withdraw(request).await })
        })
        .collect();
    let mut withdrawn = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => withdrawn += 1,
            Err(status) => assert_eq!(Failure::from(status).reason, ErrorReason::CapExceeded),
        }
    }
    assert_eq!(withdrawn, 5);
    assert_eq!(issuer.account(&wallet, TODAY).await.unwrap().withdraw_left_today, Some(0));
    issuer.stop().await;
}

#[tokio::test]
async fn all_coins_together_stay_below_two_to_the_63() {
    let issuer = Running::start().await;
    let key = issuer.key().await.id();
    let all = (1 << 63) - 1;
    let rich = issuer.registered(ALICE, "bank", all).await;
    let poor = issuer.registered(BOB, "bank", 5).await;
    issuer.withdraw(&rich.withdraw(key, TODAY, all - 2, 0)).await.unwrap();
    let over = poor.withdraw(key, TODAY, 3, 0);
    let failure = issuer.withdraw(&over).await.unwrap_err();
    assert_eq!((failure.reason, failure.number("left")), (ErrorReason::CapExceeded, Some(2)));
    assert_eq!(failure.metadata["cap"], "supply");
    issuer.withdraw(&poor.withdraw(key, TODAY, 2, 0)).await.unwrap();
    assert_eq!(issuer.account(&poor, TODAY).await.unwrap().balance, 3);
    issuer.stop().await;
}

#[tokio::test]
async fn an_account_is_shown_to_its_holder_only() {
    let issuer = Running::start().await;
    let alice = issuer.registered(ALICE, "person", 5_00).await;
    let bob = issuer.registered(BOB, "person", 0).await;
    let mut client = issuer.issuer();
    let mut refused = async |change: &dyn Fn(&mut farthing_proto::v1::GetAccountRequest)| {
        let mut query = alice.query(TODAY);
        change(&mut query);
        Failure::from(client.get_account(query).await.unwrap_err()).reason
    };
    assert_eq!(refused(&|query| query.account_key = bob.account_key()).await, ErrorReason::ProofInvalid);
    assert_eq!(refused(&|query| query.proof = bob.query(TODAY).proof).await, ErrorReason::ProofInvalid);
    assert_eq!(refused(&|query| query.proof.truncate(63)).await, ErrorReason::MalformedRequest);
    assert_eq!(refused(&|query| query.proof.fill(0xff)).await, ErrorReason::MalformedRequest);
    assert_eq!(refused(&|query| query.account_key.fill(0)).await, ErrorReason::MalformedRequest);
    assert_eq!(refused(&|query| query.day -= 1).await, ErrorReason::PeriodMoved);
    let stranger = Wallet::new(ALICE);
    assert_eq!(refused(&|query| *query = stranger.query(TODAY)).await, ErrorReason::AccountUnknown);
    assert_eq!(issuer.account(&alice, TODAY).await.unwrap().balance, 5_00);
    issuer.stop().await;
}
