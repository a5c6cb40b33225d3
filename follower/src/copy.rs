//! The follower's own copy of both logs, in a store: every entry with its proof part, what was concluded from them, and
//! every checkpoint that was verified.
//!
//! Entries and what follows from them are one write, so a follower that is killed goes on where it stopped.

use std::{collections::BTreeMap, path::Path};

use farthing_ecash::{calendar::Day, entry::Entry, statement::Statement};
use farthing_ledger::{
    checkpoint::SignedCheckpoint,
    edge::{Edge, FullTile},
    hash::Hash,
    history,
    view::{ViewError, load_edge, put_tiles},
};
use farthing_store::{Batch, Outcome, READ_ITEMS_MAX, Space, Store, StoreError};

use crate::{
    books::{Books, BooksRecord, DayCount, Decoded, IssuanceHead, Known, RecordError, Writes},
    log::Log,
};

/// The books as JSON.
const BOOKS: Space = Space("follower-books");
const NOW: &[u8] = b"now";

/// Day u32 big-endian → what happened on it, as JSON.
const DAYS: Space = Space("follower-day");

/// Serial → entry of the payments log that spent it, u64 little-endian.
const SERIALS: Space = Space("follower-serial");

/// Name of the log and transaction id → entry, u64 little-endian.
const IDS: Space = Space("follower-id");

/// Index in the issuance log, u64 big-endian → body of a grant that was not used yet.
const GRANTS: Space = Space("follower-grant");

/// Name of the log and size u64 big-endian → root of a verified checkpoint, and what was withdrawn until then, u128
/// little-endian.
const HEADS: Space = Space("follower-head");

/// What was found wrong; following stops until the operator has looked.
const FINDING: Space = Space("follower-finding");

/// Entries read at a time.
const PAGE: usize = 64;

/// The copy cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tree in it.
    #[error(transparent)]
    View(#[from] ViewError),
    /// What is stored does not fit together.
    #[error(transparent)]
    Damaged(#[from] RecordError),
    /// A write that nobody else could have made in the way.
    #[error("the store did not take an entry: another follower may be running on the same folder")]
    NotTaken,
}

/// The copy.
#[derive(Clone)]
pub struct Copy {
    store: Store,
}

fn log_key(log: Log, rest: &[u8]) -> Vec<u8> {
    [log.name().0.as_bytes(), rest].concat()
}

fn index_of(bytes: Vec<u8>) -> Result<u64, CopyError> {
    bytes.try_into().map(u64::from_le_bytes).map_err(|_| RecordError.into())
}

impl Copy {
    /// Opens or makes the copy in a folder.
    ///
    /// # Errors
    /// [`CopyError::Store`].
    pub fn open(dir: &Path) -> Result<Self, CopyError> {
        Ok(Self { store: Store::open(dir)?.0 })
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What was concluded so far.
    ///
    /// # Errors
    /// [`CopyError`].
    pub async fn books(&self) -> Result<Books, CopyError> {
        let Some(bytes) = self.store.get(BOOKS, NOW).await? else { return Ok(Books::default()) };
        let record: BooksRecord = serde_json::from_slice(&bytes).map_err(|_| RecordError)?;
        let mut entries = BTreeMap::new();
        for (log, index) in record.entries() {
            let found = self.store.log_read_entries(log.name(), index, 1).await?.pop().ok_or(RecordError)?;
            entries.insert((log, index), Entry::from_bytes(&found.entry).map_err(|_| RecordError)?);
        }
        Ok(record.books(&entries)?)
    }

    /// The right edge of a log's tree.
    ///
    /// # Errors
    /// [`CopyError`].
    pub async fn edge(&self, log: Log) -> Result<Edge, CopyError> {
        let size = self.store.log_size(log.name()).await?;
        self.edge_at(log, size).await
    }

    /// The right edge of the tree of so many entries.
    ///
    /// # Errors
    /// [`CopyError`].
    pub async fn edge_at(&self, log: Log, size: u64) -> Result<Edge, CopyError> {
        Ok(load_edge(&self.store, log.name(), size).await?)
    }

    /// What entries touch of what is in the copy.
    ///
    /// # Errors
    /// [`CopyError`].
    pub async fn known(&self, log: Log, entries: &[Decoded]) -> Result<Known, CopyError> {
        let mut known = Known::default();
        for logged in entries.iter().filter_map(|entry| entry.logged.as_ref()) {
            let id = *logged.id().as_bytes();
            if let Some(index) = self.store.get(IDS, &log_key(log, &id)).await? {
                known.ids.insert(id, index_of(index)?);
            }
            let core = logged.core();
            for serial in core.nullifiers() {
                if let Some(index) = self.store.get(SERIALS, serial.as_bytes()).await? {
                    known.serials.insert(*serial.as_bytes(), index_of(index)?);
                }
            }
            let grant = core.publics().grant;
            if core.statement() == Statement::Renew
                && let Some(body) = self.store.get(GRANTS, &grant.to_be_bytes()).await?
            {
                known.grants.insert(grant, body);
            }
        }
        Ok(known)
    }

    /// Adds verified entries, the tiles that they fill, and the books after them, in one write.
    ///
    /// # Errors
    /// [`CopyError`].
    pub async fn append(
        &self,
        log: Log,
        entries: &[Decoded],
        tiles: &[FullTile],
        books: &mut Books,
        writes: &Writes,
    ) -> Result<(), CopyError> {
        let mut batch = Batch::new();
        for (serial, index) in &writes.serials {
            batch = batch.expect_absent(SERIALS, *serial).put(SERIALS, *serial, index.to_le_bytes());
        }
        for (id, index) in &writes.ids {
            let key = log_key(log, id);
            batch = batch.expect_absent(IDS, key.as_slice()).put(IDS, key, index.to_le_bytes());
        }
        for (index, body) in &writes.grants {
            batch = batch.put(GRANTS, index.to_be_bytes(), body.as_slice());
        }
        for index in &writes.used_grants {
            batch = batch.delete(GRANTS, index.to_be_bytes());
        }
        for Decoded { bytes, proof, .. } in entries {
            batch = batch.append(log.name(), bytes.as_slice(), proof.as_slice(), None);
        }
        batch = put_tiles(batch, log.name(), tiles);
        batch = self.put_days(batch, books).await?;
        self.commit(put_books(batch, books)?).await?;
        books.days.clear();
        Ok(())
    }

    async fn put_days(&self, mut batch: Batch, books: &Books) -> Result<Batch, CopyError> {
        for (day, added) in &books.days {
            let key = day.get().to_be_bytes();
            let mut count: DayCount = match self.store.get(DAYS, &key).await? {
                Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| RecordError)?,
                None => DayCount::default(),
            };
            count.add(added);
            batch = batch.put(DAYS, key, serde_json::to_vec(&count).map_err(|_| RecordError)?);
        }
        Ok(batch)
    }

    /// Adds a verified checkpoint, what was withdrawn in its entries, and the books after it.
    ///
    /// # Errors
    /// [`CopyError`].
    pub async fn conclude(
        &self,
        log: Log,
        checkpoint: &SignedCheckpoint,
        withdrawn: u128,
        books: &Books,
    ) -> Result<(), CopyError> {
        let head = checkpoint.head();
        let record = [head.root.as_bytes().as_slice(), &withdrawn.to_le_bytes()].concat();
        let batch = Batch::new().put(HEADS, log_key(log, &head.size.to_be_bytes()), record);
        self.commit(put_books(history::put(batch, log.name(), checkpoint), books)?).await
    }

    /// Reads a part of a log once more, entry by entry.
    ///
    /// # Errors
    /// [`CopyError`].
    pub async fn again(
        &self,
        log: Log,
        from: u64,
        to: u64,
        mut each: impl FnMut(u64, &Entry) -> Result<(), RecordError>,
    ) -> Result<(), CopyError> {
        let mut next = from;
        while next < to {
            let wanted = usize::try_from(to - next).map_or(PAGE, |left| left.min(PAGE));
            let page = self.store.log_read_entries(log.name(), next, wanted).await?;
            next = page.last().ok_or(RecordError)?.index + 1;
            for record in page {
                each(record.index, &Entry::from_bytes(&record.entry).map_err(|_| RecordError)?)?;
            }
        }
        Ok(())
    }

    /// What is known of the verified issuance checkpoint of this size.
    ///
    /// # Errors
    /// [`CopyError`].
    pub async fn issuance_head(&self, size: u64) -> Result<Option<IssuanceHead>, CopyError> {
        let Some(record) = self.store.get(HEADS, &log_key(Log::Issuance, &size.to_be_bytes())).await? else {
            return Ok(None);
        };
        let (root, withdrawn) = record.split_first_chunk::<32>().ok_or(RecordError)?;
        let withdrawn = u128::from_le_bytes(withdrawn.try_into().map_err(|_| RecordError)?);
        Ok(Some(IssuanceHead { root: Hash::new(*root), withdrawn }))
    }

    /// The verified checkpoint of this size, or the next larger one.
    ///
    /// # Errors
    /// [`CopyError`].
    pub async fn checkpoint(&self, log: Log, size: u64) -> Result<Option<String>, CopyError> {
        let notes = history::list(&self.store, log.name(), size.saturating_sub(1), 1).await?;
        Ok(notes.into_iter().next())
    }

    /// What happened on each day.
    ///
    /// # Errors
    /// [`CopyError`].
    pub async fn days(&self) -> Result<BTreeMap<Day, DayCount>, CopyError> {
        let mut days = BTreeMap::new();
        for (key, count) in self.store.scan(DAYS, &[], READ_ITEMS_MAX).await? {
            let day = Day::new(u32::from_be_bytes(key.try_into().map_err(|_| RecordError)?));
            days.insert(day, serde_json::from_slice(&count).map_err(|_| RecordError)?);
        }
        Ok(days)
    }

    /// What was found wrong, if anything.
    ///
    /// # Errors
    /// [`CopyError`].
    pub async fn finding(&self) -> Result<Option<String>, CopyError> {
        let finding = self.store.get(FINDING, NOW).await?;
        Ok(finding.map(|text| String::from_utf8_lossy(&text).into_owned()))
    }

    /// Keeps what was found wrong. The first finding stays.
    ///
    /// # Errors
    /// [`CopyError`].
    pub async fn keep_finding(&self, text: &str) -> Result<(), CopyError> {
        if self.finding().await?.is_some() {
            return Ok(());
        }
        self.commit(Batch::new().put(FINDING, NOW, text.as_bytes())).await
    }

    /// Forgets it: the operator has looked.
    ///
    /// # Errors
    /// [`CopyError`].
    pub async fn forget_finding(&self) -> Result<(), CopyError> {
        self.commit(Batch::new().delete(FINDING, NOW)).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), CopyError> {
        match self.store.commit(batch).await? {
            Outcome::Applied { .. } => Ok(()),
            Outcome::Conflict { .. } | Outcome::Unknown => Err(CopyError::NotTaken),
        }
    }
}

fn put_books(batch: Batch, books: &Books) -> Result<Batch, CopyError> {
    let record = serde_json::to_vec(&BooksRecord::new(books)).map_err(|_| RecordError)?;
    Ok(batch.put(BOOKS, NOW, record))
}
