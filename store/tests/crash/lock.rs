//! One process per store.

use farthing_store::{Store, StoreError, rebuild, verify};

use crate::child::OtherProcess;

#[test]
fn second_instance_refused() {
    let home = tempfile::tempdir().unwrap();
    let mut other = OtherProcess::start(home.path(), 1, &[]);
    other.wait_for("open");
    let is_named = |error: StoreError| {
        assert!(error.to_string().contains(&format!("process {}", other.id())), "{error}");
        matches!(error, StoreError::Locked { pid: Some(pid), .. } if pid == other.id())
    };
    assert!(is_named(Store::open(home.path()).unwrap_err()));
    assert!(is_named(verify(home.path()).unwrap_err()));
    assert!(is_named(rebuild(home.path()).unwrap_err()));

    // The lock ends with the process, however it ends.
    other.kill();
    let (store, _) = Store::open(home.path()).unwrap();
    let error = Store::open(home.path()).unwrap_err();
    assert!(matches!(error, StoreError::Locked { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
    let clone = store.clone();
    drop(store);
    assert!(matches!(Store::open(home.path()), Err(StoreError::Locked { .. })), "a clone still holds it");
    drop(clone);
    drop(Store::open(home.path()).unwrap());
}
