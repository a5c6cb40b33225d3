//! `store verify` and `store rebuild`: what a store says of itself while no server runs on it.

use std::path::Path;

use farthing_store::{IndexCheck, StoreError, VerifyReport};

/// Verifies a store: whether it is sound, and the report, one finding a line.
///
/// # Errors
/// [`StoreError`] names what is damaged, or who has the store open.
pub fn verify(dir: &Path) -> Result<(bool, String), StoreError> {
    let VerifyReport { segments, records, torn_tail, index, .. } = farthing_store::verify(dir)?;
    let mut report = format!("journal: {records} records in {segments} segments, none damaged\n");
    if torn_tail.is_some() {
        report.push_str("journal: the last record was never finished; the next start cuts it off\n");
    }
    let (is_sound, finding) = match index {
        IndexCheck::Agrees { keys, behind } => {
            (true, format!("{keys} keys agree, {behind} records are still to be added"))
        }
        IndexCheck::WillBeRebuilt { reason } => (true, format!("the next start rebuilds it: {reason}")),
        IndexCheck::Differs { keys } => (false, format!("{keys} keys differ from the journal: rebuild it")),
        _ => (false, "not known to this program".to_owned()),
    };
    report.push_str(&format!("index: {finding}\n"));
    Ok((is_sound, report))
}

/// Makes the index anew from the journal, and tells what was found there.
///
/// # Errors
/// As [`verify`].
pub fn rebuild(dir: &Path) -> Result<String, StoreError> {
    Ok(format!("{}\n", farthing_store::rebuild(dir)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use farthing_store::{Batch, Space, Store};

    use super::*;

    #[tokio::test]
    async fn a_sound_store_is_called_sound_and_a_running_one_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("store");
        let (store, _) = Store::open(&dir).unwrap();
        let _ = store.commit(Batch::new().put(Space("space"), "key", "value")).await.unwrap();
        assert!(matches!(verify(&dir), Err(StoreError::Locked { .. })));
        store.close().await;
        let (is_sound, report) = verify(&dir).unwrap();
        assert!(is_sound && report.contains("journal: 1 records"), "{report}");
        rebuild(&dir).unwrap();
        assert!(verify(&dir).unwrap().0);
    }
}
