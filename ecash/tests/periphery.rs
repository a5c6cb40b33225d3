//! Amounts, days, identities, ciphertexts, policies and log entries against the vectors of an independent
//! implementation.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, non_snake_case)]

use std::convert::Infallible;

use farthing_ecash::{
    amount::Amount,
    calendar::{Day, Month},
    entry::{DirectoryEntry, Entry, EntryKind, leaf_hash},
    error::DecodeError,
    identity::{Identity, Pid},
    keys::KeyId,
    policy::{PolicyBody, PolicyTerms, REFUND_ONLY, RuleLine, SignedRules, UNLIMITED, UNRESTRICTED},
    seal::{
        CT_NOTE_LENGTH, EncryptionKey, Memo, NotePlaintext, OpenError, OpeningKey, SelfPlaintext, open_note, open_self,
        seal_note, seal_self,
    },
    seed::{Nonce, Seed, WalletKeys},
    statement::Statement,
};
use proptest::prelude::*;
use rand_core::{TryCryptoRng, TryRng};
use serde_json::Value;

/// Yields given bytes in place of randomness.
struct Replay(Vec<u8>);

impl TryRng for Replay {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        let rest = self.0.split_off(bytes.len());
        bytes.copy_from_slice(&self.0);
        self.0 = rest;
        Ok(())
    }
}

impl TryCryptoRng for Replay {}

fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    unhex(value).try_into().unwrap()
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/reference.json")).unwrap()
}

fn transactions(vectors: &Value) -> &Vec<Value> {
    vectors["transactions"].as_array().unwrap()
}

fn transcript<'a>(transaction: &'a Value, label: &str) -> &'a Value {
    &transaction["transcript"].as_array().unwrap().iter().find(|entry| entry[0] == label).unwrap()[1]
}

fn key_id(vectors: &Value) -> KeyId {
    KeyId::new(array(&vectors["key"]["id"]))
}

fn wallet(vectors: &Value, name: &str) -> WalletKeys {
    let wallet = &vectors["wallets"][name];
    WalletKeys::new(&Seed::from_bytes(array(&wallet["seed"])), wallet["origin"].as_str().unwrap())
}

fn statement(transaction: &Value) -> Statement {
    Statement::ALL.into_iter().find(|one| transaction["statement"] == one.name()).unwrap()
}

#[test]
fn identities_have_the_canonical_form_and_pid_of_the_vectors() {
    for identity in vectors()["identities"].as_array().unwrap() {
        let parsed = Identity::parse(identity[0].as_str().unwrap()).unwrap();
        assert_eq!(parsed.as_str(), identity[1]);
        assert_eq!(parsed.pid().to_bytes(), array(&identity[2]));
        assert_eq!(Pid::from_bytes(array(&identity[2])), Ok(parsed.pid()));
    }
}

#[test]
fn days_lie_in_the_months_of_the_vectors() {
    for pair in vectors()["months"].as_array().unwrap() {
        let day = Day::new(u32::try_from(pair[0].as_u64().unwrap()).unwrap());
        assert_eq!(u64::from(day.month().get()), pair[1].as_u64().unwrap());
    }
}

#[test]
fn the_policy_has_the_bytes_and_hash_of_the_vectors() {
    let vectors = vectors();
    let bytes = unhex(&vectors["policy"]["bytes"]);
    let rule =
        |class, purpose, purpose_out, day_cap, month_cap| RuleLine { class, purpose, purpose_out, day_cap, month_cap };
    let terms = PolicyTerms { epoch: 3, fee: Amount::new(5), minimum: Amount::new(100), months: 2, bucket_bits: 0 };
    let rules = vec![
        rule(1, UNRESTRICTED, UNRESTRICTED, Amount::new(10_000_000), Amount::new(150_000_000)),
        rule(2, 7, UNRESTRICTED, UNLIMITED, UNLIMITED),
    ];
    let policy = PolicyBody::new(terms, rules, b"version = 1\n".to_vec()).unwrap();
    assert_eq!(policy.to_bytes(), bytes);
    assert_eq!(policy.hash().as_bytes(), &array::<32>(&vectors["policy"]["hash"]));
    assert_eq!(PolicyBody::from_bytes(&bytes), Ok(policy));
}

#[test]
fn a_policy_outside_the_limits_is_refused() {
    let terms = PolicyTerms { epoch: 1, fee: Amount::ZERO, minimum: Amount::ZERO, months: 2, bucket_bits: 32 };
    let line = RuleLine { class: 1, purpose: 2, purpose_out: REFUND_ONLY, day_cap: UNLIMITED, month_cap: UNLIMITED };
    let full = PolicyBody::new(terms, vec![line; 256], vec![b'#'; 32_768]).unwrap();
    assert_eq!(PolicyBody::from_bytes(&full.to_bytes()), Ok(full.clone()));
    assert!(Entry::new(EntryKind::Policy, Day::new(0), full.to_bytes()).is_ok());

    assert_eq!(PolicyBody::new(terms, vec![line; 257], vec![]), Err(DecodeError::Count));
    assert_eq!(PolicyBody::new(terms, vec![], vec![]), Err(DecodeError::Count));
    assert_eq!(PolicyBody::new(terms, vec![line], vec![0; 32_769]), Err(DecodeError::Field("policy file")));
    let narrow = PolicyTerms { bucket_bits: 33, ..terms };
    assert_eq!(PolicyBody::new(narrow, vec![line], vec![]), Err(DecodeError::Field("bucket bits")));

    let bytes = full.to_bytes();
    let changed = |at: usize, to: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        PolicyBody::from_bytes(&bytes)
    };
    assert_eq!(changed(0, &[2]), Err(DecodeError::UnknownCode));
    assert_eq!(changed(25, &[33]), Err(DecodeError::Field("bucket bits")));
    assert_eq!(changed(26, &257u32.to_le_bytes()), Err(DecodeError::Count));
    assert_eq!(changed(30 + 256 * 28, &32_769u32.to_le_bytes()), Err(DecodeError::Field("policy file")));
    assert_eq!(changed(30 + 256 * 28, &32_767u32.to_le_bytes()), Err(DecodeError::TrailingBytes));
    assert_eq!(PolicyBody::from_bytes(&[&bytes, [0].as_slice()].concat()), Err(DecodeError::TrailingBytes));
    for length in (0..bytes.len()).step_by(97) {
        assert_eq!(PolicyBody::from_bytes(&bytes[..length]), Err(DecodeError::Truncated));
    }
}

fn signed_rules(vectors: &Value) -> Vec<u8> {
    let policy = &vectors["policy"];
    let rules = policy["rules"].as_array().unwrap();
    let mut bytes = [unhex(&vectors["key"]["id"]), unhex(&policy["hash"])].concat();
    bytes.extend((rules.len() as u32).to_le_bytes());
    bytes.extend(rules.iter().flat_map(|rule| [unhex(&rule[0]), unhex(&rule[1])].concat()));
    bytes.extend(unhex(&policy["dleq"]));
    bytes
}

#[test]
fn signed_rules_are_read_strictly() {
    let vectors = vectors();
    let bytes = signed_rules(&vectors);
    let rules = SignedRules::from_bytes(&bytes).unwrap();
    assert_eq!(rules.key(), key_id(&vectors));
    assert_eq!(rules.policy(), PolicyBody::from_bytes(&unhex(&vectors["policy"]["bytes"])).unwrap().hash());
    assert_eq!(rules.to_bytes(), bytes);

    let changed = |at: usize, to: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        SignedRules::from_bytes(&bytes).unwrap_err()
    };
    assert_eq!(changed(64, &0u32.to_le_bytes()), DecodeError::Count);
    assert_eq!(changed(64, &257u32.to_le_bytes()), DecodeError::Count);
    assert_eq!(changed(64, &1u32.to_le_bytes()), DecodeError::TrailingBytes);
    assert_eq!(changed(64, &u32::MAX.to_le_bytes()), DecodeError::Count);
    assert_eq!(changed(68, &[0xff; 32]), DecodeError::Point);
    assert_eq!(changed(68, &[0; 32]), DecodeError::IdentityPoint);
    assert_eq!(changed(100, &[0xff; 32]), DecodeError::Scalar);
    assert_eq!(changed(bytes.len() - 64, &[0xff; 32]), DecodeError::Scalar);
    assert_eq!(changed(bytes.len() - 32, &[0xff; 32]), DecodeError::Scalar);
    assert_eq!(SignedRules::from_bytes(&bytes[..bytes.len() - 1]), Err(DecodeError::Truncated));
}

/// One note of the vectors with what is needed to open it.
struct Note<'a> {
    transaction: &'a Value,
    commitment: [u8; 32],
    sealed: [u8; CT_NOTE_LENGTH],
}

fn notes(vectors: &Value) -> Vec<Note<'_>> {
    let payments = transactions(vectors).iter().filter(|transaction| transaction.get("note").is_some());
    payments
        .map(|transaction| Note {
            transaction,
            commitment: array(transcript(transaction, "C_note")),
            sealed: array(transcript(transaction, "ct-note")),
        })
        .collect()
}

#[test]
fn notes_are_opened_and_sealed_again_to_the_byte() {
    let (vectors, key) = (vectors(), key_id(&vectors()));
    let bob = wallet(&vectors, "bob");
    let notes = notes(&vectors);
    assert_eq!(notes.len(), 5);
    for Note { transaction, commitment, sealed } in notes {
        let note =
            open_note(&OpeningKey::new(&array(&transaction["note"]["kem"])), &key, &commitment, &sealed).ok().unwrap();
        let witness = |name: &str| unhex(&transaction["witness_values"][name]);
        let bytes = note.to_bytes();
        assert_eq!(witness("v"), [note.value().get().to_le_bytes().as_slice(), &[0; 24]].concat());
        assert_eq!(witness("u"), [note.purpose().to_le_bytes().as_slice(), &[0; 28]].concat());
        assert_eq!(bytes[13..45], witness("rho"));
        assert_eq!(bytes[45..77], witness("f"));
        assert_eq!(bytes[81..113], witness("t2"));
        assert_eq!(Some(u64::from(note.expiry().get())), transaction["note"]["eps"].as_u64());
        assert_eq!(note.expiry(), Day::new(20777).month().plus(2));

        let mut seed = Replay(unhex(&transaction["note"]["encaps_seed"]));
        assert_eq!(seal_note(&bob.encryption_key(), &key, &commitment, &note, &mut seed), sealed);
        assert!(seed.0.is_empty());
    }
}

#[test]
fn a_note_opens_for_its_payee_key_and_commitment_only() {
    let (vectors, key) = (vectors(), key_id(&vectors()));
    let (alice, bob) = (wallet(&vectors, "alice"), wallet(&vectors, "bob"));
    let refused: Vec<_> = vectors["refused"].as_array().unwrap().iter().filter(|case| case[1] == "tag").collect();
    assert_eq!(refused.len(), 2);
    let notes = notes(&vectors);
    let Note { commitment, sealed, .. } = &notes[0];
    let outcome = |wallet: &WalletKeys, key: &KeyId, commitment: &[u8; 32], sealed: &[u8; CT_NOTE_LENGTH]| {
        open_note(wallet.opening_key(), key, commitment, sealed).err()
    };
    assert_eq!(outcome(&bob, &key, commitment, sealed), None);
    assert_eq!(outcome(&alice, &key, commitment, sealed), Some(OpenError::Tag));
    assert_eq!(outcome(&bob, &key, &notes[1].commitment, sealed), Some(OpenError::Tag));
    assert_eq!(outcome(&bob, &KeyId::new([0; 32]), commitment, sealed), Some(OpenError::Tag));
    for at in [0, 1087, 1088, 1119, 1120, 1490, 1491, 1506] {
        let mut changed = *sealed;
        changed[at] ^= 1;
        assert_eq!(outcome(&bob, &key, commitment, &changed), Some(OpenError::Tag), "byte {at}");
    }
}

#[test]
fn a_note_to_nobody_has_the_same_form() {
    let (vectors, key) = (vectors(), key_id(&vectors()));
    let Note { transaction, commitment, sealed } = &notes(&vectors)[0];
    let note = open_note(&OpeningKey::new(&array(&transaction["note"]["kem"])), &key, commitment, sealed).ok().unwrap();
    let nobody = EncryptionKey::throw_away(&mut Replay(vec![3; 32]));
    assert!(nobody != EncryptionKey::throw_away(&mut Replay(vec![4; 32])));
    let sealed = seal_note(&nobody, &key, commitment, &note, &mut Replay(vec![5; 64]));
    for name in ["alice", "bob"] {
        assert_eq!(
            open_note(wallet(&vectors, name).opening_key(), &key, commitment, &sealed).err(),
            Some(OpenError::Tag)
        );
    }
}

#[test]
fn a_note_is_read_strictly() {
    let vectors = vectors();
    let Note { transaction, commitment, sealed } = &notes(&vectors)[0];
    let note = open_note(&OpeningKey::new(&array(&transaction["note"]["kem"])), &key_id(&vectors), commitment, sealed)
        .ok()
        .unwrap();
    let mut bytes = note.to_bytes().to_vec();
    let memo = "Grüße — 50 €";
    bytes[113..115].copy_from_slice(&(memo.len() as u16).to_le_bytes());
    bytes[115..].fill(0);
    bytes[115..115 + memo.len()].copy_from_slice(memo.as_bytes());
    let note = NotePlaintext::from_bytes(&bytes).ok().unwrap();
    assert_eq!(note.memo().as_str(), memo);
    assert_eq!(*note.to_bytes(), bytes);

    let changed = |at: usize, to: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        NotePlaintext::from_bytes(&bytes).err().unwrap()
    };
    assert_eq!(changed(0, &[2]), DecodeError::UnknownCode);
    for at in [13, 45, 81] {
        assert_eq!(changed(at, &[0xff; 32]), DecodeError::Scalar);
    }
    assert_eq!(changed(113, &257u16.to_le_bytes()), DecodeError::Field("memo length"));
    assert_eq!(changed(113, &3u16.to_le_bytes()), DecodeError::Field("memo"));
    assert_eq!(changed(113, &2u16.to_le_bytes()), DecodeError::Field("memo padding"));
    assert_eq!(changed(370, &[1]), DecodeError::Field("memo padding"));
    assert_eq!(changed(115, &[0xff]), DecodeError::Field("memo"));
    let error = |bytes: &[u8]| NotePlaintext::from_bytes(bytes).err().unwrap();
    assert_eq!(error(&[&bytes, [0].as_slice()].concat()), DecodeError::TrailingBytes);
    for length in 0..bytes.len() {
        assert_eq!(error(&bytes[..length]), DecodeError::Truncated);
    }
}

#[test]
fn memos_have_a_limit_in_bytes() {
    assert_eq!(Memo::new(&"é".repeat(128)).ok().unwrap().as_str().len(), 256);
    assert_eq!(Memo::new(&"é".repeat(129)).err().unwrap().length, 258);
}

/// The table of `docs/WIRE.md` section 4, filled from the witnesses of the vectors.
#[test]
fn self_ciphertexts_are_those_of_the_vectors() {
    let (vectors, key) = (vectors(), key_id(&vectors()));
    let wallets = ["alice", "bob"].map(|name| wallet(&vectors, name));
    for transaction in transactions(&vectors) {
        let nonce = Nonce::new(array(transcript(transaction, "nonce")));
        let sealed = array(transcript(transaction, "ct-self"));
        let opened: Vec<_> =
            wallets.iter().filter_map(|wallet| open_self(wallet.self_key(), &nonce, &key, &sealed).ok()).collect();
        let [plaintext] = opened.as_slice() else { panic!("exactly one wallet made it") };
        let witness = |name: &str| array::<32>(&transaction["witness_values"][name]);
        let number = |name: &str| u64::from_le_bytes(witness(name)[..8].try_into().unwrap());
        let sum = || {
            let witnesses = transaction["witness_values"].as_object().unwrap();
            witnesses.keys().filter(|name| name.starts_with("v.")).map(|name| number(name)).sum::<u64>()
        };
        let public = |label: &str| {
            let mut bytes = unhex(transcript(transaction, label));
            bytes.resize(8, 0);
            u64::from_le_bytes(bytes.try_into().unwrap())
        };
        let totals = || {
            let mut aux = [0; 32];
            aux[..8].copy_from_slice(&(number("d'") + sum()).to_le_bytes());
            aux[8..16].copy_from_slice(&(number("m'") + sum()).to_le_bytes());
            aux
        };
        let statement = statement(transaction);
        let (purpose, value_1, value_2, expiry, aux) = match statement {
            Statement::Register => (0, 0, 0, 0, witness("pid")),
            Statement::Withdraw => (public("purpose"), public("amount"), 0, 0, [0; 32]),
            Statement::Pay => (number("u"), sum() - number("v") - public("fee"), number("v"), 0, witness("pid")),
            Statement::Claim => (number("u_out"), sum(), 0, 0, totals()),
            Statement::Refund => (number("u_in"), sum(), 0, 0, totals()),
            Statement::Redeem => (0, sum() - public("amount"), 0, 0, [0; 32]),
            Statement::Swap if transaction["witness_values"].get("v1").is_none() => (number("u"), sum(), 0, 0, [0; 32]),
            Statement::Swap => (number("u"), number("v1"), sum() - number("v1"), 0, [0; 32]),
            Statement::Split => {
                let expiry = transaction["added"]["expiry"].as_u64().unwrap();
                (number("u"), number("v1"), number("v") - number("v1"), expiry, witness("f"))
            }
            Statement::SplitExpired => (number("u"), number("v1"), number("v") - number("v1"), 0, witness("pid")),
            Statement::Renew => {
                let mut aux = [0; 32];
                aux[..8].copy_from_slice(&number("d_tot").to_le_bytes());
                aux[8..16].copy_from_slice(&number("m_tot").to_le_bytes());
                aux[16..20].copy_from_slice(&witness("day")[..4]);
                aux[20..24].copy_from_slice(&witness("month")[..4]);
                (0, 0, 0, 0, aux)
            }
        };
        let expected = SelfPlaintext {
            kind: statement,
            purpose: purpose as u32,
            value_1: Amount::new(value_1),
            value_2: Amount::new(value_2),
            expiry: Month::new(expiry as u32),
            aux,
        };
        assert!(*plaintext == expected, "{}", statement.name());
        let resealed = wallets.iter().any(|wallet| seal_self(wallet.self_key(), &nonce, &key, &expected) == sealed);
        assert!(resealed, "{}", statement.name());
    }
}

#[test]
fn a_self_ciphertext_opens_under_its_nonce_and_key_id_only() {
    let (vectors, key) = (vectors(), key_id(&vectors()));
    let alice = wallet(&vectors, "alice");
    let transaction = &transactions(&vectors)[4];
    let nonce = Nonce::new(array(transcript(transaction, "nonce")));
    let sealed: [u8; 73] = array(transcript(transaction, "ct-self"));
    let error = |nonce: &Nonce, key: &KeyId, sealed: &[u8; 73]| open_self(alice.self_key(), nonce, key, sealed).err();
    assert_eq!(error(&nonce, &key, &sealed), None);
    assert_eq!(error(&Nonce::new([0; 24]), &key, &sealed), Some(OpenError::Tag));
    assert_eq!(error(&nonce, &KeyId::new([0; 32]), &sealed), Some(OpenError::Tag));
    for at in 0..sealed.len() {
        let mut changed = sealed;
        changed[at] ^= 0x80;
        assert_eq!(error(&nonce, &key, &changed), Some(OpenError::Tag));
    }
}

/// The core and the answer of a transaction as they stand in its entry. The vectors leave the class and validity at the
/// end of the answer to a registration to "added".
fn entry_of(transaction: &Value) -> (Entry, Vec<u8>) {
    let request = unhex(&transaction["request"]);
    let (core, proof) = request.split_at(usize::try_from(transaction["core_length"].as_u64().unwrap()).unwrap());
    let mut body = [core, &unhex(&transaction["answer"])].concat();
    if transaction["statement"] == "register" {
        for name in ["class", "validity"] {
            body.extend(u32::try_from(transaction["added"][name].as_u64().unwrap()).unwrap().to_le_bytes());
        }
    }
    let day = Day::new(u32::from_le_bytes(core[35..39].try_into().unwrap()));
    (Entry::new(EntryKind::Transaction(statement(transaction)), day, body).unwrap(), proof.to_vec())
}

#[test]
fn leaves_are_those_of_the_vectors() {
    use sha2::{Digest, Sha256};
    for transaction in transactions(&vectors()) {
        let (entry, proof) = entry_of(transaction);
        let bytes = entry.to_bytes();
        assert_eq!(leaf_hash(&bytes, Some(&proof)), array::<32>(&transaction["leaf"]), "{}", transaction["statement"]);
        assert_eq!(Entry::from_bytes(&bytes), Ok(entry.clone()));

        let leaf = entry.leaf(Some(&Sha256::digest(&proof).into()));
        let hash: [u8; 32] = Sha256::digest([&[0], leaf.as_slice()].concat()).into();
        assert_eq!(hash, array::<32>(&transaction["leaf"]));
    }
}

#[test]
fn entries_of_every_kind_are_read_strictly() {
    let (vectors, day) = (vectors(), Day::new(20777));
    let directory = DirectoryEntry {
        hash: Identity::parse("bob@bank.example").unwrap().pid().directory_hash(),
        key: wallet(&vectors, "bob").encryption_key(),
    };
    assert_eq!(DirectoryEntry::from_bytes(&directory.to_bytes()), Ok(directory.clone()));
    let mut key = vec![1, 3];
    key.extend(b"EUR\x06");
    key.extend(unhex(&vectors["key"]["X"]));
    for name in ["first_day", "last_issue", "accept_until", "exchange_until"] {
        key.extend(u32::try_from(vectors["key"][name].as_u64().unwrap()).unwrap().to_le_bytes());
    }
    let grant = [unhex(&vectors["key"]["X"]), vec![9; 12]].concat();
    let policy = unhex(&vectors["policy"]["bytes"]);
    for (kind, code, body) in [
        (EntryKind::Directory, 32, directory.to_bytes()),
        (EntryKind::Grant, 33, grant),
        (EntryKind::Key, 34, key),
        (EntryKind::Policy, 35, policy),
        (EntryKind::Rules, 36, signed_rules(&vectors)),
        (EntryKind::Calendar, 37, vec![6, 0, 0, 0]),
    ] {
        let entry = Entry::new(kind, day, body.clone()).unwrap();
        assert_eq!((entry.kind(), entry.day(), entry.body()), (kind, day, body.as_slice()));
        let bytes = entry.to_bytes();
        assert_eq!(bytes, [&[code, 0x29, 0x51, 0, 0], body.as_slice()].concat());
        assert_eq!(entry.leaf(None), bytes);
        assert_eq!(Entry::from_bytes(&bytes), Ok(entry));
        assert_eq!(Entry::new(kind, day, body[..body.len() - 1].to_vec()), Err(DecodeError::Truncated));
        assert_eq!(Entry::new(kind, day, [&body, [0].as_slice()].concat()), Err(DecodeError::TrailingBytes));
    }
    for code in [0, 11, 31, 38, 255] {
        assert_eq!(Entry::from_bytes(&[code, 0, 0, 0, 0, 1, code]), Err(DecodeError::UnknownCode));
    }
    let pay = EntryKind::Transaction(Statement::Pay);
    assert_eq!(Entry::new(pay, day, vec![1, 4]), Err(DecodeError::UnknownCode));
    assert_eq!(Entry::new(pay, day, vec![2, 3]), Err(DecodeError::UnknownCode));
    assert_eq!(Entry::new(pay, day, vec![1]), Err(DecodeError::Truncated));
}

#[test]
fn a_leaf_has_at_most_65535_bytes() {
    let pay = EntryKind::Transaction(Statement::Pay);
    let body = |length: usize| [vec![1, 3], vec![0; length - 2]].concat();
    let longest = Entry::new(pay, Day::new(1), body(65_498)).unwrap();
    assert_eq!(longest.leaf(Some(&[0; 32])).len(), 65_535);
    assert_eq!(Entry::new(pay, Day::new(1), body(65_499)), Err(DecodeError::Field("entry length")));
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(code in prop::sample::select(vec![3u8, 32, 33, 34, 35, 36]), tail: Vec<u8>) {
        let bytes = [&[code, 0, 0, 0, 0, 1], tail.as_slice()].concat();
        if let Ok(entry) = Entry::from_bytes(&bytes) {
            prop_assert_eq!(entry.to_bytes(), bytes);
        }
    }
}
