//! The header: the keys of the records, wrapped under the passphrase.
//!
//! `magic ‖ u8 version ‖ u32 memory in KiB ‖ u32 passes ‖ u32 lanes ‖ salt 16 ‖ nonce 24 ‖ wrapped keys 64 + 16 ‖ SHA-256`.
//! The hash at the end is no secret's: it tells damage from a wrong passphrase.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, aead::AeadInOut as _};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{damaged, random};
use crate::error::WalletError;

const MAGIC: &[u8; 15] = b"farthing vault\n";
const VERSION: u8 = 1;

/// Argon2id's memory in KiB: 64 MiB, so that guessing is dear on graphics cards too. A header with less is refused, or
/// somebody with access to the disk could make the owner's next passphrase change cheap to attack.
const MEMORY_KIB: u32 = 64 * 1024;
/// Argon2id's passes over the memory; fewer are refused as well.
const PASSES: u32 = 3;
const LANES: u32 = 1;

/// The most that a header may ask for: 4 GiB, 64 passes, 16 lanes. A damaged one must not stop the machine.
const MEMORY_KIB_MAX: u32 = 4 * 1024 * 1024;
const PASSES_MAX: u32 = 64;
const LANES_MAX: u32 = 16;

const PARAMETERS: usize = MAGIC.len() + 1 + 12 + 16;
const NONCE: usize = 24;
const WRAPPED: usize = 64 + 16;
const LENGTH: usize = PARAMETERS + NONCE + WRAPPED + 32;

/// The keys of the records: random, the same for the life of the vault.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct DataKeys {
    /// Encrypts records and the manifest.
    pub(super) seal: [u8; 32],
    /// Marks records for the manifest.
    pub(super) mark: [u8; 32],
}

impl DataKeys {
    pub(super) fn random() -> Result<Self, WalletError> {
        Ok(Self { seal: random()?, mark: random()? })
    }
}

struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// Encrypts the keys under a passphrase, with a fresh salt.
pub(super) fn wrap(keys: &DataKeys, passphrase: &str) -> Result<Vec<u8>, WalletError> {
    if passphrase.is_empty() {
        return Err(WalletError::EmptyPassphrase);
    }
    let cost = Cost { memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES };
    let salt: [u8; 16] = random()?;
    let mut header = MAGIC.to_vec();
    header.push(VERSION);
    for number in [cost.memory_kib, cost.passes, cost.lanes] {
        header.extend_from_slice(&number.to_le_bytes());
    }
    header.extend_from_slice(&salt);
    let nonce: [u8; NONCE] = random()?;
    let mut wrapped = Zeroizing::new(Vec::with_capacity(WRAPPED));
    wrapped.extend_from_slice(&keys.seal);
    wrapped.extend_from_slice(&keys.mark);
    cipher(passphrase, &salt, &cost)?
        .encrypt_in_place(&nonce.into(), &header, &mut *wrapped)
        .map_err(|_| WalletError::Internal { what: "the vault's keys could not be encrypted".to_owned() })?;
    header.extend_from_slice(&nonce);
    header.extend_from_slice(&wrapped);
    let hash = Sha256::digest(&header);
    header.extend_from_slice(&hash);
    Ok(header)
}

/// Decrypts the keys.
pub(super) fn unwrap(header: &[u8], passphrase: &str) -> Result<DataKeys, WalletError> {
    let torn = || damaged("the vault's header is damaged");
    let (contents, hash) = header.split_at_checked(LENGTH - 32).ok_or_else(torn)?;
    if Sha256::digest(contents).as_slice() != hash {
        return Err(torn());
    }
    let (parameters, rest) = contents.split_at_checked(PARAMETERS).ok_or_else(torn)?;
    let (nonce, wrapped) = rest.split_first_chunk::<NONCE>().ok_or_else(torn)?;
    let rest = parameters.strip_prefix(MAGIC).ok_or_else(torn)?;
    let (version, rest) = rest.split_first().ok_or_else(torn)?;
    if *version != VERSION {
        return Err(damaged("the vault was written by a later version of this program"));
    }
    let (numbers, salt) = rest.split_at_checked(12).ok_or_else(torn)?;
    let mut numbers = numbers.chunks_exact(4).map(|bytes| bytes.try_into().map_or(0, u32::from_le_bytes));
    let mut number = || numbers.next().unwrap_or(0);
    let cost = Cost { memory_kib: number(), passes: number(), lanes: number() };
    let strong = (MEMORY_KIB..=MEMORY_KIB_MAX).contains(&cost.memory_kib)
        && (PASSES..=PASSES_MAX).contains(&cost.passes)
        && (LANES..=LANES_MAX).contains(&cost.lanes);
    if !strong {
        return Err(damaged("the vault's header asks for a key derivation outside the allowed limits"));
    }
    let mut keys = Zeroizing::new(wrapped.to_vec());
    cipher(passphrase, salt, &cost)?
        .decrypt_in_place(&(*nonce).into(), parameters, &mut *keys)
        .map_err(|_| WalletError::WrongPassphrase)?;
    let (seal, mark) = keys.split_first_chunk::<32>().ok_or_else(torn)?;
    Ok(DataKeys { seal: *seal, mark: mark.try_into().map_err(|_| torn())? })
}

fn cipher(passphrase: &str, salt: &[u8], cost: &Cost) -> Result<XChaCha20Poly1305, WalletError> {
    let failed = |error: argon2::Error| WalletError::Internal { what: format!("key derivation: {error}") };
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(failed)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, key.as_mut())
        .map_err(failed)?;
    Ok(XChaCha20Poly1305::new((&*key).into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn rehashed(mut header: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
        header[at..at + bytes.len()].copy_from_slice(bytes);
        header.truncate(LENGTH - 32);
        let hash = Sha256::digest(&header);
        header.extend_from_slice(&hash);
        header
    }

    #[test]
    fn only_the_passphrase_opens_the_keys() {
        let keys = DataKeys::random().unwrap();
        let header = wrap(&keys, "correct horse").unwrap();
        assert_eq!(header.len(), LENGTH);
        let opened = unwrap(&header, "correct horse").unwrap();
        assert_eq!((opened.seal, opened.mark), (keys.seal, keys.mark));
        assert!(matches!(unwrap(&header, "correct horsf"), Err(WalletError::WrongPassphrase)));
        assert!(matches!(wrap(&keys, ""), Err(WalletError::EmptyPassphrase)));
    }

    #[test]
    fn a_damaged_header_is_no_wrong_passphrase() {
        let header = wrap(&DataKeys::random().unwrap(), "p").unwrap();
        for at in 0..header.len() {
            let mut changed = header.clone();
            changed[at] ^= 1;
            assert!(matches!(unwrap(&changed, "p"), Err(WalletError::Damaged { .. })), "{at}");
        }
        for length in 0..header.len() {
            assert!(matches!(unwrap(&header[..length], "p"), Err(WalletError::Damaged { .. })));
        }
    }

    #[test]
    fn kdf_params_floor_enforced() {
        let header = wrap(&DataKeys::random().unwrap(), "p").unwrap();
        let at = MAGIC.len() + 1;
        for (at, number) in [
            (at, MEMORY_KIB - 1),
            (at, u32::MAX),
            (at + 4, PASSES - 1),
            (at + 4, u32::MAX),
            (at + 8, 0),
            (at + 8, u32::MAX),
        ] {
            let weak = rehashed(header.clone(), at, &number.to_le_bytes());
            assert!(matches!(unwrap(&weak, "p"), Err(WalletError::Damaged { .. })), "{at} {number}");
        }
        // Within the limits, but not what the keys were wrapped with.
        let other = rehashed(header, at + 4, &(PASSES + 1).to_le_bytes());
        assert!(matches!(unwrap(&other, "p"), Err(WalletError::WrongPassphrase)));
    }
}
