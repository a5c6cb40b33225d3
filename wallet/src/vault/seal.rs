//! Records and the manifest, encrypted.

use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, aead::AeadInOut as _};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Plain, RecordId, damaged, header::DataKeys, random};
use crate::error::WalletError;

const NONCE: usize = 24;
/// Smallest contents of a record, padding included. Contents are padded to powers of two from here on: a coin, a note and
/// an item of the history look alike.
const CONTENTS_MIN: usize = 1024;

/// A record's contribution to the manifest: a keyed hash of its key, generation and nonce, which name one ciphertext. Sums
/// of marks are exclusive-ors; they are secret, so that nobody can find records whose marks cancel out.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark([u8; 32]);

impl Mark {
    fn of(keys: &DataKeys, id: RecordId, head: &[u8]) -> Self {
        #[allow(clippy::expect_used)] // HMAC takes keys of any length
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&keys.mark).expect("any key length");
        mac.update(id.as_bytes());
        mac.update(head);
        Self(mac.finalize().into_bytes().into())
    }

    /// The sum, which is also the difference.
    pub(super) fn plus(self, other: &Self) -> Self {
        let mut sum = self.0;
        sum.iter_mut().zip(other.0).for_each(|(byte, other)| *byte ^= other);
        Self(sum)
    }
}

/// What the records are together.
#[derive(Clone, Default)]
pub(super) struct Manifest {
    /// Number of the commit that wrote it.
    pub(super) generation: u64,
    /// The sum of the marks of all records.
    pub(super) sum: Mark,
}

impl Manifest {
    pub(super) fn seal(&self, keys: &DataKeys) -> Result<Vec<u8>, WalletError> {
        let mut contents = Zeroizing::new(self.generation.to_le_bytes().to_vec());
        contents.extend_from_slice(&self.sum.0);
        let nonce: [u8; NONCE] = random()?;
        encrypt(keys, nonce, b"farthing/v1/manifest", &mut contents)?;
        Ok([nonce.as_slice(), &contents].concat())
    }

    pub(super) fn open(keys: &DataKeys, sealed: &[u8]) -> Result<Self, WalletError> {
        let contents = decrypt(keys, sealed, b"farthing/v1/manifest");
        let contents = contents.ok_or_else(|| damaged("the manifest does not open: it belongs to another vault"))?;
        let torn = || damaged("the manifest is malformed");
        let (generation, sum) = contents.split_first_chunk().ok_or_else(torn)?;
        Ok(Self { generation: u64::from_le_bytes(*generation), sum: Mark(sum.try_into().map_err(|_| torn())?) })
    }
}

fn record_context(id: RecordId, generation: &[u8; 8]) -> Vec<u8> {
    [b"farthing/v1/record".as_slice(), id.as_bytes(), generation].concat()
}

/// Encrypts a record: `u64 generation ‖ nonce ‖ ciphertext`, the contents being `u32 length ‖ plain ‖ zeros`.
pub(super) fn seal_record(
    keys: &DataKeys,
    id: RecordId,
    generation: u64,
    plain: &Plain,
) -> Result<(Mark, Vec<u8>), WalletError> {
    let generation = generation.to_le_bytes();
    let length = u32::try_from(plain.len()).map_err(|_| too_large())?;
    let padded = (4 + plain.len()).next_power_of_two().max(CONTENTS_MIN);
    let mut contents = Zeroizing::new(Vec::with_capacity(padded + 16));
    contents.extend_from_slice(&length.to_le_bytes());
    contents.extend_from_slice(plain);
    contents.resize(padded, 0);
    let nonce: [u8; NONCE] = random()?;
    encrypt(keys, nonce, &record_context(id, &generation), &mut contents)?;
    let head = [generation.as_slice(), &nonce].concat();
    Ok((Mark::of(keys, id, &head), [head.as_slice(), &contents].concat()))
}

/// Decrypts a record.
pub(super) fn open_record(keys: &DataKeys, id: RecordId, sealed: &[u8]) -> Result<(Mark, Plain), WalletError> {
    let torn = || damaged("a record does not open: it is damaged, or belongs elsewhere");
    let (generation, rest) = sealed.split_first_chunk::<8>().ok_or_else(torn)?;
    let contents = decrypt(keys, rest, &record_context(id, generation)).ok_or_else(torn)?;
    let head = sealed.get(..8 + NONCE).ok_or_else(torn)?;
    let (length, body) = contents.split_first_chunk::<4>().ok_or_else(torn)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| torn())?;
    let plain = body.get(..length).ok_or_else(torn)?;
    Ok((Mark::of(keys, id, head), Zeroizing::new(plain.to_vec())))
}

fn encrypt(
    keys: &DataKeys,
    nonce: [u8; NONCE],
    context: &[u8],
    contents: &mut Zeroizing<Vec<u8>>,
) -> Result<(), WalletError> {
    let cipher = XChaCha20Poly1305::new((&keys.seal).into());
    cipher.encrypt_in_place(&nonce.into(), context, &mut **contents).map_err(|_| too_large())
}

/// `None` when it is damaged or was encrypted for another context or key.
fn decrypt(keys: &DataKeys, sealed: &[u8], context: &[u8]) -> Option<Plain> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE>()?;
    let mut contents = Zeroizing::new(ciphertext.to_vec());
    let cipher = XChaCha20Poly1305::new((&keys.seal).into());
    cipher.decrypt_in_place(&(*nonce).into(), context, &mut *contents).ok()?;
    Some(contents)
}

fn too_large() -> WalletError {
    WalletError::Internal { what: "a record is too large".to_owned() }
}
