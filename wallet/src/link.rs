//! Payments as links: what the payer hands over to a payee who was not registered when the payment was made
//! (`docs/WIRE.md` section 8). The log shows a note that nobody can open; the link has what is inside, and where it is.
//!
//! Only a wallet of the payee's identity can claim the note, so a link that falls into other hands loses nothing but the
//! secrecy of amount and memo.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use farthing_ecash::{
    amount::Amount,
    calendar::Month,
    seal::{MEMO_LENGTH_MAX, NOTE_PLAINTEXT_LENGTH, NotePlaintext},
    transaction::TransactionId,
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{error::WalletError, reference};

/// What stands before the bytes.
const PREFIX: &str = "farthing:claim/";

/// The version of the bytes.
const VERSION: u8 = 1;

/// Bytes before the note: version, log index, transaction id.
const HEAD_LENGTH: usize = 1 + 8 + 32;

/// Bytes of a checksum, against mistakes in copying and not against malice: the log tells what is true.
const CHECKSUM_LENGTH: usize = 4;

/// Bytes of a note without its memo.
const BARE_NOTE_LENGTH: usize = NOTE_PLAINTEXT_LENGTH - MEMO_LENGTH_MAX;

/// Bytes of a link with the longest memo.
const LENGTH_MAX: usize = HEAD_LENGTH + NOTE_PLAINTEXT_LENGTH + CHECKSUM_LENGTH;

/// Characters of the longest link, with its prefix. Longer texts are not looked at.
const TEXT_LENGTH_MAX: usize = PREFIX.len() + LENGTH_MAX.div_ceil(3) * 4;

/// A payment as a link.
pub struct PaymentLink {
    /// The entry of the payment log.
    pub(crate) log_index: u64,
    /// The payment in it.
    pub(crate) transaction_id: TransactionId,
    /// What its payee needs.
    pub(crate) note: NotePlaintext,
}

/// The link as a URI. Who reads it reads amount and memo.
impl fmt::Display for PaymentLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.to_bytes()));
        write!(f, "{PREFIX}{}", *text)
    }
}

impl PaymentLink {
    /// Reads a link.
    ///
    /// # Errors
    /// [`WalletError::InvalidLink`].
    pub fn parse(text: &str) -> Result<Self, WalletError> {
        let wrong = |what: &str| WalletError::InvalidLink { what: what.to_owned() };
        let text = text.trim();
        if !Self::is_one(text) {
            return Err(wrong("it begins with farthing:claim/"));
        }
        if text.len() > TEXT_LENGTH_MAX {
            return Err(wrong("it is too long"));
        }
        let body = text.get(PREFIX.len()..).unwrap_or_default();
        let bytes = URL_SAFE_NO_PAD.decode(body).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| wrong("a character of it is missing or wrong"))?;
        let copied = || wrong("it was not copied as a whole, or a character of it is wrong");
        let (bytes, sum) = bytes.split_last_chunk::<CHECKSUM_LENGTH>().ok_or_else(copied)?;
        if *sum != checksum(bytes) {
            return Err(copied());
        }
        let (head, note) = bytes.split_first_chunk::<HEAD_LENGTH>().ok_or_else(copied)?;
        let [version, rest @ ..] = head;
        if *version != VERSION {
            return Err(wrong("it was made by a later version of this program"));
        }
        let (index, id) = rest.split_first_chunk::<8>().ok_or_else(copied)?;
        let id = id.try_into().map_err(|_| copied())?;
        Ok(Self {
            log_index: u64::from_le_bytes(*index),
            transaction_id: TransactionId::new(id),
            note: note_from(note).ok_or_else(|| wrong("what it holds is no payment"))?,
        })
    }

    /// Whether a text looks like a link, right or wrong.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.trim_start().get(..PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(PREFIX))
    }

    /// How much it is.
    #[must_use]
    pub const fn amount(&self) -> Amount {
        self.note.value()
    }

    /// The payer's text. Whoever shows it on a terminal or page has to escape it.
    #[must_use]
    pub fn memo(&self) -> &str {
        reference::opened(self.note.memo().as_str()).1
    }

    /// The payment; the payer knows the same.
    #[must_use]
    pub const fn payment_id(&self) -> TransactionId {
        self.transaction_id
    }

    /// The first month in which the payer may take the money back.
    #[must_use]
    pub fn refundable_from(&self) -> Month {
        self.note.expiry().plus(1)
    }

    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let note = self.note.to_bytes();
        let note = note.get(..BARE_NOTE_LENGTH + self.note.memo().as_str().len()).unwrap_or(&note);
        let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH_MAX));
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.log_index.to_le_bytes());
        bytes.extend_from_slice(self.transaction_id.as_bytes());
        bytes.extend_from_slice(note);
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        bytes
    }
}

/// The note without the zeros after its memo, so that the code for a camera is small.
fn note_from(short: &[u8]) -> Option<NotePlaintext> {
    let mut bytes = Zeroizing::new(short.to_vec());
    bytes.resize(NOTE_PLAINTEXT_LENGTH.max(short.len()), 0);
    let note = NotePlaintext::from_bytes(&bytes).ok()?;
    (short.len() == BARE_NOTE_LENGTH + note.memo().as_str().len()).then_some(note)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    let digest: [u8; 32] = Sha256::new().chain_update(b"farthing/v1/link").chain_update(bytes).finalize().into();
    let [a, b, c, d, ..] = digest;
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use farthing_ecash::{
        pay,
        seal::Memo,
        seed::{Nonce, Seed, WalletKeys},
    };
    use proptest::prelude::*;

    use super::*;

    fn link(memo: &str) -> PaymentLink {
        let keys = WalletKeys::new(&Seed::from_bytes([7; 64]), "issuer.example");
        let memo = Memo::new(memo).unwrap();
        let note = pay::plaintext(&keys, &Nonce::new([9; 24]), Amount::new(350), 0, Month::new(24_324), memo);
        PaymentLink { log_index: 300, transaction_id: TransactionId::new([3; 32]), note }
    }

    fn parse(text: &str) -> Result<PaymentLink, WalletError> {
        PaymentLink::parse(text)
    }

    #[test]
    fn a_link_is_read_as_it_was_written() {
        for memo in ["", "coffee", &"é".repeat(128)] {
            let text = link(memo).to_string();
            let read = parse(&format!(" {text}\n")).unwrap();
            assert_eq!((read.amount(), read.memo(), read.log_index), (Amount::new(350), memo, 300));
            assert_eq!(read.payment_id(), TransactionId::new([3; 32]));
            assert_eq!(read.refundable_from().to_string(), "2027-02");
            assert_eq!(read.to_string(), text);
            assert!(text.len() <= TEXT_LENGTH_MAX);
        }
        // The code of a link without memo fits a terminal of 80 columns.
        assert_eq!(link("").to_string().len(), PREFIX.len() + 214);
    }

    /// The first characters do not change by themselves.
    #[test]
    fn its_bytes_are_fixed() {
        let text = link("coffee").to_string();
        assert!(text.starts_with("farthing:claim/ASwBAAAAAAAAAwMDAwMDAwMD"), "{text}");
        let digest = Sha256::digest(text.as_bytes());
        let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, "d2658ef9263d4d52");
    }

    #[test]
    fn every_changed_missing_or_added_character_is_noticed() {
        let text = link("coffee").to_string();
        for place in PREFIX.len()..text.len() {
            let old = text.as_bytes()[place];
            for new in [b'A', b'B', b'_', b'=', b'+', b' '].into_iter().filter(|new| *new != old) {
                let mut changed = text.clone().into_bytes();
                changed[place] = new;
                assert!(parse(&String::from_utf8(changed).unwrap()).is_err(), "{place}");
            }
            assert!(parse(&text[..place]).is_err());
        }
        for wrong in [format!("{text}A"), format!("{text}="), text.replace("claim/", "claim"), "x".repeat(9_999)] {
            assert!(parse(&wrong).is_err(), "{wrong}");
        }
        assert!(parse(&format!("farthing:claim/{}", "A".repeat(TEXT_LENGTH_MAX))).is_err());
        assert!(parse(&text.replace("farthing:", "FARTHING:")).is_ok());
    }

    /// With a right checksum, still only one encoding.
    #[test]
    fn what_is_inside_has_one_form() {
        let good = link("tea").to_bytes();
        let body = good.split_last_chunk::<CHECKSUM_LENGTH>().unwrap().0.to_vec();
        let summed = |bytes: &[u8]| {
            let all = [bytes, &checksum(bytes)].concat();
            format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(all))
        };
        assert!(parse(&summed(&body)).is_ok());
        let mut later = body.clone();
        later[0] = 2;
        let mut longer = body.clone();
        longer.push(0);
        let mut padded = body.clone();
        padded.resize(HEAD_LENGTH + NOTE_PLAINTEXT_LENGTH, 0);
        for wrong in [later, longer, padded, body[..body.len() - 1].to_vec(), body[..HEAD_LENGTH].to_vec(), vec![1]] {
            assert!(parse(&summed(&wrong)).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(farthing:claim/)?[A-Za-z0-9_-]{0,600}\\PC{0,4}") {
            prop_assert!(parse(&text).is_err());
        }
    }
}
