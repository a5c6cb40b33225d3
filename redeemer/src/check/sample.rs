//! A transaction to be verified in tests: good, or with one bit of a response changed.
#![allow(clippy::unwrap_used)]

use std::sync::LazyLock;

use farthing_ecash::{
    amount::{Amount, Currency},
    calendar::Day,
    credential::issue::Addition,
    keys::{KeyDates, KeyRing, SigningKey},
    seed::{Seed, WalletKeys},
    transaction::Transaction,
    withdraw,
};
use getrandom::{SysRng, rand_core::UnwrapErr};

use super::Candidate;

struct Sample {
    keys: KeyRing,
    good: Transaction,
    bad: Transaction,
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let rng = &mut UnwrapErr(SysRng);
    let dates = KeyDates {
        first: Day::new(100),
        last_issue: Day::new(200),
        accept_until: Day::new(300),
        exchange_until: Day::new(400),
    };
    let key = SigningKey::generate(Currency::new("EUR", 2).unwrap(), dates, rng).unwrap();
    let (seed, _) = Seed::generate(rng);
    let wallet = WalletKeys::new(&seed, "test");
    // Cheap to verify, since it has no ranges; the queue does not care that a redeemer never gets one.
    let (good, _) = withdraw::request(key.public().id(), Day::new(150), &wallet, Amount::new(7), 0, rng).unwrap();
    let mut bytes = good.as_bytes().to_vec();
    let place = bytes.len() - 32;
    bytes[place] ^= 1;
    Sample { keys: KeyRing::new([key]), bad: Transaction::from_bytes(&bytes).unwrap(), good }
});

pub(super) fn keys() -> &'static KeyRing {
    &SAMPLE.keys
}

fn candidate_of(transaction: &Transaction) -> Candidate {
    Candidate { transaction: transaction.clone(), minimum: Amount::ZERO, addition: Addition::None, sender: None }
}

pub(super) fn candidate() -> Candidate {
    candidate_of(&SAMPLE.good)
}

pub(super) fn bad_candidate() -> Candidate {
    candidate_of(&SAMPLE.bad)
}
