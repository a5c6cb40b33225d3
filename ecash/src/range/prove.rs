//! The prover: the library's.

use rand_core::CryptoRng;
use tari_bulletproofs_plus::{
    commitment_opening::CommitmentOpening, range_statement::RangeStatement, range_witness::RangeWitness,
    ristretto::RistrettoRangeProof,
};

use super::{RangeOpening, RangeProof, Shape, challenges};
use crate::{
    encoding::{Point, Reader},
    error::ProveError,
    statement::Ranges,
};

impl Shape {
    /// The statement as the library wants it. `RangeStatement::init` would compress the points again.
    pub(super) fn statement(
        self,
        commitments: &[Point],
        minimums: impl Iterator<Item = u64>,
    ) -> RangeStatement<curve25519_dalek::RistrettoPoint> {
        RangeStatement {
            generators: self.parameters().clone(),
            commitments: commitments.iter().map(Point::point).collect(),
            commitments_compressed: commitments.iter().map(Point::compressed).collect(),
            minimum_value_promises: minimums.map(|minimum| (minimum > 0).then_some(minimum)).collect(),
            seed_nonce: None,
        }
    }
}

/// Proves that every commitment holds a value in `[minimum, 2^64 + minimum)`. Nothing when the statement has no ranges.
/// Variable time in the wallet's own values (`docs/PROTOCOL.md` section 12).
pub(crate) fn prove(
    ranges: Ranges,
    seed: &[u8; 32],
    commitments: &[Point],
    openings: &[RangeOpening],
    rng: &mut impl CryptoRng,
) -> Result<Option<RangeProof>, ProveError> {
    let Some(shape) = Shape::of(ranges) else { return Ok(None) };
    if commitments.len() != shape.names.len() {
        return Err(ProveError::Witness);
    }
    let statement = shape.statement(commitments, openings.iter().map(|opening| opening.minimum));
    let openings =
        openings.iter().map(|opening| CommitmentOpening::new(opening.value, opening.masks.clone())).collect();
    let witness = RangeWitness::init(openings).map_err(|_| ProveError::Witness)?;
    let proof = RistrettoRangeProof::prove_with_rng(&mut challenges::start(seed), &statement, &witness, rng);
    let bytes = proof.map_err(|_| ProveError::Amount)?.to_bytes();
    RangeProof::read(shape, &mut Reader::new(&bytes)).map(Some).map_err(|_| ProveError::Amount)
}
