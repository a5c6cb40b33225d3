//! Stores and anchors that are put back, changed or lost.

use std::{fs, path::Path};

use farthing_ledger::{
    checkpoint::Checkpoint,
    hash::Hash,
    published::CosignError,
    publisher::{Extensions, PublishError, Publisher, Subject, SubjectError},
    tree::TreeHead,
};
use farthing_store::{Batch, LogRecord, Outcome, Space};

use crate::{World, append, head, sign};

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for found in fs::read_dir(from).unwrap() {
        let found = found.unwrap();
        let target = to.join(found.file_name());
        if found.file_type().unwrap().is_dir() {
            copy(&found.path(), &target);
        } else {
            fs::copy(found.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_the_store_is_refused() {
    let world = World::new();
    let store = world.store();
    let publisher = world.open(&store).await.unwrap();
    append(&store, 0..300).await;
    sign(&publisher).await;
    drop(publisher);
    store.close().await;
    let backup = world.home.path().join("backup");
    copy(&world.dir(), &backup);

    // It goes on after the backup, and signs.
    let store = world.store();
    let publisher = world.open(&store).await.unwrap();
    append(&store, 300..310).await;
    sign(&publisher).await;
    drop(publisher);
    store.close().await;

    copy(&backup, &world.dir());
    let store = world.store();
    match world.open(&store).await {
        Err(error @ PublishError::RolledBack { entries: 300, signed: 310, .. }) => {
            let text = error.to_string();
            assert!(text.contains("older copy") && text.contains("Put the newest copy"), "{text}");
        }
        other => panic!("{:?}", other.err()),
    }
    // Other entries in the place of those that were lost do not help.
    append(&store, 1_000..1_020).await;
    assert!(matches!(world.open(&store).await, Err(PublishError::Changed { size: 310, .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_from_between_entries_and_their_checkpoint_goes_on() {
    let world = World::new();
    let store = world.store();
    let publisher = world.open(&store).await.unwrap();
    append(&store, 0..10).await;
    sign(&publisher).await;
    append(&store, 10..20).await;
    drop(publisher);
    store.close().await;
    let backup = world.home.path().join("backup");
    copy(&world.dir(), &backup);
    let store = world.store();
    let publisher = world.open(&store).await.unwrap();
    let signed = sign(&publisher).await;
    drop(publisher);
    store.close().await;

    // The entries are there, their checkpoint only in the anchor: it is taken up, and not signed again.
    copy(&backup, &world.dir());
    let store = world.store();
    let publisher = world.open(&store).await.unwrap();
    assert_eq!(publisher.published().newest().unwrap(), signed);
    append(&store, 20..21).await;
    assert_eq!(sign(&publisher).await.head(), head(0..21));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_leaf_is_noticed() {
    let world = World::new();
    let store = world.store();
    let publisher = world.open(&store).await.unwrap();
    append(&store, 0..300).await;
    sign(&publisher).await;
    drop(publisher);
    store.close().await;
    // A store whose journal is whole, but with another entry at one place: in a full tile, and behind the last one.
    for changed in [7, 299] {
        fs::remove_dir_all(world.dir()).unwrap();
        let store = world.store();
        append(&store, (0..300).map(|number| if number == changed { 77_777 } else { number })).await;
        assert!(matches!(world.open(&store).await, Err(PublishError::Changed { size: 300, .. })));
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_with_a_larger_or_another_checkpoint_stops_the_log_for_good() {
    for (numbers, copies) in [(300..320u64, "larger"), (290..300, "other")] {
        let world = World::new();
        let store = world.store();
        let publisher = world.open(&store).await.unwrap();
        append(&store, 0..290).await;
        sign(&publisher).await;
        drop(publisher);
        store.close().await;
        let backup = world.home.path().join("backup");
        copy(&world.dir(), &backup);
        let anchor = fs::read(world.anchor()).unwrap();
        let store = world.store();
        let publisher = world.open(&store).await.unwrap();
        append(&store, numbers).await;
        let seen = world.cosigned(&sign(&publisher).await);
        drop(publisher);
        store.close().await;

        // Store and anchor are put back together: nothing here knows of what was signed since. A witness does.
        copy(&backup, &world.dir());
        fs::write(world.anchor(), &anchor).unwrap();
        let store = world.store();
        let publisher = world.open(&store).await.unwrap();
        if copies == "other" {
            append(&store, 900..920).await;
            sign(&publisher).await;
        }
        let refused = publisher.published().add_cosignatures(seen.clone()).await;
        assert!(matches!(refused, Err(CosignError::Contradiction)), "{copies}");
        append(&store, 2_000..2_001).await;
        assert!(matches!(publisher.bring_up_to_date().await, Err(PublishError::Contradicted { .. })), "{copies}");
        drop(publisher);
        assert!(matches!(world.open(&store).await, Err(PublishError::Contradicted { .. })), "{copies}");
        let evidence = fs::read_to_string(world.home.path().join("anchor.contradiction")).unwrap();
        assert_eq!(evidence, seen.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_anchor_is_noticed_and_needs_the_operators_word() {
    let world = World::new();
    let store = world.store();
    let publisher = world.open(&store).await.unwrap();
    append(&store, 0..5).await;
    sign(&publisher).await;
    drop(publisher);
    // After the first checkpoint a server may have died before it wrote the anchor.
    fs::remove_file(world.anchor()).unwrap();
    let publisher = world.open(&store).await.unwrap();
    append(&store, 5..9).await;
    let last = sign(&publisher).await;
    drop(publisher);

    fs::remove_file(world.anchor()).unwrap();
    let lost = world.open(&store).await.err().unwrap();
    assert!(matches!(lost, PublishError::AnchorLost { .. }), "{lost}");
    assert!(lost.to_string().contains("write an empty file in its place"), "{lost}");
    fs::write(world.anchor(), "").unwrap();
    let publisher = world.open(&store).await.unwrap();
    assert_eq!(publisher.published().newest().unwrap(), last);
    assert_eq!(fs::read_to_string(world.anchor()).unwrap(), last.note().to_string());
}

/// The store's own checkpoint is held against its entries, also where no anchor says more.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_in_the_store_has_to_be_that_of_its_entries() {
    let (space, place) = (Space("checkpoint"), b"\x08payments");
    let world = World::new();
    let store = world.store();
    let publisher = world.open(&store).await.unwrap();
    append(&store, 0..10).await;
    sign(&publisher).await;
    let record = store.get(space, place).await.unwrap().unwrap();
    drop(publisher);
    store.close().await;
    fs::remove_dir_all(world.dir()).unwrap();
    fs::write(world.anchor(), "").unwrap();
    let store = world.store();
    append(&store, 1..11).await;
    assert!(matches!(store.commit(Batch::new().put(space, place, record)).await.unwrap(), Outcome::Applied { .. }));
    assert!(matches!(world.open(&store).await, Err(PublishError::Changed { size: 10, .. })));
}

/// Evidence counts although it cannot be written down.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_does_not_hide_a_contradiction() {
    let world = World::new();
    let store = world.store();
    let publisher = world.open(&store).await.unwrap();
    append(&store, 0..5).await;
    let other = sign(&publisher).await.checkpoint().clone();
    let other = Checkpoint { root: Hash::leaf(b"another"), ..other }.sign(&world.signer()).unwrap();
    // A folder in the place of the file that is written first.
    fs::create_dir(world.home.path().join("anchor.contradiction.new")).unwrap();
    let refused = publisher.published().add_cosignatures(world.cosigned(&other)).await;
    assert!(matches!(refused, Err(CosignError::Contradiction)));
    append(&store, 5..6).await;
    assert!(matches!(publisher.bring_up_to_date().await, Err(PublishError::Contradicted { .. })));
}

/// The same tree with other words over it: the key is used elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn other_words_over_the_same_tree_are_a_contradiction() {
    let world = World::new();
    let store = world.store();
    let publisher = world.open(&store).await.unwrap();
    append(&store, 0..5).await;
    let own = sign(&publisher).await;
    publisher.published().add_cosignatures(world.cosigned(&own)).await.unwrap();
    let named = TreeHead { size: 7, root: Hash::leaf(b"another log") };
    let other = Checkpoint { issuance: Some(named), ..own.checkpoint().clone() }.sign(&world.signer()).unwrap();
    assert_eq!(other.head(), own.head());
    let shown = world.cosigned(&other);
    let refused = publisher.published().add_cosignatures(shown.clone()).await;
    assert!(matches!(refused, Err(CosignError::Contradiction)));
    let evidence = fs::read_to_string(world.home.path().join("anchor.contradiction")).unwrap();
    assert_eq!(evidence, shown.to_string());
}

/// Each of its checkpoints names one entry more of another log than the one before.
#[derive(Default)]
struct Naming(u64);

impl Subject for Naming {
    fn restore(&mut self, state: Option<&[u8]>) -> Result<(), SubjectError> {
        self.0 = state.map_or(0, |state| u64::from_le_bytes(state.try_into().unwrap()));
        Ok(())
    }

    async fn begin(&mut self, _: u64) -> Result<(), SubjectError> {
        Ok(())
    }

    fn heard(&mut self, _: u64) -> Result<Option<Hash>, SubjectError> {
        Ok(None)
    }

    fn entry(&mut self, _: &LogRecord) -> Result<(), SubjectError> {
        Ok(())
    }

    async fn extensions(&mut self, _: &Hash) -> Result<Extensions, SubjectError> {
        self.0 += 1;
        let issuance = Some(TreeHead { size: self.0, root: Hash::leaf(b"issuance") });
        Ok(Extensions { issuance, spent: Vec::new() })
    }

    fn adopt(&mut self, checkpoint: &Checkpoint) {
        self.0 = checkpoint.issuance.unwrap().size;
    }

    fn state(&self) -> Vec<u8> {
        self.0.to_le_bytes().to_vec()
    }
}

/// What the anchor's checkpoint has said counts as said, although the store was put back to before it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_checkpoint_from_the_anchor_says_is_not_taken_back() {
    let world = World::new();
    let store = world.store();
    let publisher = Publisher::open(world.parts(&store), Naming::default()).await.unwrap();
    append(&store, 0..10).await;
    publisher.bring_up_to_date().await.unwrap();
    append(&store, 10..20).await;
    drop(publisher);
    store.close().await;
    let backup = world.home.path().join("backup");
    copy(&world.dir(), &backup);
    let store = world.store();
    let publisher = Publisher::open(world.parts(&store), Naming::default()).await.unwrap();
    let signed = publisher.bring_up_to_date().await.unwrap().unwrap();
    assert_eq!(signed.checkpoint().issuance.unwrap().size, 2);
    drop(publisher);
    store.close().await;

    copy(&backup, &world.dir());
    let store = world.store();
    let publisher = Publisher::open(world.parts(&store), Naming::default()).await.unwrap();
    assert_eq!(publisher.published().newest().unwrap(), signed);
    append(&store, 20..21).await;
    let next = publisher.bring_up_to_date().await.unwrap().unwrap();
    assert_eq!(next.checkpoint().issuance.unwrap().size, 3);
}
