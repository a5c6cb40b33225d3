//! Logs that are not as they were signed.

use farthing_ecash::entry::EntryKind;
use farthing_follower::{
    finding::{Finding, Place, Wrong},
    follower::FollowError,
    log::Log,
    source::{Fetched, SourceError},
};

use crate::{
    plan::{place, story},
    served::World,
};

fn altered(log: Log, index: usize) -> Finding {
    Finding::entry(log, index as u64, Wrong::NotSigned)
}

/// Flips one bit of the first, the last and a middle byte of every entry and of every proof part.
#[tokio::test]
async fn one_altered_byte_anywhere_is_named() {
    let signed = story().sign();
    for log in Log::ALL {
        for (index, Fetched { entry, proof }) in signed.logs[place(log)].iter().enumerate() {
            for (part, length) in [(0, entry.len()), (1, proof.len())] {
                for at in [0, length / 2, length.saturating_sub(1)] {
                    if length == 0 {
                        continue;
                    }
                    let world = World::new(&signed);
                    let bytes = |entry: &mut Fetched| {
                        [&mut entry.entry, &mut entry.proof][part][at] ^= 1;
                    };
                    bytes(&mut world.server(log).shown().entries[index]);
                    assert_eq!(world.finding().await, altered(log, index), "part {part}, byte {at}");
                }
            }
        }
    }
}

/// The same with a tree that fits the altered entry: then it is the tree that was never signed.
#[tokio::test]
async fn an_altered_tree_is_named() {
    let signed = story().sign();
    for log in Log::ALL {
        let world = World::new(&signed);
        let size = {
            let mut shown = world.server(log).shown();
            shown.entries[1].entry[7] ^= 1;
            shown.leaves[1] = shown.entries[1].leaf();
            signed.notes[place(log)][0].head().size
        };
        assert_eq!(world.finding().await, Finding::checkpoint(log, size, Wrong::Root));
    }
}

#[tokio::test]
async fn entries_dropped_doubled_or_reordered_are_named() {
    let signed = story().sign();
    for log in Log::ALL {
        let change = async |change: &dyn Fn(&mut Vec<Fetched>)| {
            let world = World::new(&signed);
            change(&mut world.server(log).shown().entries);
            world.finding().await
        };
        assert_eq!(change(&|entries| drop(entries.remove(2))).await, altered(log, 2));
        assert_eq!(change(&|entries| entries.insert(2, entries[1].clone())).await, altered(log, 2));
        assert_eq!(change(&|entries| entries.swap(1, 3)).await, altered(log, 1));
    }
}

/// Another follower whose copy is damaged says nothing of the log: it is read elsewhere.
#[tokio::test]
async fn a_damaged_mirror_is_no_finding() {
    let signed = story().sign();
    let mut world = World::new(&signed);
    world.is_mirror = true;
    let honest = world.server(Log::Payments).shown().entries[3].clone();
    world.server(Log::Payments).shown().entries[3].proof[9] ^= 1;
    let mut follower = world.follower().await;
    let refused = follower.follow().await;
    let names = matches!(&refused, Err(FollowError::Source { source: SourceError::NotSigned(3), .. }));
    assert!(names, "{refused:?}");
    world.server(Log::Payments).shown().entries[3] = honest;
    follower.follow().await.unwrap();
    // A mirror takes no cosignatures.
    assert!(world.cosigned(Log::Payments).is_empty());
}

#[tokio::test]
async fn a_checkpoint_under_another_key_is_named() {
    let signed = story().sign();
    for log in Log::ALL {
        let world = World::new(&signed);
        for note in &mut world.server(log).shown().notes {
            // The last characters of the base64 are those of the signature.
            let at = note.len() - 12;
            let other = if &note[at..=at] == "A" { "B" } else { "A" };
            note.replace_range(at..=at, other);
        }
        let finding = world.finding().await;
        assert_eq!(finding.log, log);
        assert!(matches!((finding.place, finding.what), (Place::Checkpoint(0), Wrong::Checkpoint(_))));
    }
}

/// A policy of which the file says something else than the lines that are signed.
#[tokio::test]
async fn a_policy_is_what_its_file_says() {
    use farthing_ecash::policy::PolicyBody;
    let mut plan = story();
    let index = plan.find(Log::Payments, EntryKind::Policy);
    let honest = crate::plan::body(3);
    let file = crate::plan::POLICY.replace("10.00", "10.01").into_bytes();
    let other = PolicyBody::new(*honest.terms(), honest.rules().to_vec(), file).unwrap();
    let day = crate::town::TODAY;
    plan.log(Log::Payments)[index] = crate::plan::fetched(EntryKind::Policy, day, other.to_bytes(), &[]);
    let finding = World::new(&plan.sign()).finding().await;
    assert_eq!(finding, Finding::entry(Log::Payments, index as u64, Wrong::PolicyFile));
}
