//! The transcript of a range proof, as the library writes it.

use std::sync::LazyLock;

use curve25519_dalek::Scalar;
use tari_bulletproofs_plus::Transcript;

use super::{BITS, ROUNDS_MAX, RangeProof, Shape, verify::Ranged};
use crate::{error::VerificationFailure, params::Generator};

static START: LazyLock<Transcript> = LazyLock::new(|| Transcript::new(b"farthing/v1/range"));

/// The transcript that prover and verifier start from.
pub(super) fn start(seed: &[u8; 32]) -> Transcript {
    let mut transcript = START.clone();
    transcript.append_message(b"seed", seed);
    transcript
}

/// What the verifier asked, after everything the prover said before.
pub(crate) struct Challenges {
    pub(super) y: Scalar,
    pub(super) z: Scalar,
    pub(super) e: Scalar,
    /// One per round; the rest are not used.
    u: [Scalar; ROUNDS_MAX],
    rounds: usize,
}

/// A challenge that is zero is refused, by the library too; it never happens.
fn draw(transcript: &mut Transcript, label: &'static [u8]) -> Result<Scalar, VerificationFailure> {
    let mut bytes = [0; 64];
    transcript.challenge_bytes(label, &mut bytes);
    not_zero(&bytes)
}

fn not_zero(bytes: &[u8; 64]) -> Result<Scalar, VerificationFailure> {
    let challenge = Scalar::from_bytes_mod_order_wide(bytes);
    if challenge == Scalar::ZERO { Err(VerificationFailure) } else { Ok(challenge) }
}

impl Challenges {
    /// Absorbs statement and proof.
    pub(super) fn new<'a>(
        shape: Shape,
        seed: &[u8; 32],
        commitments: impl Iterator<Item = &'a Ranged<'a>> + Clone,
        proof: &RangeProof,
    ) -> Result<Self, VerificationFailure> {
        let mut transcript = start(seed);
        transcript.append_message(b"dom-sep", b"Bulletproofs+ Range Proof");
        transcript.append_message(b"H", Generator::Value.encoding().as_bytes());
        for mask in shape.masks {
            transcript.append_message(b"G", mask.encoding().as_bytes());
        }
        transcript.append_u64(b"N", BITS as u64);
        transcript.append_u64(b"T", shape.masks.len() as u64);
        transcript.append_u64(b"M", shape.names.len() as u64);
        for commitment in commitments.clone() {
            transcript.append_message(b"Ci", commitment.point.as_bytes());
        }
        for commitment in commitments {
            transcript.append_u64(b"vi - minimum_value", commitment.minimum);
        }
        transcript.append_message(b"A", proof.A.as_bytes());
        let y = draw(&mut transcript, b"y")?;
        let z = draw(&mut transcript, b"z")?;
        let mut u = [Scalar::ONE; ROUNDS_MAX];
        for (u, (L, R)) in u.iter_mut().zip(&proof.rounds) {
            transcript.append_message(b"L", L.as_bytes());
            transcript.append_message(b"R", R.as_bytes());
            *u = draw(&mut transcript, b"e")?;
        }
        transcript.append_message(b"A1", proof.A1.as_bytes());
        transcript.append_message(b"B", proof.B.as_bytes());
        let e = draw(&mut transcript, b"e")?;
        Ok(Self { y, z, e, u, rounds: proof.rounds.len() })
    }

    /// The challenges of the rounds.
    pub(super) fn u(&self) -> &[Scalar] {
        self.u.split_at_checked(self.rounds).map_or(&[], |(used, _)| used)
    }

    /// Those whose inverses the check needs: `y`, then those of the rounds. None is zero.
    pub(crate) fn to_invert(&self) -> impl Iterator<Item = Scalar> {
        std::iter::once(self.y).chain(self.u().iter().copied())
    }

    /// How many inverses that is.
    pub(crate) fn inverses(&self) -> usize {
        1 + self.rounds
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Zero itself, and the order of the group, which is zero when it is reduced.
    #[test]
    fn a_zero_challenge_is_refused() {
        let mut order = [0; 64];
        order[..32].copy_from_slice((-Scalar::ONE).as_bytes());
        assert_eq!(not_zero(&order).unwrap(), -Scalar::ONE);
        order[0] += 1;
        assert!(not_zero(&order).is_err() && not_zero(&[0; 64]).is_err());
    }
}
