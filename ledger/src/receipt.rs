//! Receipts: a text that shows, without asking anybody, that an entry is in a log (C2SP tlog-proof).

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    hash::Hash,
    note::{NOTE_BYTES_MAX, SignedNote},
    proof::{InclusionProof, ProofInvalid},
    quorum::{TrustError, TrustPolicy, Trusted},
};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Most hashes of a proof: the tree of the largest log is not higher.
const HASHES_MAX: usize = 63;

/// Most bytes of the extra data: an entry with its proof part fits.
pub const EXTRA_BYTES_MAX: usize = 256 * 1024;

/// A receipt does not show what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The text is no receipt.
    #[error("this is no receipt in the form {HEADER}")]
    Form,
    /// Its checkpoint is not trusted.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The entry is not at this place of the log.
    #[error(transparent)]
    Proof(#[from] ProofInvalid),
}

/// That an entry is in a log, as witnesses saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The place of the entry in the log.
    pub index: u64,
    /// Its proof.
    pub proof: InclusionProof,
    /// The checkpoint with its signatures.
    pub checkpoint: SignedNote,
    /// What belongs to it, such as the leaf. Nobody has signed it.
    pub extra: Option<Vec<u8>>,
}

impl Receipt {
    /// Checks that the leaf with this hash is in the log of this origin.
    ///
    /// # Errors
    /// [`ReceiptError::Trust`] and [`ReceiptError::Proof`].
    pub fn verify(&self, policy: &TrustPolicy, origin: &str, leaf: Hash) -> Result<Trusted, ReceiptError> {
        let trusted = policy.check(origin, self.checkpoint.clone())?;
        self.proof.verify(leaf, self.index, &trusted.checkpoint.head())?;
        Ok(trusted)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.proof.0.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for Receipt {
    type Err = ReceiptError;

    fn from_str(text: &str) -> Result<Self, ReceiptError> {
        let read = || {
            if text.len() > NOTE_BYTES_MAX + 2 * EXTRA_BYTES_MAX {
                return None;
            }
            let (lines, checkpoint) = text.split_once("\n\n")?;
            let mut lines = lines.split('\n').peekable();
            if lines.next()? != HEADER {
                return None;
            }
            let extra = match lines.peek()?.strip_prefix("extra ") {
                Some(encoded) => {
                    lines.next();
                    Some(STANDARD.decode(encoded).ok().filter(|extra| extra.len() <= EXTRA_BYTES_MAX)?)
                }
                None => None,
            };
            let index = lines.next()?.strip_prefix("index ")?.parse().ok()?;
            let hashes: Vec<_> = lines.take(HASHES_MAX + 1).map(Hash::from_base64).collect::<Option<_>>()?;
            let checkpoint = checkpoint.parse().ok()?;
            (hashes.len() <= HASHES_MAX).then_some(Self { index, proof: InclusionProof(hashes), checkpoint, extra })
        };
        read().filter(|receipt| receipt.to_string() == text).ok_or(ReceiptError::Form)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use getrandom::{SysRng, rand_core::UnwrapErr};

    use super::*;
    use crate::{
        checkpoint::Checkpoint,
        key::{CosignerKey, LogSigner},
        note::Timestamp,
    };

    const ORIGIN: &str = "log.example";

    fn leaf(number: u32) -> Hash {
        Hash::leaf(&number.to_be_bytes())
    }

    /// A receipt for leaf 1 of three.
    fn receipt() -> (Receipt, TrustPolicy) {
        let mut rng = UnwrapErr(SysRng);
        let log = LogSigner::generate(ORIGIN, &mut rng).unwrap();
        let witness = CosignerKey::generate("witness.example", &mut rng).unwrap();
        let root = Hash::node(&Hash::node(&leaf(0), &leaf(1)), &leaf(2));
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 3, root, issuance: None, spent: Vec::new() };
        let mut note = checkpoint.sign(&log).unwrap().note().clone();
        let cosignature = witness.cosign(note.text(), Timestamp::from_unix_seconds(7).unwrap());
        note.add(cosignature);
        let proof = InclusionProof(vec![leaf(0), leaf(2)]);
        let policy = TrustPolicy::with_witnesses([log.verifier().clone()], [witness.verifier().clone()], 1).unwrap();
        (Receipt { index: 1, proof, checkpoint: note, extra: Some(b"leaf".to_vec()) }, policy)
    }

    #[test]
    fn a_receipt_is_read_back_and_verified_offline() {
        let (receipt, policy) = receipt();
        let read: Receipt = receipt.to_string().parse().unwrap();
        assert_eq!(read, receipt);
        assert_eq!(read.verify(&policy, ORIGIN, leaf(1)).unwrap().checkpoint.head().size, 3);
        assert_eq!(read.verify(&policy, ORIGIN, leaf(2)), Err(ReceiptError::Proof(ProofInvalid)));
        assert_eq!(read.verify(&policy, "other", leaf(1)), Err(ReceiptError::Trust(TrustError::LogUnknown)));
        let elsewhere = Receipt { index: 0, ..read };
        assert_eq!(elsewhere.verify(&policy, ORIGIN, leaf(1)), Err(ReceiptError::Proof(ProofInvalid)));
        let without = Receipt { extra: None, ..receipt };
        assert_eq!(without.to_string().parse(), Ok(without));
    }

    #[test]
    fn no_changed_character_is_believed() {
        let (receipt, policy) = receipt();
        let text = receipt.to_string();
        for (place, character) in text.char_indices() {
            let other = if character == 'A' { 'B' } else { 'A' };
            let mut changed = text.clone();
            changed.replace_range(place..place + character.len_utf8(), &other.to_string());
            let believed = changed.parse::<Receipt>().is_ok_and(|read| {
                // Nobody has signed what is extra.
                read.extra == receipt.extra && read.verify(&policy, ORIGIN, leaf(1)).is_ok()
            });
            assert!(!believed, "{changed}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        let text = receipt().0.to_string();
        let hash = leaf(0).to_string();
        for wrong in [
            String::new(),
            HEADER.to_owned(),
            text.replace("@v1", "@v2"),
            text.replace("index 1", "index 01"),
            text.replace("index 1", "index +1"),
            text.replace("index 1\n", ""),
            text.replace("extra", "index 1\nextra"),
            text.replace(&hash, &format!("{hash} ")),
            text.replace(&format!("{hash}\n"), &format!("{hash}\n").repeat(63)),
            text.replace("\n\nlog.example", "\nlog.example"),
            text.replace('\n', "\r\n"),
        ] {
            assert_eq!(wrong.parse::<Receipt>(), Err(ReceiptError::Form), "{wrong}");
        }
    }
}
