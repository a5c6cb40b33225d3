//! Requests: what others are asked to pay, recognised when they pay it.

use farthing_ecash::{
    amount::Amount,
    entry::{Entry, EntryKind},
};
use farthing_wallet::{
    Order, PaymentRequest, Progress, Reference, RequestId, RequestInfo, RequestState, Wallet, WalletError,
};

use crate::bank::{Bank, PASSPHRASE, Side, identity};

fn eur(cents: u64) -> Amount {
    Amount::new(cents)
}

async fn request(payee: &Wallet, amount: Option<u64>, memo: &str) -> PaymentRequest {
    payee.create_request(amount.map(eur), memo, None).await.unwrap()
}

/// Pays as one who was given the text of a request.
async fn pay(payer: &Wallet, text: &str, amount: Option<u64>) -> Result<(), WalletError> {
    let request = PaymentRequest::parse(text, &payer.currency().await.unwrap()).unwrap();
    let order = payer.order(&request, amount.map(eur), None)?;
    payer.place(order, RequestId::random()).await.map(drop)
}

async fn of(payee: &Wallet, reference: Option<Reference>) -> RequestInfo {
    payee.requests().await.unwrap().into_iter().find(|info| info.request.reference == reference).unwrap()
}

#[tokio::test]
async fn a_payment_is_recognised_by_the_payee() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[5_000]).await;
    let bob = bank.wallet("bob").await;
    let coffee = request(&bob, Some(350), "coffee").await;
    let tea = request(&bob, Some(350), "tea").await;
    assert_ne!(coffee.reference, tea.reference);
    assert_eq!(of(&bob, coffee.reference).await.state, RequestState::Open);

    pay(&alice, &coffee.to_string(), None).await.unwrap();
    // Found or not: it is what the log has that counts.
    assert_eq!(of(&bob, coffee.reference).await.state, RequestState::Open);
    let report = bob.receive().await.unwrap();
    assert_eq!((report.claimed[0].reference, report.claimed[0].memo.as_str()), (coffee.reference, "coffee"));
    let info = of(&bob, coffee.reference).await;
    assert_eq!((info.state, info.received, info.payments.len()), (RequestState::Paid, eur(350), 1));
    assert_eq!(info.payments[0].transaction_id, Some(report.claimed[0].payment_id));
    assert_eq!(of(&bob, tea.reference).await.state, RequestState::Open);
    let sent = &alice.history(None, 1).await.items[0];
    assert_eq!((sent.reference, sent.memo.as_str()), (coffee.reference, "coffee"));

    // A payment with the same text is not one for the request.
    alice.pay(&identity("bob"), eur(350), "tea", RequestId::random()).await.unwrap();
    assert_eq!(bob.receive().await.unwrap().claimed[0].reference, None);
    assert_eq!(of(&bob, tea.reference).await.state, RequestState::Open);

    bob.close().await;
    let bob = bank.reopen(&bank.dir("bob")).await;
    assert_eq!(bob.requests().await.unwrap().len(), 2);
    assert_eq!(of(&bob, coffee.reference).await.state, RequestState::Paid);
}

#[tokio::test]
async fn too_little_too_much_and_twice_are_told() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[5_000]).await;
    let bob = bank.wallet("bob").await;
    let asked = request(&bob, Some(300), "").await;
    let part = async |amount| {
        let order = Order {
            payee: identity("bob"),
            amount: eur(amount),
            purpose: String::new(),
            memo: String::new(),
            reference: asked.reference,
            allow_unregistered: false,
        };
        alice.place(order, RequestId::random()).await.unwrap();
        bob.receive().await.unwrap();
        let info = of(&bob, asked.reference).await;
        (info.state, info.received, info.payments.len())
    };
    assert_eq!(part(100).await, (RequestState::Partial, eur(100), 1));
    assert_eq!(part(200).await, (RequestState::Paid, eur(300), 2));
    assert_eq!(part(300).await, (RequestState::Overpaid, eur(600), 3));

    let open = request(&bob, None, "").await;
    assert!(matches!(pay(&alice, &open.to_string(), None).await, Err(WalletError::InvalidPaymentRequest { .. })));
    pay(&alice, &open.to_string(), Some(120)).await.unwrap();
    bob.receive().await.unwrap();
    assert_eq!(of(&bob, open.reference).await.state, RequestState::Paid);
    // What is asked for is not changed by the payer's wallet.
    let other = pay(&alice, &asked.to_string(), Some(299)).await;
    assert!(matches!(other, Err(WalletError::InvalidPaymentRequest { .. })), "{other:?}");
}

#[tokio::test]
async fn a_request_may_come_to_an_end() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[5_000]).await;
    let bob = bank.wallet("bob").await;
    let tomorrow = u64::from(crate::bank::TODAY + 1) * 86_400;
    let asked = bob.create_request(Some(eur(100)), "", Some(tomorrow)).await.unwrap();
    let text = asked.to_string();
    assert!(text.ends_with(&format!("&expires={tomorrow}")), "{text}");
    assert_eq!(of(&bob, asked.reference).await.state, RequestState::Open);
    bank.pass_days(1);
    assert_eq!(of(&bob, asked.reference).await.state, RequestState::Expired);
    let late = pay(&alice, &text, None).await;
    assert!(matches!(late, Err(WalletError::InvalidPaymentRequest { .. })), "{late:?}");

    let long = "m".repeat(236);
    assert!(matches!(bob.create_request(None, &long, None).await, Err(WalletError::MemoTooLong { length: 257 })));
    let nobody = bank.create("nobody").await;
    assert!(matches!(nobody.create_request(None, "", None).await, Err(WalletError::NotRegistered)));
}

/// No log has a request, but what was paid for it says so for ever.
#[tokio::test]
async fn a_restored_wallet_knows_what_was_paid_for_a_request() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[5_000]).await;
    let made = Wallet::create_with(&bank.dir("bob"), PASSPHRASE, &bank.connection(), None, bank.options()).await;
    let (bob, words) = made.unwrap();
    bob.register("bob@bank.example", "invited").await.unwrap();
    let asked = request(&bob, Some(100), "bread").await;
    pay(&alice, &asked.to_string(), None).await.unwrap();
    bob.close().await;
    let (dir, options) = (bank.dir("again"), bank.options());
    let again = Wallet::create_from_words(&dir, PASSPHRASE, &bank.connection(), &words, options).await.unwrap();
    let quiet: Progress = std::sync::Arc::new(|_, _| {});
    again.restore(Some(&identity("bob")), quiet).await.unwrap();
    assert!(again.requests().await.unwrap().is_empty());
    let report = again.receive().await.unwrap();
    assert_eq!((report.claimed[0].reference, report.claimed[0].memo.as_str()), (asked.reference, "bread"));
}

/// Counted in the log, over more than one of its bundles, and only what is in the tree.
#[tokio::test]
async fn the_crowd_of_today_is_counted() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[5_000]).await;
    let _bob = bank.wallet("bob").await;
    let today = async || alice.info().await.unwrap().transactions_today;
    assert_eq!(today().await, Some(0));
    for _ in 0..3 {
        alice.pay(&identity("bob"), eur(100), "", RequestId::random()).await.unwrap();
    }
    {
        let mut books = bank.books();
        let policy = books.policy().to_bytes();
        for _ in 0..300 {
            books.log(EntryKind::Policy, policy.clone());
        }
    }
    assert_eq!(today().await, Some(3));
    let told = alice.check_payee(&identity("bob")).await.unwrap();
    assert_eq!((told.wallets, told.transactions_today, told.registered), (2, Some(3), true));

    bank.pass_days(1);
    assert_eq!(today().await, Some(0));
    alice.pay(&identity("bob"), eur(100), "", RequestId::random()).await.unwrap();
    assert_eq!(today().await, Some(1));
    {
        let mut books = bank.books();
        let last = books.payments.len() - 1;
        let first = books.payments.iter().map(|entry| Entry::from_bytes(entry).unwrap());
        let first = first.into_iter().find(|entry| matches!(entry.kind(), EntryKind::Transaction(_))).unwrap();
        books.forge(Side::Payments, last, first.kind(), first.body());
    }
    let info = alice.info().await.unwrap();
    assert_eq!(info.transactions_today, None);
    assert!(!info.problems.is_empty());
}
