//! Trees, tiles, checkpoints and cosignatures against vectors of a program that shares no code with this one
//! (`tests/oracle/oracle.py`; `just oracle` makes them anew, and checks a whole log the other way round).
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, sync::Arc};

use farthing_ecash::{keys::KeyId, spent::SpentProof};
use farthing_ledger::{
    checkpoint::{Checkpoint, SignedCheckpoint, Spent},
    edge::Edge,
    hash::Hash,
    key::{CosignerKey, LogSigner},
    note::{SignedNote, Timestamp},
    proof::{ConsistencyProof, InclusionProof},
    quorum::TrustPolicy,
    tile::TilePath,
    tree::{Frontier, TreeHead},
    view::{TreeView, put_tiles},
};
use farthing_store::{Batch, LogName, Outcome, Store};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

const LOG: LogName = LogName("payments");

#[derive(Deserialize)]
struct Vectors {
    roots: BTreeMap<u64, String>,
    inclusion: Vec<Inclusion>,
    consistency: Vec<Consistency>,
    tiles: BTreeMap<u64, Tiles>,
    log: Key,
    witness: Key,
}

#[derive(Deserialize)]
struct Inclusion {
    index: u64,
    size: u64,
    hashes: Vec<String>,
}

#[derive(Deserialize)]
struct Consistency {
    from: u64,
    to: u64,
    hashes: Vec<String>,
}

#[derive(Deserialize)]
struct Tiles {
    count: usize,
    sha256: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Key {
    secret: String,
    vkey: String,
    note: String,
    time: Option<u64>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("oracle/vectors.json")).unwrap()
}

/// A directory entry of day 0 with eight bytes of body.
fn leaf(number: u64) -> Vec<u8> {
    [&[32][..], &[0; 4], &number.to_le_bytes()].concat()
}

fn hash(text: impl AsRef<str>) -> Hash {
    Hash::from_base64(text.as_ref()).unwrap()
}

fn head(vectors: &Vectors, size: u64) -> TreeHead {
    let root = vectors.roots.get(&size).map(hash);
    let counted = || (0..size).map(|number| Hash::leaf(&leaf(number))).collect::<Frontier>().root();
    TreeHead { size, root: root.unwrap_or_else(counted) }
}

/// A log of so many entries in a store.
async fn log(size: u64) -> (TempDir, TreeView) {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(&home.path().join("store")).unwrap().0;
    let (mut edge, mut full) = (Edge::default(), Vec::new());
    for first in (0..size).step_by(1_000) {
        let numbers = first..size.min(first + 1_000);
        numbers.clone().for_each(|number| edge.push(Hash::leaf(&leaf(number)), &mut full));
        let batch = numbers.fold(Batch::new(), |batch, number| batch.append(LOG, leaf(number), [], None));
        assert!(matches!(store.commit(batch).await.unwrap(), Outcome::Applied { .. }));
    }
    for full in full.chunks(100) {
        assert!(matches!(store.commit(put_tiles(Batch::new(), LOG, full)).await.unwrap(), Outcome::Applied { .. }));
    }
    (home, TreeView::new(store, LOG, Arc::new(edge)))
}

#[tokio::test]
async fn roots_and_proofs_are_those_of_the_oracle() {
    let vectors = vectors();
    let largest = *vectors.roots.last_key_value().unwrap().0;
    let (_home, view) = log(largest).await;
    for (size, root) in &vectors.roots {
        assert_eq!(view.root_at(*size).await.unwrap(), hash(root), "{size}");
        let counted = (0..*size).map(|number| Hash::leaf(&leaf(number))).collect::<Frontier>();
        assert_eq!(counted.root(), hash(root), "{size}");
    }
    for Inclusion { index, size, hashes } in &vectors.inclusion {
        let proof = InclusionProof(hashes.iter().map(hash).collect());
        assert_eq!(view.inclusion_proof(*index, *size).await.unwrap(), proof, "{index} {size}");
        assert_eq!(proof.verify(Hash::leaf(&leaf(*index)), *index, &head(&vectors, *size)), Ok(()), "{index} {size}");
    }
    for Consistency { from, to, hashes } in &vectors.consistency {
        let proof = ConsistencyProof(hashes.iter().map(hash).collect());
        assert_eq!(view.consistency_proof(*from, *to).await.unwrap(), proof, "{from} {to}");
        assert_eq!(proof.verify(&head(&vectors, *from), &head(&vectors, *to)), Ok(()), "{from} {to}");
    }
}

#[tokio::test]
async fn tiles_are_those_of_the_oracle() {
    for (size, Tiles { count, sha256 }) in vectors().tiles {
        let (_home, view) = log(size).await;
        assert_eq!(TilePath::all(size).count(), count);
        for (path, wanted) in sha256 {
            let found = view.tile(path.parse().unwrap()).await.unwrap();
            let found: String = Sha256::digest(found).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, wanted, "{path} of {size}");
            assert!(TilePath::all(size).any(|known| known.to_string() == path), "{path} of {size}");
        }
    }
}

#[test]
fn checkpoints_and_cosignatures_are_those_of_the_oracle() {
    let vectors = vectors();
    let log = LogSigner::from_secret_text(&vectors.log.secret).unwrap();
    let witness = CosignerKey::from_secret_text(&vectors.witness.secret).unwrap();
    assert_eq!(log.verifier().to_string(), vectors.log.vkey);
    assert_eq!(witness.verifier().to_string(), vectors.witness.vkey);

    // The same text, and so the same signature: Ed25519 draws nothing.
    let read = SignedCheckpoint::open(&vectors.log.note, log.verifier()).unwrap();
    let issuance = Hash::from_slice(&Sha256::digest(b"issuance")).unwrap();
    let spent = Spent { key: KeyId::new([3; 32]), inputs: 12, proof: SpentProof::from_bytes(&[1; 64]).unwrap() };
    let wanted = Checkpoint {
        origin: log.verifier().name().to_owned(),
        size: 600,
        root: head(&vectors, 600).root,
        issuance: Some(TreeHead { size: 77, root: issuance }),
        spent: vec![spent],
    };
    assert_eq!(read.checkpoint(), &wanted);
    assert_eq!(wanted.sign(&log).unwrap().note().to_string(), vectors.log.note);

    let time = Timestamp::from_unix_seconds(vectors.witness.time.unwrap()).unwrap();
    let policy = TrustPolicy::with_witnesses([log.verifier().clone()], [witness.verifier().clone()], 1).unwrap();
    let cosigned: SignedNote = vectors.witness.note.parse().unwrap();
    let trusted = policy.check(log.verifier().name(), cosigned.clone()).unwrap();
    assert_eq!(trusted.cosigned[0].time, time);
    let mut made = read.note().clone();
    made.add(witness.cosign(made.text(), time));
    let lines = |note: &SignedNote| {
        let mut lines: Vec<_> = note.signatures().to_vec().into_iter().map(|it| format!("{it:?}")).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(&made), lines(&cosigned));
}
