//! Looking up a payee's encryption key without saying whose.
//!
//! The wallet downloads a whole bucket of the directory, of at least 1,024 identities, and keeps it for a while: paying the
//! same payee again asks nobody.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use farthing_ecash::{
    entry::{DirectoryEntry, Entry, EntryKind},
    identity::Identity,
    seal::EncryptionKey,
};
use farthing_ledger::hash::Hash;

use crate::{
    client::issuer::Listed,
    error::{Server, WalletError},
    scan::Log,
    trust::{not_in_log, tiles::Tiles},
    wallet::inner::Inner,
};

/// Identities among which a look-up hides, when there are so many.
const BUCKET_MIN: u64 = 1_024;

/// How long a bucket is good: a payee who registers again has a new key.
const LIFETIME: Duration = Duration::from_secs(600);

/// How long to wait before looking again for an entry that waits for its place in the log.
const PAUSE: Duration = Duration::from_secs(1);

/// Length of a prefix that hits nobody: it is drawn at random to learn the directory's size alone.
const BITS_MAX: u32 = 32;

/// Buckets that were downloaded.
#[derive(Default)]
pub(crate) struct Directory {
    known: Mutex<HashMap<[u8; 32], (Duration, Listed)>>,
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
        let known = self.directory.lock().get(&hash).cloned();
        if let Some((since, listed)) = known
            && now.saturating_sub(since) < LIFETIME
            && listed.log_index.is_some()
        {
            return self.check_listed(payee, listed, 0).await;
        }
        let patience = self.options.checkpoint_patience;
        let begun = tokio::time::Instant::now();
        loop {
            match self.looked_up(payee, &hash).await {
                // Where entries are logged that often, waiting is less trouble than trying again.
                Err(WalletError::NotListedYet { seconds, .. })
                    if begun.elapsed() < patience && Duration::from_secs(seconds.into()) <= patience =>
                {
                    tokio::time::sleep(PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Downloads the bucket of an identity, and believes the key in it when the log has it.
    async fn looked_up(&self, payee: &Identity, hash: &[u8; 32]) -> Result<EncryptionKey, WalletError> {
        let now = self.options.clock.monotonic();
        let bits = prefix_bits(self.directory_size().await?);
        let wanted = prefix(hash, bits);
        let bucket = self.issuer.bucket(bits, wanted).await?;
        if bucket.entries.iter().any(|listed| prefix(&listed.hash, bits) != wanted) {
            return Err(WalletError::Contradiction {
                server: Server::Issuer,
                what: "it sent entries of another part of the directory".to_owned(),
            });
        }
        let listed = {
            let mut known = self.directory.lock();
            known.retain(|_, (since, _)| now.saturating_sub(*since) < LIFETIME);
            known.extend(bucket.entries.into_iter().map(|listed| (listed.hash, (now, listed))));
            known.get(hash).map(|(_, listed)| listed.clone())
        };
        let listed = listed.ok_or_else(|| WalletError::IdentityUnknown { identity: payee.clone() })?;
        self.check_listed(payee, listed, bucket.log_interval_seconds).await
    }

    /// Believes a key of the directory when it is in the log, and forgets it otherwise.
    async fn check_listed(&self, payee: &Identity, listed: Listed, seconds: u32) -> Result<EncryptionKey, WalletError> {
        let hash = listed.hash;
        let checked = self.logged_key(payee, listed, seconds).await;
        if checked.is_err() {
            self.directory.lock().remove(&hash);
        }
        checked
    }

    /// The key, if it is in the log. The entry is read in a bundle of 256, so that the issuer does not learn whom the wallet is
    /// about to pay.
    async fn logged_key(&self, payee: &Identity, listed: Listed, seconds: u32) -> Result<EncryptionKey, WalletError> {
        let not_yet = || WalletError::NotListedYet { identity: payee.clone(), seconds: seconds.max(1) };
        let index = listed.log_index.ok_or_else(not_yet)?;
        let believed = match self.checkpoint_of(Log::Issuance, index.saturating_add(1)).await {
            Err(WalletError::NotSignedYet { .. }) => return Err(not_yet()),
            believed => believed?,
        };
        let mut tiles = Tiles::new(self.reader(Log::Issuance).await?, believed.size());
        let leaf = tiles.leaf(index).await?;
        let body = DirectoryEntry { hash: listed.hash, key: listed.key.clone() }.to_bytes();
        let entry = Entry::from_bytes(&leaf).ok();
        if entry.is_none_or(|entry| entry.kind() != EntryKind::Directory || entry.body() != body) {
            return Err(not_in_log(Log::Issuance, index));
        }
        self.check_leaf_with(&mut tiles, &believed, index, Hash::leaf(&leaf)).await?;
        Ok(listed.key)
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
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], (Duration, Listed)>> {
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
