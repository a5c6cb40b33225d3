//! What the cryptography costs on one core: `cargo bench -p farthing-ecash`. Each figure is the median of several runs;
//! the floor beside it is what its points and its signing operations cost by themselves, measured in the same run, so
//! that machines can be compared. `--profile dist` measures what operators run.
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
    verify::{BatchVerifier, Verified},
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

/// What a processor cannot avoid, measured in the same run, in µs.
struct Floor {
    decompress: f64,
    /// Per point of a sum of 2,048.
    sum: f64,
    /// A point multiplied in constant time.
    multiply: f64,
    /// The same by a table of the point's multiples.
    table: f64,
    /// A public point multiplied by a public scalar.
    public: f64,
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

impl Floor {
    fn measure() -> Self {
        let points: Vec<_> = (1..=2048u32).map(|n| RistrettoPoint::mul_base(&Scalar::from(n))).collect();
        let scalars: Vec<_> = (1..=2048u32).map(|n| Scalar::from(n).invert()).collect();
        let (point, scalar, encoded) = (points[7], scalars[9], points[7].compress());
        Self {
            decompress: micros(median(|| encoded.decompress())),
            sum: micros(median(|| RistrettoPoint::vartime_multiscalar_mul(&scalars, &points))) / 2048.0,
            multiply: micros(median(|| black_box(point) * black_box(scalar))),
            table: micros(median(|| RistrettoPoint::mul_base(black_box(&scalar)))),
            public: micros(median(|| RistrettoPoint::vartime_multiscalar_mul([&scalar], [&point]))),
        }
    }

    /// To read points and have them in a large sum.
    fn points(&self, points: u32) -> f64 {
        f64::from(points) * (self.decompress + self.sum)
    }

    /// To sign: per output `(x + e)^-1·B` and `δ·H_serial`; for all of them `A*` of public weights, `x·A*`, `n·A*`, `n·G`.
    fn sign(&self, outputs: u32) -> f64 {
        let outputs = f64::from(outputs);
        outputs * (self.multiply + self.table) + (outputs - 1.0) * self.public + 2.0 * self.multiply + self.table
    }

    fn print(&self) {
        println!("| primitive | µs |\n|---|---|");
        println!("| read a point | {:.2} |", self.decompress);
        println!("| a sum of 2,048 points, per point | {:.2} |", self.sum);
        println!("| multiply a point, constant time | {:.2} |", self.multiply);
        println!("| the same by a table | {:.2} |", self.table);
        println!("| multiply a public point | {:.2} |", self.public);
        println!("\n| operation | µs | floor | ratio |\n|---|---|---|---|");
    }
}

/// Points of a payment of `n` coins: three per input and two commitments, two `T` per input and two, 17 of the range proof.
const fn pay_points(n: u32) -> u32 {
    3 * n + 2 + 2 * n + 2 + 17
}

/// Points of a claim of `n` notes, with wallet state and rule: eight commitments, twelve lines, 19 of the range proof.
const fn claim_points(n: u32) -> u32 {
    3 * (n + 2) + 8 + 2 * (n + 2) + 12 + 19
}

fn line(name: &str, time: Duration) {
    println!("| {name} | {:.1} | | |", micros(time));
}

fn line_over(name: &str, time: Duration, floor: f64) {
    println!("| {name} | {:.1} | {floor:.1} | {:.2} |", micros(time), micros(time) / floor);
}

fn build_pay(town: &Town, payer: &Dweller, payee: &Dweller, coins: &[Credential<Coin>]) -> Transaction {
    let key = payee.keys.encryption_key();
    let header = town.header();
    pay::request(&header, &town.policy, &payer.keys, coins, &payment(payee, &key, 1_000), &mut rng()).unwrap()
}

fn decode(requests: &[Vec<u8>]) -> Vec<Transaction> {
    requests.iter().map(|bytes| Transaction::from_bytes(bytes).unwrap()).collect()
}

fn verify(town: &Town, transactions: Vec<Transaction>) -> Vec<Verified> {
    let mut batch = BatchVerifier::new(&town.ring);
    for transaction in transactions {
        batch.queue(transaction, town.minimum());
    }
    batch.verify(&mut rng()).ok().unwrap()
}

fn sign(town: &Town, verified: &[Verified]) -> Vec<Answer> {
    let requests: Vec<_> = verified.iter().map(|it| (it, town.addition(it.core()))).collect();
    let answers = Answer::sign_batch(town.signing_key(), &requests, &mut rng());
    answers.into_iter().map(Result::unwrap).collect()
}

/// What the redeemer does with requests of one kind, in batches of several sizes: decode, verify, sign, and all of it.
fn redeem(town: &Town, name: &str, requests: &[Transaction], sizes: &[u32], points: u32, floor: &Floor) {
    let bytes: Vec<_> = requests.iter().map(|it| it.as_bytes().to_vec()).collect();
    for n in sizes {
        let bytes = &bytes[..*n as usize];
        let name = |what: &str| format!("{name}, in batches of {n}: {what}");
        let read = median(|| decode(bytes)) / *n;
        let decoded = decode(bytes);
        // A verifier consumes its transactions, so each time there are others.
        let check = (median(|| verify(town, decoded.clone())).saturating_sub(median(|| decoded.clone()))) / *n;
        let verified = verify(town, decoded);
        let answer = median(|| sign(town, &verified)) / *n;
        line_over(&name("decode"), read, f64::from(points) * floor.decompress);
        line_over(&name("verify"), check, f64::from(points) * floor.sum);
        line_over(&name("sign"), answer, floor.sign(2));
        line_over(&name("all"), read + check + answer, floor.points(points) + floor.sign(2));
    }
}

/// What a follower does with payments, without the issuing key.
fn follow(town: &Town, payments: &[Transaction], sizes: &[u32]) {
    let answers = sign(town, &verify(town, payments.to_vec()));
    let logged: Vec<_> = payments
        .iter()
        .zip(&answers)
        .map(|(payment, answer)| {
            let body = [payment.core_bytes(), &answer.to_bytes()].concat();
            let entry = Entry::new(EntryKind::Transaction(Statement::Pay), payment.core().header().day, body).unwrap();
            (entry, payment.proof_bytes())
        })
        .collect();
    let keys = BTreeMap::from([(town.key.id(), town.key.clone())]);
    line("follower: read a payment", median(|| Logged::read(&logged[0].0, logged[0].1).unwrap()));
    for n in sizes {
        let time = median(|| {
            let mut replay = Replay::new(&keys);
            for (entry, proof) in &logged[..*n as usize] {
                replay.queue(Logged::read(entry, proof).unwrap(), Some(town.policy.terms()));
            }
            replay.verify(&mut rng()).unwrap()
        });
        line(&format!("follower: read and replay payments, in batches of {n}"), time / *n);
    }
}

fn main() {
    let mut town = Town::new("bench");
    let (alice, bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let coins = [town.withdraw(&alice, 500_000), town.withdraw(&alice, 600_000)];
    let notes: Vec<_> = (0..64).map(|n| town.note(&alice, &bob, 1_000 + n)).collect();
    let floor = Floor::measure();
    floor.print();

    // The redeemer.
    let pay = |coins: &[_]| build_pay(&town, &alice, &bob, coins);
    let rule = town.rule(CLASS, UNRESTRICTED);
    let claim =
        |n: usize| claim::request(&town.header(), &bob.keys, &notes[..n], &bob.state, rule, &mut rng()).unwrap();
    let payments: Vec<_> = (0..256).map(|_| pay(&coins[..1])).collect();
    redeem(&town, "payment, 1 coin", &payments, &[1, 8, 64, 256], pay_points(1), &floor);
    follow(&town, &payments, &[1, 64, 256]);
    let payments: Vec<_> = (0..64).map(|_| pay(&coins)).collect();
    redeem(&town, "payment, 2 coins", &payments, &[1, 64], pay_points(2), &floor);
    let claims: Vec<_> = (0..64).map(|_| claim(1)).collect();
    redeem(&town, "claim, 1 note", &claims, &[1, 64], claim_points(1), &floor);
    let claims: Vec<_> = (0..4).map(|_| claim(64)).collect();
    redeem(&town, "claim, 64 notes", &claims, &[1, 4], claim_points(64), &floor);

    // The wallet.
    line("wallet: build a payment, 1 coin", median(|| pay(&coins[..1])));
    line("wallet: build a payment, 2 coins", median(|| pay(&coins)));
    line("wallet: build a claim, 1 note", median(|| claim(1)));
    line("wallet: build a claim, 64 notes", median(|| claim(64)));

    // Delivery.
    let one = pay(&coins[..1]);
    let answer = sign(&town, &verify(&town, vec![one.clone()])).remove(0);
    let finish = || pay::finish(one.core(), &answer, &town.key, town.expiry(), &alice.keys).unwrap();
    line("wallet: check an answer of two outputs", median(finish));
    let (key, core, bytes) = (bob.keys.encryption_key(), one.core(), one.core_bytes());
    let ct_note = &core.delivery().unwrap().ct_note;
    // C_note stands before ct-self, ct-note and the bucket.
    let commitment: [u8; 32] = bytes[bytes.len() - (4 + 1_507 + 73 + 32)..][..32].try_into().unwrap();
    let plain = open_note(bob.keys.opening_key(), &town.key.id(), &commitment, ct_note).unwrap();
    line("seal a note", median(|| seal_note(&key, &town.key.id(), &commitment, &plain, &mut rng())));
    let open = |dweller: &Dweller| open_note(dweller.keys.opening_key(), &town.key.id(), &commitment, ct_note).is_ok();
    assert!(open(&bob) && !open(&alice));
    line("open a note", median(|| open(&bob)));
    line("try a note of somebody else", median(|| open(&alice)));
    let pid = bob.identity.pid();
    let receive = || note::receive(core, &answer, &town.key, town.expiry(), &bob.keys, &pid).unwrap();
    line("receive a note: open it and check the answer", median(receive));
}
