//! Sums of products of scalars that are reduced once, at the end: a product of two scalars costs sixteen multiplications
//! of 64 bits, its reduction several times that. A batch adds up hundreds of products for every generator.
//!
//! For what verifiers compute from public values only: nothing here is meant for secrets.

use curve25519_dalek::Scalar;

/// A scalar as four numbers of 64 bits, the least first. It need not be reduced: it is at most four times the order.
#[derive(Clone, Copy)]
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub(crate) struct Limbs([u64; 4]);

/// A scalar to multiply with, in Montgomery's form: times 2^256, below four times the order. The product of a [`Limbs`]
/// and a factor is a [`Limbs`] again, reduced below twice the order without a division.
#[derive(Clone, Copy)]
pub(crate) struct Factor([u64; 4]);

/// The order of the group. Its third limb is zero and its fourth a power of two, which multiplications make use of.
const ORDER: [u64; 4] = [0x5812_631a_5cf5_d3ed, 0x14de_f9de_a2f7_9cd6, 0, 1 << 60];

/// Four times the order.
const FOUR_ORDERS: [u64; 4] = [0x6049_8c69_73d7_4fb4, 0x537b_e77a_8bde_7359, 0, 1 << 62];

/// `−1/ORDER` modulo 2^64.
const MINUS_INVERSE: u64 = 0xd2b5_1da3_1254_7e1b;

/// 2^256 modulo the order.
const ONE: [u64; 4] = [0xd6ec_3174_8d98_951d, 0xc6ef_5bf4_737d_cf70, 0xffff_ffff_ffff_fffe, 0x0fff_ffff_ffff_ffff];

/// 2^512 modulo the order.
const SQUARE: [u64; 4] = [0xa406_11e3_449c_0f01, 0xd00e_1ba7_6885_9347, 0xceec_73d2_17f5_be65, 0x0399_411b_7c30_9a3d];

/// `a·b/2^256` modulo the order, below twice the order, if `a·b` is less than sixteen squares of it.
#[inline]
#[allow(clippy::indexing_slicing)] // i and j are below four
fn montgomery(a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
    let mut sum = [0; 5];
    for limb in a {
        let mut carry = 0;
        for j in 0..4 {
            (sum[j], carry) = halves(u128::from(*limb) * u128::from(b[j]) + u128::from(sum[j]) + u128::from(carry));
        }
        let (fifth, sixth) = halves(u128::from(sum[4]) + u128::from(carry));
        // Adds the multiple of the order that makes the least limb zero, and drops that limb.
        let multiple = u128::from(sum[0].wrapping_mul(MINUS_INVERSE));
        let (_, carry) = halves(multiple * u128::from(ORDER[0]) + u128::from(sum[0]));
        let (first, carry) = halves(multiple * u128::from(ORDER[1]) + u128::from(sum[1]) + u128::from(carry));
        let (second, carry) = halves(u128::from(sum[2]) + u128::from(carry));
        let (third, carry) = halves((multiple << 60) + u128::from(sum[3]) + u128::from(carry));
        let (fourth, carry) = halves(u128::from(fifth) + u128::from(carry));
        sum = [first, second, third, fourth, sixth + carry];
    }
    [sum[0], sum[1], sum[2], sum[3]]
}

/// `a + b`, which must be below 2^256.
#[inline]
fn plus(a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
    let mut sum = *a;
    let mut carry = 0;
    for (limb, b) in sum.iter_mut().zip(b) {
        (*limb, carry) = halves(u128::from(*limb) + u128::from(*b) + u128::from(carry));
    }
    sum
}

/// `4·ORDER − a`
#[inline]
fn negated(a: &[u64; 4]) -> [u64; 4] {
    let mut rest = FOUR_ORDERS;
    let mut borrow = false;
    for (limb, a) in rest.iter_mut().zip(a) {
        let (less, first) = limb.overflowing_sub(*a);
        let (less, second) = less.overflowing_sub(u64::from(borrow));
        (*limb, borrow) = (less, first || second);
    }
    rest
}

impl From<&Scalar> for Limbs {
    fn from(scalar: &Scalar) -> Self {
        let mut limbs = [0; 4];
        for (limb, bytes) in limbs.iter_mut().zip(scalar.as_bytes().as_chunks().0) {
            *limb = u64::from_le_bytes(*bytes);
        }
        Self(limbs)
    }
}

impl From<u64> for Limbs {
    fn from(number: u64) -> Self {
        Self([number, 0, 0, 0])
    }
}

impl Limbs {
    pub(crate) const ONE: Self = Self([1, 0, 0, 0]);

    /// The scalar times a factor, reduced below twice the order.
    #[inline]
    pub(crate) fn times(&self, factor: &Factor) -> Self {
        Self(montgomery(&self.0, &factor.0))
    }

    /// Minus the scalar, which is at most four times the order.
    pub(crate) fn negated(&self) -> Self {
        Self(negated(&self.0))
    }

    /// The scalar in its canonical form.
    pub(crate) fn scalar(&self) -> Scalar {
        let mut bytes = [0; 32];
        for (bytes, limb) in bytes.as_chunks_mut().0.iter_mut().zip(&self.0) {
            *bytes = limb.to_le_bytes();
        }
        Scalar::from_bytes_mod_order(bytes)
    }
}

impl From<&Scalar> for Factor {
    fn from(scalar: &Scalar) -> Self {
        Self(montgomery(&Limbs::from(scalar).0, &SQUARE))
    }
}

impl Factor {
    pub(crate) const ONE: Self = Self(ONE);

    /// The product, reduced below twice the order.
    #[inline]
    pub(crate) fn times(&self, factor: &Self) -> Self {
        Self(montgomery(&self.0, &factor.0))
    }

    /// The sum of two factors that are below twice the order.
    pub(crate) fn plus(&self, factor: &Self) -> Self {
        Self(plus(&self.0, &factor.0))
    }
}

/// A sum of up to 2^64 products of two scalars: a product is below 2^510, the sum below 2^576.
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
    pub(crate) fn add(&mut self, scalar: &Limbs) {
        self.add_product(scalar, &Limbs::ONE);
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
        fn factors_multiply_as_scalars_do(a in scalar(), b in scalar(), c in scalar(), d in scalar()) {
            let [p, q, r] = [b, c, d].map(|scalar| Factor::from(&scalar));
            let a_limbs = Limbs::from(&a);
            prop_assert_eq!(a_limbs.scalar(), a);
            prop_assert_eq!(a_limbs.negated().scalar(), -a);
            prop_assert_eq!(a_limbs.times(&p).scalar(), a * b);
            prop_assert_eq!(a_limbs.times(&p).negated().times(&p.times(&q)).scalar(), -(a * b * b * c));
            prop_assert_eq!(a_limbs.negated().times(&p.times(&q).plus(&Factor::ONE)).scalar(), -(a * (b * c + Scalar::ONE)));
            prop_assert_eq!(a_limbs.times(&p.plus(&q).times(&r)).negated().negated().scalar(), a * (b + c) * d);
        }

        #[test]
        fn sums_of_products_are_those_of_scalars(terms in prop::collection::vec((scalar(), scalar()), 0..100)) {
            let mut wide = Wide::ZERO;
            let mut sum = Scalar::ZERO;
            for (a, b) in &terms {
                wide.add_product(&Limbs::from(a), &Limbs::from(b));
                wide.add(&Limbs::from(a).negated());
                sum += a * b - a;
            }
            prop_assert_eq!(wide.reduce(), sum);
        }
    }

    /// Enough of the largest products that the ninth limb counts.
    #[test]
    fn nothing_is_lost_above_512_bits() {
        let mut wide = Wide::ZERO;
        let largest = Limbs::from(&Scalar::ONE).negated();
        (0..1000).for_each(|_| wide.add_product(&largest, &largest));
        assert!(wide.0[8] > 0);
        assert_eq!(wide.reduce(), Scalar::from(1000u64));
    }

    #[test]
    fn the_constants_are_those_of_the_order() {
        assert_eq!(Limbs(ORDER).scalar(), Scalar::ZERO);
        assert_eq!(Limbs(FOUR_ORDERS), Limbs(plus(&plus(&ORDER, &ORDER), &plus(&ORDER, &ORDER))));
        assert_eq!(ORDER[0].wrapping_mul(MINUS_INVERSE), u64::MAX);
        let power = (0..256).fold(Scalar::ONE, |power, _| power + power);
        assert_eq!(Limbs(ONE), Limbs::from(&power));
        assert_eq!(Limbs(SQUARE), Limbs::from(&(power * power)));
    }
}
