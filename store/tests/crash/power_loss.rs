//! A power failure. The backing file of a mounted loop device holds exactly what the kernel has written out, so a copy of
//! it made right after an acknowledgement is what a disk would hold if the power failed then. A `kill -9` shows none of
//! this: the kernel lives on and still has every write.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use farthing_store::failpoints::FailPoint;
use farthing_store::{IndexCheck, IndexRecovery, Store, verify};

use crate::child::{
    OtherProcess, PARK, PAYMENTS, PRUNE, SEGMENT_BYTES, assert_goes_on, assert_whole, assert_whole_but_for_proofs,
};
use crate::mounts::{Mount, is_root, run};

const SKIPPED: &str = "SKIPPED: needs root, loop devices and mkfs.ext4";

/// An empty ext4 file system.
fn make_image(image: &Path) -> bool {
    is_root()
        && fs::File::create(image).and_then(|file| file.set_len(64 << 20)).is_ok()
        && run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]).is_some()
}

#[derive(Clone, Copy, PartialEq)]
enum Before {
    Acknowledged,
    Closed,
}

/// Commits in a store inside `image`, then copies the image to `copy` at the moment of the last acknowledgement or of the
/// close.
fn commit_and_lose_power(image: &Path, copy: &Path, before: Before) -> Option<BTreeSet<u32>> {
    let mount = Mount::image(image)?;
    let mut other = OtherProcess::start(&mount.dir.join("a/store"), 50, &[]);
    other.wait_for("done");
    if before == Before::Closed {
        other.close();
    }
    fs::copy(image, copy).unwrap();
    // The file system must not be in use when it is unmounted.
    Some(other.kill())
}

/// Opens what the disk held, and says what was done with the index.
async fn check_after_restart(copy: &Path, acked: &BTreeSet<u32>) -> IndexRecovery {
    let mount = Mount::image(copy).unwrap();
    let dir = mount.dir.join("a/store");
    let (store, report) = Store::open(&dir).unwrap();
    println!("after the power failure: {report}");
    let count = assert_whole(&store, acked).await;
    assert_goes_on(&store, count).await;
    store.close().await;
    assert!(matches!(verify(&dir).unwrap().index, IndexCheck::Agrees { behind: 0, .. }));
    report.index
}

#[tokio::test]
async fn power_loss_loses_no_acknowledged_commit() {
    let home = tempfile::tempdir().unwrap();
    let (image, copy) = (home.path().join("image"), home.path().join("copy"));
    // A store that did not exist before: its directories' names must be durable too.
    let first = if make_image(&image) { commit_and_lose_power(&image, &copy, Before::Acknowledged) } else { None };
    let Some(mut acked) = first else {
        println!("{SKIPPED}");
        return;
    };
    assert_eq!(acked.len(), 400);
    // What the index lacks is applied again. Now and then the power fails while the database changes its own files, and it
    // says at its start that one is missing: then the index is built again from the journal, which lacks nothing.
    check_after_restart(&copy, &acked).await;

    // A store that was there already and goes on after a crash of its process.
    acked.extend(commit_and_lose_power(&image, &copy, Before::Acknowledged).unwrap());
    assert_eq!(acked.len(), 800);
    check_after_restart(&copy, &acked).await;

    // A store that was closed: its index is trusted, so it must be durable, and complete.
    acked.extend(commit_and_lose_power(&image, &copy, Before::Closed).unwrap());
    assert_eq!(acked.len(), 1200);
    assert_eq!(check_after_restart(&copy, &acked).await, IndexRecovery::Intact);
}

/// The power fails when a segment has just been begun: its header is there before its name is.
#[tokio::test]
async fn power_loss_at_a_new_segment() {
    let home = tempfile::tempdir().unwrap();
    let (image, copy) = (home.path().join("image"), home.path().join("copy"));
    let mount = if make_image(&image) { Mount::image(&image) } else { None };
    let Some(mount) = mount else {
        println!("{SKIPPED}");
        return;
    };
    let settings = [(PARK, "before-append:20"), (SEGMENT_BYTES, "1")];
    let mut other = OtherProcess::start(&mount.dir.join("a/store"), 50, &settings);
    other.wait_for("parked");
    fs::copy(&image, &copy).unwrap();
    let acked = other.kill();
    drop(mount);
    check_after_restart(&copy, &acked).await;
}

/// The power fails while proof parts are pruned: at each step, and right after the call has returned.
#[tokio::test]
async fn power_loss_while_pruning() {
    let places = FailPoint::PRUNING.map(|point| Some((point, format!("{}:2", point.name()))));
    for place in places.into_iter().chain([None]) {
        let home = tempfile::tempdir().unwrap();
        let (image, copy) = (home.path().join("image"), home.path().join("copy"));
        let mount = if make_image(&image) { Mount::image(&image) } else { None };
        let Some(mount) = mount else {
            println!("{SKIPPED}");
            return;
        };
        let dir = mount.dir.join("a/store");
        let mut settings = vec![(PRUNE, "1"), (SEGMENT_BYTES, "4000")];
        settings.extend(place.iter().map(|(_, place)| (PARK, place.as_str())));
        let mut other = OtherProcess::start(&dir, 20, &settings);
        other.wait_for(if place.is_some() { "parked" } else { "done" });
        fs::copy(&image, &copy).unwrap();
        let acked = other.kill();
        drop(mount);
        assert_eq!(acked.len(), 160);

        let mount = Mount::image(&copy).unwrap();
        let dir = mount.dir.join("a/store");
        fs::remove_dir_all(dir.join("index")).unwrap();
        let store = Store::open(&dir).unwrap().0;
        // A call that returned has taken them away for good. One that did not has lost nothing but what it was to prune.
        let sure = if place.is_none() { 100 } else { 0 };
        assert_whole_but_for_proofs(&store, &acked, sure, 160).await;
        let report = store.prune_proofs(PAYMENTS, u64::MAX).await.unwrap();
        assert!(report.pruned_below > 100, "{report:?}");
        assert_eq!(report.proofs == 0, place.is_none(), "{place:?}: {report:?}");
        let pruned_below = report.pruned_below;
        assert_eq!(assert_whole_but_for_proofs(&store, &acked, pruned_below, pruned_below).await, 160);
        assert_goes_on(&store, 160).await;
        store.close().await;
        assert!(matches!(verify(&dir).unwrap().index, IndexCheck::Agrees { behind: 0, .. }));
    }
}

/// A record that was written but not synchronised when its process was killed is there for the next process. Once that one
/// shows it, it must not be lost any more.
#[tokio::test]
async fn power_loss_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let (image, copy) = (home.path().join("image"), home.path().join("copy"));
    let mount = if make_image(&image) { Mount::image(&image) } else { None };
    let Some(mount) = mount else {
        println!("{SKIPPED}");
        return;
    };
    let dir = mount.dir.join("a/store");
    let mut other = OtherProcess::start(&dir, 50, &[(PARK, "after-append-before-sync:12")]);
    other.wait_for("parked");
    let acked = other.kill();
    let (store, report) = Store::open(&dir).unwrap();
    fs::copy(&image, &copy).unwrap();
    let shown = assert_whole(&store, &acked).await;
    assert_eq!(report.last_record, 12);
    store.close().await;
    drop(mount);
    check_after_restart(&copy, &(0..shown).collect()).await;
}
