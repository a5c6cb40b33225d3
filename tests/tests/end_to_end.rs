//! The demo is a test: the whole main job over real servers.
#![allow(clippy::unwrap_used, missing_docs)]

use farthing_tests::demo;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_main_job_is_done_and_every_step_verified() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("demo");
    demo::clear(&path).unwrap();
    let mut out = Vec::new();
    let cluster = demo::run(&path, &mut out).await.unwrap();
    demo::print_commands(&cluster, &path, &mut out).unwrap();
    cluster.stop().await.unwrap();
    let text = String::from_utf8(out).unwrap();
    let verified: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("ok ")).collect();
    assert_eq!(verified, demo::VERIFIED);

    // A second run takes the place of the first; a directory with something else in it is left alone.
    demo::clear(&path).unwrap();
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
    std::fs::remove_file(path.join(".farthing-demo")).unwrap();
    std::fs::write(path.join("diary.txt"), "mine").unwrap();
    assert!(demo::clear(&path).is_err());
    assert_eq!(std::fs::read_to_string(path.join("diary.txt")).unwrap(), "mine");
}
