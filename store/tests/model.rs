//! Any history of batches and restarts leaves the store as a few lines of plain code say.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use farthing_store::{Batch, IndexCheck, LogName, LogRecord, Options, Outcome, Space, Store, verify};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

const SPACES: [Space; 2] = [Space("a"), Space("ab")];
const LOGS: [LogName; 2] = [LogName("a"), LogName("b")];

#[derive(Clone, Debug)]
enum Step {
    Absent(usize, u8),
    Equals(usize, u8, u8),
    Put(usize, u8, u8),
    Delete(usize, u8),
    Append(usize, u8, Option<(usize, u8)>),
}

#[derive(Clone, Debug)]
enum Event {
    Commit(Vec<Step>),
    Reopen,
    LoseIndex,
    Prune(usize, u64),
}

fn step() -> impl Strategy<Value = Step> {
    // Few keys and values, so that expectations often hold and often do not.
    let (space, key, value) = (0..SPACES.len(), 0..5u8, 0..3u8);
    prop_oneof![
        2 => (space.clone(), key.clone()).prop_map(|(s, k)| Step::Absent(s, k)),
        1 => (space.clone(), key.clone(), value.clone()).prop_map(|(s, k, v)| Step::Equals(s, k, v)),
        4 => (space.clone(), key.clone(), value.clone()).prop_map(|(s, k, v)| Step::Put(s, k, v)),
        2 => (space.clone(), key.clone()).prop_map(|(s, k)| Step::Delete(s, k)),
        3 => (0..LOGS.len(), value, option::of((space, key))).prop_map(|(l, v, at)| Step::Append(l, v, at)),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        20 => vec(step(), 0..6).prop_map(Event::Commit),
        1 => Just(Event::Reopen),
        1 => Just(Event::LoseIndex),
        2 => (0..LOGS.len(), 0..30u64).prop_map(|(log, below)| Event::Prune(log, below)),
    ]
}

/// Bytes of very different lengths for each small number.
fn bytes(v: u8) -> Vec<u8> {
    vec![v; usize::from(v) * 700]
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    values: BTreeMap<(usize, u8), Vec<u8>>,
    logs: HashMap<usize, Vec<u8>>,
    pruned_below: [u64; LOGS.len()],
}

impl Model {
    fn commit(&mut self, steps: &[Step]) -> Outcome {
        for step in steps {
            let (space, key, expected) = match step {
                Step::Absent(space, key) => (*space, *key, None),
                Step::Equals(space, key, value) => (*space, *key, Some(bytes(*value))),
                _ => continue,
            };
            let existing = self.values.get(&(space, key)).cloned();
            if existing != expected {
                return Outcome::Conflict { space: SPACES[space], key: vec![key], existing };
            }
        }
        let mut positions = Vec::new();
        for step in steps {
            match step {
                Step::Absent(..) | Step::Equals(..) => {}
                Step::Put(space, key, value) => drop(self.values.insert((*space, *key), bytes(*value))),
                Step::Delete(space, key) => drop(self.values.remove(&(*space, *key))),
                Step::Append(log, value, at) => {
                    let log = self.logs.entry(*log).or_default();
                    let index = log.len() as u64;
                    log.push(*value);
                    positions.push(index);
                    if let Some(at) = at {
                        self.values.insert(*at, index.to_le_bytes().to_vec());
                    }
                }
            }
        }
        Outcome::Applied { positions }
    }
}

fn batch(steps: &[Step]) -> Batch {
    steps.iter().fold(Batch::new(), |batch, step| match step {
        Step::Absent(space, key) => batch.expect_absent(SPACES[*space], [*key]),
        Step::Equals(space, key, value) => batch.expect_equals(SPACES[*space], [*key], bytes(*value)),
        Step::Put(space, key, value) => batch.put(SPACES[*space], [*key], bytes(*value)),
        Step::Delete(space, key) => batch.delete(SPACES[*space], [*key]),
        Step::Append(log, value, at) => {
            batch.append(LOGS[*log], [*value], bytes(*value), at.map(|(space, key)| (SPACES[space], vec![key])))
        }
    })
}

fn open(dir: &Path) -> Store {
    // Small segments and little memory, so that the journal rolls and the index writes tables within a case.
    let options = Options { segment_bytes_max: 4096, index_memory_bytes: 8_000, ..Options::default() };
    Store::open_with(dir, options).unwrap().0
}

async fn assert_equal(store: &Store, model: &Model) {
    for (number, space) in SPACES.into_iter().enumerate() {
        let pairs: Vec<_> = model
            .values
            .iter()
            .filter(|((in_space, _), _)| *in_space == number)
            .map(|((_, key), value)| (vec![*key], value.clone()))
            .collect();
        assert_eq!(store.scan(space, b"", 100).await.unwrap(), pairs);
        for key in 0..5 {
            let value = store.get(space, &[key]).await.unwrap();
            assert_eq!(value.as_ref(), model.values.get(&(number, key)));
        }
    }
    for (number, log) in LOGS.into_iter().enumerate() {
        let entries = model.logs.get(&number).map_or(&[][..], Vec::as_slice);
        let expected: Vec<_> = (0u64..)
            .zip(entries)
            .map(|(index, value)| {
                let record = LogRecord::new(index, [*value], bytes(*value));
                if index < model.pruned_below[number] { record.without_proof() } else { record }
            })
            .collect();
        assert_eq!(store.log_read(log, 0, 1000).await.unwrap(), expected);
        assert_eq!(store.log_size(log).await.unwrap(), entries.len() as u64);
        assert_eq!(*store.log_watch(log).borrow(), entries.len() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/model.regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_store_is_the_model(events in vec(event(), 1..60)) {
        let home = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let mut model = Model::default();
            let mut store = open(home.path());
            for event in events {
                match event {
                    Event::Commit(steps) => {
                        assert_eq!(store.commit(batch(&steps)).await.unwrap(), model.commit(&steps));
                    }
                    Event::Reopen => {
                        store.close().await;
                        store = open(home.path());
                        assert_equal(&store, &model).await;
                    }
                    Event::Prune(log, below) => {
                        let report = store.prune_proofs(LOGS[log], below).await.unwrap();
                        assert!(report.pruned_below <= below);
                        model.pruned_below[log] = model.pruned_below[log].max(report.pruned_below);
                        assert_equal(&store, &model).await;
                    }
                    Event::LoseIndex => {
                        drop(store);
                        std::fs::remove_dir_all(home.path().join("index")).unwrap();
                        store = open(home.path());
                        assert_equal(&store, &model).await;
                    }
                }
            }
            assert_equal(&store, &model).await;
            store.close().await;
            let scrub = verify(home.path()).unwrap();
            assert!(matches!(scrub.index, IndexCheck::Agrees { behind: 0, .. }), "{scrub:?}");
        });
    }

    /// Batches that wait together are decided one after the other, in the order in which they came.
    #[test]
    fn a_group_is_a_sequence(batches in vec(vec(step(), 0..6), 1..80)) {
        let home = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let mut model = Model::default();
            let store = open(home.path());
            let mut commits = Vec::new();
            for steps in &batches {
                let (store, batch) = (store.clone(), batch(steps));
                commits.push(tokio::spawn(async move { store.commit(batch).await.unwrap() }));
            }
            for (steps, commit) in batches.iter().zip(commits) {
                assert_eq!(commit.await.unwrap(), model.commit(steps));
            }
            assert_equal(&store, &model).await;
            store.close().await;
        });
    }
}
