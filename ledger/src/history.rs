//! All checkpoints that a log has signed. Followers need every one: each payments checkpoint shows by its `spent` lines that
//! the inputs since the one before it were under the published keys (docs/PROTOCOL.md section 9).

use farthing_store::{Batch, LogName, Space, Store, StoreError};

use crate::checkpoint::SignedCheckpoint;

/// Length and name of the log, size u64 big-endian → the note of a checkpoint.
const CHECKPOINTS: Space = Space("checkpoints");

fn key(log: LogName, size: u64) -> Vec<u8> {
    let name = log.0.as_bytes();
    [&[u8::try_from(name.len()).unwrap_or(u8::MAX)][..], name, &size.to_be_bytes()].concat()
}

/// Adds a checkpoint to a batch.
pub fn put(batch: Batch, log: LogName, checkpoint: &SignedCheckpoint) -> Batch {
    batch.put(CHECKPOINTS, key(log, checkpoint.head().size), checkpoint.note().to_string())
}

/// The notes of at most `limit` checkpoints of more than `above` entries, by ascending size.
///
/// # Errors
/// [`StoreError`].
pub async fn list(store: &Store, log: LogName, above: u64, limit: usize) -> Result<Vec<String>, StoreError> {
    let Some(from) = above.checked_add(1) else { return Ok(Vec::new()) };
    let (first, last) = (key(log, from), key(log, u64::MAX));
    let pairs = store.scan(CHECKPOINTS, &first, limit).await?;
    let of_log = pairs.into_iter().take_while(|(place, _)| *place <= last);
    Ok(of_log.filter_map(|(_, note)| String::from_utf8(note).ok()).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use getrandom::{SysRng, rand_core::UnwrapErr};

    use super::*;
    use crate::{checkpoint::Checkpoint, hash::Hash, key::LogSigner};

    #[tokio::test]
    async fn checkpoints_are_listed_by_size_and_by_log() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("store")).unwrap().0;
        let signer = LogSigner::generate("log.example", &mut UnwrapErr(SysRng)).unwrap();
        let signed = |size: u64| {
            let (origin, root) = ("log.example".to_owned(), Hash::leaf(&size.to_le_bytes()));
            Checkpoint { origin, size, root, issuance: None, spent: Vec::new() }.sign(&signer).unwrap()
        };
        let (log, other) = (LogName("log"), LogName("lot"));
        assert!(list(&store, log, 0, 9).await.unwrap().is_empty());
        for (log, size) in [(log, 300), (log, 2), (other, 5), (log, 70_000), (LogName("a"), 7)] {
            let _ = store.commit(put(Batch::new(), log, &signed(size))).await.unwrap();
        }
        let sizes = async |above, limit| {
            let notes = list(&store, log, above, limit).await.unwrap();
            let size = |note: &String| SignedCheckpoint::open(note, signer.verifier()).unwrap().head().size;
            notes.iter().map(size).collect::<Vec<_>>()
        };
        assert_eq!(sizes(0, 9).await, [2, 300, 70_000]);
        assert_eq!(sizes(0, 2).await, [2, 300]);
        assert_eq!(sizes(2, 9).await, [300, 70_000]);
        assert_eq!(sizes(69_999, 9).await, [70_000]);
        assert!(sizes(70_000, 9).await.is_empty());
        assert!(sizes(u64::MAX, 9).await.is_empty());
        assert_eq!(list(&store, other, 0, 9).await.unwrap().len(), 1);
    }
}
