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
            follower.compare(log, checkpoint).await?;
            follower.compare_beyond(log, checkpoint, peer.server(log)).await
        };
        compare(honest, &World::new(&signed)).await.unwrap();
        assert!(world.kept().is_empty());
        let Err(FollowError::Finding(finding)) = compare(newest, &theirs).await else { panic!("they agree") };
        assert_eq!(finding.what, Wrong::SplitView);
        both_are_kept(&world, log);
    }
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
