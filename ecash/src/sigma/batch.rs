//! The verifier: all equations and range proofs of all transactions of a batch in one multiscalar multiplication
//! (`docs/PROTOCOL.md` section 4). The only place where an equation of a proof is checked.
//!
//! Three steps, and the order of the first two is what makes it sound: everything that the provers said is absorbed,
//! then weights are drawn, then all is added up.

use curve25519_dalek::{
    RistrettoPoint, Scalar,
    traits::{IsIdentity, VartimeMultiscalarMul},
};
use rand_core::CryptoRng;

use crate::{
    amount::Amount,
    encoding::Point,
    error::VerificationFailure,
    params::{self, GENERATORS, Generator},
    range::{self, Challenges, Exponents, RangeCheck},
    sigma::{
        relation::{Relation, Term},
        wide::{Factor, Limbs, Wide},
    },
    transaction::Transaction,
};

/// Fresh random weights of 128 bits.
pub(crate) struct Weights<'r, R> {
    rng: &'r mut R,
    drawn: [u8; 1024],
    used: usize,
}

impl<'r, R: CryptoRng> Weights<'r, R> {
    pub(crate) fn new(rng: &'r mut R) -> Self {
        Self { rng, drawn: [0; 1024], used: 1024 }
    }

    /// The next weight. The generator is asked for 64 at a time: each question may be a system call.
    pub(crate) fn next(&mut self) -> Scalar {
        if self.used >= self.drawn.len() {
            self.rng.fill_bytes(&mut self.drawn);
            self.used = 0;
        }
        let mut weight = [0; 16];
        for (byte, drawn) in weight.iter_mut().zip(self.drawn.iter().skip(self.used)) {
            *byte = *drawn;
        }
        self.used += weight.len();
        Scalar::from(u128::from_le_bytes(weight))
    }
}

/// A transaction with everything absorbed that its prover said.
struct Absorbed<'a> {
    transaction: &'a Transaction,
    c: Scalar,
    range: Option<(RangeCheck<'a>, Challenges)>,
}

/// Transactions whose challenges are known: the weights may now be drawn.
pub(crate) struct Batch<'a> {
    absorbed: Vec<Absorbed<'a>>,
    /// Of the challenges of all range proofs, in order.
    inverses: Vec<Scalar>,
}

impl<'a> Batch<'a> {
    /// Absorbs every message of every prover. Each transaction comes with the least payment of its policy.
    pub(crate) fn absorb(
        transactions: impl IntoIterator<Item = (&'a Transaction, Amount)>,
    ) -> Result<Self, VerificationFailure> {
        let mut absorbed = Vec::new();
        let mut inverses = Vec::new();
        for (transaction, minimum) in transactions {
            let mut range = None;
            if let Some(check) = RangeCheck::of(transaction, minimum)? {
                let challenges = check.challenges(&transaction.bound().range_seed)?;
                inverses.extend(challenges.to_invert());
                range = Some((check, challenges));
            }
            absorbed.push(Absorbed { transaction, c: transaction.challenge(), range });
        }
        if !inverses.is_empty() {
            // One inversion for all; no challenge is zero.
            Scalar::invert_batch_alloc(&mut inverses);
        }
        Ok(Self { absorbed, inverses })
    }

    /// Adds up all equations and range proofs, each with a weight of its own.
    pub(crate) fn weigh<R: CryptoRng>(&self, weights: &mut Weights<'_, R>) -> Result<Accumulator, VerificationFailure> {
        let mut sum = Accumulator::new();
        let points = self.absorbed.iter().map(|it| {
            let range = it.range.as_ref().map_or(0, |(check, _)| check.points());
            range + it.transaction.proof().T.len() + it.transaction.core().points().count()
        });
        sum.reserve(points.sum());
        let mut inverses = self.inverses.as_slice();
        for Absorbed { transaction, c, range } in &self.absorbed {
            sum.open(transaction.core().points().count());
            let proof = transaction.proof();
            sum.add_equations(&transaction.bound().relation, &proof.T, &proof.z, *c, weights)?;
            if let Some((check, challenges)) = range {
                let (own, rest) = inverses.split_at_checked(challenges.inverses()).ok_or(VerificationFailure)?;
                check.add(challenges, own, weights.next(), &mut sum)?;
                inverses = rest;
            }
            sum.close(transaction.core().points());
        }
        Ok(sum)
    }
}

/// A sum of weighted equations, which is zero if every one of them holds.
pub(crate) struct Accumulator {
    generators: [Wide; GENERATORS],
    /// The exponents of the generators of bits.
    pub(crate) bits: Exponents,
    /// The coefficients of the points of the transaction at hand.
    coefficients: Vec<Wide>,
    /// Where the points of each transaction's core begin.
    starts: Vec<usize>,
    scalars: Vec<Scalar>,
    points: Vec<RistrettoPoint>,
}

impl Accumulator {
    pub(crate) fn new() -> Self {
        Self {
            generators: [Wide::ZERO; GENERATORS],
            bits: Exponents::new(),
            coefficients: Vec::new(),
            starts: Vec::new(),
            scalars: Vec::new(),
            points: Vec::new(),
        }
    }

    fn reserve(&mut self, points: usize) {
        // What the presentations add comes on top.
        self.scalars.reserve(points + 8);
        self.points.reserve(points + 8);
    }

    /// Begins with the next transaction, whose core has so many points.
    pub(crate) fn open(&mut self, points: usize) {
        self.coefficients.clear();
        self.coefficients.resize(points, Wide::ZERO);
    }

    /// Adds `weight·(T + c·L − Σ ±z·P)` for every equation of a relation.
    pub(super) fn add_equations<R: CryptoRng>(
        &mut self,
        relation: &Relation,
        T: &[Point],
        z: &[Scalar],
        c: Scalar,
        weights: &mut Weights<'_, R>,
    ) -> Result<(), VerificationFailure> {
        let c = Factor::from(&c);
        if relation.equations.len() != T.len() {
            return Err(VerificationFailure);
        }
        for (equation, T) in relation.equations.iter().zip(T) {
            let weight = weights.next();
            let plus = Limbs::from(&weight);
            let minus = plus.negated();
            let times_c = plus.times(&c);
            for right in &equation.right {
                let z = z.get(usize::from(right.secret)).ok_or(VerificationFailure)?;
                let weight = if right.negative { &plus } else { &minus };
                self.of(right.term).ok_or(VerificationFailure)?.add_product(weight, &Limbs::from(z));
            }
            for left in &equation.left {
                self.of(left.term).ok_or(VerificationFailure)?.add_product(&times_c, &Limbs::from(&left.coefficient));
            }
            self.push(weight, T);
        }
        Ok(())
    }

    /// Ends a transaction: the coefficients of its core's points are complete but for its presentations.
    pub(crate) fn close<'a>(&mut self, points: impl Iterator<Item = &'a Point>) {
        self.starts.push(self.scalars.len());
        self.scalars.extend(self.coefficients.iter().map(Wide::reduce));
        self.points.extend(points.map(Point::point));
    }

    fn of(&mut self, term: Term) -> Option<&mut Wide> {
        match term {
            Term::Generator(generator) => self.generators.get_mut(usize::from(generator.number())),
            Term::Point(index) => self.coefficients.get_mut(usize::from(index)),
        }
    }

    /// Adds to the coefficient of a point of the transaction at hand.
    pub(crate) fn add_coefficient(&mut self, point: u16, scalar: &Limbs) -> Result<(), VerificationFailure> {
        self.of(Term::Point(point)).ok_or(VerificationFailure)?.add(scalar);
        Ok(())
    }

    /// Adds the product of two scalars to the coefficient of a generator.
    pub(crate) fn add_generator(
        &mut self,
        generator: Generator,
        a: &Limbs,
        b: &Limbs,
    ) -> Result<(), VerificationFailure> {
        self.of(Term::Generator(generator)).ok_or(VerificationFailure)?.add_product(a, b);
        Ok(())
    }

    /// Adds a point of its own.
    pub(crate) fn push(&mut self, scalar: Scalar, point: &Point) {
        self.push_point(scalar, point.point());
    }

    /// Adds a point that was computed.
    pub(crate) fn push_point(&mut self, scalar: Scalar, point: RistrettoPoint) {
        self.scalars.push(scalar);
        self.points.push(point);
    }

    /// Adds to the coefficient of a point of the `number`-th transaction.
    pub(crate) fn add_to(&mut self, number: usize, point: usize, scalar: Scalar) -> Result<(), VerificationFailure> {
        let start = self.starts.get(number).ok_or(VerificationFailure)?;
        *self.scalars.get_mut(start + point).ok_or(VerificationFailure)? += scalar;
        Ok(())
    }

    /// The sum: the one multiplication of the batch. Tables of the fixed generators' multiples would not help: what they
    /// save in additions they cost in memory accesses, even for a lone transaction.
    fn product(&self) -> RistrettoPoint {
        let generators = self.generators.iter().map(Wide::reduce).zip(params::points());
        let (generators, fixed): (Vec<_>, Vec<_>) = generators.filter(|(scalar, _)| *scalar != Scalar::ZERO).unzip();
        let bits = self.bits.scalars();
        let bit_generators = if bits.is_empty() { &[] } else { range::bit_generators() };
        RistrettoPoint::vartime_multiscalar_mul(
            self.scalars.iter().chain(&generators).chain(&bits),
            self.points.iter().chain(fixed).chain(bit_generators.iter().take(bits.len())),
        )
    }

    /// Whether the sum is zero.
    pub(crate) fn check(self) -> Result<(), VerificationFailure> {
        if self.product().is_identity() { Ok(()) } else { Err(VerificationFailure) }
    }
}

#[cfg(test)]
impl Accumulator {
    /// The equations of one transaction without its range proof.
    pub(crate) fn of_equations(
        transaction: &Transaction,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, VerificationFailure> {
        let mut sum = Self::new();
        sum.open(transaction.core().points().count());
        let (relation, proof) = (&transaction.bound().relation, transaction.proof());
        sum.add_equations(relation, &proof.T, &proof.z, transaction.challenge(), &mut Weights::new(rng))?;
        sum.close(transaction.core().points());
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, convert::Infallible};

    use getrandom::{SysRng, rand_core::UnwrapErr};
    use rand_core::{TryCryptoRng, TryRng};

    use super::*;

    /// Counts the bytes that it is asked for.
    struct Counting {
        rng: UnwrapErr<SysRng>,
        bytes: usize,
    }

    impl TryRng for Counting {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            self.bytes += 4;
            self.rng.try_next_u32()
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            self.bytes += 8;
            self.rng.try_next_u64()
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
            self.bytes += bytes.len();
            self.rng.try_fill_bytes(bytes)
        }
    }

    impl TryCryptoRng for Counting {}

    /// Every weight is 128 bits that no other weight has had.
    #[test]
    fn weights_are_fresh_and_long() {
        let mut rng = Counting { rng: UnwrapErr(SysRng), bytes: 0 };
        let weights: Vec<[u8; 32]> = {
            let mut weights = Weights::new(&mut rng);
            (0..10_000).map(|_| weights.next().to_bytes()).collect()
        };
        assert!(rng.bytes >= 16 * weights.len());
        assert_eq!(weights.iter().collect::<HashSet<_>>().len(), weights.len());
        for byte in 0..32 {
            // Each of 16 bytes takes nearly all values; the others are zero.
            let values: HashSet<u8> = weights.iter().map(|weight| weight[byte]).collect();
            assert_eq!(values.len() > 200, byte < 16, "byte {byte} takes {} values", values.len());
        }
    }
}
