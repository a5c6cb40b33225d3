//! Sums of products of scalars that are reduced once, at the end: a product of two scalars costs sixteen multiplications
//! of 64 bits, its reduction several times that. A batch adds up hundreds of products for every generator.
//!
//! For what verifiers compute from public values only: nothing here is meant for secrets.

use curve25519_dalek::Scalar;

/// A scalar as four numbers of 64 bits, the least first.
#[derive(Clone, Copy)]
pub(crate) struct Limbs([u64; 4]);

impl From<&Scalar> for Limbs {
    fn from(scalar: &Scalar) -> Self {
        let mut limbs = [0; 4];
        for (limb, bytes) in limbs.iter_mut().zip(scalar.as_bytes().as_chunks().0) {
            *limb = u64::from_le_bytes(*bytes);
        }
        Self(limbs)
    }
}

impl Limbs {
    pub(crate) const ONE: Self = Self([1, 0, 0, 0]);
}

/// A sum of up to 2^64 products of two scalars: a product is below 2^506, the sum below 2^576.
#[derive(Clone, Copy)]
pub(crate) struct Wide([u64; 9]);

/// The low and the high half.
#[allow(clippy::cast_possible_truncation)] // cutting off the high half is what it is for
const fn halves(sum: u128) -> (u64, u64) {
    (sum as u64, (sum >> 64) as u64)
}

impl Wide {
    pub(crate) const ZERO: Self = Self([0; 9]);

    /// Adds `a·b`.
    #[inline]
    #[allow(clippy::indexing_slicing)] // i and j are below four, the place below nine
    pub(crate) fn add_product(&mut self, a: &Limbs, b: &Limbs) {
        let sum = &mut self.0;
        let mut above = 0;
        for i in 0..4 {
            let mut carry = 0;
            for j in 0..4 {
                let term = u128::from(a.0[i]) * u128::from(b.0[j]) + u128::from(sum[i + j]) + u128::from(carry);
                (sum[i + j], carry) = halves(term);
            }
            (sum[i + 4], above) = halves(u128::from(sum[i + 4]) + u128::from(carry) + u128::from(above));
        }
        sum[8] += above;
    }

    /// Adds a scalar.
    pub(crate) fn add(&mut self, scalar: &Scalar) {
        self.add_product(&Limbs::from(scalar), &Limbs::ONE);
    }

    /// The sum as a scalar.
    pub(crate) fn reduce(&self) -> Scalar {
        let Self([low @ .., top]) = self;
        let mut bytes = [0; 64];
        for (bytes, limb) in bytes.as_chunks_mut().0.iter_mut().zip(low) {
            *bytes = limb.to_le_bytes();
        }
        let low = Scalar::from_bytes_mod_order_wide(&bytes);
        if *top == 0 {
            return low;
        }
        // 2^512 = (2^512 − 1) + 1
        low + Scalar::from(*top) * (Scalar::from_bytes_mod_order_wide(&[0xff; 64]) + Scalar::ONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scalar() -> impl Strategy<Value = Scalar> {
        prop_oneof![
            any::<[u8; 32]>().prop_map(Scalar::from_bytes_mod_order),
            any::<u64>().prop_map(Scalar::from),
            any::<u64>().prop_map(|n| -Scalar::from(n)),
            Just(Scalar::ZERO),
            Just(-Scalar::ONE),
        ]
    }

    proptest! {
        #[test]
        fn sums_of_products_are_those_of_scalars(terms in prop::collection::vec((scalar(), scalar()), 0..100)) {
            let mut wide = Wide::ZERO;
            let mut sum = Scalar::ZERO;
            for (a, b) in &terms {
                wide.add_product(&Limbs::from(a), &Limbs::from(b));
                wide.add(a);
                sum += a * b + a;
            }
            prop_assert_eq!(wide.reduce(), sum);
        }
    }

    /// Enough of the largest products that the ninth limb counts.
    #[test]
    fn nothing_is_lost_above_512_bits() {
        let mut wide = Wide::ZERO;
        let largest = Limbs::from(&-Scalar::ONE);
        (0..1000).for_each(|_| wide.add_product(&largest, &largest));
        assert!(wide.0[8] > 0);
        assert_eq!(wide.reduce(), Scalar::from(1000u64));
    }
}
