//! Checkpoints of the payment log: on what they rest, and what they prove.

use std::{collections::BTreeMap, fs, path::Path};

use farthing_ecash::{
    entry::{Entry, EntryKind},
    keys::PublicKey,
    transaction::Core,
};
use farthing_ledger::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    hash::Hash,
    key::VerifierKey,
    proof::{ConsistencyProof, InclusionProof},
    publisher::PublishError,
    tree::TreeHead,
};
use farthing_proto::v1::{
    ErrorReason, GetCheckpointRequest, GetConsistencyProofRequest, GetEntryRequest, GetInclusionProofRequest,
    GetLogSizeRequest,
};
use farthing_redeemer::error::RunError;
use farthing_service::status::Failure;
use tokio::time::timeout;

use crate::{
    issuer::{self, PATIENCE},
    wallet::Wallet,
    world::{ORIGIN, Running, World},
};

impl Running {
    pub(crate) async fn log_key(&self) -> VerifierKey {
        self.get().await.log_verifier_key.parse().unwrap()
    }

    /// The newest checkpoint, once it covers so many entries.
    pub(crate) async fn checkpoint_over(&self, size: u64) -> SignedCheckpoint {
        let mut sizes = self.handles.published.watch();
        timeout(PATIENCE, sizes.wait_for(|signed| *signed >= size)).await.expect("no checkpoint").unwrap();
        let note = self.ledger().get_checkpoint(GetCheckpointRequest { cosignatures: 0 }).await.unwrap().into_inner();
        SignedCheckpoint::open(&note.note, &self.log_key().await).unwrap()
    }

    async fn leaf(&self, index: u64) -> Hash {
        let answer = self.ledger().get_entry(GetEntryRequest { index }).await.unwrap().into_inner();
        let entry = answer.entry.unwrap();
        Hash::leaf(&[entry.entry, entry.proof_hash].concat())
    }

    async fn inclusion(&self, index: u64, tree: &TreeHead) -> InclusionProof {
        let request = GetInclusionProofRequest { index, size: tree.size };
        let answer = self.ledger().get_inclusion_proof(request).await.unwrap().into_inner();
        InclusionProof::from_slices(answer.hashes).unwrap()
    }

    /// The cores of the transactions at these places.
    async fn cores(&self, places: std::ops::Range<u64>) -> Vec<Core> {
        let mut cores = Vec::new();
        for index in places {
            let answer = self.ledger().get_entry(GetEntryRequest { index }).await.unwrap().into_inner();
            let entry = Entry::from_bytes(&answer.entry.unwrap().entry).unwrap();
            if let EntryKind::Transaction(_) = entry.kind() {
                cores.push(Core::from_prefix(entry.body()).unwrap().0);
            }
        }
        cores
    }

    async fn log_size(&self) -> u64 {
        self.ledger().get_log_size(GetLogSizeRequest {}).await.unwrap().into_inner().size
    }
}

impl World {
    /// Waits until the issuer was asked for a checkpoint after the last submission, and again: so nothing was signed after
    /// the first time.
    async fn asked_again(&self) {
        let asked = *self.books.asked.lock().unwrap();
        // The first one from now on may have begun before.
        self.books.wait_until(|books| *books.asked.lock().unwrap() >= asked + 3).await;
    }
}

fn key(world: &World) -> PublicKey {
    world.mint().key().public().clone()
}

/// Follows the checkpoints as a follower would: each proves what was spent since the one before.
async fn check_spent(world: &World, running: &Running, from: u64, checkpoint: &Checkpoint) {
    let cores = running.cores(from..checkpoint.size).await;
    let mut counts = BTreeMap::<_, u64>::new();
    for input in cores.iter().flat_map(farthing_ecash::spent::SpentInput::all) {
        *counts.entry(input.key()).or_default() += 1;
    }
    let told: BTreeMap<_, _> = checkpoint.spent.iter().map(|spent| (spent.key, spent.inputs)).collect();
    assert_eq!(told, counts);
    for spent in &checkpoint.spent {
        spent.proof.verify(&key(world), checkpoint.root.as_bytes(), &cores).unwrap();
        // Over anything less it does not hold.
        assert!(spent.proof.verify(&key(world), checkpoint.root.as_bytes(), &cores[1..]).is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_proves_what_was_spent_and_names_the_issuance_log() {
    let world = World::new().await;
    let running = world.start().await;
    let facts = running.facts().await;
    let announced = running.log_size().await;
    let before = running.checkpoint_over(announced).await;
    assert!(before.checkpoint().spent.is_empty());
    let (alice, bob) = (Wallet::new("alice@bank.example"), Wallet::new("bob@bank.example"));
    let mut size = before.head().size;
    for _ in 0..3 {
        let coin = world.mint().coin(&alice.keys, 2_000);
        let paid = running.submit(&alice.pay(&facts, &coin, &bob, 350)).await.unwrap();
        let after = running.checkpoint_over(paid.log_index + 1).await;
        assert_eq!(after.checkpoint().origin, ORIGIN);
        assert!(after.checkpoint().issuance.unwrap().size > 0);
        check_spent(&world, &running, size, after.checkpoint()).await;

        // The payment is in it, and nothing that was in the one before has changed.
        let proof = running.inclusion(paid.log_index, &after.head()).await;
        assert_eq!(proof.verify(running.leaf(paid.log_index).await, paid.log_index, &after.head()), Ok(()));
        let request = GetConsistencyProofRequest { from_size: before.head().size, to_size: after.head().size };
        let answer = running.ledger().get_consistency_proof(request).await.unwrap().into_inner();
        let proof = ConsistencyProof::from_slices(answer.hashes).unwrap();
        assert_eq!(proof.verify(&before.head(), &after.head()), Ok(()));
        size = after.head().size;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_heard_is_read_from_the_log() {
    let mut world = World::new().await;
    let running = world.start().await;
    let facts = running.facts().await;
    let announced = running.checkpoint_over(running.log_size().await).await;
    // Without the issuer payments go on, but there is no checkpoint; then the redeemer stops.
    world.stop_issuer().await;
    let (alice, bob) = (Wallet::new("alice@bank.example"), Wallet::new("bob@bank.example"));
    let mut last = 0;
    for _ in 0..3 {
        let coin = world.mint().coin(&alice.keys, 2_000);
        last = running.submit(&alice.pay(&facts, &coin, &bob, 350)).await.unwrap().log_index;
    }
    assert_eq!(running.handles.published.size(), announced.head().size);
    running.stop().await;

    world.start_issuer().await;
    let running = world.start().await;
    let after = running.checkpoint_over(last + 1).await;
    check_spent(&world, &running, announced.head().size, after.checkpoint()).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_and_rules_are_found_in_the_log() {
    let world = World::new().await;
    let running = world.start().await;
    let told = running.get().await;
    let tree = running.checkpoint_over(running.log_size().await).await.head();
    let mut places = vec![(told.policy_log_index, told.policy.clone())];
    places.extend(told.rules_log_indices.iter().copied().zip(told.rules.iter().cloned()));
    assert_eq!(places.len(), 1 + told.rules.len());
    for (index, body) in places {
        let answer = running.ledger().get_entry(GetEntryRequest { index }).await.unwrap().into_inner();
        assert_eq!(Entry::from_bytes(&answer.entry.unwrap().entry).unwrap().body(), body);
        let proof = running.inclusion(index, &tree).await;
        assert_eq!(proof.verify(running.leaf(index).await, index, &tree), Ok(()));
    }
    // A tree that is not there yet.
    let request = GetInclusionProofRequest { index: 0, size: tree.size + 1_000 };
    let refused = Failure::from(running.ledger().get_inclusion_proof(request).await.unwrap_err());
    assert_eq!(refused.reason, ErrorReason::CheckpointUnknown);
    assert_eq!(refused.number("checkpoint_size"), Some(tree.size));
    let refused = running.ledger().get_checkpoint(GetCheckpointRequest { cosignatures: 1 }).await.unwrap_err();
    assert_eq!(Failure::from(refused).reason, ErrorReason::CheckpointUnknown);
    running.stop().await;
}

/// An issuer whose log goes back, or that signs with another key, is not named.
#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_was_set_back_or_exchanged_is_not_named() {
    for exchanged in [false, true] {
        let world = World::new().await;
        let running = world.start().await;
        let facts = running.facts().await;
        let before = running.checkpoint_over(running.log_size().await).await;
        if exchanged {
            *world.books.log_key.lock().unwrap() = issuer::log_key();
        } else {
            *world.books.issuance_size.lock().unwrap() = 0;
        }
        let alice = Wallet::new("alice@bank.example");
        let pay = alice.pay(&facts, &world.mint().coin(&alice.keys, 2_000), &alice, 350);
        running.submit(&pay).await.unwrap();
        world.asked_again().await;
        assert_eq!(running.handles.published.newest().unwrap(), before, "exchanged: {exchanged}");
        running.stop().await;
    }
}

/// One coin too many: the redeemer pays out no more than was withdrawn, fees included.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_comes_back_than_was_withdrawn() {
    let world = World::new().await;
    *world.books.withdrawn.lock().unwrap() = 2_000;
    let running = world.start().await;
    let facts = running.facts().await;
    let holder = |number: u64| {
        let wallet = Wallet::new(&format!("holder{number}@bank.example"));
        let account = farthing_ecash::account::AccountKey::of(&wallet.keys).to_bytes().to_vec();
        world.books.accounts.lock().unwrap().insert(account, 2);
        wallet
    };
    let redeem = async |running: &Running, number: u64, amount: u64| {
        let wallet = holder(number);
        let (redeem, opening) = wallet.redeem(&facts, &world.mint().coin(&wallet.keys, amount), amount);
        running.submit_bytes(redeem.as_bytes(), &opening.to_bytes()).await
    };
    let alice = Wallet::new("alice@bank.example");
    running.submit(&alice.pay(&facts, &world.mint().coin(&alice.keys, 500), &alice, 100)).await.unwrap();
    redeem(&running, 1, 1_500).await.unwrap();
    // 20.00 were withdrawn, 15.00 redeemed, 0.02 paid as a fee.
    let refused = redeem(&running, 2, 499).await.unwrap_err();
    assert_eq!((refused.reason, refused.number("left")), (ErrorReason::LiabilitiesExceeded, Some(498)));
    redeem(&running, 3, 498).await.unwrap();
    running.stop().await;

    // A restart does not forget it; and what is withdrawn meanwhile counts at once.
    let running = world.start().await;
    let refused = redeem(&running, 4, 1).await.unwrap_err();
    assert_eq!((refused.reason, refused.number("left")), (ErrorReason::LiabilitiesExceeded, Some(0)));
    *world.books.withdrawn.lock().unwrap() = 2_010;
    redeem(&running, 4, 10).await.unwrap();
    assert_eq!(redeem(&running, 5, 1).await.unwrap_err().reason, ErrorReason::LiabilitiesExceeded);
    let size = running.log_size().await;
    running.checkpoint_over(size).await;
    running.stop().await;
}

/// Fees are owed too: with coins that nobody withdrew even payments use up what was withdrawn. Then no checkpoint is signed
/// until there is enough again.
#[tokio::test(flavor = "multi_thread")]
async fn no_checkpoint_says_that_more_came_back_than_was_withdrawn() {
    let world = World::new().await;
    *world.books.withdrawn.lock().unwrap() = 1;
    let running = world.start().await;
    let facts = running.facts().await;
    let before = running.checkpoint_over(running.log_size().await).await;
    let alice = Wallet::new("alice@bank.example");
    // A fee of 2.
    let paid = running.submit(&alice.pay(&facts, &world.mint().coin(&alice.keys, 500), &alice, 100)).await.unwrap();
    world.asked_again().await;
    assert_eq!(running.handles.published.newest().unwrap(), before);
    *world.books.withdrawn.lock().unwrap() = 2;
    running.checkpoint_over(paid.log_index + 1).await;
    running.stop().await;
}

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

/// A redeemer does not go on from a backup: spent serials would be forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_redeemer_does_not_start_from_a_backup() {
    let world = World::new().await;
    let running = world.start().await;
    let facts = running.facts().await;
    running.checkpoint_over(running.log_size().await).await;
    running.stop().await;
    let backup = world.home.path().join("backup");
    copy(&world.store_dir(), &backup);

    let running = world.start().await;
    let alice = Wallet::new("alice@bank.example");
    let paid = running.submit(&alice.pay(&facts, &world.mint().coin(&alice.keys, 500), &alice, 100)).await.unwrap();
    running.checkpoint_over(paid.log_index + 1).await;
    running.stop().await;

    copy(&backup, &world.store_dir());
    let refused = world.redeemer().await.err().unwrap();
    assert!(matches!(refused, RunError::Publish(PublishError::RolledBack { .. })), "{refused}");
}
