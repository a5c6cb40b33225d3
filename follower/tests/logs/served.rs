//! Logs as servers show them, and a follower of both.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

use farthing_follower::{
    copy::Copy,
    finding::Finding,
    follower::{FollowError, Follower, Setting, Upstream},
    log::Log,
    source::{Fetched, Source, SourceError},
};
use farthing_ledger::{
    checkpoint::SignedCheckpoint,
    hash::Hash,
    key::{CosignerKey, VerifierKey},
    note::SignedNote,
    proof::{ConsistencyProof, consistency_nodes},
    tree::Frontier,
};
use farthing_service::clock::ManualClock;
use tempfile::TempDir;

use crate::{
    plan::{Signed, place, signer},
    town::{Sequence, TODAY},
};

/// What a server shows.
#[derive(Default)]
pub(crate) struct Shown {
    pub(crate) entries: Vec<Fetched>,
    pub(crate) leaves: Vec<Hash>,
    pub(crate) notes: Vec<String>,
    /// What witnesses have handed back.
    pub(crate) cosigned: Vec<String>,
    /// Whether nobody answers.
    pub(crate) is_silent: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Served(Arc<Mutex<Shown>>);

impl Served {
    pub(crate) fn shown(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap()
    }
}

fn part<T: Clone>(all: &[T], from: u64, to: u64) -> Vec<T> {
    all.iter().skip(from as usize).take(to.saturating_sub(from) as usize).cloned().collect()
}

#[tonic::async_trait]
impl Source for Served {
    fn name(&self) -> String {
        "https://log.example".to_owned()
    }

    async fn cosigned(&self, witnesses: usize) -> Result<Option<String>, SourceError> {
        let shown = self.shown();
        if shown.is_silent {
            return Err(SourceError::Unreachable("nobody answers".to_owned()));
        }
        let signatures = |note: &&String| note.lines().filter(|line| line.starts_with("— ")).count() > witnesses;
        Ok(if witnesses == 0 { shown.notes.last() } else { shown.cosigned.iter().rev().find(signatures) }.cloned())
    }

    async fn checkpoints(&self, above: u64) -> Result<Vec<String>, SourceError> {
        let size = |note: &&String| note.lines().nth(1).unwrap().parse::<u64>().unwrap() > above;
        Ok(self.shown().notes.iter().filter(size).cloned().collect())
    }

    async fn entries(&self, from: u64, count: usize) -> Result<Vec<Fetched>, SourceError> {
        Ok(part(&self.shown().entries, from, from + count as u64))
    }

    async fn leaves(&self, from: u64, to: u64) -> Result<Vec<Hash>, SourceError> {
        Ok(part(&self.shown().leaves, from, to))
    }

    async fn consistency(&self, from: u64, to: u64) -> Result<ConsistencyProof, SourceError> {
        let leaves = self.shown().leaves.clone();
        let hash = |node: farthing_ledger::tree::Node| {
            let end = (node.start() + (1 << node.level)).min(to);
            part(&leaves, node.start(), end).into_iter().collect::<Frontier>().root()
        };
        Ok(ConsistencyProof(consistency_nodes(from, to).unwrap().into_iter().map(hash).collect()))
    }

    async fn hand_back(&self, note: &SignedNote) -> Result<(), SourceError> {
        self.shown().cosigned.push(note.to_string());
        Ok(())
    }
}

/// Both logs, and a folder for what follows them.
pub(crate) struct World {
    pub(crate) home: TempDir,
    pub(crate) servers: [Served; 2],
    pub(crate) is_mirror: bool,
    /// Other witnesses whose cosignatures the follower gives out.
    pub(crate) others: Vec<VerifierKey>,
    pub(crate) clock: Arc<ManualClock>,
}

impl World {
    pub(crate) fn new(signed: &Signed) -> Self {
        let world = Self {
            home: tempfile::tempdir().unwrap(),
            servers: [Served::default(), Served::default()],
            is_mirror: false,
            others: Vec::new(),
            // The stories are of days before.
            clock: Arc::new(ManualClock::new(86_400 * i64::from(TODAY.get() + 10))),
        };
        for log in Log::ALL {
            let rounds = signed.notes[place(log)].len();
            world.show(log, signed, rounds);
        }
        world
    }

    pub(crate) fn server(&self, log: Log) -> &Served {
        &self.servers[place(log)]
    }

    /// Shows a log as it was after so many checkpoints.
    pub(crate) fn show(&self, log: Log, signed: &Signed, rounds: usize) {
        let notes = &signed.notes[place(log)][..rounds];
        let size = notes.last().map_or(0, |note| note.head().size as usize);
        let entries = signed.logs[place(log)][..size].to_vec();
        let leaves = entries.iter().map(Fetched::leaf).collect();
        let notes = notes.iter().map(|note| note.note().to_string()).collect();
        *self.server(log).shown() = Shown { entries, leaves, notes, ..Shown::default() };
    }

    pub(crate) fn witness() -> CosignerKey {
        CosignerKey::generate("follower.example/w1", &mut Sequence::new("witness")).unwrap()
    }

    pub(crate) async fn follower(&self) -> Follower {
        let copy = Copy::open(&self.home.path().join("store")).unwrap();
        let upstream = |log: Log| Upstream {
            source: Arc::new(self.server(log).clone()),
            key: signer(log).verifier().clone(),
            is_mirror: self.is_mirror,
            hand_back: (!self.is_mirror).then(|| Arc::new(self.server(log).clone()) as Arc<dyn Source>),
        };
        let setting = Setting {
            witness: Self::witness(),
            others: self.others.clone(),
            evidence: self.evidence(),
            clock: self.clock.clone(),
        };
        Follower::open(copy, upstream(Log::Issuance), upstream(Log::Payments), setting).await.unwrap()
    }

    pub(crate) fn evidence(&self) -> std::path::PathBuf {
        self.home.path().join("evidence")
    }

    /// The names of the files with evidence.
    pub(crate) fn kept(&self) -> Vec<String> {
        names(&self.evidence())
    }

    /// The checkpoints of a log that were cosigned, by size, with the log's and the witness's signature.
    pub(crate) fn cosigned(&self, log: Log) -> Vec<u64> {
        let notes = self.server(log).shown().cosigned.clone();
        let size = |note: &String| {
            let note = SignedCheckpoint::open(note, signer(log).verifier()).unwrap();
            assert!(note.note().verify(Self::witness().verifier()).unwrap().is_some());
            note.head().size
        };
        notes.iter().map(size).collect()
    }

    /// Follows and expects that something is found: then evidence is kept, nothing is cosigned, and nothing goes on.
    pub(crate) async fn finding(&self) -> Finding {
        let mut follower = self.follower().await;
        let before = Log::ALL.map(|log| self.cosigned(log));
        let finding = match follower.follow().await {
            Err(FollowError::Finding(finding)) => finding,
            other => panic!("nothing was found: {other:?}"),
        };
        let kept = self.kept();
        assert!(kept.iter().any(|name| name.ends_with("finding")), "{kept:?}");
        assert!(kept.len() > 1, "{finding}: {kept:?}");
        assert!(matches!(follower.follow().await, Err(FollowError::Stopped(text)) if text == finding.to_string()));
        assert_eq!(Log::ALL.map(|log| self.cosigned(log)), before);
        close(follower).await;
        finding
    }
}

pub(crate) fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Ends a follower, so that another can open its folder.
pub(crate) async fn close(follower: Follower) {
    let store = follower.copy().store().clone();
    drop(follower);
    store.close().await;
}
