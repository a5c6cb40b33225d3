//! The verifier: all equations of all transactions of a batch in one multiscalar multiplication
//! (`docs/PROTOCOL.md` section 4). The only place where an equation of a proof is checked.

use curve25519_dalek::{
    RistrettoPoint, Scalar,
    traits::{IsIdentity, VartimeMultiscalarMul},
};
use rand_core::CryptoRng;

use crate::{
    error::VerificationFailure,
    params::{self, GENERATORS},
    sigma::relation::Term,
    transaction::Transaction,
};

/// A fresh random weight of 128 bits.
pub(crate) fn weight(rng: &mut impl CryptoRng) -> Scalar {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    Scalar::from(u128::from_le_bytes(bytes))
}

/// A sum of weighted equations, which is zero if every one of them holds.
pub(crate) struct Accumulator {
    generators: [Scalar; GENERATORS],
    scalars: Vec<Scalar>,
    points: Vec<RistrettoPoint>,
}

impl Accumulator {
    pub(crate) fn new() -> Self {
        Self { generators: [Scalar::ZERO; GENERATORS], scalars: Vec::new(), points: Vec::new() }
    }

    /// Adds `weight·(Σ ±z·P − T − c·L)` for every equation of a transaction. Every message of the prover was absorbed
    /// before `c`, and `c` before any weight is drawn.
    pub(crate) fn add(
        &mut self,
        transaction: &Transaction,
        rng: &mut impl CryptoRng,
    ) -> Result<(), VerificationFailure> {
        let c = transaction.challenge();
        let proof = transaction.proof();
        let points = transaction.core().points();
        let mut coefficients = vec![Scalar::ZERO; points.len()];
        for (equation, T) in transaction.bound().relation.equations.iter().zip(&proof.T) {
            let weight = weight(rng);
            let mut add = |term: Term, scalar: Scalar| -> Result<(), VerificationFailure> {
                let slot = match term {
                    Term::Generator(generator) => self.generators.get_mut(usize::from(generator.number())),
                    Term::Point(index) => coefficients.get_mut(usize::from(index)),
                };
                *slot.ok_or(VerificationFailure)? += scalar;
                Ok(())
            };
            for right in &equation.right {
                let z = proof.z.get(usize::from(right.secret)).ok_or(VerificationFailure)?;
                add(right.term, if right.negative { -(weight * z) } else { weight * z })?;
            }
            for left in &equation.left {
                add(left.term, -(weight * c * left.coefficient))?;
            }
            self.scalars.push(-weight);
            self.points.push(T.point());
        }
        self.scalars.extend(coefficients);
        self.points.extend(points.iter().map(crate::encoding::Point::point));
        Ok(())
    }

    /// Whether the sum is zero.
    pub(crate) fn check(self) -> Result<(), VerificationFailure> {
        let scalars = self.generators.into_iter().chain(self.scalars);
        let points = params::points().iter().copied().chain(self.points);
        if RistrettoPoint::vartime_multiscalar_mul(scalars, points).is_identity() {
            Ok(())
        } else {
            Err(VerificationFailure)
        }
    }
}
