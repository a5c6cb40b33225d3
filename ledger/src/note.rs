//! Signed notes: a text, an empty line, signatures (C2SP signed-note).

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::key::{VerifierKey, check_name};

/// What begins a line with a signature: an em dash and a space.
const SIGNATURE_MARK: &str = "— ";

/// Most signatures of a note. The specification asks for at least 16; a log has itself and its witnesses.
pub const SIGNATURES_MAX: usize = 64;

/// Most bytes of a note. A payments checkpoint has one line of about 150 bytes for every key under which something was spent.
pub const NOTE_BYTES_MAX: usize = 256 * 1024;

/// Longest signature, in bytes: room for kinds that this program does not know, such as ML-DSA-44.
const SIGNATURE_BYTES_MAX: usize = 8 * 1024;

/// When a witness signed, in seconds since 1970-01-01T00:00:00Z; below 2^63.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// `None` from 2^63 on.
    #[must_use]
    pub const fn from_unix_seconds(seconds: u64) -> Option<Self> {
        if seconds >> 63 == 0 { Some(Self(seconds)) } else { None }
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn unix_seconds(self) -> u64 {
        self.0
    }
}

/// A note cannot be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a text, an empty line, and signatures.
    #[error("this is no signed note")]
    Form,
    /// A key that is relied on has not signed it.
    #[error("the note has no signature by the key that is relied on")]
    NotSigned,
    /// A signature by a key that is relied on does not fit the text.
    #[error("a signature of the note does not fit its text")]
    SignatureInvalid,
}

/// A signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    name: String,
    key_id: u32,
    bytes: Vec<u8>,
}

impl NoteSignature {
    pub(crate) fn new(key: &VerifierKey, bytes: Vec<u8>) -> Self {
        Self { name: key.name().to_owned(), key_id: key.id(), bytes }
    }

    /// The name of the key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of the key.
    #[must_use]
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    /// What the key made.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(SIGNATURE_MARK)?.split_once(' ')?;
        check_name(name).ok()?;
        let decoded = STANDARD.decode(encoded).ok()?;
        let (key_id, bytes) = decoded.split_first_chunk::<4>()?;
        let fits = (1..=SIGNATURE_BYTES_MAX).contains(&bytes.len());
        fits.then(|| Self { name: name.to_owned(), key_id: u32::from_be_bytes(*key_id), bytes: bytes.to_vec() })
    }
}

/// The line with its newline.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.key_id.to_be_bytes()[..], &self.bytes].concat();
        writeln!(f, "{SIGNATURE_MARK}{} {}", self.name, STANDARD.encode(bytes))
    }
}

/// A text with signatures. Reading one checks none of them: see [`SignedNote::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// A text, of which the last character has to be a newline, with its first signature.
    ///
    /// # Errors
    /// [`NoteError::Form`] for a text that is none of a note.
    pub fn new(text: String, signature: NoteSignature) -> Result<Self, NoteError> {
        check_text(&text)?;
        Ok(Self { text, signatures: vec![signature] })
    }

    /// The text with its last newline: what is signed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in their order.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature, in the place of one by the same key. Nothing is added to a note that has [`SIGNATURES_MAX`].
    pub fn add(&mut self, signature: NoteSignature) {
        let same = |it: &NoteSignature| (it.key_id, &it.name) == (signature.key_id, &signature.name);
        if let Some(place) = self.signatures.iter().position(same) {
            self.signatures.remove(place);
            self.signatures.insert(place, signature);
        } else if self.signatures.len() < SIGNATURES_MAX {
            self.signatures.push(signature);
        }
    }

    /// Checks that this key has signed the text. By a witness' key, tells when.
    ///
    /// # Errors
    /// [`NoteError::NotSigned`]; [`NoteError::SignatureInvalid`].
    pub fn verify(&self, key: &VerifierKey) -> Result<Option<Timestamp>, NoteError> {
        let mut named = self.signatures.iter().filter(|signature| key.is_named_by(signature));
        let signature = named.next().ok_or(NoteError::NotSigned)?;
        // Two signatures by one key are one too many: which of them was meant?
        if named.next().is_some() {
            return Err(NoteError::SignatureInvalid);
        }
        key.verify(&self.text, signature).ok_or(NoteError::SignatureInvalid)
    }
}

/// Ends in a newline, and has no other control characters.
fn check_text(text: &str) -> Result<(), NoteError> {
    let fits = text.len() <= NOTE_BYTES_MAX && text.ends_with('\n') && text.chars().all(|c| c == '\n' || c >= ' ');
    if fits { Ok(()) } else { Err(NoteError::Form) }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| signature.fmt(f))
    }
}

impl FromStr for SignedNote {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        check_text(note)?;
        // The last empty line ends the text.
        let (before, signatures) = note.rsplit_once("\n\n").ok_or(NoteError::Form)?;
        let text = format!("{before}\n");
        let lines = signatures.strip_suffix('\n').ok_or(NoteError::Form)?.split('\n');
        let signatures = lines.take(SIGNATURES_MAX + 1).map(|line| NoteSignature::parse(line).ok_or(NoteError::Form));
        let signatures = signatures.collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(NoteError::Form);
        }
        Ok(Self { text, signatures })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use getrandom::{SysRng, rand_core::UnwrapErr};

    use super::*;
    use crate::key::{CosignerKey, LogSigner};

    const TEXT: &str = "origin.example\n\n7\nline\n";

    fn keys() -> (LogSigner, CosignerKey) {
        let mut rng = UnwrapErr(SysRng);
        let log = LogSigner::generate("origin.example", &mut rng).unwrap();
        (log, CosignerKey::generate("witness.example", &mut rng).unwrap())
    }

    fn note(log: &LogSigner, witness: &CosignerKey) -> SignedNote {
        let mut note = SignedNote::new(TEXT.to_owned(), log.sign(TEXT)).unwrap();
        note.add(witness.cosign(TEXT, Timestamp::from_unix_seconds(1_700_000_000).unwrap()));
        note
    }

    #[test]
    fn a_note_is_read_back_and_its_signatures_hold() {
        let (log, witness) = keys();
        let note = note(&log, &witness);
        let read: SignedNote = note.to_string().parse().unwrap();
        assert_eq!(read, note);
        assert_eq!(read.text(), TEXT);
        assert_eq!(read.verify(log.verifier()), Ok(None));
        assert_eq!(read.verify(witness.verifier()).unwrap().unwrap().unix_seconds(), 1_700_000_000);
        let (stranger, _) = keys();
        assert_eq!(read.verify(stranger.verifier()), Err(NoteError::NotSigned));
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let (log, witness) = keys();
        let note = note(&log, &witness).to_string();
        for (place, character) in note.char_indices() {
            for other in ['a', 'b', '\n', ' ', '—'] {
                if other == character {
                    continue;
                }
                let mut changed = note.clone();
                changed.replace_range(place..place + character.len_utf8(), &other.to_string());
                let believed = changed
                    .parse::<SignedNote>()
                    .is_ok_and(|read| read.verify(log.verifier()).is_ok() && read.verify(witness.verifier()).is_ok());
                assert!(!believed, "{changed}");
            }
        }
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let (log, witness) = keys();
        let note = note(&log, &witness).to_string();
        let lines = note.lines().last().unwrap().to_owned() + "\n";
        for wrong in [
            "",
            "\n",
            "text\n",
            "text\n\n",
            "text\n\nno signature\n",
            &note[..note.len() - 1],
            &note.replace('\n', "\r\n"),
            &note.replace("— ", "-- "),
            &format!("{note}\n"),
            &note.replace("line", "li\tne"),
            &format!("text\n\n{}", lines.repeat(SIGNATURES_MAX + 1)),
        ] {
            assert_eq!(wrong.parse::<SignedNote>(), Err(NoteError::Form), "{wrong:?}");
        }
        assert!(format!("text\n\n{}", lines.repeat(SIGNATURES_MAX)).parse::<SignedNote>().is_ok());
    }

    #[test]
    fn a_key_signs_once() {
        let (log, witness) = keys();
        let mut note = note(&log, &witness);
        let before = note.clone();
        note.add(log.sign(TEXT));
        assert_eq!(note, before);
        let twice = format!("{note}{}", log.sign("another text\n"));
        assert_eq!(twice.parse::<SignedNote>().unwrap().verify(log.verifier()), Err(NoteError::SignatureInvalid));
        let false_note = SignedNote::new(TEXT.to_owned(), log.sign("another text\n")).unwrap();
        assert_eq!(false_note.verify(log.verifier()), Err(NoteError::SignatureInvalid));
    }

    #[test]
    fn the_time_of_a_cosignature_is_signed_too() {
        let (log, witness) = keys();
        let time = |seconds| Timestamp::from_unix_seconds(seconds).unwrap();
        let mut bytes = witness.cosign(TEXT, time(1_000)).bytes().to_vec();
        bytes[7] ^= 1;
        let mut note = SignedNote::new(TEXT.to_owned(), log.sign(TEXT)).unwrap();
        note.add(NoteSignature::new(witness.verifier(), bytes));
        assert_eq!(note.verify(witness.verifier()), Err(NoteError::SignatureInvalid));
        assert_eq!(Timestamp::from_unix_seconds(1 << 63), None);
    }
}
