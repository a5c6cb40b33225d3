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
    sigma::{
        batch::Accumulator,
        relation::Term,
        wide::{Factor, Limbs, Wide},
    },
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
        let u = challenges.u();
        let rounds = u.len();
        let (y_inverse, u_inverses) = inverses.split_first().ok_or(VerificationFailure)?;
        let [y, z, e] = [&challenges.y, &challenges.z, &challenges.e].map(Factor::from);
        let [r1, s1] = [&proof.r1, &proof.s1].map(Factor::from);
        let powers = Powers::new(y, Factor::from(y_inverse), rounds);
        let zz = z.times(&z);

        let w = Limbs::from(&weight);
        let we = w.times(&e);
        let wee = we.times(&e);

        // Points: C_j, B, A1, A, L_j, R_j.
        let wee_y_to_n_plus_1 = wee.times(&powers.y_to_n).times(&y);
        let mut coefficient = wee_y_to_n_plus_1;
        let mut z_even = Factor::ONE;
        let mut all_ones = Wide::ZERO;
        for Ranged { number, minimum, .. } in commitments.iter().flatten() {
            coefficient = coefficient.times(&zz);
            sum.add_coefficient(*number, &coefficient)?;
            sum.add_generator(Generator::Value, &coefficient.negated(), &Limbs::from(*minimum))?;
            z_even = z_even.times(&zz);
            all_ones.add(&wee_y_to_n_plus_1.times(&z_even).times(&z));
        }
        sum.push(weight, &proof.B);
        sum.push(we.scalar(), &proof.A1);
        sum.push(wee.scalar(), &proof.A);
        let mut u_squares = [Factor::ONE; ROUNDS_MAX];
        let mut u_inverse_squares = [Factor::ONE; ROUNDS_MAX];
        let (mut we_u, mut we_u_inverse) = (we, we);
        // The last round is about the lowest bit.
        let last_first = u.iter().zip(u_inverses).zip(&proof.rounds).rev();
        for (((u, u_inverse), (L, R)), (square, inverse_square)) in
            last_first.zip(u_squares.iter_mut().zip(&mut u_inverse_squares))
        {
            let (u, u_inverse) = (Factor::from(u), Factor::from(u_inverse));
            we_u = we_u.times(&u);
            we_u_inverse = we_u_inverse.times(&u_inverse);
            *square = u.times(&u);
            *inverse_square = u_inverse.times(&u_inverse);
            sum.push(wee.times(square).scalar(), L);
            sum.push(wee.times(inverse_square).scalar(), R);
        }

        // Fixed generators: masks and H_value.
        let minus_w = w.negated();
        for (mask, d) in shape.masks.iter().zip(&proof.d) {
            sum.add_generator(*mask, &minus_w, &Limbs::from(d))?;
        }
        let minus_ones = Limbs::from(&-all_ones.reduce());
        sum.add_generator(Generator::Value, &minus_ones, &Limbs::from(u64::MAX))?;
        let zz_minus_z = Factor::from(&(challenges.z * challenges.z - challenges.z));
        for value in [w.times(&r1).times(&s1).times(&y), wee.times(&zz_minus_z).times(&powers.sum)] {
            sum.add_generator(Generator::Value, &value.negated(), &Limbs::ONE)?;
        }

        // The generators of bits.
        let bits = &mut sum.bits;
        bits.extend(1 << rounds);
        let mut factors = [Factor::ONE; ROUNDS_MAX];
        let factors = factors.split_at_mut_checked(rounds).ok_or(VerificationFailure)?.0;
        for ((factor, square), power) in factors.iter_mut().zip(&u_squares).zip(&powers.inverses) {
            *factor = square.times(power);
        }
        bits.add_G(we_u_inverse.times(&r1).negated(), factors)?;
        bits.add_H(we_u.times(&s1).negated(), u_inverse_squares.split_at(rounds).0)?;
        let (within, across) = factors.split_at_mut_checked(BITS.ilog2() as usize).ok_or(VerificationFailure)?;
        let (inverses_within, inverses_across) = powers.inverses.split_at(within.len());
        let mut two = Factor::from(&Scalar::from(2u8));
        for (factor, power) in within.iter_mut().zip(inverses_within) {
            *factor = two.times(power);
            two = two.times(&two);
        }
        let mut z_to = zz;
        for (factor, power) in across.iter_mut().zip(inverses_across) {
            *factor = z_to.times(power);
            z_to = z_to.times(&z_to);
        }
        bits.add_H(wee.times(&zz).times(&powers.y_to_n), factors)?;
        bits.add_constant(shape.names.len(), wee.times(&z).scalar())?;
        Ok(())
    }
}

/// What the check needs of the powers of `y`.
struct Powers {
    /// `y^-1`, `y^-2`, `y^-4`, …
    inverses: [Factor; ROUNDS_MAX],
    /// `y^n`
    y_to_n: Factor,
    /// `y + y² + … + y^n = y·(1 + y)·(1 + y²)·(1 + y⁴)·…`
    sum: Factor,
}

impl Powers {
    fn new(y: Factor, y_inverse: Factor, rounds: usize) -> Self {
        let (mut power, mut inverse, mut sum) = (y, y_inverse, y);
        let mut inverses = [Factor::ONE; ROUNDS_MAX];
        for slot in inverses.iter_mut().take(rounds) {
            *slot = inverse;
            sum = sum.times(&power.plus(&Factor::ONE));
            power = power.times(&power);
            inverse = inverse.times(&inverse);
        }
        Self { inverses, y_to_n: power, sum }
    }
}
