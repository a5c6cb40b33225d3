//! Ciphertexts: notes sealed to their payee, and what a wallet writes to itself (`docs/PROTOCOL.md` section 8,
//! `docs/WIRE.md` section 4).

use std::fmt;

use curve25519_dalek::Scalar;
use hpke::{
    Deserializable, Kem, OpModeS, Serializable, aead::ChaCha20Poly1305, inout::InOutBuf, kdf::HkdfSha256, kem::XWing,
    single_shot_seal_inout_detached_with_rng,
};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    amount::Amount,
    calendar::Month,
    encoding::Reader,
    error::DecodeError,
    keys::{KeyId, VERSION},
};

#[cfg(test)]
mod oracle;
mod own;
mod schedule;
mod xwing;
pub(crate) use self::own::open_own;
pub use self::own::{CT_SELF_LENGTH, SelfPlaintext, open_self, seal_self};
pub use self::xwing::OpeningKey;

/// Bytes of an X-Wing public key.
pub const ENCRYPTION_KEY_LENGTH: usize = 1216;

/// Bytes of a sealed note: the encapsulated key, the ciphertext, the tag.
pub const CT_NOTE_LENGTH: usize = ENCAPSULATED_LENGTH + NOTE_PLAINTEXT_LENGTH + TAG_LENGTH;

/// Bytes of the plaintext of a note.
pub const NOTE_PLAINTEXT_LENGTH: usize = 371;

/// The longest memo in bytes of UTF-8. Every note has this room, so that its length shows nothing.
pub const MEMO_LENGTH_MAX: usize = 256;

const ENCAPSULATED_LENGTH: usize = 1120;
const TAG_LENGTH: usize = 16;

/// A wallet's public X-Wing key (ML-KEM-768 and X25519), under which notes are sealed to it.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptionKey(Box<<XWing as Kem>::PublicKey>);

impl EncryptionKey {
    /// Reads 1,216 bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] or [`DecodeError::TrailingBytes`] for another length, [`DecodeError::Field`] for
    /// bytes that ML-KEM's check of public keys refuses.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let key = reader.bytes(ENCRYPTION_KEY_LENGTH)?;
        reader.end()?;
        let key = <XWing as Kem>::PublicKey::from_bytes(key).map_err(|_| DecodeError::Field("encryption key"))?;
        Ok(Self(Box::new(key)))
    }

    /// The 1,216 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; ENCRYPTION_KEY_LENGTH] {
        let mut bytes = [0; ENCRYPTION_KEY_LENGTH];
        self.0.write_exact(&mut bytes);
        bytes
    }

    /// A key that nobody can open, for a payee who is not registered yet. The ciphertext then looks like any other.
    pub fn throw_away(rng: &mut impl CryptoRng) -> Self {
        let mut private = Zeroizing::new([0; 32]);
        rng.fill_bytes(private.as_mut());
        Self::from_private(&private)
    }

    pub(crate) fn from_private(private: &[u8; 32]) -> Self {
        let private = <XWing as Kem>::PrivateKey::from_bytes(private).expect("any 32 bytes are an X-Wing key");
        Self(Box::new(XWing::sk_to_pk(&private)))
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionKey(..)")
    }
}

/// A ciphertext that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It was sealed to another key, for another place, or has been changed.
    #[error("the ciphertext is not for this key and place")]
    Tag,
    /// It opens, but whoever sealed it did not follow the format.
    #[error("the plaintext is malformed: {0}")]
    Plaintext(#[from] DecodeError),
}

/// A message from payer to payee, at most 256 bytes of UTF-8. Whoever shows it on a terminal or page has to escape it.
#[derive(Clone, PartialEq, Eq, Default, Zeroize, ZeroizeOnDrop)]
pub struct Memo(String);

/// A memo of more than 256 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the memo has {length} bytes, at most {MEMO_LENGTH_MAX} are allowed")]
pub struct MemoTooLong {
    /// The length in bytes of UTF-8.
    pub length: usize,
}

impl Memo {
    /// Wraps a text.
    ///
    /// # Errors
    /// [`MemoTooLong`].
    pub fn new(text: &str) -> Result<Self, MemoTooLong> {
        let length = text.len();
        if length > MEMO_LENGTH_MAX { Err(MemoTooLong { length }) } else { Ok(Self(text.to_owned())) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a payee needs in order to claim a note.
#[derive(ZeroizeOnDrop)]
pub struct NotePlaintext {
    #[zeroize(skip)]
    pub(crate) value: Amount,
    pub(crate) purpose: u32,
    /// ρ, before the signer's δ.
    pub(crate) serial: Scalar,
    /// f
    pub(crate) refund: Scalar,
    #[zeroize(skip)]
    pub(crate) expiry: Month,
    /// t2
    pub(crate) blind: Scalar,
    pub(crate) memo: Memo,
}

impl NotePlaintext {
    /// What the note is worth.
    #[must_use]
    pub const fn value(&self) -> Amount {
        self.value
    }

    /// What the money may be used for.
    #[must_use]
    pub const fn purpose(&self) -> u32 {
        self.purpose
    }

    /// The month after which the payer may take the note back.
    #[must_use]
    pub const fn expiry(&self) -> Month {
        self.expiry
    }

    /// The payer's message.
    #[must_use]
    pub const fn memo(&self) -> &Memo {
        &self.memo
    }

    /// The 371 bytes that are sealed, or handed over in a link to a payee who is not registered yet.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let memo = self.memo.0.as_bytes();
        let mut bytes = Zeroizing::new(Vec::with_capacity(NOTE_PLAINTEXT_LENGTH));
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.value.get().to_le_bytes());
        bytes.extend_from_slice(&self.purpose.to_le_bytes());
        bytes.extend_from_slice(self.serial.as_bytes());
        bytes.extend_from_slice(self.refund.as_bytes());
        bytes.extend_from_slice(&self.expiry.get().to_le_bytes());
        bytes.extend_from_slice(self.blind.as_bytes());
        bytes.extend_from_slice(&u16::try_from(memo.len()).expect("a memo has at most 256 bytes").to_le_bytes());
        bytes.extend_from_slice(memo);
        bytes.resize(NOTE_PLAINTEXT_LENGTH, 0);
        bytes
    }

    /// Reads what [`NotePlaintext::to_bytes`] writes.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that is not the canonical encoding of a note.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(DecodeError::UnknownCode);
        }
        let (value, purpose) = (Amount::new(reader.u64()?), reader.u32()?);
        let (serial, refund) = (reader.scalar()?, reader.scalar()?);
        let (expiry, blind) = (Month::new(reader.u32()?), reader.scalar()?);
        let length = reader.u16()?;
        let (memo, padding) = reader
            .bytes(MEMO_LENGTH_MAX)?
            .split_at_checked(usize::from(length))
            .ok_or(DecodeError::Field("memo length"))?;
        reader.end()?;
        let memo = std::str::from_utf8(memo).map_err(|_| DecodeError::Field("memo"))?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(DecodeError::Field("memo padding"));
        }
        Ok(Self { value, purpose, serial, refund, expiry, blind, memo: Memo(memo.to_owned()) })
    }
}

/// Seals a note to its payee's key: HPKE base mode with X-Wing, HKDF-SHA256 and ChaCha20Poly1305, bound to the key id
/// that the note will be signed under and to its commitment `C_note`.
pub fn seal_note(
    to: &EncryptionKey,
    key: &KeyId,
    C_note: &[u8; 32],
    note: &NotePlaintext,
    rng: &mut impl CryptoRng,
) -> [u8; CT_NOTE_LENGTH] {
    let mut text = note.to_bytes();
    let (encapsulated, tag) = single_shot_seal_inout_detached_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeS::Base,
        &to.0,
        &note_info(key),
        InOutBuf::from(text.as_mut_slice()),
        C_note,
        rng,
    )
    .expect("a checked key and a short plaintext can be sealed");
    let mut sealed = [0; CT_NOTE_LENGTH];
    let (head, rest) = sealed.split_at_mut(ENCAPSULATED_LENGTH);
    let (body, tail) = rest.split_at_mut(NOTE_PLAINTEXT_LENGTH);
    encapsulated.write_exact(head);
    body.copy_from_slice(&text);
    tag.write_exact(tail);
    sealed
}

/// Opens a note with the X-Wing private key of its payee. The result is a claim of the payer's: it is money only if the
/// commitment made from it is `C_note` and the signer's answer fits (`docs/WIRE.md` section 4).
///
/// # Errors
/// [`OpenError::Tag`] if the note is for another wallet, key id or commitment, which is the usual outcome for a payee
/// who looks through the log; [`OpenError::Plaintext`] if it is malformed inside.
pub fn open_note(
    opening_key: &OpeningKey,
    key: &KeyId,
    C_note: &[u8; 32],
    sealed: &[u8; CT_NOTE_LENGTH],
) -> Result<NotePlaintext, OpenError> {
    let (encapsulated, rest) = sealed.split_first_chunk().ok_or(OpenError::Tag)?;
    let (body, tag) = rest.split_last_chunk().ok_or(OpenError::Tag)?;
    let mut text = Zeroizing::new(body.to_vec());
    let shared = opening_key.decapsulate(encapsulated);
    schedule::open(&shared, &note_info(key), C_note, &mut text, tag).map_err(|_| OpenError::Tag)?;
    Ok(NotePlaintext::from_bytes(&text)?)
}

fn note_info(key: &KeyId) -> Vec<u8> {
    [b"farthing/v1/note".as_slice(), key.as_bytes()].concat()
}
