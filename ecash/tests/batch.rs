//! A batch passes if and only if each of its transactions passes alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

#[path = "town/layout.rs"]
mod layout;
#[path = "town/reference.rs"]
mod reference;
#[path = "town/town.rs"]
mod town;

use std::sync::LazyLock;

use farthing_ecash::{
    amount::Amount,
    credential::issue::{Addition, Answer},
    keys::{KeyRing, SigningKey},
    policy::UNRESTRICTED,
    transaction::Transaction,
    verify::BatchVerifier,
};
use layout::{Form, Layout};
use proptest::prelude::*;
use reference::Reference;
use town::{Sequence, Town, amount};

struct Member {
    transaction: Transaction,
    minimum: Amount,
    good: bool,
}

/// Good and bad transactions of all kinds under two keys.
struct Pool {
    ring: KeyRing,
    members: Vec<Member>,
}

static POOL: LazyLock<Pool> = LazyLock::new(|| {
    let reference = Reference::read();
    let mut town = Town::new("batch");
    let (alice, mut bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let notes = [town.note(&alice, &bob, 1000), town.note(&alice, &bob, 2000)];
    let coin = town.claim(&mut bob, &notes, UNRESTRICTED);
    let coins = town.swap(&bob, [&coin], Some(500));
    town.redeem(&bob, &coins, 3000);
    let copy = SigningKey::from_secret_bytes(&town.signing_key().to_secret_bytes()).unwrap();
    let ring = KeyRing::new([copy, reference.signing_key()]);

    let of_reference = reference.transactions().into_iter().map(|(_, it)| (it, reference.policy().terms().minimum));
    let of_town = town.log.iter().map(|(it, _)| (it.clone(), town.minimum()));
    let mut members = Vec::new();
    for (transaction, minimum) in of_reference.chain(of_town) {
        for bad in bad(&transaction) {
            members.push(Member { transaction: bad, minimum, good: false });
        }
        members.push(Member { transaction, minimum, good: true });
    }
    Pool { ring, members }
});

/// Variants that decode and do not verify: one of every kind of field.
fn bad(honest: &Transaction) -> Vec<Transaction> {
    let layout = Layout::of(honest.as_bytes());
    let mut found = Vec::new();
    for (form, in_range) in [(Form::Bytes, false), (Form::Point, false), (Form::Point, true), (Form::Scalar, false)] {
        let of_form = layout
            .fields
            .iter()
            .filter(|field| field.form == form && field.at.start >= 3 && field.name.starts_with("range ") == in_range);
        let changed = of_form.rev().filter_map(|field| {
            let mut bytes = honest.as_bytes().to_vec();
            if form == Form::Point {
                // Twice the point is a point again.
                let other = layout.fields.iter().find(|other| other.form == form && other.name != field.name)?;
                bytes.copy_within(other.at.clone(), field.at.start);
            } else {
                bytes[field.at.start] ^= 1;
            }
            Transaction::from_bytes(&bytes).ok().filter(|_| bytes != honest.as_bytes())
        });
        found.extend(changed.take(2));
    }
    found
}

#[test]
fn the_pool_is_what_it_says() {
    let pool = &*POOL;
    let mut rng = Sequence::new("alone");
    for member in &pool.members {
        let alone = member.transaction.clone().verify(&pool.ring, member.minimum, &mut rng);
        assert_eq!(alone.is_ok(), member.good, "{:?}", member.transaction.core().statement());
    }
    let good = pool.members.iter().filter(|member| member.good).count();
    assert!(good > 25 && pool.members.len() - good > 100, "{good} of {}", pool.members.len());
    assert!(pool.members.iter().any(|member| member.minimum == amount(100)));
}

fn verify(members: &[&Member], seed: &str) -> bool {
    let mut batch = BatchVerifier::new(&POOL.ring);
    for member in members {
        batch.queue(member.transaction.clone(), member.minimum);
    }
    let ids = |transactions: Vec<&Transaction>| transactions.iter().map(|it| it.id()).collect::<Vec<_>>();
    let expected = ids(members.iter().map(|member| &member.transaction).collect());
    match batch.verify(&mut Sequence::new(seed)) {
        Ok(verified) => {
            assert_eq!(ids(verified.iter().map(|it| it.transaction()).collect()), expected);
            true
        }
        Err(queue) => {
            assert_eq!(ids(queue.iter().map(|(it, _)| it).collect()), expected, "given back as they came");
            false
        }
    }
}

#[test]
fn all_good_ones_together_pass_and_an_empty_batch_too() {
    let good: Vec<_> = POOL.members.iter().filter(|member| member.good).collect();
    assert!(verify(&good, "all good"));
    assert!(verify(&[], "none"));
}

/// One bad transaction among all good ones, each bad one in its turn.
#[test]
fn one_bad_one_spoils_the_batch() {
    let good: Vec<_> = POOL.members.iter().filter(|member| member.good).take(6).collect();
    for (number, bad) in POOL.members.iter().filter(|member| !member.good).enumerate() {
        let mut members = good.clone();
        members.insert(number % 7, bad);
        assert!(!verify(&members, "one bad"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_batch_passes_iff_each_passes_alone(
        picks in prop::collection::vec((any::<prop::sample::Index>(), prop::bool::weighted(0.9)), 0..12),
        seed: u64,
    ) {
        let good: Vec<_> = POOL.members.iter().filter(|member| member.good).collect();
        let members: Vec<_> = picks
            .iter()
            .map(|(index, safe)| if *safe { good[index.index(good.len())] } else { &POOL.members[index.index(POOL.members.len())] })
            .collect();
        prop_assert_eq!(verify(&members, &seed.to_string()), members.iter().all(|member| member.good));
    }
}

/// The same signatures as alone, each with a proof that holds; one that must not be signed spoils no other.
#[test]
fn signing_together_is_signing_one_by_one() {
    let mut town = Town::new("signing");
    let (alice, mut bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let note = town.note(&alice, &bob, 1000);
    let coin = town.claim(&mut bob, &[note], UNRESTRICTED);
    town.swap(&bob, [&coin], Some(500));
    let mut rng = Sequence::new("answers");
    let verified: Vec<_> = town
        .log
        .iter()
        .map(|(transaction, _)| transaction.clone().verify(&town.ring, town.minimum(), &mut rng).unwrap())
        .collect();
    assert!(verified.len() >= 6);
    let additions: Vec<_> = verified.iter().map(|it| town.addition(it.core())).collect();
    for odd in [None, Some(0), Some(verified.len() / 2), Some(verified.len() - 1)] {
        let mut requests: Vec<_> = verified.iter().zip(additions.iter().copied()).collect();
        if let Some(odd) = odd {
            requests[odd].1 = match requests[odd].1 {
                Addition::None => Addition::Expiry(town.expiry()),
                _ => Addition::None,
            };
        }
        let answers = Answer::sign_batch(town.signing_key(), &requests, &mut rng);
        assert_eq!(answers.len(), requests.len());
        for (number, ((verified, addition), answer)) in requests.iter().zip(answers).enumerate() {
            let Ok(answer) = answer else {
                assert_eq!(odd, Some(number));
                continue;
            };
            assert_ne!(odd, Some(number));
            answer.check(verified.core(), *addition, &town.key).unwrap();
            let alone = Answer::sign(town.signing_key(), verified, *addition, &mut rng).unwrap();
            let signatures = |answer: &Answer| {
                let (bytes, tail) = (answer.to_bytes(), if answer.registration().is_some() { 72 } else { 64 });
                bytes[..bytes.len() - tail].to_vec()
            };
            assert_eq!(signatures(&alone), signatures(&answer));
        }
    }
    assert!(Answer::sign_batch(town.signing_key(), &[], &mut rng).is_empty());
}
