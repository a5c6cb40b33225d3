//! Payments found in the log, and what the caps say.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use farthing_ecash::{amount::Amount, calendar::Day, statement::Statement};
use farthing_wallet::{OperationState, PendingReason, RequestId, Wallet};

use crate::bank::{Bank, TODAY, identity};

fn eur(cents: u64) -> Amount {
    Amount::new(cents)
}

async fn pay(alice: &Wallet, amount: u64) {
    let paid = alice.pay(&identity("bob"), eur(amount), "", RequestId::random()).await.unwrap();
    assert_eq!(paid.item.state, OperationState::Done);
}

#[tokio::test]
async fn what_is_over_a_cap_waits_and_says_until_when() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[10_000]).await;
    let bob = bank.wallet("bob").await;
    for amount in [600, 700, 400, 1_100, 450] {
        pay(&alice, amount).await;
    }
    let report = bob.receive().await.unwrap();
    assert_eq!(report.claimed.iter().map(|payment| payment.amount.get()).collect::<Vec<_>>(), [600, 400]);
    // 10.00 a day, 15.00 a month: nothing is left for today, 5.00 for the month.
    let [month, large, day] = report.pending.as_slice() else { panic!("three wait") };
    assert_eq!((month.reason, month.over_by, month.left_today), (PendingReason::OverMonthCap, eur(200), Some(eur(0))));
    assert_eq!(month.claimable_from, Day::from_civil(2026, 12, 1));
    assert_eq!((large.reason, large.over_by, large.claimable_from), (PendingReason::LargerThanCap, eur(100), None));
    assert_eq!((day.reason, day.over_by), (PendingReason::OverDayCap, eur(450)));
    assert_eq!(day.claimable_from, Some(Day::new(TODAY + 1)));
    let balance = bob.balance().await;
    assert_eq!((balance.available, balance.claimable), (eur(1_000), eur(2_250)));

    bank.pass_days(1);
    let report = bob.receive().await.unwrap();
    assert_eq!((report.claimed.len(), report.available), (1, eur(1_450)));

    bank.pass_days(10);
    let report = bob.receive().await.unwrap();
    assert_eq!((report.claimed.len(), report.pending.len(), report.available), (1, 1, eur(2_150)));
    let caps = bob.info().await.unwrap().receipt_caps.unwrap();
    assert_eq!((caps.used_today, caps.left_today), (eur(700), Some(eur(300))));
    assert_eq!((caps.used_this_month, caps.left_this_month), (eur(700), Some(eur(800))));
}

#[tokio::test]
async fn few_are_claimed_alone_and_many_together() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[10_000]).await;
    let bob = bank.wallet("bob").await;
    pay(&alice, 10).await;
    pay(&alice, 11).await;
    assert_eq!(bob.receive().await.unwrap().claimed.len(), 2);
    assert_eq!(bank.count(Statement::Claim), 2);
    for amount in 10..20 {
        pay(&alice, amount).await;
    }
    let report = bob.receive().await.unwrap();
    assert_eq!((report.claimed.len(), report.available), (10, eur(145 + 21)));
    assert_eq!(bank.count(Statement::Claim), 3);
}

#[tokio::test]
async fn the_log_is_looked_through_once() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[10_000]).await;
    pay_nobody(&bank, &alice).await;
    let bob = bank.wallet("bob").await;
    pay(&alice, 100).await;
    let told = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let counts = Arc::clone(&told);
    let progress = move |done, all| {
        counts.0.store(done, Ordering::Relaxed);
        counts.1.store(all, Ordering::Relaxed);
    };
    let report = bob.receive_with(Arc::new(progress)).await.unwrap();
    // What was there before the registration is not for this wallet.
    assert_eq!((report.scanned, report.claimed.len()), (1, 1));
    let size = bank.books().payments.len() as u64;
    assert_eq!((told.0.load(Ordering::Relaxed), told.1.load(Ordering::Relaxed)), (size - 1, size - 1));
    assert_eq!(bob.receive().await.unwrap().scanned, 1, "its own claim");
    assert_eq!(bob.receive().await.unwrap().scanned, 0);
    assert_eq!(bob.info().await.unwrap().payment_log_size, size);
}

async fn pay_nobody(bank: &Bank, alice: &Wallet) {
    let _carol = bank.wallet("carol").await;
    let paid = alice.pay(&identity("carol"), eur(100), "", RequestId::random()).await.unwrap();
    assert_eq!(paid.item.state, OperationState::Done);
}

/// The payer built for the policy before; the payee was registered after it.
#[tokio::test]
async fn an_older_policy_is_looked_up() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let bob = bank.create("bob").await;
    {
        let mut books = bank.books();
        (books.epoch, books.fee) = (2, "0.02");
        books.publish();
    }
    bob.register("bob@bank.example", "invited").await.unwrap();
    // Within the grace of a change.
    {
        let mut books = bank.books();
        (books.epoch, books.fee) = (1, "0.01");
    }
    pay(&alice, 100).await;
    {
        let mut books = bank.books();
        (books.epoch, books.fee) = (2, "0.02");
    }
    let report = bob.receive().await.unwrap();
    assert_eq!((report.claimed.len(), report.worthless), (1, 0));
}
