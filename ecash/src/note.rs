//! Notes: money on its way to an identity (`docs/PROTOCOL.md` section 3).

use curve25519_dalek::{RistrettoPoint, Scalar};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    amount::Amount,
    calendar::Month,
    credential::{Attributes, Credential, attribute_sum, issue::Answer, kinds::Kind},
    encoding::Reader,
    error::DecodeError,
    identity::Pid,
    keys::PublicKey,
    params::Generator,
    range::RangeOpening,
    seal::Memo,
    seed::{Nonce, OutputSecret, WalletKeys},
    transaction::Core,
};

mod sealed;
pub use self::sealed::{OpenedNote, SealedNote};

/// The attributes of a note.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Note {
    pub(crate) value: u64,
    /// The payee's identity scalar.
    pub(crate) owner: Scalar,
    pub(crate) serial: Scalar,
    pub(crate) purpose: u32,
    pub(crate) refund: Scalar,
    pub(crate) expiry: u32,
    pub(crate) blind: Scalar,
}

impl Note {
    /// What it is worth.
    #[must_use]
    pub fn value(&self) -> Amount {
        Amount::new(self.value)
    }

    /// What the money may be used for; 0 is anything.
    #[must_use]
    pub fn purpose(&self) -> u32 {
        self.purpose
    }

    /// The month after which the payer may take the note back.
    #[must_use]
    pub fn expiry(&self) -> Month {
        Month::new(self.expiry)
    }
}

impl Note {
    /// Output `index` of the transaction with this nonce: a part of `note`, for the same identity and purpose and with the
    /// same refund tag. Its serial is still without δ, and its expiry is the redeemer's to add.
    pub(crate) fn part(note: &Self, keys: &WalletKeys, nonce: &Nonce, index: u16, value: u64) -> Self {
        Self {
            value,
            owner: note.owner,
            serial: keys.output_secret(nonce, index, OutputSecret::Serial),
            purpose: note.purpose,
            refund: note.refund,
            expiry: 0,
            blind: keys.output_secret(nonce, index, OutputSecret::Blind),
        }
    }

    /// The commitment to all attributes.
    pub(crate) fn commitment(&self) -> RistrettoPoint {
        attribute_sum(self)
    }

    /// The opening of the commitment for its range proof.
    pub(crate) fn range(&self) -> RangeOpening {
        RangeOpening::money(self.value, self.owner, self.serial, self.purpose.into(), self.refund, self.blind)
    }
}

impl Attributes for Note {
    const KIND: Kind = Kind::Note;

    fn attribute(&self, generator: Generator) -> Scalar {
        match generator {
            Generator::Value => self.value.into(),
            Generator::Owner => self.owner,
            Generator::Serial => self.serial,
            Generator::Purpose => self.purpose.into(),
            Generator::Refund => self.refund,
            Generator::Expiry => self.expiry.into(),
            Generator::Blind => self.blind,
            _ => Scalar::ZERO,
        }
    }
}

impl Credential<Note> {
    /// The secret encoding, 240 bytes, for a wallet's encrypted store.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(240));
        self.write_signature(&mut bytes);
        let note = &self.attributes;
        bytes.extend_from_slice(&note.value.to_le_bytes());
        bytes.extend_from_slice(note.owner.as_bytes());
        bytes.extend_from_slice(note.serial.as_bytes());
        bytes.extend_from_slice(&note.purpose.to_le_bytes());
        bytes.extend_from_slice(note.refund.as_bytes());
        bytes.extend_from_slice(&note.expiry.to_le_bytes());
        bytes.extend_from_slice(note.blind.as_bytes());
        bytes
    }

    /// Reads what [`Credential::<Note>::to_secret_bytes`] writes.
    ///
    /// # Errors
    /// [`DecodeError`] for anything else.
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let signature = reader.bytes(96)?;
        let note = Note {
            value: reader.u64()?,
            owner: reader.scalar()?,
            serial: reader.scalar()?,
            purpose: reader.u32()?,
            refund: reader.scalar()?,
            expiry: reader.u32()?,
            blind: reader.scalar()?,
        };
        reader.end()?;
        Self::read_signature(&mut Reader::new(signature), note)
    }
}

/// A note that a payee found in the log, checked: it is money.
pub struct ReceivedNote {
    /// The credential, ready to be claimed.
    pub note: Credential<Note>,
    /// What the payer wrote, at most 256 bytes.
    pub memo: Memo,
}

/// Why a logged payment is not money for this wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// It is sealed to somebody else.
    #[error("the note is for somebody else")]
    NotForThisWallet,
    /// It is sealed to this wallet, but what is inside is not what was signed: it is worth nothing.
    #[error("the note does not match what the redeemer signed")]
    Invalid,
}

/// Opens a logged Pay as its payee: [`SealedNote::open`] and [`OpenedNote::check`].
///
/// # Errors
/// [`ReceiveError`].
pub fn receive(
    core: &Core,
    answer: &Answer,
    key: &PublicKey,
    expiry: Month,
    keys: &WalletKeys,
    payee: &Pid,
) -> Result<ReceivedNote, ReceiveError> {
    let sealed = SealedNote::of(core).ok_or(ReceiveError::NotForThisWallet)?;
    sealed.open(keys)?.check(core, answer, key, expiry, payee)
}
