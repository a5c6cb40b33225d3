//! What a wallet shows to a verifier, and what a verifier believes.

use farthing_ecash::{
    amount::Amount,
    calendar::Month,
    disclosure::Challenge,
    entry::{Entry, EntryKind},
};
use farthing_ledger::quorum::TrustPolicy;
use farthing_proto::v1::ErrorReason;
use farthing_wallet::{
    OperationKind, Options, RequestId, Wallet, WalletError,
    disclosure::{IncomeFile, NotShown, PaymentFile, Proof},
};
use getrandom::{SysRng, rand_core::UnwrapErr};

use crate::{
    bank::{Bank, Side, identity, signer},
    trust::two_of_two,
};

fn eur(cents: u64) -> Amount {
    Amount::new(cents)
}

fn month(text: &str) -> Month {
    Month::parse(text).unwrap()
}

fn challenge(verifier: &str) -> Challenge {
    Challenge::new(verifier, &mut UnwrapErr(SysRng)).unwrap()
}

/// Alice has paid Bob 20 and 70, and he has claimed both. Two witnesses cosign what is shown.
async fn scene() -> (Bank, Wallet, Wallet, TrustPolicy) {
    let bank = Bank::open().await;
    let (trust, witnesses) = two_of_two(&bank);
    bank.books().witnesses = witnesses.into();
    let (alice, bob) = (bank.rich("alice", &[1_000]).await, bank.wallet("bob").await);
    for cents in [20, 70] {
        alice.pay(&identity("bob"), eur(cents), "wages", RequestId::random()).await.unwrap();
    }
    assert_eq!(bob.receive().await.unwrap().claimed.len(), 2);
    (bank, alice, bob, trust)
}

async fn attest(bank: &Bank, file: &mut IncomeFile) -> Result<(), WalletError> {
    file.attest(&bank.connection().redeemer, &Options { attempts_max: 1, ..Options::default() }).await
}

fn income(text: &str) -> Result<IncomeFile, farthing_wallet::disclosure::NoProof> {
    match text.parse()? {
        Proof::Income(file) => Ok(*file),
        _ => text.parse(),
    }
}

#[tokio::test]
async fn a_wallet_shows_what_it_has_received_in_a_month() {
    let (bank, alice, bob, trust) = scene().await;
    let office = challenge("Housing Office");
    let mut file = bob.prove_income(month("2026-11"), &office, true).await.unwrap();
    assert_eq!(income(&file.to_string()).as_ref(), Ok(&file));
    assert!(matches!(file.to_string().parse(), Ok(Proof::Income(_))));
    assert_eq!(file.verify(Some(&office), &trust), Err(NotShown::NotAttested));
    attest(&bank, &mut file).await.unwrap();
    let asked = bank.books().attested.clone();
    assert_eq!(asked, [file.proof.attestation_request()]);

    // Read back from the file, nobody has to be asked.
    let kept = income(&file.to_string()).unwrap();
    let shown = kept.verify(Some(&office), &trust).unwrap();
    assert_eq!((shown.identity, shown.total, shown.month), (Some(identity("bob")), eur(90), month("2026-11")));
    assert_eq!((shown.verifier.as_str(), shown.currency.code()), ("Housing Office", "EUR"));
    assert_eq!((shown.key.origin.as_str(), shown.key.witnesses.len()), ("issuance.example", 2));
    assert_eq!(bank.books().attested.len(), 1);

    // For whom it was made, and no one else.
    let wrong = |given: Option<&Challenge>| kept.verify(given, &trust).unwrap_err();
    let made_for = "Housing Office".to_owned();
    assert_eq!(wrong(None), NotShown::ChallengeWanted { made_for: made_for.clone() });
    assert_eq!(
        wrong(Some(&challenge("Housing Office"))),
        NotShown::OtherChallenge { made_for: Some(made_for.clone()) }
    );
    let renamed = Challenge::from_parts("Tax Office", *office.number()).unwrap();
    assert_eq!(wrong(Some(&renamed)), NotShown::OtherChallenge { made_for: Some(made_for) });

    // Whose it is stays hidden unless the owner shows it; two proofs have nothing in common.
    let hidden = bob.prove_income(month("2026-11"), &office, false).await.unwrap();
    assert_eq!(hidden.proof.identity(), None);
    assert_ne!(hidden.proof.attestation_request(), file.proof.attestation_request());
    assert!(!hidden.proof.to_bytes().windows(4).any(|window| window == b"bob@"));

    // Months that cannot be shown.
    for other in ["2026-10", "2026-12"] {
        let refused = bob.prove_income(month(other), &office, true).await;
        let newest = Some(month("2026-11"));
        assert!(matches!(refused, Err(WalletError::MonthNotShown { shown, .. }) if shown == newest), "{other}");
    }
    let refused = alice.prove_income(month("2026-11"), &office, true).await;
    assert!(matches!(refused, Err(WalletError::MonthNotShown { shown: None, .. })), "she has received nothing");
}

/// The total is that of the month of the newest claim, also when that month is over.
#[tokio::test]
async fn a_month_can_be_shown_until_the_first_claim_of_the_next() {
    let (bank, alice, bob, trust) = scene().await;
    let office = challenge("Housing Office");
    bank.pass_days(20);
    let mut old = bob.prove_income(month("2026-11"), &office, false).await.unwrap();
    attest(&bank, &mut old).await.unwrap();
    assert_eq!(old.verify(Some(&office), &trust).unwrap().total, eur(90));
    assert!(bob.prove_income(month("2026-12"), &office, false).await.is_err(), "nothing was received yet");

    alice.pay(&identity("bob"), eur(30), "", RequestId::random()).await.unwrap();
    bob.receive().await.unwrap();
    assert!(bob.prove_income(month("2026-11"), &office, false).await.is_err());
    let mut new = bob.prove_income(month("2026-12"), &office, false).await.unwrap();
    attest(&bank, &mut new).await.unwrap();
    assert_eq!(new.verify(Some(&office), &trust).unwrap().total, eur(30));
}

#[tokio::test]
async fn an_altered_proof_of_income_shows_nothing() {
    let (bank, _alice, bob, trust) = scene().await;
    let office = challenge("Housing Office");
    let mut file = bob.prove_income(month("2026-11"), &office, true).await.unwrap();
    attest(&bank, &mut file).await.unwrap();
    let text = file.to_string();
    for place in 0..text.len() {
        let mut altered = text.clone().into_bytes();
        altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
        let Ok(altered) = income(&String::from_utf8_lossy(&altered)) else { continue };
        let own = altered.proof.challenge().clone();
        assert!(altered.verify(Some(&own), &trust).is_err(), "byte {place} of {text}");
    }
    // Attested by another redeemer, or said of another presentation.
    let elsewhere = Bank::open().await;
    let mut strange = file.clone();
    strange.attestation = None;
    match attest(&elsewhere, &mut strange).await {
        Err(WalletError::Refused { reason, .. }) => assert_eq!(reason, ErrorReason::ProofInvalid),
        Err(error) => panic!("another error: {error}"),
        Ok(()) => panic!("another redeemer attests it"),
    }
    let mut other = bob.prove_income(month("2026-11"), &office, true).await.unwrap();
    other.attestation = file.attestation.clone();
    assert_eq!(other.verify(Some(&office), &trust), Err(NotShown::Proof));

    // A log that nobody trusts has the key.
    let strangers = TrustPolicy::without_witnesses([signer("issuance.example").verifier().clone()]);
    assert!(matches!(file.verify(Some(&office), &strangers), Err(NotShown::Entry(_))));
}

async fn newest_payment(wallet: &Wallet) -> farthing_ecash::transaction::TransactionId {
    let items = wallet.history(None, 100).await.items;
    items.iter().find(|item| item.kind == OperationKind::Pay).unwrap().transaction_id.unwrap()
}

#[tokio::test]
async fn a_payer_shows_amount_and_payee_of_a_payment() {
    let (_bank, alice, bob, trust) = scene().await;
    let (id, office) = (newest_payment(&alice).await, challenge("Housing Office"));
    let to_all = alice.prove_payment(id, None, None).await.unwrap();
    let to_one = alice.prove_payment(id, Some(&office), Some(&identity("bob"))).await.unwrap();
    for (file, given) in [(&to_all, None), (&to_one, Some(&office))] {
        assert!(matches!(file.to_string().parse(), Ok(Proof::Payment(read)) if *read == *file));
        let shown = file.verify(given, &trust).unwrap();
        assert_eq!((shown.payee, shown.amount, shown.transaction_id), (identity("bob"), eur(70), id));
        assert_eq!((shown.day.as_str(), shown.currency.code()), ("2026-11-20", "EUR"));
        assert_eq!(shown.verifier.as_deref(), given.map(Challenge::verifier));
        assert_eq!((shown.payment.origin.as_str(), shown.payment.witnesses.len()), ("payments.example", 2));
    }
    assert_eq!(to_all.verify(Some(&office), &trust), Err(NotShown::OtherChallenge { made_for: None }));
    let wanted = NotShown::ChallengeWanted { made_for: "Housing Office".to_owned() };
    assert_eq!(to_one.verify(None, &trust), Err(wanted));

    // The payee has received it and cannot say that it has paid it; nor can it be said of another.
    let refused = bob.prove_payment(id, None, Some(&identity("bob"))).await;
    assert!(matches!(refused, Err(WalletError::TransactionUnknown)));
    let refused = alice.prove_payment(id, None, Some(&identity("carol"))).await;
    assert!(matches!(refused, Err(WalletError::OtherPayee { payee }) if payee == identity("carol")));

    let text = to_one.to_string();
    for place in 0..text.len() {
        let mut altered = text.clone().into_bytes();
        altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
        let Ok(altered) = String::from_utf8_lossy(&altered).parse::<PaymentFile>() else { continue };
        let own = altered.proof.challenge().cloned();
        assert!(altered.verify(own.as_ref(), &trust).is_err(), "byte {place} of {text}");
    }
    // The other payment's entry under this proof.
    let items = alice.history(None, 100).await.items;
    let other = items.iter().filter(|item| item.kind == OperationKind::Pay).nth(1).unwrap().transaction_id.unwrap();
    let other = alice.prove_payment(other, Some(&office), None).await.unwrap().to_string();
    let (head, _) = text.split_once("\n\n").unwrap();
    let (_, receipt) = other.split_once("\n\n").unwrap();
    let mixed: PaymentFile = format!("{head}\n\n{receipt}").parse().unwrap();
    assert_eq!(mixed.verify(Some(&office), &trust), Err(NotShown::Proof));
}

/// All that it takes is in the log and the seed: a restored wallet shows the same, when it is told whom it paid.
#[tokio::test]
async fn a_restored_wallet_shows_its_payments() {
    let bank = Bank::open().await;
    let (trust, witnesses) = two_of_two(&bank);
    bank.books().witnesses = witnesses.into();
    let (dir, connection) = (bank.dir("alice"), bank.connection());
    let made = Wallet::create_with(&dir, crate::bank::PASSPHRASE, &connection, None, bank.options()).await.unwrap();
    let (alice, words) = (made.0, made.1.to_string());
    alice.register(&identity("alice").to_string(), "invited").await.unwrap();
    alice.withdraw(eur(1_000), RequestId::random()).await.unwrap();
    let _bob = bank.wallet("bob").await;
    let paid = alice.pay(&identity("bob"), eur(120), "rent", RequestId::random()).await.unwrap();
    let id = paid.item.transaction_id.unwrap();
    alice.close().await;

    let again = bank.dir("again");
    let again = Wallet::create_from_words(&again, crate::bank::PASSPHRASE, &connection, &words, bank.options()).await;
    let again = again.unwrap();
    assert!(matches!(again.prove_payment(id, None, None).await, Err(WalletError::RestoreUnfinished)));
    again.restore(Some(&identity("alice")), std::sync::Arc::new(|_, _| {})).await.unwrap();
    assert!(matches!(again.prove_payment(id, None, None).await, Err(WalletError::PayeeUnknown)));
    let shown = again.prove_payment(id, None, Some(&identity("bob"))).await.unwrap().verify(None, &trust).unwrap();
    assert_eq!((shown.payee, shown.amount), (identity("bob"), eur(120)));
}

/// The issuer says that its log has the key elsewhere: the wallet looks.
#[tokio::test]
async fn a_key_that_is_not_in_the_log_is_noticed() {
    let (bank, _alice, bob, _trust) = scene().await;
    let office = challenge("Housing Office");
    let key = bank.books().issuance.iter().find_map(|entry| {
        let entry = Entry::from_bytes(entry).unwrap();
        (entry.kind() == EntryKind::Key).then(|| entry.body().to_vec())
    });
    bank.books().forge(Side::Issuance, 1, EntryKind::Key, &key.unwrap());
    let refused = bob.prove_income(month("2026-11"), &office, true).await;
    assert!(matches!(refused, Err(WalletError::Contradiction { .. })));
}
