//! The check of a range proof, as one weighted equation more of its batch.
//!
//! With `n = 64m` bits, challenges `y`, `z`, `u_j` of round `j` and `e`, and weight `w`, the proof holds if this is zero:
//!
//! ```text
//! w·B + w·e·A1 + w·e²·(A + Σ u_j²·L_j + u_j^-2·R_j + Σ z^2j·y^(n+1)·(C_j − minimum_j·H_value))
//!   − w·Σ d_k·mask_k − w·(r1·s1·y + e²·(y^(n+1)·z·(2^64 − 1)·Σ z^2j + (z² − z)·Σ y^i))·H_value
//!   − Σ (w·e·r1·y^-i·s_i + w·e²·z)·G_i
//!   − Σ (w·e·s1·s_(n−1−i) − w·e²·(z² ^ (1 + i/64)·2^(i mod 64)·y^(n−i) + z))·H_i
//! ```
//!
//! where `s_i` is the product of all `u_j` or their inverses, by the bits of `i`. The sign of the library's sum is turned
//! round, so that the weight of `B` stays as short as it was drawn.

use curve25519_dalek::Scalar;

use super::{BITS, Challenges, ROUNDS_MAX, RangeProof, Shape, VALUES_MAX};
use crate::{
    amount::Amount,
    encoding::Point,
    error::VerificationFailure,
    params::Generator,
    sigma::{batch::Accumulator, relation::Term},
    statement::Commitment,
    transaction::Transaction,
};

/// A commitment whose range is proved: its number among the points of the transaction, and the least value promised.
#[derive(Clone, Copy)]
pub(super) struct Ranged<'a> {
    pub(super) number: u16,
    pub(super) point: &'a Point,
    pub(super) minimum: u64,
}

/// One range proof waiting to be verified.
pub(crate) struct RangeCheck<'a> {
    pub(super) shape: Shape,
    /// As many as the shape has values.
    pub(super) commitments: [Option<Ranged<'a>>; VALUES_MAX],
    pub(super) proof: &'a RangeProof,
}

impl<'a> RangeCheck<'a> {
    /// The check for a transaction; nothing when its statement has no ranges. `minimum` is the least payment.
    pub(crate) fn of(transaction: &'a Transaction, minimum: Amount) -> Result<Option<Self>, VerificationFailure> {
        let core = transaction.core();
        let (shape, proof) = match (Shape::of(core.ranges()), &transaction.proof().range) {
            (Some(shape), Some(proof)) if proof.has(shape) => (shape, proof),
            (None, None) => return Ok(None),
            _ => return Err(VerificationFailure),
        };
        let mut commitments = [None; VALUES_MAX];
        for (slot, name) in commitments.iter_mut().zip(shape.names) {
            let point = core.commitment(*name).ok_or(VerificationFailure)?;
            let Term::Point(number) = core.term(*name) else { return Err(VerificationFailure) };
            // The only promise of a least value is that of the note that is paid.
            let minimum = if *name == Commitment::Note { minimum.get() } else { 0 };
            *slot = Some(Ranged { number, point, minimum });
        }
        Ok(Some(Self { shape, commitments, proof }))
    }

    /// How many points it adds to the batch.
    pub(crate) fn points(&self) -> usize {
        self.proof.points()
    }

    /// Absorbs statement and proof.
    pub(crate) fn challenges(&self, seed: &[u8; 32]) -> Result<Challenges, VerificationFailure> {
        Challenges::new(self.shape, seed, self.commitments.iter().flatten(), self.proof)
    }

    /// Adds the equation. `inverses` are those that the challenges asked for.
    pub(crate) fn add(
        &self,
        challenges: &Challenges,
        inverses: &[Scalar],
        weight: Scalar,
        sum: &mut Accumulator,
    ) -> Result<(), VerificationFailure> {
        let Self { shape, commitments, proof } = self;
        let &Challenges { y, z, e, .. } = challenges;
        let u = challenges.u();
        let (y_inverse, u_inverses) = inverses.split_first().ok_or(VerificationFailure)?;
        let powers = Powers::new(y, *y_inverse, u.len());

        let weight_e = weight * e;
        let weight_ee = weight_e * e;
        let zz = z * z;
        let y_to_n_plus_1 = powers.y_to_n * y;

        // Points: C_j, A, A1, B, L_j, R_j.
        let mut value = proof.r1 * proof.s1 * y * weight;
        let commitment = weight_ee * y_to_n_plus_1;
        let mut z_even = Scalar::ONE;
        let mut z_even_sum = Scalar::ZERO;
        for Ranged { number, minimum, .. } in commitments.iter().flatten() {
            z_even *= zz;
            z_even_sum += z_even;
            let coefficient = commitment * z_even;
            sum.add_coefficient(*number, &coefficient)?;
            if *minimum != 0 {
                value += coefficient * Scalar::from(*minimum);
            }
        }
        sum.push(weight, &proof.B);
        sum.push(weight_e, &proof.A1);
        sum.push(weight_ee, &proof.A);
        let mut u_squares = [Scalar::ONE; ROUNDS_MAX];
        let mut u_inverse_squares = [Scalar::ONE; ROUNDS_MAX];
        let mut u_product = Scalar::ONE;
        let mut u_inverse_product = Scalar::ONE;
        // The last round is about the lowest bit.
        let rounds = u.iter().zip(u_inverses).zip(&proof.rounds).rev();
        for (((u, u_inverse), (L, R)), (square, inverse_square)) in
            rounds.zip(u_squares.iter_mut().zip(&mut u_inverse_squares))
        {
            u_product *= u;
            u_inverse_product *= u_inverse;
            *square = u * u;
            *inverse_square = u_inverse * u_inverse;
            sum.push(weight_ee * *square, L);
            sum.push(weight_ee * *inverse_square, R);
        }

        // Fixed generators: masks and H_value.
        for (mask, d) in shape.masks.iter().zip(&proof.d) {
            sum.add_generator(*mask, &-weight, d)?;
        }
        let all_ones = Scalar::from(u64::MAX);
        value += weight_ee * (y_to_n_plus_1 * z * all_ones * z_even_sum + (zz - z) * powers.sum);
        sum.add_generator(Generator::Value, &-value, &Scalar::ONE)?;

        // The generators of bits.
        let rounds = u.len();
        let mut factors = [Scalar::ONE; ROUNDS_MAX];
        let factors = factors.split_at_mut_checked(rounds).ok_or(VerificationFailure)?.0;
        let bits = &mut sum.bits;
        bits.extend(1 << rounds);
        for ((factor, square), power) in factors.iter_mut().zip(&u_squares).zip(&powers.inverses) {
            *factor = square * power;
        }
        bits.add_G(-(weight_e * proof.r1 * u_inverse_product), factors);
        bits.add_H(-(weight_e * proof.s1 * u_product), u_inverse_squares.split_at(rounds).0);
        let (within, across) = factors.split_at_mut_checked(BITS.ilog2() as usize).ok_or(VerificationFailure)?;
        let (inverses_within, inverses_across) = powers.inverses.split_at(within.len());
        let mut two = Scalar::from(2u8);
        for (factor, power) in within.iter_mut().zip(inverses_within) {
            *factor = two * power;
            two *= two;
        }
        let mut z_to = zz;
        for (factor, power) in across.iter_mut().zip(inverses_across) {
            *factor = z_to * power;
            z_to *= z_to;
        }
        bits.add_H(weight_ee * zz * powers.y_to_n, factors);
        bits.add_constant(shape.names.len(), weight_ee * z);
        Ok(())
    }
}

/// What the check needs of the powers of `y`.
struct Powers {
    /// `y^-1`, `y^-2`, `y^-4`, …
    inverses: [Scalar; ROUNDS_MAX],
    /// `y^n`
    y_to_n: Scalar,
    /// `y + y² + … + y^n = y·(1 + y)·(1 + y²)·(1 + y⁴)·…`
    sum: Scalar,
}

impl Powers {
    fn new(y: Scalar, y_inverse: Scalar, rounds: usize) -> Self {
        let (mut power, mut inverse, mut sum) = (y, y_inverse, y);
        let mut inverses = [Scalar::ONE; ROUNDS_MAX];
        for slot in inverses.iter_mut().take(rounds) {
            *slot = inverse;
            sum *= Scalar::ONE + power;
            power *= power;
            inverse *= inverse;
        }
        Self { inverses, y_to_n: power, sum }
    }
}
