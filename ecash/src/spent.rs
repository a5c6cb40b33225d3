//! The batched proof that every presentation in the log was under the one published key, `Ā = x·A'`, for those who lack
//! the key (`docs/PROTOCOL.md` sections 3.2 and 9).

use rand_core::CryptoRng;

use crate::{
    credential::dleq::{Dleq, DleqItem, DleqUse},
    error::{DecodeError, VerificationFailure},
    keys::{KeyId, PublicKey, SigningKey},
    transaction::Core,
};

/// One DLEQ proof for all inputs under one key since the previous checkpoint, 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpentProof(Dleq);

/// The inputs of these transactions under this key, by log index, then input.
fn items<'a>(key: KeyId, cores: impl IntoIterator<Item = &'a Core>) -> Vec<DleqItem> {
    let inputs = cores.into_iter().flat_map(|core| &core.inputs).filter(|input| input.key == key);
    inputs.map(|input| DleqItem::spent(input.a, input.abar)).collect()
}

impl SpentProof {
    /// Proves it for the checkpoint with this root. There is no proof for a key without a spent input.
    pub fn prove<'a>(
        key: &SigningKey,
        root: &[u8; 32],
        cores: impl IntoIterator<Item = &'a Core>,
        rng: &mut impl CryptoRng,
    ) -> Option<Self> {
        let items = items(key.public().id(), cores);
        (!items.is_empty()).then(|| Self(Dleq::prove(DleqUse::Spent, key, root, &items, rng)))
    }

    /// Checks the proof over the same transactions in the order of the log.
    ///
    /// # Errors
    /// [`VerificationFailure`].
    pub fn verify<'a>(
        &self,
        key: &PublicKey,
        root: &[u8; 32],
        cores: impl IntoIterator<Item = &'a Core>,
    ) -> Result<(), VerificationFailure> {
        self.0.verify(DleqUse::Spent, key, root, &items(key.id(), cores))
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
