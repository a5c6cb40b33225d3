//! Damage to the index.

use std::fs;

use farthing_store::{IndexCheck, IndexRecovery, Options, Store, StoreError, rebuild, verify};

use crate::sample::*;

/// Memory so little, and records so many, that the index has tables.
const INDEX_BYTES: u64 = 40_000;
const RECORDS: u64 = 300;
/// Flips in each file of the index.
const FLIPS: usize = 20;

#[tokio::test]
async fn a_missing_index_is_rebuilt_equal() {
    let sample = sample(50, 600).await;
    let before = verify(sample.dir()).unwrap();
    assert!(matches!(before.index, IndexCheck::Agrees { keys: 102, behind: 0 }), "{before:?}");
    fs::remove_dir_all(sample.dir().join("index")).unwrap();
    assert!(matches!(verify(sample.dir()).unwrap().index, IndexCheck::WillBeRebuilt { .. }));
    let report = open_and_compare(sample.dir(), 50).await;
    assert!(matches!(report.index, IndexRecovery::Rebuilt { records: 50, .. }), "{report}");
    assert_eq!(verify(sample.dir()).unwrap(), before);
    let report = rebuild(sample.dir()).unwrap();
    assert!(matches!(report.index, IndexRecovery::Rebuilt { records: 50, .. }), "{report}");
    assert_eq!(open_and_compare(sample.dir(), 50).await.index, IndexRecovery::Intact);
    assert!(matches!(rebuild(&sample.dir().join("nothing here")), Err(StoreError::Io { .. })));
}

#[tokio::test]
async fn an_old_copy_of_the_index_is_replayed() {
    let sample = sample(5, 400).await;
    let old = home();
    copy_tree(&sample.dir().join("index"), old.path());
    let store = Store::open_with(sample.dir(), options(400)).unwrap().0;
    for seq in 6..=20 {
        let _ = store.commit(batch(seq)).await.unwrap();
    }
    store.close().await;
    fs::remove_dir_all(sample.dir().join("index")).unwrap();
    copy_tree(old.path(), &sample.dir().join("index"));
    assert!(matches!(verify(sample.dir()).unwrap().index, IndexCheck::Agrees { behind: 15, .. }));
    assert_eq!(open_and_compare(sample.dir(), 20).await.index, IndexRecovery::Replayed { records: 15 });
    assert!(matches!(verify(sample.dir()).unwrap().index, IndexCheck::Agrees { behind: 0, .. }));
}

/// The index of another store, or of a journal that was set back and went on differently, is evidence, not an index.
#[tokio::test]
async fn an_index_of_another_journal_is_refused() {
    let (sample, other) = (sample(5, 400).await, sample(5, 400).await);
    fs::remove_dir_all(sample.dir().join("index")).unwrap();
    copy_tree(&other.dir().join("index"), &sample.dir().join("index"));
    assert_damaged(Store::open(sample.dir()), &sample.records[4]);
    assert_damaged(verify(sample.dir()), &sample.records[4]);
    rebuild(sample.dir()).unwrap();
    open_and_compare(sample.dir(), 5).await;
}

/// A crash of the process or of the machine leaves an index that is a little behind. A copy that was made while it was in use
/// may lack records in the middle and is not even opened.
#[tokio::test]
async fn an_index_that_was_not_closed_is_trusted_only_in_place() {
    let sample = sample(5, 400).await;
    let store = Store::open(sample.dir()).unwrap().0;
    let copy = sample.copy();
    store.close().await;
    assert!(matches!(verify(copy.path()).unwrap().index, IndexCheck::WillBeRebuilt { .. }));
    assert!(matches!(open_and_compare(copy.path(), 5).await.index, IndexRecovery::Rebuilt { .. }));
    // Once closed it may be copied.
    assert_eq!(open_and_compare(sample.copy().path(), 5).await.index, IndexRecovery::Intact);

    // As a crash leaves it: its note names this directory.
    let store = Store::open(sample.dir()).unwrap().0;
    let note = fs::read_to_string(sample.dir().join("index/note")).unwrap();
    store.close().await;
    fs::write(sample.dir().join("index/note"), note).unwrap();
    assert_eq!(open_and_compare(sample.dir(), 5).await.index, IndexRecovery::Intact);
}

/// Flipped bytes in the index's files: the store answers right or not at all, and a new start heals it.
#[tokio::test]
async fn a_damaged_index_never_lies() {
    let options = || Options { index_memory_bytes: INDEX_BYTES, ..Options::default() };
    let sample = sample_with(RECORDS, options()).await;
    let (mut healed, mut failures, mut scrubbed) = (0, 0, 0);
    let files = files_below(&sample.dir().join("index/fjall"));
    assert!(files.iter().any(|file| file.parent().unwrap().ends_with("tables")), "no table: {files:?}");
    for file in files {
        let name = file.strip_prefix(sample.dir()).unwrap();
        let bytes = fs::read(&file).unwrap();
        let Some(last) = bytes.iter().rposition(|byte| *byte != 0) else { continue };
        for byte in (0..=last as u64).step_by((last / FLIPS).max(1)) {
            let copy = sample.copy();
            flip(&copy.path().join(name), byte, byte);
            match verify(copy.path()).unwrap().index {
                IndexCheck::Agrees { keys, behind: 0 } if keys == 2 * RECORDS + 2 => {}
                _ => scrubbed += 1,
            }
            let store = match Store::open_with(copy.path(), options()) {
                Ok((store, report)) if report.index == IndexRecovery::Intact => store,
                Ok((store, report)) => {
                    healed += 1;
                    assert!(
                        matches!(report.index, IndexRecovery::Rebuilt { .. } | IndexRecovery::Replayed { .. }),
                        "{report}"
                    );
                    store
                }
                Err(error) => panic!("{name:?}, byte {byte}: {error}"),
            };
            let mut failed = false;
            for seq in 1..=RECORDS {
                match store.get(COINS, &seq.to_be_bytes()).await {
                    Ok(value) => {
                        assert_eq!(value, Some(seq.to_be_bytes().repeat(3)), "{name:?}, byte {byte}, record {seq}");
                    }
                    Err(_) => failed = true,
                }
            }
            store.close().await;
            if failed {
                failures += 1;
                assert!(matches!(open_and_compare(copy.path(), RECORDS).await.index, IndexRecovery::Rebuilt { .. }));
            }
        }
    }
    println!("{scrubbed} found by the scrub, {healed} healed at the start, {failures} found by a read");
    assert!(healed + failures > 0, "no flip was felt: nothing was tested");
}

#[tokio::test]
async fn the_scrub_finds_an_index_that_disagrees() {
    let sample = sample(10, 600).await;
    let key = [b"k\x05coins".as_slice(), &3u64.to_be_bytes()].concat();
    for value in [Some(b"another binding".as_slice()), None] {
        let database = fjall::Database::builder(sample.dir().join("index/fjall")).open().unwrap();
        let pairs = database.keyspace("pairs", fjall::KeyspaceCreateOptions::default).unwrap();
        assert!(pairs.contains_key(&key).unwrap());
        match value {
            Some(value) => pairs.insert(&key, value).unwrap(),
            None => pairs.remove(&key).unwrap(),
        }
        drop((pairs, database));
        assert_eq!(verify(sample.dir()).unwrap().index, IndexCheck::Differs { keys: 1 });
        rebuild(sample.dir()).unwrap();
        open_and_compare(sample.dir(), 10).await;
    }
}
