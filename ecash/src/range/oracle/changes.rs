//! What an adversary may do to a proof.

use curve25519_dalek::{RistrettoPoint, Scalar, ristretto::CompressedRistretto};

use super::{Case, Dice};
use crate::{encoding::Point, params::Generator};

/// The order of the group: the least number that is no canonical scalar.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

type Change = fn(&mut Case, &[Case], &mut Dice);

/// A proof changed in one way, and the way's name.
pub(super) fn change(honest: &Case, pool: &[Case], dice: &mut Dice) -> (&'static str, Case) {
    const CHANGES: [(&str, Change); 16] = [
        ("nothing", |_, _, _| {}),
        ("a bit of the proof", |case, _, dice| {
            let at = dice.below(case.bytes.len());
            case.bytes[at] ^= 1 << dice.below(8);
        }),
        ("an element of another kind of bytes", |case, _, dice| {
            let bytes = match dice.below(5) {
                0 => [0; 32],
                1 => [0xff; 32],
                2 => ORDER,
                3 => dice.bytes(),
                _ => Scalar::ONE.to_bytes(),
            };
            let at = element(case, dice);
            case.bytes[at..at + 32].copy_from_slice(&bytes);
        }),
        ("an element that is a random point or scalar", |case, _, dice| {
            let scalar = dice.scalar();
            let at = element(case, dice);
            let bytes =
                if dice.below(2) == 0 { scalar.to_bytes() } else { RistrettoPoint::mul_base(&scalar).compress().0 };
            case.bytes[at..at + 32].copy_from_slice(&bytes);
        }),
        ("an element negated", |case, _, dice| {
            let at = element(case, dice);
            let bytes = elements(case, at);
            // Where both can be read, the scalar.
            let negated = Option::<Scalar>::from(Scalar::from_canonical_bytes(bytes))
                .map(|scalar| (-scalar).to_bytes())
                .or_else(|| Some((-CompressedRistretto(bytes).decompress()?).compress().0));
            case.bytes[at..at + 32].copy_from_slice(&negated.unwrap());
        }),
        ("an element that is one larger", |case, _, dice| {
            let at = element(case, dice);
            let bytes = elements(case, at);
            let larger = CompressedRistretto(bytes)
                .decompress()
                .map(|point| (point + Generator::Value.point()).compress().0)
                .unwrap_or_else(|| (Scalar::from_bytes_mod_order(bytes) + Scalar::ONE).to_bytes());
            case.bytes[at..at + 32].copy_from_slice(&larger);
        }),
        ("two elements exchanged", |case, _, dice| {
            let (one, other) = (element(case, dice), element(case, dice));
            let (first, second) = (elements(case, one), elements(case, other));
            case.bytes[one..one + 32].copy_from_slice(&second);
            case.bytes[other..other + 32].copy_from_slice(&first);
        }),
        ("an element of another proof", |case, pool, dice| {
            let other = &pool[dice.below(pool.len())];
            let at = element(case, dice);
            let from = if other.bytes.len() == case.bytes.len() { at } else { element(other, dice) };
            case.bytes[at..at + 32].copy_from_slice(&elements(other, from));
        }),
        ("another's proof", |case, pool, dice| case.bytes.clone_from(&pool[dice.below(pool.len())].bytes)),
        ("cut off or followed by more", |case, _, dice| match dice.below(4) {
            0 => case.bytes.truncate(dice.below(case.bytes.len())),
            1 => case.bytes.truncate(case.bytes.len() - 64),
            2 => case.bytes.extend(dice.bytes()),
            _ => case.bytes.extend([Generator::G.encoding().0; 2].concat()),
        }),
        ("another degree", |case, _, dice| case.bytes[0] = [0, 1, 2, 5, 6, 7, 0xff][dice.below(7)]),
        ("another seed", |case, pool, dice| match dice.below(2) {
            0 => case.seed = pool[dice.below(pool.len())].seed,
            _ => case.seed[dice.below(32)] ^= 1 << dice.below(8),
        }),
        ("another promise", |case, _, dice| {
            let place = dice.below(case.minimums.len());
            let minimum = &mut case.minimums[place];
            *minimum = match dice.below(4) {
                0 => minimum.wrapping_add(1),
                1 => minimum.wrapping_sub(1),
                2 => 0,
                _ => dice.value(),
            };
        }),
        ("other commitments", |case, pool, dice| {
            let place = dice.below(case.commitments.len());
            match dice.below(3) {
                0 => case.commitments.reverse(),
                1 => case.commitments[place] = pool[dice.below(pool.len())].commitments[0],
                _ => {
                    let generator = [Generator::Value, Generator::Blind, Generator::Expiry][dice.below(3)];
                    case.commitments[place] = Point::new(case.commitments[place].point() + generator.point());
                }
            }
        }),
        // The same value above the promise: only the transcript tells.
        ("commitment and promise moved together", |case, _, dice| {
            let place = dice.below(case.commitments.len());
            let by = dice.next() >> 32;
            case.minimums[place] = case.minimums[place].wrapping_add(by);
            let moved = case.commitments[place].point() + Generator::Value.point() * Scalar::from(by);
            case.commitments[place] = Point::new(moved);
        }),
        // Another proof of the same shape with its own statement, but this one's seed, promises or commitments.
        ("parts of two statements", |case, pool, dice| {
            let other = &pool[dice.below(pool.len())];
            if other.ranges == case.ranges {
                case.bytes.clone_from(&other.bytes);
                match dice.below(3) {
                    0 => (case.commitments, case.seed) = (other.commitments.clone(), other.seed),
                    1 => (case.commitments, case.minimums) = (other.commitments.clone(), other.minimums.clone()),
                    _ => (case.minimums, case.seed) = (other.minimums.clone(), other.seed),
                }
            }
        }),
    ];
    let mut case = honest.clone();
    let (name, change) = CHANGES[dice.below(CHANGES.len())];
    change(&mut case, pool, dice);
    (name, case)
}

/// Where one of the proof's points or scalars begins.
fn element(case: &Case, dice: &mut Dice) -> usize {
    1 + 32 * dice.below((case.bytes.len() - 1) / 32)
}

fn elements(case: &Case, at: usize) -> [u8; 32] {
    case.bytes[at..at + 32].try_into().unwrap()
}
