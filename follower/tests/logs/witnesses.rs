//! Cosignatures of several witnesses, given out by one follower.

use farthing_follower::{follower::FollowError, log::Log};
use farthing_ledger::{checkpoint::SignedCheckpoint, cosignature::cosignatures, key::CosignerKey, note::Timestamp};

use crate::{
    plan::{place, signer, story},
    served::{World, close},
    town::Sequence,
};

#[tokio::test]
async fn cosignatures_of_others_are_checked_and_passed_on() {
    let log = Log::Payments;
    let signed = story().sign();
    let mut world = World::new(&signed);
    let [other, stranger] = ["other", "stranger"]
        .map(|name| CosignerKey::generate(&format!("{name}.example/w1"), &mut Sequence::new(name)).unwrap());
    world.others = vec![other.verifier().clone()];
    let witnesses = [World::witness().verifier().clone(), other.verifier().clone()];
    let mut follower = world.follower().await;
    follower.follow().await.unwrap();
    let published = follower.published(log).clone();
    assert!(published.checkpoint(1).is_some() && published.checkpoint(2).is_none());

    // Peers that give out what the other has cosigned: not what is damaged, nor what a stranger has cosigned.
    let cosigned = |round: usize, witness: &CosignerKey, text: &str| {
        let mut checkpoint: SignedCheckpoint = signed.notes[place(log)][round].clone();
        let text = if text.is_empty() { checkpoint.note().text().to_owned() } else { text.to_owned() };
        let cosignature = witness.cosign(&text, Timestamp::from_unix_seconds(7).unwrap());
        checkpoint.note_mut().add(cosignature);
        checkpoint.note().to_string()
    };
    let peer = World::new(&signed);
    for useless in [cosigned(1, &other, "another text\n"), cosigned(1, &stranger, "")] {
        peer.server(log).shown().cosigned = vec![useless];
        follower.gather(log, peer.server(log)).await.unwrap();
        assert!(published.checkpoint(2).is_none());
    }
    for round in [0, 1] {
        peer.server(log).shown().cosigned = vec![cosigned(round, &other, "")];
        follower.gather(log, peer.server(log)).await.unwrap();
        let note = published.checkpoint(2).unwrap();
        assert_eq!(cosignatures(&note, &witnesses).len(), 2);
        let both = SignedCheckpoint::verify(note, signer(log).verifier()).unwrap();
        assert_eq!(both.head(), signed.notes[place(log)][round].head());
    }
    // The server of the log gives it out too: that is asked at every look.
    let last = signed.notes[place(log)].len() - 1;
    world.server(log).shown().cosigned.push(cosigned(last, &other, ""));
    follower.follow().await.unwrap();
    let note = published.checkpoint(2).unwrap();
    let both = SignedCheckpoint::verify(note, signer(log).verifier()).unwrap();
    assert_eq!(both.head(), signed.notes[place(log)][last].head());
}

/// Somebody who gives out the honest newest checkpoint has, of an older one, another that the log has signed too. Whoever found
/// that does not go on after a restart.
#[tokio::test]
async fn a_fork_among_the_cosigned_is_kept() {
    let (log, plan) = (Log::Payments, story());
    let (signed, first) = (plan.sign(), plan.cuts[0][place(log)] as u64);
    let forked = plan.sign_with(|of, checkpoint| {
        if of == log && checkpoint.size == first {
            checkpoint.issuance = None;
        }
    });
    let mut world = World::new(&signed);
    let other = CosignerKey::generate("other.example/w1", &mut Sequence::new("other")).unwrap();
    world.others = vec![other.verifier().clone()];
    let mut follower = world.follower().await;
    follower.follow().await.unwrap();
    let peer = World::new(&signed);
    let mut fork = forked.notes[place(log)][0].clone();
    let cosignature = other.cosign(fork.note().text(), Timestamp::from_unix_seconds(7).unwrap());
    fork.note_mut().add(cosignature);
    peer.server(log).shown().cosigned = vec![fork.note().to_string()];
    let newest = signed.notes[place(log)].last().unwrap();
    follower.compare_with(log, newest, peer.server(log)).await.unwrap();
    let Err(FollowError::Finding(finding)) = follower.gather(log, peer.server(log)).await else { panic!("it agrees") };
    close(follower).await;

    let mut again = world.follower().await;
    let Err(FollowError::Stopped(text)) = again.follow().await else { panic!("it goes on") };
    assert_eq!(text, format!("{finding}; seen at https://log.example"));
    close(again).await;
}
