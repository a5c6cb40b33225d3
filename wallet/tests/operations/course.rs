//! Operations that come to their end.

use farthing_ecash::{amount::Amount, statement::Statement};
use farthing_proto::v1::ErrorReason;
use farthing_wallet::{OperationKind, OperationState, RequestId, WalletError};

use crate::bank::{Bank, Fate, holds, identity};

fn eur(cents: u64) -> Amount {
    Amount::new(cents)
}

#[tokio::test]
async fn money_goes_round_and_none_is_lost() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[2_000]).await;
    let bob = bank.wallet("bob").await;
    let paid = alice.pay(&identity("bob"), eur(350), "lunch", RequestId::random()).await.unwrap();
    assert_eq!((paid.item.state, paid.item.fee, paid.available), (OperationState::Done, eur(1), eur(1_649)));

    let report = bob.receive().await.unwrap();
    assert_eq!(report.claimed.len(), 1);
    assert_eq!((report.claimed[0].amount, report.claimed[0].memo.as_str()), (eur(350), "lunch"));
    assert_eq!(Some(report.claimed[0].payment_id), paid.item.transaction_id);
    assert!(report.pending.is_empty() && report.delay.is_none());
    assert!(bob.receive().await.unwrap().claimed.is_empty(), "once only");

    bob.pay(&identity("alice"), eur(125), "", RequestId::random()).await.unwrap();
    assert_eq!(alice.receive().await.unwrap().available, eur(1_774));
    assert_eq!(alice.redeem(eur(500), RequestId::random()).await.unwrap().available, eur(1_274));
    let (withdrawn, redeemed, fees) = {
        let books = bank.books();
        (books.withdrawn, books.redeemed, books.fees)
    };
    assert_eq!(withdrawn, redeemed + fees + holds(&alice).await + holds(&bob).await);

    let page = alice.history(None, 2).await;
    let kinds: Vec<_> = page.items.iter().map(|item| (item.kind, item.state)).collect();
    assert_eq!(kinds, [(OperationKind::Redeem, OperationState::Done), (OperationKind::Receive, OperationState::Done)]);
    let rest = alice.history(page.next, 100).await;
    let kinds: Vec<_> = rest.items.iter().map(|item| item.kind).collect();
    assert_eq!(kinds, [OperationKind::Pay, OperationKind::Withdraw, OperationKind::Register]);
    assert_eq!(rest.next, None);
}

#[tokio::test]
async fn what_is_refused_costs_nothing() {
    let bank = Bank::open().await;
    let alice = bank.create("alice").await;
    let (bob, id) = (identity("bob"), RequestId::random);
    assert!(matches!(alice.withdraw(eur(1), id()).await, Err(WalletError::NotRegistered)));
    assert!(matches!(alice.receive().await, Err(WalletError::NotRegistered)));
    assert!(matches!(alice.register("alice@bank.example", "forged").await, Err(WalletError::NotInvited)));
    assert!(matches!(alice.register("al ice", "invited").await, Err(WalletError::InvalidIdentity(_))));
    alice.register(" Alice@Bank.example ", "invited").await.unwrap();
    let other = alice.register("bob@bank.example", "invited").await;
    assert!(
        matches!(other, Err(WalletError::AlreadyRegistered { identity }) if identity.as_str() == "alice@bank.example")
    );
    alice.register("alice@bank.example", "used").await.unwrap();

    alice.withdraw(eur(100), id()).await.unwrap();
    assert!(matches!(alice.withdraw(eur(0), id()).await, Err(WalletError::AmountZero)));
    assert!(matches!(alice.pay(&bob, eur(0), "", id()).await, Err(WalletError::AmountZero)));
    assert!(
        matches!(alice.pay(&bob, eur(9), "", id()).await, Err(WalletError::BelowMinimum { minimum }) if minimum == eur(10))
    );
    let long = "m".repeat(257);
    assert!(matches!(alice.pay(&bob, eur(10), &long, id()).await, Err(WalletError::MemoTooLong { length: 257 })));
    assert!(
        matches!(alice.pay(&bob, eur(10), "", id()).await, Err(WalletError::IdentityUnknown { identity }) if identity == bob)
    );
    // The fee counts.
    let short = alice.pay(&bob, eur(100), "", id()).await;
    assert!(
        matches!(short, Err(WalletError::InsufficientFunds { needed, available }) if needed == eur(101) && available == eur(100))
    );
    let most = alice.pay(&bob, eur(u64::MAX), "", id()).await;
    assert!(matches!(most, Err(WalletError::InsufficientFunds { .. })));
    assert!(matches!(alice.redeem(eur(101), id()).await, Err(WalletError::InsufficientFunds { .. })));

    bank.next(&[Fate::Refused(ErrorReason::CapExceeded)]);
    let refused = id();
    assert!(matches!(alice.redeem(eur(50), refused).await, Err(WalletError::CapExceeded { .. })));
    let again = alice.redeem(eur(50), refused).await;
    assert!(matches!(again, Err(WalletError::FailedBefore { reason: ErrorReason::CapExceeded, .. })));
    assert_eq!(alice.balance().await.available, eur(100));
    assert!(!alice.has_unfinished().await);
}

#[tokio::test]
async fn a_request_id_moves_money_once() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let _bob = bank.wallet("bob").await;
    let (bob, id) = (identity("bob"), RequestId::random());
    let first = alice.pay(&bob, eur(100), "tea", id).await.unwrap();
    let again = alice.pay(&bob, eur(100), "tea", id).await.unwrap();
    assert_eq!(first.item.transaction_id, again.item.transaction_id);
    for (amount, memo) in [(101, "tea"), (100, "cake")] {
        assert!(matches!(alice.pay(&bob, eur(amount), memo, id).await, Err(WalletError::RequestIdReused)));
    }
    assert!(matches!(alice.redeem(eur(100), id).await, Err(WalletError::RequestIdReused)));
    // Also when all come at once, from several tasks.
    let id = RequestId::random();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (alice, bob) = (alice.clone(), bob.clone());
            tokio::spawn(async move { alice.pay(&bob, eur(50), "", id).await.unwrap().item.number })
        })
        .collect();
    let mut numbers = Vec::new();
    for call in calls {
        numbers.push(call.await.unwrap());
    }
    numbers.dedup();
    assert_eq!(numbers.len(), 1);
    assert_eq!(bank.count(Statement::Pay), 2);
    assert_eq!(alice.balance().await.available, eur(1_000 - 101 - 51));
}

#[tokio::test]
async fn payments_at_once_take_different_coins() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[100, 100, 100, 100]).await;
    let _bob = bank.wallet("bob").await;
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let alice = alice.clone();
            tokio::spawn(async move { alice.pay(&identity("bob"), eur(90), "", RequestId::random()).await.unwrap() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().item.state, OperationState::Done);
    }
    assert_eq!(alice.balance().await.available, eur(36));
}

/// One coin, four payments at once: each waits for the change of the one before.
#[tokio::test]
async fn payments_at_once_share_a_coin() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[400]).await;
    let _bob = bank.wallet("bob").await;
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let alice = alice.clone();
            tokio::spawn(async move { alice.pay(&identity("bob"), eur(90), "", RequestId::random()).await })
        })
        .collect();
    let mut paid = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(receipt) => {
                assert_eq!(receipt.item.state, OperationState::Done);
                paid += 1;
            }
            Err(error) => assert!(matches!(error, WalletError::InsufficientFunds { .. })),
        }
    }
    assert_eq!((paid, alice.balance().await.available), (4, eur(36)));
}

#[tokio::test]
async fn many_small_coins_are_put_together() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[10; 20]).await;
    let _bob = bank.wallet("bob").await;
    let paid = alice.pay(&identity("bob"), eur(190), "", RequestId::random()).await.unwrap();
    assert_eq!((paid.item.state, paid.available), (OperationState::Done, eur(9)));
    // Each swap makes one coin of four, and with the fee all twenty are needed.
    assert_eq!((bank.count(Statement::Swap), bank.count(Statement::Pay)), (6, 1));
}

#[tokio::test]
async fn the_history_can_be_followed_from_anywhere() {
    let bank = Bank::open().await;
    let alice = bank.wallet("alice").await;
    let mut watch = alice.watch(0);
    let (registered, balance) = watch.next().await.unwrap();
    assert_eq!((registered.kind, registered.state), (OperationKind::Register, OperationState::Done));
    assert_eq!(balance.available, eur(0));

    let follow = tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some((item, balance)) = watch.next().await {
            seen.push((item.cursor, item.state, balance.available));
            if item.state == OperationState::Done {
                break;
            }
        }
        seen
    });
    alice.withdraw(eur(70), RequestId::random()).await.unwrap();
    let seen = follow.await.unwrap();
    let (cursor, state, available) = *seen.last().unwrap();
    assert_eq!((state, available), (OperationState::Done, eur(70)));
    assert!(seen.iter().all(|(cursor, ..)| *cursor > registered.cursor));

    let mut late = alice.watch(registered.cursor);
    assert_eq!(late.next().await.unwrap().0.cursor, cursor);
    let end = tokio::spawn(async move { late.next().await.is_none() });
    alice.close().await;
    assert!(end.await.unwrap());
}
