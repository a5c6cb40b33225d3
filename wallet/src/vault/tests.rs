#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::*;

const PASSPHRASE: &str = "a passphrase of some length";
const SECRET: &[u8] = b"twenty-four words that nobody may read in a file";

fn id(number: u8) -> RecordId {
    RecordId([number; 16])
}

fn put(number: u8, text: &[u8]) -> Change {
    Change::Put(id(number), Zeroizing::new(text.to_vec()))
}

async fn contents(dir: &Path) -> Result<Vec<(RecordId, Vec<u8>)>, WalletError> {
    let (vault, records) = Vault::open(dir, PASSPHRASE).await?;
    vault.close().await;
    Ok(records.into_iter().map(|(id, plain)| (id, plain.to_vec())).collect())
}

/// A vault whose history has a put, a replacement and a deletion.
async fn vault(dir: &Path) -> Vec<(RecordId, Vec<u8>)> {
    let mut vault = Vault::create(dir, PASSPHRASE, vec![put(1, SECRET), put(2, b"old")]).await.unwrap();
    vault.commit(vec![put(2, b"new"), put(3, &[7; 5000])]).await.unwrap();
    vault
        .commit(vec![Change::Delete(id(3)), put(4, b"first"), put(5, b"x"), put(4, b""), Change::Delete(id(5))])
        .await
        .unwrap();
    vault.close().await;
    let expected = vec![(id(1), SECRET.to_vec()), (id(2), b"new".to_vec()), (id(4), Vec::new())];
    assert_eq!(contents(dir).await.unwrap(), expected);
    expected
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { assert!(fs::copy(&path, &target).is_ok()) }
    }
}

#[tokio::test]
async fn wallet_file_has_no_plaintext() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("wallet");
    vault(&dir).await;
    for path in files(&dir) {
        let bytes = fs::read(&path).unwrap();
        for needle in [SECRET, PASSPHRASE.as_bytes(), &[7; 64]] {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle), "{}", path.display());
        }
    }
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(dir.join(HEADER)).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(dir.join(STORE)).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_wrong_passphrase_is_told_from_damage() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("wallet");
    let expected = vault(&dir).await;
    assert!(matches!(Vault::open(&dir, "another").await, Err(WalletError::WrongPassphrase)));
    assert!(matches!(change_passphrase(&dir, "another", "x").await, Err(WalletError::WrongPassphrase)));
    assert!(matches!(change_passphrase(&dir, PASSPHRASE, "").await, Err(WalletError::EmptyPassphrase)));
    change_passphrase(&dir, PASSPHRASE, "another").await.unwrap();
    assert!(matches!(contents(&dir).await, Err(WalletError::WrongPassphrase)));
    change_passphrase(&dir, "another", PASSPHRASE).await.unwrap();
    assert_eq!(contents(&dir).await.unwrap(), expected);
    assert!(matches!(Vault::open(&home.path().join("none"), "x").await, Err(WalletError::NoWallet { .. })));
    assert!(matches!(Vault::create(&dir, "x", vec![]).await, Err(WalletError::WalletExists { .. })));
}

/// Every file, sampled bytes: either the damage is reported, or what it hit can be made again and the records are whole.
#[tokio::test]
async fn bitflip_any_byte_detected() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("wallet");
    let expected = vault(&dir).await;
    let mut refused = 0;
    for (turn, path) in files(&dir).into_iter().enumerate() {
        let length = fs::metadata(&path).unwrap().len();
        for sample in 0..6_u64 {
            let at = length * sample / 6 + (turn as u64 * 13 + sample * 7) % (length / 6).max(1);
            if at >= length {
                continue;
            }
            let trial = home.path().join(format!("{turn}-{sample}"));
            copy(&dir, &trial);
            let file = trial.join(path.strip_prefix(&dir).unwrap());
            let mut bytes = fs::read(&file).unwrap();
            bytes[usize::try_from(at).unwrap()] ^= 0x10;
            fs::write(&file, bytes).unwrap();
            match contents(&trial).await {
                Ok(records) => assert_eq!(records, expected, "{} byte {at}", path.display()),
                Err(_) => refused += 1,
            }
            fs::remove_dir_all(&trial).unwrap();
        }
    }
    assert!(refused >= 6, "at least every flip of the header is refused");
}

/// Changes the store behind the vault's back, as somebody with access to the disk could, with a valid journal.
async fn tamper(dir: &Path, change: impl FnOnce(Batch, Vec<(Vec<u8>, Vec<u8>)>) -> Batch) {
    let (store, _) = Store::open(&dir.join(STORE)).unwrap();
    let pairs = store.scan(RECORDS, &[], PAGE).await.unwrap();
    assert!(matches!(store.commit(change(Batch::new(), pairs)).await.unwrap(), Outcome::Applied { .. }));
    store.close().await;
}

#[tokio::test]
async fn record_swap_detected() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("wallet");
    vault(&dir).await;
    let swap = |batch: Batch, pairs: Vec<(Vec<u8>, Vec<u8>)>| {
        batch.put(RECORDS, pairs[0].0.clone(), pairs[1].1.clone()).put(RECORDS, pairs[1].0.clone(), pairs[0].1.clone())
    };
    tamper(&dir, swap).await;
    assert!(matches!(contents(&dir).await, Err(WalletError::Damaged { .. })));
}

#[tokio::test]
async fn record_replay_and_removal_detected() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("wallet");
    let mut vault = Vault::create(&dir, PASSPHRASE, vec![put(1, b"rich"), put(2, b"other")]).await.unwrap();
    let old = vault.store.get(RECORDS, &id(1).0).await.unwrap().unwrap();
    let old_manifest = vault.store.get(MANIFEST, MANIFEST_KEY).await.unwrap().unwrap();
    vault.commit(vec![put(1, b"poor")]).await.unwrap();
    vault.close().await;
    let untouched = home.path().join("untouched");
    copy(&dir, &untouched);

    tamper(&dir, |batch, _| batch.put(RECORDS, id(1).0, old.clone())).await;
    assert!(matches!(contents(&dir).await, Err(WalletError::Damaged { .. })), "an older version");

    for (name, change) in [
        ("removed", Batch::new().delete(RECORDS, id(2).0)),
        ("manifest replayed", Batch::new().put(MANIFEST, MANIFEST_KEY, old_manifest)),
        ("manifest removed", Batch::new().delete(MANIFEST, MANIFEST_KEY)),
        ("record added", Batch::new().put(RECORDS, id(9).0, old)),
        ("key of another length", Batch::new().put(RECORDS, [1], [1])),
    ] {
        let dir = home.path().join(name);
        copy(&untouched, &dir);
        tamper(&dir, |_, _| change).await;
        assert!(matches!(contents(&dir).await, Err(WalletError::Damaged { .. })), "{name}");
    }
}

#[tokio::test]
async fn second_instance_refused() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("wallet");
    let vault = Vault::create(&dir, PASSPHRASE, vec![]).await.unwrap();
    let Err(WalletError::InUse { pid }) = Vault::open(&dir, PASSPHRASE).await else { panic!("opened twice") };
    assert_eq!(pid, Some(std::process::id()));
    vault.close().await;
    assert!(contents(&dir).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_interrupted_creation_is_no_wallet_and_is_not_overwritten() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("wallet");
    vault(&dir).await;
    fs::remove_file(dir.join(HEADER)).unwrap();
    assert!(matches!(Vault::open(&dir, PASSPHRASE).await, Err(WalletError::NoWallet { .. })));
    assert!(matches!(Vault::create(&dir, PASSPHRASE, vec![]).await, Err(WalletError::Damaged { .. })));
}

/// Records of different kinds have the same size on the disk.
#[tokio::test]
async fn sizes_tell_only_a_class() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("wallet");
    let vault = Vault::create(&dir, PASSPHRASE, vec![put(1, b""), put(2, &[1; 1000])]).await.unwrap();
    let pairs = vault.store.scan(RECORDS, &[], PAGE).await.unwrap();
    assert_eq!(pairs[0].1.len(), pairs[1].1.len());
    vault.close().await;
}
