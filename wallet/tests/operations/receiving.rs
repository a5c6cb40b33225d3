//! Payments found in the log, and what the caps say.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use farthing_ecash::{amount::Amount, calendar::Day, statement::Statement};
use farthing_proto::v1::{ReceiveRequest, wallet_service_server::WalletService as _};
use farthing_wallet::{
    HistoryItem, OperationKind, OperationState, PendingReason, PlannedPart, ReceiveReport, Receiving, RequestId,
    Wallet, service::WalletApi,
};
use tokio_util::sync::CancellationToken;

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
    // The plan goes on in January, and the wallet is registered until December.
    assert_eq!(report.renew_in, Some(Day::from_civil(2026, 12, 1).unwrap().month()));
    // 10.00 a day, 15.00 a month: nothing is left for today, 5.00 for the month.
    let [month, large, day] = report.pending.as_slice() else { panic!("three wait") };
    let (tomorrow, december) = (Day::new(TODAY + 1), |day| Day::from_civil(2026, 12, day).unwrap());
    // What fits whole goes first; the oldest one that does not fit takes what is left.
    assert_eq!((month.reason, month.over_by, month.left_today), (PendingReason::OverDayCap, eur(700), Some(eur(0))));
    assert_eq!(days(&month.plan), [(tomorrow, 50), (december(1), 650)]);
    assert_eq!((large.reason, large.over_by), (PendingReason::OverMonthCap, eur(1_100)));
    let january = Day::from_civil(2027, 1, 1).unwrap();
    assert_eq!(days(&large.plan), [(december(1), 350), (december(2), 500), (january, 250)]);
    assert_eq!((day.reason, days(&day.plan)), (PendingReason::OverDayCap, vec![(tomorrow, 450)]));
    let whole = [(tomorrow, 500), (december(1), 1_000), (december(2), 500), (january, 250)];
    assert_eq!((days(&report.plan), report.left_today), (whole.to_vec(), Some(eur(0))));
    let balance = bob.balance().await;
    assert_eq!((balance.available, balance.claimable), (eur(1_000), eur(2_250)));

    bank.pass_days(1);
    let report = bob.receive().await.unwrap();
    assert_eq!((report.claimed.len(), report.available), (2, eur(1_500)));
    let part = &report.claimed[1];
    assert_eq!((part.amount, part.total), (eur(50), eur(700)));

    // The plan of the first day is what happens.
    for (days, available) in [(10, 2_500), (1, 3_000), (30, 3_250)] {
        bank.pass_days(days);
        bob.renew().await.unwrap();
        assert_eq!(bob.receive().await.unwrap().available, eur(available));
    }
    assert!(bob.receive().await.unwrap().pending.is_empty());
    let caps = bob.info().await.unwrap().receipt_caps.unwrap();
    assert_eq!((caps.used_today, caps.left_today), (eur(250), Some(eur(750))));
    assert_eq!((caps.used_this_month, caps.left_this_month), (eur(250), Some(eur(1_250))));
    assert_eq!(bank.count(Statement::Split), 3);
}

fn days(plan: &[PlannedPart]) -> Vec<(Day, u64)> {
    plan.iter().map(|part| (part.day, part.amount.get())).collect()
}

/// A payment of more than a month's cap comes in over two months; its item tells how far it is.
#[tokio::test]
async fn a_payment_above_every_cap_is_claimed_in_parts() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[10_000]).await;
    let bob = bank.wallet("bob").await;
    pay(&alice, 2_300).await;
    let report = bob.receive().await.unwrap();
    assert_eq!(
        report.claimed.iter().map(|part| (part.amount, part.total)).collect::<Vec<_>>(),
        [(eur(1_000), eur(2_300))]
    );
    let [rest] = report.pending.as_slice() else { panic!("the rest waits") };
    assert_eq!((rest.payment.amount, rest.payment.total, rest.over_by), (eur(1_300), eur(2_300), eur(1_300)));
    assert_eq!(report.renew_in, None, "it ends in December");
    let received =
        |items: Vec<HistoryItem>| items.into_iter().find(|item| item.kind == OperationKind::Receive).unwrap();
    let item = received(bob.history(None, 10).await.items);
    assert_eq!((item.state, item.claimed, item.claim_indices.len()), (OperationState::Pending, eur(1_000), 1));
    // Nothing more on the same day, and no split for nothing.
    assert!(bob.receive().await.unwrap().claimed.is_empty());
    assert_eq!(bank.count(Statement::Split), 1);

    for (days, claimed) in [(1, 500), (10, 800)] {
        bank.pass_days(days);
        let report = bob.receive().await.unwrap();
        assert_eq!(report.claimed.iter().map(|part| part.amount).collect::<Vec<_>>(), [eur(claimed)]);
    }
    let item = received(bob.history(None, 10).await.items);
    assert_eq!((item.state, item.claimed, item.claim_indices.len()), (OperationState::Done, eur(2_300), 3));
    assert_eq!((bank.count(Statement::Split), bank.count(Statement::Claim)), (2, 3));
    assert_eq!(bob.balance().await.available, eur(2_300));
}

/// 10 cents are the smallest part. What would leave less behind is not split, or not so.
#[tokio::test]
async fn no_part_is_smaller_than_a_payment() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[10_000]).await;
    let bob = bank.wallet("bob").await;
    for amount in [995, 200] {
        pay(&alice, amount).await;
    }
    // 5 cents of today are left over.
    let report = bob.receive().await.unwrap();
    assert_eq!((report.claimed.len(), report.pending.len(), bank.count(Statement::Split)), (1, 1, 0));
    bank.pass_days(1);
    assert_eq!(bob.receive().await.unwrap().available, eur(1_195));
    bank.pass_days(20);
    pay(&alice, 1_005).await;
    let report = bob.receive().await.unwrap();
    assert_eq!((report.claimed[0].amount, report.pending[0].payment.amount), (eur(995), eur(10)));
}

#[tokio::test]
async fn claims_show_nothing_together_unless_their_owner_asks() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[10_000]).await;
    let bob = bank.wallet("bob").await;
    for amount in 10..22 {
        pay(&alice, amount).await;
    }
    let report = bob.receive().await.unwrap();
    assert_eq!((report.claimed.len(), report.available), (12, eur(186)));
    assert_eq!(bank.count(Statement::Claim), 12);
    for amount in 10..22 {
        pay(&alice, amount).await;
    }
    let report = join(&bob).await;
    assert_eq!((report.claimed.len(), report.available), (12, eur(2 * 186)));
    assert_eq!(bank.count(Statement::Claim), 13);
}

/// A call of another program says it, or the daemon's owner has said it for all calls.
#[tokio::test]
async fn programs_ask_for_joined_claims_too() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[10_000]).await;
    let bob = bank.wallet("bob").await;
    let mut claims = 0;
    for (daemon_joins, join, made) in [(false, false, 3), (false, true, 1), (true, false, 1)] {
        for _ in 0..3 {
            pay(&alice, 20).await;
        }
        let api = WalletApi::new(bob.clone(), CancellationToken::new()).joining(daemon_joins);
        let call = ReceiveRequest { links: Vec::new(), join };
        let answer = api.receive(tonic::Request::new(call)).await.unwrap().into_inner();
        assert_eq!(answer.claimed.len(), 3);
        claims += made;
        assert_eq!(bank.count(Statement::Claim), claims, "{daemon_joins} {join}");
    }
}

async fn join(wallet: &Wallet) -> ReceiveReport {
    let receiving = Receiving { join: true, ..Receiving::default() };
    wallet.receive_with(receiving, Arc::new(|_, _| {})).await.unwrap()
}

/// The smallest payment was 10 cents and is 50 now: what is below that waits, however much of it there is.
#[tokio::test]
async fn dust_is_claimed_when_its_owner_asks() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[10_000]).await;
    let bob = bank.wallet("bob").await;
    for _ in 0..10 {
        pay(&alice, 49).await;
    }
    pay(&alice, 50).await;
    {
        let mut books = bank.books();
        (books.epoch, books.minimum) = (2, "0.50");
        books.publish();
    }
    let report = bob.receive().await.unwrap();
    assert_eq!((report.claimed.len(), report.available), (1, eur(50)));
    assert_eq!(report.pending.len(), 10);
    for pending in &report.pending {
        assert_eq!((pending.reason, pending.plan.len(), pending.over_by), (PendingReason::Dust, 0, eur(0)));
    }
    assert!(bob.receive().await.unwrap().claimed.is_empty());
    let report = join(&bob).await;
    assert_eq!((report.claimed.len(), report.available, report.pending.len()), (10, eur(540), 0));
    assert_eq!(bank.count(Statement::Claim), 2);
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
    let report = bob.receive_with(Receiving::default(), Arc::new(progress)).await.unwrap();
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
