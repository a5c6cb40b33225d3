//! A mirror that leaves checkpoints out: what it shows is signed, that it shows everything is not.

use farthing_ecash::entry::EntryKind;
use farthing_ecash::statement::Statement;
use farthing_follower::{
    finding::{Finding, Wrong},
    follower::{FollowError, Follower},
    log::Log,
    source::SourceError,
};

use crate::{
    plan::{body, fetched, place, story},
    served::{World, close},
    town::TODAY,
};

/// It has left something out, for all that is known: no finding, no evidence, and it says who.
async fn something_is_left_out(world: &World, follower: &mut Follower, log: Log) {
    for _ in 0..2 {
        let followed = follower.follow().await;
        let Err(error @ FollowError::Source { source: SourceError::LeftOut(_), .. }) = followed else {
            panic!("nothing is left out: {followed:?}")
        };
        assert!(
            error.to_string().starts_with(&format!("the {log} log cannot be read from https://log.example")),
            "{error}"
        );
    }
    assert!(world.kept().is_empty());
}

#[tokio::test]
async fn a_payments_checkpoint_that_was_left_out_may_come_later() {
    let signed = story().sign();
    let (log, honest) = (Log::Payments, World::new(&signed));
    let mut other = honest.follower().await;
    other.follow().await.unwrap();
    for (restarted, from_server) in [(false, false), (true, false), (true, true)] {
        let mut world = World::new(&signed);
        world.is_mirror = true;
        let note = world.server(log).shown().notes.remove(1);
        let mut follower = world.follower().await;
        something_is_left_out(&world, &mut follower, log).await;
        assert_eq!(follower.books().payments.checkpoint, signed.notes[place(log)][0].head().size);
        if restarted {
            close(follower).await;
            world.is_mirror = !from_server;
            follower = world.follower().await;
        }
        world.server(log).shown().notes.insert(1, note);
        follower.follow().await.unwrap();
        assert_eq!(follower.books(), other.books());
        assert!(world.kept().is_empty());
    }
}

#[tokio::test]
async fn an_issuance_checkpoint_that_was_left_out_may_come_later() {
    let signed = story().sign();
    let (log, mut world) = (Log::Issuance, World::new(&signed));
    world.is_mirror = true;
    let note = world.server(log).shown().notes.remove(0);
    let mut follower = world.follower().await;
    something_is_left_out(&world, &mut follower, log).await;
    world.server(log).shown().notes.insert(0, note);
    follower.follow().await.unwrap();
    let withdrawn = follower.copy().issuance_head(signed.notes[place(log)][0].head().size).await.unwrap().unwrap();
    assert_eq!(withdrawn.withdrawn, 0, "the first checkpoint is from before all withdrawals");

    // The server of the log lists all: what it does not list it has not signed.
    let world = World::new(&signed);
    let left_out = signed.notes[place(log)][0].head().size;
    world.server(log).shown().notes.remove(0);
    let first = signed.notes[place(Log::Payments)][0].head().size;
    assert_eq!(world.finding().await, Finding::checkpoint(Log::Payments, first, Wrong::IssuanceOther(left_out)));
}

/// Entries that were judged by what a later checkpoint names are judged again by what their own names.
#[tokio::test]
async fn what_comes_later_is_judged_as_if_it_had_come_in_time() {
    let (log, mut plan) = (Log::Payments, story());
    let renew = plan.find(log, EntryKind::Transaction(Statement::Renew)) as u64;
    let grant = plan.find(Log::Issuance, EntryKind::Grant) as u64;
    let size = plan.log(log).len();
    plan.log(log).push(fetched(EntryKind::Policy, TODAY, body(4).to_bytes(), &[]));
    plan.cuts.push([plan.logs[0].len(), size + 1]);
    let older = plan.sign().notes[place(log)][1].checkpoint().issuance;
    // The renewal rests on a grant that is not in the issuance log that its checkpoint names.
    let signed = plan.sign_with(|of, checkpoint| {
        if of == log && checkpoint.size == size as u64 {
            checkpoint.issuance = older;
        }
    });
    let mut world = World::new(&signed);
    world.is_mirror = true;
    let note = world.server(log).shown().notes.remove(2);
    let mut follower = world.follower().await;
    something_is_left_out(&world, &mut follower, log).await;
    world.server(log).shown().notes.insert(2, note);
    close(follower).await;
    assert_eq!(world.finding().await, Finding::entry(log, renew, Wrong::GrantUnknown(grant)));
}
