//! The suite that every engine must pass. Call [`check`] from a test on a multi-threaded tokio runtime.
//!
//! Each property gets an empty store of its own and panics with what it found when the engine breaks it.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use sha2::{Digest, Sha256};

use crate::{
    BATCH_BYTES_MAX, BATCH_STEPS_MAX, Batch, KEY_BYTES_MAX, LogName, LogRecord, NAME_BYTES_MAX, Outcome,
    READ_ITEMS_MAX, Space, Store, StoreError, VALUE_BYTES_MAX,
};

const COINS: Space = Space("coins");
/// Its name begins with that of [`COINS`]: spaces must not leak into each other.
const COINS_OLD: Space = Space("coins_old");
const PAYMENTS: LogName = LogName("payments");
const NOTICES: LogName = LogName("notices");

/// Checks every property on stores made by `new_store`, which must be empty.
///
/// # Panics
/// If the engine breaks a property.
pub async fn check(new_store: impl AsyncFn() -> Store) {
    insert_once(new_store().await).await;
    a_conflict_changes_nothing(new_store().await).await;
    equals_compares_the_whole_value(new_store().await).await;
    expectations_see_the_state_before(new_store().await).await;
    operations_happen_in_order(new_store().await).await;
    logs_have_no_gaps(new_store().await).await;
    pruning_takes_proof_parts_only(new_store().await).await;
    scans_ascend_and_stay_inside(new_store().await).await;
    limits_are_kept(new_store().await).await;
    watches_follow(new_store().await).await;
    a_dropped_commit_still_happens(new_store().await).await;
    one_of_two_racers_wins(new_store().await).await;
    no_update_is_lost(new_store().await).await;
    no_reader_sees_a_part_of_a_batch(new_store().await).await;
    a_closed_store_answers_closed(new_store().await).await;
}

fn applied(positions: &[u64]) -> Outcome {
    Outcome::Applied { positions: positions.to_vec() }
}

fn conflict(space: Space, key: &[u8], existing: Option<&[u8]>) -> Outcome {
    Outcome::Conflict { space, key: key.to_vec(), existing: existing.map(<[u8]>::to_vec) }
}

fn insert(key: &[u8], value: &[u8]) -> Batch {
    Batch::new().expect_absent(COINS, key).put(COINS, key, value)
}

/// A retry sees its own binding, a double spend that of another.
async fn insert_once(store: Store) {
    assert_eq!(store.get(COINS, b"a").await.unwrap(), None);
    assert_eq!(store.commit(insert(b"a", b"1")).await.unwrap(), applied(&[]));
    assert_eq!(store.get(COINS, b"a").await.unwrap(), Some(b"1".to_vec()));
    assert_eq!(store.commit(insert(b"a", b"1")).await.unwrap(), conflict(COINS, b"a", Some(b"1")));
    assert_eq!(store.commit(insert(b"a", b"2")).await.unwrap(), conflict(COINS, b"a", Some(b"1")));
    assert_eq!(store.commit(Batch::new()).await.unwrap(), applied(&[]));
}

async fn a_conflict_changes_nothing(store: Store) {
    let _ = store.commit(insert(b"a", b"1")).await.unwrap();
    let batch = Batch::new()
        .put(COINS, b"before", b"x")
        .append(PAYMENTS, b"entry", b"", Some((COINS, b"at".to_vec())))
        .delete(COINS, b"a")
        .expect_absent(COINS, b"b")
        .expect_absent(COINS, b"a")
        .expect_absent(COINS, b"c");
    assert_eq!(store.commit(batch).await.unwrap(), conflict(COINS, b"a", Some(b"1")));
    assert_eq!(store.scan(COINS, b"", 10).await.unwrap(), [(b"a".to_vec(), b"1".to_vec())]);
    assert_eq!(store.log_size(PAYMENTS).await.unwrap(), 0);
}

async fn equals_compares_the_whole_value(store: Store) {
    let swap = |from: &[u8], to: &[u8]| Batch::new().expect_equals(COINS, b"a", from).put(COINS, b"a", to);
    assert_eq!(store.commit(swap(b"", b"1")).await.unwrap(), conflict(COINS, b"a", None));
    // An empty value is a value.
    assert_eq!(store.commit(Batch::new().put(COINS, b"a", b"")).await.unwrap(), applied(&[]));
    assert_eq!(store.commit(insert(b"a", b"1")).await.unwrap(), conflict(COINS, b"a", Some(b"")));
    assert_eq!(store.commit(swap(b"", b"12")).await.unwrap(), applied(&[]));
    assert_eq!(store.commit(swap(b"1", b"2")).await.unwrap(), conflict(COINS, b"a", Some(b"12")));
    assert_eq!(store.commit(swap(b"12", b"2")).await.unwrap(), applied(&[]));
    assert_eq!(store.get(COINS, b"a").await.unwrap(), Some(b"2".to_vec()));
}

async fn expectations_see_the_state_before(store: Store) {
    // Whatever the order in which they were added.
    let batch = Batch::new().put(COINS, b"a", b"1").expect_absent(COINS, b"a");
    assert_eq!(store.commit(batch).await.unwrap(), applied(&[]));
    // The first that does not hold is named.
    let batch = Batch::new().expect_equals(COINS, b"b", b"1").expect_absent(COINS, b"a");
    assert_eq!(store.commit(batch).await.unwrap(), conflict(COINS, b"b", None));
}

async fn operations_happen_in_order(store: Store) {
    let batch = Batch::new()
        .put(COINS, b"a", b"1")
        .delete(COINS, b"a")
        .put(COINS, b"b", b"1")
        .put(COINS, b"b", b"2")
        .delete(COINS, b"c")
        .put(COINS, b"c", b"3");
    assert_eq!(store.commit(batch).await.unwrap(), applied(&[]));
    let pairs = store.scan(COINS, b"", 10).await.unwrap();
    assert_eq!(pairs, [(b"b".to_vec(), b"2".to_vec()), (b"c".to_vec(), b"3".to_vec())]);
    let _ = store.commit(Batch::new().delete(COINS, b"b")).await.unwrap();
    assert_eq!(store.commit(insert(b"b", b"4")).await.unwrap(), applied(&[]));
}

async fn logs_have_no_gaps(store: Store) {
    let batch = Batch::new()
        .append(PAYMENTS, b"zero", b"proof", Some((COINS, b"at".to_vec())))
        .append(NOTICES, b"other", b"", None)
        .append(PAYMENTS, b"", b"", Some((COINS, b"at too".to_vec())));
    assert_eq!(store.commit(batch).await.unwrap(), applied(&[0, 0, 1]));
    assert_eq!(store.commit(Batch::new().append(PAYMENTS, b"two", b"", None)).await.unwrap(), applied(&[2]));
    assert_eq!(store.get(COINS, b"at").await.unwrap(), Some(0u64.to_le_bytes().to_vec()));
    assert_eq!(store.get(COINS, b"at too").await.unwrap(), Some(1u64.to_le_bytes().to_vec()));
    assert_eq!(store.log_size(PAYMENTS).await.unwrap(), 3);
    assert_eq!(store.log_size(NOTICES).await.unwrap(), 1);
    let all = [LogRecord::new(0, b"zero", b"proof"), LogRecord::new(1, b"", b""), LogRecord::new(2, b"two", b"")];
    assert_eq!(store.log_read(PAYMENTS, 0, 10).await.unwrap(), all);
    assert_eq!(store.log_read(PAYMENTS, 1, 1).await.unwrap(), all[1..2]);
    assert_eq!(store.log_read(PAYMENTS, 3, 10).await.unwrap(), []);
    assert_eq!(store.log_read(PAYMENTS, u64::MAX, 10).await.unwrap(), []);
    assert_eq!(store.log_read(PAYMENTS, 0, 0).await.unwrap(), []);
    let entries = all.map(LogRecord::without_proof);
    assert_eq!(store.log_read_entries(PAYMENTS, 0, 10).await.unwrap(), entries);
    assert_eq!(store.log_read_entries(PAYMENTS, 1, 1).await.unwrap(), entries[1..2]);
    let hash: [u8; 32] = Sha256::digest(b"proof").into();
    assert_eq!(entries[0].proof_hash, hash);
}

/// How much is pruned is the engine's affair, and what is left is the same for all: everything but these proof parts.
async fn pruning_takes_proof_parts_only(store: Store) {
    const ENTRIES: u64 = 60;
    let proof = |index: u64| if index % 7 == 3 { Vec::new() } else { index.to_le_bytes().repeat(30) };
    for index in 0..ENTRIES {
        let batch = insert(&index.to_le_bytes(), b"1")
            .append(PAYMENTS, index.to_le_bytes(), proof(index), None)
            .append(NOTICES, index.to_le_bytes(), proof(index), None);
        assert_eq!(store.commit(batch).await.unwrap(), applied(&[index, index]));
    }
    let all: Vec<_> = (0..ENTRIES).map(|index| LogRecord::new(index, index.to_le_bytes(), proof(index))).collect();
    assert_eq!(store.prune_proofs(LogName("none"), 10).await.unwrap().pruned_below, 0);
    assert_eq!(store.prune_proofs(PAYMENTS, 0).await.unwrap().pruned_below, 0);
    assert_eq!(store.log_read(PAYMENTS, 0, 100).await.unwrap(), all);
    let (mut pruned_below, mut proofs) = (0, 0);
    // Beyond the end of the log there is nothing to prune, and asking again changes nothing.
    for below in [ENTRIES / 2, ENTRIES / 4, ENTRIES / 2, u64::MAX, u64::MAX] {
        let report = store.prune_proofs(PAYMENTS, below).await.unwrap();
        assert!(report.pruned_below <= below.min(ENTRIES), "{report:?}");
        pruned_below = pruned_below.max(report.pruned_below);
        proofs += report.proofs;
        let pruned =
            all.iter().cloned().map(|record| if record.index < pruned_below { record.without_proof() } else { record });
        assert_eq!(store.log_read(PAYMENTS, 0, 100).await.unwrap(), pruned.collect::<Vec<_>>(), "{report:?}");
        assert_eq!(store.log_read(NOTICES, 0, 100).await.unwrap(), all, "another log is left alone");
    }
    assert_eq!(proofs, (0..pruned_below).filter(|index| !proof(*index).is_empty()).count() as u64);
    let entries: Vec<_> = all.iter().cloned().map(LogRecord::without_proof).collect();
    assert_eq!(store.log_read_entries(PAYMENTS, 0, 100).await.unwrap(), entries);
    // Everything else is there, and the log goes on.
    assert_eq!(store.scan(COINS, b"", 100).await.unwrap().len() as u64, ENTRIES);
    let batch = Batch::new().append(PAYMENTS, b"next", b"its proof", None);
    assert_eq!(store.commit(batch).await.unwrap(), applied(&[ENTRIES]));
    let next = LogRecord::new(ENTRIES, b"next", b"its proof");
    assert_eq!(store.log_read(PAYMENTS, ENTRIES, 1).await.unwrap(), [next]);
}

async fn scans_ascend_and_stay_inside(store: Store) {
    let keys: [&[u8]; 7] = [b"", b"\0", b"a", b"a\0", b"ab", b"b", b"\xff\xff"];
    let mut batch = Batch::new().put(COINS_OLD, b"a", b"old").put(Space("coin"), b"s", b"other");
    for key in keys.iter().rev() {
        batch = batch.put(COINS, *key, *key);
    }
    let _ = store.commit(batch).await.unwrap();
    let names =
        |pairs: Vec<(Vec<u8>, Vec<u8>)>| pairs.into_iter().inspect(|(k, v)| assert_eq!(k, v)).map(|p| p.0).collect();
    let scanned: Vec<Vec<u8>> = names(store.scan(COINS, b"", 100).await.unwrap());
    assert_eq!(scanned, keys);
    let scanned: Vec<Vec<u8>> = names(store.scan(COINS, b"a\0", 2).await.unwrap());
    assert_eq!(scanned, keys[3..5]);
    let scanned: Vec<Vec<u8>> = names(store.scan_prefix(COINS, b"a", 100).await.unwrap());
    assert_eq!(scanned, keys[2..5]);
    let scanned: Vec<Vec<u8>> = names(store.scan_prefix(COINS, b"\xff", 100).await.unwrap());
    assert_eq!(scanned, keys[6..]);
    assert_eq!(store.scan_prefix(COINS, b"none", 100).await.unwrap(), []);
    assert_eq!(store.scan(COINS_OLD, b"", 100).await.unwrap(), [(b"a".to_vec(), b"old".to_vec())]);
}

async fn limits_are_kept(store: Store) {
    let long_name = Space("123456789012345678901234567890123");
    assert_eq!(long_name.0.len(), NAME_BYTES_MAX + 1);
    let half = || vec![0; VALUE_BYTES_MAX];
    let too_large = [
        Batch::new().put(COINS, vec![0; KEY_BYTES_MAX + 1], b""),
        Batch::new().put(COINS, b"a", vec![0; VALUE_BYTES_MAX + 1]),
        Batch::new().expect_equals(COINS, b"a", vec![0; VALUE_BYTES_MAX + 1]),
        Batch::new().append(PAYMENTS, vec![0; VALUE_BYTES_MAX + 1], b"", None),
        Batch::new().append(PAYMENTS, b"", vec![0; VALUE_BYTES_MAX + 1], None),
        Batch::new().append(PAYMENTS, b"", b"", Some((COINS, vec![0; KEY_BYTES_MAX + 1]))),
        Batch::new().append(LogName(long_name.0), b"", b"", None),
        Batch::new().delete(long_name, b"a"),
        Batch::new().expect_absent(Space(""), b"a"),
        (0..=BATCH_STEPS_MAX).fold(Batch::new(), |batch, _| batch.put(COINS, b"a", b"")),
        (0..=BATCH_BYTES_MAX / VALUE_BYTES_MAX).fold(Batch::new(), |batch, _| batch.put(COINS, b"a", half())),
    ];
    for batch in too_large {
        let answer = store.commit(batch).await;
        assert!(matches!(answer, Err(StoreError::Limit { .. })), "{answer:?}");
    }
    assert_eq!(store.scan(COINS, b"", 10).await.unwrap(), []);
    assert_eq!(store.log_size(PAYMENTS).await.unwrap(), 0);

    let (key, value) = (vec![0xff; KEY_BYTES_MAX], vec![7; VALUE_BYTES_MAX]);
    let largest = Batch::new().put(COINS, key.clone(), value.clone()).append(
        PAYMENTS,
        value.clone(),
        value.clone(),
        Some((COINS, vec![0; KEY_BYTES_MAX])),
    );
    assert_eq!(store.commit(largest).await.unwrap(), applied(&[0]));
    assert_eq!(store.get(COINS, &key).await.unwrap(), Some(value.clone()));
    let record = LogRecord::new(0, value.clone(), value);
    assert_eq!(store.log_read(PAYMENTS, 0, 1).await.unwrap(), [record]);
    let many = (0..BATCH_STEPS_MAX).fold(Batch::new(), |batch, i| batch.put(COINS, i.to_be_bytes(), b"v"));
    assert_eq!(store.commit(many).await.unwrap(), applied(&[]));
}

async fn watches_follow(store: Store) {
    let mut early = store.log_watch(PAYMENTS);
    assert_eq!(*early.borrow_and_update(), 0);
    let _ = store.commit(Batch::new().append(PAYMENTS, b"0", b"", None).append(PAYMENTS, b"1", b"", None)).await;
    assert!(early.has_changed().unwrap(), "not later than the answer");
    assert_eq!(*early.borrow_and_update(), 2);
    let late = store.log_watch(PAYMENTS);
    assert_eq!(*late.borrow(), 2);
    store.close().await;
    assert!(early.changed().await.is_err(), "a closed store ends the watch");
}

async fn a_dropped_commit_still_happens(store: Store) {
    {
        let mut commit = pin!(store.commit(insert(b"a", b"1")));
        std::future::poll_fn(|context| {
            let _ = commit.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
    }
    assert_eq!(store.commit(insert(b"a", b"2")).await.unwrap(), conflict(COINS, b"a", Some(b"1")));
}

async fn one_of_two_racers_wins(store: Store) {
    const KEYS: u32 = 2_000;
    let racer = |name: u8| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut won = HashSet::new();
            for key in 0..KEYS {
                match store.commit(insert(&key.to_be_bytes(), &[name])).await.unwrap() {
                    Outcome::Applied { .. } => assert!(won.insert(key)),
                    Outcome::Conflict { existing, .. } => assert_eq!(existing, Some(vec![!name])),
                    Outcome::Unknown => panic!("a healthy store does not answer Unknown"),
                }
            }
            won
        })
    };
    let (a, b) = (racer(1), racer(!1));
    let (a, b) = (a.await.unwrap(), b.await.unwrap());
    assert!(a.is_disjoint(&b));
    assert_eq!(a.len() + b.len(), KEYS as usize);
    for key in 0..KEYS {
        let winner = if a.contains(&key) { 1 } else { !1 };
        assert_eq!(store.get(COINS, &key.to_be_bytes()).await.unwrap(), Some(vec![winner]));
    }
}

/// Many tasks add to one counter by compare-and-set and append what they saw: no step is lost, no position given twice.
async fn no_update_is_lost(store: Store) {
    const TASKS: u64 = 16;
    const STEPS: u64 = 20;
    let _ = store.commit(Batch::new().put(COINS, b"n", 0u64.to_le_bytes())).await.unwrap();
    let count = |store: Store| async move {
        for _ in 0..STEPS {
            loop {
                let before: [u8; 8] = store.get(COINS, b"n").await.unwrap().unwrap().try_into().unwrap();
                let n = u64::from_le_bytes(before);
                let batch = Batch::new()
                    .expect_equals(COINS, b"n", before)
                    .put(COINS, b"n", (n + 1).to_le_bytes())
                    .append(PAYMENTS, n.to_le_bytes(), b"", None);
                if let Outcome::Applied { positions } = store.commit(batch).await.unwrap() {
                    assert_eq!(positions, [n]);
                    break;
                }
            }
        }
    };
    let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(count(store.clone()))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.get(COINS, b"n").await.unwrap(), Some((TASKS * STEPS).to_le_bytes().to_vec()));
    let log = store.log_read(PAYMENTS, 0, 1000).await.unwrap();
    let expected: Vec<_> = (0..TASKS * STEPS).map(|index| LogRecord::new(index, index.to_le_bytes(), b"")).collect();
    assert_eq!(log, expected);
}

/// What one batch changes is seen together: who saw its first key then sees its last one and its entry, and no scan sees a
/// part of it.
async fn no_reader_sees_a_part_of_a_batch(store: Store) {
    const BATCHES: u64 = 300;
    const KEYS: u64 = 100;
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for number in 0..BATCHES {
                let batch = (0..KEYS)
                    .fold(Batch::new(), |batch, key| batch.put(COINS, key.to_be_bytes(), number.to_be_bytes()));
                assert_eq!(store.commit(batch.append(PAYMENTS, b"", b"", None)).await.unwrap(), applied(&[number]));
            }
        }
    });
    let number = |value: Option<Vec<u8>>| value.map(|bytes| u64::from_be_bytes(bytes.try_into().unwrap()));
    while !writer.is_finished() {
        let first = number(store.get(COINS, &0u64.to_be_bytes()).await.unwrap());
        let last = number(store.get(COINS, &(KEYS - 1).to_be_bytes()).await.unwrap());
        assert!(first <= last, "{first:?} in the first key, then {last:?} in the last");
        assert!(last.map_or(0, |last| last + 1) <= store.log_size(PAYMENTS).await.unwrap());
        let pairs = store.scan(COINS, b"", READ_ITEMS_MAX).await.unwrap();
        assert!(pairs.is_empty() || pairs.len() as u64 == KEYS);
        assert!(pairs.windows(2).all(|pair| pair[0].1 == pair[1].1), "a scan saw two batches");
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
}

async fn a_closed_store_answers_closed(store: Store) {
    let other = store.clone();
    let _ = store.commit(insert(b"a", b"1")).await.unwrap();
    store.close().await;
    assert!(matches!(other.commit(insert(b"b", b"1")).await, Err(StoreError::Closed)));
    assert!(matches!(other.get(COINS, b"a").await, Err(StoreError::Closed)));
    assert!(matches!(other.log_size(PAYMENTS).await, Err(StoreError::Closed)));
    assert!(matches!(other.log_read_entries(PAYMENTS, 0, 1).await, Err(StoreError::Closed)));
    assert!(matches!(other.prune_proofs(PAYMENTS, 1).await, Err(StoreError::Closed)));
    other.close().await;
}
