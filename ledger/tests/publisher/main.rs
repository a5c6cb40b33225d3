//! Publishing over real stores and files: what is signed, and what is never signed.
#![allow(clippy::unwrap_used, clippy::panic)]

mod pace;
mod pruning;
mod restored;

use std::{fs, path::PathBuf, sync::Arc};

use farthing_ledger::{
    checkpoint::SignedCheckpoint,
    hash::Hash,
    key::{CosignerKey, LogSigner},
    note::{SignedNote, Timestamp},
    published::CosignError,
    publisher::{LogParts, Plain, PublishError, Publisher},
    tree::{Frontier, TreeHead},
};
use farthing_store::{Batch, LogName, Outcome, Store};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tempfile::TempDir;

const LOG: LogName = LogName("payments");
const ORIGIN: &str = "redeemer.example/farthing/payments";

/// An entry of a kind without a proof part whose body nobody decodes here.
fn entry(number: u64) -> Vec<u8> {
    [&[32][..], &[0; 4], &number.to_le_bytes()].concat()
}

fn head(numbers: impl IntoIterator<Item = u64>) -> TreeHead {
    numbers.into_iter().map(|number| Hash::leaf(&entry(number))).collect::<Frontier>().head()
}

async fn append(store: &Store, numbers: impl IntoIterator<Item = u64>) {
    let batch = numbers.into_iter().fold(Batch::new(), |batch, number| batch.append(LOG, entry(number), [], None));
    assert!(matches!(store.commit(batch).await.unwrap(), Outcome::Applied { .. }));
}

/// A folder with a store and an anchor outside of it, and the keys of a log and of a witness.
struct World {
    home: TempDir,
    secret: String,
    witness: CosignerKey,
}

impl World {
    fn new() -> Self {
        let mut rng = UnwrapErr(SysRng);
        let signer = LogSigner::generate(ORIGIN, &mut rng).unwrap();
        let witness = CosignerKey::generate("witness.example", &mut rng).unwrap();
        Self { home: tempfile::tempdir().unwrap(), secret: signer.to_secret_text().to_string(), witness }
    }

    fn signer(&self) -> LogSigner {
        LogSigner::from_secret_text(&self.secret).unwrap()
    }

    fn dir(&self) -> PathBuf {
        self.home.path().join("store")
    }

    fn anchor(&self) -> PathBuf {
        self.home.path().join("anchor")
    }

    fn store(&self) -> Store {
        Store::open(&self.dir()).unwrap().0
    }

    fn parts(&self, store: &Store) -> LogParts {
        LogParts {
            store: store.clone(),
            log: LOG,
            signer: self.signer(),
            anchor: self.anchor(),
            witnesses: vec![self.witness.verifier().clone()],
        }
    }

    async fn open(&self, store: &Store) -> Result<Publisher<Plain>, PublishError> {
        Publisher::open(self.parts(store), Plain).await
    }

    fn cosigned(&self, checkpoint: &SignedCheckpoint) -> SignedNote {
        let mut note = checkpoint.note().clone();
        let cosignature = self.witness.cosign(note.text(), Timestamp::from_unix_seconds(1_700_000_000).unwrap());
        note.add(cosignature);
        note
    }
}

async fn sign(publisher: &Publisher<Plain>) -> SignedCheckpoint {
    publisher.bring_up_to_date().await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_covers_the_log_and_a_restart_goes_on_from_it() {
    let world = World::new();
    let store = world.store();
    let publisher = world.open(&store).await.unwrap();
    assert!(publisher.bring_up_to_date().await.unwrap().is_none());
    append(&store, 0..300).await;
    let first = sign(&publisher).await;
    assert_eq!(first.head(), head(0..300));
    assert_eq!(first.checkpoint().origin, ORIGIN);
    let read = SignedCheckpoint::open(&first.note().to_string(), publisher.published().key()).unwrap();
    assert_eq!(read, first);
    // Nothing new, nothing signed.
    assert_eq!(sign(&publisher).await, first);
    assert_eq!(fs::read_to_string(world.anchor()).unwrap(), first.note().to_string());
    drop(publisher);
    store.close().await;

    let store = world.store();
    let publisher = world.open(&store).await.unwrap();
    assert_eq!(publisher.published().newest().unwrap(), first);
    append(&store, 300..700).await;
    let second = sign(&publisher).await;
    assert_eq!(second.head(), head(0..700));
    let view = publisher.published().view();
    let proof = view.consistency_proof(300, 700).await.unwrap();
    assert_eq!(proof.verify(&first.head(), &second.head()), Ok(()));
    let proof = view.inclusion_proof(299, 700).await.unwrap();
    assert_eq!(proof.verify(Hash::leaf(&entry(299)), 299, &second.head()), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_publishers_on_one_store_one_wins_and_both_agree() {
    let world = World::new();
    let store = world.store();
    let (one, two) = (world.open(&store).await.unwrap(), world.open(&store).await.unwrap());
    append(&store, 0..5).await;
    let first = sign(&one).await;
    // The second one does not know of it. Its own is not written, and never seen.
    assert!(matches!(two.bring_up_to_date().await, Err(PublishError::OutcomeUnknown)));
    assert!(two.published().newest().is_none());
    assert_eq!(sign(&two).await, first);
    append(&store, 5..9).await;
    let second = sign(&two).await;
    assert!(matches!(one.bring_up_to_date().await, Err(PublishError::OutcomeUnknown)));
    assert_eq!(sign(&one).await, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_anchored_is_not_given_out() {
    let world = World::new();
    let store = world.store();
    let publisher = world.open(&store).await.unwrap();
    append(&store, 0..5).await;
    let first = sign(&publisher).await;
    // A folder in the place of the file: as if the process had died between the write and the anchor.
    fs::remove_file(world.anchor()).unwrap();
    fs::create_dir(world.anchor()).unwrap();
    append(&store, 5..9).await;
    assert!(matches!(publisher.bring_up_to_date().await, Err(PublishError::Anchor { .. })));
    assert_eq!(publisher.published().newest().unwrap(), first);
    assert!(publisher.state().await.is_none());
    fs::remove_dir(world.anchor()).unwrap();
    // The one that is written already is given out, not another one.
    let record = store.get(farthing_store::Space("checkpoint"), b"\x08payments").await.unwrap().unwrap();
    let second = sign(&publisher).await;
    assert_eq!(second.head(), head(0..9));
    assert_eq!(store.get(farthing_store::Space("checkpoint"), b"\x08payments").await.unwrap().unwrap(), record);
    assert_eq!(publisher.published().newest().unwrap(), second);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_does_not_take_a_log_up() {
    let world = World::new();
    let store = world.store();
    let publisher = world.open(&store).await.unwrap();
    append(&store, 0..5).await;
    sign(&publisher).await;
    let other = LogSigner::generate(ORIGIN, &mut UnwrapErr(SysRng)).unwrap();
    let parts = LogParts { signer: other, ..world.parts(&store) };
    assert!(matches!(Publisher::open(parts, Plain).await, Err(PublishError::NotOurs { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn cosignatures_are_taken_kept_and_given_out() {
    let world = World::new();
    let store = world.store();
    let publisher = Arc::new(world.open(&store).await.unwrap());
    append(&store, 0..5).await;
    let first = sign(&publisher).await;
    append(&store, 5..9).await;
    let second = sign(&publisher).await;
    let published = publisher.published();
    assert!(published.checkpoint(1).is_none());

    // Nobody's, a stranger's, and another log's are not taken.
    let refused = published.add_cosignatures(first.note().clone()).await;
    assert!(matches!(refused, Err(CosignError::NoWitness)));
    let stranger = CosignerKey::generate("witness.example", &mut UnwrapErr(SysRng)).unwrap();
    let mut note = first.note().clone();
    note.add(stranger.cosign(first.note().text(), Timestamp::from_unix_seconds(1).unwrap()));
    assert!(matches!(published.add_cosignatures(note).await, Err(CosignError::NoWitness)));
    let elsewhere = LogSigner::generate(ORIGIN, &mut UnwrapErr(SysRng)).unwrap();
    let forged = first.checkpoint().clone().sign(&elsewhere).unwrap();
    let refused = published.add_cosignatures(world.cosigned(&forged)).await;
    assert!(matches!(refused, Err(CosignError::Checkpoint(_))));

    // That of an older checkpoint is taken too: witnesses are slower than the log.
    published.add_cosignatures(world.cosigned(&first)).await.unwrap();
    assert_eq!(published.checkpoint(1), Some(world.cosigned(&first)));
    assert_eq!(published.checkpoint(2), None);
    assert_eq!(published.checkpoint(0), Some(second.note().clone()));
    published.add_cosignatures(world.cosigned(&second)).await.unwrap();
    assert_eq!(published.checkpoint(1), Some(world.cosigned(&second)));
    assert_eq!(published.checkpoint(0), Some(world.cosigned(&second)));
    drop(publisher);
    store.close().await;
    let publisher = world.open(&world.store()).await.unwrap();
    assert_eq!(publisher.published().checkpoint(1), Some(world.cosigned(&second)));
}
