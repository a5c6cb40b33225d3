//! Damage to the index.

use std::fs;

use farthing_store::{IndexCheck, IndexRecovery, Store, StoreError, rebuild, verify};

use crate::sample::*;

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

/// After a crash of the machine, or copied while in use, sled's files may lack anything: they are not even opened.
#[tokio::test]
async fn an_index_that_was_not_closed_is_trusted_only_in_place_and_in_the_same_boot() {
    let sample = sample(5, 400).await;
    fs::write(sample.dir().join("index/note"), "in use 00000000-0000-0000-0000-000000000000 1\n").unwrap();
    assert!(matches!(verify(sample.dir()).unwrap().index, IndexCheck::WillBeRebuilt { .. }));
    assert!(matches!(open_and_compare(sample.dir(), 5).await.index, IndexRecovery::Rebuilt { .. }));

    let store = Store::open(sample.dir()).unwrap().0;
    let copy = sample.copy();
    store.close().await;
    assert!(matches!(open_and_compare(copy.path(), 5).await.index, IndexRecovery::Rebuilt { .. }));
}

/// Flipped bytes in sled's files: the store answers right or not at all, and a new start heals it.
#[tokio::test]
async fn a_damaged_index_never_lies() {
    let sample = sample(200, u64::MAX).await;
    let files = sample.dir().join("index/sled");
    let database = fs::read(files.join("db")).unwrap();
    let used = database.iter().rposition(|byte| *byte != 0).unwrap() as u64;
    let (mut healed, mut failures, mut scrubbed) = (0, 0, 0);
    for byte in (0..used).step_by(usize::try_from(used / 60).unwrap()) {
        let copy = sample.copy();
        flip(&copy.path().join("index/sled/db"), byte, byte);
        match verify(copy.path()).unwrap().index {
            IndexCheck::Agrees { keys: 402, behind: 0 } => {}
            _ => scrubbed += 1,
        }
        let store = match Store::open(copy.path()) {
            Ok((store, report)) if report.index == IndexRecovery::Intact => store,
            Ok((store, report)) => {
                healed += 1;
                assert!(
                    matches!(report.index, IndexRecovery::Rebuilt { .. } | IndexRecovery::Replayed { .. }),
                    "{report}"
                );
                store
            }
            Err(error) => panic!("byte {byte}: {error}"),
        };
        let mut failed = false;
        for seq in 1..=200u64 {
            match store.get(COINS, &seq.to_be_bytes()).await {
                Ok(value) => assert_eq!(value, Some(seq.to_be_bytes().repeat(3)), "byte {byte}, record {seq}"),
                Err(_) => failed = true,
            }
        }
        store.close().await;
        if failed {
            failures += 1;
            assert!(matches!(open_and_compare(copy.path(), 200).await.index, IndexRecovery::Rebuilt { .. }));
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
        let sled = sled::open(sample.dir().join("index/sled")).unwrap();
        let before = match value {
            Some(value) => sled.insert(&key, value).unwrap(),
            None => sled.remove(&key).unwrap(),
        };
        assert!(before.is_some());
        sled.flush().unwrap();
        drop(sled);
        assert_eq!(verify(sample.dir()).unwrap().index, IndexCheck::Differs { keys: 1 });
        rebuild(sample.dir()).unwrap();
        open_and_compare(sample.dir(), 10).await;
    }
}
