//! A disk that really is full.

use std::collections::BTreeSet;

use farthing_store::{Outcome, Store, StoreError};

use crate::child::{assert_goes_on, assert_whole, batch};
use crate::mounts::{Mount, is_root, run};

/// Fills a small file system through the store. Whatever the store answers, what it acknowledged is there afterwards,
/// what it refused is not, and with more space it goes on.
#[tokio::test]
async fn disk_full_tmpfs_1m() {
    let mount = if is_root() { Mount::tmpfs("1m") } else { None };
    let Some(mount) = mount else {
        println!("SKIPPED: a tmpfs can only be mounted by root");
        return;
    };
    let dir = mount.dir.join("store");
    let mut acked = BTreeSet::new();
    let store = Store::open(&dir).unwrap().0;
    let refusal = loop {
        let i = u32::try_from(acked.len()).unwrap();
        match store.commit(batch(i)).await {
            Ok(Outcome::Applied { .. }) => acked.insert(i),
            other => break other,
        };
        assert!(acked.len() < 10_000, "the disk never got full");
    };
    println!("after {} commits: {refusal:?}", acked.len());
    let count = u32::try_from(acked.len()).unwrap();
    match &refusal {
        Err(StoreError::DiskFull) => assert_eq!(assert_whole(&store, &acked).await, count),
        // The index met the full disk first, after or before this batch was written.
        Ok(Outcome::Unknown) | Err(StoreError::Failed { .. }) => {
            assert!(matches!(store.commit(batch(count)).await, Err(StoreError::Failed { .. })));
        }
        other => panic!("{other:?}"),
    }
    store.close().await;

    // Still full: whether or not it starts, it does not lie.
    match Store::open(&dir) {
        Ok((store, report)) => {
            println!("started on the full disk: {report}");
            assert_whole(&store, &acked).await;
            store.close().await;
        }
        Err(error) => {
            println!("did not start on the full disk: {error}");
            assert!(matches!(error, StoreError::DiskFull | StoreError::Index { .. }), "{error}");
        }
    }

    run("mount", &["-o", "remount,size=16m", mount.dir.to_str().unwrap()]).unwrap();
    let (store, report) = Store::open(&dir).unwrap();
    println!("with space: {report}");
    let present = assert_whole(&store, &acked).await;
    if refusal.is_err() {
        assert_eq!(present, count, "what was refused was not applied");
    }
    assert_goes_on(&store, present).await;
    store.close().await;
}
