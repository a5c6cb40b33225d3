//! What nobody claims comes back to its payer, and never to both.

use farthing_ecash::{amount::Amount, calendar::Day, statement::Statement};
use farthing_wallet::{HistoryItem, OperationKind, OperationState, PendingReason, RequestId, Wallet, WalletError};

use crate::bank::{Bank, Fate, TO_FEBRUARY, TODAY, holds, identity};

fn eur(cents: u64) -> Amount {
    Amount::new(cents)
}

async fn pay(payer: &Wallet, payee: &str, amount: u64) -> HistoryItem {
    let paid = payer.pay(&identity(payee), eur(amount), "", RequestId::random()).await.unwrap();
    assert_eq!(paid.item.state, OperationState::Done);
    paid.item
}

async fn payment(wallet: &Wallet) -> HistoryItem {
    let items = wallet.history(None, 100).await.items;
    items.into_iter().find(|item| item.kind == OperationKind::Pay).unwrap()
}

/// Lets the time pass after which payments of the first day can be taken back, and renews these wallets: what is taken back or
/// claimed is not in one call with that.
async fn to_february<const N: usize>(bank: &Bank, wallets: [&Wallet; N]) {
    bank.pass_days(TO_FEBRUARY);
    for wallet in wallets {
        wallet.renew().await.unwrap();
    }
}

#[tokio::test]
async fn a_payment_that_nobody_claims_comes_back_after_its_month() {
    let bank = Bank::open().await;
    let _bob = bank.wallet("bob").await;
    let alice = bank.rich("alice", &[1_000]).await;
    let paid = pay(&alice, "bob", 400).await;
    let february = Day::new(TODAY + TO_FEBRUARY).month();
    assert_eq!(paid.refundable_from, Some(february));
    let report = alice.refund(None).await.unwrap();
    let [waiting] = report.pending.as_slice() else { panic!("one waits") };
    assert_eq!((waiting.reason, waiting.refundable_from), (PendingReason::NotExpired, february));
    bank.pass_days(TO_FEBRUARY - 1);
    assert!(!alice.has_refundable().await);
    assert!(alice.refund(paid.transaction_id).await.unwrap().refunded.is_empty(), "the last day of its month");

    bank.pass_days(1);
    assert!(alice.has_refundable().await);
    let report = alice.refund(paid.transaction_id).await.unwrap();
    assert_eq!(
        report.refunded.iter().map(|back| (back.amount, back.total)).collect::<Vec<_>>(),
        [(eur(400), eur(400))]
    );
    assert_eq!(report.refunded[0].payee, Some(identity("bob")));
    assert!(report.pending.is_empty() && report.received.is_empty() && report.delay.is_none());
    // All but the fee; and it counts as received today.
    assert_eq!(report.available, eur(999));
    assert_eq!(alice.info().await.unwrap().receipt_caps.unwrap().used_today, eur(400));
    let item = payment(&alice).await;
    assert_eq!((item.refunded, item.refundable_from, item.receipt_index), (eur(400), None, None));
    let newest = &alice.history(None, 1).await.items[0];
    assert_eq!((newest.kind, newest.state, newest.amount), (OperationKind::Refund, OperationState::Done, eur(400)));
    assert!(!alice.has_refundable().await);
    assert!(alice.refund(None).await.unwrap().refunded.is_empty(), "once only");
}

#[tokio::test]
async fn a_payee_who_is_late_finds_the_payment_gone() {
    let bank = Bank::open().await;
    let bob = bank.wallet("bob").await;
    let alice = bank.rich("alice", &[1_000]).await;
    pay(&alice, "bob", 400).await;
    // Bob finds it, and his claim is lost.
    bank.next(&[Fate::RequestLost]);
    assert!(bob.receive().await.unwrap().delay.is_some());
    to_february(&bank, [&alice]).await;
    assert_eq!(alice.refund(None).await.unwrap().refunded.len(), 1);
    let report = bob.receive().await.unwrap();
    assert!(report.claimed.is_empty() && report.pending.is_empty());
    let items = bob.history(None, 10).await.items;
    let lost = items.iter().find(|item| item.kind == OperationKind::Receive).unwrap();
    assert_eq!(lost.state, OperationState::Failed);
    assert_eq!(holds(&alice).await + holds(&bob).await, 999);
}

/// The payer learns from the log that its payee was first, or from the redeemer when the log was not read so far.
#[tokio::test]
async fn what_the_payee_has_does_not_come_back() {
    for split in [false, true] {
        let bank = Bank::open().await;
        let bob = bank.wallet("bob").await;
        let alice = bank.rich("alice", &[3_000]).await;
        let amount = if split { 1_300 } else { 400 };
        let paid = pay(&alice, "bob", amount).await;
        to_february(&bank, [&alice, &bob]).await;
        bob.receive().await.unwrap();
        let report = alice.refund(paid.transaction_id).await.unwrap();
        assert!(report.refunded.is_empty() && report.pending.is_empty());
        assert_eq!(report.received.len(), 1);
        let item = payment(&alice).await;
        assert!(item.receipt_index.is_some() && item.refundable_from.is_none());
        assert_eq!((bank.count(Statement::Refund), bank.count(Statement::SplitExpired)), (0, 0));
        assert_eq!(holds(&alice).await, 3_000 - 1 - amount);
    }
}

/// The claim comes between the wallet's look at the log and its refund: the redeemer refuses it, and names the entry.
#[tokio::test]
async fn a_payee_who_is_just_first_has_it() {
    let bank = Bank::open().await;
    let bob = bank.wallet("bob").await;
    let alice = bank.rich("alice", &[1_000]).await;
    let paid = pay(&alice, "bob", 400).await;
    to_february(&bank, [&alice, &bob]).await;
    // The refund is begun, and lost; then the payee claims.
    bank.next(&[Fate::RequestLost]);
    assert!(alice.refund(None).await.unwrap().delay.is_some());
    assert_eq!(bob.receive().await.unwrap().available, eur(400));
    let report = alice.refund(paid.transaction_id).await.unwrap();
    assert!(report.refunded.is_empty() && report.pending.is_empty());
    let item = payment(&alice).await;
    assert!(item.receipt_index.is_some());
    assert!(!alice.has_unfinished().await);
    let refund = &alice.history(None, 1).await.items[0];
    assert_eq!((refund.kind, refund.state), (OperationKind::Refund, OperationState::Failed));
    assert_eq!((holds(&alice).await, holds(&bob).await), (599, 400));
}

#[tokio::test]
async fn what_is_above_the_cap_comes_back_over_days() {
    let bank = Bank::open().await;
    let _bob = bank.wallet("bob").await;
    let alice = bank.rich("alice", &[3_000]).await;
    pay(&alice, "bob", 2_000).await;
    to_february(&bank, [&alice]).await;
    let report = alice.refund(None).await.unwrap();
    assert_eq!(
        report.refunded.iter().map(|back| (back.amount, back.total)).collect::<Vec<_>>(),
        [(eur(1_000), eur(2_000))]
    );
    let [rest] = report.pending.as_slice() else { panic!("the rest waits") };
    assert_eq!((rest.payment.amount, rest.reason), (eur(1_000), PendingReason::OverDayCap));
    // 10.00 a day, 15.00 a month.
    let plan: Vec<_> = rest.plan.iter().map(|part| (part.day, part.amount.get())).collect();
    let today = TODAY + TO_FEBRUARY;
    assert_eq!(plan, [(Day::new(today + 1), 500), (Day::new(today + 28), 500)]);
    assert_eq!(payment(&alice).await.refunded, eur(1_000));
    bank.pass_days(1);
    assert_eq!(alice.refund(None).await.unwrap().refunded.len(), 1);
    bank.pass_days(27);
    let report = alice.refund(None).await.unwrap();
    assert_eq!((report.refunded.len(), report.pending.len(), report.available), (1, 0, eur(2_999)));
    assert_eq!((bank.count(Statement::SplitExpired), bank.count(Statement::Refund)), (2, 3));
}

/// A wallet that takes all back at once shows that they are of one wallet.
#[tokio::test]
async fn by_itself_it_takes_one_back_at_a_time() {
    let bank = Bank::open().await;
    let _bob = bank.wallet("bob").await;
    let alice = bank.rich("alice", &[1_000]).await;
    for amount in [100, 110, 120] {
        pay(&alice, "bob", amount).await;
    }
    assert!(alice.refund_any().await.unwrap().refunded.is_empty());
    to_february(&bank, [&alice]).await;
    for left in [2, 1, 0] {
        let report = alice.refund_any().await.unwrap();
        assert_eq!(report.refunded.len(), 1);
        let waiting = alice.history(None, 100).await.items;
        assert_eq!(waiting.iter().filter(|item| item.refundable_from.is_some()).count(), left);
    }
    assert_eq!(alice.balance().await.available, eur(997));
}

#[tokio::test]
async fn only_own_payments_come_back() {
    let bank = Bank::open().await;
    let bob = bank.wallet("bob").await;
    let alice = bank.rich("alice", &[1_000]).await;
    let paid = pay(&alice, "bob", 100).await;
    bob.receive().await.unwrap();
    for wallet in [&bob, &alice] {
        let other = wallet.history(None, 10).await.items.pop().unwrap().transaction_id;
        assert!(matches!(wallet.refund(other).await, Err(WalletError::TransactionUnknown)));
    }
    assert!(matches!(bob.refund(paid.transaction_id).await, Err(WalletError::TransactionUnknown)));
}

/// To oneself it is both, a payment received and one to be taken back; the money comes once.
#[tokio::test]
async fn a_payment_to_oneself_comes_once() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    pay(&alice, "alice", 100).await;
    assert_eq!(alice.receive().await.unwrap().available, eur(999));
    bank.pass_days(TO_FEBRUARY);
    let report = alice.refund(None).await.unwrap();
    assert!(report.refunded.is_empty() && report.pending.is_empty());
    assert_eq!(holds(&alice).await, 999);
    assert!(payment(&alice).await.receipt_index.is_some());

    pay(&alice, "alice", 100).await;
    bank.pass_days(TO_FEBRUARY + 30);
    assert_eq!(alice.refund(None).await.unwrap().refunded.len(), 1);
    assert!(alice.receive().await.unwrap().pending.is_empty());
    assert_eq!(holds(&alice).await, 998);
}
