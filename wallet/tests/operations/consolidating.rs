//! A wallet at rest makes one coin of several (docs/PROTOCOL.md section 8).

use farthing_ecash::{
    amount::Amount,
    entry::{Entry, EntryKind},
    statement::Statement,
    transaction::Core,
};
use farthing_wallet::{OperationKind, OperationState, RequestId, Wallet, WalletError};

use crate::bank::{Bank, Fate, holds, identity};

fn eur(cents: u64) -> Amount {
    Amount::new(cents)
}

/// Values of all coins, ascending.
async fn coins(wallet: &Wallet) -> Vec<u64> {
    let mut values: Vec<_> = wallet.holdings().await.iter().map(|held| held.value.get()).collect();
    values.retain(|value| *value > 0);
    values.sort_unstable();
    values
}

/// The counts of inputs of all swaps.
fn swapped(bank: &Bank) -> Vec<usize> {
    let books = bank.books();
    let entries = books.payments.iter().map(|bytes| Entry::from_bytes(bytes).unwrap());
    let swaps = entries.filter(|entry| entry.kind() == EntryKind::Transaction(Statement::Swap));
    swaps.map(|swap| Core::from_prefix(swap.body()).unwrap().0.nullifiers().count()).collect()
}

#[tokio::test]
async fn small_coins_become_few_and_purposes_stay_apart() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[11, 12, 13, 14, 15, 16, 1_000]).await;
    let bob = bank.wallet("bob").await;
    for _ in 0..5 {
        alice.withdraw_for("meal", eur(20), RequestId::random()).await.unwrap();
    }
    let mut swaps = 0;
    while alice.has_many_coins().await {
        assert!(alice.consolidate().await.unwrap());
        swaps += 1;
        assert_eq!(swapped(&bank).len(), swaps, "one at a time");
        let balance = alice.balance().await;
        assert_eq!(
            (balance.available, balance.restricted[0].amount),
            (eur(1_081), eur(100)),
            "nothing is lost or mixed"
        );
    }
    assert!(swapped(&bank).iter().all(|count| [2, 4].contains(count)));
    // Two or four of each purpose at a time until four are left, or fewer: the largest was never needed.
    let left = coins(&alice).await;
    assert!((4..=8).contains(&left.len()) && left.last() == Some(&1_000), "{left:?}");
    assert_eq!(bank.books().fees, 0);
    let items = alice.history(None, 100).await.items;
    let swaps: Vec<_> = items.iter().filter(|item| item.kind == OperationKind::Swap).collect();
    assert!(swaps.iter().all(|item| item.state == OperationState::Done && item.fee == eur(0)));
    assert!(swaps.iter().any(|item| item.purpose == "meal") && swaps.iter().any(|item| item.purpose.is_empty()));

    // There is nothing to do any more, also when it is asked for.
    let before = bank.books().done.len();
    assert!(!alice.consolidate().await.unwrap());
    assert_eq!(bank.books().done.len(), before);
    let meal = alice.pay_for("meal", &identity("bob"), eur(99), "", RequestId::random()).await.unwrap();
    assert_eq!((meal.item.state, meal.available), (OperationState::Done, eur(0)));
    assert_eq!(bob.receive().await.unwrap().available, eur(99));
}

/// It is written down before it is sent, and while it is under way the wallet is not at rest.
#[tokio::test]
async fn what_is_lost_on_its_way_is_finished() {
    for fate in [Fate::AnswerLost, Fate::RequestLost] {
        let bank = Bank::open().await;
        let alice = bank.rich("alice", &[10; 9]).await;
        bank.next(&[fate]);
        assert!(alice.consolidate().await.unwrap(), "{fate:?}");
        // Of the others there are still many.
        assert!(!alice.has_many_coins().await && !alice.consolidate().await.unwrap(), "{fate:?}");
        assert_eq!(holds(&alice).await, 90);
        alice.close().await;
        let alice = bank.reopen(&bank.dir("alice")).await;
        assert_eq!(alice.resume().await.unwrap()[0].state, OperationState::Done, "{fate:?}");
        assert_eq!((alice.balance().await.available, swapped(&bank).len()), (eur(90), 1), "{fate:?}");
        assert!(alice.has_many_coins().await && coins(&alice).await.len() < 9, "{fate:?}");
    }
}

#[tokio::test]
async fn few_coins_are_left_as_they_are() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[10; 4]).await;
    alice.withdraw_for("meal", eur(20), RequestId::random()).await.unwrap();
    assert!(!alice.has_many_coins().await && !alice.consolidate().await.unwrap());
    assert!(swapped(&bank).is_empty());
    // A wallet that does not even know its servers holds nothing.
    let carol = bank.create("carol").await;
    assert!(!carol.has_many_coins().await);
    assert!(matches!(carol.consolidate().await, Ok(false) | Err(WalletError::NotRegistered)));
}
