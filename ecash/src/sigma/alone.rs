//! A proof of a relation alone: outside of a transaction, and without ranges (`docs/PROTOCOL.md` section 11).

use curve25519_dalek::Scalar;
use rand_core::CryptoRng;

use crate::{
    encoding::{Point, Reader},
    error::{DecodeError, ProveError, VerificationFailure},
    sigma::{
        batch::{Accumulator, Weights},
        prove,
        relation::Relation,
        witness::Witness,
    },
    transcript::Transcript,
};

/// The prover's commitments `T`, one per equation, and responses `z`, one per secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProofAlone {
    T: Vec<Point>,
    z: Vec<Scalar>,
}

impl ProofAlone {
    /// Proves the relation to whoever has absorbed the same.
    ///
    /// # Errors
    /// [`ProveError::Witness`] when the witness does not satisfy the relation: nothing is proved then.
    pub(crate) fn prove(
        relation: &Relation,
        points: &[Point],
        transcript: &Transcript,
        witness: &Witness,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, ProveError> {
        let values = relation.values(witness)?;
        if !relation.broken(points, &values)?.is_empty() {
            return Err(ProveError::Witness);
        }
        Self::respond(relation, points, transcript, &values, rng)
    }

    /// Proves without looking at the witness first.
    pub(crate) fn respond(
        relation: &Relation,
        points: &[Point],
        transcript: &Transcript,
        values: &[Scalar],
        rng: &mut impl CryptoRng,
    ) -> Result<Self, ProveError> {
        let (T, z) = prove::answer(relation, points, transcript.clone(), values, rng)?;
        Ok(Self { T, z })
    }

    /// The challenge `c`, after `T` was absorbed.
    pub(crate) fn challenge(&self, transcript: &mut Transcript) -> Scalar {
        prove::draw(transcript, &self.T)
    }

    /// Checks every equation.
    ///
    /// # Errors
    /// [`VerificationFailure`].
    pub(crate) fn verify(
        &self,
        relation: &Relation,
        points: &[Point],
        transcript: &Transcript,
        rng: &mut impl CryptoRng,
    ) -> Result<(), VerificationFailure> {
        let c = self.challenge(&mut transcript.clone());
        let mut sum = Accumulator::new();
        sum.open(points.len());
        sum.add_equations(relation, &self.T, &self.z, c, &mut Weights::new(rng))?;
        sum.close(points.iter());
        sum.check()
    }

    /// Every `T`, then every `z`, 32 bytes each.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        self.T.iter().for_each(|point| bytes.extend_from_slice(point.as_bytes()));
        self.z.iter().for_each(|scalar| bytes.extend_from_slice(scalar.as_bytes()));
    }

    /// Reads what [`ProofAlone::write`] writes, of this relation.
    pub(crate) fn read(relation: &Relation, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            T: relation.equations.iter().map(|_| reader.point()).collect::<Result<_, _>>()?,
            z: relation.secrets.iter().map(|_| reader.scalar()).collect::<Result<_, _>>()?,
        })
    }
}
