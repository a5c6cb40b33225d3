//! The wallet at rest: records encrypted under a passphrase, in a store that changes whole or not at all.
//!
//! The passphrase opens the [header](header), which holds two random keys: one encrypts records, the other marks them. A
//! record's key in the store is random, its contents are padded, and its ciphertext is bound to key and generation. Every
//! commit writes a **manifest** with the sum of the marks of all records: a record that was exchanged for another, for an
//! older version of itself, or taken away, is found when the wallet is opened. What cannot be found is an old copy of the
//! whole directory.

mod header;
mod seal;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::Path};

use farthing_store::{Batch, Outcome, Space, Store, StoreError};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{error::WalletError, file};
use header::DataKeys;
use seal::{Manifest, Mark};

/// Encrypted records by their random keys.
const RECORDS: Space = Space("record");
/// One encrypted manifest.
const MANIFEST: Space = Space("manifest");
const MANIFEST_KEY: &[u8] = b"manifest";
/// The header's file name.
const HEADER: &str = "vault";
/// The store's directory.
const STORE: &str = "store";
/// Records read at a time.
const PAGE: usize = 1_000;

/// The key of a record: random, so that it tells nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct RecordId([u8; 16]);

impl RecordId {
    /// A fresh one.
    pub(crate) fn random() -> Result<Self, WalletError> {
        random().map(Self)
    }

    /// A fixed one, of a record of which there is one.
    pub(crate) const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The plaintext of a record.
pub(crate) type Plain = Zeroizing<Vec<u8>>;

/// A change of one record.
pub(crate) enum Change {
    /// The record is new or has this contents now.
    Put(RecordId, Plain),
    /// The record is gone.
    Delete(RecordId),
}

/// An open vault.
pub(crate) struct Vault {
    store: Store,
    keys: DataKeys,
    manifest: Manifest,
    marks: BTreeMap<RecordId, Mark>,
    /// The manifest as it is stored: what the next commit replaces.
    stored: Vec<u8>,
    /// A commit ended without an answer: what is on the disk is not known until the vault is opened again.
    lost: bool,
}

impl Vault {
    /// Whether there is a vault in `dir`.
    pub(crate) fn exists(dir: &Path) -> bool {
        dir.join(HEADER).exists()
    }

    /// Makes a vault with these records. The header is written last: a vault whose creation was interrupted is none.
    pub(crate) async fn create(dir: &Path, passphrase: &str, changes: Vec<Change>) -> Result<Self, WalletError> {
        if Self::exists(dir) {
            return Err(WalletError::WalletExists { dir: dir.to_path_buf() });
        }
        file::create_dir(dir)?;
        let path = dir.join(STORE);
        if path.exists() {
            return Err(WalletError::Damaged {
                what: format!(
                    "{} has a store but no vault; if the creation of a wallet was interrupted here, remove the directory",
                    dir.display()
                ),
            });
        }
        let keys = DataKeys::random()?;
        let header = {
            let (keys, passphrase) = (keys.clone(), Zeroizing::new(passphrase.to_owned()));
            blocking(move || header::wrap(&keys, &passphrase)).await?
        };
        let store = open_store(&path).await?;
        let manifest = Manifest::default();
        let mut vault = Self { store, keys, manifest, marks: BTreeMap::new(), stored: Vec::new(), lost: false };
        vault.commit(changes).await?;
        file::write(&dir.join(HEADER), &header)?;
        Ok(vault)
    }

    /// Opens the vault in `dir` and answers all its records.
    pub(crate) async fn open(dir: &Path, passphrase: &str) -> Result<(Self, Vec<(RecordId, Plain)>), WalletError> {
        if !Self::exists(dir) {
            return Err(WalletError::NoWallet { dir: dir.to_path_buf() });
        }
        let header = read_header(dir)?;
        let store = open_store(&dir.join(STORE)).await?;
        let passphrase = Zeroizing::new(passphrase.to_owned());
        let keys = blocking(move || header::unwrap(&header, &passphrase)).await?;
        let stored = store.get(MANIFEST, MANIFEST_KEY).await.map_err(storage)?;
        let stored = stored.ok_or_else(|| damaged("the manifest is missing"))?;
        let manifest = Manifest::open(&keys, &stored)?;
        let mut vault = Self { store, keys, manifest, marks: BTreeMap::new(), stored, lost: false };
        let records = vault.load().await?;
        Ok((vault, records))
    }

    async fn load(&mut self) -> Result<Vec<(RecordId, Plain)>, WalletError> {
        let mut records = Vec::new();
        let mut sum = Mark::default();
        let mut from = Vec::new();
        loop {
            let page = self.store.scan(RECORDS, &from, PAGE).await.map_err(storage)?;
            let Some((last, _)) = page.last() else { break };
            from = [last.as_slice(), &[0]].concat();
            for (key, sealed) in page {
                let id = key.try_into().map(RecordId).map_err(|_| damaged("a record has a wrong key"))?;
                let (mark, plain) = seal::open_record(&self.keys, id, &sealed)?;
                sum = sum.plus(&mark);
                self.marks.insert(id, mark);
                records.push((id, plain));
            }
        }
        if sum != self.manifest.sum {
            return Err(damaged("a record is missing, or was exchanged for an older one"));
        }
        Ok(records)
    }

    /// Makes all changes durable in one step, or none of them.
    ///
    /// # Errors
    /// [`WalletError::DiskFull`]: nothing was changed. [`WalletError::Storage`]: the vault has to be opened again.
    pub(crate) async fn commit(&mut self, changes: Vec<Change>) -> Result<(), WalletError> {
        if self.lost {
            return Err(WalletError::Storage { what: "an earlier write did not come to an end".to_owned() });
        }
        let mut manifest = Manifest { generation: self.manifest.generation + 1, ..self.manifest.clone() };
        let mut marks: BTreeMap<RecordId, Option<Mark>> = BTreeMap::new();
        let mut batch = if self.stored.is_empty() {
            Batch::new().expect_absent(MANIFEST, MANIFEST_KEY)
        } else {
            Batch::new().expect_equals(MANIFEST, MANIFEST_KEY, self.stored.clone())
        };
        for change in changes {
            let (Change::Put(id, _) | Change::Delete(id)) = &change;
            // A record may change twice in one commit.
            if let Some(old) = marks.get(id).copied().unwrap_or_else(|| self.marks.get(id).copied()) {
                manifest.sum = manifest.sum.plus(&old);
            }
            match change {
                Change::Put(id, plain) => {
                    let (mark, sealed) = seal::seal_record(&self.keys, id, manifest.generation, &plain)?;
                    manifest.sum = manifest.sum.plus(&mark);
                    marks.insert(id, Some(mark));
                    batch = batch.put(RECORDS, id.0, sealed);
                }
                Change::Delete(id) => {
                    marks.insert(id, None);
                    batch = batch.delete(RECORDS, id.0);
                }
            }
        }
        let stored = manifest.seal(&self.keys)?;
        batch = batch.put(MANIFEST, MANIFEST_KEY, stored.clone());
        match self.store.commit(batch).await.map_err(storage)? {
            Outcome::Applied { .. } => {}
            Outcome::Conflict { .. } => {
                self.lost = true;
                return Err(WalletError::Storage { what: "somebody else wrote to it".to_owned() });
            }
            Outcome::Unknown => {
                self.lost = true;
                return Err(WalletError::Storage { what: "it stopped in the middle of a write".to_owned() });
            }
        }
        (self.manifest, self.stored) = (manifest, stored);
        for (id, mark) in marks {
            match mark {
                Some(mark) => drop(self.marks.insert(id, mark)),
                None => drop(self.marks.remove(&id)),
            }
        }
        Ok(())
    }

    /// Makes everything durable and releases the lock.
    pub(crate) async fn close(&self) {
        self.store.clone().close().await;
    }
}

/// Puts another passphrase in front of the keys of the vault in `dir`.
pub(crate) async fn change_passphrase(dir: &Path, old: &str, new: &str) -> Result<(), WalletError> {
    let header = read_header(dir)?;
    let (old, new) = (Zeroizing::new(old.to_owned()), Zeroizing::new(new.to_owned()));
    let fresh = blocking(move || header::wrap(&header::unwrap(&header, &old)?, &new)).await?;
    file::write(&dir.join(HEADER), &fresh)
}

fn read_header(dir: &Path) -> Result<Vec<u8>, WalletError> {
    let path = dir.join(HEADER);
    std::fs::read(&path).map_err(|source| file::failed(&path, source))
}

async fn open_store(path: &Path) -> Result<Store, WalletError> {
    let path = path.to_path_buf();
    blocking(move || Store::open(&path).map(|(store, _)| store).map_err(storage)).await
}

/// Runs what keeps a processor or the disk busy where it holds nobody up.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WalletError> + Send + 'static,
) -> Result<T, WalletError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(WalletError::Internal { what: error.to_string() }),
    }
}

fn random<const N: usize>() -> Result<[u8; N], WalletError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| WalletError::Internal { what: format!("no randomness: {error}") })?;
    Ok(bytes)
}

fn damaged(what: &str) -> WalletError {
    WalletError::Damaged { what: what.to_owned() }
}

fn storage(error: StoreError) -> WalletError {
    match error {
        StoreError::Locked { pid, .. } => WalletError::InUse { pid },
        StoreError::DiskFull => WalletError::DiskFull,
        StoreError::Damaged { .. } => WalletError::Damaged { what: error.to_string() },
        StoreError::Limit { .. } => WalletError::Internal { what: error.to_string() },
        _ => WalletError::Storage { what: error.to_string() },
    }
}
