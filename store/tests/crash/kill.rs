//! `kill -9` at every point of the write path.

use farthing_store::failpoints::FailPoint;
use farthing_store::{IndexCheck, IndexRecovery, Store, rebuild, verify};

use crate::child::{
    OtherProcess, PARK, PAYMENTS, PRUNE, SEGMENT_BYTES, assert_goes_on, assert_whole, assert_whole_but_for_proofs,
};

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

/// `kill -9` while a segment is pruned: each segment is there whole, pruned or not, and pruning again ends it.
#[tokio::test]
async fn kill_at_each_step_of_pruning() {
    for point in FailPoint::PRUNING {
        let home = tempfile::tempdir().unwrap();
        // Two segments are pruned before the one in which it stops.
        let count = if point == FailPoint::MidPrune { 20 } else { 3 };
        let settings = [(PARK, &*format!("{}:{count}", point.name())), (PRUNE, "1"), (SEGMENT_BYTES, "12000")];
        let mut other = OtherProcess::start(home.path(), 30, &settings);
        other.wait_for(&format!("parked at {}", point.name()));
        let acked = other.kill();
        assert_eq!(acked.len(), 240);

        let scrub = verify(home.path()).unwrap();
        assert!(matches!(scrub.index, IndexCheck::Agrees { .. }), "{point:?}: {scrub:?}");
        let (store, report) = Store::open(home.path()).unwrap();
        assert_eq!(report.torn_tail, None);
        let journal = std::fs::read_dir(home.path().join("journal")).unwrap();
        let names = journal.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(names.filter(|name| !name.ends_with(".journal")).count(), 0, "nothing half done is left");
        assert_whole_but_for_proofs(&store, &acked, 8, 240).await;
        let before = verify_pruned(&store).await;
        assert!((8..200).contains(&before), "{point:?}: pruned in part, {before}");
        let report = store.prune_proofs(PAYMENTS, u64::MAX).await.unwrap();
        assert!(report.pruned_below > 200 && report.proofs == report.pruned_below - before, "{point:?}: {report:?}");
        assert_whole_but_for_proofs(&store, &acked, report.pruned_below, report.pruned_below).await;
        assert_goes_on(&store, 240).await;
        store.close().await;

        // What is left is all that is needed to build the index again.
        assert!(matches!(rebuild(home.path()).unwrap().index, IndexRecovery::Rebuilt { .. }));
        let (store, _) = Store::open(home.path()).unwrap();
        assert_whole_but_for_proofs(&store, &acked, report.pruned_below, report.pruned_below).await;
        store.close().await;
    }
}

/// How many entries have no proof part any more.
async fn verify_pruned(store: &Store) -> u64 {
    let log = store.log_read(PAYMENTS, 0, 10_000).await.unwrap();
    log.iter().filter(|record| record.proof.is_empty()).count() as u64
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
