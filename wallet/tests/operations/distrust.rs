//! Servers that lie.

use farthing_ecash::{
    amount::Amount, calendar::Day, entry::EntryKind, statement::Statement, validity::ValidityCalendar,
};
use farthing_wallet::{OperationState, RegisterOutcome, RequestId, Server, WalletError};

use crate::bank::{Bank, Fate, TODAY, identity, key_from};

fn eur(cents: u64) -> Amount {
    Amount::new(cents)
}

#[tokio::test]
async fn a_false_answer_is_no_money_and_no_loss() {
    let bank = Bank::open().await;
    let alice = bank.wallet("alice").await;
    bank.next(&[Fate::Falsified]);
    let id = RequestId::random();
    let refused = alice.withdraw(eur(100), id).await;
    assert!(matches!(refused, Err(WalletError::BadAnswer { server: Server::Issuer })));
    assert_eq!(alice.balance().await.available, eur(0));
    let done = alice.withdraw(eur(100), id).await.unwrap();
    assert_eq!((done.item.state, done.available), (OperationState::Done, eur(100)));

    let _bob = bank.wallet("bob").await;
    bank.next(&[Fate::Falsified]);
    let id = RequestId::random();
    let refused = alice.pay(&identity("bob"), eur(50), "", id).await;
    assert!(matches!(refused, Err(WalletError::BadAnswer { server: Server::Redeemer })));
    assert_eq!(alice.pay(&identity("bob"), eur(50), "", id).await.unwrap().available, eur(49));
    assert_eq!((bank.count(Statement::Withdraw), bank.count(Statement::Pay)), (1, 1));
}

#[tokio::test]
async fn servers_must_stay_who_they_were() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let _bob = bank.wallet("bob").await;
    let pay = async || alice.pay(&identity("bob"), eur(50), "", RequestId::random()).await;
    pay().await.unwrap();

    bank.books().origin = "elsewhere.example";
    let refused = pay().await;
    assert!(matches!(refused, Err(WalletError::Contradiction { server: Server::Redeemer, .. })), "{refused:?}");
    bank.books().origin = "payments.example";

    bank.books().foreign_key = true;
    let refused = pay().await;
    assert!(matches!(refused, Err(WalletError::Contradiction { server: Server::Redeemer, .. })), "{refused:?}");
    bank.books().foreign_key = false;

    bank.books().day = TODAY + 2;
    assert!(matches!(pay().await, Err(WalletError::ClockApart { server: Server::Redeemer, .. })));
    let withdrawn = alice.withdraw(eur(1), RequestId::random()).await;
    assert!(matches!(withdrawn, Err(WalletError::ClockApart { server: Server::Issuer, .. })));
    bank.books().day = TODAY + 1;
    pay().await.unwrap();

    alice.receive().await.unwrap();
    bank.books().signers[1] = crate::bank::signer("payments.example");
    let refused = alice.receive().await;
    assert!(matches!(refused, Err(WalletError::Contradiction { server: Server::Redeemer, .. })), "{refused:?}");
}

#[tokio::test]
async fn silence_is_told_from_damage() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    alice.close().await;
    let mut connection = bank.connection();
    // Nobody listens on port 1.
    connection.redeemer.url = "https://127.0.0.1:1".to_owned();
    connection.save(&bank.dir("alice")).unwrap();
    let alice = bank.reopen(&bank.dir("alice")).await;
    let unreachable = alice.pay(&identity("bob"), eur(50), "", RequestId::random()).await;
    assert!(matches!(unreachable, Err(WalletError::Unreachable { server: Server::Redeemer, .. })));
    let info = alice.info().await.unwrap();
    assert!(info.registration.is_some() && info.account.is_some() && info.payment_fee.is_none());
    assert_eq!(info.problems.len(), 1);
    assert!(info.problems[0].contains("redeemer"), "{}", info.problems[0]);
    // What needs the issuer only goes on.
    alice.withdraw(eur(5), RequestId::random()).await.unwrap();
    alice.close().await;

    connection.issuer.ca = bank.dir("missing.pem");
    connection.save(&bank.dir("alice")).unwrap();
    let alice = bank.reopen(&bank.dir("alice")).await;
    assert_eq!(alice.balance().await.available, eur(1_005));
    let info = alice.info().await.unwrap();
    assert!(info.problems.iter().any(|problem| problem.contains("missing.pem")), "{:?}", info.problems);
}

/// Whoever is signed for under a key that another has followed is marked: leaving the other out of the answer does not help.
#[tokio::test]
async fn the_issuer_does_not_go_back_to_an_older_key() {
    let bank = Bank::open().await;
    let newer = key_from(TODAY + 1).public().clone();
    bank.books().issue(EntryKind::Key, newer.to_bytes());
    bank.books().announced = vec![newer];
    let alice = bank.rich("alice", &[1_000]).await;
    bank.pass_days(1);
    bank.books().announced.clear();
    let refused = alice.withdraw(eur(1), RequestId::random()).await;
    let Err(WalletError::Contradiction { server: Server::Issuer, what }) = refused else { panic!("{refused:?}") };
    assert!(what.contains("another of its keys signs"), "{what}");
    assert_eq!(bank.count(Statement::Withdraw), 1);
}

/// A validity that only one wallet has would mark its claims.
#[tokio::test]
async fn a_validity_of_its_own_is_refused() {
    let bank = Bank::open().await;
    let alice = bank.create("alice").await;
    let register = async || alice.register(&identity("alice").to_string(), "invited").await;
    let published = bank.books().calendar.validity(Day::new(TODAY).month());
    bank.books().own_validity = Some(published.plus(1));
    let refused = register().await;
    let Err(WalletError::Contradiction { server: Server::Issuer, what }) = refused else { panic!("{refused:?}") };
    assert!(what.contains("valid until 2027-01") && what.contains("until 2026-12"), "{what}");
    assert!(alice.info().await.unwrap().registration.is_none());
    // Nor when the wallet finds it in the log later.
    let refused = alice.receive().await;
    assert!(refused.is_err() && alice.info().await.unwrap().registration.is_none(), "{refused:?}");
    alice.close().await;

    bank.books().own_validity = None;
    let bob = bank.create("bob").await;
    let registered = bob.register(&identity("bob").to_string(), "invited").await.unwrap();
    let RegisterOutcome::Registered(registration) = registered else { panic!("pending") };
    assert_eq!(registration.valid_through, published);
}

#[tokio::test]
async fn a_calendar_counts_from_the_month_after_its_entry_on() {
    let bank = Bank::open().await;
    let [half, year] = [6, 12].map(|months| ValidityCalendar::new(months).unwrap());
    let register = async |name: &str| {
        let wallet = bank.create(name).await;
        let outcome = wallet.register(&identity(name).to_string(), "invited").await;
        outcome.map(|outcome| match outcome {
            RegisterOutcome::Registered(registration) => (wallet, registration.valid_through.to_string()),
            RegisterOutcome::Pending { delay } => panic!("{delay}"),
        })
    };
    let refused = async |name: &str| {
        let refused = register(name).await.err();
        assert!(matches!(refused, Some(WalletError::Contradiction { server: Server::Issuer, .. })), "{refused:?}");
    };
    // In the last month of a period everybody gets the next one.
    bank.pass_days(31);
    let (alice, validity) = register("alice").await.unwrap();
    assert_eq!(validity, "2027-06");

    // One that was never logged is none.
    bank.books().calendar = year;
    refused("bob").await;
    // Nor does one count in the month in which it was logged: it would mark whoever registers after it.
    bank.books().publish();
    refused("carol").await;
    // Not even when the one before is not told of: that is in the log.
    bank.books().hidden_calendars = 1;
    refused("dave").await;
    bank.books().hidden_calendars = 0;
    bank.books().calendar = half;
    assert_eq!(register("erin").await.unwrap().1, "2027-06");

    // From the next month on it does. That another one was logged since changes nothing, nor that it was logged twice
    // while the wallet did not look.
    bank.pass_days(11);
    bank.books().issue(EntryKind::Calendar, half.to_bytes());
    bank.books().calendar = year;
    let (_frank, validity) = register("frank").await.unwrap();
    assert_eq!(validity, "2027-12");
    alice.withdraw(eur(100), RequestId::random()).await.unwrap();
    bank.books().calendar = half;
    refused("grace").await;
}
