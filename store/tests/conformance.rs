//! The embedded engine passes the suite, and what the suite cannot know about it.
#![allow(clippy::unwrap_used)]

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};

use farthing_store::failpoints::{FailAction, FailPoint, Hold};
use farthing_store::{Batch, Options, Outcome, Space, Store, StoreError};
use tokio::task::JoinHandle;

const COINS: Space = Space("coins");

fn insert(key: u32, value: u8) -> Batch {
    Batch::new().expect_absent(COINS, key.to_be_bytes()).put(COINS, key.to_be_bytes(), [value])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_engine_conforms() {
    let home = tempfile::tempdir().unwrap();
    let count = AtomicU32::new(0);
    farthing_store::conformance::check(async || {
        let dir = home.path().join(count.fetch_add(1, Ordering::Relaxed).to_string());
        Store::open(&dir).unwrap().0
    })
    .await;
}

/// With segments of a few records, so that most of a log is sealed and can be pruned.
#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_engine_conforms_in_small_segments() {
    let home = tempfile::tempdir().unwrap();
    let count = AtomicU32::new(0);
    farthing_store::conformance::check(async || {
        let dir = home.path().join(count.fetch_add(1, Ordering::Relaxed).to_string());
        Store::open_with(&dir, Options { segment_bytes_max: 2000, ..Options::default() }).unwrap().0
    })
    .await;
}

/// Two threads, each with a runtime of its own, insert the same 10,000 keys: each key has exactly one winner.
#[test]
fn two_spends_race_10k() {
    const KEYS: u32 = 10_000;
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap().0;
    let start = Arc::new(Barrier::new(2));
    let racers: Vec<_> = [1u8, 2]
        .into_iter()
        .map(|name| {
            let (store, start) = (store.clone(), Arc::clone(&start));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                start.wait();
                runtime.block_on(async {
                    let mut won = Vec::new();
                    // 250 at a time: each racer's order is its own, and both fill the same groups.
                    for block in 0..KEYS / 250 {
                        let mut tasks = tokio::task::JoinSet::new();
                        for key in block * 250..(block + 1) * 250 {
                            let store = store.clone();
                            tasks.spawn(async move { (key, store.commit(insert(key, name)).await.unwrap()) });
                        }
                        while let Some(done) = tasks.join_next().await {
                            match done.unwrap() {
                                (key, Outcome::Applied { .. }) => won.push(key),
                                (_, Outcome::Conflict { existing, .. }) => assert_eq!(existing, Some(vec![3 - name])),
                                (_, Outcome::Unknown) => panic!("a healthy store does not answer Unknown"),
                            }
                        }
                    }
                    won
                })
            })
        })
        .collect();
    let won: Vec<Vec<u32>> = racers.into_iter().map(|racer| racer.join().unwrap()).collect();
    let mut all = won.concat();
    all.sort_unstable();
    assert_eq!(all, (0..KEYS).collect::<Vec<_>>(), "each key has exactly one winner");
    println!("won: {} and {}", won[0].len(), won[1].len());
}

/// A store whose writer will stand still at `point`.
fn held_store(dir: &Path, point: FailPoint, options: Options) -> (Store, Hold) {
    let hold = options.failpoints.hold(point, 1);
    (Store::open_with(dir, options).unwrap().0, hold)
}

/// Begins a commit and lets it run until it is queued.
async fn begin(store: &Store, batch: Batch) -> JoinHandle<Result<Outcome, StoreError>> {
    let store = store.clone();
    let commit = tokio::spawn(async move { store.commit(batch).await });
    tokio::task::yield_now().await;
    commit
}

/// Batches that wait while the disk is busy share one synchronisation; one that waits alone has its own.
#[tokio::test]
async fn a_group_shares_one_synchronisation() {
    let home = tempfile::tempdir().unwrap();
    let (store, hold) = held_store(home.path(), FailPoint::AfterAppendBeforeSync, Options::default());
    let mut commits = vec![begin(&store, insert(0, 0)).await];
    hold.wait();
    for key in 1..=1000 {
        commits.push(begin(&store, insert(key, 0)).await);
    }
    assert_eq!(store.statistics().syncs, 0);
    assert_eq!(store.get(COINS, &0u32.to_be_bytes()).await.unwrap(), None, "not shown before it is durable");
    drop(hold);
    for commit in commits {
        assert_eq!(commit.await.unwrap().unwrap(), Outcome::Applied { positions: vec![] });
    }
    assert_eq!((store.statistics().applied, store.statistics().syncs), (1001, 2));

    // Alone: one each. Conflicts write nothing, so they synchronise nothing.
    let _ = store.commit(insert(2000, 0)).await.unwrap();
    let _ = store.commit(insert(2001, 0)).await.unwrap();
    assert!(matches!(store.commit(insert(5, 1)).await.unwrap(), Outcome::Conflict { .. }));
    assert_eq!((store.statistics().conflicts, store.statistics().syncs), (1, 4));
}

/// A conflict with a batch of the same group shows that batch's value, so it is not answered before the group is durable.
#[tokio::test]
async fn a_conflict_inside_a_group_waits_for_the_group() {
    let home = tempfile::tempdir().unwrap();
    let (store, hold) = held_store(home.path(), FailPoint::BeforeAppend, Options::default());
    let first = begin(&store, insert(0, 0)).await;
    hold.wait();
    let options = Options::default();
    let winner = begin(&store, insert(1, 1)).await;
    let loser = begin(&store, insert(1, 2)).await;
    drop(hold);
    let _ = first.await.unwrap().unwrap();
    assert_eq!(winner.await.unwrap().unwrap(), Outcome::Applied { positions: vec![] });
    let Outcome::Conflict { existing, .. } = loser.await.unwrap().unwrap() else { panic!("both won") };
    assert_eq!(existing, Some(vec![1]));
    assert_eq!(store.statistics().syncs, 2, "the two shared a group");
    store.close().await;

    // The same again, with a disk that fails between the decision and the answer: nobody is told anything.
    let hold = options.failpoints.hold(FailPoint::BeforeAppend, 1);
    options.failpoints.arm(FailPoint::AfterAppendBeforeSync, 2, FailAction::Error(ErrorKind::Other));
    let store = Store::open_with(home.path(), options).unwrap().0;
    let first = begin(&store, insert(10, 0)).await;
    hold.wait();
    let winner = begin(&store, insert(11, 1)).await;
    let loser = begin(&store, insert(11, 2)).await;
    drop(hold);
    assert!(matches!(first.await.unwrap(), Ok(Outcome::Applied { .. })));
    assert_eq!(winner.await.unwrap().unwrap(), Outcome::Unknown);
    assert_eq!(loser.await.unwrap().unwrap(), Outcome::Unknown);
}

#[tokio::test]
async fn a_full_queue_refuses_and_applies_nothing() {
    let home = tempfile::tempdir().unwrap();
    let options = Options { queue_length_max: 4, ..Options::default() };
    let (store, hold) = held_store(home.path(), FailPoint::BeforeAppend, options);
    let first = begin(&store, insert(100, 0)).await;
    hold.wait();
    let mut commits = Vec::new();
    for key in 0..6 {
        commits.push(begin(&store, insert(key, 0)).await);
    }
    drop(hold);
    assert!(matches!(first.await.unwrap(), Ok(Outcome::Applied { .. })));
    for (key, commit) in (0u32..6).zip(commits) {
        let answer = commit.await.unwrap();
        let found = store.get(COINS, &key.to_be_bytes()).await.unwrap();
        if key < 4 {
            assert!(matches!(answer, Ok(Outcome::Applied { .. })), "{answer:?}");
            assert_eq!(found, Some(vec![0]));
        } else {
            assert!(matches!(answer, Err(StoreError::Overloaded)), "{answer:?}");
            assert_eq!(found, None);
        }
    }
}

#[test]
fn the_store_is_private_and_creates_its_parents() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("a/b/store");
    drop(Store::open(&dir).unwrap());
    for dir in [dir.clone(), dir.join("journal"), dir.join("index")] {
        assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700, "{}", dir.display());
    }
}

/// What a log line shows of a batch, an outcome or an entry must not be its serials.
#[tokio::test]
async fn debug_output_shows_no_bytes() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path()).unwrap().0;
    let batch = || {
        Batch::new().expect_absent(COINS, "canary").put(COINS, "canary", "canary").append(
            farthing_store::LogName("log"),
            "canary",
            "canary",
            None,
        )
    };
    let mut shown = format!("{store:?} {:?}", batch());
    for _ in 0..2 {
        shown += &format!("{:?}", store.commit(batch()).await.unwrap());
    }
    shown += &format!("{:?}", store.log_read(farthing_store::LogName("log"), 0, 1).await.unwrap());
    assert!(shown.contains("Conflict") && shown.contains("LogRecord"), "{shown}");
    let bytes = format!("{:?}", b"canary".to_vec());
    assert!(!shown.contains("canary") && !shown.contains(&bytes), "{shown}");
}
