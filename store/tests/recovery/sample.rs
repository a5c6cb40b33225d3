//! Stores to be damaged.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use farthing_store::{Batch, LogName, Options, Outcome, RecoveryReport, Space, Store, StoreError};
use tempfile::TempDir;

pub(crate) const COINS: Space = Space("coins");
pub(crate) const PAYMENTS: LogName = LogName("payments");
pub(crate) const HEADER_BYTES: u64 = 92;

/// A store with records 1 to `count`, closed, and where each record lies.
pub(crate) struct Sample {
    pub(crate) home: TempDir,
    pub(crate) records: Vec<Place>,
}

/// Where record `seq` (from one, in order) lies.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) seq: u64,
    pub(crate) segment: PathBuf,
    pub(crate) begin: u64,
    pub(crate) end: u64,
}

impl Place {
    pub(crate) fn name(&self) -> String {
        self.segment.file_name().unwrap().to_str().unwrap().to_owned()
    }
}

/// On memory if possible: thousands of these stores are opened, and none of them meets a power failure.
pub(crate) fn home() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) fn options(segment_bytes_max: u64) -> Options {
    Options { segment_bytes_max, ..Options::default() }
}

pub(crate) fn batch(seq: u64) -> Batch {
    let key = seq.to_be_bytes();
    Batch::new().expect_absent(COINS, key).put(COINS, key, key.repeat(3)).append(PAYMENTS, key, b"proof", None)
}

pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir.join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

pub(crate) async fn sample(count: u64, segment_bytes_max: u64) -> Sample {
    sample_with(count, options(segment_bytes_max)).await
}

pub(crate) async fn sample_with(count: u64, options: Options) -> Sample {
    let home = home();
    let store = Store::open_with(home.path(), options).unwrap().0;
    let mut records: Vec<Place> = Vec::new();
    for seq in 1..=count {
        assert!(matches!(store.commit(batch(seq)).await.unwrap(), Outcome::Applied { .. }));
        let segment = segments(home.path()).pop().unwrap();
        let end = fs::metadata(&segment).unwrap().len();
        let begin = records.last().filter(|last| last.segment == segment).map_or(HEADER_BYTES, |last| last.end);
        records.push(Place { seq, segment, begin, end });
    }
    store.close().await;
    // The log of a new index is a hole of 64 MiB, until it is opened again: too much to be copied often.
    Store::open(home.path()).unwrap().0.close().await;
    Sample { home, records }
}

impl Sample {
    pub(crate) fn dir(&self) -> &Path {
        self.home.path()
    }

    /// The same store without its index, so that nothing but the journal knows what was there.
    pub(crate) fn copy_without_index(&self) -> TempDir {
        let copy = home();
        copy_tree(&self.dir().join("journal"), &copy.path().join("journal"));
        copy
    }

    pub(crate) fn copy(&self) -> TempDir {
        let copy = home();
        copy_tree(self.dir(), copy.path());
        copy
    }

    /// The place of a record in a copy of this store.
    pub(crate) fn place(&self, seq: u64, copy: &TempDir) -> Place {
        let place = self.records[usize::try_from(seq).unwrap() - 1].clone();
        Place { segment: copy.path().join("journal").join(place.name()), ..place }
    }
}

pub(crate) fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

pub(crate) fn truncate(path: &Path, length: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

pub(crate) fn append(path: &Path, bytes: &[u8]) {
    let mut all = fs::read(path).unwrap();
    all.extend_from_slice(bytes);
    fs::write(path, all).unwrap();
}

pub(crate) fn flip(path: &Path, byte: u64, bit: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut bytes = [0];
    file.read_exact_at(&mut bytes, byte).unwrap();
    file.write_all_at(&[bytes[0] ^ (1 << (bit % 8))], byte).unwrap();
}

/// Opens a store and checks that it holds exactly records 1 to `count`.
pub(crate) async fn open_and_compare(dir: &Path, count: u64) -> RecoveryReport {
    let (store, report) = Store::open(dir).unwrap();
    assert_holds(&store, count).await;
    store.close().await;
    report
}

pub(crate) async fn assert_holds(store: &Store, count: u64) {
    let pairs: Vec<_> =
        (1..=count).map(|seq| (seq.to_be_bytes().to_vec(), seq.to_be_bytes().repeat(3).clone())).collect();
    assert_eq!(store.scan(COINS, b"", 10_000).await.unwrap(), pairs);
    let log: Vec<_> =
        store.log_read(PAYMENTS, 0, 10_000).await.unwrap().into_iter().map(|record| record.entry).collect();
    assert_eq!(log, pairs.into_iter().map(|pair| pair.0).collect::<Vec<_>>());
}

pub(crate) fn assert_damaged<T: std::fmt::Debug>(found: Result<T, StoreError>, place: &Place) {
    match found {
        Err(StoreError::Damaged { segment, record, offset, .. }) => {
            assert_eq!((segment, record, offset), (place.name(), place.seq, place.begin));
        }
        other => panic!("{place:?}: {other:?}"),
    }
}
