//! Leave to renew: asked for by the wallet of an identity, logged by the issuer (`docs/WIRE.md` sections 3 and 5).

use curve25519_dalek::Scalar;
use rand_core::CryptoRng;
use zeroize::ZeroizeOnDrop;

use crate::{
    account::{AccountKey, AccountProof, ProofContext},
    calendar::{Day, Month},
    credential::commit,
    encoding::{Point, Reader},
    error::{DecodeError, VerificationFailure},
    identity::Pid,
    params::Generator,
    seed::{Nonce, WalletKeys},
    statement::{Commitment, Statement},
    transaction::Core,
};

/// A logged grant: the redeemer renews the state behind `P̂` to this class and validity, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// `P̂`
    hidden: Point,
    /// The class of the renewed state.
    pub class: u32,
    /// The last month of its validity.
    pub validity: Month,
    /// The last day on which the grant may be used.
    pub last_day: Day,
}

impl Grant {
    /// A grant to the wallet that asked for it.
    #[must_use]
    pub fn new(request: &GrantRequest, class: u32, validity: Month, last_day: Day) -> Self {
        Self { hidden: request.hidden, class, validity, last_day }
    }

    /// Whether it was given to this request, or to the same one of another day: the same `P̂`.
    #[must_use]
    pub fn is_for(&self, request: &GrantRequest) -> bool {
        self.hidden == request.hidden
    }

    /// The 44 bytes of its entry: P̂, class, validity, last day.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let numbers = [self.class, self.validity.get(), self.last_day.get()];
        [self.hidden.as_bytes().as_slice(), numbers.map(u32::to_le_bytes).as_flattened()].concat()
    }

    /// Reads what [`Grant::to_bytes`] writes.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that is not canonical.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let grant = Self {
            hidden: reader.point()?,
            class: reader.u32()?,
            validity: Month::new(reader.u32()?),
            last_day: Day::new(reader.u32()?),
        };
        reader.end()?;
        Ok(grant)
    }

    /// Whether it is a renewal under this grant: the same `P̂`, class and validity, not after the last day
    /// (`docs/WIRE.md` section 6). That the core names this grant's index is for whoever looked it up.
    #[must_use]
    pub fn covers(&self, core: &Core) -> bool {
        let publics = core.publics();
        core.statement() == Statement::Renew
            && core.commitment(Commitment::PHat) == Some(&self.hidden)
            && (publics.class, publics.new_validity) == (self.class, self.validity.get())
            && core.header().day <= self.last_day
    }
}

/// What a wallet asks its issuer for a grant with, 164 bytes: P̂, Y, b, day, account proof. Never logged.
#[derive(ZeroizeOnDrop)]
pub struct GrantRequest {
    #[zeroize(skip)]
    hidden: Point,
    #[zeroize(skip)]
    account: AccountKey,
    b: Scalar,
    #[zeroize(skip)]
    day: Day,
    #[zeroize(skip)]
    proof: AccountProof,
}

impl GrantRequest {
    /// A request for the renewal with this nonce, which has to be kept until the renewal is answered.
    #[must_use]
    pub fn new(keys: &WalletKeys, nonce: &Nonce, pid: &Pid, day: Day, rng: &mut impl CryptoRng) -> Self {
        let (hidden, b) = super::hidden(keys, nonce, pid.scalar());
        let proof = AccountProof::prove(&ProofContext::grant(hidden.as_bytes(), day), keys, rng);
        Self { hidden, account: AccountKey::of(keys), b, day, proof }
    }

    /// The account whose registration is to be renewed.
    #[must_use]
    pub fn account(&self) -> AccountKey {
        self.account
    }

    /// The day it was made on; the issuer takes it on that day only.
    #[must_use]
    pub fn day(&self) -> Day {
        self.day
    }

    /// The 164 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.hidden.as_bytes().to_vec();
        bytes.extend_from_slice(&self.account.to_bytes());
        bytes.extend_from_slice(self.b.as_bytes());
        bytes.extend_from_slice(&self.day.get().to_le_bytes());
        bytes.extend_from_slice(&self.proof.to_bytes());
        bytes
    }

    /// Reads what [`GrantRequest::to_bytes`] writes.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that is not canonical.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let request = Self {
            hidden: reader.point()?,
            account: AccountKey::from_bytes(reader.array()?)?,
            b: reader.scalar()?,
            day: Day::new(reader.u32()?),
            proof: AccountProof::from_bytes(&reader.array()?)?,
        };
        reader.end()?;
        Ok(request)
    }

    /// Checks `P̂ = pid·H_identity + Y + b·H_blind` for the identity that is registered with this account, and the proof of
    /// `Y = s·H_account`.
    ///
    /// # Errors
    /// [`VerificationFailure`] when one of them does not hold.
    pub fn check(&self, pid: &Pid) -> Result<(), VerificationFailure> {
        let terms = [(Generator::Identity, pid.scalar()), (Generator::Blind, self.b)];
        if commit(&terms) + self.account.point() != self.hidden.point() {
            return Err(VerificationFailure);
        }
        self.proof.verify(&ProofContext::grant(self.hidden.as_bytes(), self.day), self.account)
    }
}
