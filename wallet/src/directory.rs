//! Looking up a payee's encryption key without saying whose, nor whether there is one.
//!
//! The wallet downloads a whole bucket of the directory, of at least 1,024 identities, and keeps it for a moment: paying the
//! same payee again asks nobody.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use farthing_ecash::{
    entry::{DirectoryEntry, Entry, EntryKind},
    identity::Identity,
    seal::EncryptionKey,
};
use farthing_ledger::hash::Hash;

use crate::{
    client::issuer::{Bucket, Listed},
    error::{Server, WalletError},
    scan::Log,
    trust::{not_in_log, tiles::Tiles},
    wallet::inner::Inner,
};

/// Identities among which a look-up hides, when there are so many.
const BUCKET_MIN: u64 = 1_024;

/// How long a bucket is good for the identity that it was downloaded for: long enough to ask the owner about it, and no longer,
/// because people register. The same whether it is in it or not, and for no other identity: or else a download would show
/// that somebody is not.
const LIFETIME: Duration = Duration::from_secs(60);

/// Buckets that are kept at most.
const BUCKETS_MAX: usize = 16;

/// How long to wait before looking again for an entry that waits for its place in the log.
const PAUSE: Duration = Duration::from_secs(1);

/// Length of a prefix that hits nobody: it is drawn at random to learn the directory's size alone.
const BITS_MAX: u32 = 32;

/// Buckets that were downloaded.
#[derive(Default)]
pub(crate) struct Directory {
    known: Mutex<Vec<Known>>,
}

/// A bucket that was downloaded, for whom and when.
struct Known {
    hash: [u8; 32],
    since: Duration,
    bucket: Arc<Bucket>,
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
    /// The key to which notes for an identity are sealed; `None` when nobody is registered under it. The servers see the same
    /// calls in the same order in both cases.
    pub(crate) async fn encryption_key(&self, payee: &Identity) -> Result<Option<EncryptionKey>, WalletError> {
        let hash = payee.pid().directory_hash();
        if let Some(bucket) = self.directory.find(&hash, self.options.clock.monotonic()) {
            return self.found(payee, &bucket).await;
        }
        let patience = self.options.checkpoint_patience;
        let begun = tokio::time::Instant::now();
        loop {
            let bucket = self.download(&hash).await?;
            match self.found(payee, &bucket).await {
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

    /// Downloads the bucket of an identity.
    async fn download(&self, hash: &[u8; 32]) -> Result<Arc<Bucket>, WalletError> {
        let since = self.options.clock.monotonic();
        let bits = prefix_bits(self.directory_size().await?);
        let wanted = prefix(hash, bits);
        let bucket = self.issuer.bucket(bits, wanted).await?;
        if bucket.entries.iter().any(|listed| prefix(&listed.hash, bits) != wanted) {
            return Err(WalletError::Contradiction {
                server: Server::Issuer,
                what: "it sent entries of another part of the directory".to_owned(),
            });
        }
        let bucket = Arc::new(bucket);
        self.directory.keep(Known { hash: *hash, since, bucket: Arc::clone(&bucket) });
        Ok(bucket)
    }

    /// What a bucket has of an identity, believed when the log has it. When it has nothing, another entry is looked up in its
    /// stead: otherwise the servers would see which payments are for somebody who is not registered.
    async fn found(&self, payee: &Identity, bucket: &Bucket) -> Result<Option<EncryptionKey>, WalletError> {
        let hash = payee.pid().directory_hash();
        let seconds = bucket.log_interval_seconds;
        let found = match bucket.of(&hash) {
            Some(listed) => self.logged_key(payee, listed.clone(), seconds).await.map(Some),
            None => match bucket.neighbour(&hash) {
                Some(other) => self.logged_key(payee, other.clone(), seconds).await.map(|_| None),
                None => Ok(None),
            },
        };
        if found.is_err() {
            self.directory.forget(&hash);
        }
        found
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
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bucket of an identity, unless it is too old or the identity waits in it for its place in the log.
    fn find(&self, hash: &[u8; 32], now: Duration) -> Option<Arc<Bucket>> {
        let mut known = self.lock();
        known.retain(|known| now.saturating_sub(known.since) < LIFETIME);
        let found = known.iter().find(|known| known.hash == *hash)?;
        let waits = found.bucket.of(hash).is_some_and(|listed| listed.log_index.is_none());
        (!waits).then(|| Arc::clone(&found.bucket))
    }

    /// How many identities the directory had when the bucket of this one was downloaded.
    pub(crate) fn size_with(&self, payee: &Identity) -> Option<u64> {
        let hash = payee.pid().directory_hash();
        self.lock().iter().find(|known| known.hash == hash).map(|known| known.bucket.size)
    }

    fn keep(&self, bucket: Known) {
        let mut known = self.lock();
        known.retain(|known| known.hash != bucket.hash);
        if known.len() >= BUCKETS_MAX {
            known.remove(0);
        }
        known.push(bucket);
    }

    /// Asks anew the next time.
    pub(crate) fn forget(&self, hash: &[u8; 32]) {
        self.lock().retain(|known| known.hash != *hash);
    }
}

impl Bucket {
    fn of(&self, hash: &[u8; 32]) -> Option<&Listed> {
        self.entries.iter().find(|listed| listed.hash == *hash)
    }

    /// The logged entry that follows a place in the order of hashes, as if in a circle: always the same for one identity, so
    /// that paying it again looks like paying anybody again.
    fn neighbour(&self, hash: &[u8; 32]) -> Option<&Listed> {
        let logged = self.entries.iter().filter(|listed| listed.log_index.is_some());
        logged.min_by_key(|listed| (listed.hash < *hash, listed.hash))
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
