//! A wallet lost and restored from its words, and two devices with one seed.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use farthing_ecash::{amount::Amount, statement::Statement};
use farthing_wallet::{
    HistoryItem, OperationKind, OperationState, RequestId, RestoreReport, Restored, Wallet, WalletError,
};

use crate::bank::{Bank, Fate, PASSPHRASE, TO_FEBRUARY, holds, identity};

fn eur(cents: u64) -> Amount {
    Amount::new(cents)
}

pub(crate) fn quiet() -> farthing_wallet::Progress {
    Arc::new(|_, _| {})
}

/// A registered wallet with its words.
pub(crate) async fn with_words(bank: &Bank, name: &str) -> (Wallet, String) {
    let (dir, connection) = (bank.dir(name), bank.connection());
    let made = Wallet::create_with(&dir, PASSPHRASE, &connection, None, bank.options()).await.unwrap();
    made.0.register(&identity(name).to_string(), "invited").await.unwrap();
    (made.0, made.1.to_string())
}

/// Another device with these words.
async fn device(bank: &Bank, name: &str, words: &str) -> Wallet {
    Wallet::create_from_words(&bank.dir(name), PASSPHRASE, &bank.connection(), words, bank.options()).await.unwrap()
}

pub(crate) async fn restore(bank: &Bank, name: &str, words: &str, whose: &str) -> (Wallet, RestoreReport) {
    let wallet = device(bank, name, words).await;
    let report = wallet.restore(Some(&identity(whose)), quiet()).await.unwrap();
    (wallet, report)
}

/// Kind, state, amount, fee, the index of a transaction, those of its claims, and what became of a payment.
type Logged = (OperationKind, OperationState, u64, u64, Option<u64>, Vec<u64>, Option<u64>, u64, bool);

/// What of an item the logs have.
fn logged(item: HistoryItem) -> Option<Logged> {
    let received = item.kind == OperationKind::Receive;
    (item.state == OperationState::Done || received).then_some((
        item.kind,
        item.state,
        item.amount.get(),
        item.fee.get(),
        item.log_index,
        item.claim_indices,
        item.receipt_index,
        item.refunded.get(),
        item.refundable_from.is_some(),
    ))
}

async fn history(wallet: &Wallet) -> Vec<Logged> {
    let mut items: Vec<_> = wallet.history(None, 1_000).await.items.into_iter().filter_map(logged).collect();
    items.sort_by_key(|item| (item.0 as u8, item.4));
    items
}

/// Restores into an empty directory, and compares with what there is.
async fn check(bank: &Bank, truth: &Wallet, words: &str, whose: &str, step: &str) {
    // The log knows of payments and of what payees did before the wallet does.
    if !truth.has_unfinished().await {
        truth.refund(None).await.unwrap();
    }
    let (restored, report) = restore(bank, &format!("{whose}-{step}"), words, whose).await;
    assert_eq!(report.restored, Restored::For(identity(whose)), "{step}");
    assert_eq!(restored.holdings().await, truth.holdings().await, "{step}");
    assert_eq!(history(&restored).await, history(truth).await, "{step}");
    assert_eq!(restored.info().await.unwrap().registration, truth.info().await.unwrap().registration, "{step}");
    restored.close().await;
}

#[tokio::test]
async fn a_wallet_comes_back_at_every_point_of_its_life() {
    let bank = Bank::open().await;
    let (bob, bob_words) = with_words(&bank, "bob").await;
    check(&bank, &bob, &bob_words, "bob", "registered").await;
    let (alice, words) = with_words(&bank, "alice").await;
    alice.withdraw(eur(1_000), RequestId::random()).await.unwrap();
    alice.withdraw(eur(400), RequestId::random()).await.unwrap();
    check(&bank, &alice, &words, "alice", "withdrawn").await;

    alice.pay(&identity("bob"), eur(300), "tea", RequestId::random()).await.unwrap();
    check(&bank, &alice, &words, "alice", "paid").await;
    // Found and not claimed.
    bank.next(&[Fate::RequestLost]);
    assert!(bob.receive().await.unwrap().delay.is_some());
    check(&bank, &bob, &bob_words, "bob", "found").await;
    bob.receive().await.unwrap();
    check(&bank, &bob, &bob_words, "bob", "claimed").await;
    bob.pay(&identity("alice"), eur(100), "back", RequestId::random()).await.unwrap();
    alice.receive().await.unwrap();
    check(&bank, &alice, &words, "alice", "chained").await;
    bob.redeem(eur(50), RequestId::random()).await.unwrap();
    check(&bank, &bob, &bob_words, "bob", "redeemed").await;

    // One payment needs more coins than one transaction takes: first they are exchanged.
    for _ in 0..17 {
        alice.withdraw(eur(10), RequestId::random()).await.unwrap();
    }
    let all = alice.balance().await.available;
    alice.pay(&identity("bob"), eur(all.get() - 2), "all but a cent", RequestId::random()).await.unwrap();
    assert!(bank.count(Statement::Swap) > 0);
    check(&bank, &alice, &words, "alice", "swapped").await;
    // Over the caps: they stay notes.
    bob.receive().await.unwrap();
    check(&bank, &bob, &bob_words, "bob", "over-cap").await;
    bank.pass_days(1);
    bob.receive().await.unwrap();
    check(&bank, &bob, &bob_words, "bob", "another-day").await;
}

/// Parts of received notes and of payments, and what became of them; and a restored wallet goes on with the plan.
#[tokio::test]
async fn parts_come_back_and_the_plan_goes_on() {
    let bank = Bank::open().await;
    let (bob, bob_words) = with_words(&bank, "bob").await;
    let (alice, words) = with_words(&bank, "alice").await;
    alice.withdraw(eur(10_000), RequestId::random()).await.unwrap();
    alice.pay(&identity("bob"), eur(1_700), "", RequestId::random()).await.unwrap();
    bob.receive().await.unwrap();
    check(&bank, &bob, &bob_words, "bob", "split").await;
    check(&bank, &alice, &words, "alice", "received").await;
    alice.pay(&identity("bob"), eur(1_300), "", RequestId::random()).await.unwrap();
    alice.pay(&identity("bob"), eur(200), "", RequestId::random()).await.unwrap();
    bank.pass_days(TO_FEBRUARY);
    alice.renew().await.unwrap();
    alice.refund(None).await.unwrap();
    check(&bank, &alice, &words, "alice", "refunded").await;

    // The rest of Bob's first payment, which nobody takes from him any more, and of Alice's.
    let (restored, report) = restore(&bank, "bob-again", &bob_words, "bob").await;
    assert_eq!(report.balance.claimable, eur(700));
    restored.renew().await.unwrap();
    assert_eq!(restored.receive().await.unwrap().available, eur(1_700));
    let (restored, _) = restore(&bank, "alice-again", &words, "alice").await;
    bank.pass_days(1);
    let back = restored.refund(None).await.unwrap();
    assert_eq!((back.refunded.len(), back.pending.len()), (1, 0));
    assert_eq!(back.available, eur(10_000 - 1_703));
    // The other device finds out.
    assert_eq!(alice.refund(None).await.unwrap().available, back.available);
    assert_eq!(alice.holdings().await, restored.holdings().await);
}

/// What was begun and never answered is in the log, or did not happen.
#[tokio::test]
async fn what_was_not_finished_is_found_or_never_happened() {
    let bank = Bank::open().await;
    let (bob, bob_words) = with_words(&bank, "bob").await;
    let (alice, words) = with_words(&bank, "alice").await;
    alice.withdraw(eur(1_000), RequestId::random()).await.unwrap();

    bank.next(&[Fate::RequestLost]);
    alice.pay(&identity("bob"), eur(300), "", RequestId::random()).await.unwrap();
    let (restored, report) = restore(&bank, "before", &words, "alice").await;
    assert_eq!((report.balance.available, holds(&restored).await), (eur(1_000), 1_000));
    alice.resume().await.unwrap();

    bank.next(&[Fate::AnswerLost]);
    alice.pay(&identity("bob"), eur(200), "", RequestId::random()).await.unwrap();
    let (restored, report) = restore(&bank, "after", &words, "alice").await;
    assert_eq!((report.balance.available, holds(&restored).await), (eur(1_000 - 301 - 201), 498));

    bank.next(&[Fate::AnswerLost]);
    assert!(bob.receive().await.unwrap().delay.is_some());
    let (restored, report) = restore(&bank, "claimed", &bob_words, "bob").await;
    assert_eq!((report.balance.available, report.balance.claimable), (eur(300), eur(200)));
    assert_eq!(restored.receive().await.unwrap().available, eur(500));
    // The first device finds its claim in the log, and that the other one has claimed the rest.
    assert_eq!(bob.receive().await.unwrap().available, eur(500));
    assert_eq!(bank.count(Statement::Claim), 2);
}

#[tokio::test]
async fn an_interrupted_restore_goes_on() {
    let bank = Bank::open().await;
    let (_bob, _) = with_words(&bank, "bob").await;
    let (alice, words) = with_words(&bank, "alice").await;
    for _ in 0..8 {
        alice.withdraw(eur(100), RequestId::random()).await.unwrap();
        alice.pay(&identity("bob"), eur(20), "", RequestId::random()).await.unwrap();
    }
    let wallet = device(&bank, "again", &words).await;
    // The issuance log is read to its end, and the payment log not: some of the wallet's money is spent there.
    bank.books().payments_break_at = Some(3);
    let broken = wallet.restore(None, quiet()).await;
    assert!(matches!(broken, Err(WalletError::Unreachable { .. })), "{broken:?}");
    assert!(wallet.is_restoring().await);
    // Until it is finished nothing that it holds is money.
    let id = RequestId::random();
    assert!(matches!(wallet.withdraw(eur(1), id).await, Err(WalletError::RestoreUnfinished)));
    assert!(matches!(wallet.redeem(eur(1), id).await, Err(WalletError::RestoreUnfinished)));
    assert!(matches!(wallet.pay(&identity("bob"), eur(20), "", id).await, Err(WalletError::RestoreUnfinished)));
    assert!(matches!(wallet.receive().await, Err(WalletError::RestoreUnfinished)));
    let registered = wallet.register("alice@bank.example", "invited").await;
    assert!(matches!(registered, Err(WalletError::RestoreUnfinished)));
    wallet.close().await;

    bank.books().payments_break_at = None;
    let wallet = bank.reopen(&bank.dir("again")).await;
    assert!(wallet.is_restoring().await);
    let first = Arc::new(Mutex::new(None));
    let last = Arc::new(AtomicU64::new(0));
    let (seen, told) = (Arc::clone(&first), Arc::clone(&last));
    let progress = move |done, total| {
        seen.lock().unwrap().get_or_insert(done);
        told.store(total, Ordering::Relaxed);
    };
    wallet.restore(None, Arc::new(progress)).await.unwrap();
    // What was looked through is not looked through again.
    let (issuance, payments) = {
        let books = bank.books();
        (books.issuance.len() as u64, books.payments.len() as u64)
    };
    assert_eq!(*first.lock().unwrap(), Some(issuance));
    assert_eq!(last.load(Ordering::Relaxed), issuance + payments);
    assert_eq!(wallet.holdings().await, alice.holdings().await);
}

#[tokio::test]
async fn the_identity_is_told_and_checked() {
    let bank = Bank::open().await;
    let (_bob, _) = with_words(&bank, "bob").await;
    let (alice, words) = with_words(&bank, "alice").await;
    alice.withdraw(eur(1_000), RequestId::random()).await.unwrap();

    let wallet = device(&bank, "again", &words).await;
    let other = wallet.restore(Some(&identity("bob")), quiet()).await;
    assert!(matches!(other, Err(WalletError::OtherIdentity { .. })), "{other:?}");
    let report = wallet.restore(None, quiet()).await.unwrap();
    assert_eq!(report.restored, Restored::WithoutIdentity);
    // All but its name works.
    wallet.pay(&identity("bob"), eur(100), "", RequestId::random()).await.unwrap();
    wallet.receive().await.unwrap();
    assert!(wallet.info().await.unwrap().registration.unwrap().identity.is_none());
    assert!(matches!(wallet.create_request(None, "", None).await, Err(WalletError::IdentityMissing)));
    let other = wallet.register("bob@bank.example", "invited").await;
    assert!(matches!(other, Err(WalletError::OtherIdentity { .. })));
    wallet.restore(Some(&identity("alice")), quiet()).await.unwrap();
    assert!(wallet.create_request(None, "", None).await.is_ok());

    // New words have no past.
    let (_, fresh) = farthing_ecash::seed::Seed::generate(&mut getrandom::rand_core::UnwrapErr(getrandom::SysRng));
    let wallet = device(&bank, "fresh", &fresh).await;
    assert_eq!(wallet.restore(None, quiet()).await.unwrap().restored, Restored::NeverRegistered);
    wallet.register("carol@bank.example", "invited").await.unwrap();
}

/// A log that shows something else than was signed is not believed.
#[tokio::test]
async fn an_altered_entry_of_this_wallet_is_not_believed() {
    let bank = Bank::open().await;
    let (alice, words) = with_words(&bank, "alice").await;
    alice.withdraw(eur(1_000), RequestId::random()).await.unwrap();
    // The last byte of e, before δ and the proof.
    {
        let mut books = bank.books();
        let entry = &mut books.issuance[2];
        let at = entry.len() - 64 - 32 - 1;
        entry[at] ^= 1;
    }
    let wallet = device(&bank, "again", &words).await;
    let refused = wallet.restore(None, quiet()).await;
    assert!(matches!(refused, Err(WalletError::Contradiction { .. })), "{refused:?}");
    assert!(wallet.is_restoring().await);
}

/// One of two devices with the same words does something; then the other does.
async fn act(wallet: &Wallet, turn: u64) {
    let outcome = match turn % 5 {
        0 => wallet.pay(&identity("bob"), eur(30 + turn), "", RequestId::random()).await.map(drop),
        1 => wallet.redeem(eur(7), RequestId::random()).await.map(drop),
        2 => wallet.withdraw(eur(50), RequestId::random()).await.map(drop),
        3 => wallet.receive().await.map(drop),
        _ => wallet.pay(&identity("alice"), eur(11), "to myself", RequestId::random()).await.map(drop),
    };
    match outcome {
        Ok(()) | Err(WalletError::SpentElsewhere { .. } | WalletError::InsufficientFunds { .. }) => {}
        // Another call of the same wallet has caught up meanwhile, and ended this one.
        Err(WalletError::FailedBefore { .. }) => {}
        Err(error) => panic!("turn {turn}: {error}"),
    }
}

/// Both devices look at the logs until neither finds anything new.
async fn settle(one: &Wallet, two: &Wallet) {
    for _ in 0..3 {
        for wallet in [one, two] {
            wallet.resume().await.unwrap();
            wallet.receive().await.unwrap();
        }
    }
}

async fn check_sum(bank: &Bank, devices: [&Wallet; 2], others: &[&Wallet]) {
    let [one, two] = devices;
    settle(one, two).await;
    assert_eq!(one.holdings().await, two.holdings().await);
    assert!(!one.has_unfinished().await && !two.has_unfinished().await);
    let mut held = holds(one).await;
    for other in others {
        held += holds(other).await;
    }
    let (withdrawn, redeemed, fees) = {
        let books = bank.books();
        (books.withdrawn, books.redeemed, books.fees)
    };
    assert_eq!(withdrawn, held + redeemed + fees);
}

#[tokio::test]
async fn two_devices_take_turns_and_lose_nothing() {
    let bank = Bank::open().await;
    let (bob, _) = with_words(&bank, "bob").await;
    let (one, words) = with_words(&bank, "alice").await;
    one.withdraw(eur(1_000), RequestId::random()).await.unwrap();
    let (two, _) = restore(&bank, "second", &words, "alice").await;
    for turn in 0..40 {
        // Not in turns of equal length, so that each falls behind by more than one.
        let wallet = if turn * 7 % 11 < 6 { &one } else { &two };
        act(wallet, turn).await;
        if turn % 6 == 0 {
            bob.receive().await.unwrap();
            bob.pay(&identity("alice"), eur(12), "", RequestId::random()).await.ok();
        }
    }
    bob.receive().await.unwrap();
    check_sum(&bank, [&one, &two], &[&bob]).await;
}

#[tokio::test]
async fn two_devices_at_once_lose_nothing() {
    let bank = Bank::open().await;
    let (bob, _) = with_words(&bank, "bob").await;
    let (one, words) = with_words(&bank, "alice").await;
    for _ in 0..4 {
        one.withdraw(eur(300), RequestId::random()).await.unwrap();
    }
    let (two, _) = restore(&bank, "second", &words, "alice").await;
    for amount in [40, 50] {
        one.pay(&identity("bob"), eur(amount), "", RequestId::random()).await.unwrap();
    }
    bob.receive().await.unwrap();
    for amount in [20, 25, 30] {
        bob.pay(&identity("alice"), eur(amount), "", RequestId::random()).await.ok();
    }
    let course = |wallet: Wallet, first: u64| {
        tokio::spawn(async move {
            for turn in first..first + 10 {
                act(&wallet, turn).await;
            }
        })
    };
    // Two calls at a time on each of two devices.
    let courses = [course(one.clone(), 0), course(two.clone(), 3), course(one.clone(), 12), course(two.clone(), 21)];
    for course in courses {
        course.await.unwrap();
    }
    bob.receive().await.unwrap();
    check_sum(&bank, [&one, &two], &[&bob]).await;
}

/// A claim by one device consumes the wallet's state: the other takes over the new one, with its counters.
#[tokio::test]
async fn the_caps_are_those_of_both_devices_together() {
    let bank = Bank::open().await;
    let bob = bank.rich("bob", &[10_000]).await;
    let (one, words) = with_words(&bank, "alice").await;
    let (two, _) = restore(&bank, "second", &words, "alice").await;
    bob.pay(&identity("alice"), eur(600), "", RequestId::random()).await.unwrap();
    assert_eq!(one.receive().await.unwrap().claimed.len(), 1);
    bob.pay(&identity("alice"), eur(500), "", RequestId::random()).await.unwrap();
    let report = two.receive().await.unwrap();
    assert_eq!(report.claimed.iter().map(|part| part.amount).collect::<Vec<_>>(), [eur(400)]);
    assert_eq!((report.available, report.pending[0].over_by), (eur(1_000), eur(100)));
    check_sum(&bank, [&one, &two], &[&bob]).await;
}
