//! Another process that commits and says what was acknowledged, and the check of what it left behind.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use farthing_store::{Batch, LogName, LogRecord, Options, Outcome, Space, Store};

const COINS: Space = Space("coins");
const COPIES: Space = Space("copies");
const PLACES: Space = Space("places");
pub(crate) const PAYMENTS: LogName = LogName("payments");
/// Where to park, see `FailPoints::from_env`.
pub(crate) const PARK: &str = "FARTHING_STORE_PARK";
/// Size of a journal segment in bytes, if not 64 KiB.
pub(crate) const SEGMENT_BYTES: &str = "FARTHING_STORE_TEST_SEGMENT_BYTES";
const DIR: &str = "FARTHING_STORE_TEST_DIR";
/// If set, the other process prunes all it can after its rounds.
pub(crate) const PRUNE: &str = "FARTHING_STORE_TEST_PRUNE";
const ROUNDS: &str = "FARTHING_STORE_TEST_ROUNDS";
/// Commits that wait together, so that a group holds several batches.
const ROUND: u32 = 8;

/// One commit: four changes that must be there together or not at all.
pub(crate) fn batch(i: u32) -> Batch {
    let key = i.to_be_bytes();
    Batch::new().expect_absent(COINS, key).put(COINS, key, key.repeat(8)).put(COPIES, key, key.repeat(100)).append(
        PAYMENTS,
        key,
        key.repeat(20),
        Some((PLACES, key.to_vec())),
    )
}

/// Not a test: the other process runs this binary with this name.
#[test]
fn the_other_process() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let rounds: u32 = std::env::var(ROUNDS).unwrap().parse().unwrap();
    let say = |line: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{line}").unwrap();
        out.flush().unwrap();
    };
    // Small segments, so that the journal rolls while the test looks on.
    let segment_bytes_max = std::env::var(SEGMENT_BYTES).map_or(64 * 1024, |bytes| bytes.parse().unwrap());
    // Little memory, so that the index writes and merges tables meanwhile.
    let options = Options { segment_bytes_max, index_memory_bytes: 100_000, ..Options::default() };
    let store = Store::open_with(Path::new(&dir), options).unwrap().0;
    say("open".to_owned());
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let first = u32::try_from(store.log_size(PAYMENTS).await.unwrap()).unwrap();
        for round in 0..rounds {
            let mut commits = tokio::task::JoinSet::new();
            for i in 0..ROUND {
                let (store, i) = (store.clone(), first + round * ROUND + i);
                commits.spawn(async move { (i, store.commit(batch(i)).await.unwrap()) });
            }
            while let Some(commit) = commits.join_next().await {
                let (i, outcome) = commit.unwrap();
                assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
                say(format!("acked {i}"));
            }
        }
        if std::env::var(PRUNE).is_ok() {
            let report = store.prune_proofs(PAYMENTS, u64::MAX).await.unwrap();
            say(format!("pruned {}", report.pruned_below));
        }
        say("done".to_owned());
        if std::io::stdin().read_line(&mut String::new()).unwrap() > 0 {
            store.close().await;
            say("closed".to_owned());
        }
        std::future::pending::<()>().await;
    });
}

/// The other process. It is killed when this is dropped.
pub(crate) struct OtherProcess {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// What it has said was acknowledged.
    pub(crate) acked: BTreeSet<u32>,
}

impl OtherProcess {
    /// Starts it on the store in `dir` with these settings.
    pub(crate) fn start(dir: &Path, rounds: u32, settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child::the_other_process", "--nocapture", "--test-threads=1"]);
        command.env(DIR, dir).env(ROUNDS, rounds.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.envs(settings.iter().copied());
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines, acked: BTreeSet::new() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Reads what it says until it says something that begins with `line`.
    pub(crate) fn wait_for(&mut self, line: &str) {
        for said in self.lines.by_ref() {
            let said = said.unwrap();
            if let Some(i) = said.strip_prefix("acked ") {
                self.acked.insert(i.parse().unwrap());
            }
            if said.starts_with(line) {
                return;
            }
        }
        panic!("the other process ended without saying {line:?}");
    }

    /// Lets it close its store, when it is done.
    pub(crate) fn close(&mut self) {
        self.process.stdin.as_mut().unwrap().write_all(b"close\n").unwrap();
        self.wait_for("closed");
    }

    /// Kills it with SIGKILL and takes what it had said before it died.
    pub(crate) fn kill(mut self) -> BTreeSet<u32> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        for said in self.lines.by_ref() {
            if let Some(i) = said.unwrap().strip_prefix("acked ") {
                self.acked.insert(i.parse().unwrap());
            }
        }
        std::mem::take(&mut self.acked)
    }
}

impl Drop for OtherProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Like [`assert_whole_but_for_proofs`], where nothing was ever pruned.
pub(crate) async fn assert_whole(store: &Store, acked: &BTreeSet<u32>) -> u32 {
    assert_whole_but_for_proofs(store, acked, 0, 0).await
}

/// Checks a store after a crash: every acknowledged commit is there, each commit is there whole or not at all, and the
/// log has no gap. Proof parts are gone below `pruned_below`, and may be gone below `maybe_below`. Returns how many commits
/// there are.
pub(crate) async fn assert_whole_but_for_proofs(
    store: &Store,
    acked: &BTreeSet<u32>,
    pruned_below: u64,
    maybe_below: u64,
) -> u32 {
    let size = store.log_size(PAYMENTS).await.unwrap();
    let count = u32::try_from(size).unwrap();
    let log = store.log_read(PAYMENTS, 0, 10_000).await.unwrap();
    let mut present = BTreeSet::new();
    for (index, record) in (0..size).zip(&log) {
        let key: [u8; 4] = record.entry.as_slice().try_into().unwrap();
        let whole = LogRecord::new(index, key, key.repeat(20));
        let is_pruned = index < pruned_below || (index < maybe_below && record.proof.is_empty());
        assert_eq!(*record, if is_pruned { whole.without_proof() } else { whole });
        assert_eq!(store.get(COINS, &key).await.unwrap(), Some(key.repeat(8)));
        assert_eq!(store.get(COPIES, &key).await.unwrap(), Some(key.repeat(100)));
        assert_eq!(store.get(PLACES, &key).await.unwrap(), Some(index.to_le_bytes().to_vec()));
        assert!(present.insert(u32::from_be_bytes(key)));
    }
    assert_eq!(log.len() as u64, size);
    for space in [COINS, COPIES, PLACES] {
        assert_eq!(store.scan(space, b"", 10_000).await.unwrap().len(), log.len(), "{space:?}");
    }
    let lost: Vec<_> = acked.difference(&present).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged commits are lost: {lost:?}", lost.len(), acked.len());
    count
}

/// A commit that was there must stay, and new ones must work.
pub(crate) async fn assert_goes_on(store: &Store, count: u32) {
    if count > 0 {
        let again = store.commit(batch(count - 1)).await.unwrap();
        assert!(matches!(again, Outcome::Conflict { existing: Some(_), .. }), "{again:?}");
    }
    let positions = vec![u64::from(count)];
    assert_eq!(store.commit(batch(count)).await.unwrap(), Outcome::Applied { positions });
}
