//! What the cryptography costs on one core: `cargo bench -p farthing-ecash`. Each figure is the median of several runs;
//! the ratios compare it with primitives measured in the same run, so that machines can be compared.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

#[path = "../tests/town/town.rs"]
mod town;

use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{Duration, Instant},
};

use curve25519_dalek::{RistrettoPoint, Scalar, traits::VartimeMultiscalarMul};
use farthing_ecash::{
    claim,
    coin::Coin,
    credential::{Credential, issue::Answer},
    entry::{Entry, EntryKind},
    note, pay,
    policy::UNRESTRICTED,
    replay::{Logged, Replay},
    seal::{open_note, seal_note},
    statement::Statement,
    transaction::Transaction,
    verify::BatchVerifier,
};
use getrandom::{SysRng, rand_core::UnwrapErr};
use town::{CLASS, Dweller, Town, payment};

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// How long this thread has been running on a processor, so that other work on the machine counts for little. Where
/// Linux does not say it, the time of day has to do.
fn processor_time(start: Instant) -> Duration {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = schedstat.and_then(|line| line.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// The median time of one call, of seven runs of about a fifth of a second.
fn median<T>(mut work: impl FnMut() -> T) -> Duration {
    let start = Instant::now();
    black_box(work());
    let calls = (Duration::from_millis(200).as_nanos() / start.elapsed().as_nanos().max(1)).clamp(1, 40_000);
    let calls = u32::try_from(calls).unwrap();
    let mut runs: Vec<_> = (0..7)
        .map(|_| {
            let before = processor_time(start);
            (0..calls).for_each(|_| drop(black_box(work())));
            (processor_time(start) - before) / calls
        })
        .collect();
    runs.sort_unstable();
    runs[runs.len() / 2]
}

/// What is printed, and the primitives that it is compared with, in µs.
struct Table {
    decompress: f64,
    multiply: f64,
}

impl Table {
    fn line(&self, name: &str, time: Duration) {
        let micros = time.as_secs_f64() * 1e6;
        println!("| {name} | {micros:.1} | {:.0} | {:.0} |", micros / self.decompress, micros / self.multiply);
    }
}

/// A point read, and a point in a sum of 2,048.
fn primitives() -> Table {
    let points: Vec<_> = (1..=2048u32).map(|n| RistrettoPoint::mul_base(&Scalar::from(n))).collect();
    let scalars: Vec<_> = (1..=2048u32).map(|n| Scalar::from(n).invert()).collect();
    let encoded = points[7].compress();
    let decompress = median(|| encoded.decompress());
    let sum = median(|| RistrettoPoint::vartime_multiscalar_mul(&scalars, &points)) / 2048;
    let table = Table { decompress: decompress.as_secs_f64() * 1e6, multiply: sum.as_secs_f64() * 1e6 };
    println!("| operation | µs | in points read | in points of a 2,048-point sum |\n|---|---|---|---|");
    println!("| read a point | {:.2} | 1 | |", table.decompress);
    println!("| a sum of 2,048 points, per point | {:.2} | | 1 |", table.multiply);
    table
}

fn build_pay(town: &Town, payer: &Dweller, payee: &Dweller, coins: &[Credential<Coin>]) -> Transaction {
    let key = payee.keys.encryption_key();
    let header = town.header();
    pay::request(&header, &town.policy, &payer.keys, coins, &payment(payee, &key, 1_000), &mut rng()).unwrap()
}

fn verify(town: &Town, transactions: &[Transaction]) {
    let mut batch = BatchVerifier::new(&town.ring);
    for transaction in transactions {
        batch.queue(transaction.clone(), town.minimum());
    }
    assert!(batch.verify(&mut rng()).is_ok());
}

fn main() {
    let mut town = Town::new("bench");
    let (alice, bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let coins = [town.withdraw(&alice, 500_000), town.withdraw(&alice, 600_000)];
    let notes: Vec<_> = (0..64).map(|n| town.note(&alice, &bob, 1_000 + n)).collect();
    let table = primitives();

    // The wallet.
    table.line("wallet: build a payment, 1 coin", median(|| build_pay(&town, &alice, &bob, &coins[..1])));
    table.line("wallet: build a payment, 2 coins", median(|| build_pay(&town, &alice, &bob, &coins)));
    let rule = town.rule(CLASS, UNRESTRICTED);
    let claim =
        |n: usize| claim::request(&town.header(), &bob.keys, &notes[..n], &bob.state, rule, &mut rng()).unwrap();
    table.line("wallet: build a claim, 1 note", median(|| claim(1)));
    table.line("wallet: build a claim, 64 notes", median(|| claim(64)));

    // The redeemer.
    let one = build_pay(&town, &alice, &bob, &coins[..1]);
    let bytes = one.as_bytes();
    table.line("decode a payment, 1 coin", median(|| Transaction::from_bytes(bytes).unwrap()));
    let payments: Vec<_> = (0..256).map(|_| build_pay(&town, &alice, &bob, &coins[..1])).collect();
    for n in [1u32, 8, 64, 256] {
        let time = median(|| verify(&town, &payments[..n as usize])) / n;
        table.line(&format!("verify payments in batches of {n}, each"), time);
    }
    for n in [1, 64] {
        let claim = [claim(n)];
        let bytes = claim[0].as_bytes();
        table.line(&format!("decode a claim, {n} notes"), median(|| Transaction::from_bytes(bytes).unwrap()));
        table.line(&format!("verify a claim, {n} notes"), median(|| verify(&town, &claim)));
    }
    let claims: Vec<_> = (0..64).map(|_| claim(1)).collect();
    table.line("verify claims of 1 note in batches of 64, each", median(|| verify(&town, &claims)) / 64);
    let verified = one.clone().verify(&town.ring, town.minimum(), &mut rng()).unwrap();
    let addition = town.addition(verified.core().statement());
    let sign = || Answer::sign(town.signing_key(), &verified, addition, &mut rng()).unwrap();
    table.line("issue two outputs", median(sign));

    let answer = sign();

    // A follower, without the issuing key.
    let logged: Vec<_> = payments
        .iter()
        .map(|payment| {
            let verified = payment.clone().verify(&town.ring, town.minimum(), &mut rng()).unwrap();
            let answer = Answer::sign(town.signing_key(), &verified, addition, &mut rng()).unwrap();
            let body = [payment.core_bytes(), &answer.to_bytes()].concat();
            let entry = Entry::new(EntryKind::Transaction(Statement::Pay), payment.core().header().day, body).unwrap();
            (entry, payment.proof_bytes())
        })
        .collect();
    let keys = BTreeMap::from([(town.key.id(), town.key.clone())]);
    table.line("follower: read a payment", median(|| Logged::read(&logged[0].0, logged[0].1).unwrap()));
    for n in [1u32, 64, 256] {
        let time = median(|| {
            let mut replay = Replay::new(&keys);
            for (entry, proof) in &logged[..n as usize] {
                replay.queue(Logged::read(entry, proof).unwrap(), Some(town.policy.terms()));
            }
            replay.verify(&mut rng()).unwrap()
        });
        table.line(&format!("follower: read and replay payments in batches of {n}, each"), time / n);
    }
    // Delivery.
    let finish = || pay::finish(one.core(), &answer, &town.key, town.expiry(), &alice.keys).unwrap();
    table.line("wallet: check an answer of two outputs", median(finish));
    let (key, core, bytes) = (bob.keys.encryption_key(), one.core(), one.core_bytes());
    let ct_note = &core.delivery().unwrap().ct_note;
    // C_note stands before ct-self, ct-note and the bucket.
    let commitment: [u8; 32] = bytes[bytes.len() - (4 + 1_507 + 73 + 32)..][..32].try_into().unwrap();
    let plain = open_note(bob.keys.opening_key(), &town.key.id(), &commitment, ct_note).unwrap();
    table.line("seal a note", median(|| seal_note(&key, &town.key.id(), &commitment, &plain, &mut rng())));
    let open = |dweller: &Dweller| open_note(dweller.keys.opening_key(), &town.key.id(), &commitment, ct_note).is_ok();
    assert!(open(&bob) && !open(&alice));
    table.line("open a note", median(|| open(&bob)));
    table.line("try a note of somebody else", median(|| open(&alice)));
    let pid = bob.identity.pid();
    let receive = || note::receive(core, &answer, &town.key, town.expiry(), &bob.keys, &pid).unwrap();
    table.line("receive a note: open it and check the answer", median(receive));
}
