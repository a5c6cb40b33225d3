//! A log that shows different things to different people, or less than before.

use farthing_ecash::entry::{DirectoryEntry, EntryKind};
use farthing_follower::{
    finding::{Finding, Place, Wrong},
    follower::FollowError,
    log::Log,
};
use farthing_ledger::checkpoint::SignedCheckpoint;

use crate::{
    plan::{Plan, fetched, place, signer, story},
    served::{World, close},
    town::TODAY,
};

/// The story with another entry of the directory: everything in it is as it must be, but it is not the same log.
fn fork() -> (Plan, u64) {
    let mut plan = story();
    let index = plan.find(Log::Issuance, EntryKind::Directory);
    let body = plan.log(Log::Issuance)[index].entry[5..].to_vec();
    let mut entry = DirectoryEntry::from_bytes(&body).unwrap();
    entry.hash = [8; 32];
    plan.log(Log::Issuance)[index] = fetched(EntryKind::Directory, TODAY, entry.to_bytes(), &[]);
    (plan, index as u64)
}

/// Both checkpoints are kept, signed by the log.
fn both_are_kept(world: &World, log: Log) {
    let kept = world.kept();
    for what in ["-seen", "-shown"] {
        let name = kept.iter().find(|name| name.ends_with(what)).unwrap();
        let note = std::fs::read_to_string(world.evidence().join(name)).unwrap();
        SignedCheckpoint::open(&note, signer(log).verifier()).unwrap();
    }
}

/// The issuer shows one log until the first checkpoint and then another, larger one.
#[tokio::test]
async fn a_log_that_goes_on_otherwise_is_a_split_view() {
    let (signed, (other, index)) = (story().sign(), fork());
    let world = World::new(&signed);
    for log in Log::ALL {
        world.show(log, &signed, 1);
    }
    let mut follower = world.follower().await;
    follower.follow().await.unwrap();
    close(follower).await;
    let other = other.sign();
    world.show(Log::Issuance, &other, other.notes[0].len());
    assert_eq!(world.finding().await, Finding::entry(Log::Issuance, index, Wrong::SplitView));
    both_are_kept(&world, Log::Issuance);
}

#[tokio::test]
async fn another_checkpoint_of_the_same_size_is_a_split_view() {
    let (signed, (other, _)) = (story().sign(), fork());
    let world = World::new(&signed);
    let mut follower = world.follower().await;
    follower.follow().await.unwrap();
    close(follower).await;
    let other = other.sign();
    world.show(Log::Issuance, &other, other.notes[0].len());
    let size = signed.logs[place(Log::Issuance)].len() as u64;
    assert_eq!(world.finding().await, Finding::checkpoint(Log::Issuance, size, Wrong::SplitView));
    both_are_kept(&world, Log::Issuance);
}

/// Two followers who were shown different logs hold their checkpoints against each other, whichever is ahead.
#[tokio::test]
async fn followers_show_each_other_both_checkpoints() {
    let (signed, (other, _)) = (story().sign(), fork());
    let other = other.sign();
    let log = Log::Issuance;
    let rounds = other.notes[place(log)].len();
    let (newest, honest) = (&other.notes[place(log)][rounds - 1], &signed.notes[place(log)][rounds - 1]);
    for ours in [1, rounds] {
        let (world, theirs) = (World::new(&signed), World::new(&other));
        world.show(log, &signed, ours);
        world.show(Log::Payments, &signed, 1);
        let mut follower = world.follower().await;
        follower.follow().await.unwrap();
        let compare = async |checkpoint: &SignedCheckpoint, peer: &World| {
            follower.compare_with(log, checkpoint, peer.server(log)).await
        };
        compare(honest, &World::new(&signed)).await.unwrap();
        assert!(world.kept().is_empty());
        let Err(FollowError::Finding(finding)) = compare(newest, &theirs).await else { panic!("they agree") };
        assert_eq!(finding.what, Wrong::SplitView);
        both_are_kept(&world, log);
    }
}

/// Two logs under one key whose checkpoints never have the same size: whoever is ahead, the entries tell.
#[tokio::test]
async fn a_split_view_shows_also_when_no_sizes_coincide() {
    let (log, signed) = (Log::Issuance, story().sign());
    let (mut other, index) = fork();
    // One checkpoint alone, of one entry more than our first.
    let last = other.cuts[0][place(log)] + 1;
    other.log(log).truncate(last);
    other.cuts = vec![[last, 0]];
    let other = other.sign();
    let rounds = signed.notes[place(log)].len();
    for ours in [1, rounds] {
        let (world, theirs) = (World::new(&signed), World::new(&other));
        world.show(log, &signed, ours);
        world.show(Log::Payments, &signed, 1);
        let mut follower = world.follower().await;
        follower.follow().await.unwrap();
        let shown = &other.notes[place(log)][0];
        assert!(signed.notes[place(log)].iter().all(|ours| ours.head().size != shown.head().size));
        let found = follower.compare_with(log, shown, theirs.server(log)).await;
        let Err(FollowError::Finding(finding)) = found else { panic!("they agree: {found:?}") };
        // When the peer is ahead, the entry is known; when we are, the size of its checkpoint.
        let at = if ours == 1 { Place::Entry(index) } else { Place::Checkpoint(shown.head().size) };
        assert_eq!(finding, Finding { log, place: at, what: Wrong::SplitView });
        both_are_kept(&world, log);
    }
}

/// A peer that does not show what its checkpoint covers says nothing of the log, and does not count as one that agrees.
#[tokio::test]
async fn a_peer_that_hides_its_entries_is_no_finding_and_no_agreement() {
    let (log, signed) = (Log::Issuance, story().sign());
    let (world, peer) = (World::new(&signed), World::new(&signed));
    world.show(log, &signed, 1);
    world.show(Log::Payments, &signed, 1);
    let mut follower = world.follower().await;
    follower.follow().await.unwrap();
    let newest = signed.notes[place(log)].last().unwrap();
    follower.compare_with(log, newest, peer.server(log)).await.unwrap();
    peer.server(log).shown().leaves[5] = farthing_ledger::hash::Hash::leaf(b"another");
    let told = follower.compare_with(log, newest, peer.server(log)).await;
    assert!(matches!(told, Err(FollowError::Source { .. })), "{told:?}");
    assert!(world.kept().is_empty());
}

/// One tree, two signed texts: the redeemer tells some that fewer inputs are proved, or another issuance log.
#[tokio::test]
async fn two_texts_of_one_tree_are_a_split_view() {
    let (log, plan) = (Log::Payments, story());
    let signed = plan.sign();
    let size = plan.logs[place(log)].len() as u64;
    let other = plan.sign_with(|of, checkpoint| {
        if of == log && checkpoint.size == size {
            checkpoint.spent.clear();
        }
    });
    let world = World::new(&signed);
    let mut follower = world.follower().await;
    follower.follow().await.unwrap();
    let shown = other.notes[place(log)].last().unwrap();
    follower.compare(log, signed.notes[place(log)].last().unwrap()).await.unwrap();
    let Err(FollowError::Finding(finding)) = follower.compare(log, shown).await else { panic!("they agree") };
    assert_eq!(finding, Finding::checkpoint(log, size, Wrong::SplitView));
    both_are_kept(&world, log);
}

#[tokio::test]
async fn a_log_that_was_set_back_is_named() {
    let signed = story().sign();
    for log in Log::ALL {
        let world = World::new(&signed);
        let mut follower = world.follower().await;
        follower.follow().await.unwrap();
        close(follower).await;
        world.show(log, &signed, 1);
        let (seen, shown) = (signed.logs[place(log)].len() as u64, signed.notes[place(log)][0].head().size);
        let finding = world.finding().await;
        assert_eq!(finding, Finding { log, place: Place::Checkpoint(shown), what: Wrong::SetBack(seen) });
        both_are_kept(&world, log);
    }
}
