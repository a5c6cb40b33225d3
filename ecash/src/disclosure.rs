//! Selective disclosure: a wallet shows one fact to a verifier and nothing else (`docs/PROTOCOL.md` section 11).
//!
//! An [`IncomeProof`] shows what a wallet has received in a month, as one presentation of its state. Only whoever holds the
//! issuing key can check a presentation, so the verifier has the redeemer attest it ([`Attestation`]), who learns no more
//! than that somebody checks something. A [`PaymentProof`] shows amount and payee of a logged payment, by its payer.
//!
//! Neither consumes anything, and neither is logged.

use crate::{
    encoding::{Reader, bytes32},
    error::DecodeError,
    identity::Identity,
    keys::VERSION,
    sigma::relation::Relation,
    transcript::Transcript,
};

mod attestation;
mod challenge;
mod income;
#[cfg(test)]
mod oracle;
mod payment;
#[cfg(test)]
mod vectors;

pub use self::{
    attestation::{Attestation, AttestationRequest},
    challenge::{CHALLENGE_BYTES, Challenge, ChallengeError, VERIFIER_LENGTH_MAX},
    income::IncomeProof,
    payment::PaymentProof,
};

bytes32! {
    /// The transcript's challenge "id": names a disclosure, and hides what it discloses.
    DisclosureId
}

/// The label of the transcripts.
const LABEL: &str = "farthing/v1/disclosure";

/// What is disclosed. The discriminant is its code on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Disclosure {
    Income = 1,
    Payment = 2,
}

impl Disclosure {
    const fn name(self) -> &'static str {
        match self {
            Self::Income => "income",
            Self::Payment => "payment",
        }
    }

    /// Absorbs what all disclosures begin with. Without a challenge name and number are empty.
    fn bind(self, transcript: &mut Transcript, relation: &Relation, challenge: Option<&Challenge>) {
        transcript.bytes("statement", self.name().as_bytes());
        transcript.bytes("structure", &relation.structure());
        transcript.bytes("verifier", challenge.map_or("", Challenge::verifier).as_bytes());
        transcript.bytes("challenge", challenge.map_or(&[], |challenge| challenge.number().as_slice()));
    }

    /// Version, code, and the challenge.
    fn head(self, challenge: Option<&Challenge>) -> Vec<u8> {
        let mut bytes = vec![VERSION, self as u8];
        match challenge {
            Some(challenge) => challenge.write(&mut bytes),
            None => bytes.push(0),
        }
        bytes
    }

    fn read_head(self, reader: &mut Reader<'_>) -> Result<Option<Challenge>, DecodeError> {
        if reader.u8()? != VERSION || reader.u8()? != self as u8 {
            return Err(DecodeError::UnknownCode);
        }
        Challenge::read(reader)
    }
}

/// A length, then the identity; length 0 when it is not disclosed.
fn write_identity(bytes: &mut Vec<u8>, identity: Option<&Identity>) {
    let text = identity.map_or("", Identity::as_str);
    bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(text.as_bytes());
}

/// An identity that is not in canonical form is refused.
fn read_identity(reader: &mut Reader<'_>) -> Result<Option<Identity>, DecodeError> {
    let length = reader.u8()?;
    if length == 0 {
        return Ok(None);
    }
    let text = std::str::from_utf8(reader.bytes(length.into())?).map_err(|_| DecodeError::Field("identity"))?;
    let identity = Identity::parse(text).ok().filter(|identity| identity.as_str() == text);
    identity.map(Some).ok_or(DecodeError::Field("identity"))
}
