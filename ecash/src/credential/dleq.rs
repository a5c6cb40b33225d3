//! Proofs of equal discrete logarithms: what was issued, which rules were signed and what was spent is under the one
//! published key (`docs/PROTOCOL.md` section 3.1, `docs/WIRE.md` section 3).

use curve25519_dalek::{
    RistrettoPoint, Scalar,
    traits::{Identity, IsIdentity, VartimeMultiscalarMul},
};
use rand_core::CryptoRng;

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
}

impl DleqUse {
    const fn name(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Rule => "rule",
            Self::Spent => "spent",
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

/// A statement absorbed, with its combined points.
struct Combined {
    transcript: Transcript,
    A: RistrettoPoint,
    D: RistrettoPoint,
}

/// Absorbs the statement, draws the weights, and combines. `A* = 0` is refused.
fn combine(
    mut transcript: Transcript,
    purpose: DleqUse,
    key: &PublicKey,
    id: &[u8; 32],
    items: &[DleqItem],
) -> Result<Combined, VerificationFailure> {
    transcript.bytes("use", purpose.name().as_bytes());
    transcript.bytes("key", key.id().as_bytes());
    transcript.bytes("id", id);
    transcript.point("X", key.X());
    transcript.u32("n", u32::try_from(items.len()).map_err(|_| VerificationFailure)?);
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
    let weights: Vec<_> =
        (0..items.len()).map(|j| if j == 0 { Scalar::ONE } else { transcript.challenge_scalar("w") }).collect();
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
    transcript.bytes("A*", A.compress().as_bytes());
    transcript.bytes("D*", D.compress().as_bytes());
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

fn dleq_challenge(transcript: &mut Transcript, R1: &RistrettoPoint, R2: &RistrettoPoint) -> Scalar {
    transcript.bytes("R1", R1.compress().as_bytes());
    transcript.bytes("R2", R2.compress().as_bytes());
    transcript.challenge_scalar("c")
}

impl Dleq {
    /// Proves that every item is under `key`. The nonce comes from the transcript's witness-keyed generator.
    ///
    /// With no items, or in the negligible case `A* = 0`, the proof will not verify.
    pub(crate) fn prove(
        purpose: DleqUse,
        key: &SigningKey,
        id: &[u8; 32],
        items: &[DleqItem],
        rng: &mut impl CryptoRng,
    ) -> Self {
        let combined = combine(Transcript::new("farthing/v1/dleq"), purpose, key.public(), id, items);
        let Ok(Combined { mut transcript, A, .. }) = combined else {
            return Self { c: Scalar::ZERO, z: Scalar::ZERO };
        };
        let nonce = zeroize::Zeroizing::new(transcript.hedged([key.x()], rng).scalar());
        let c = dleq_challenge(&mut transcript, &RistrettoPoint::mul_base(&nonce), &(A * *nonce));
        Self { c, z: *nonce + c * key.x() }
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
        let c = dleq_challenge(&mut transcript, &R1, &R2);
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
