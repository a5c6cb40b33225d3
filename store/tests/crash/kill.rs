//! `kill -9` at every point of the write path.

use farthing_store::failpoints::FailPoint;
use farthing_store::{IndexCheck, IndexRecovery, Store, verify};

use crate::child::{OtherProcess, PARK, assert_goes_on, assert_whole};

#[tokio::test]
async fn kill_at_each_fail_point() {
    for point in FailPoint::ALL {
        let home = tempfile::tempdir().unwrap();
        let mut other = OtherProcess::start(home.path(), 100, &[(PARK, &format!("{}:12", point.name()))]);
        other.wait_for(&format!("parked at {}", point.name()));
        let acked = other.kill();
        // A round of eight ends before the next begins, and has at most eight groups.
        assert!(acked.len() >= 8, "{point:?}: {}", acked.len());

        let scrub = verify(home.path()).unwrap();
        assert!(matches!(scrub.index, IndexCheck::Agrees { .. }), "{point:?}: {scrub:?}");
        assert_eq!(scrub.torn_tail.is_some(), point == FailPoint::MidAppend, "{point:?}: {scrub:?}");
        let (store, report) = Store::open(home.path()).unwrap();
        assert_eq!(report.torn_tail, scrub.torn_tail);
        // The twelfth record is there once all of it was written: the kernel has it, whoever was killed.
        let records = if matches!(point, FailPoint::BeforeAppend | FailPoint::MidAppend) { 11 } else { 12 };
        assert_eq!(report.last_record, records, "{point:?}");
        if matches!(point, FailPoint::AfterAppendBeforeSync | FailPoint::AfterSyncBeforeIndex) {
            assert!(matches!(report.index, IndexRecovery::Replayed { .. }), "{point:?}: {report}");
        }
        let count = assert_whole(&store, &acked).await;
        if records == 12 {
            assert!(count as usize > acked.len(), "{point:?}: the unacknowledged group is there");
        }
        assert_goes_on(&store, count).await;
        store.close().await;
        let (store, report) = Store::open(home.path()).unwrap();
        assert_eq!((report.index, report.torn_tail), (IndexRecovery::Intact, None));
        assert_eq!(assert_whole(&store, &acked).await, count + 1);
    }
}

/// Killed at any moment, again and again, the same store keeps everything.
#[tokio::test]
async fn kill_at_any_moment_again_and_again() {
    let home = tempfile::tempdir().unwrap();
    let mut acked = std::collections::BTreeSet::new();
    for run in 0..8u32 {
        let mut other = OtherProcess::start(home.path(), 1000, &[]);
        for _ in 0..20 + run * 37 {
            other.wait_for("acked");
        }
        acked.extend(other.kill());
        let (store, _) = Store::open(home.path()).unwrap();
        let count = assert_whole(&store, &acked).await;
        assert!(count > 0);
        store.close().await;
        assert!(matches!(verify(home.path()).unwrap().index, IndexCheck::Agrees { behind: 0, .. }));
    }
}
