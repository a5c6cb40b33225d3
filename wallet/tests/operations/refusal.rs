//! Days and policies that move, and coins that were spent elsewhere.

use farthing_ecash::{amount::Amount, statement::Statement};
use farthing_proto::v1::ErrorReason;
use farthing_wallet::{OperationState, RequestId, WalletError};

use crate::bank::{Bank, Fate, copy, holds, identity};

fn eur(cents: u64) -> Amount {
    Amount::new(cents)
}

#[tokio::test]
async fn a_day_that_ends_is_no_loss() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let bob = bank.wallet("bob").await;
    bank.next(&[Fate::RequestLost]);
    let id = RequestId::random();
    alice.pay(&identity("bob"), eur(100), "", id).await.unwrap();
    bank.pass_days(1);
    let paid = alice.pay(&identity("bob"), eur(100), "", id).await.unwrap();
    assert_eq!((paid.item.state, paid.available), (OperationState::Done, eur(899)));

    bank.next(&[Fate::RequestLost]);
    let id = RequestId::random();
    alice.withdraw(eur(50), id).await.unwrap();
    bank.pass_days(1);
    assert_eq!(alice.withdraw(eur(50), id).await.unwrap().available, eur(949));

    bank.next(&[Fate::RequestLost]);
    bob.receive().await.unwrap();
    bank.pass_days(1);
    assert_eq!(bob.receive().await.unwrap().available, eur(100));
    let done = [Statement::Withdraw, Statement::Pay, Statement::Claim].map(|statement| bank.count(statement));
    assert_eq!(done, [2, 1, 1]);
}

/// The answer was recorded before the day ended: the same bytes get it, whatever the day.
#[tokio::test]
async fn a_recorded_answer_is_given_whatever_the_day() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let _bob = bank.wallet("bob").await;
    bank.next(&[Fate::AnswerLost]);
    let begun = alice.pay(&identity("bob"), eur(100), "", RequestId::random()).await.unwrap();
    bank.pass_days(1);
    let resumed = alice.resume().await.unwrap();
    assert_eq!(resumed[0].state, OperationState::Done);
    assert_eq!(resumed[0].item.as_ref().unwrap().transaction_id, begun.item.transaction_id);
    assert_eq!((bank.count(Statement::Pay), holds(&alice).await), (1, 899));
}

/// The old request was still on its way when the server said that its day is over, and is accepted after all.
#[tokio::test]
async fn an_old_request_that_is_accepted_late_ends_the_operation() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let _bob = bank.wallet("bob").await;
    bank.next(&[Fate::Delayed]);
    let begun = alice.pay(&identity("bob"), eur(100), "", RequestId::random()).await.unwrap();
    bank.pass_days(1);
    // The first call of this run is refused for its day; the second, built anew, is lost.
    bank.next(&[Fate::Refused(ErrorReason::PeriodMoved), Fate::RequestLost]);
    assert_eq!(alice.resume().await.unwrap()[0].state, OperationState::Pending);
    bank.release();
    let resumed = alice.resume().await.unwrap();
    assert_eq!(resumed[0].state, OperationState::Done);
    assert_eq!(resumed[0].item.as_ref().unwrap().transaction_id, begun.item.transaction_id);
    assert_eq!((bank.count(Statement::Pay), holds(&alice).await), (1, 899));
}

/// A server that refuses the day and names the same one does not make the wallet build a second transaction.
#[tokio::test]
async fn a_contradiction_about_the_day_leaves_the_operation_as_it_is() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let _bob = bank.wallet("bob").await;
    bank.next(&[Fate::Refused(ErrorReason::PeriodMoved)]);
    let id = RequestId::random();
    let begun = alice.pay(&identity("bob"), eur(100), "", id).await.unwrap();
    assert_eq!(begun.item.state, OperationState::Pending);
    let done = alice.pay(&identity("bob"), eur(100), "", id).await.unwrap();
    assert_eq!((done.item.state, done.item.transaction_id), (OperationState::Done, begun.item.transaction_id));
}

#[tokio::test]
async fn a_policy_that_changes_is_followed() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000, 105]).await;
    let bob = bank.wallet("bob").await;
    bank.next(&[Fate::RequestLost, Fate::RequestLost]);
    let (large, exact) = (RequestId::random(), RequestId::random());
    alice.pay(&identity("bob"), eur(500), "", large).await.unwrap();
    alice.pay(&identity("bob"), eur(104), "", exact).await.unwrap();
    {
        let mut books = bank.books();
        (books.epoch, books.fee) = (2, "0.05");
        books.publish();
    }
    let paid = alice.pay(&identity("bob"), eur(500), "", large).await.unwrap();
    assert_eq!((paid.item.state, paid.item.fee, paid.available), (OperationState::Done, eur(5), eur(495)));
    // This coin alone no longer pays the fee.
    let paid = alice.pay(&identity("bob"), eur(104), "", exact).await.unwrap();
    assert_eq!((paid.item.state, paid.item.fee, paid.available), (OperationState::Done, eur(5), eur(491)));
    assert_eq!(bob.receive().await.unwrap().available, eur(604));
}

#[tokio::test]
async fn a_copy_of_a_wallet_cannot_spend_twice() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let _bob = bank.wallet("bob").await;
    copy(&bank.dir("alice"), &bank.dir("copy"));
    let twin = bank.reopen(&bank.dir("copy")).await;
    alice.pay(&identity("bob"), eur(300), "", RequestId::random()).await.unwrap();
    let spent = twin.pay(&identity("bob"), eur(400), "", RequestId::random()).await;
    assert!(matches!(spent, Err(WalletError::SpentElsewhere { .. })));
    // The twin took over what the other left, so both know the same now.
    assert_eq!((holds(&twin).await, holds(&alice).await), (699, 699));
    assert!(!twin.has_unfinished().await);
    assert_eq!(bank.count(Statement::Pay), 1);
    twin.pay(&identity("bob"), eur(600), "", RequestId::random()).await.unwrap();
    assert!(matches!(alice.redeem(eur(500), RequestId::random()).await, Err(WalletError::SpentElsewhere { .. })));
    assert_eq!((holds(&twin).await, holds(&alice).await), (98, 98));
}
