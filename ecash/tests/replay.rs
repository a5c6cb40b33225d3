//! What a follower makes of logged transactions: honest ones of all kinds pass, and whatever is wrong is named.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

#[path = "town/layout.rs"]
mod layout;
#[path = "town/reference.rs"]
mod reference;
#[path = "town/town.rs"]
mod town;

use std::collections::BTreeMap;

use farthing_ecash::{
    credential::issue::{Addition, Answer},
    entry::{DirectoryEntry, Entry, EntryKind},
    keys::{KeyId, PublicKey},
    policy::{PolicyTerms, UNRESTRICTED},
    replay::{Fault, Logged, Refused, Replay, Replayed},
    spent::SpentProof,
    statement::Statement,
    transaction::Transaction,
};
use reference::{Reference, answer_bytes};
use town::{Sequence, TODAY, Town, amount};

/// An entry with its proof part and the terms of its policy, as a follower finds them.
struct Found {
    entry: Vec<u8>,
    proof: Vec<u8>,
    terms: Option<PolicyTerms>,
}

impl Found {
    fn new(transaction: &Transaction, answer: &[u8], terms: &PolicyTerms) -> Self {
        let statement = transaction.core().statement();
        let body = [transaction.core_bytes(), answer].concat();
        let entry = Entry::new(EntryKind::Transaction(statement), transaction.core().header().day, body).unwrap();
        let terms = (!statement.is_for_issuer()).then_some(*terms);
        Self { entry: entry.to_bytes(), proof: transaction.proof_bytes().to_vec(), terms }
    }

    fn read(&self) -> Option<Logged> {
        Logged::read(&Entry::from_bytes(&self.entry).ok()?, &self.proof).ok()
    }
}

fn replay(keys: &BTreeMap<KeyId, PublicKey>, found: &[&Found]) -> Result<Vec<Replayed>, Refused> {
    let mut replay = Replay::new(keys);
    for found in found {
        replay.queue(found.read().unwrap(), found.terms.as_ref());
    }
    replay.verify(&mut Sequence::new("replay"))
}

fn announced<'a>(keys: impl IntoIterator<Item = &'a PublicKey>) -> BTreeMap<KeyId, PublicKey> {
    keys.into_iter().map(|key| (key.id(), key.clone())).collect()
}

/// All ten statements, from the second implementation.
fn reference() -> (BTreeMap<KeyId, PublicKey>, Vec<Found>) {
    let reference = Reference::read();
    let terms = *reference.policy().terms();
    let found = reference.transactions().into_iter();
    let found = found.map(|(vector, it)| Found::new(&it, &answer_bytes(&vector), &terms));
    (announced([reference.signing_key().public()]), found.collect())
}

/// A town where money was withdrawn, paid, claimed, swapped and redeemed.
fn town(name: &str) -> Town {
    let mut town = Town::new(name);
    let (alice, mut bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let notes = [town.note(&alice, &bob, 1000), town.note(&alice, &bob, 2000)];
    let coin = town.claim(&mut bob, &notes, UNRESTRICTED);
    let coins = town.swap(&bob, [&coin], Some(500));
    town.redeem(&bob, &coins, 3000);
    town
}

fn found(town: &Town) -> Vec<Found> {
    let found = town.log.iter().map(|(it, answer)| Found::new(it, &answer.to_bytes(), town.policy.terms()));
    found.collect()
}

#[test]
fn all_statements_replay_without_the_issuing_key() {
    let (mut keys, mut all) = reference();
    let statements: std::collections::BTreeSet<_> =
        all.iter().map(|it| it.read().unwrap().core().statement()).collect();
    assert_eq!(statements.len(), 10);
    let town = town("replay");
    keys.extend(announced([&town.key]));
    all.extend(found(&town));
    let replayed = replay(&keys, &all.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(replayed.len(), all.len());
    for (found, replayed) in all.iter().zip(&replayed) {
        let logged = found.read().unwrap();
        assert_eq!((logged.id(), logged.core()), (replayed.id(), replayed.core()));
        assert_eq!(replayed.registration().is_some(), replayed.core().statement() == Statement::Register);
    }
    assert!(replay(&keys, &[]).unwrap().is_empty());

    // What remains is shown by one proof for all inputs under a key.
    let cores: Vec<_> = replayed.into_iter().map(Replayed::into_core).collect();
    let root = [7; 32];
    let proof = SpentProof::prove(town.signing_key(), &root, &cores, &mut Sequence::new("spent")).unwrap();
    assert!(proof.verify(&town.key, &root, &cores).is_ok());
    assert!(proof.verify(&town.key, &root, &cores[1..cores.len() - 1]).is_err());
}

/// Flips one bit of every byte of short entries and of every seventh of long ones, in the entry and in the proof part.
#[test]
fn no_byte_can_be_altered() {
    let (keys, all) = reference();
    for (number, honest) in all.iter().enumerate() {
        let lengths = [honest.entry.len(), honest.proof.len()];
        for (part, length) in lengths.into_iter().enumerate() {
            for at in (number % 7..length).step_by(7) {
                let mut entry = honest.entry.clone();
                let mut proof = honest.proof.clone();
                [&mut entry, &mut proof][part][at] ^= 1;
                let altered = Found { entry, proof, terms: honest.terms };
                // The logical day, bytes 1 to 4, is about the log and not about the transaction.
                if part == 0 && (1..5).contains(&at) {
                    continue;
                }
                if altered.read().is_some() {
                    assert!(replay(&keys, &[&altered]).is_err(), "transaction {number}, part {part}, byte {at}");
                }
            }
        }
    }
}

#[test]
fn the_first_bad_one_is_named() {
    let town = town("first");
    let keys = announced([&town.key]);
    let honest = found(&town);
    // A proof that does not hold, and an answer to another transaction of the same statement.
    let spoil_proof = |at: usize| {
        let Found { entry, mut proof, terms } = found(&town).swap_remove(at);
        let last = proof.len() - 32;
        proof[last] ^= 1;
        Found { entry, proof, terms }
    };
    let payments: Vec<_> =
        (0..honest.len()).filter(|at| town.log[*at].0.core().statement() == Statement::Pay).collect();
    let spoil_answer = |at: usize| {
        let other = payments.iter().find(|other| **other != at).unwrap();
        Found::new(&town.log[at].0, &town.log[*other].1.to_bytes(), town.policy.terms())
    };
    let check = |bad: &[(usize, &Found)], expected: (usize, Fault)| {
        let mut all: Vec<_> = honest.iter().collect();
        bad.iter().for_each(|(at, found)| all[*at] = found);
        let Err(Refused { index, fault }) = replay(&keys, &all) else { panic!("accepted") };
        assert_eq!((index, fault), expected);
    };
    for at in 0..honest.len() {
        check(&[(at, &spoil_proof(at))], (at, Fault::Proof));
    }
    let (one, other) = (payments[0], payments[1]);
    check(&[(one, &spoil_answer(one))], (one, Fault::Answer));
    check(&[(one, &spoil_answer(one)), (other, &spoil_proof(other))], (one, Fault::Answer));
    check(&[(one, &spoil_proof(one)), (other, &spoil_answer(other))], (one, Fault::Proof));
}

/// What is signed must have the expiry of the policy, the minimum holds, and an expired state shows.
#[test]
fn terms_of_another_policy_are_refused() {
    let town = town("terms");
    let keys = announced([&town.key]);
    let all = found(&town);
    let payment = all.iter().find(|it| it.read().unwrap().core().statement() == Statement::Pay).unwrap();
    let with = |change: &dyn Fn(&mut PolicyTerms)| {
        let mut terms = *town.policy.terms();
        change(&mut terms);
        let changed = Found { entry: payment.entry.clone(), proof: payment.proof.clone(), terms: Some(terms) };
        replay(&keys, &[&changed]).map(drop)
    };
    assert_eq!(with(&|_| {}), Ok(()));
    assert_eq!(with(&|terms| terms.months += 1), Err(Refused { index: 0, fault: Fault::Answer }));
    assert_eq!(with(&|terms| terms.minimum = amount(1_001)), Err(Refused { index: 0, fault: Fault::Proof }));
}

/// A claim of a day on which its wallet state was valid no more.
#[test]
fn an_expired_state_is_named() {
    let town = town("expired");
    let claim = found(&town).into_iter().find(|it| it.read().unwrap().core().statement() == Statement::Claim);
    let mut late = claim.unwrap();
    // After kind, logical day, version, statement, number of commitments and key stands the day of the statement.
    late.entry[5 + 3 + 32..][..4].copy_from_slice(&(TODAY.get() + 400).to_le_bytes());
    let outcome = replay(&announced([&town.key]), &[&late]).map(drop);
    assert_eq!(outcome, Err(Refused { index: 0, fault: Fault::Period }));
}

#[test]
fn keys_that_were_not_announced_are_refused() {
    let (honest, tagging) = (town("announced"), town("tagging"));
    let all = found(&tagging);
    let outcome = replay(&announced([&honest.key]), &[&all[0]]).map(drop);
    assert_eq!(outcome, Err(Refused { index: 0, fault: Fault::Key(tagging.key.id()) }));
    // The key of an input, too.
    let payment = all.iter().find(|it| it.read().unwrap().core().statement() == Statement::Pay).unwrap();
    let outcome = replay(&announced([&honest.key]), &[payment]).map(drop);
    assert_eq!(outcome, Err(Refused { index: 0, fault: Fault::Key(tagging.key.id()) }));
}

/// The signer answers with another class than the one it shows.
#[test]
fn what_a_registration_adds_is_what_the_answer_shows() {
    let mut town = Town::new("class");
    town.register("alice@bank.example");
    let (register, _) = &town.log[0];
    let verified = register.clone().verify(&town.ring, amount(0), &mut Sequence::new("verify")).unwrap();
    let addition = Addition::Registration { class: 2, validity: town.validity() };
    let answer = Answer::sign(town.signing_key(), &verified, addition, &mut Sequence::new("sign")).unwrap();
    let keys = announced([&town.key]);
    let honest = Found::new(register, &answer.to_bytes(), town.policy.terms());
    assert!(replay(&keys, &[&honest]).is_ok());
    let mut bytes = answer.to_bytes();
    let at = bytes.len() - 8;
    bytes[at] = 1;
    let shown = Found::new(register, &bytes, town.policy.terms());
    assert_eq!(replay(&keys, &[&shown]).map(drop), Err(Refused { index: 0, fault: Fault::Answer }));
}

#[test]
fn other_entries_are_no_transactions() {
    let town = town("other");
    let key = Entry::new(EntryKind::Key, TODAY, town.key.to_bytes()).unwrap();
    assert!(Logged::read(&key, &[]).is_err());
    let dweller = Town::new("entry").register("alice@bank.example");
    let body = DirectoryEntry { hash: [1; 32], key: dweller.keys.encryption_key() };
    assert!(Logged::read(&Entry::new(EntryKind::Directory, TODAY, body.to_bytes()).unwrap(), &[]).is_err());
    // A proof part that has bytes too many or too few.
    let all = found(&town);
    let entry = Entry::from_bytes(&all[0].entry).unwrap();
    assert!(Logged::read(&entry, &all[0].proof).is_ok());
    assert!(Logged::read(&entry, &all[0].proof[1..]).is_err());
    assert!(Logged::read(&entry, &[all[0].proof.as_slice(), &[0]].concat()).is_err());
    assert!(Logged::read(&entry, &[]).is_err());
}
