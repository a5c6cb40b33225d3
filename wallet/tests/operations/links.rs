//! Money for people who are not registered yet: paid by a link, taken once they are.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use farthing_ecash::{amount::Amount, entry::Entry, statement::Statement, transaction::Core};
use farthing_wallet::{
    LinkState, OperationState, Order, PaymentLink, Progress, Receipt, ReceiveReport, Receiving, RequestId, Wallet,
    WalletError,
};
use sha2::{Digest as _, Sha256};

use crate::bank::{Bank, Fate, PASSPHRASE, Side, identity};

fn eur(cents: u64) -> Amount {
    Amount::new(cents)
}

fn quiet() -> Progress {
    std::sync::Arc::new(|_, _| {})
}

fn order(payee: &str, amount: u64, memo: &str) -> Order {
    let (payee, amount) = (identity(payee), eur(amount));
    Order { payee, amount, purpose: String::new(), memo: memo.to_owned(), reference: None, allow_unregistered: true }
}

async fn by_link(payer: &Wallet, payee: &str, amount: u64, memo: &str) -> (Receipt, String) {
    let receipt = payer.place(order(payee, amount, memo), RequestId::random()).await.unwrap();
    assert_eq!(receipt.item.state, OperationState::Done);
    assert!(receipt.item.unregistered);
    let link = receipt.link.clone().unwrap();
    (receipt, link)
}

async fn receive_links(wallet: &Wallet, links: Vec<PaymentLink>) -> Result<ReceiveReport, WalletError> {
    wallet.receive_with(Receiving { links, ..Receiving::default() }, quiet()).await
}

async fn take(wallet: &Wallet, link: &str) -> Result<ReceiveReport, WalletError> {
    receive_links(wallet, vec![PaymentLink::parse(link).unwrap()]).await
}

fn states(report: &ReceiveReport) -> Vec<LinkState> {
    report.links.iter().map(|link| link.state).collect()
}

#[tokio::test]
async fn who_registers_later_takes_the_money_once() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[5_000]).await;
    let refused = alice.pay(&identity("dave"), eur(500), "hello", RequestId::random()).await;
    assert!(matches!(refused, Err(WalletError::IdentityUnknown { .. })), "{refused:?}");
    assert!(!alice.check_payee(&identity("dave")).await.unwrap().registered);
    assert_eq!(alice.check_payee(&identity("dave")).await.unwrap().refundable_from.to_string(), "2027-02");
    assert_eq!((bank.count(Statement::Pay), alice.history(None, 9).await.items.len()), (0, 2));
    // Who was not registered a moment ago may be now.
    let refused = alice.pay(&identity("erin"), eur(100), "", RequestId::random()).await;
    assert!(matches!(refused, Err(WalletError::IdentityUnknown { .. })), "{refused:?}");
    bank.wallet("erin").await.close().await;
    alice.pay(&identity("erin"), eur(100), "", RequestId::random()).await.unwrap();

    let (receipt, link) = by_link(&alice, "dave", 500, "hello").await;
    let payment = receipt.item.transaction_id.unwrap();
    assert_eq!(alice.link(payment).await.unwrap().to_string(), link);
    let shown = PaymentLink::parse(&link).unwrap();
    assert_eq!((shown.amount(), shown.memo(), shown.payment_id()), (eur(500), "hello", payment));
    assert_eq!(shown.refundable_from().to_string(), "2027-02");

    // Nobody else takes it, and before the registration nobody at all.
    let bob = bank.wallet("bob").await;
    let other = take(&bob, &link).await;
    assert!(matches!(other, Err(WalletError::LinkForAnother)), "{other:?}");
    let dave = bank.create("dave").await;
    assert!(matches!(take(&dave, &link).await, Err(WalletError::NotRegistered)));
    dave.register("dave@bank.example", "invited").await.unwrap();
    assert!(dave.receive().await.unwrap().claimed.is_empty());

    let report = take(&dave, &link).await.unwrap();
    assert_eq!((states(&report), report.available), (vec![LinkState::Claimed], eur(500)));
    assert_eq!((report.claimed[0].memo.as_str(), report.claimed[0].payment_id), ("hello", payment));
    assert!(dave.receive().await.unwrap().claimed.is_empty());
    let report = take(&dave, &link).await.unwrap();
    assert_eq!((states(&report), report.available), (vec![LinkState::ClaimedBefore], eur(500)));
    assert_eq!((bank.count(Statement::Claim), dave.history(None, 9).await.items.len()), (1, 2));
    // It is money like any other.
    dave.pay(&identity("bob"), eur(100), "", RequestId::random()).await.unwrap();
}

/// A link is needed once: what it brought is kept, also when it cannot be claimed on that day.
#[tokio::test]
async fn what_a_link_brought_waits_without_it() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[5_000]).await;
    let (_, first) = by_link(&alice, "dave", 600, "").await;
    let (_, second) = by_link(&alice, "dave", 700, "").await;
    let dave = bank.wallet("dave").await;
    let links = [&first, &second].map(|link| PaymentLink::parse(link).unwrap());
    bank.next(&[Fate::RequestLost]);
    let report = receive_links(&dave, links.into()).await.unwrap();
    assert!(report.delay.is_some());
    assert_eq!(states(&report), [LinkState::Waiting, LinkState::Waiting]);
    dave.close().await;
    let dave = bank.reopen(&bank.dir("dave")).await;
    let report = dave.receive().await.unwrap();
    // One of them whole, and of the other what the cap of the day allows.
    assert_eq!((report.available, report.pending.len()), (eur(1_000), 1));
    bank.pass_days(1);
    assert_eq!(dave.receive().await.unwrap().available, eur(1_300));
    assert_eq!((bank.count(Statement::Claim), bank.count(Statement::Split)), (3, 1));
}

/// Neither what the servers are asked, nor in which order, nor what is logged tells whether the payee is registered.
#[tokio::test]
async fn nobody_sees_that_a_payee_is_not_registered() {
    let bank = Bank::open().await;
    for name in ["bob", "carol", "erin"] {
        bank.wallet(name).await.close().await;
    }
    let mut seen = Vec::new();
    for (payer, payees) in [("alice", ["bob", "bob", "carol"]), ("anna", ["dave", "dave", "frank"])] {
        let wallet = bank.rich(payer, &[5_000]).await;
        bank.books().calls.clear();
        for payee in payees {
            wallet.place(order(payee, 100, "tea"), RequestId::random()).await.unwrap();
        }
        let calls = std::mem::take(&mut bank.books().calls);
        // The logs grow, and with them the names of their newest tiles.
        let widthless = |call: &String| call.split(".p/").next().unwrap_or_default().to_owned();
        seen.push(calls.iter().map(widthless).collect::<Vec<_>>());
        wallet.close().await;
    }
    assert_eq!(seen[0], seen[1]);

    let books = bank.books();
    let cores = books.payments.iter().filter_map(|entry| {
        let entry = Entry::from_bytes(entry).unwrap();
        let (core, answer) = Core::from_prefix(entry.body()).ok()?;
        Some((core.statement(), entry.body().len(), answer.len(), core.delivery()?.bucket))
    });
    let shapes: Vec<_> = cores.collect();
    assert_eq!(shapes.len(), 6);
    assert!(shapes.iter().all(|shape| *shape == shapes[0]), "{shapes:?}");
}

#[tokio::test]
async fn the_payer_has_the_link_again_after_an_interruption_and_after_restoring() {
    let bank = Bank::open().await;
    let made = Wallet::create_with(&bank.dir("alice"), PASSPHRASE, &bank.connection(), None, bank.options()).await;
    let (alice, words) = made.unwrap();
    alice.register("alice@bank.example", "invited").await.unwrap();
    alice.withdraw(eur(5_000), RequestId::random()).await.unwrap();

    bank.next(&[Fate::AnswerLost]);
    let id = RequestId::random();
    let pending = alice.place(order("dave", 300, "first"), id).await.unwrap();
    assert_eq!((pending.item.state, pending.link), (OperationState::Pending, None));
    let payment = pending.item.transaction_id.unwrap();
    assert!(matches!(alice.link(payment).await, Err(WalletError::LinkNotYet)));
    // Asked again with the same id, it is the same payment.
    let done = alice.place(order("dave", 300, "first"), id).await.unwrap();
    assert_eq!(bank.count(Statement::Pay), 1);
    let link = done.link.unwrap();
    assert_eq!(alice.link(payment).await.unwrap().to_string(), link);
    let reused = alice.place(order("dave", 301, "first"), id).await;
    assert!(matches!(reused, Err(WalletError::RequestIdReused)));
    alice.close().await;

    let (words, options) = (words.as_str(), bank.options());
    let again =
        Wallet::create_from_words(&bank.dir("again"), PASSPHRASE, &bank.connection(), words, options).await.unwrap();
    again.restore(Some(&identity("alice")), quiet()).await.unwrap();
    let restored = again.link(payment).await.unwrap();
    assert_eq!((restored.amount(), restored.memo()), (eur(300), ""));
    let dave = bank.wallet("dave").await;
    assert_eq!(states(&take(&dave, &restored.to_string()).await.unwrap()), [LinkState::Claimed]);
    assert_eq!(states(&take(&dave, &link).await.unwrap()), [LinkState::ClaimedBefore]);
    // What is no payment of this wallet has no link.
    let deposit = dave.history(None, 1).await.items[0].transaction_id.unwrap();
    assert!(matches!(dave.link(deposit).await, Err(WalletError::NoLink)));
}

/// A payment that is built for another day has another id. The one that was told names it all the same.
#[tokio::test]
async fn the_id_that_was_told_names_the_payment_for_ever() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[5_000]).await;
    bank.next(&[Fate::RequestLost]);
    let pending = alice.place(order("dave", 300, "first"), RequestId::random()).await.unwrap();
    let told = pending.item.transaction_id.unwrap();
    bank.pass_days(1);
    alice.close().await;
    let alice = bank.reopen(&bank.dir("alice")).await;
    let resumed = alice.resume().await.unwrap();
    let item = resumed[0].item.clone().unwrap();
    assert_eq!((item.state, item.earlier_ids.as_slice()), (OperationState::Done, [told].as_slice()));
    let logged = item.transaction_id.unwrap();
    assert_ne!(logged, told);

    // Also from the vault.
    alice.close().await;
    let alice = bank.reopen(&bank.dir("alice")).await;
    let link = alice.link(told).await.unwrap();
    assert_eq!((link.payment_id(), link.to_string()), (logged, alice.link(logged).await.unwrap().to_string()));
    assert_eq!(alice.receipt(told).await.unwrap(), alice.receipt(logged).await.unwrap());
    assert!(alice.prove_payment(told, None, None).await.is_ok());
    let waiting = alice.refund(Some(told)).await.unwrap().pending;
    assert_eq!((waiting.len(), waiting[0].payment.payment_id), (1, logged));

    // One that was accepted after all is the one that counts, in the book and in the log.
    bank.next(&[Fate::Delayed]);
    let pending = alice.place(order("dave", 200, ""), RequestId::random()).await.unwrap();
    let first = pending.item.transaction_id.unwrap();
    bank.release();
    alice.resume().await.unwrap();
    let item = alice.history(None, 1).await.items.remove(0);
    assert_eq!((item.transaction_id, item.earlier_ids.len()), (Some(first), 0));
    assert!(matches!(alice.link(first).await, Ok(link) if link.amount() == eur(200)));
}

/// The log has what a wallet claimed, and not by which link: a restored wallet that is given the link again must not take old
/// coins for money.
#[tokio::test]
async fn a_restored_payee_learns_that_the_link_was_claimed() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[5_000]).await;
    let (_, link) = by_link(&alice, "dave", 500, "").await;
    let made = Wallet::create_with(&bank.dir("dave"), PASSPHRASE, &bank.connection(), None, bank.options()).await;
    let (dave, words) = made.unwrap();
    dave.register("dave@bank.example", "invited").await.unwrap();
    take(&dave, &link).await.unwrap();
    dave.pay(&identity("alice"), eur(200), "", RequestId::random()).await.unwrap();
    let holdings = dave.holdings().await;
    dave.close().await;

    let options = bank.options();
    let again =
        Wallet::create_from_words(&bank.dir("again"), PASSPHRASE, &bank.connection(), &words, options).await.unwrap();
    again.restore(Some(&identity("dave")), quiet()).await.unwrap();
    for _ in 0..2 {
        let report = take(&again, &link).await.unwrap();
        assert_eq!((states(&report), report.available), (vec![LinkState::ClaimedBefore], eur(299)));
    }
    assert_eq!(again.holdings().await, holdings);

    // Another wallet of the identity, with other words.
    let other = bank.create("other").await;
    other.register("dave@bank.example", "invited").await.unwrap();
    for _ in 0..2 {
        let report = take(&other, &link).await.unwrap();
        assert_eq!((states(&report), report.available), (vec![LinkState::Gone], eur(0)));
    }
}

/// The same bytes with others in some places, and a checksum that fits.
fn altered(link: &str, alter: impl Fn(&mut Vec<u8>)) -> PaymentLink {
    let body = link.strip_prefix("farthing:claim/").unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(body).unwrap();
    bytes.truncate(bytes.len() - 4);
    alter(&mut bytes);
    let sum = Sha256::new().chain_update(b"farthing/v1/link").chain_update(&bytes).finalize();
    let text = URL_SAFE_NO_PAD.encode([bytes.as_slice(), &sum[..4]].concat());
    PaymentLink::parse(&format!("farthing:claim/{text}")).unwrap()
}

#[tokio::test]
async fn a_link_is_believed_as_far_as_the_log_has_it() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[5_000]).await;
    let (receipt, link) = by_link(&alice, "dave", 500, "").await;
    let dave = bank.wallet("dave").await;
    let refused = async |link| receive_links(&dave, vec![link]).await.unwrap_err();

    // Another place, another payment, a place that is not signed yet, one that never will be.
    let elsewhere = refused(altered(&link, |bytes| bytes[1] = 0)).await;
    assert!(matches!(elsewhere, WalletError::LinkUnknown), "{elsewhere:?}");
    assert!(matches!(refused(altered(&link, |bytes| bytes[9] ^= 1)).await, WalletError::LinkUnknown));
    assert!(matches!(refused(altered(&link, |bytes| bytes[2] = 1)).await, WalletError::NotSignedYet { .. }));
    assert!(matches!(refused(altered(&link, |bytes| bytes[7] = 1)).await, WalletError::LinkUnknown));
    // More money than was paid, another purpose, another month.
    for place in [42, 50, 50 + 4 + 64] {
        let error = refused(altered(&link, |bytes| bytes[place] ^= 1)).await;
        assert!(matches!(error, WalletError::LinkForAnother), "{place}: {error:?}");
    }
    // An entry that is shown and is not in the tree.
    let index = usize::try_from(receipt.item.log_index.unwrap()).unwrap();
    {
        let mut books = bank.books();
        let entry = Entry::from_bytes(&books.payments[index]).unwrap();
        books.rewritten.insert((Side::Payments, index), vec![0; 40]);
        books.forge(Side::Payments, index, entry.kind(), entry.body());
    }
    let fresh = bank.create("fresh").await;
    fresh.register("dave@bank.example", "invited").await.unwrap();
    let error = take(&fresh, &link).await.unwrap_err();
    assert!(matches!(error, WalletError::Contradiction { .. }), "{error:?}");
    bank.books().rewritten.clear();
    bank.books().unforge();
    assert_eq!(states(&take(&dave, &link).await.unwrap()), [LinkState::Claimed]);
}
