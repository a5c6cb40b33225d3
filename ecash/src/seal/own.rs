//! Self-ciphertexts: what a wallet writes to itself, so that the log alone restores it (`docs/WIRE.md` section 4).

use chacha20poly1305::{KeyInit, XChaCha20Poly1305, aead::AeadInOut};
use hpke::inout::InOutBuf;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{
    amount::Amount,
    calendar::Month,
    encoding::Reader,
    error::{DecodeError, VerificationFailure},
    keys::KeyId,
    seal::{OpenError, TAG_LENGTH},
    seed::{Nonce, WalletKeys},
    statement::Statement,
    transaction::Core,
    wallet_state::WalletState,
};

/// Bytes of a self-ciphertext: the ciphertext and the tag.
pub const CT_SELF_LENGTH: usize = PLAINTEXT_LENGTH + TAG_LENGTH;

const PLAINTEXT_LENGTH: usize = 57;

/// What a wallet writes to itself in each of its transactions, so that the log alone restores it. Which statement uses
/// which field is the table of `docs/WIRE.md` section 4; unused fields are zero.
#[derive(PartialEq, Eq, ZeroizeOnDrop)]
pub struct SelfPlaintext {
    /// The statement of the transaction.
    #[zeroize(skip)]
    pub kind: Statement,
    /// The purpose of the outputs.
    pub purpose: u32,
    /// The value of the first output, or the change.
    #[zeroize(skip)]
    pub value_1: Amount,
    /// The value of the second output.
    #[zeroize(skip)]
    pub value_2: Amount,
    /// The expiry month of the outputs of a Split.
    #[zeroize(skip)]
    pub expiry: Month,
    /// 32 more bytes, zero-padded.
    pub aux: [u8; 32],
}

impl SelfPlaintext {
    /// One for this statement, with zeros in all other fields.
    #[must_use]
    pub const fn new(kind: Statement) -> Self {
        Self { kind, purpose: 0, value_1: Amount::ZERO, value_2: Amount::ZERO, expiry: Month::new(0), aux: [0; 32] }
    }

    /// The new totals of the day and of the month: the first 16 bytes of `aux` in Claim, Refund and Renew.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = self.aux;
        (u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p]))
    }

    pub(crate) fn set_totals(&mut self, (day, month): (u64, u64)) {
        for (slot, byte) in self.aux.iter_mut().zip(day.to_le_bytes().into_iter().chain(month.to_le_bytes())) {
            *slot = byte;
        }
    }

    /// Totals, day and month of a state: the first 24 bytes of `aux` in Renew.
    pub(crate) fn set_counters(&mut self, state: &WalletState) {
        self.set_totals((state.day_total, state.month_total));
        let dates = state.day.to_le_bytes().into_iter().chain(state.month.to_le_bytes());
        for (slot, byte) in self.aux.iter_mut().skip(16).zip(dates) {
            *slot = byte;
        }
    }

    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(PLAINTEXT_LENGTH));
        bytes.push(self.kind.code());
        bytes.extend_from_slice(&self.purpose.to_le_bytes());
        bytes.extend_from_slice(&self.value_1.get().to_le_bytes());
        bytes.extend_from_slice(&self.value_2.get().to_le_bytes());
        bytes.extend_from_slice(&self.expiry.get().to_le_bytes());
        bytes.extend_from_slice(&self.aux);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let plaintext = Self {
            kind: Statement::from_code(reader.u8()?)?,
            purpose: reader.u32()?,
            value_1: Amount::new(reader.u64()?),
            value_2: Amount::new(reader.u64()?),
            expiry: Month::new(reader.u32()?),
            aux: reader.array()?,
        };
        reader.end()?;
        Ok(plaintext)
    }
}

/// Encrypts what a wallet writes to itself: XChaCha20-Poly1305 under its self key and the transaction's nonce, bound to
/// the output key id.
#[must_use]
pub fn seal_self(self_key: &[u8; 32], nonce: &Nonce, key: &KeyId, plaintext: &SelfPlaintext) -> [u8; CT_SELF_LENGTH] {
    let mut text = plaintext.to_bytes();
    let tag = XChaCha20Poly1305::new(self_key.into())
        .encrypt_inout_detached(nonce.as_bytes().into(), key.as_bytes(), InOutBuf::from(text.as_mut_slice()))
        .expect("57 bytes can be encrypted");
    let mut sealed = [0; CT_SELF_LENGTH];
    let (body, tail) = sealed.split_at_mut(PLAINTEXT_LENGTH);
    body.copy_from_slice(&text);
    tail.copy_from_slice(&tag);
    sealed
}

/// Decrypts what a wallet wrote to itself.
///
/// # Errors
/// [`OpenError::Tag`] if another wallet wrote it or it belongs to another nonce or key id; [`OpenError::Plaintext`] for
/// a kind that this version does not know.
pub fn open_self(
    self_key: &[u8; 32],
    nonce: &Nonce,
    key: &KeyId,
    sealed: &[u8; CT_SELF_LENGTH],
) -> Result<SelfPlaintext, OpenError> {
    let (body, tail) = sealed.split_at(PLAINTEXT_LENGTH);
    let tag = tail.try_into().map_err(|_| OpenError::Tag)?;
    let mut text = Zeroizing::new(body.to_vec());
    XChaCha20Poly1305::new(self_key.into())
        .decrypt_inout_detached(nonce.as_bytes().into(), key.as_bytes(), InOutBuf::from(text.as_mut_slice()), tag)
        .map_err(|_| OpenError::Tag)?;
    Ok(SelfPlaintext::from_bytes(&text)?)
}

/// Decrypts what a wallet wrote to itself in one of its own transactions, which has to be of this statement.
///
/// # Errors
/// [`VerificationFailure`] if the transaction is not this wallet's or is, or says that it is, of another statement.
pub(crate) fn open_own(
    core: &Core,
    statement: Statement,
    keys: &WalletKeys,
) -> Result<SelfPlaintext, VerificationFailure> {
    open_self(keys.self_key(), &core.publics().nonce, &core.header().key, core.ct_self())
        .ok()
        .filter(|plaintext| plaintext.kind == statement && core.statement() == statement)
        .ok_or(VerificationFailure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_the_first_16_bytes_of_aux() {
        let mut plaintext = SelfPlaintext::new(Statement::Claim);
        plaintext.set_totals((0x0807_0605_0403_0201, 0x100f_0e0d_0c0b_0a09));
        assert_eq!(plaintext.aux[..16], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        assert_eq!(plaintext.aux[16..], [0; 16]);
        assert_eq!(plaintext.totals(), (0x0807_0605_0403_0201, 0x100f_0e0d_0c0b_0a09));
    }
}
