//! The keys of logs and witnesses, in the text forms of C2SP signed-note.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::note::{NoteSignature, Timestamp};

/// What goes before a secret key in its file, as Go's `sumdb/note` writes it.
const SECRET_PREFIX: &str = "PRIVATE+KEY+";

/// Longest name of a key, in bytes: one line of a checkpoint that people read.
pub const NAME_BYTES_MAX: usize = 255;

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Notes, such as checkpoints by their log: plain Ed25519, type 0x01.
    Log,
    /// Checkpoints of others, with the time at which they were seen: C2SP tlog-cosignature, `cosignature/v1`, type 0x04.
    Witness,
}

impl KeyKind {
    const fn code(self) -> u8 {
        match self {
            Self::Log => 0x01,
            Self::Witness => 0x04,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Self::Log, Self::Witness].into_iter().find(|kind| kind.code() == code)
    }
}

/// A text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not `name+id+base64`.
    #[error("a verifier key looks like origin.example/log+1a2b3c4d+AQ…, name, id and key with plus signs between")]
    Form,
    /// A name is empty, too long, or has spaces or plus signs.
    #[error("the name of a key is 1 to 255 bytes without spaces and plus signs")]
    Name,
    /// The id is not that of name and key: a digit was lost or changed.
    #[error("the id of the key does not fit its name and bytes: copy it again, whole")]
    Id,
    /// Neither a log's nor a witness' key.
    #[error(
        "the key is of a kind that is not known here: it has to be Ed25519, type 0x01 of a log or 0x04 of a witness"
    )]
    Kind,
    /// The bytes are no public key that can be relied on.
    #[error("the bytes of the key are no Ed25519 key")]
    Key,
}

/// Checks a name of a key, and so of a log.
///
/// # Errors
/// [`KeyError::Name`].
pub fn check_name(name: &str) -> Result<(), KeyError> {
    let is_fit = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(is_fit);
    if fits { Ok(()) } else { Err(KeyError::Name) }
}

/// The first four bytes of SHA-256(name ‖ newline ‖ type ‖ public key).
fn key_id(name: &str, kind: KeyKind, key: &[u8; 32]) -> u32 {
    let hash = Sha256::new().chain_update(name).chain_update([b'\n', kind.code()]).chain_update(key).finalize();
    let [a, b, c, d, ..] = <[u8; 32]>::from(hash);
    u32::from_be_bytes([a, b, c, d])
}

/// A public key with its name: by what a log or a witness is known. Its text, the *vkey*, is `name+id+base64(type ‖ key)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    kind: KeyKind,
    key: VerifyingKey,
}

impl VerifierKey {
    fn new(name: String, kind: KeyKind, key: VerifyingKey) -> Result<Self, KeyError> {
        check_name(&name)?;
        // Under a key of small order one signature fits many texts.
        if key.is_weak() {
            return Err(KeyError::Key);
        }
        Ok(Self { id: key_id(&name, kind, key.as_bytes()), name, kind, key })
    }

    /// The name: of a log, its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number that stands before its signatures.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What it signs.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The public key itself, 32 bytes. Two vkeys with the same bytes are the same key under two names.
    #[must_use]
    pub fn public_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Whether a signature says that it is by this key.
    #[must_use]
    pub fn is_named_by(&self, signature: &NoteSignature) -> bool {
        self.id == signature.key_id() && self.name == signature.name()
    }

    /// Checks a signature over a note's text. A witness' signature tells when it was made.
    pub(crate) fn verify(&self, text: &str, signature: &NoteSignature) -> Option<Option<Timestamp>> {
        let (message, time, bytes) = match self.kind {
            KeyKind::Log => (text.as_bytes().to_vec(), None, signature.bytes()),
            KeyKind::Witness => {
                let (time, bytes) = signature.bytes().split_first_chunk::<8>()?;
                let time = Timestamp::from_unix_seconds(u64::from_be_bytes(*time))?;
                (cosigned(text, time).into_bytes(), Some(time), bytes)
            }
        };
        let signature = Signature::from_bytes(bytes.try_into().ok()?);
        self.key.verify_strict(&message, &signature).ok().map(|()| time)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&[self.kind.code()][..], self.key.as_bytes()].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.id, STANDARD.encode(bytes))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, id, bytes) = parts(text)?;
        let (kind, key) = bytes.split_first().ok_or(KeyError::Form)?;
        let kind = KeyKind::from_code(*kind).ok_or(KeyError::Kind)?;
        let key = key.try_into().ok().and_then(|key| VerifyingKey::from_bytes(key).ok()).ok_or(KeyError::Key)?;
        let key = Self::new(name, kind, key)?;
        if key.id == id { Ok(key) } else { Err(KeyError::Id) }
    }
}

/// `name+id+base64`, with the id as eight lower-case hexadecimal digits.
fn parts(text: &str) -> Result<(String, u32, Zeroizing<Vec<u8>>), KeyError> {
    let (name, rest) = text.split_once('+').ok_or(KeyError::Form)?;
    let (id, bytes) = rest.split_once('+').ok_or(KeyError::Form)?;
    let is_lower_hex = id.len() == 8 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_lower_hex {
        return Err(KeyError::Form);
    }
    let id = u32::from_str_radix(id, 16).map_err(|_| KeyError::Form)?;
    let bytes = STANDARD.decode(bytes).map_err(|_| KeyError::Form)?;
    Ok((name.to_owned(), id, Zeroizing::new(bytes)))
}

/// What a witness signs of a checkpoint (C2SP tlog-cosignature).
fn cosigned(text: &str, time: Timestamp) -> String {
    format!("cosignature/v1\ntime {}\n{text}", time.unix_seconds())
}

/// A secret key with its name. `ed25519-dalek` overwrites it when it is dropped.
struct SecretKey {
    public: VerifierKey,
    secret: SigningKey,
}

impl SecretKey {
    fn new(name: String, kind: KeyKind, secret: SigningKey) -> Result<Self, KeyError> {
        Ok(Self { public: VerifierKey::new(name, kind, secret.verifying_key())?, secret })
    }

    fn generate(name: &str, kind: KeyKind, rng: &mut impl CryptoRng) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self::new(name.to_owned(), kind, SigningKey::from_bytes(&seed))
    }

    fn to_text(&self) -> Zeroizing<String> {
        let kind = self.public.kind.code();
        let bytes = Zeroizing::new([&[kind][..], &*Zeroizing::new(self.secret.to_bytes())].concat());
        let encoded = Zeroizing::new(STANDARD.encode(&*bytes));
        Zeroizing::new(format!("{SECRET_PREFIX}{}+{:08x}+{}\n", self.public.name, self.public.id, *encoded))
    }

    fn from_text(text: &str, wanted: KeyKind) -> Result<Self, KeyError> {
        let text = text.trim_ascii_end().strip_prefix(SECRET_PREFIX).ok_or(KeyError::Form)?;
        let (name, id, bytes) = parts(text)?;
        let (kind, seed) = bytes.split_first().ok_or(KeyError::Form)?;
        if *kind != wanted.code() {
            return Err(KeyError::Kind);
        }
        let key = Self::new(name, wanted, SigningKey::from_bytes(seed.try_into().map_err(|_| KeyError::Key)?))?;
        if key.public.id == id { Ok(key) } else { Err(KeyError::Id) }
    }
}

/// The secret key by which a log signs its checkpoints.
pub struct LogSigner(SecretKey);

impl LogSigner {
    /// A new key for the log of this origin.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn generate(origin: &str, rng: &mut impl CryptoRng) -> Result<Self, KeyError> {
        SecretKey::generate(origin, KeyKind::Log, rng).map(Self)
    }

    /// What stands in the key's file.
    #[must_use]
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        self.0.to_text()
    }

    /// Reads what [`LogSigner::to_secret_text`] writes.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_secret_text(text: &str) -> Result<Self, KeyError> {
        SecretKey::from_text(text, KeyKind::Log).map(Self)
    }

    /// By what everybody checks its signatures.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.0.public
    }

    /// Signs a note's text.
    #[must_use]
    pub fn sign(&self, text: &str) -> NoteSignature {
        let signature = self.0.secret.sign(text.as_bytes());
        NoteSignature::new(self.verifier(), signature.to_bytes().to_vec())
    }
}

/// The secret key by which a witness says that it has seen a checkpoint.
pub struct CosignerKey(SecretKey);

impl CosignerKey {
    /// A new key for the witness of this name.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn generate(name: &str, rng: &mut impl CryptoRng) -> Result<Self, KeyError> {
        SecretKey::generate(name, KeyKind::Witness, rng).map(Self)
    }

    /// What stands in the key's file.
    #[must_use]
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        self.0.to_text()
    }

    /// Reads what [`CosignerKey::to_secret_text`] writes.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_secret_text(text: &str) -> Result<Self, KeyError> {
        SecretKey::from_text(text, KeyKind::Witness).map(Self)
    }

    /// By what everybody checks its cosignatures.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.0.public
    }

    /// Says of a checkpoint's text that at `time` it was the largest seen of its log, and consistent with all before.
    #[must_use]
    pub fn cosign(&self, text: &str, time: Timestamp) -> NoteSignature {
        let signature = self.0.secret.sign(cosigned(text, time).as_bytes());
        let bytes = [&time.unix_seconds().to_be_bytes()[..], &signature.to_bytes()].concat();
        NoteSignature::new(self.verifier(), bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use getrandom::{SysRng, rand_core::UnwrapErr};

    use super::*;

    #[test]
    fn keys_are_read_back_from_their_texts() {
        let mut rng = UnwrapErr(SysRng);
        let log = LogSigner::generate("issuer.example/farthing/issuance", &mut rng).unwrap();
        let vkey = log.verifier().to_string();
        assert_eq!(vkey.parse::<VerifierKey>().unwrap(), *log.verifier());
        let again = LogSigner::from_secret_text(&log.to_secret_text()).unwrap();
        assert_eq!(again.verifier(), log.verifier());
        assert_eq!(again.sign("text\n"), log.sign("text\n"));
        assert!(matches!(CosignerKey::from_secret_text(&log.to_secret_text()), Err(KeyError::Kind)));

        let witness = CosignerKey::generate("witness.example", &mut rng).unwrap();
        assert_eq!(witness.verifier().kind(), KeyKind::Witness);
        let again = CosignerKey::from_secret_text(&witness.to_secret_text()).unwrap();
        assert_eq!(again.verifier(), witness.verifier());
        assert!(matches!(LogSigner::from_secret_text(&witness.to_secret_text()), Err(KeyError::Kind)));
    }

    /// The key that the documentation of Go's `sumdb/note` shows.
    #[test]
    fn a_key_of_another_program_is_the_same_key_here() {
        let skey = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
        let vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let key = LogSigner::from_secret_text(skey).unwrap();
        assert_eq!(key.verifier().to_string(), vkey);
        assert_eq!(key.to_secret_text().trim_end(), skey);
        let text =
            "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
        let signature = key.sign(text);
        assert_eq!(
            signature.to_string(),
            "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
        );
        assert_eq!(key.verifier().verify(text, &signature), Some(None));
    }

    #[test]
    fn what_is_no_key_is_refused_with_the_reason() {
        let vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let refused = |text: &str| text.parse::<VerifierKey>().unwrap_err();
        assert_eq!(refused(""), KeyError::Form);
        assert_eq!(refused("PeterNeumann"), KeyError::Form);
        assert_eq!(refused(&vkey.replace("c74f20a3", "C74F20A3")), KeyError::Form);
        assert_eq!(refused(&vkey.replace("c74f20a3", "74f20a3")), KeyError::Form);
        assert_eq!(refused(&vkey.replace("c74f20a3", "c74f20a4")), KeyError::Id);
        assert_eq!(refused(&vkey.replace("PeterNeumann", "Peter")), KeyError::Id);
        assert_eq!(refused(&vkey.replace("PeterNeumann", "Peter Neumann")), KeyError::Name);
        assert_eq!(refused(&vkey.replace("PeterNeumann", "")), KeyError::Name);
        assert_eq!(refused(&vkey.replace("+AR", "+BR")), KeyError::Kind);
        assert_eq!(refused(&vkey.replace("10TW", "10")), KeyError::Form);
        // The neutral element: any signature fits any text under it.
        let weak = [&[1u8][..], &[1], &[0; 31]].concat();
        assert_eq!(refused(&format!("weak+00000000+{}", STANDARD.encode(weak))), KeyError::Key);
    }
}
