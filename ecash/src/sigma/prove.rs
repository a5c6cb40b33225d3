//! The prover (`docs/PROTOCOL.md` section 4).

use curve25519_dalek::Scalar;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    cores,
    encoding::Point,
    error::ProveError,
    range::{self, RangeOpening, RangeProof},
    sigma::{
        relation::{Equation, Relation},
        witness::Witness,
    },
    transaction::{Bound, Core, Proof},
    transcript::Transcript,
};

/// Equations that are worth a thread: a multiplication or more each.
const PER_THREAD: usize = 16;

/// Absorbs the range proof, empty when the statement has none.
fn absorb_range(transcript: &mut Transcript, range_proof: Option<&RangeProof>) {
    transcript.bytes("range-proof", range_proof.map_or(&[], RangeProof::as_bytes));
}

/// A copy of all points, by number.
pub(super) fn points(core: &Core) -> Vec<Point> {
    core.points().copied().collect()
}

/// Absorbs the prover's commitments and draws `c`.
pub(super) fn draw(transcript: &mut Transcript, T: &[Point]) -> Scalar {
    for point in T {
        transcript.point("T", point);
    }
    transcript.challenge_scalar("c")
}

/// Absorbs the prover's messages and draws `c`, as the verifier does.
pub(crate) fn challenge(transcript: &mut Transcript, range_proof: Option<&RangeProof>, T: &[Point]) -> Scalar {
    absorb_range(transcript, range_proof);
    draw(transcript, T)
}

/// Proves a bound statement: `T = Σ α·P` per equation, `z = α + c·w` per secret.
///
/// # Errors
/// [`ProveError::Witness`] when the witness does not satisfy the relation: nothing is proved then.
pub(crate) fn prove(
    core: &Core,
    bound: &Bound,
    witness: &Witness,
    openings: &[RangeOpening],
    rng: &mut impl CryptoRng,
) -> Result<Proof, ProveError> {
    let values = bound.relation.values(witness)?;
    if !bound.relation.broken(&points(core), &values)?.is_empty() {
        return Err(ProveError::Witness);
    }
    let range = range::prove(core.ranges(), &bound.range_seed, &core.ranged(), openings, rng)?;
    respond(core, bound, &values, range, rng)
}

/// Proves without looking at the witness first.
pub(crate) fn respond(
    core: &Core,
    bound: &Bound,
    values: &[Scalar],
    range: Option<RangeProof>,
    rng: &mut impl CryptoRng,
) -> Result<Proof, ProveError> {
    let mut transcript = bound.transcript.clone();
    absorb_range(&mut transcript, range.as_ref());
    let (T, z) = answer(&bound.relation, &points(core), transcript, values, rng)?;
    Ok(Proof { range, T, z })
}

/// `T` and `z` for everything that the transcript has absorbed. `α` is drawn only now, so that even with a broken generator
/// two challenges never meet the same `α`.
pub(super) fn answer(
    relation: &Relation,
    points: &[Point],
    mut transcript: Transcript,
    values: &[Scalar],
    rng: &mut impl CryptoRng,
) -> Result<(Vec<Point>, Vec<Scalar>), ProveError> {
    let mut random = transcript.hedged(values, rng);
    let alphas = Zeroizing::new(values.iter().map(|_| random.scalar()).collect::<Vec<_>>());
    let commit = |equation: &Equation| equation.right(points, &alphas).map(Point::new);
    let T = cores::map(&relation.equations, PER_THREAD, commit).into_iter().collect::<Result<Vec<_>, _>>()?;
    let c = draw(&mut transcript, &T);
    let z = alphas.iter().zip(values).map(|(alpha, value)| alpha + c * value).collect();
    Ok((T, z))
}
