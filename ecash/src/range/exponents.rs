//! The exponents of the generators of bits, summed over a batch.
//!
//! The exponents of one proof are products over the bits of their number: `first·Π f_k` over the bits `k` that are set.
//! They are never computed one by one. The products over the low bits and those over the high bits are, sixteen of each
//! at most, and all products of two of them are added up unreduced.

use curve25519_dalek::Scalar;

use super::{BITS, ROUNDS_MAX, VALUES_MAX};
use crate::{
    error::VerificationFailure,
    sigma::wide::{Factor, Limbs, Wide},
};

/// Half of the rounds: the low bits.
const LOW: usize = ROUNDS_MAX / 2;

/// How many products there are over the low bits, or over the high ones.
const PRODUCTS: usize = 1 << LOW;

/// The sums of the exponents of `G_i` and `H_i`.
pub(crate) struct Exponents {
    G: Vec<Wide>,
    H: Vec<Wide>,
    /// By number of values: what every exponent of `G` lacks and every exponent of `H` has too little, so far.
    constants: [Scalar; VALUES_MAX + 1],
    /// How many bits the longest proof has.
    bits: usize,
}

/// `first·Π f_k` over the bits `k` that are set in the place's number.
fn products(first: Limbs, factors: &[Factor]) -> [Limbs; PRODUCTS] {
    let mut products = [first; PRODUCTS];
    for (bit, factor) in factors.iter().enumerate() {
        let (done, rest) = products.split_at_mut(1 << bit);
        for (next, product) in rest.iter_mut().zip(done) {
            *next = product.times(factor);
        }
    }
    products
}

/// Adds `first·Π f_k` over the bits `k` of `i` to the `i`-th sum, for all `i` below `2^factors`.
fn add_products(sums: &mut [Wide], first: Limbs, factors: &[Factor]) {
    let (low, high) = factors.split_at_checked(LOW).unwrap_or((factors, &[]));
    let low = products(Limbs::ONE, low);
    let high = products(first, high);
    for (sums, high) in sums.chunks_mut(PRODUCTS).zip(&high) {
        for (sum, low) in sums.iter_mut().zip(&low) {
            sum.add_product(high, low);
        }
    }
}

impl Exponents {
    pub(crate) fn new() -> Self {
        Self { G: Vec::new(), H: Vec::new(), constants: [Scalar::ZERO; VALUES_MAX + 1], bits: 0 }
    }

    /// Makes room for proofs of so many bits.
    pub(super) fn extend(&mut self, bits: usize) {
        self.bits = self.bits.max(bits);
        self.G.resize(self.bits, Wide::ZERO);
        self.H.resize(self.bits, Wide::ZERO);
    }

    /// Adds a product over bits to the first `2^factors` exponents of `G`.
    pub(super) fn add_G(&mut self, first: Limbs, factors: &[Factor]) -> Result<(), VerificationFailure> {
        add_products(first_of(&mut self.G, factors)?, first, factors);
        Ok(())
    }

    /// The same for `H`.
    pub(super) fn add_H(&mut self, first: Limbs, factors: &[Factor]) -> Result<(), VerificationFailure> {
        add_products(first_of(&mut self.H, factors)?, first, factors);
        Ok(())
    }

    /// Adds a constant to the exponents of `H` of so many values, and takes it from those of `G`.
    pub(super) fn add_constant(&mut self, values: usize, constant: Scalar) -> Result<(), VerificationFailure> {
        *self.constants.get_mut(values).ok_or(VerificationFailure)? += constant;
        Ok(())
    }

    /// The exponents, `G_0, H_0, G_1, H_1, …`, as many as the proofs need.
    pub(crate) fn scalars(&self) -> Vec<Scalar> {
        let mut scalars = Vec::with_capacity(2 * self.bits);
        for (block, (G, H)) in self.G.chunks(BITS).zip(self.H.chunks(BITS)).enumerate() {
            // The proofs about more values than this block's number.
            let constant: Scalar = self.constants.iter().skip(block + 1).sum();
            for (G, H) in G.iter().zip(H) {
                scalars.push(G.reduce() - constant);
                scalars.push(H.reduce() + constant);
            }
        }
        scalars
    }
}

fn first_of<'a>(sums: &'a mut [Wide], factors: &[Factor]) -> Result<&'a mut [Wide], VerificationFailure> {
    sums.get_mut(..1 << factors.len()).ok_or(VerificationFailure)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_exponent_is_its_product() {
        let scalar = |n: usize| Scalar::from(n as u64 + 3).invert();
        for rounds in 6..=ROUNDS_MAX {
            let factors: Vec<_> = (0..rounds).map(scalar).collect();
            let mut exponents = Exponents::new();
            exponents.extend(BITS);
            exponents.extend(1 << rounds);
            let montgomery: Vec<_> = factors.iter().map(Factor::from).collect();
            exponents.add_G(Limbs::from(&scalar(20)), &montgomery).unwrap();
            exponents.add_H(Limbs::from(&scalar(30)), &montgomery).unwrap();
            exponents.add_H(Limbs::from(&scalar(40)), &montgomery[..6]).unwrap();
            exponents.add_constant(1, scalar(50)).unwrap();
            exponents.add_constant(1 << (rounds - 6), scalar(60)).unwrap();
            let scalars = exponents.scalars();
            assert_eq!(scalars.len(), 2 << rounds);
            for (i, pair) in scalars.chunks(2).enumerate() {
                let product = |factors: &[Scalar]| -> Scalar {
                    let set = factors.iter().enumerate().filter(|(bit, _)| i >> bit & 1 == 1);
                    set.map(|(_, factor)| factor).product()
                };
                let constant = scalar(60) + if i < BITS { scalar(50) } else { Scalar::ZERO };
                let more = if i < BITS { scalar(40) * product(&factors[..6]) } else { Scalar::ZERO };
                assert_eq!(pair[0], scalar(20) * product(&factors) - constant);
                assert_eq!(pair[1], scalar(30) * product(&factors) + more + constant);
            }
        }
    }
}
