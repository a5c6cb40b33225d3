//! Renewals, and what is lost on their way.

use farthing_ecash::{amount::Amount, calendar::Day, statement::Statement};
use farthing_wallet::{
    OperationKind, OperationState, PendingReason, RenewOutcome, RequestId, Server, Wallet, WalletError,
};

use crate::{
    bank::{Bank, Fate, TO_FEBRUARY, TODAY, identity},
    restoring::{restore, with_words},
};

fn eur(cents: u64) -> Amount {
    Amount::new(cents)
}

/// Days from the beginning to a day of December, the window of the second half of the year.
const TO_DECEMBER: u32 = 20;

async fn valid_through(wallet: &Wallet) -> String {
    wallet.info().await.unwrap().registration.unwrap().valid_through.to_string()
}

async fn pay(wallet: &Wallet, name: &str, cents: u64) {
    wallet.pay(&identity(name), eur(cents), "", RequestId::random()).await.unwrap();
}

#[tokio::test]
async fn a_wallet_renews_by_itself_in_the_window_and_comes_back_from_its_words() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[3_000]).await;
    let (bob, words) = with_words(&bank, "bob").await;
    pay(&alice, "bob", 700).await;
    bob.receive().await.unwrap();
    assert_eq!(valid_through(&bob).await, "2026-12");
    assert!(matches!(bob.renew().await.unwrap(), RenewOutcome::NotDue { .. }), "the window is later");
    assert_eq!(bank.count(Statement::Renew), 0);

    bank.pass_days(TO_DECEMBER);
    pay(&alice, "bob", 400).await;
    let report = bob.receive().await.unwrap();
    assert_eq!((report.claimed.len(), report.not_renewed), (1, None));
    assert_eq!(bank.count(Statement::Renew), 0, "not beside a claim");
    let report = bob.receive().await.unwrap();
    assert_eq!((report.delay, report.not_renewed), (None, None));
    assert_eq!((valid_through(&bob).await.as_str(), bank.count(Statement::Renew)), ("2027-06", 1));
    let item = bob.history(None, 10).await.items.into_iter().find(|item| item.kind == OperationKind::Renew).unwrap();
    assert_eq!(item.state, OperationState::Done);
    // Once is enough, also by hand.
    bob.receive().await.unwrap();
    assert!(matches!(bob.renew().await.unwrap(), RenewOutcome::NotDue { .. }));
    assert_eq!((bank.count(Statement::Renew), bob.balance().await.available), (1, eur(1_100)));

    let (again, _) = restore(&bank, "again", &words, "bob").await;
    assert_eq!(again.holdings().await, bob.holdings().await);
    assert_eq!(valid_through(&again).await, "2027-06");
    // What the other device does then, this one follows.
    pay(&alice, "bob", 300).await;
    again.receive().await.unwrap();
    bob.receive().await.unwrap();
    assert_eq!(again.holdings().await, bob.holdings().await);
}

/// The grant is there and its answer is lost; the renewal is sent and its answer is lost; or it is lost itself.
#[tokio::test]
async fn whatever_is_lost_on_its_way_it_is_renewed_once() {
    for fate in [None, Some(Fate::AnswerLost), Some(Fate::RequestLost)] {
        let bank = Bank::open().await;
        let bob = bank.wallet("bob").await;
        bank.pass_days(TO_DECEMBER);
        match fate {
            None => {
                bank.books().lose_grant = true;
                assert!(matches!(bob.renew().await, Err(WalletError::Unreachable { server: Server::Issuer, .. })));
            }
            Some(fate) => {
                bank.next(&[fate]);
                assert!(matches!(bob.renew().await.unwrap(), RenewOutcome::Pending { .. }), "{fate:?}");
            }
        }
        bob.close().await;
        let bob = bank.reopen(&bank.dir("bob")).await;
        bank.pass_days(1);
        let report = bob.receive().await.unwrap();
        assert_eq!((report.delay, report.not_renewed), (None, None), "{fate:?}");
        assert_eq!((valid_through(&bob).await.as_str(), bank.count(Statement::Renew)), ("2027-06", 1), "{fate:?}");
    }
}

#[tokio::test]
async fn a_grant_that_has_run_out_is_asked_for_again() {
    let bank = Bank::open().await;
    let bob = bank.wallet("bob").await;
    bank.pass_days(TO_DECEMBER);
    bank.next(&[Fate::RequestLost]);
    assert!(matches!(bob.renew().await.unwrap(), RenewOutcome::Pending { .. }));
    bank.pass_days(8);
    // The first of them finds out, the next one asks.
    let first = bob.renew().await;
    assert!(matches!(first, Err(WalletError::Refused { server: Server::Issuer, .. })), "{first:?}");
    assert!(matches!(bob.renew().await.unwrap(), RenewOutcome::Renewed(_)));
    assert_eq!((valid_through(&bob).await.as_str(), bank.count(Statement::Renew)), ("2027-06", 1));
}

/// A validity that only one wallet has would mark its claims.
#[tokio::test]
async fn a_grant_with_a_validity_of_its_own_is_not_used() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let bob = bank.wallet("bob").await;
    bank.pass_days(TO_DECEMBER);
    let published = bank.books().calendar.validity(Day::new(TODAY + TO_DECEMBER).month());
    bank.books().own_validity = Some(published.plus(1));
    let refused = bob.renew().await;
    let Err(WalletError::Contradiction { server: Server::Issuer, what }) = refused else { panic!("{refused:?}") };
    assert!(what.contains("valid until 2027-07") && what.contains("until 2027-06"), "{what}");
    // Payments are claimed all the same, while the state is valid.
    pay(&alice, "bob", 100).await;
    let report = bob.receive().await.unwrap();
    assert_eq!((report.claimed.len(), report.not_renewed), (1, None));
    let report = bob.receive().await.unwrap();
    assert!(report.not_renewed.unwrap().contains("2027-07"));
    assert_eq!(bank.count(Statement::Renew), 0);
}

/// What shows whose wallet it is stays apart from what nobody is to know it by.
#[tokio::test]
async fn a_wallet_that_was_away_renews_in_one_call_and_claims_in_the_next() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let bob = bank.wallet("bob").await;
    pay(&alice, "bob", 200).await;
    bank.pass_days(TO_DECEMBER + 30);
    let report = bob.receive().await.unwrap();
    assert_eq!((report.claimed.len(), bank.count(Statement::Renew), bank.count(Statement::Claim)), (0, 1, 0));
    assert_eq!((report.renewed, report.delay, report.not_renewed), (true, None, None));
    bank.books().calls.clear();
    let report = bob.receive().await.unwrap();
    assert_eq!((report.claimed.len(), report.delay), (1, None));
    assert!(!bank.books().calls.iter().any(|call| call == "grant"));
}

#[tokio::test]
async fn a_wallet_that_was_away_renews_in_one_call_and_takes_back_in_the_next() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let _bob = bank.wallet("bob").await;
    pay(&alice, "bob", 100).await;
    bank.pass_days(TO_FEBRUARY);
    let report = alice.refund(None).await.unwrap();
    assert_eq!((report.refunded.len(), bank.count(Statement::Renew), bank.count(Statement::Refund)), (0, 1, 0));
    assert_eq!((report.renewed, report.delay, report.not_renewed), (true, None, None));
    bank.books().calls.clear();
    assert_eq!(alice.refund(None).await.unwrap().refunded.len(), 1);
    assert!(!bank.books().calls.iter().any(|call| call == "grant"));
}

/// A renewal that was begun before, finished, is a renewal too; and after a claim that was begun before nothing is renewed.
#[tokio::test]
async fn what_was_begun_before_stays_apart_too() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let bob = bank.wallet("bob").await;
    bank.pass_days(TO_DECEMBER);
    bank.next(&[Fate::RequestLost]);
    assert!(matches!(bob.renew().await.unwrap(), RenewOutcome::Pending { .. }));
    pay(&alice, "bob", 100).await;
    // Other commands do not send it.
    assert!(!bob.has_unfinished().await && bob.resume().await.unwrap().is_empty());
    let report = bob.receive().await.unwrap();
    assert_eq!((report.renewed, report.claimed.len(), bank.count(Statement::Claim)), (true, 0, 0));
    let [waiting] = report.pending.as_slice() else { panic!("one waits") };
    assert_eq!(waiting.reason, PendingReason::NextCall);
    let report = bob.receive().await.unwrap();
    assert_eq!((report.renewed, report.claimed.len()), (false, 1));

    pay(&bob, "alice", 50).await;
    bank.next(&[Fate::RequestLost]);
    assert!(alice.receive().await.unwrap().delay.is_some());
    let stays = alice.renew().await.unwrap();
    assert!(matches!(stays, RenewOutcome::Pending { .. }), "{stays:?}");
    assert_eq!((bank.count(Statement::Claim), bank.count(Statement::Renew)), (2, 1));
    assert!(matches!(alice.renew().await.unwrap(), RenewOutcome::Renewed(_)));
}

/// The issuer is told once in a call whose wallet is to be renewed, also when it says no.
#[tokio::test]
async fn a_renewal_that_fails_is_tried_once_in_a_call() {
    let bank = Bank::open().await;
    let bob = bank.wallet("bob").await;
    bank.pass_days(TO_DECEMBER + 30);
    bank.books().own_validity = Some(Day::new(TODAY).month().plus(20));
    bank.books().calls.clear();
    assert!(bob.receive().await.unwrap().not_renewed.is_some());
    assert_eq!(bank.books().calls.iter().filter(|call| *call == "grant").count(), 1);
}

/// Each registration that is sent tells the issuer whose wallet is at work.
#[tokio::test]
async fn a_registration_that_has_to_wait_is_not_sent_before_its_day_and_never_beside_a_payment() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let next = bank.create("next").await;
    bank.books().registers_from = TODAY + 45;
    let refused = next.register(&identity("next").to_string(), "invited").await;
    assert!(matches!(refused, Err(WalletError::RegistrationWaits { .. })), "{refused:?}");
    bank.books().calls.clear();
    for days in [0, 44] {
        bank.pass_days(days);
        assert!(!next.has_unfinished().await && next.resume().await.unwrap().is_empty());
        assert!(matches!(next.receive().await, Err(WalletError::RegistrationWaits { .. })));
        assert_eq!(bank.books().calls, Vec::<String>::new());
    }
    bank.pass_days(1);
    // Its day has come, and yet it is only sent by who receives, or by a daemon at a random time.
    assert!(next.renewal_days().await.is_some());
    assert!(!next.has_unfinished().await && next.resume().await.unwrap().is_empty());
    assert_eq!(bank.books().calls, Vec::<String>::new());
    let report = next.receive().await.unwrap();
    assert_eq!((report.renewed, report.delay, report.not_renewed), (true, None, None));
    assert!(bank.books().calls.iter().any(|call| call == "register"));
    assert_eq!(next.renewal_days().await, None);
    pay(&alice, "next", 100).await;
    assert_eq!(next.receive().await.unwrap().claimed.len(), 1);
}
