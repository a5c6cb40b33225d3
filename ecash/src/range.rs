//! Range proofs: Bulletproofs+ as `tari_bulletproofs_plus` makes them (`docs/PROTOCOL.md` section 3, `docs/WIRE.md`
//! section 2). Prover, generators and bytes are the library's; the verifier is this crate's own, so that the check of
//! every proof joins the one multiplication of its batch.

mod challenges;
mod exponents;
mod generators;
#[cfg(test)]
mod oracle;
mod proof;
mod prove;
mod verify;

use curve25519_dalek::Scalar;
use zeroize::{Zeroize, ZeroizeOnDrop};

pub(crate) use self::{
    challenges::Challenges, exponents::Exponents, generators::bit_generators, proof::RangeProof, prove::prove,
    verify::RangeCheck,
};
use crate::{
    params::Generator,
    statement::{Commitment, Ranges},
};

/// Bits of an amount.
const BITS: usize = 64;

/// The most values that one proof is about.
const VALUES_MAX: usize = 4;

/// The most rounds of one proof: `log2(64·4)`.
const ROUNDS_MAX: usize = (BITS * VALUES_MAX).ilog2() as usize;

/// The masks of money, in order.
const MONEY_MASKS: [Generator; 6] =
    [Generator::Owner, Generator::Serial, Generator::Purpose, Generator::Refund, Generator::Expiry, Generator::Blind];

/// The mask of a counter.
const COUNTER_MASKS: [Generator; 1] = [Generator::Blind];

/// What the range proof of a statement is about, which decides how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    masks: &'static [Generator],
    names: &'static [Commitment],
}

impl Shape {
    /// The shape for this range column; nothing where there is no range proof.
    pub(crate) fn of(ranges: Ranges) -> Option<Self> {
        match ranges {
            Ranges::None => None,
            Ranges::Money(names) => Some(Self { masks: &MONEY_MASKS, names }),
            Ranges::Counters(names) => Some(Self { masks: &COUNTER_MASKS, names }),
        }
    }

    /// How many masks a commitment has, the first byte of the proof.
    fn degree(self) -> u8 {
        if self.masks.len() == 6 { 6 } else { 1 }
    }

    /// How many bits there are in all: `64m`, a power of two.
    fn bits(self) -> usize {
        BITS * self.names.len()
    }

    /// `log2(64m)`
    fn rounds(self) -> usize {
        self.bits().ilog2() as usize
    }
}

/// The secret behind a commitment whose range is proved: its value, its masks, and the least value promised.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct RangeOpening {
    pub(crate) value: u64,
    pub(crate) masks: Vec<Scalar>,
    pub(crate) minimum: u64,
}

impl RangeOpening {
    /// The opening of money: owner, serial, purpose, refund, blind (no expiry: the signer adds it).
    pub(crate) fn money(
        value: u64,
        owner: Scalar,
        serial: Scalar,
        purpose: Scalar,
        refund: Scalar,
        blind: Scalar,
    ) -> Self {
        Self { value, masks: vec![owner, serial, purpose, refund, Scalar::ZERO, blind], minimum: 0 }
    }

    /// The opening of a counter.
    pub(crate) fn counter(value: u64, blind: Scalar) -> Self {
        Self { value, masks: vec![blind], minimum: 0 }
    }
}
