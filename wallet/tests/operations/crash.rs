//! Crashes, and what the network loses.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use farthing_ecash::{amount::Amount, statement::Statement};
use farthing_wallet::{OperationKind, OperationState, RegisterOutcome, RequestId, Wallet};

use crate::bank::{Bank, Fate, TO_FEBRUARY, copy, holds, identity};

fn eur(cents: u64) -> Amount {
    Amount::new(cents)
}

/// Copies of a wallet's directory: one from before the first write, one from each moment in which a request had been
/// written down and sent and nothing had come back, one from after the last write. Every write lies between two of them.
struct Crashes {
    images: Arc<Mutex<Vec<PathBuf>>>,
    home: PathBuf,
    dir: PathBuf,
}

impl Crashes {
    fn record(bank: &Bank, name: &str) -> Self {
        let crashes = Self { images: Arc::default(), home: bank.dir(&format!("{name}-crashes")), dir: bank.dir(name) };
        let (images, home, dir) = (Arc::clone(&crashes.images), crashes.home.clone(), crashes.dir.clone());
        bank.books().arrival = Some(Box::new(move || take(&images, &home, &dir)));
        crashes
    }

    fn now(&self) {
        take(&self.images, &self.home, &self.dir);
    }

    fn end(self, bank: &Bank) -> Vec<PathBuf> {
        bank.books().arrival = None;
        let images = self.images.lock().unwrap();
        images.clone()
    }
}

fn take(images: &Mutex<Vec<PathBuf>>, home: &std::path::Path, dir: &std::path::Path) {
    let mut images = images.lock().unwrap();
    let image = home.join(images.len().to_string());
    copy(dir, &image);
    images.push(image);
}

/// The money of a wallet that is opened after a crash and finishes what it began.
async fn after_crash(bank: &Bank, image: &std::path::Path) -> (u64, Wallet) {
    let wallet = bank.reopen(image).await;
    for resumed in wallet.resume().await.unwrap() {
        assert_eq!(resumed.state, OperationState::Done, "{:?}", resumed.explanation);
    }
    assert!(!wallet.has_unfinished().await);
    (holds(&wallet).await, wallet)
}

#[tokio::test]
async fn a_crash_between_any_two_writes_loses_nothing() {
    let bank = Bank::open().await;
    let _bob = bank.wallet("bob").await;
    let alice = bank.create("alice").await;

    let crashes = Crashes::record(&bank, "alice");
    alice.register("alice@bank.example", "invited").await.unwrap();
    for image in crashes.end(&bank) {
        let (_, wallet) = after_crash(&bank, &image).await;
        assert!(wallet.info().await.unwrap().registration.is_some());
        wallet.close().await;
    }

    let crashes = Crashes::record(&bank, "alice");
    alice.withdraw(eur(1_000), RequestId::random()).await.unwrap();
    crashes.now();
    for image in crashes.end(&bank) {
        assert_eq!(after_crash(&bank, &image).await.0, 1_000);
    }

    let crashes = Crashes::record(&bank, "alice");
    let id = RequestId::random();
    alice.pay(&identity("bob"), eur(300), "tea", id).await.unwrap();
    crashes.now();
    let images = crashes.end(&bank);
    assert_eq!(images.len(), 2);
    for image in images {
        let (holds, wallet) = after_crash(&bank, &image).await;
        assert_eq!(holds, 1_000 - 301);
        // The caller, who never got an answer, asks again.
        let again = wallet.pay(&identity("bob"), eur(300), "tea", id).await.unwrap();
        assert_eq!(again.item.state, OperationState::Done);
        wallet.close().await;
    }

    let crashes = Crashes::record(&bank, "alice");
    alice.redeem(eur(200), RequestId::random()).await.unwrap();
    crashes.now();
    for image in crashes.end(&bank) {
        assert_eq!(after_crash(&bank, &image).await.0, 499);
    }
    assert_eq!((bank.count(Statement::Withdraw), bank.count(Statement::Pay), bank.count(Statement::Redeem)), (1, 1, 1));
}

#[tokio::test]
async fn a_crash_while_receiving_loses_nothing() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let bob = bank.wallet("bob").await;
    for _ in 0..2 {
        alice.pay(&identity("bob"), eur(300), "", RequestId::random()).await.unwrap();
    }
    let crashes = Crashes::record(&bank, "bob");
    crashes.now();
    assert_eq!(bob.receive().await.unwrap().claimed.len(), 2);
    crashes.now();
    let images = crashes.end(&bank);
    assert_eq!(images.len(), 4);
    // The first image knows of nothing: its claims find the notes spent, and take over what the claims brought.
    for image in images.into_iter().skip(1) {
        let (_, wallet) = after_crash(&bank, &image).await;
        wallet.receive().await.unwrap();
        // A second claim meets the state that the first one of the original left behind, and takes that over.
        let report = wallet.receive().await.unwrap();
        assert!(report.pending.is_empty());
        assert_eq!(report.available, eur(600));
        wallet.close().await;
    }
    assert_eq!(bank.count(Statement::Claim), 2);
}

/// Split, claim of a part, and the rest on the next day.
#[tokio::test]
async fn a_crash_at_any_step_of_a_plan_loses_nothing() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[2_000]).await;
    let bob = bank.wallet("bob").await;
    alice.pay(&identity("bob"), eur(1_300), "", RequestId::random()).await.unwrap();
    let crashes = Crashes::record(&bank, "bob");
    crashes.now();
    bob.receive().await.unwrap();
    crashes.now();
    let images = crashes.end(&bank);
    // Before, at the split, at the claim, after.
    assert_eq!(images.len(), 4);
    bank.pass_days(1);
    for image in images {
        let (_, wallet) = after_crash(&bank, &image).await;
        for _ in 0..3 {
            wallet.receive().await.unwrap();
        }
        assert_eq!((holds(&wallet).await, wallet.balance().await.available), (1_300, eur(1_300)));
        assert!(wallet.receive().await.unwrap().pending.is_empty());
        let items = wallet.history(None, 10).await.items;
        let received = items.iter().find(|item| item.kind == OperationKind::Receive).unwrap();
        assert_eq!((received.state, received.claimed), (OperationState::Done, eur(1_300)));
        wallet.close().await;
    }
    // The second part was claimed by the first of them, and the others found that in the log.
    assert_eq!((bank.count(Statement::Split), bank.count(Statement::Claim)), (1, 2));
}

/// Split and refund of a payment that nobody has claimed, and the rest on the next day.
#[tokio::test]
async fn a_crash_at_any_step_of_a_refund_loses_nothing() {
    let bank = Bank::open().await;
    let _bob = bank.wallet("bob").await;
    let alice = bank.rich("alice", &[2_000]).await;
    alice.pay(&identity("bob"), eur(1_300), "", RequestId::random()).await.unwrap();
    bank.pass_days(TO_FEBRUARY);
    alice.renew().await.unwrap();
    let crashes = Crashes::record(&bank, "alice");
    crashes.now();
    assert_eq!(alice.refund(None).await.unwrap().refunded.len(), 1);
    crashes.now();
    let images = crashes.end(&bank);
    assert_eq!(images.len(), 4);
    bank.pass_days(1);
    for image in images {
        let (_, wallet) = after_crash(&bank, &image).await;
        for _ in 0..3 {
            wallet.refund(None).await.unwrap();
        }
        assert_eq!((holds(&wallet).await, wallet.balance().await.available), (1_999, eur(1_999)));
        assert!(wallet.refund(None).await.unwrap().pending.is_empty());
        let items = wallet.history(None, 10).await.items;
        let paid = items.iter().find(|item| item.kind == OperationKind::Pay).unwrap();
        assert_eq!((paid.refunded, paid.refundable_from), (eur(1_300), None));
        wallet.close().await;
    }
    assert_eq!((bank.count(Statement::SplitExpired), bank.count(Statement::Refund)), (1, 2));
}

/// Everything that the network can lose, in every operation.
#[tokio::test]
async fn what_the_network_loses_is_found_again() {
    for fate in [Fate::RequestLost, Fate::AnswerLost] {
        let bank = Bank::open().await;
        let bob = bank.wallet("bob").await;
        let alice = bank.create("alice").await;

        bank.next(&[fate]);
        let begun = alice.register("alice@bank.example", "invited").await.unwrap();
        assert!(matches!(begun, RegisterOutcome::Pending { .. }));
        let registered = alice.register("alice@bank.example", "invited").await.unwrap();
        assert!(matches!(registered, RegisterOutcome::Registered(_)));

        bank.next(&[fate]);
        let id = RequestId::random();
        let begun = alice.withdraw(eur(1_000), id).await.unwrap();
        assert_eq!((begun.item.state, begun.available), (OperationState::Pending, eur(0)));
        assert!(begun.delay.is_some() && alice.has_unfinished().await);
        let done = alice.withdraw(eur(1_000), id).await.unwrap();
        assert_eq!((done.item.state, done.available), (OperationState::Done, eur(1_000)));

        bank.next(&[fate, fate]);
        let id = RequestId::random();
        let begun = alice.pay(&identity("bob"), eur(400), "", id).await.unwrap();
        assert_eq!((begun.item.state, begun.available), (OperationState::Pending, eur(0)));
        assert_eq!(alice.balance().await.in_flight, eur(1_000));
        let resumed = alice.resume().await.unwrap();
        assert_eq!(
            (resumed.len(), resumed[0].kind, resumed[0].state),
            (1, OperationKind::Pay, OperationState::Pending)
        );
        let resumed = alice.resume().await.unwrap();
        assert_eq!((resumed[0].state, resumed[0].amount), (OperationState::Done, eur(400)));
        assert_eq!(alice.balance().await.available, eur(599));

        bank.next(&[fate]);
        let report = bob.receive().await.unwrap();
        assert!(report.claimed.is_empty() && report.delay.is_some() && report.pending.len() == 1);
        let report = bob.receive().await.unwrap();
        assert_eq!((report.claimed.len(), report.available), (1, eur(400)));

        // A split, and the claim of its first part.
        alice.withdraw(eur(1_001), RequestId::random()).await.unwrap();
        alice.pay(&identity("bob"), eur(1_000), "", RequestId::random()).await.unwrap();
        bank.next(&[fate]);
        assert!(bob.receive().await.unwrap().delay.is_some());
        bob.resume().await.unwrap();
        assert_eq!(bob.receive().await.unwrap().available, eur(1_000));
        bank.next(&[fate]);
        let id = RequestId::random();
        assert_eq!(alice.redeem(eur(99), id).await.unwrap().item.state, OperationState::Pending);
        assert_eq!(alice.redeem(eur(99), id).await.unwrap().available, eur(500));
        let done: Vec<_> = bank.books().done.iter().map(|(statement, _)| *statement).collect();
        assert_eq!(done.len(), 10, "{done:?}");
    }
}

/// The future of a call is dropped in its middle, as a daemon does with a request that takes too long.
#[tokio::test]
async fn a_dropped_call_goes_on_to_its_end() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let _bob = bank.wallet("bob").await;
    let mut watch = alice.watch(alice.history(None, 1).await.items[0].cursor);
    {
        let bob = identity("bob");
        let call = alice.pay(&bob, eur(100), "", RequestId::random());
        tokio::pin!(call);
        // Polled once: begun and abandoned.
        assert!(futures_poll_once(call.as_mut()).await.is_none());
    }
    loop {
        let (item, balance) = watch.next().await.unwrap();
        if item.state == OperationState::Done {
            assert_eq!(balance.available, eur(899));
            break;
        }
    }
}

async fn futures_poll_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut future).poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
