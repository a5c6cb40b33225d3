//! Pruned journals, and damaged ones that are to be pruned.

use std::fs;

use farthing_store::failpoints::FailPoint;
use farthing_store::{IndexCheck, LogRecord, Store, StoreError, rebuild, verify};

use crate::sample::*;

/// Segments of about three records.
const SEGMENT_BYTES: u64 = 500;

fn record(seq: u64) -> LogRecord {
    LogRecord::new(seq - 1, seq.to_be_bytes(), b"proof")
}

fn bytes_of(sample: &Sample) -> Vec<Vec<u8>> {
    segments(sample.dir()).iter().map(|path| fs::read(path).unwrap()).collect()
}

/// What was pruned is nowhere on the disk any more, the chain is sound, and the store goes on in every way.
#[tokio::test]
async fn a_pruned_journal_is_sound_and_smaller() {
    let sample = sample(20, SEGMENT_BYTES).await;
    let proofs = |sample: &Sample| -> usize {
        bytes_of(sample).iter().map(|bytes| bytes.windows(5).filter(|window| window == b"proof").count()).sum()
    };
    assert_eq!(proofs(&sample), 20);
    let before: usize = bytes_of(&sample).iter().map(Vec::len).sum();
    let store = Store::open_with(sample.dir(), options(SEGMENT_BYTES)).unwrap().0;
    let report = store.prune_proofs(PAYMENTS, 10).await.unwrap();
    assert!((1..=10).contains(&report.pruned_below), "{report:?}");
    assert!(report.segments > 1 && report.proofs == report.pruned_below, "{report:?}");
    assert_eq!(proofs(&sample) as u64, 20 - report.pruned_below);
    let after: usize = bytes_of(&sample).iter().map(Vec::len).sum();
    assert_eq!((before - after) as u64, report.bytes);
    assert_eq!(report.bytes, report.pruned_below * 5);
    let expected: Vec<_> = (1..=20)
        .map(record)
        .map(|record| if record.index < report.pruned_below { record.without_proof() } else { record })
        .collect();
    assert_eq!(store.log_read(PAYMENTS, 0, 100).await.unwrap(), expected);
    for index in 0..20 {
        assert_eq!(store.log_read(PAYMENTS, index, 1).await.unwrap()[0], expected[usize::try_from(index).unwrap()]);
    }
    let again = store.prune_proofs(PAYMENTS, 10).await.unwrap();
    assert_eq!((again.pruned_below, again.proofs, again.bytes), (report.pruned_below, 0, 0));
    store.close().await;
    for _ in 0..2 {
        let scrub = verify(sample.dir()).unwrap();
        assert!(matches!(scrub.index, IndexCheck::Agrees { behind: 0, .. }), "{scrub:?}");
        let store = Store::open_with(sample.dir(), options(SEGMENT_BYTES)).unwrap().0;
        assert_eq!(store.log_read(PAYMENTS, 0, 100).await.unwrap(), expected);
        store.close().await;
        rebuild(sample.dir()).unwrap();
    }
}

/// Every byte of a journal with pruned segments, flipped: found by the scrub.
#[tokio::test]
async fn flip_each_byte_of_a_pruned_journal() {
    let sample = sample(8, SEGMENT_BYTES).await;
    let store = Store::open_with(sample.dir(), options(SEGMENT_BYTES)).unwrap().0;
    let report = store.prune_proofs(PAYMENTS, u64::MAX).await.unwrap();
    assert!(report.segments > 1, "{report:?}");
    store.close().await;
    let copy = sample.copy_without_index();
    for file in segments(copy.path()).iter().take(usize::try_from(report.segments).unwrap()) {
        let sound = fs::read(file).unwrap();
        for byte in 0..sound.len() as u64 {
            flip(file, byte, byte);
            assert!(matches!(verify(copy.path()), Err(StoreError::Damaged { .. })), "byte {byte}");
            fs::write(file, &sound).unwrap();
        }
    }
    verify(copy.path()).unwrap();
}

/// The copy in which the end of the journal is lost ends with a pruned segment, and goes on in it.
#[tokio::test]
async fn a_pruned_segment_can_become_the_last() {
    let sample = sample(20, SEGMENT_BYTES).await;
    let store = Store::open_with(sample.dir(), options(SEGMENT_BYTES)).unwrap().0;
    let pruned_below = store.prune_proofs(PAYMENTS, u64::MAX).await.unwrap().pruned_below;
    store.close().await;
    fs::remove_file(segments(sample.dir()).pop().unwrap()).unwrap();
    rebuild(sample.dir()).unwrap();
    for seq in pruned_below + 1..=pruned_below + 2 {
        let store = Store::open_with(sample.dir(), options(u64::MAX)).unwrap().0;
        assert_eq!(store.log_size(PAYMENTS).await.unwrap(), seq - 1);
        let _ = store.commit(batch(seq)).await.unwrap();
        let log = store.log_read(PAYMENTS, 0, 100).await.unwrap();
        let expected = |record: LogRecord| if record.index < pruned_below { record.without_proof() } else { record };
        assert_eq!(log, (1..=seq).map(record).map(expected).collect::<Vec<_>>());
        store.close().await;
        assert!(matches!(verify(sample.dir()).unwrap().index, IndexCheck::Agrees { behind: 0, .. }));
    }
}

#[tokio::test]
async fn a_damaged_segment_is_left_alone() {
    let sample = sample(20, SEGMENT_BYTES).await;
    let place = &sample.records[5];
    flip(&place.segment, place.begin + 60, 0);
    let damaged = fs::read(&place.segment).unwrap();
    let store = Store::open_with(sample.dir(), options(SEGMENT_BYTES)).unwrap().0;
    assert_damaged(store.prune_proofs(PAYMENTS, u64::MAX).await, place);
    assert_eq!(fs::read(&place.segment).unwrap(), damaged);
    assert!(!place.segment.with_extension("tmp").exists());
    // It is no reason to stop.
    let _ = store.commit(batch(21)).await.unwrap();
    store.close().await;
}

/// While a segment is pruned, entries are read and written as ever, and closing does not wait for the rest.
#[tokio::test(flavor = "multi_thread")]
async fn readers_and_writers_go_on_while_a_segment_is_pruned() {
    let sample = sample(20, SEGMENT_BYTES).await;
    let options = options(SEGMENT_BYTES);
    let holds =
        [FailPoint::BeforePruneRename, FailPoint::AfterPruneRename].map(|point| options.failpoints.hold(point, 1));
    let store = Store::open_with(sample.dir(), options).unwrap().0;
    let all: Vec<_> = (1..=20).map(record).collect();
    assert_eq!(store.log_read(PAYMENTS, 0, 100).await.unwrap(), all);
    let pruning = tokio::spawn({
        let store = store.clone();
        async move { store.prune_proofs(PAYMENTS, u64::MAX).await }
    });
    for (seq, hold) in (21..).zip(holds) {
        hold.wait();
        let _ = store.commit(batch(seq)).await.unwrap();
        // Files that were open before stay what they were.
        assert_eq!(store.log_read(PAYMENTS, 0, 20).await.unwrap(), all);
        assert_eq!(store.log_read(PAYMENTS, seq - 1, 1).await.unwrap(), [record(seq)]);
        if seq == 22 {
            let closing = tokio::spawn(store.clone().close());
            while !matches!(store.log_size(PAYMENTS).await, Err(StoreError::Closed)) && !closing.is_finished() {
                if matches!(store.commit(batch(seq)).await, Err(StoreError::Closed)) {
                    break;
                }
            }
            assert!(matches!(Store::open(sample.dir()), Err(StoreError::Locked { .. })), "a pruning is still at work");
            drop(hold);
            closing.await.unwrap();
        }
    }
    assert!(matches!(pruning.await.unwrap(), Err(StoreError::Closed)));
    assert_eq!(open_and_compare(sample.dir(), 22).await.torn_tail, None);
}
