//! Logs in which everything is as it must be.

use std::time::Duration;

use farthing_ecash::calendar::Day;
use farthing_follower::{
    audit::Audit,
    export,
    follower::{FollowError, Follower},
    log::Log,
    source::SourceError,
    status::{Patience, Status},
};
use farthing_ledger::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    hash::Hash,
    tile,
    tree::Frontier,
};
use farthing_service::clock::Clock as _;

use crate::{
    plan::{place, signer, story},
    served::{World, close},
    town::TODAY,
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
        // Each checkpoint, so that witnesses that look at different moments cosign the same ones.
        let sizes: Vec<_> = signed.notes[place(log)].iter().map(|note| note.head().size).collect();
        assert_eq!(world.cosigned(log), sizes);
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
    assert_eq!(world.cosigned(Log::Payments).len(), signed.notes[1].len());
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

/// An entry of the day after tomorrow: the clock of the log is wrong, or the one here. It waits, and nothing is found.
#[tokio::test]
async fn a_day_that_has_not_come_yet_is_waited_for() {
    let signed = story().sign();
    let world = World::new(&signed);
    let noon = |day: u32| 86_400 * i64::from(day) + 43_200;
    world.clock.set(noon(TODAY.get() - 2));
    let mut follower = world.follower().await;
    let waiting = follower.follow().await;
    let ahead = SourceError::DayAhead { index: 0, day: TODAY, today: Day::new(TODAY.get() - 2) }.to_string();
    assert!(matches!(&waiting, Err(FollowError::Source { source, .. }) if source.to_string() == ahead), "{waiting:?}");
    assert!(world.kept().is_empty() && follower.look_of(Log::Issuance).checked_at.is_none());
    assert!(follower.look_of(Log::Issuance).waiting_for.unwrap().contains(&ahead));
    // Time zones: somewhere it is tomorrow already.
    world.clock.set(noon(TODAY.get() - 1));
    follower.follow().await.unwrap();
    let look = follower.look_of(Log::Issuance);
    let now = Some(noon(TODAY.get() - 1));
    assert_eq!((look.checked_at, look.grown_at, look.waiting_for), (now, now, None));
}

/// A log that is no longer shown shows in the status, and in its exit code.
#[tokio::test]
async fn a_log_that_is_not_shown_any_more_is_stale() {
    let signed = story().sign();
    let world = World::new(&signed);
    let mut follower = world.follower().await;
    let patience = Patience { stale_after: 1_000, quiet_after: 5_000 };
    let status = async |follower: &Follower| {
        let mut audit = Audit::new(follower.copy(), follower.books()).await.unwrap();
        audit.looks = Log::ALL.map(|log| (log, follower.look_of(log))).into();
        Status::new(audit, world.clock.unix_seconds(), patience)
    };
    assert!(!status(&follower).await.is_well, "nothing was ever verified");
    follower.follow().await.unwrap();
    assert!(status(&follower).await.is_well);
    // The redeemer does not answer any more.
    world.clock.pass(Duration::from_secs(900));
    follower.follow().await.unwrap();
    world.server(Log::Payments).shown().is_silent = true;
    world.clock.pass(Duration::from_secs(1_001));
    follower.follow().await.unwrap_err();
    let told = status(&follower).await;
    let [issuance, payments] = Log::ALL.map(|log| told.logs[&log].clone());
    assert_eq!((told.is_well, issuance.stale, issuance.waiting_for), (false, None, None));
    assert!(payments.stale.is_some() && payments.waiting_for.is_some());
    assert!(told.to_text(world.clock.unix_seconds()).contains("STALE: it could not be looked through"));
    assert!(told.to_json().unwrap().contains("\"is_well\": false"));
    // It answers again, and nothing is ever written: that shows later.
    world.server(Log::Payments).shown().is_silent = false;
    follower.follow().await.unwrap();
    assert!(status(&follower).await.is_well);
    world.clock.pass(Duration::from_secs(5_000));
    follower.follow().await.unwrap();
    assert!(status(&follower).await.logs.values().all(|log| log.stale.unwrap().contains("not grown")));
}

/// A checkpoint of more entries than any log adds at once is not worth the memory.
#[tokio::test]
async fn too_much_at_once_is_not_read() {
    let signed = story().sign();
    let world = World::new(&signed);
    let log = Log::Issuance;
    let (origin, root) = (format!("{log}.example"), Hash::leaf(b"root"));
    let huge = Checkpoint { origin, size: 1 << 40, root, issuance: None, spent: Vec::new() };
    world.server(log).shown().notes = vec![huge.sign(&signer(log)).unwrap().note().to_string()];
    let waiting = world.follower().await.follow().await;
    let refused = matches!(&waiting, Err(FollowError::Source { source: SourceError::Malformed(what), .. }) if what.contains("too much"));
    assert!(refused, "{waiting:?}");
    assert!(world.kept().is_empty());
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
