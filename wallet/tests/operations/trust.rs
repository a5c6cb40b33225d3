//! Wallets believe what is in the logs, and of the logs one truth.

use std::path::{Path, PathBuf};

use farthing_ecash::{amount::Amount, entry::EntryKind, statement::Statement};
use farthing_ledger::{
    checkpoint::SignedCheckpoint,
    key::{CosignerKey, VerifierKey},
    quorum::TrustPolicy,
};
use farthing_wallet::{
    Connection, OperationKind, Options, Receipt, RequestId, Server, Wallet, WalletError, receipt::verify,
};
use getrandom::{SysRng, rand_core::UnwrapErr};

use crate::bank::{Bank, Copied, PASSPHRASE, Side, TODAY, identity, key_from, signer};

const ISSUER: Server = Server::Issuer;
const REDEEMER: Server = Server::Redeemer;

fn eur(cents: u64) -> Amount {
    Amount::new(cents)
}

async fn pay(from: &Wallet, to: &str) -> Result<Receipt, WalletError> {
    from.pay(&identity(to), eur(20), "", RequestId::random()).await
}

async fn withdraw(wallet: &Wallet) -> Result<Receipt, WalletError> {
    wallet.withdraw(eur(20), RequestId::random()).await
}

/// The wallet does not believe it.
fn distrusted<T>(server: Server, outcome: Result<T, WalletError>) -> String {
    match outcome {
        Err(WalletError::Contradiction { server: found, what }) if found == server => what,
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("it was believed"),
    }
}

/// The wallet has stopped, and this is why.
fn evidence<T>(outcome: Result<T, WalletError>) -> PathBuf {
    match outcome {
        Err(error @ WalletError::LogContradictsItself { .. }) => {
            let WalletError::LogContradictsItself { evidence } = &error else { unreachable!() };
            assert!(error.to_string().contains(&evidence.display().to_string()));
            evidence.clone()
        }
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("the wallet has not stopped"),
    }
}

/// Both checkpoints of the evidence: that which was seen first, and the other.
fn checkpoints(evidence: &Path, keys: [&VerifierKey; 2]) -> [SignedCheckpoint; 2] {
    let text = std::fs::read_to_string(evidence).unwrap();
    let (_, rest) = text.split_once("---- seen first ----\n").unwrap();
    let (first, rest) = rest.split_once("---- seen later ----\n").unwrap();
    let (later, _) = rest.split_once("---- end ----\n").unwrap();
    [SignedCheckpoint::open(first, keys[0]).unwrap(), SignedCheckpoint::open(later, keys[1]).unwrap()]
}

fn key_of(bank: &Bank, side: Side) -> VerifierKey {
    bank.books().signers[side as usize].verifier().clone()
}

/// Another policy than the one in force stands at the beginning of the payment log.
fn rewrite(bank: &Bank) {
    let entry = bank.books().payments[1].clone();
    bank.books().rewritten.insert((Side::Payments, 0), entry);
}

#[tokio::test]
async fn two_states_of_one_size_stop_the_wallet_until_its_owner_decides() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let _bob = bank.wallet("bob").await;
    let paid = pay(&alice, "bob").await.unwrap();
    alice.receive().await.unwrap();

    rewrite(&bank);
    let path = evidence(pay(&alice, "bob").await);
    let key = key_of(&bank, Side::Payments);
    let [first, later] = checkpoints(&path, [&key, &key]).map(|checkpoint| checkpoint.head());
    assert!(first.size == later.size && first.root != later.root);

    // The log shows what it showed at first: that does not undo what it has signed.
    bank.books().rewritten.clear();
    assert_eq!(evidence(pay(&alice, "bob").await), path);
    assert_eq!(evidence(alice.receive().await), path);
    assert_eq!(evidence(withdraw(&alice).await), path);
    assert_eq!(evidence(alice.redeem(eur(20), RequestId::random()).await), path);
    assert_eq!(evidence(alice.receipt(paid.item.transaction_id.unwrap()).await), path);
    alice.close().await;
    let alice = bank.reopen(&bank.dir("alice")).await;
    assert_eq!(evidence(withdraw(&alice).await), path);
    assert_eq!(alice.standing().await.unwrap().evidence.as_ref(), Some(&path));
    assert_eq!(alice.info().await.unwrap().evidence.as_ref(), Some(&path));
    assert_eq!(alice.balance().await.available, eur(979));
    assert_eq!(bank.count(Statement::Pay), 1);

    assert_eq!(alice.go_on().await.unwrap().as_ref(), Some(&path));
    assert_eq!(alice.go_on().await.unwrap(), None);
    pay(&alice, "bob").await.unwrap();
    rewrite(&bank);
    let again = evidence(pay(&alice, "bob").await);
    assert!(again != path && path.exists());
}

#[tokio::test]
async fn a_log_that_grows_from_another_past_stops_the_wallet() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let bob = bank.wallet("bob").await;
    pay(&alice, "bob").await.unwrap();
    bob.receive().await.unwrap();
    rewrite(&bank);
    let entry = bank.books().payments[0].clone();
    bank.books().payments.extend(vec![entry; 300]);
    let key = key_of(&bank, Side::Payments);
    let [first, later] = checkpoints(&evidence(bob.receive().await), [&key, &key]);
    assert!(first.head().size < later.head().size);
}

#[tokio::test]
async fn a_log_that_goes_back_stops_the_wallet() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let size = bank.books().issuance.len();
    // The wallet looked before its withdrawal was logged.
    bank.books().signed_to[Side::Issuance as usize] = Some(size - 2);
    let key = key_of(&bank, Side::Issuance);
    let [first, later] = checkpoints(&evidence(withdraw(&alice).await), [&key, &key]);
    assert_eq!((first.head().size, later.head().size), (size as u64 - 1, size as u64 - 2));
}

#[tokio::test]
async fn the_payment_log_has_to_rest_on_the_issuance_log_that_is_shown() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    alice.receive().await.unwrap();
    let entry = bank.books().payments[0].clone();
    bank.books().payments.push(entry);
    bank.books().names_another_issuance = true;
    let keys = [key_of(&bank, Side::Payments), key_of(&bank, Side::Issuance)];
    let [named, shown] = checkpoints(&evidence(alice.receive().await), [&keys[0], &keys[1]]);
    let named = named.checkpoint().issuance.unwrap();
    assert!(named.size == shown.head().size && named.root != shown.head().root);
}

#[tokio::test]
async fn a_checkpoint_under_another_key_is_none() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let _bob = bank.wallet("bob").await;
    for (side, server) in [(Side::Issuance, ISSUER), (Side::Payments, REDEEMER)] {
        let origin = key_of(&bank, side).name().to_owned();
        bank.books().forgers[side as usize] = Some(signer(&origin));
        let attempt = if side == Side::Issuance { withdraw(&alice).await } else { pay(&alice, "bob").await };
        distrusted(server, attempt);
        bank.books().forgers[side as usize] = None;
        let kept = std::mem::replace(&mut bank.books().signers[side as usize], signer(&origin));
        let attempt = if side == Side::Issuance { withdraw(&alice).await } else { pay(&alice, "bob").await };
        distrusted(server, attempt);
        bank.books().signers[side as usize] = kept;
    }
    // Nobody has to decide about that: nothing that the logs have signed contradicts itself.
    assert!(alice.evidence().await.is_none());
    pay(&alice, "bob").await.unwrap();
}

#[tokio::test]
async fn a_key_that_was_never_logged_is_none() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let key = key_from(TODAY + 50).public().clone();
    bank.books().announced.push(key.clone());
    distrusted(ISSUER, withdraw(&alice).await);
    bank.books().forge(Side::Issuance, 0, EntryKind::Key, &key.to_bytes());
    distrusted(ISSUER, withdraw(&alice).await);

    // Nor for a wallet that has no other.
    let refused = bank.create("bob").await.register(&identity("bob").to_string(), "invited").await;
    distrusted(ISSUER, refused);

    bank.books().unforge();
    bank.books().issue(EntryKind::Key, key.to_bytes());
    withdraw(&alice).await.unwrap();
}

#[tokio::test]
async fn a_policy_or_rules_that_were_never_logged_are_none() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let _bob = bank.wallet("bob").await;
    pay(&alice, "bob").await.unwrap();

    let (policy, rules) = bank.books().impose("0.05");
    distrusted(REDEEMER, pay(&alice, "bob").await);
    // Whoever asks for the entry sees it; the tree has another.
    bank.books().forge(Side::Payments, 0, EntryKind::Policy, &policy);
    bank.books().forge(Side::Payments, 1, EntryKind::Rules, &rules);
    assert!(distrusted(REDEEMER, pay(&alice, "bob").await).contains("entry 0 "));
    // The policy is logged, its rules are not.
    bank.books().unforge();
    bank.books().log(EntryKind::Policy, policy);
    distrusted(REDEEMER, pay(&alice, "bob").await);
    bank.books().forge(Side::Payments, 1, EntryKind::Rules, &rules);
    assert!(distrusted(REDEEMER, pay(&alice, "bob").await).contains("entry 1 "));
    assert_eq!((bank.count(Statement::Pay), alice.balance().await.available), (1, eur(979)));

    bank.books().unforge();
    bank.books().log(EntryKind::Rules, rules);
    pay(&alice, "bob").await.unwrap();
    // It is in force now, and no other wallet is shown the old one.
    (bank.books().epoch, bank.books().fee) = (1, "0.01");
    distrusted(REDEEMER, pay(&alice, "bob").await);
}

#[tokio::test]
async fn a_payee_can_be_paid_when_the_log_has_the_key() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    bank.books().unlisted = true;
    let _bob = bank.wallet("bob").await;
    let refused = pay(&alice, "bob").await;
    assert!(matches!(refused, Err(WalletError::NotListedYet { seconds: 30, .. })));
    assert!(refused.err().unwrap().to_string().contains("in 30 seconds"));
    bank.books().list();
    let size = bank.books().issuance.len();
    bank.books().signed_to[Side::Issuance as usize] = Some(size - 1);
    assert!(matches!(pay(&alice, "bob").await, Err(WalletError::NotListedYet { .. })));
    bank.books().signed_to[Side::Issuance as usize] = None;
    pay(&alice, "bob").await.unwrap();
}

#[tokio::test]
async fn a_key_for_a_payee_that_was_never_logged_is_none() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let _bob = bank.wallet("bob").await;
    let _mallory = bank.wallet("mallory").await;
    bank.books().exchange_key("bob", "mallory", false);
    distrusted(ISSUER, pay(&alice, "bob").await);
    bank.books().exchange_key("bob", "mallory", true);
    distrusted(ISSUER, pay(&alice, "bob").await);
    assert_eq!(bank.count(Statement::Pay), 0);
}

#[tokio::test]
async fn a_note_that_is_not_in_the_log_is_no_money() {
    // The first time a wallet looks at all payments, then at those of its bucket only.
    for of_bucket_only in [false, true] {
        let bank = Bank::open().await;
        (bank.books().bucket_bits, bank.books().epoch) = (1, 2);
        bank.books().publish();
        let alice = bank.rich("alice", &[1_000]).await;
        let bob = bank.wallet("bob").await;
        if of_bucket_only {
            pay(&alice, "bob").await.unwrap();
            assert_eq!(bob.receive().await.unwrap().claimed.len(), 1);
        }
        let before = bob.balance().await;
        let index = pay(&alice, "bob").await.unwrap().item.log_index.unwrap();
        let other = bank.books().payments[0].clone();
        bank.books().rewritten.insert((Side::Payments, usize::try_from(index).unwrap()), other);
        distrusted(REDEEMER, bob.receive().await);
        assert_eq!(bob.balance().await, before);
        let items = bob.history(None, 100).await.items;
        assert!(!items.iter().any(|item| item.kind == OperationKind::Receive && item.log_index == Some(index)));
    }
}

fn witness(name: &str) -> CosignerKey {
    CosignerKey::generate(name, &mut UnwrapErr(SysRng)).unwrap()
}

/// A trust policy with two witnesses that have to agree, and the witnesses.
pub(crate) fn two_of_two(bank: &Bank) -> (TrustPolicy, [CosignerKey; 2]) {
    let witnesses = ["one.example", "two.example"].map(witness);
    let logs = [Side::Issuance, Side::Payments].map(|side| key_of(bank, side));
    let keys = witnesses.iter().map(|witness| witness.verifier().clone());
    (TrustPolicy::with_witnesses(logs, keys, 2).unwrap(), witnesses)
}

pub(crate) async fn with_trust(bank: &Bank, name: &str, connection: &Connection, trust: &TrustPolicy) -> Wallet {
    let options = Options { trust: Some(trust.to_string()), ..bank.options() };
    Wallet::create_with(&bank.dir(name), PASSPHRASE, connection, None, options).await.unwrap().0
}

#[tokio::test]
async fn as_many_witnesses_as_the_owner_wants_have_to_agree() {
    let bank = Bank::open().await;
    let (trust, [one, two]) = two_of_two(&bank);
    let alice = with_trust(&bank, "alice", &bank.connection(), &trust).await;
    let register = async || alice.register(&identity("alice").to_string(), "invited").await;
    let found = async || match register().await {
        Err(WalletError::NotCosigned { found, .. }) => found,
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("nobody had to agree"),
    };
    assert_eq!(found().await, 0);
    bank.books().witnesses = vec![one, witness("two.example"), witness("three.example")];
    assert_eq!(found().await, 1);
    bank.books().witnesses.push(two);
    register().await.unwrap();
    withdraw(&alice).await.unwrap();
    bank.books().witnesses.remove(0);
    assert!(matches!(withdraw(&alice).await, Err(WalletError::NotCosigned { found: 1, .. })));

    // A policy for other logs is none for these.
    let others = TrustPolicy::without_witnesses([signer("issuance.example").verifier().clone()]);
    let bob = with_trust(&bank, "bob", &bank.connection(), &others).await;
    distrusted(ISSUER, bob.register(&identity("bob").to_string(), "invited").await);
    let wrong = Options { trust: Some("quorum nobody".to_owned()), ..bank.options() };
    let refused = Wallet::create_with(&bank.dir("carol"), PASSPHRASE, &bank.connection(), None, wrong).await;
    assert!(matches!(refused, Err(WalletError::TrustPolicy { .. })));
}

#[tokio::test]
async fn a_receipt_shows_offline_what_is_in_the_log_and_nothing_else() {
    let bank = Bank::open().await;
    let (trust, witnesses) = two_of_two(&bank);
    bank.books().witnesses = witnesses.into();
    let alice = with_trust(&bank, "alice", &bank.connection(), &trust).await;
    alice.register(&identity("alice").to_string(), "invited").await.unwrap();
    let _bob = bank.wallet("bob").await;
    let withdrawn = alice.withdraw(eur(500), RequestId::random()).await.unwrap().item;
    let paid = pay(&alice, "bob").await.unwrap().item;

    for (item, origin, statement, amount) in
        [(&withdrawn, "issuance.example", "withdraw", Some(500)), (&paid, "payments.example", "pay", None)]
    {
        let id = item.transaction_id.unwrap();
        let receipt = alice.receipt(id).await.unwrap();
        let proven = verify(&receipt, &trust).unwrap();
        assert_eq!((proven.origin.as_str(), Some(proven.index)), (origin, item.log_index));
        assert_eq!((proven.transaction_id, proven.statement, proven.amount), (id, statement, amount));
        assert_eq!((proven.witnesses.len(), proven.day.as_str()), (2, "2026-11-20"));
        assert!(proven.log_size > proven.index);

        for place in 0..receipt.len() {
            let mut altered = receipt.clone().into_bytes();
            altered[place] ^= 1;
            let altered = String::from_utf8_lossy(&altered);
            assert!(verify(&altered, &trust).is_err(), "byte {place} of {receipt}");
        }
        assert!(verify(&receipt[..receipt.len() - 1], &trust).is_err());
        assert!(verify(&format!("{receipt}\n"), &trust).is_err());
        // Whom others trust is up to them.
        assert!(verify(&receipt, &two_of_two(&bank).0).is_err());
        let without = TrustPolicy::without_witnesses([key_of(&bank, Side::Issuance), key_of(&bank, Side::Payments)]);
        assert!(verify(&receipt, &without).unwrap().witnesses.is_empty());
    }

    let unknown = alice.receipt(farthing_ecash::transaction::TransactionId::new([1; 32])).await;
    assert!(matches!(unknown, Err(WalletError::TransactionUnknown)));
}

#[tokio::test]
async fn logs_can_be_read_from_a_copy_and_then_from_no_server() {
    let bank = Bank::open().await;
    let (ledgers, copied) = bank.follow().await;
    let connection = Connection { ledgers, ..bank.connection() };
    let (dir, options) = (bank.dir("alice"), bank.options());
    let (alice, words) = Wallet::create_with(&dir, PASSPHRASE, &connection, None, options).await.unwrap();
    alice.register(&identity("alice").to_string(), "invited").await.unwrap();
    withdraw(&alice).await.unwrap();
    withdraw(&alice).await.unwrap();
    assert_eq!(bank.books().log_calls, 0);
    let bob = bank.wallet("bob").await;
    pay(&alice, "bob").await.unwrap();
    bob.receive().await.unwrap();
    bob.pay(&identity("alice"), eur(10), "", RequestId::random()).await.unwrap();

    let calls = bank.books().log_calls;
    assert_eq!(alice.receive().await.unwrap().delay, None);
    let dir = bank.dir("restored");
    let restored = Wallet::create_from_words(&dir, PASSPHRASE, &connection, &words, bank.options()).await.unwrap();
    let report = restored.restore(Some(&identity("alice")), std::sync::Arc::new(|_, _| {})).await.unwrap();
    assert_eq!(report.balance.available, alice.balance().await.available);
    assert_eq!(bank.books().log_calls, calls);

    // A copy may be behind, and it may serve nonsense. Neither contradicts the log.
    let size = bank.books().issuance.len();
    copied.lock().unwrap().sizes = Some([size, 3]);
    let behind = alice.receive().await;
    assert!(matches!(behind, Err(WalletError::Unreachable { server: Server::Ledger, .. })));
    *copied.lock().unwrap() = Copied { sizes: None, spoilt: true };
    bank.wallet("carol").await;
    distrusted(Server::Ledger, withdraw(&alice).await);
    assert!(alice.evidence().await.is_none());
    copied.lock().unwrap().spoilt = false;
    withdraw(&alice).await.unwrap();
}

/// A leaf is bytes: a server that sends some of an entry's as if they were of the hash of its proof keeps the leaf, and what
/// the entry is would be hidden. The wallet refuses it, and finds the payment when the server is honest again.
#[tokio::test]
async fn nothing_is_hidden_by_moving_bytes_between_entry_and_hash() {
    let bank = Bank::open().await;
    let alice = bank.rich("alice", &[1_000]).await;
    let bob = bank.wallet("bob").await;
    alice.pay(&identity("bob"), eur(300), "", RequestId::random()).await.unwrap();
    for moves_bytes in [-128, -1, 1, 32] {
        bank.books().moves_bytes = moves_bytes;
        let refused = bob.receive().await;
        assert!(matches!(refused, Err(WalletError::Contradiction { .. })), "{moves_bytes}: {refused:?}");
    }
    bank.books().moves_bytes = 0;
    assert_eq!(bob.receive().await.unwrap().available, eur(300));
}
