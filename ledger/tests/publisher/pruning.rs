//! Proof parts: when they may go, and what is left of them.

use farthing_ecash::calendar::Day;
use farthing_ledger::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    edge::Edge,
    hash::Hash,
    key::CosignerKey,
    note::{SignedNote, Timestamp},
    pruning::{PruneRule, Pruner},
    published::Published,
    publisher::{LogParts, Plain, Publisher},
    view::leaf_hash,
};
use farthing_store::{Batch, LogRecord, Options, Outcome, Space, Store};
use getrandom::{SysRng, rand_core::UnwrapErr};
use sha2::{Digest as _, Sha256};

use crate::{LOG, ORIGIN, World, append, entry, sign};

const ENTRIES: u64 = 60;

/// Ten entries a day from the hundredth day on, of a kind with a proof part.
fn paid(number: u64) -> Vec<u8> {
    let day = u32::try_from(100 + number / 10).unwrap();
    [&[3][..], &day.to_le_bytes(), &number.to_le_bytes()].concat()
}

fn proof(number: u64) -> Vec<u8> {
    number.to_le_bytes().repeat(30)
}

async fn pay(store: &Store, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let batch = Batch::new().append(LOG, paid(number), proof(number), None);
        assert!(matches!(store.commit(batch).await.unwrap(), Outcome::Applied { .. }));
    }
}

fn cosigned(checkpoint: &SignedCheckpoint, witness: &CosignerKey) -> SignedNote {
    let mut note = checkpoint.note().clone();
    note.add(witness.cosign(note.text(), Timestamp::from_unix_seconds(1_700_000_000).unwrap()));
    note
}

async fn records(store: &Store) -> Vec<LogRecord> {
    store.log_read(LOG, 0, 100).await.unwrap()
}

/// How many entries have lost their proof part. They are the first ones, and nothing else is lost.
async fn pruned(store: &Store) -> u64 {
    let records = records(store).await;
    let pruned = records.iter().take_while(|record| record.proof.is_empty()).count() as u64;
    for (number, record) in (0..).zip(&records) {
        let kept = if number < pruned { Vec::new() } else { proof(number) };
        assert_eq!((record.entry.clone(), record.proof.clone()), (paid(number), kept), "{number}");
        assert_eq!(record.proof_hash, <[u8; 32]>::from(Sha256::digest(proof(number))), "{number}");
    }
    pruned
}

#[tokio::test(flavor = "multi_thread")]
async fn proof_parts_go_when_they_are_old_and_enough_witnesses_have_checked_them() {
    let world = World::new();
    // Segments of a few records: only what is sealed can be pruned.
    let options = || Options { segment_bytes_max: 2_000, ..Options::default() };
    let store = Store::open_with(&world.dir(), options()).unwrap().0;
    let other = CosignerKey::generate("other.example", &mut UnwrapErr(SysRng)).unwrap();
    let witnesses = vec![world.witness.verifier().clone(), other.verifier().clone()];
    let parts = LogParts { witnesses: witnesses.clone(), ..world.parts(&store) };
    let publisher = Publisher::open(parts, Plain).await.unwrap();
    let published = publisher.published().clone();
    let pruner = Pruner::new(store.clone(), LOG, published.clone(), PruneRule { days: 2, witnesses: 2 });
    let today = Day::new(105);

    pay(&store, 0..20).await;
    let early = sign(&publisher).await;
    pay(&store, 20..ENTRIES).await;
    let late = sign(&publisher).await;
    let before = records(&store).await;

    // Nobody has checked anything; one of two is not enough, and twice the same is one.
    assert_eq!(pruner.prune(today).await.unwrap(), None);
    for note in [cosigned(&late, &world.witness), cosigned(&late, &world.witness), cosigned(&early, &other)] {
        published.add_cosignatures(note).await.unwrap();
        assert_eq!(pruner.prune(today).await.unwrap(), None);
    }
    assert_eq!(pruned(&store).await, 0);

    // Both have checked the first twenty, of days that are over for long.
    published.add_cosignatures(cosigned(&early, &world.witness)).await.unwrap();
    let report = pruner.prune(today).await.unwrap().unwrap();
    let gone = pruned(&store).await;
    assert!(gone > 0 && gone <= 20 && report.pruned_below == gone, "{gone} {report:?}");

    // Both have checked all. The hundred-third day is not over for two whole days yet.
    published.add_cosignatures(cosigned(&late, &other)).await.unwrap();
    assert!(pruner.prune(today).await.unwrap().unwrap().pruned_below > gone);
    let gone = pruned(&store).await;
    assert!(gone > 20 && gone <= 30, "{gone}");

    // A copy that was kept can be checked: it fits the hash, and the hash is in the leaf, which is in the tree.
    let view = published.view();
    let record = records(&store).await.swap_remove(7);
    assert_eq!(record.proof, []);
    assert_eq!(<[u8; 32]>::from(Sha256::digest(&before[7].proof)), record.proof_hash);
    let proof = view.inclusion_proof(7, ENTRIES).await.unwrap();
    assert_eq!(proof.verify(leaf_hash(&record).unwrap(), 7, &late.head()), Ok(()));
    assert_eq!(leaf_hash(&before[7]), leaf_hash(&record));
    view.tile("tile/entries/000.p/60".parse().unwrap()).await.unwrap();
    drop((publisher, pruner, published, view));
    store.close().await;

    // The log goes on.
    let store = Store::open_with(&world.dir(), options()).unwrap().0;
    let parts = LogParts { witnesses, ..world.parts(&store) };
    let publisher = Publisher::open(parts, Plain).await.unwrap();
    pay(&store, ENTRIES..ENTRIES + 1).await;
    assert_eq!(sign(&publisher).await.head().size, ENTRIES + 1);
}

/// A witness cannot fill the store: of cosigned checkpoints the newest are kept.
#[tokio::test(flavor = "multi_thread")]
async fn old_cosigned_checkpoints_are_forgotten() {
    const KEPT: usize = 256;
    let home = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let store = Store::open(&home.path().join("store")).unwrap().0;
    let world = World::new();
    append(&store, 0..258).await;
    let (signer, mut edge) = (world.signer(), Edge::default());
    let mut checkpoints = Vec::new();
    for number in 0..258 {
        edge.push(Hash::leaf(&entry(number)), &mut Vec::new());
        let (origin, size, root) = (ORIGIN.to_owned(), edge.size(), edge.root());
        checkpoints.push(Checkpoint { origin, size, root, issuance: None, spent: Vec::new() }.sign(&signer).unwrap());
    }
    // It puts the full tile into the store.
    let publisher = Publisher::open(world.parts(&store), Plain).await.unwrap();
    let last = sign(&publisher).await;
    assert_eq!(&last, &checkpoints[257]);
    let witnesses = vec![world.witness.verifier().clone()];
    let published = Published::open(store.clone(), LOG, signer.verifier().clone(), witnesses).await.unwrap();
    published.publish(last, edge.into());
    let stored = async || store.scan(Space("cosigned"), &[], 1_000).await.unwrap().len();
    for checkpoint in &checkpoints {
        published.add_cosignatures(cosigned(checkpoint, &world.witness)).await.unwrap();
    }
    assert_eq!(stored().await, KEPT);
    // An old one is not taken up again, and one that is kept displaces no other when it is handed back.
    for checkpoint in [&checkpoints[0], &checkpoints[100]] {
        published.add_cosignatures(cosigned(checkpoint, &world.witness)).await.unwrap();
        assert_eq!(stored().await, KEPT);
    }
}
