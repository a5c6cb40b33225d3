//! The 25 refusals of the second implementation, each made again from its name; and bytes that nobody would send.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

#[path = "town/layout.rs"]
mod layout;
#[path = "town/reference.rs"]
mod reference;
#[path = "town/town.rs"]
mod town;

use farthing_ecash::{
    account::{AccountKey, AccountOpening, AccountProof, ProofContext},
    calendar::Month,
    coin::Coin,
    credential::{
        Credential,
        issue::{Addition, Answer},
    },
    entry::{Entry, EntryKind},
    error::{DecodeError, VerificationFailure},
    keys::{PublicKey, SigningKey},
    note::Note,
    pay,
    policy::{PolicyBody, SignedRules, UNRESTRICTED},
    register::RegisterOpening,
    rule,
    seal::{NotePlaintext, OpenError, open_note},
    seed::WalletKeys,
    spent::SpentProof,
    statement::Statement,
    transaction::{Core, Transaction},
    wallet_state::WalletState,
};
use layout::Layout;
use proptest::prelude::*;
use reference::{Reference, answer_bytes, hex};
use town::{Sequence, TODAY, Town, payment};

/// Why something is refused, in the words of the vectors where they are more exact than the crate wants to be.
#[derive(Debug, PartialEq, Eq)]
enum Reason {
    Tag,
    Decode(DecodeError),
    Failure,
}

fn verify(reference: &Reference, bytes: &[u8]) -> Option<Reason> {
    let minimum = reference.policy().terms().minimum;
    match Transaction::from_bytes(bytes) {
        Err(error) => Some(Reason::Decode(error)),
        Ok(received) => match received.verify(&reference.ring(), minimum, &mut Sequence::new("refusals")) {
            Ok(_) => None,
            Err(VerificationFailure) => Some(Reason::Failure),
        },
    }
}

fn first<'a>(reference: &'a Reference, statement: &str) -> &'a serde_json::Value {
    reference.vectors().iter().find(|vector| vector["statement"] == statement).unwrap()
}

/// The first payment, which spends two coins, with some of its bytes changed.
fn pay_with(reference: &Reference, change: impl FnOnce(&mut Vec<u8>, &Layout)) -> Option<Reason> {
    let mut bytes = hex(&first(reference, "pay")["request"]);
    let layout = Layout::of(&bytes);
    change(&mut bytes, &layout);
    verify(reference, &bytes)
}

fn flipped(reference: &Reference, field: &str) -> Option<Reason> {
    pay_with(reference, |bytes, layout| bytes[layout.field(field).at.start] ^= 1)
}

/// Opens the first payment's note with this wallet's key and this commitment.
fn open(reference: &Reference, wallet: &str, field: &str) -> Option<Reason> {
    let request = hex(&first(reference, "pay")["request"]);
    let layout = Layout::of(&request);
    let transaction = Transaction::from_bytes(&request).unwrap();
    let keys = reference.wallet(wallet);
    let commitment = request[layout.field(field).at.clone()].try_into().unwrap();
    let core = transaction.core();
    match open_note(keys.opening_key(), &core.header().key, &commitment, &core.delivery().unwrap().ct_note) {
        Ok(_) => None,
        Err(OpenError::Tag) => Some(Reason::Tag),
        Err(OpenError::Plaintext(error)) => Some(Reason::Decode(error)),
        Err(_) => Some(Reason::Failure),
    }
}

/// The answer to the first payment, changed; checked with another expiry or against another payment.
fn answer(reference: &Reference, change: impl FnOnce(&mut Vec<u8>), expiry: u32, other: bool) -> Option<Reason> {
    let vector = first(reference, "pay");
    let mut bytes = answer_bytes(vector);
    change(&mut bytes);
    let request =
        if other { reference.vectors().iter().filter(|v| v["statement"] == "pay").nth(1).unwrap() } else { vector };
    let transaction = Transaction::from_bytes(&hex(&request["request"])).unwrap();
    match Answer::from_bytes(transaction.core(), &bytes) {
        Err(error) => Some(Reason::Decode(error)),
        Ok(answer) => {
            let added = Addition::Expiry(Month::new(expiry));
            answer.check(transaction.core(), added, reference.signing_key().public()).err().map(|_| Reason::Failure)
        }
    }
}

/// A coin that nobody signed: both equations of its presentation hold, the key does not.
fn forged_coins() -> Option<Reason> {
    let mut town = Town::new("forged");
    let (alice, bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let coin = town.withdraw(&alice, 1000);
    let mut bytes = coin.to_secret_bytes();
    bytes[96..104].copy_from_slice(&1_000_000u64.to_le_bytes());
    let forged = Credential::<Coin>::from_secret_bytes(&bytes).unwrap();
    let (header, key) = (town.header(), bob.keys.encryption_key());
    let payment = payment(&bob, &key, 500_000);
    let built = pay::request(&header, &town.policy, &alice.keys, [&forged], &payment, &mut town.rng).unwrap();
    let received = Transaction::from_bytes(built.as_bytes()).unwrap();
    received.verify(&town.ring, town.minimum(), &mut town.rng).err().map(|VerificationFailure| Reason::Failure)
}

fn refuse(reference: &Reference, name: &str) -> (Option<Reason>, Reason) {
    let expiry = first(reference, "pay")["added"]["expiry"].as_u64().unwrap().try_into().unwrap();
    let decode = Reason::Decode;
    let exchange = |bytes: &mut Vec<u8>, layout: &Layout, [one, two]: [&str; 2]| {
        let (one, two) = (layout.field(one).at.clone(), layout.field(two).at.clone());
        let copy = bytes.clone();
        bytes[one.clone()].copy_from_slice(&copy[two.clone()]);
        bytes[two].copy_from_slice(&copy[one]);
    };
    let parts = ["in-key", "serial", "A'", "D", "Abar"];
    match name {
        "note: another wallet's key" => (open(reference, "alice", "commitment 1"), Reason::Tag),
        "note: another commitment" => (open(reference, "bob", "commitment 0"), Reason::Tag),
        "pay: last response" => {
            (pay_with(reference, |bytes, layout| bytes[layout.fields.last().unwrap().at.start] ^= 1), Reason::Failure)
        }
        "pay: range proof" => (flipped(reference, "range r1"), Reason::Failure),
        "pay: ct-note" | "pay: ct-self" | "pay: bucket" | "pay: fee" | "pay: nonce" | "pay: day" => {
            (flipped(reference, name.strip_prefix("pay: ").unwrap()), Reason::Failure)
        }
        "pay: trailing byte" => (pay_with(reference, |bytes, _| bytes.push(0)), decode(DecodeError::TrailingBytes)),
        "pay: truncated" => {
            (pay_with(reference, |bytes, _| bytes.truncate(bytes.len() - 1)), decode(DecodeError::Truncated))
        }
        "pay: scalar not reduced" => {
            let unreduced = |bytes: &mut Vec<u8>, layout: &Layout| bytes[layout.field("z 0").at.end - 1] |= 0xf0;
            (pay_with(reference, unreduced), decode(DecodeError::Scalar))
        }
        "pay: commitments exchanged" => (
            pay_with(reference, |bytes, layout| exchange(bytes, layout, ["commitment 0", "commitment 1"])),
            Reason::Failure,
        ),
        "pay: inputs out of order" => {
            let swap = |bytes: &mut Vec<u8>, layout: &Layout| {
                for part in parts {
                    exchange(bytes, layout, [&format!("coin 0 {part}"), &format!("coin 1 {part}")]);
                }
            };
            (pay_with(reference, swap), decode(DecodeError::Order))
        }
        "pay: the same coin twice" => {
            let repeat = |bytes: &mut Vec<u8>, layout: &Layout| {
                for part in parts {
                    let first = layout.field(&format!("coin 0 {part}")).at.clone();
                    bytes.copy_within(first, layout.field(&format!("coin 1 {part}")).at.start);
                }
            };
            (pay_with(reference, repeat), decode(DecodeError::Order))
        }
        "pay: Abar" => {
            let other = |bytes: &mut Vec<u8>, layout: &Layout| {
                let point = layout.field("coin 1 Abar").at.clone();
                bytes.copy_within(point, layout.field("coin 0 Abar").at.start);
            };
            (pay_with(reference, other), Reason::Failure)
        }
        "claim: M of another validity" => {
            let mut bytes = hex(&first(reference, "claim")["request"]);
            let layout = Layout::of(&bytes);
            bytes[layout.field("validity").at.start] ^= 1;
            (verify(reference, &bytes), Reason::Failure)
        }
        "pay: forged coins" => (forged_coins(), Reason::Failure),
        "answer: A" => (answer(reference, |bytes| bytes[0] ^= 1, expiry, false), decode(DecodeError::Point)),
        "answer: e" => (answer(reference, |bytes| bytes[32] ^= 1, expiry, false), Reason::Failure),
        "answer: delta" => (answer(reference, |bytes| bytes[64] ^= 1, expiry, false), Reason::Failure),
        "answer: dleq" => (answer(reference, |bytes| bytes[192] ^= 1, expiry, false), Reason::Failure),
        "answer: other expiry" => (answer(reference, |_| (), expiry + 1, false), Reason::Failure),
        "answer: other id" => (answer(reference, |_| (), expiry, true), Reason::Failure),
        other => panic!("nobody has made {other} again"),
    }
}

#[test]
fn all_refusals_of_the_vectors_are_refused() {
    let reference = Reference::read();
    let refused = reference.0["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 25);
    for refusal in refused {
        let name = refusal[0].as_str().unwrap();
        let (found, expected) = refuse(&reference, name);
        assert_eq!(found, Some(expected), "{name}, in the vectors: {}", refusal[1]);
    }
    assert_eq!(
        answer(
            &reference,
            |_| (),
            first(&reference, "pay")["added"]["expiry"].as_u64().unwrap().try_into().unwrap(),
            false
        ),
        None
    );
    assert_eq!(open(&reference, "bob", "commitment 1"), None);
}

#[test]
fn private_parts_are_of_their_own_transaction() {
    let mut town = Town::new("private");
    let alice = town.register("alice@bank.example");
    let registration = town.log[0].0.clone();
    let bytes = town.private[0].clone();
    let check = |bytes: &[u8]| RegisterOpening::from_bytes(bytes).map(|opening| opening.check(&registration));
    assert_eq!(check(&bytes), Ok(Ok(())));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert_ne!(check(&changed), Ok(Ok(())), "byte {at}");
        assert!(check(&bytes[..at]).is_err(), "cut at {at}");
    }
    assert!(check(&[&bytes[..], &[0]].concat()).is_err());
    let bob = town.register("bob@bank.example");
    let other = RegisterOpening::from_bytes(&town.private[1]).unwrap();
    assert!(other.check(&registration).is_err() && other.check(&town.log[1].0).is_ok());

    let coin = town.withdraw(&alice, 1000);
    town.redeem(&alice, [&coin], 400);
    for (number, transaction) in [(2, &town.log[2].0), (3, &town.log[3].0)] {
        let opening = town.private[number].clone();
        let check = |bytes: &[u8]| AccountOpening::from_bytes(bytes).map(|opening| opening.check(transaction.core()));
        assert_eq!(check(&opening), Ok(Ok(())));
        for at in 0..64 {
            let mut changed = opening.clone();
            changed[at] ^= 1;
            assert_ne!(check(&changed), Ok(Ok(())), "byte {at}");
        }
        let of_bob = [&AccountKey::of(&bob.keys).to_bytes(), &opening[32..]].concat();
        assert_eq!(check(&of_bob), Ok(Err(VerificationFailure)), "somebody else's account");
        assert_eq!(AccountOpening::from_bytes(&opening).unwrap().check(registration.core()), Err(VerificationFailure));
    }
    assert_ne!(town.private[2][32..], town.private[3][32..], "b is fresh, the same b would show the same account");
}

#[test]
fn an_account_proof_is_for_one_context_and_account() {
    let mut rng = Sequence::new("account");
    let keys = |name: u8| WalletKeys::new(&farthing_ecash::seed::Seed::from_bytes([name; 64]), "issuer.example");
    let (alice, bob) = (keys(1), keys(2));
    let account = AccountKey::of(&alice);
    let context = ProofContext::account_query(account, TODAY);
    let proof = AccountProof::prove(&context, &alice, &mut rng);
    assert!(proof.verify(&context, account).is_ok());
    assert!(proof.verify(&context, AccountKey::of(&bob)).is_err());
    assert!(proof.verify(&ProofContext::new([0; 32]), account).is_err());
    assert!(AccountProof::prove(&context, &bob, &mut rng).verify(&context, account).is_err());
    for at in 0..64 {
        let mut bytes = proof.to_bytes();
        bytes[at] ^= 1;
        assert!(AccountProof::from_bytes(&bytes).map_or(true, |proof| proof.verify(&context, account).is_err()));
    }
    assert_eq!(AccountKey::from_bytes([0; 32]).err(), Some(DecodeError::IdentityPoint));
}

#[test]
fn rules_are_of_their_policy_and_key() {
    let mut town = Town::new("rules");
    let signed = rule::sign_rules(town.ring.get(&town.key.id()).unwrap(), &town.policy, &mut town.rng);
    let bytes = signed.to_bytes();
    let check = |bytes: &[u8]| {
        SignedRules::from_bytes(bytes).map(|rules| rule::verify_rules(&town.key, &town.policy, &rules).is_ok())
    };
    assert_eq!(check(&bytes), Ok(true));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert_ne!(check(&changed), Ok(true), "byte {at}");
    }
    let other = Town::new("other rules");
    assert!(rule::verify_rules(&other.key, &town.policy, &signed).is_err());
    let mut terms = *town.policy.terms();
    terms.epoch += 1;
    let later = PolicyBody::new(terms, town.policy.rules().to_vec(), town.policy.file().to_vec()).unwrap();
    assert!(rule::verify_rules(&town.key, &later, &signed).is_err(), "rules are signed anew for each epoch");
}

#[test]
fn keys_are_read_strictly() {
    let town = Town::new("keys");
    let key = town.ring.get(&town.key.id()).unwrap();
    let (public, secret) = (town.key.to_bytes(), key.to_secret_bytes());
    assert_eq!(PublicKey::from_bytes(&public), Ok(town.key.clone()));
    assert_eq!(SigningKey::from_secret_bytes(&secret).unwrap().public(), &town.key);
    for at in 0..public.len() {
        let mut changed = public.clone();
        changed[at] ^= 1;
        assert_ne!(PublicKey::from_bytes(&changed).map(|key| key.id()), Ok(town.key.id()), "byte {at}");
        assert!(PublicKey::from_bytes(&public[..at]).is_err());
    }
    for at in 0..secret.len() - 32 {
        let mut changed = secret.to_vec();
        changed[at] ^= 1;
        let read = SigningKey::from_secret_bytes(&changed);
        assert!(read.is_err() || read.unwrap().public().id() != town.key.id(), "byte {at}");
        assert!(SigningKey::from_secret_bytes(&secret[..at]).is_err());
    }
}

/// What any decoder reads from these bytes it writes again as the same bytes. Yields how many could read them.
fn decode_all(bytes: &[u8], core: &Core) -> usize {
    let encoded = [
        Transaction::from_bytes(bytes).map(|it| it.as_bytes().to_vec()),
        Core::from_prefix(bytes).map(|(core, rest)| [core.to_bytes(), rest.to_vec()].concat()),
        Answer::from_bytes(core, bytes).map(|it| it.to_bytes()),
        AccountOpening::from_bytes(bytes).map(|it| it.to_bytes().to_vec()),
        NotePlaintext::from_bytes(bytes).map(|it| it.to_bytes().to_vec()),
        PolicyBody::from_bytes(bytes).map(|it| it.to_bytes()),
        SignedRules::from_bytes(bytes).map(|it| it.to_bytes()),
        PublicKey::from_bytes(bytes).map(|it| it.to_bytes()),
        SigningKey::from_secret_bytes(bytes).map(|it| it.to_secret_bytes().to_vec()),
        Entry::from_bytes(bytes).map(|it| it.to_bytes()),
        Credential::<Coin>::from_secret_bytes(bytes).map(|it| it.to_secret_bytes().to_vec()),
        Credential::<Note>::from_secret_bytes(bytes).map(|it| it.to_secret_bytes().to_vec()),
        Credential::<WalletState>::from_secret_bytes(bytes).map(|it| it.to_secret_bytes().to_vec()),
    ];
    // Private parts bring identities into canonical form.
    let private = RegisterOpening::from_bytes(bytes).map(|it| it.to_bytes());
    let read: Vec<_> = encoded.into_iter().flatten().collect();
    assert!(read.iter().all(|written| written == bytes));
    assert!(private.as_ref().map_or(true, |written| written.len() <= bytes.len()));
    read.len() + usize::from(private.is_ok())
}

#[test]
fn what_is_read_is_written_again() {
    let mut town = Town::new("decoders");
    let (alice, mut bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let note = town.note(&alice, &bob, 1_000);
    let (paid, answer) = town.log.last().unwrap().clone();
    let coin = town.claim(&mut bob, [&note], UNRESTRICTED);
    let signed = rule::sign_rules(town.signing_key(), &town.policy, &mut Sequence::new("rules"));
    let kind = EntryKind::Transaction(Statement::Pay);
    let entry = Entry::new(kind, TODAY, [paid.core_bytes(), &answer.to_bytes()].concat()).unwrap();
    let all: [(Vec<u8>, usize); 11] = [
        (paid.as_bytes().to_vec(), 2),
        (answer.to_bytes(), 1),
        (town.private[2].clone(), 1),
        (town.policy.to_bytes(), 1),
        (signed.to_bytes(), 1),
        (town.key.to_bytes(), 1),
        (town.signing_key().to_secret_bytes().to_vec(), 1),
        (entry.to_bytes(), 1),
        (coin.to_secret_bytes().to_vec(), 1),
        (note.to_secret_bytes().to_vec(), 1),
        (bob.state.to_secret_bytes().to_vec(), 1),
    ];
    for (number, (bytes, readers)) in all.iter().enumerate() {
        assert_eq!(decode_all(bytes, paid.core()), *readers, "{number}");
    }
    assert_eq!(decode_all(&town.private[0], paid.core()), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_never_make_a_decoder_panic(statement in 0u8..12, outputs in 0u8..10, bytes: Vec<u8>) {
        let core = Transaction::from_bytes(&hex(&first(&Reference::read(), "swap")["request"])).unwrap().core().clone();
        decode_all(&bytes, &core);
        decode_all(&[&[1, statement, outputs], bytes.as_slice()].concat(), &core);
        let proofs = bytes.first_chunk::<64>().map(|it| (SpentProof::from_bytes(it), AccountProof::from_bytes(it)));
        if let Some((Ok(spent), Ok(account))) = proofs {
            prop_assert_eq!(spent.to_bytes().to_vec(), &bytes[..64]);
            prop_assert_eq!(account.to_bytes().to_vec(), &bytes[..64]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any bit of any request.
    #[test]
    fn no_bit_of_a_request_is_free(vector in 0usize..19, at: prop::sample::Index, bit in 0u8..8) {
        let reference = Reference::read();
        let mut bytes = hex(&reference.vectors()[vector]["request"]);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(verify(&reference, &bytes).is_some(), "byte {at}");
    }

    /// A stretch of any request overwritten, cut out or put in twice.
    #[test]
    fn no_stretch_of_a_request_is_free(
        vector in 0usize..19,
        range: (prop::sample::Index, prop::sample::Index),
        noise in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let reference = Reference::read();
        let original = hex(&reference.vectors()[vector]["request"]);
        let (one, two) = (range.0.index(original.len()), range.1.index(original.len()));
        let mut bytes = original.clone();
        bytes.splice(one.min(two)..one.max(two), noise);
        prop_assert!(bytes == original || verify(&reference, &bytes).is_some());
    }
}
