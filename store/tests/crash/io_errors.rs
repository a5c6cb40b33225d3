//! Disks that fail: the store never acknowledges what it cannot promise.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use farthing_store::failpoints::{FailAction, FailPoint};
use farthing_store::{IndexRecovery, LogName, Options, Outcome, Space, Store, StoreError};

use crate::child::{assert_goes_on, assert_whole, batch};

/// Any error but a full disk, at any point: `Unknown`, then nothing but errors, and a new start has the truth.
#[tokio::test]
async fn fsync_error_is_fatal() {
    for point in FailPoint::ALL {
        let home = tempfile::tempdir().unwrap();
        let options = Options::default();
        options.failpoints.arm(point, 3, FailAction::Error(ErrorKind::Other));
        let store = Store::open_with(home.path(), options).unwrap().0;
        let mut watch = store.log_watch(LogName("payments"));
        let mut acked = BTreeSet::new();
        for i in 0..2 {
            assert!(matches!(store.commit(batch(i)).await, Ok(Outcome::Applied { .. })));
            acked.insert(i);
        }
        assert_eq!(store.commit(batch(2)).await.unwrap(), Outcome::Unknown, "{point:?}");
        for _ in 0..2 {
            assert!(matches!(store.commit(batch(3)).await, Err(StoreError::Failed { .. })), "{point:?}");
            assert!(matches!(store.get(Space("coins"), b"x").await, Err(StoreError::Failed { .. })), "{point:?}");
        }
        while watch.changed().await.is_ok() {}
        store.close().await;

        let (store, report) = Store::open(home.path()).unwrap();
        let count = assert_whole(&store, &acked).await;
        let is_there = !matches!(point, FailPoint::BeforeAppend | FailPoint::MidAppend);
        assert_eq!(count, if is_there { 3 } else { 2 }, "{point:?}");
        assert_eq!(report.torn_tail.is_some(), point == FailPoint::MidAppend, "{point:?}");
        let is_rebuilt = matches!(report.index, IndexRecovery::Rebuilt { .. });
        let index_failed = matches!(point, FailPoint::AfterSyncBeforeIndex | FailPoint::AfterIndexBeforeAck);
        assert_eq!(is_rebuilt, index_failed, "{point:?}: {report}");
        assert_goes_on(&store, count).await;
    }
}

/// A full disk before or in the middle of a record: nothing is applied, and the same handle goes on when there is space.
#[tokio::test]
async fn a_full_disk_is_survived() {
    for (point, kind) in [
        (FailPoint::BeforeAppend, ErrorKind::StorageFull),
        (FailPoint::MidAppend, ErrorKind::StorageFull),
        (FailPoint::MidAppend, ErrorKind::QuotaExceeded),
    ] {
        let home = tempfile::tempdir().unwrap();
        let options = Options::default();
        options.failpoints.arm(point, 3, FailAction::Error(kind));
        let store = Store::open_with(home.path(), options).unwrap().0;
        for i in 0..2 {
            let _ = store.commit(batch(i)).await.unwrap();
        }
        let segment = home.path().join("journal/00000000000000000001.journal");
        let length = std::fs::metadata(&segment).unwrap().len();
        assert!(matches!(store.commit(batch(2)).await, Err(StoreError::DiskFull)), "{point:?}");
        assert_eq!(std::fs::metadata(&segment).unwrap().len(), length, "nothing is left of it");
        let acked = BTreeSet::from([0, 1]);
        assert_eq!(assert_whole(&store, &acked).await, 2, "{point:?}");
        assert_goes_on(&store, 2).await;
        store.close().await;
        let (store, report) = Store::open(home.path()).unwrap();
        assert_eq!(report.torn_tail, None);
        assert_eq!(assert_whole(&store, &BTreeSet::from([0, 1, 2])).await, 3);
    }
}
