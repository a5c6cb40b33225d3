//! The batched proof that every presentation in the log was under the one published key, `Ā = x·A'`, for those who lack
//! the key (`docs/PROTOCOL.md` sections 3.2 and 9).

use rand_core::CryptoRng;

use crate::{
    credential::dleq::{Dleq, DleqItem, DleqUse},
    encoding::Point,
    error::{DecodeError, VerificationFailure},
    keys::{KeyId, PublicKey, SigningKey},
    transaction::Core,
};

/// What the proof needs of an input: a transaction that was decoded once need not be kept for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpentInput {
    key: KeyId,
    a: Point,
    abar: Point,
}

impl SpentInput {
    /// The inputs of a transaction, in their order.
    pub fn all(core: &Core) -> impl Iterator<Item = Self> {
        core.inputs.iter().map(|input| Self { key: input.key, a: input.a, abar: input.abar })
    }

    /// The key that the input is under.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }
}

/// One DLEQ proof for all inputs under one key since the previous checkpoint, 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpentProof(Dleq);

/// The inputs of these transactions under this key, by log index, then input.
fn items<'a>(key: KeyId, cores: impl IntoIterator<Item = &'a Core>) -> Vec<DleqItem> {
    let inputs = cores.into_iter().flat_map(|core| &core.inputs).filter(|input| input.key == key);
    inputs.map(|input| DleqItem::spent(input.a, input.abar)).collect()
}

fn kept<'a>(key: KeyId, inputs: impl IntoIterator<Item = &'a SpentInput>) -> Vec<DleqItem> {
    let inputs = inputs.into_iter().filter(|input| input.key == key);
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

    /// Proves it from inputs that were kept, by log index, then input; those under other keys do not count.
    pub fn prove_inputs<'a>(
        key: &SigningKey,
        root: &[u8; 32],
        inputs: impl IntoIterator<Item = &'a SpentInput>,
        rng: &mut impl CryptoRng,
    ) -> Option<Self> {
        let items = kept(key.public().id(), inputs);
        (!items.is_empty()).then(|| Self(Dleq::prove(DleqUse::Spent, key, root, &items, rng)))
    }

    /// Checks the proof over inputs that were kept, by log index, then input; those under other keys do not count.
    ///
    /// # Errors
    /// [`VerificationFailure`].
    pub fn verify_inputs<'a>(
        &self,
        key: &PublicKey,
        root: &[u8; 32],
        inputs: impl IntoIterator<Item = &'a SpentInput>,
    ) -> Result<(), VerificationFailure> {
        self.0.verify(DleqUse::Spent, key, root, &kept(key.id(), inputs))
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
