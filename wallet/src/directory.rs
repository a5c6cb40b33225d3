//! Looking up a payee's encryption key without saying whose.
//!
//! The wallet downloads a whole bucket of the directory, of at least 1,024 identities, and keeps it for a while: paying the
//! same payee again asks nobody.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use farthing_ecash::{identity::Identity, seal::EncryptionKey};

use crate::{
    error::{Server, WalletError},
    wallet::inner::Inner,
};

/// Identities among which a look-up hides, when there are so many.
const BUCKET_MIN: u64 = 1_024;

/// How long a bucket is good: a payee who registers again has a new key.
const LIFETIME: Duration = Duration::from_secs(600);

/// Length of a prefix that hits nobody: it is drawn at random to learn the directory's size alone.
const BITS_MAX: u32 = 32;

/// Buckets that were downloaded.
#[derive(Default)]
pub(crate) struct Directory {
    known: Mutex<HashMap<[u8; 32], (Duration, EncryptionKey)>>,
}

/// How many bits a prefix may have in a directory of this size, so that its bucket holds enough identities.
fn prefix_bits(size: u64) -> u32 {
    (size / BUCKET_MIN).checked_ilog2().unwrap_or(0).min(BITS_MAX)
}

/// The first bits of a hash as a number.
fn prefix(hash: &[u8; 32], bits: u32) -> u32 {
    let [a, b, c, d, ..] = *hash;
    u32::from_be_bytes([a, b, c, d]).checked_shr(BITS_MAX - bits).unwrap_or(0)
}

impl Inner {
    /// The key to which notes for an identity are sealed.
    pub(crate) async fn encryption_key(&self, payee: &Identity) -> Result<EncryptionKey, WalletError> {
        let hash = payee.pid().directory_hash();
        let now = self.options.clock.monotonic();
        if let Some((since, key)) = self.directory.lock().get(&hash)
            && now.saturating_sub(*since) < LIFETIME
        {
            return Ok(key.clone());
        }
        let bits = prefix_bits(self.directory_size().await?);
        let wanted = prefix(&hash, bits);
        let bucket = self.issuer.bucket(bits, wanted).await?;
        if bucket.entries.iter().any(|(hash, _)| prefix(hash, bits) != wanted) {
            return Err(WalletError::Contradiction {
                server: Server::Issuer,
                what: "it sent entries of another part of the directory".to_owned(),
            });
        }
        let mut known = self.directory.lock();
        known.retain(|_, (since, _)| now.saturating_sub(*since) < LIFETIME);
        known.extend(bucket.entries.into_iter().map(|(hash, key)| (hash, (now, key))));
        known
            .get(&hash)
            .map(|(_, key)| key.clone())
            .ok_or_else(|| WalletError::IdentityUnknown { identity: payee.clone() })
    }

    /// How many identities have a wallet.
    pub(crate) async fn directory_size(&self) -> Result<u64, WalletError> {
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes)
            .map_err(|error| WalletError::Internal { what: format!("no randomness: {error}") })?;
        Ok(self.issuer.bucket(BITS_MAX, u32::from_be_bytes(bytes)).await?.size)
    }
}

impl Directory {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], (Duration, EncryptionKey)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_at_least_1024_or_everybody() {
        for (size, bits) in [(0, 0), (1, 0), (1_023, 0), (2_047, 0), (2_048, 1), (4_095, 1), (4_096, 2), (u64::MAX, 32)]
        {
            assert_eq!(prefix_bits(size), bits, "{size}");
        }
    }

    #[test]
    fn a_prefix_is_the_first_bits() {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&[0b1010_0101, 0xff, 0, 1]);
        for (bits, number) in [(0, 0), (1, 1), (3, 0b101), (8, 0b1010_0101), (32, 0xa5ff_0001)] {
            assert_eq!(prefix(&hash, bits), number);
        }
    }
}
