//! A fee that is raised while a payment is under way (docs/PROTOCOL.md section 8).

use farthing_ecash::{amount::Amount, entry::Entry, statement::Statement, transaction::Core};
use farthing_proto::v1::ErrorReason;
use farthing_wallet::{OperationKind, OperationState, Order, RequestId, Wallet, WalletError};

use crate::bank::{Bank, Fate, TO_FEBRUARY, holds, identity};

fn eur(cents: u64) -> Amount {
    Amount::new(cents)
}

/// How many inputs the last payment had.
fn inputs_of_last(bank: &Bank) -> usize {
    let books = bank.books();
    let entry = Entry::from_bytes(books.payments.last().unwrap()).unwrap();
    let (core, _) = Core::from_prefix(entry.body()).unwrap();
    assert_eq!(core.statement(), Statement::Pay);
    core.nullifiers().count()
}

async fn paid(alice: &Wallet, amount: u64) -> (Amount, Amount) {
    let paid = alice.pay(&identity("bob"), eur(amount), "", RequestId::random()).await.unwrap();
    assert_eq!(paid.item.state, OperationState::Done);
    (paid.item.fee, paid.available)
}

#[tokio::test]
async fn other_coins_are_taken_besides_the_same_ones() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[105, 40, 500]).await;
    let _bob = bank.wallet("bob").await;
    bank.next(&[Fate::FeeRaised]);
    // The smallest coin is 105 and is enough for a fee of 1. With one of 5, 40 is taken besides; 500 alone would be enough, and
    // then both payments might be accepted.
    assert_eq!(paid(&alice, 104).await, (eur(5), eur(36 + 500)));
    assert_eq!((bank.count(Statement::Pay), inputs_of_last(&bank)), (1, 2));
    assert!(!alice.has_unfinished().await);
}

#[tokio::test]
async fn without_others_nothing_is_paid_and_the_coin_is_free() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[105]).await;
    let _bob = bank.wallet("bob").await;
    bank.next(&[Fate::FeeRaised]);
    let short = alice.pay(&identity("bob"), eur(104), "", RequestId::random()).await;
    assert!(matches!(short, Err(WalletError::InsufficientFunds { needed, .. }) if needed == eur(109)), "{short:?}");
    assert_eq!((alice.balance().await.available, bank.count(Statement::Pay)), (eur(105), 0));
    assert!(!alice.has_unfinished().await);
}

/// The first transaction was still on its way when it was refused for its policy, and is accepted after all: it spends one of the
/// two coins that the payment took in the end, for the fee of then.
#[tokio::test]
async fn an_earlier_transaction_that_is_accepted_late_costs_only_its_own_coins() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[105, 40]).await;
    let _bob = bank.wallet("bob").await;
    bank.next(&[Fate::Delayed]);
    let begun = alice.pay(&identity("bob"), eur(104), "", RequestId::random()).await.unwrap();
    assert_eq!(begun.item.state, OperationState::Pending);
    bank.books().raise_fee();
    bank.next(&[Fate::Refused(ErrorReason::PolicyMoved), Fate::RequestLost]);
    assert_eq!(alice.resume().await.unwrap()[0].state, OperationState::Pending);
    let waiting = alice.balance().await;
    assert_eq!((waiting.available, waiting.in_flight), (eur(0), eur(145)), "both coins are reserved");
    alice.close().await;

    bank.release();
    let alice = bank.reopen(&bank.dir("alice")).await;
    let resumed = alice.resume().await.unwrap();
    let item = resumed[0].item.as_ref().unwrap();
    assert_eq!((resumed[0].state, item.fee), (OperationState::Done, eur(1)));
    assert_eq!(item.transaction_id, begun.item.transaction_id);
    assert_eq!((bank.count(Statement::Pay), inputs_of_last(&bank)), (1, 1));
    assert_eq!((holds(&alice).await, alice.balance().await.available), (40, eur(40)));
    // It is there to be spent.
    assert_eq!(paid(&alice, 35).await, (eur(5), eur(0)));
}

/// No coins were left for the higher fee, so the payment was given up; and then it is accepted after all. It is one payment in the
/// history, and everything that can be done with a payment can be done with it.
#[tokio::test]
async fn a_payment_that_was_given_up_is_accepted_late() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[105]).await;
    let order = || Order {
        payee: identity("dave"),
        amount: eur(104),
        purpose: String::new(),
        memo: "hello".to_owned(),
        reference: None,
        allow_unregistered: true,
    };
    let request_id = RequestId::random();
    bank.next(&[Fate::Delayed]);
    let begun = alice.place(order(), request_id).await.unwrap();
    let (number, id) = (begun.item.number, begun.item.transaction_id.unwrap());
    bank.books().raise_fee();
    bank.next(&[Fate::Refused(ErrorReason::PolicyMoved)]);
    let resumed = alice.resume().await.unwrap();
    assert_eq!(resumed[0].state, OperationState::Failed);
    assert_eq!((alice.balance().await.available, alice.has_unfinished().await), (eur(105), false));
    let again = alice.place(order(), request_id).await;
    assert!(matches!(again, Err(WalletError::FailedBefore { .. })), "{again:?}");

    bank.release();
    alice.receive().await.unwrap();
    assert_eq!((alice.balance().await.available, holds(&alice).await), (eur(0), 0));
    let items = alice.history(None, 100).await.items;
    let paid: Vec<_> = items.iter().filter(|item| item.kind == OperationKind::Pay).collect();
    let [item] = paid.as_slice() else { panic!("one payment") };
    assert_eq!((item.number, item.state, item.fee), (number, OperationState::Done, eur(1)));
    assert_eq!((item.transaction_id, &item.failure, &item.memo[..]), (Some(id), &None, "hello"));
    alice.close().await;

    let alice = bank.reopen(&bank.dir("alice")).await;
    let again = alice.place(order(), request_id).await.unwrap();
    assert_eq!((again.item.number, bank.count(Statement::Pay)), (number, 1), "not paid twice");
    let link = alice.link(id).await.unwrap();
    assert_eq!(again.link, Some(link.to_string()));
    alice.prove_payment(id, None, None).await.unwrap();
    alice.receipt(id).await.unwrap();
    bank.pass_days(TO_FEBRUARY);
    alice.renew().await.unwrap();
    let report = alice.refund(Some(id)).await.unwrap();
    assert_eq!((report.refunded.len(), report.available), (1, eur(104)));
}

/// Coins have to be put together first, and the fee is raised meanwhile: nothing of the payment was sent, so it may take any.
#[tokio::test]
async fn what_was_not_sent_is_chosen_again() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[50, 50, 50, 50, 1, 10]).await;
    let _bob = bank.wallet("bob").await;
    bank.next(&[Fate::FeeRaised]);
    // 200 and 1 for a fee of 1; 200 and 10 for one of 5.
    assert_eq!(paid(&alice, 200).await, (eur(5), eur(1 + 5)));
    assert_eq!((bank.count(Statement::Swap), bank.count(Statement::Pay), inputs_of_last(&bank)), (1, 1, 2));
}
