//! Account keys `Y = s·H_account` and their blinded form in transactions (`docs/PROTOCOL.md` section 5).

use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{
    calendar::Day,
    encoding::{Point, Reader, bytes32},
    error::{DecodeError, VerificationFailure},
    params::Generator,
    seed::WalletKeys,
    statement::Commitment,
    transaction::Core,
    transcript::Transcript,
};

/// An account key `Y`: names an account to the issuer, and is never logged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccountKey(Point);

impl AccountKey {
    /// The account key of a wallet.
    #[must_use]
    pub fn of(keys: &WalletKeys) -> Self {
        Self(Point::new(Generator::Account.point() * keys.owner()))
    }

    /// Reads 32 canonical bytes; the identity is refused.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, DecodeError> {
        Point::decode(bytes).map(Self)
    }

    /// The 32 canonical bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        *self.0.as_bytes()
    }

    pub(crate) fn point(&self) -> RistrettoPoint {
        self.0.point()
    }
}

/// The private part of Withdraw and Redeem: `Y` and the blinding `b` of `Ŷ`, 64 bytes. Sent beside, never logged.
#[derive(ZeroizeOnDrop)]
pub struct AccountOpening {
    #[zeroize(skip)]
    account: AccountKey,
    b: Scalar,
}

impl AccountOpening {
    pub(crate) fn new(account: AccountKey, b: Scalar) -> Self {
        Self { account, b }
    }

    /// The account key.
    #[must_use]
    pub fn account(&self) -> AccountKey {
        self.account
    }

    /// `Y`, then `b`.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        let (account, b) = bytes.split_at_mut(32);
        account.copy_from_slice(&self.account.to_bytes());
        b.copy_from_slice(self.b.as_bytes());
        bytes
    }

    /// Reads what [`AccountOpening::to_bytes`] writes.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that is not canonical.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let account = AccountKey(reader.point()?);
        let b = reader.scalar()?;
        reader.end()?;
        Ok(Self { account, b })
    }

    /// Checks `Ŷ = Y + b·H_blind`: the transaction is of this account.
    ///
    /// # Errors
    /// [`VerificationFailure`] when it is of another account, or the transaction has no `Ŷ`.
    pub fn check(&self, core: &Core) -> Result<(), VerificationFailure> {
        let hidden = core.commitment(Commitment::YHat).ok_or(VerificationFailure)?;
        if self.account.point() + Generator::Blind.point() * self.b == hidden.point() {
            Ok(())
        } else {
            Err(VerificationFailure)
        }
    }
}

bytes32! {
    /// What an account proof is made for: a transaction id, or a hash that names another request.
    ProofContext
}

impl ProofContext {
    /// A request for the state of an account on this day.
    #[must_use]
    pub fn account_query(account: AccountKey, day: Day) -> Self {
        let hash = Sha256::new()
            .chain_update(b"farthing/v1/account-query")
            .chain_update(account.to_bytes())
            .chain_update(day.get().to_le_bytes());
        Self::new(hash.finalize().into())
    }

    /// A request for leave to renew the wallet state behind `P̂`, on this day.
    #[must_use]
    pub(crate) fn grant(hidden: &[u8; 32], day: Day) -> Self {
        let hash =
            Sha256::new().chain_update(b"farthing/v1/grant").chain_update(hidden).chain_update(day.get().to_le_bytes());
        Self::new(hash.finalize().into())
    }
}

/// A Schnorr proof of knowledge of `s` with `Y = s·H_account`, 64 bytes `c ‖ n + c·s`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccountProof {
    c: Scalar,
    z: Scalar,
}

fn bind(context: &ProofContext, account: AccountKey) -> Transcript {
    let mut transcript = Transcript::new("farthing/v1/account");
    transcript.bytes("id", context.as_bytes());
    transcript.point("Y", &account.0);
    transcript
}

fn challenge(mut transcript: Transcript, R: RistrettoPoint) -> Scalar {
    transcript.bytes("R", R.compress().as_bytes());
    transcript.challenge_scalar("c")
}

impl AccountProof {
    /// Proves that these are the keys of the account `Y` they have, for this context only.
    #[must_use]
    pub fn prove(context: &ProofContext, keys: &WalletKeys, rng: &mut impl CryptoRng) -> Self {
        let transcript = bind(context, AccountKey::of(keys));
        let nonce = Zeroizing::new(transcript.hedged([keys.owner()], rng).scalar());
        let c = challenge(transcript, Generator::Account.point() * *nonce);
        Self { c, z: *nonce + c * keys.owner() }
    }

    /// Checks the proof.
    ///
    /// # Errors
    /// [`VerificationFailure`].
    pub fn verify(&self, context: &ProofContext, account: AccountKey) -> Result<(), VerificationFailure> {
        let R = Generator::Account.point() * self.z - account.point() * self.c;
        if challenge(bind(context, account), R) == self.c { Ok(()) } else { Err(VerificationFailure) }
    }

    /// The 64 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        let (c, z) = bytes.split_at_mut(32);
        c.copy_from_slice(self.c.as_bytes());
        z.copy_from_slice(self.z.as_bytes());
        bytes
    }

    /// Reads the 64 bytes.
    ///
    /// # Errors
    /// [`DecodeError`] for scalars that are not canonical.
    pub fn from_bytes(bytes: &[u8; 64]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        Ok(Self { c: reader.scalar()?, z: reader.scalar()? })
    }
}
