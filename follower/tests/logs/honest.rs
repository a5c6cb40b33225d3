//! Logs in which everything is as it must be.

use farthing_follower::{audit::Audit, export, follower::FollowError, log::Log, source::SourceError};
use farthing_ledger::{checkpoint::SignedCheckpoint, hash::Hash, tile, tree::Frontier};

use crate::{
    plan::{place, signer, story},
    served::{World, close},
};

#[tokio::test]
async fn both_logs_are_verified_cosigned_and_audited() {
    let signed = story().sign();
    let world = World::new(&signed);
    let mut follower = world.follower().await;
    follower.follow().await.unwrap();
    for log in Log::ALL {
        let entries = signed.logs[place(log)].len() as u64;
        assert_eq!(follower.books().side(log).checkpoint, entries);
        assert_eq!(world.cosigned(log), [entries]);
        // Whoever asks the follower gets the cosigned checkpoint.
        let note = follower.published(log).checkpoint(1).unwrap();
        assert!(note.verify(World::witness().verifier()).unwrap().is_some());
    }
    let audit = Audit::new(follower.copy(), follower.books()).await.unwrap();
    assert_eq!((audit.withdrawn, audit.redeemed, audit.fees, audit.wallets), (3_010, 2_900, 10, 2));
    let day = audit.days.values().next().unwrap();
    assert_eq!((day.payments, day.claims, day.redemptions, day.withdrawals, day.others), (2, 1, 1, 2, 2));
    assert_eq!((audit.policies.len(), audit.policies[0].epoch, audit.keys.len()), (1, 3, 1));
    let text = audit.to_text();
    for part in ["withdrawn    0.00301 EUR", "in wallets   0.0001 EUR", "nothing wrong was found", "policy 3 of"] {
        assert!(text.contains(part), "{text}");
    }
    let again: Audit = serde_json::from_str(&audit.to_json().unwrap()).unwrap();
    assert_eq!(again, audit);
    // Nothing new: nothing is cosigned again.
    follower.follow().await.unwrap();
    assert_eq!(world.cosigned(Log::Payments).len(), 1);
    assert!(world.kept().is_empty());
}

/// A follower that was away goes on where it stopped, and concludes the same as one that was never away.
#[tokio::test]
async fn it_catches_up_from_its_own_copy() {
    let signed = story().sign();
    let (world, other) = (World::new(&signed), World::new(&signed));
    for rounds in 1..=signed.notes[1].len() {
        world.show(Log::Issuance, &signed, rounds.min(signed.notes[0].len()));
        world.show(Log::Payments, &signed, rounds);
        let mut follower = world.follower().await;
        let sizes = Log::ALL.map(|log| follower.books().side(log).checkpoint);
        follower.follow().await.unwrap();
        assert_ne!(Log::ALL.map(|log| follower.books().side(log).checkpoint), sizes);
        // What is in the copy is not read again.
        world.server(Log::Payments).shown().entries[0].proof.push(1);
        close(follower).await;
    }
    let (one, mut two) = (world.follower().await, other.follower().await);
    two.follow().await.unwrap();
    assert_eq!(one.books(), two.books());
    let audits =
        [Audit::new(one.copy(), one.books()).await.unwrap(), Audit::new(two.copy(), two.books()).await.unwrap()];
    assert_eq!(audits[0], audits[1]);
    assert!(one.published(Log::Payments).checkpoint(1).is_some(), "a restarted follower serves what it verified");
}

/// A server that is away, or shows less for the time being, is no finding.
#[tokio::test]
async fn what_cannot_be_read_yet_is_waited_for() {
    let signed = story().sign();
    let world = World::new(&signed);
    // The redeemer has seen more of the issuance log than its server shows.
    world.show(Log::Issuance, &signed, 1);
    let mut follower = world.follower().await;
    let waiting = follower.follow().await;
    assert!(matches!(waiting, Err(FollowError::Source { log: Log::Issuance, .. })), "{waiting:?}");
    world.show(Log::Issuance, &signed, signed.notes[0].len());
    // Fewer entries than were signed.
    let last = world.server(Log::Payments).shown().entries.pop().unwrap();
    let waiting = follower.follow().await;
    let fewer = matches!(&waiting, Err(FollowError::Source { source: SourceError::Malformed(_), .. }));
    assert!(fewer, "{waiting:?}");
    world.server(Log::Payments).shown().entries.push(last);
    follower.follow().await.unwrap();
}

#[tokio::test]
async fn the_exported_files_are_the_log() {
    let signed = story().sign();
    let world = World::new(&signed);
    let mut follower = world.follower().await;
    follower.follow().await.unwrap();
    let dir = world.home.path().join("export");
    export::export(follower.copy(), &dir).await.unwrap();
    for log in Log::ALL {
        let folder = dir.join(log.to_string());
        let note = std::fs::read_to_string(folder.join("checkpoint")).unwrap();
        let checkpoint = SignedCheckpoint::open(&note, signer(log).verifier()).unwrap();
        let size = checkpoint.head().size;
        assert_eq!(size, signed.logs[place(log)].len() as u64);
        let bundle = std::fs::read(folder.join(format!("tile/entries/000.p/{size}"))).unwrap();
        let leaves = tile::decode_bundle(&bundle).unwrap();
        let tree: Frontier = leaves.iter().map(|leaf| Hash::leaf(leaf)).collect();
        assert_eq!(tree.head(), checkpoint.head());
        let hashes = std::fs::read(folder.join(format!("tile/0/000.p/{size}"))).unwrap();
        assert_eq!(tile::decode_hashes(&hashes).unwrap().into_iter().collect::<Frontier>().head(), checkpoint.head());
    }
}
