//! Range proofs: the only user of `tari_bulletproofs_plus` (`docs/PROTOCOL.md` section 3, `docs/WIRE.md` section 2).

use std::sync::LazyLock;

use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::CryptoRng;
use tari_bulletproofs_plus::{
    PedersenGens, commitment_opening::CommitmentOpening, generators::pedersen_gens::ExtensionDegree,
    range_parameters::RangeParameters, range_proof::VerifyAction, range_statement::RangeStatement,
    range_witness::RangeWitness, ristretto::RistrettoRangeProof,
};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    encoding::{Point, Reader},
    error::{DecodeError, ProveError, VerificationFailure},
    params::Generator,
    statement::Ranges,
};

/// Bits of an amount.
const BITS: usize = 64;

/// The masks of money, in order.
const MONEY_MASKS: [Generator; 6] =
    [Generator::Owner, Generator::Serial, Generator::Purpose, Generator::Refund, Generator::Expiry, Generator::Blind];

/// The mask of a counter.
const COUNTER_MASKS: [Generator; 1] = [Generator::Blind];

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

/// Generators for up to `size` aggregated values.
#[allow(clippy::expect_used)] // fixed arguments that the library accepts
fn generators(masks: &[Generator], size: usize) -> RangeParameters<RistrettoPoint> {
    let gens = PedersenGens {
        h_base: Generator::Value.point(),
        h_base_compressed: Generator::Value.encoding(),
        g_base_vec: masks.iter().map(|mask| mask.point()).collect(),
        g_base_compressed_vec: masks.iter().map(|mask| mask.encoding()).collect(),
        extension_degree: ExtensionDegree::try_from(masks.len()).expect("one to six masks"),
    };
    RangeParameters::init(BITS, size, gens).expect("a power of two")
}

static MONEY: LazyLock<RangeParameters<RistrettoPoint>> = LazyLock::new(|| generators(&MONEY_MASKS, 2));
static COUNTERS: LazyLock<RangeParameters<RistrettoPoint>> = LazyLock::new(|| generators(&COUNTER_MASKS, 4));

/// The generators, number of values and degree of a statement's range proof.
fn parameters(ranges: Ranges) -> Option<(&'static RangeParameters<RistrettoPoint>, usize, u8)> {
    match ranges {
        Ranges::None => None,
        Ranges::Money(names) => Some((&MONEY, names.len(), 6)),
        Ranges::Counters(names) => Some((&COUNTERS, names.len(), 1)),
    }
}

/// Bytes of a proof: `1 + 32·(degree + 5 + 2·log2(64m))`.
fn length(degree: u8, size: usize) -> usize {
    1 + 32 * (usize::from(degree) + 5 + 2 * (BITS * size).ilog2() as usize)
}

/// Takes a range proof of the right length and degree from the reader, or nothing when the statement has none.
pub(crate) fn read(ranges: Ranges, reader: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    let Some((_, size, degree)) = parameters(ranges) else { return Ok(Vec::new()) };
    let bytes = reader.bytes(length(degree, size))?;
    if bytes.first() != Some(&degree) {
        return Err(DecodeError::Field("degree of the range proof"));
    }
    // Points of the proof are checked when it is verified; its scalars must be canonical here.
    RistrettoRangeProof::from_bytes(bytes).map_err(|_| DecodeError::Scalar)?;
    Ok(bytes.to_vec())
}

fn transcript(seed: &[u8; 32]) -> tari_bulletproofs_plus::Transcript {
    let mut transcript = tari_bulletproofs_plus::Transcript::new(b"farthing/v1/range");
    transcript.append_message(b"seed", seed);
    transcript
}

fn statement(
    ranges: Ranges,
    commitments: &[Point],
    minimums: impl Iterator<Item = u64>,
) -> Option<RangeStatement<RistrettoPoint>> {
    let (parameters, size, _) = parameters(ranges)?;
    if commitments.len() != size {
        return None;
    }
    // `RangeStatement::init` would compress the points again.
    Some(RangeStatement {
        generators: parameters.clone(),
        commitments: commitments.iter().map(Point::point).collect(),
        commitments_compressed: commitments.iter().map(Point::compressed).collect(),
        minimum_value_promises: minimums.map(|minimum| (minimum > 0).then_some(minimum)).collect(),
        seed_nonce: None,
    })
}

/// Proves that every commitment holds a value in `[minimum, 2^64 + minimum)`. Empty when the statement has no ranges.
/// Variable time in the wallet's own values (`docs/PROTOCOL.md` section 11).
pub(crate) fn prove(
    ranges: Ranges,
    seed: &[u8; 32],
    commitments: &[Point],
    openings: &[RangeOpening],
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, ProveError> {
    if ranges == Ranges::None {
        return Ok(Vec::new());
    }
    let minimums = openings.iter().map(|opening| opening.minimum);
    let statement = statement(ranges, commitments, minimums).ok_or(ProveError::Witness)?;
    let openings =
        openings.iter().map(|opening| CommitmentOpening::new(opening.value, opening.masks.clone())).collect();
    let witness = RangeWitness::init(openings).map_err(|_| ProveError::Witness)?;
    let proof = RistrettoRangeProof::prove_with_rng(&mut transcript(seed), &statement, &witness, rng);
    Ok(proof.map_err(|_| ProveError::Amount)?.to_bytes())
}

/// One range proof waiting to be verified.
pub(crate) struct RangeCheck<'a> {
    pub(crate) ranges: Ranges,
    pub(crate) seed: [u8; 32],
    pub(crate) commitments: Vec<Point>,
    pub(crate) minimums: Vec<u64>,
    pub(crate) proof: &'a [u8],
}

/// Verifies range proofs, those of each degree in one batch.
pub(crate) fn verify(checks: Vec<RangeCheck<'_>>) -> Result<(), VerificationFailure> {
    let (money, counters) = checks.into_iter().partition(|check| matches!(check.ranges, Ranges::Money(_)));
    verify_degree(money)?;
    verify_degree(counters)
}

fn verify_degree(checks: Vec<RangeCheck<'_>>) -> Result<(), VerificationFailure> {
    if checks.is_empty() {
        return Ok(());
    }
    let mut transcripts = Vec::with_capacity(checks.len());
    let mut statements = Vec::with_capacity(checks.len());
    let mut proofs = Vec::with_capacity(checks.len());
    for check in &checks {
        transcripts.push(transcript(&check.seed));
        let minimums = check.minimums.iter().copied();
        statements.push(statement(check.ranges, &check.commitments, minimums).ok_or(VerificationFailure)?);
        proofs.push(RistrettoRangeProof::from_bytes(check.proof).map_err(|_| VerificationFailure)?);
    }
    RistrettoRangeProof::verify_batch(&mut transcripts, &statements, &proofs, VerifyAction::VerifyOnly)
        .map(|_| ())
        .map_err(|_| VerificationFailure)
}
