//! Checkpoints: what a log has at a moment, in a note (C2SP tlog-checkpoint, docs/WIRE.md section 5).

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use farthing_ecash::{keys::KeyId, spent::SpentProof};

use crate::{
    hash::Hash,
    key::{KeyKind, LogSigner, VerifierKey, check_name},
    note::{NoteError, SignedNote},
    tree::{SIZE_MAX, TreeHead},
};

/// A checkpoint cannot be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text is not that of a checkpoint.
    #[error("the text is not that of a checkpoint")]
    Form,
    /// It is of another log than the key that signed it.
    #[error("the checkpoint is of another log")]
    OtherLog,
}

/// That every input under a key, since the checkpoint before, was made with the published key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// The key.
    pub key: KeyId,
    /// How many inputs under it the entries since the checkpoint before have; at least 1.
    pub inputs: u64,
    /// The proof over all of them, whose "id" is the root of this checkpoint.
    pub proof: SpentProof,
}

/// What a log says of itself: these entries, and no others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree of their leaves.
    pub root: Hash,
    /// Of a payments checkpoint: the issuance log, at a moment after the last of these entries was written.
    pub issuance: Option<TreeHead>,
    /// Of a payments checkpoint: ascending by key, one for each key under which something was spent.
    pub spent: Vec<Spent>,
}

impl Checkpoint {
    /// Size and root.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root }
    }

    /// Signs it.
    ///
    /// # Errors
    /// [`CheckpointError::OtherLog`] when the key is that of another log; [`CheckpointError::Form`] for a checkpoint that
    /// could not be read back.
    pub fn sign(self, signer: &LogSigner) -> Result<SignedCheckpoint, CheckpointError> {
        if signer.verifier().name() != self.origin {
            return Err(CheckpointError::OtherLog);
        }
        let text = self.to_string();
        if text.parse().as_ref() != Ok(&self) {
            return Err(CheckpointError::Form);
        }
        let signature = signer.sign(&text);
        Ok(SignedCheckpoint { note: SignedNote::new(text, signature)?, checkpoint: self })
    }
}

fn tree_head(f: &mut fmt::Formatter<'_>, head: &TreeHead) -> fmt::Result {
    writeln!(f, "issuance {} {}", head.size, head.root)
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, self.root)?;
        if let Some(issuance) = &self.issuance {
            tree_head(f, issuance)?;
        }
        self.spent.iter().try_for_each(|Spent { key, inputs, proof }| {
            let (key, proof) = (STANDARD.encode(key.as_bytes()), STANDARD.encode(proof.to_bytes()));
            writeln!(f, "spent {key} {inputs} {proof}")
        })
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    /// Strict: what is read is written back as the same text.
    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        read(text).filter(|checkpoint| checkpoint.to_string() == text).ok_or(CheckpointError::Form)
    }
}

fn read(text: &str) -> Option<Checkpoint> {
    let mut lines = text.strip_suffix('\n')?.split('\n').peekable();
    let origin = lines.next()?.to_owned();
    check_name(&origin).ok()?;
    let (size, root) = (read_size(lines.next()?)?, Hash::from_base64(lines.next()?)?);
    let issuance = match lines.peek().and_then(|line| line.strip_prefix("issuance ")) {
        Some(head) => {
            lines.next();
            let (size, root) = head.split_once(' ')?;
            Some(TreeHead { size: read_size(size)?, root: Hash::from_base64(root)? })
        }
        None => None,
    };
    let spent = lines.map(read_spent).collect::<Option<Vec<_>>>()?;
    let ascends = spent.iter().zip(spent.iter().skip(1)).all(|(one, next)| one.key < next.key);
    // What was spent has been issued before.
    (ascends && (spent.is_empty() || issuance.is_some())).then_some(Checkpoint { origin, size, root, issuance, spent })
}

fn read_size(text: &str) -> Option<u64> {
    text.parse().ok().filter(|size| *size <= SIZE_MAX)
}

fn read_spent(line: &str) -> Option<Spent> {
    let mut words = line.strip_prefix("spent ")?.split(' ');
    let key = STANDARD.decode(words.next()?).ok()?.try_into().ok().map(KeyId::new)?;
    let inputs = words.next()?.parse().ok().filter(|inputs| *inputs > 0)?;
    let proof: [u8; 64] = STANDARD.decode(words.next()?).ok()?.try_into().ok()?;
    let proof = SpentProof::from_bytes(&proof).ok()?;
    words.next().is_none().then_some(Spent { key, inputs, proof })
}

/// A checkpoint in its note, signed by its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    note: SignedNote,
    checkpoint: Checkpoint,
}

impl SignedCheckpoint {
    /// Takes a note for a checkpoint of the log with this key.
    ///
    /// # Errors
    /// [`CheckpointError`] for anything that the key has not signed as a checkpoint of its own log.
    pub fn verify(note: SignedNote, log: &VerifierKey) -> Result<Self, CheckpointError> {
        if log.kind() != KeyKind::Log {
            return Err(CheckpointError::Note(NoteError::NotSigned));
        }
        note.verify(log)?;
        let checkpoint: Checkpoint = note.text().parse()?;
        // A key signs for one log, whose name is its own.
        if checkpoint.origin != log.name() {
            return Err(CheckpointError::OtherLog);
        }
        Ok(Self { note, checkpoint })
    }

    /// Reads the text of a note, and [verifies](SignedCheckpoint::verify) it.
    ///
    /// # Errors
    /// As there.
    pub fn open(text: &str, log: &VerifierKey) -> Result<Self, CheckpointError> {
        Self::verify(text.parse()?, log)
    }

    /// What it says.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Its note, with all signatures.
    #[must_use]
    pub fn note(&self) -> &SignedNote {
        &self.note
    }

    /// Its note, to add signatures.
    pub fn note_mut(&mut self) -> &mut SignedNote {
        &mut self.note
    }

    /// Size and root.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.checkpoint.head()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use getrandom::{SysRng, rand_core::UnwrapErr};

    use super::*;

    fn checkpoint() -> Checkpoint {
        let spent = |key: u8, inputs| Spent {
            key: KeyId::new([key; 32]),
            inputs,
            proof: SpentProof::from_bytes(&[1; 64]).unwrap(),
        };
        Checkpoint {
            origin: "redeemer.example/farthing/payments".to_owned(),
            size: 20_852_163,
            root: Hash::leaf(b"root"),
            issuance: Some(TreeHead { size: 77, root: Hash::leaf(b"issuance") }),
            spent: vec![spent(3, 1), spent(4, 12)],
        }
    }

    fn signer() -> LogSigner {
        LogSigner::generate("redeemer.example/farthing/payments", &mut UnwrapErr(SysRng)).unwrap()
    }

    #[test]
    fn the_text_is_that_of_the_specification() {
        let text = checkpoint().to_string();
        let lines: Vec<_> = text.lines().collect();
        let root = Hash::leaf(b"root").to_string();
        assert_eq!(lines[..3], ["redeemer.example/farthing/payments", "20852163", &root]);
        assert_eq!(lines[3], format!("issuance 77 {}", Hash::leaf(b"issuance")));
        let proof = STANDARD.encode([1; 64]);
        assert_eq!(lines[4], format!("spent {} 1 {proof}", STANDARD.encode([3; 32])));
        assert_eq!(lines[5], format!("spent {} 12 {proof}", STANDARD.encode([4; 32])));
        assert_eq!(lines.len(), 6);
        assert_eq!(text.parse(), Ok(checkpoint()));
        let plain = Checkpoint { issuance: None, spent: Vec::new(), ..checkpoint() };
        assert_eq!(plain.to_string().parse(), Ok(plain));
    }

    #[test]
    fn other_texts_are_refused() {
        let text = checkpoint().to_string();
        let mut reversed = checkpoint();
        reversed.spent.reverse();
        let mut twice = checkpoint();
        twice.spent[1].key = twice.spent[0].key;
        let key = STANDARD.encode([4; 32]);
        for wrong in [
            String::new(),
            "a\n1\n".to_owned(),
            text.trim_end().to_owned(),
            format!("{text}\n"),
            format!("\n{text}"),
            text.replace("20852163", "020852163"),
            text.replace("20852163", "+20852163"),
            text.replace("20852163", "-1"),
            text.replace("20852163", "18446744073709551615"),
            text.replace("issuance 77", "issuance  77"),
            text.replace("issuance 77", "issuance 077"),
            text.replace(" 12 ", " 0 "),
            text.replace(" 12 ", " 012 "),
            text.replace("redeemer.example/", "redeemer.example "),
            text.replace("redeemer.example/", "redeemer.example+"),
            text.replace(&format!("spent {key} 12"), &format!("spent {key} 12 12")),
            text.replace("issuance 77", "issue 77"),
            reversed.to_string(),
            twice.to_string(),
            Checkpoint { issuance: None, ..checkpoint() }.to_string(),
            format!("{text}extension\n"),
            text.replace("issuance 77", &format!("issuance 77 {}\nissuance 77", Hash::leaf(b""))),
        ] {
            assert_eq!(wrong.parse::<Checkpoint>(), Err(CheckpointError::Form), "{wrong}");
        }
    }

    #[test]
    fn a_checkpoint_is_believed_only_under_the_key_of_its_log() {
        let signer = signer();
        let signed = checkpoint().sign(&signer).unwrap();
        let text = signed.note().to_string();
        let read = SignedCheckpoint::open(&text, signer.verifier()).unwrap();
        assert_eq!(read, signed);
        assert_eq!(read.head(), checkpoint().head());
        let stranger = self::signer();
        let refused = SignedCheckpoint::open(&text, stranger.verifier());
        assert_eq!(refused, Err(CheckpointError::Note(NoteError::NotSigned)));
        let changed = text.replace("20852163", "20852164");
        let refused = SignedCheckpoint::open(&changed, signer.verifier());
        assert_eq!(refused, Err(CheckpointError::Note(NoteError::SignatureInvalid)));

        // The key of one log does not speak for another.
        let other = Checkpoint { origin: "issuer.example".to_owned(), ..checkpoint() };
        assert_eq!(other.clone().sign(&signer), Err(CheckpointError::OtherLog));
        let note = SignedNote::new(other.to_string(), signer.sign(&other.to_string())).unwrap();
        assert_eq!(SignedCheckpoint::verify(note, signer.verifier()), Err(CheckpointError::OtherLog));
    }
}
