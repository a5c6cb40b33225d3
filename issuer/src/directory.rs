//! The directory: under which key notes are sealed to an identity.
//!
//! A look-up names a prefix of the hash and gets all entries with it, at once after the registration. The log gets the
//! entries later, many at a time in the order of their hashes, so that nobody can tell which registration one belongs to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use farthing_ecash::{
    calendar::Day,
    entry::{DirectoryEntry, Entry, EntryKind},
    identity::Identity,
    seal::EncryptionKey,
};
use farthing_store::{Batch, Outcome, READ_ITEMS_MAX, Space, Store};
use tokio_util::sync::CancellationToken;

use crate::{
    error::IssuerError,
    issuance::{ISSUANCE, IssuanceLog},
    registry::ACCOUNT_KEYS,
};

/// Directory hash → encryption key.
const ENTRIES: Space = Space("directory");

/// Directory hash → nothing, for entries that are not in the log yet.
const PENDING: Space = Space("directory-pending");

/// Directory hash → index of its newest entry in the log, u64 little-endian.
const LOGGED: Space = Space("directory-logged");

/// Entries in one answer, 5.2 MB of them. Wallets choose prefixes by which a bucket holds 1,024 to 2,047 entries on the
/// average; twice that leaves room for chance.
pub const BUCKET_ENTRIES_MAX: usize = 4_096;

/// Entries written to the log at a time.
const LOGGED_AT_ONCE: usize = 512;

/// An entry of a bucket.
pub(crate) struct Listed {
    /// Directory hash, 32 bytes.
    pub(crate) hash: Vec<u8>,
    /// Encryption key, 1,216 bytes.
    pub(crate) encryption_key: Vec<u8>,
    /// Where the entry stands in the log, when it does.
    pub(crate) log_index: Option<u64>,
}

/// The directory in the store.
pub(crate) struct Directory {
    store: Store,
    size: AtomicU64,
}

impl Directory {
    /// Opens it and counts its entries.
    pub(crate) async fn open(store: Store) -> Result<Self, IssuerError> {
        let (mut size, mut from) = (0u64, Vec::new());
        loop {
            // Every registered identity has an account key, which is much shorter than its entry.
            let page = store.scan(ACCOUNT_KEYS, &from, READ_ITEMS_MAX).await?;
            let Some((last, _)) = page.last() else { break };
            from = [last, &[0][..]].concat();
            size = size.saturating_add(u64::try_from(page.len()).unwrap_or(u64::MAX));
        }
        Ok(Self { store, size: AtomicU64::new(size) })
    }

    /// The number of identities in it.
    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// Adds an identity to a batch.
    pub(crate) fn insert(batch: Batch, identity: &Identity, key: &EncryptionKey) -> Batch {
        let hash = identity.pid().directory_hash();
        batch.put(ENTRIES, hash, key.to_bytes()).put(PENDING, hash, Vec::new())
    }

    /// Counts an identity whose batch was applied.
    pub(crate) fn inserted(&self) {
        self.size.fetch_add(1, Ordering::Relaxed);
    }

    /// All entries whose hash begins with the first `bits` bits, those of `prefix`; ascending.
    pub(crate) async fn bucket(&self, bits: u32, prefix: u32) -> Result<Vec<Listed>, IssuerError> {
        let rest = u32::BITS.checked_sub(bits).ok_or_else(|| IssuerError::field("prefix_bits", "at most 32"))?;
        if prefix.checked_shr(bits).unwrap_or(0) != 0 {
            return Err(IssuerError::field("prefix", "must be below 2^prefix_bits"));
        }
        let first = prefix.checked_shl(rest).unwrap_or(0);
        let last = first | u32::MAX.checked_shr(bits).unwrap_or(0);
        let mut entries = self.store.scan(ENTRIES, &first.to_be_bytes(), BUCKET_ENTRIES_MAX + 1).await?;
        entries.retain(|(hash, _)| hash.first_chunk().is_some_and(|head| u32::from_be_bytes(*head) <= last));
        if entries.len() > BUCKET_ENTRIES_MAX {
            return Err(IssuerError::BucketTooLarge { bits: self.comfortable_bits().max(bits + 1).min(u32::BITS) });
        }
        let mut listed = Vec::with_capacity(entries.len());
        for (hash, encryption_key) in entries {
            let log_index = self.log_index(&hash).await?;
            listed.push(Listed { hash, encryption_key, log_index });
        }
        Ok(listed)
    }

    /// Where the newest entry of an identity stands in the log; `None` while it waits.
    async fn log_index(&self, hash: &[u8]) -> Result<Option<u64>, IssuerError> {
        if self.store.get(PENDING, hash).await?.is_some() {
            return Ok(None);
        }
        let index = self.store.get(LOGGED, hash).await?;
        let index = index.map(|index| index.try_into().map(u64::from_le_bytes)).transpose();
        index.map_err(|_| IssuerError::damaged())
    }

    /// A length of prefix with which a bucket has about a quarter of the entries that fit.
    fn comfortable_bits(&self) -> u32 {
        let wanted = u64::try_from(BUCKET_ENTRIES_MAX / 4).unwrap_or(1);
        (self.size() / wanted).checked_ilog2().map_or(0, |bits| bits + 1)
    }

    /// Writes entries to the log, at each interval those that came since. What is left at the shutdown is written after the
    /// next start.
    pub(crate) async fn keep(self: Arc<Self>, log: Arc<IssuanceLog>, interval: Duration, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
            if let Err(error) = self.publish(&log).await {
                tracing::error!(%error, "directory entries wait: they cannot be written to the log");
            }
        }
    }

    /// Writes the entries that wait, once through in the order of their hashes. One that comes meanwhile with a smaller hash
    /// waits for the next time: its place would show when it came.
    pub(crate) async fn publish(&self, log: &IssuanceLog) -> Result<(), IssuerError> {
        let mut from = Vec::new();
        loop {
            let pending = self.store.scan(PENDING, &from, LOGGED_AT_ONCE).await?;
            let Some((last, _)) = pending.last() else { return Ok(()) };
            let next = [last, &[0][..]].concat();
            let mut entries = Vec::with_capacity(pending.len());
            for (hash, _) in pending {
                let key = self.store.get(ENTRIES, &hash).await?.ok_or_else(IssuerError::damaged)?;
                let body = [hash, key].concat();
                entries.push(DirectoryEntry::from_bytes(&body).map_err(|_| IssuerError::damaged())?);
            }
            match log.commit(|day| draft(&entries, day)).await? {
                Outcome::Applied { .. } => {
                    tracing::debug!(entries = entries.len(), "directory entries written");
                    from = next;
                }
                // Another issuer on the same store has written some of them.
                Outcome::Conflict { .. } => {}
                Outcome::Unknown => return Err(IssuerError::OutcomeUnknown),
            }
        }
    }
}

fn draft(entries: &[DirectoryEntry], day: Day) -> Result<Batch, IssuerError> {
    entries.iter().try_fold(Batch::new(), |batch, entry| {
        let logged =
            Entry::new(EntryKind::Directory, day, entry.to_bytes()).map_err(|_| IssuerError::damaged())?.to_bytes();
        Ok(batch.expect_equals(PENDING, entry.hash, Vec::new()).delete(PENDING, entry.hash).append(
            ISSUANCE,
            logged,
            Vec::new(),
            Some((LOGGED, entry.hash.to_vec())),
        ))
    })
}
