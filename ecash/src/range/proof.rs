//! The bytes of a range proof, read strictly: each point is decoded once, here.

use curve25519_dalek::Scalar;

use super::Shape;
use crate::{
    encoding::{Point, Reader},
    error::DecodeError,
};

/// A range proof with its points decoded. Nothing is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RangeProof {
    bytes: Vec<u8>,
    /// One per mask.
    pub(super) d: Vec<Scalar>,
    pub(super) A: Point,
    pub(super) A1: Point,
    pub(super) B: Point,
    pub(super) r1: Scalar,
    pub(super) s1: Scalar,
    /// `L` and `R` of every round.
    pub(super) rounds: Vec<(Point, Point)>,
}

impl RangeProof {
    /// Bytes of a proof: `1 + 32·(degree + 5 + 2·log2(64m))`.
    pub(super) fn length(shape: Shape) -> usize {
        1 + 32 * (shape.masks.len() + 5 + 2 * shape.rounds())
    }

    /// Takes a proof of this shape from the reader: degree, `d` per mask, `A`, `A1`, `B`, `r1`, `s1`, then `L`, `R` per
    /// round. Scalars and points are canonical and no point is the identity, which the library refuses too.
    pub(crate) fn read(shape: Shape, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = reader.bytes(Self::length(shape))?;
        let mut reader = Reader::new(bytes);
        if reader.u8()? != shape.degree() {
            return Err(DecodeError::Field("degree of the range proof"));
        }
        let proof = Self {
            bytes: bytes.to_vec(),
            d: shape.masks.iter().map(|_| reader.scalar()).collect::<Result<_, _>>()?,
            A: reader.point()?,
            A1: reader.point()?,
            B: reader.point()?,
            r1: reader.scalar()?,
            s1: reader.scalar()?,
            rounds: (0..shape.rounds()).map(|_| Ok((reader.point()?, reader.point()?))).collect::<Result<_, _>>()?,
        };
        reader.end()?;
        Ok(proof)
    }

    /// The bytes that were read.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it is a proof of this shape.
    pub(super) fn has(&self, shape: Shape) -> bool {
        self.d.len() == shape.masks.len() && self.rounds.len() == shape.rounds()
    }

    /// How many points it has that the verifier multiplies.
    pub(super) fn points(&self) -> usize {
        3 + 2 * self.rounds.len()
    }
}
