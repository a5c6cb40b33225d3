//! The attestation: whoever holds the issuing key says of one presentation that `Ā = x·A'`.

use rand_core::CryptoRng;

use crate::{
    credential::{
        dleq::{Dleq, DleqItem, DleqUse},
        present::Input,
    },
    disclosure::DisclosureId,
    encoding::{Point, Reader},
    error::{DecodeError, VerificationFailure},
    keys::{KeyId, PublicKey, SigningKey},
    transcript::Message,
};

/// What a verifier asks the redeemer, 128 bytes: key id, `A'`, `Ā`, and the id of the disclosure, from which nothing
/// disclosed can be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttestationRequest {
    pub(super) key: KeyId,
    pub(super) a: Point,
    pub(super) abar: Point,
    pub(super) id: DisclosureId,
}

impl AttestationRequest {
    pub(super) fn new(input: &Input, id: DisclosureId) -> Self {
        Self { key: input.key, a: input.a, abar: input.abar, id }
    }

    /// The key that the presentation says it is under.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }

    pub(super) fn items(&self) -> [DleqItem; 1] {
        [DleqItem::spent(self.a, self.abar)]
    }

    /// The 128 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [*self.key.as_bytes(), *self.a.as_bytes(), *self.abar.as_bytes(), *self.id.as_bytes()].concat()
    }

    /// Reads what [`AttestationRequest::to_bytes`] writes.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that is not canonical, and for identity points.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let key = KeyId::new(reader.array()?);
        let (a, abar) = (reader.point()?, reader.point()?);
        let id = DisclosureId::new(reader.array()?);
        reader.end()?;
        Ok(Self { key, a, abar, id })
    }
}

/// A DLEQ proof of `log_G X = log_{A'} Ā` for one disclosure, 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation(Dleq);

impl Attestation {
    /// Attests what is true and refuses what is not, in a time that does not depend on the key.
    ///
    /// # Errors
    /// [`VerificationFailure`] when `Ā` is not `x·A'`, or the presentation is said to be under another key.
    pub fn make(
        key: &SigningKey,
        request: &AttestationRequest,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, VerificationFailure> {
        if key.public().id() != request.key || request.a.point() * key.x() != request.abar.point() {
            return Err(VerificationFailure);
        }
        Ok(Self(Dleq::prove(DleqUse::Attest, key, request.id.as_bytes(), &request.items(), rng)))
    }

    /// Checks that it attests this presentation, under this key.
    ///
    /// # Errors
    /// [`VerificationFailure`].
    pub fn verify(&self, key: &PublicKey, request: &AttestationRequest) -> Result<(), VerificationFailure> {
        if key.id() != request.key {
            return Err(VerificationFailure);
        }
        self.0.verify(DleqUse::Attest, key, request.id.as_bytes(), &request.items())
    }

    /// Every message of its transcript, for test vectors and for reading.
    ///
    /// # Errors
    /// [`VerificationFailure`] for an identity point.
    pub fn transcript(
        &self,
        key: &PublicKey,
        request: &AttestationRequest,
    ) -> Result<Vec<Message>, VerificationFailure> {
        self.0.transcript(DleqUse::Attest, key, request.id.as_bytes(), &request.items())
    }

    /// The 64 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 64] {
        self.0.to_bytes()
    }

    /// Reads the 64 bytes.
    ///
    /// # Errors
    /// [`DecodeError`] for scalars that are not canonical.
    pub fn from_bytes(bytes: &[u8; 64]) -> Result<Self, DecodeError> {
        Dleq::from_bytes(bytes).map(Self)
    }
}
