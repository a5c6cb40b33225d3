//! Proofs of equal discrete logarithms: what was issued, which rules were signed and what was spent is under the one
//! published key (`docs/PROTOCOL.md` section 3.1, `docs/WIRE.md` section 3).

use curve25519_dalek::{
    RistrettoPoint, Scalar,
    ristretto::CompressedRistretto,
    traits::{Identity, IsIdentity, VartimeMultiscalarMul},
};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    encoding::{Point, Reader},
    error::{DecodeError, VerificationFailure},
    keys::{PublicKey, SigningKey},
    transcript::{Message, Transcript},
};

/// What a DLEQ proof is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DleqUse {
    Issue,
    Rule,
    Spent,
    Attest,
}

impl DleqUse {
    const fn name(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Rule => "rule",
            Self::Spent => "spent",
            Self::Attest => "attest",
        }
    }
}

/// One pair of a DLEQ proof: `(A, B, e)` with `x·A = B − e·A`, or `(A', Ā)` with `x·A' = Ā`.
#[derive(Clone)]
pub(crate) struct DleqItem {
    pub(crate) first: Point,
    pub(crate) second: Point,
    e: Option<Scalar>,
}

impl DleqItem {
    pub(crate) fn issued(A: Point, B: Point, e: Scalar) -> Self {
        Self { first: A, second: B, e: Some(e) }
    }

    pub(crate) fn spent(a: Point, abar: Point) -> Self {
        Self { first: a, second: abar, e: None }
    }

    pub(crate) fn e(&self) -> Scalar {
        self.e.unwrap_or(Scalar::ZERO)
    }
}

/// One proof that `log_G X = log_{A*} D*`, 64 bytes: the challenge and the response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dleq {
    c: Scalar,
    z: Scalar,
}

/// A statement absorbed, with the weights drawn for its items; the first is one.
struct Statement {
    transcript: Transcript,
    weights: Vec<Scalar>,
}

impl Statement {
    fn absorb(
        mut transcript: Transcript,
        purpose: DleqUse,
        key: &PublicKey,
        id: &[u8; 32],
        items: &[DleqItem],
    ) -> Self {
        transcript.bytes("use", purpose.name().as_bytes());
        transcript.bytes("key", key.id().as_bytes());
        transcript.bytes("id", id);
        transcript.point("X", key.X());
        transcript.u32("n", u32::try_from(items.len()).unwrap_or(u32::MAX));
        for item in items {
            if let Some(e) = &item.e {
                transcript.point("A", &item.first);
                transcript.point("B", &item.second);
                transcript.scalar("e", e);
            } else {
                transcript.point("in-a", &item.first);
                transcript.point("in-abar", &item.second);
            }
        }
        let weights =
            (0..items.len()).map(|j| if j == 0 { Scalar::ONE } else { transcript.challenge_scalar("w") }).collect();
        Self { transcript, weights }
    }
}

/// A statement absorbed, with its combined points absorbed too.
struct Combined {
    transcript: Transcript,
    A: RistrettoPoint,
    D: RistrettoPoint,
}

/// Absorbs the statement and combines, as whoever lacks the key does. `A* = 0` is refused.
fn combine(
    transcript: Transcript,
    purpose: DleqUse,
    key: &PublicKey,
    id: &[u8; 32],
    items: &[DleqItem],
) -> Result<Combined, VerificationFailure> {
    let Statement { mut transcript, weights } = Statement::absorb(transcript, purpose, key, id, items);
    let firsts = items.iter().map(|item| item.first.point());
    let A = sum(weights.iter().copied(), firsts.clone());
    let scaled = items.iter().zip(&weights).filter(|(item, _)| item.e.is_some());
    let (scaled, issued): (Vec<_>, Vec<_>) =
        scaled.map(|(item, weight)| (-(weight * item.e()), item.first.point())).unzip();
    let seconds = items.iter().map(|item| item.second.point());
    let D = sum(weights.iter().copied().chain(scaled), seconds.chain(issued));
    if A.is_identity() {
        return Err(VerificationFailure);
    }
    absorb_combined(&mut transcript, &A.compress(), &D.compress());
    Ok(Combined { transcript, A, D })
}

/// `Σ w·P`, where the first weight is 1 and needs no multiplication.
fn sum(weights: impl Iterator<Item = Scalar>, points: impl Iterator<Item = RistrettoPoint>) -> RistrettoPoint {
    let mut points = points.peekable();
    let Some(first) = points.next() else { return RistrettoPoint::identity() };
    let rest = weights.skip(1);
    if points.peek().is_none() {
        return first;
    }
    first + RistrettoPoint::vartime_multiscalar_mul(rest, points)
}

fn absorb_combined(transcript: &mut Transcript, A: &CompressedRistretto, D: &CompressedRistretto) {
    transcript.bytes("A*", A.as_bytes());
    transcript.bytes("D*", D.as_bytes());
}

fn dleq_challenge(transcript: &mut Transcript, R1: &CompressedRistretto, R2: &CompressedRistretto) -> Scalar {
    transcript.bytes("R1", R1.as_bytes());
    transcript.bytes("R2", R2.as_bytes());
    transcript.challenge_scalar("c")
}

/// A statement that the holder of the key is about to prove: everything is absorbed but what follows from it.
///
/// It holds half of `A*` because many points are encoded together at the price of about one, if each is given as half
/// of itself (`double_and_compress_batch`). To halve a scalar costs nothing, to halve a point would.
pub(crate) struct Unproved {
    transcript: Transcript,
    half: RistrettoPoint,
}

impl Unproved {
    /// A statement about items. Items and weights are public: the sum may take a time that depends on them.
    pub(crate) fn new(purpose: DleqUse, key: &PublicKey, id: &[u8; 32], items: &[DleqItem]) -> Self {
        let Statement { transcript, weights } =
            Statement::absorb(Transcript::new("farthing/v1/dleq"), purpose, key, id, items);
        let half = RistrettoPoint::vartime_multiscalar_mul(
            weights.iter().map(Scalar::div_by_2),
            items.iter().map(|item| item.first.point()),
        );
        Self { transcript, half }
    }

    /// The same with the halves of all first points at hand, which spares the multiplication of the first of them.
    pub(crate) fn with_halves(
        purpose: DleqUse,
        key: &PublicKey,
        id: &[u8; 32],
        items: &[DleqItem],
        halves: &[RistrettoPoint],
    ) -> Self {
        let Statement { transcript, weights } =
            Statement::absorb(Transcript::new("farthing/v1/dleq"), purpose, key, id, items);
        let half = sum(weights.into_iter(), halves.iter().copied());
        Self { transcript, half }
    }
}

/// The encodings of what one proof shows: `A*`, `D*`, `R1`, `R2`.
const SHOWN: usize = 4;

impl Dleq {
    /// Proves that every item is under `key`.
    ///
    /// With no items, or in the negligible case `A* = 0`, the proof will not verify.
    pub(crate) fn prove(
        purpose: DleqUse,
        key: &SigningKey,
        id: &[u8; 32],
        items: &[DleqItem],
        rng: &mut impl CryptoRng,
    ) -> Self {
        let unproved = Unproved::new(purpose, key.public(), id, items);
        let nothing = Self { c: Scalar::ZERO, z: Scalar::ZERO };
        Self::prove_all(key, vec![unproved], rng).pop().unwrap_or(nothing)
    }

    /// Proves many statements, whose points are encoded together.
    ///
    /// Whoever knows `x` needs no sum for `D*`: it is `x·A*`. All that `x` and the nonces are multiplied with is
    /// constant-time. A nonce comes from its transcript's witness-keyed generator after all items were absorbed, which
    /// decide `A*` and `D*`: two statements never meet the same nonce, even with a broken generator.
    pub(crate) fn prove_all(key: &SigningKey, statements: Vec<Unproved>, rng: &mut impl CryptoRng) -> Vec<Self> {
        let mut halves = Vec::with_capacity(SHOWN * statements.len());
        let mut half_nonces = Zeroizing::new(Vec::with_capacity(statements.len()));
        for Unproved { transcript, half } in &statements {
            let half_nonce = Zeroizing::new(transcript.hedged([key.x()], rng).scalar());
            let R1 = RistrettoPoint::mul_base(&half_nonce);
            halves.extend([*half, half * key.x(), R1, (half + half) * *half_nonce]);
            half_nonces.push(*half_nonce);
        }
        let encodings = RistrettoPoint::double_and_compress_batch(&halves);
        let shown = encodings.as_chunks::<SHOWN>().0;
        let proofs = statements.into_iter().zip(half_nonces.iter()).zip(shown);
        proofs
            .map(|((Unproved { mut transcript, .. }, half_nonce), [A, D, R1, R2])| {
                absorb_combined(&mut transcript, A, D);
                let c = dleq_challenge(&mut transcript, R1, R2);
                Self { c, z: half_nonce + half_nonce + c * key.x() }
            })
            .collect()
    }

    fn absorb(
        &self,
        transcript: Transcript,
        purpose: DleqUse,
        key: &PublicKey,
        id: &[u8; 32],
        items: &[DleqItem],
    ) -> Result<(Transcript, Scalar), VerificationFailure> {
        let Combined { mut transcript, A, D } = combine(transcript, purpose, key, id, items)?;
        let R1 = RistrettoPoint::vartime_double_scalar_mul_basepoint(&-self.c, &key.X().point(), &self.z);
        let R2 = RistrettoPoint::vartime_multiscalar_mul([self.z, -self.c], [A, D]);
        let c = dleq_challenge(&mut transcript, &R1.compress(), &R2.compress());
        Ok((transcript, c))
    }

    /// Checks `R1 = z·G − c·X`, `R2 = z·A* − c·D*`.
    pub(crate) fn verify(
        &self,
        purpose: DleqUse,
        key: &PublicKey,
        id: &[u8; 32],
        items: &[DleqItem],
    ) -> Result<(), VerificationFailure> {
        let (_, c) = self.absorb(Transcript::new("farthing/v1/dleq"), purpose, key, id, items)?;
        if c == self.c { Ok(()) } else { Err(VerificationFailure) }
    }

    /// The transcript, for test vectors.
    pub(crate) fn transcript(
        &self,
        purpose: DleqUse,
        key: &PublicKey,
        id: &[u8; 32],
        items: &[DleqItem],
    ) -> Result<Vec<Message>, VerificationFailure> {
        let (transcript, _) = self.absorb(Transcript::recording("farthing/v1/dleq"), purpose, key, id, items)?;
        Ok(transcript.into_tape())
    }

    /// 64 bytes: c, then n + c·x.
    pub(crate) fn to_bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        let (c, z) = bytes.split_at_mut(32);
        c.copy_from_slice(self.c.as_bytes());
        z.copy_from_slice(self.z.as_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; 64]) -> Result<Self, DecodeError> {
        Self::read(&mut Reader::new(bytes))
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { c: reader.scalar()?, z: reader.scalar()? })
    }
}
