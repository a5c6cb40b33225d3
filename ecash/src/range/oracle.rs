//! The library's verifier as the oracle of ours: they agree on honest, changed and adversarial proofs, alone and in
//! batches. `FARTHING_LONG=1` tries a hundred thousand of them instead of some hundreds.
#![allow(clippy::unwrap_used)]

mod changes;

use curve25519_dalek::Scalar;
use getrandom::{SysRng, rand_core::UnwrapErr};
use tari_bulletproofs_plus::{
    commitment_opening::CommitmentOpening, range_proof::VerifyAction, range_witness::RangeWitness,
    ristretto::RistrettoRangeProof,
};

use super::{Challenges, RangeCheck, RangeOpening, RangeProof, Shape, VALUES_MAX, challenges, prove, verify::Ranged};
use crate::{
    encoding::{Point, Reader},
    params::Generator,
    sigma::batch::{Accumulator, Weights},
    statement::{Commitment, Ranges},
};

const COUNTERS: [Commitment; 4] = [Commitment::DDay, Commitment::DMonth, Commitment::Qd, Commitment::Qm];

/// The three shapes of range proof that there are.
const RANGES: [Ranges; 3] = [
    Ranges::Money(&[Commitment::Change]),
    Ranges::Money(&[Commitment::Change, Commitment::Note]),
    Ranges::Counters(&COUNTERS),
];

/// Random numbers from a seed that a failing test prints.
struct Dice {
    seed: u64,
    state: u64,
}

impl Dice {
    fn new() -> Self {
        let seed = std::env::var("FARTHING_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| getrandom::u64().unwrap());
        Self { seed, state: seed }
    }

    /// A number of 64 bits: splitmix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }

    fn bytes(&mut self) -> [u8; 32] {
        std::array::from_fn(|_| self.next().to_le_bytes()[0])
    }

    fn scalar(&mut self) -> Scalar {
        Scalar::from_bytes_mod_order(self.bytes())
    }

    /// A value that somebody could hope to get wrong.
    fn value(&mut self) -> u64 {
        let edges = [0, 1, 2, u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1];
        match self.below(10) {
            place @ 0..7 => edges[place],
            _ => self.next() >> self.below(64),
        }
    }
}

/// What a verifier is given.
#[derive(Clone)]
struct Case {
    ranges: Ranges,
    seed: [u8; 32],
    commitments: Vec<Point>,
    minimums: Vec<u64>,
    bytes: Vec<u8>,
}

impl Case {
    /// A proof by the library's prover of something false: the commitment at `place` that the transcript has holds `more` than
    /// the one that was opened. The challenges are right, so only the last equation can tell.
    fn false_at(ranges: Ranges, place: usize, more: Scalar, dice: &mut Dice) -> Self {
        let shape = Shape::of(ranges).unwrap();
        let (openings, mut commitments) = Self::openings(ranges, dice);
        let minimums: Vec<_> = openings.iter().map(|opening| opening.minimum).collect();
        let mut statement = shape.statement(&commitments, minimums.iter().copied());
        commitments[place] = Point::new(commitments[place].point() + Generator::Value.point() * more);
        statement.commitments_compressed[place] = commitments[place].compressed();
        let openings = openings.iter().map(|it| CommitmentOpening::new(it.value, it.masks.clone())).collect();
        let witness = RangeWitness::init(openings).unwrap();
        let seed = dice.bytes();
        let mut transcript = challenges::start(&seed);
        let rng = &mut UnwrapErr(SysRng);
        let proof = RistrettoRangeProof::prove_with_rng(&mut transcript, &statement, &witness, rng).unwrap();
        Self { ranges, seed, commitments, minimums, bytes: proof.to_bytes() }
    }

    /// An honest proof by the library's prover.
    fn honest(ranges: Ranges, dice: &mut Dice) -> Self {
        let (openings, commitments) = Self::openings(ranges, dice);
        let seed = dice.bytes();
        let proof = prove(ranges, &seed, &commitments, &openings, &mut UnwrapErr(SysRng)).unwrap().unwrap();
        let minimums = openings.iter().map(|opening| opening.minimum).collect();
        Self { ranges, seed, commitments, minimums, bytes: proof.as_bytes().to_vec() }
    }

    /// Random values with their commitments.
    fn openings(ranges: Ranges, dice: &mut Dice) -> (Vec<RangeOpening>, Vec<Point>) {
        let (Ranges::Money(names) | Ranges::Counters(names)) = ranges else { unreachable!() };
        let shape = Shape::of(ranges).unwrap();
        let openings: Vec<_> = names
            .iter()
            .map(|_| {
                let value = dice.value();
                let minimum = if dice.below(2) == 0 { 0 } else { dice.value().min(value) };
                RangeOpening { value, masks: shape.masks.iter().map(|_| dice.scalar()).collect(), minimum }
            })
            .collect();
        let commit = |opening: &RangeOpening| {
            let masks = shape.masks.iter().zip(&opening.masks).map(|(mask, scalar)| mask.point() * scalar);
            Point::new(
                masks.sum::<curve25519_dalek::RistrettoPoint>()
                    + Generator::Value.point() * Scalar::from(opening.value),
            )
        };
        let commitments = openings.iter().map(commit).collect();
        (openings, commitments)
    }
}

/// What the library says of a batch. It takes proofs of one degree only.
fn library(cases: &[&Case]) -> bool {
    let (money, counters): (Vec<&&Case>, Vec<&&Case>) =
        cases.iter().partition(|case| matches!(case.ranges, Ranges::Money(_)));
    [money, counters].into_iter().filter(|cases| !cases.is_empty()).all(|cases: Vec<&&Case>| {
        let proofs =
            cases.iter().map(|case| RistrettoRangeProof::from_bytes(&case.bytes)).collect::<Result<Vec<_>, _>>();
        let Ok(proofs) = proofs else { return false };
        let statements: Vec<_> = cases
            .iter()
            .map(|case| Shape::of(case.ranges).unwrap().statement(&case.commitments, case.minimums.iter().copied()))
            .collect();
        let mut transcripts: Vec<_> = cases.iter().map(|case| challenges::start(&case.seed)).collect();
        RistrettoRangeProof::verify_batch(&mut transcripts, &statements, &proofs, VerifyAction::VerifyOnly).is_ok()
    })
}

/// What we say of it.
fn ours(cases: &[&Case]) -> bool {
    let read = |case: &&Case| {
        let mut reader = Reader::new(&case.bytes);
        let proof = RangeProof::read(Shape::of(case.ranges)?, &mut reader).ok()?;
        reader.end().ok().map(|()| proof)
    };
    let Some(proofs) = cases.iter().map(read).collect::<Option<Vec<_>>>() else { return false };
    let checks: Vec<_> = cases
        .iter()
        .zip(&proofs)
        .map(|(case, proof)| {
            let mut commitments = [None; VALUES_MAX];
            for (number, slot) in commitments.iter_mut().enumerate().take(case.commitments.len()) {
                let (point, minimum) = (&case.commitments[number], case.minimums[number]);
                *slot = Some(Ranged { number: u16::try_from(number).unwrap(), point, minimum });
            }
            RangeCheck { shape: Shape::of(case.ranges).unwrap(), commitments, proof }
        })
        .collect();
    let challenges: Vec<_> =
        checks.iter().zip(cases).map(|(check, case)| check.challenges(&case.seed).unwrap()).collect();
    let mut inverses: Vec<_> = challenges.iter().flat_map(Challenges::to_invert).collect();
    Scalar::invert_batch_alloc(&mut inverses);
    let mut inverses = inverses.as_slice();
    let mut rng = UnwrapErr(SysRng);
    let mut weights = Weights::new(&mut rng);
    let mut sum = Accumulator::new();
    for ((check, challenges), case) in checks.iter().zip(&challenges).zip(cases) {
        let (own, rest) = inverses.split_at(challenges.inverses());
        sum.open(case.commitments.len());
        check.add(challenges, own, weights.next(), &mut sum).unwrap();
        sum.close(case.commitments.iter());
        inverses = rest;
    }
    sum.check().is_ok()
}

fn pool(of_each: usize, dice: &mut Dice) -> Vec<Case> {
    let all = (0..of_each).flat_map(|_| RANGES);
    all.map(|ranges| Case::honest(ranges, dice)).collect()
}

#[test]
fn honest_proofs_are_accepted_alone_and_together() {
    let mut dice = Dice::new();
    let pool = pool(3, &mut dice);
    for case in &pool {
        assert!(library(&[case]) && ours(&[case]), "seed {}", dice.seed);
    }
    let all: Vec<_> = pool.iter().collect();
    assert!(library(&all) && ours(&all), "seed {}", dice.seed);
}

/// Each proof alone, and every few of them together with honest ones.
#[test]
fn both_verifiers_agree() {
    let (proofs, of_each) = if std::env::var_os("FARTHING_LONG").is_some() { (100_000, 60) } else { (600, 4) };
    let mut dice = Dice::new();
    let pool = pool(of_each, &mut dice);
    let (mut tried, mut accepted, mut batches, mut accepted_batches) = (0, 0, 0, 0);
    while tried < proofs {
        let mut batch = Vec::new();
        for _ in 0..=dice.below(7) {
            let honest = &pool[dice.below(pool.len())];
            let (what, case) = changes::change(honest, &pool, &mut dice);
            let verdict = library(&[&case]);
            assert_eq!(ours(&[&case]), verdict, "alone, {what}, seed {}", dice.seed);
            tried += 1;
            accepted += usize::from(verdict);
            // Rarely more than one bad one, or no batch would be good.
            if verdict || (batch.iter().all(|(_, good)| *good) && dice.below(3) == 0) {
                batch.push((case, verdict));
            } else {
                batch.push((honest.clone(), true));
            }
        }
        let together: Vec<_> = batch.iter().map(|(case, _)| case).collect();
        let verdict = library(&together);
        assert_eq!(verdict, batch.iter().all(|(_, good)| *good), "the library itself, seed {}", dice.seed);
        assert_eq!(ours(&together), verdict, "a batch of {}, seed {}", together.len(), dice.seed);
        batches += 1;
        accepted_batches += usize::from(verdict);
    }
    println!("{tried} proofs, {accepted} of them accepted; {batches} batches, {accepted_batches} of them accepted");
    assert!(accepted > 0 && accepted < tried && accepted_batches > 0 && accepted_batches < batches);
}

/// False statements proved under the right challenges are refused, alone and next to one that is wrong by the opposite.
#[test]
fn false_statements_are_refused() {
    let mut dice = Dice::new();
    for ranges in RANGES {
        let honest = Case::honest(ranges, &mut dice);
        for place in 0..honest.commitments.len() {
            assert!(ours(&[&Case::false_at(ranges, place, Scalar::ZERO, &mut dice)]));
            for more in [Scalar::ONE, Scalar::from(dice.next()), dice.scalar()] {
                let (above, below) =
                    (Case::false_at(ranges, place, more, &mut dice), Case::false_at(ranges, place, -more, &mut dice));
                for batch in [&[&above][..], &[&below], &[&above, &below], &[&honest, &above]] {
                    assert!(!ours(batch) && !library(batch), "seed {}", dice.seed);
                }
            }
        }
    }
}

/// One response too large in one proof and too small in its twin: unweighted, the errors would cancel.
#[test]
fn errors_do_not_cancel() {
    let mut dice = Dice::new();
    for honest in pool(2, &mut dice) {
        let scalars = Shape::of(honest.ranges).unwrap().masks.len();
        for place in 0..scalars {
            let shifted = |by: Scalar| {
                let mut case = honest.clone();
                let at = 1 + 32 * place..33 + 32 * place;
                let scalar = Scalar::from_canonical_bytes(case.bytes[at.clone()].try_into().unwrap()).unwrap();
                case.bytes[at].copy_from_slice((scalar + by).as_bytes());
                case
            };
            let (more, less) = (shifted(Scalar::ONE), shifted(-Scalar::ONE));
            assert!(!ours(&[&more, &less]) && !library(&[&more, &less]));
            assert!(ours(&[&honest, &honest]));
        }
    }
}
