//! Looking for one's notes in the log (`docs/WIRE.md` section 4).

use super::{Note, ReceiveError, ReceivedNote};
use crate::{
    calendar::Month,
    credential::issue::{Addition, Answer},
    encoding::Reader,
    identity::Pid,
    keys::{KeyId, PublicKey, VERSION},
    seal::{CT_NOTE_LENGTH, CT_SELF_LENGTH, NotePlaintext, OpenError, open_note},
    seed::WalletKeys,
    statement::{Commitment, Statement},
    transaction::{COINS_MAX, Core},
};

/// The sealed note of a payment. Almost all of the log is for others, and reading a payment's points takes nearly as
/// long as trying to open its note: so the note is found without them, and they are read when it has opened.
pub struct SealedNote<'a> {
    key: KeyId,
    C_note: &'a [u8; 32],
    ct_note: &'a [u8; CT_NOTE_LENGTH],
}

impl<'a> SealedNote<'a> {
    /// The note in the bytes of a Pay's core, whatever follows them. `None` when they are not laid out as one: that the
    /// core is canonical is seen when it is read.
    #[must_use]
    pub fn find(core: &'a [u8]) -> Option<Self> {
        Self::read(&mut Reader::new(core)).filter(|_| core.first() == Some(&VERSION))
    }

    /// `docs/WIRE.md` section 3.
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let [_version, statement, _commitments] = reader.array().ok()?;
        let key = KeyId::new(reader.array().ok()?);
        // Day, epoch, policy.
        reader.bytes(4 + 4 + 32).ok()?;
        let coins = reader.u32().ok()?;
        if statement != Statement::Pay.code() || coins > COINS_MAX {
            return None;
        }
        // The other counts; key, serial, A', D, Ā of each coin; fee, nonce, C_change.
        reader.bytes(4 + 1 + 1 + 160 * coins as usize + 8 + 24 + 32).ok()?;
        let C_note = reader.bytes(32).ok()?.try_into().ok()?;
        reader.bytes(CT_SELF_LENGTH).ok()?;
        Some(Self { key, C_note, ct_note: reader.bytes(CT_NOTE_LENGTH).ok()?.try_into().ok()? })
    }

    /// The note of a Pay that has been read. `None` for the other statements.
    pub(super) fn of(core: &'a Core) -> Option<Self> {
        let C_note = core.commitment(Commitment::Note)?.as_bytes();
        Some(Self { key: core.header().key, C_note, ct_note: &core.delivery()?.ct_note })
    }

    /// Tries to open it.
    ///
    /// # Errors
    /// [`ReceiveError::NotForThisWallet`], which is the usual outcome, [`ReceiveError::Invalid`].
    pub fn open(&self, keys: &WalletKeys) -> Result<OpenedNote, ReceiveError> {
        match open_note(keys.opening_key(), &self.key, self.C_note, self.ct_note) {
            Ok(plaintext) => Ok(OpenedNote(plaintext)),
            Err(OpenError::Tag) => Err(ReceiveError::NotForThisWallet),
            Err(OpenError::Plaintext(_)) => Err(ReceiveError::Invalid),
        }
    }
}

/// A note that was sealed to this wallet, or handed over in a link. What is inside is the payer's claim;
/// [`OpenedNote::check`] makes it money.
pub struct OpenedNote(NotePlaintext);

impl OpenedNote {
    /// What a payer hands over to a payee who was not registered when the payment was made.
    #[must_use]
    pub const fn handed_over(plaintext: NotePlaintext) -> Self {
        Self(plaintext)
    }

    /// Recomputes `C_note`, then `B` with ε and δ, and verifies the DLEQ proof over all outputs of the payment that it
    /// was found in.
    ///
    /// `expiry` is the month of the statement's day plus the months of its policy; `key` is the output key.
    ///
    /// # Errors
    /// [`ReceiveError::Invalid`] when it is not what was signed.
    pub fn check(
        &self,
        core: &Core,
        answer: &Answer,
        key: &PublicKey,
        expiry: Month,
        payee: &Pid,
    ) -> Result<ReceivedNote, ReceiveError> {
        let Self(plain) = self;
        let checked = answer.check(core, Addition::Expiry(expiry), key).map_err(|_| ReceiveError::Invalid)?;
        let serial = checked.final_serial(1, plain.serial).map_err(|_| ReceiveError::Invalid)?;
        let note = Note {
            value: plain.value.get(),
            owner: payee.scalar(),
            serial,
            purpose: plain.purpose,
            refund: plain.refund,
            expiry: expiry.get(),
            blind: plain.blind,
        };
        let note = checked.credential(1, note).map_err(|_| ReceiveError::Invalid)?;
        Ok(ReceivedNote { note, memo: plain.memo.clone() })
    }
}
