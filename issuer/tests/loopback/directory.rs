//! The directory and its entries in the log.

use std::time::Duration;

use farthing_ecash::{
    entry::{DirectoryEntry, Entry, EntryKind},
    identity::Identity,
};
use farthing_issuer::BUCKET_ENTRIES_MAX;
use farthing_proto::v1::{
    ErrorReason, GetDirectoryBucketRequest, GetDirectoryBucketResponse, StreamEntriesRequest,
    stream_entries_response::Item,
};
use farthing_service::status::Failure;
use farthing_store::{Batch, Space};
use tokio_stream::StreamExt as _;

use crate::running::Running;

async fn bucket(issuer: &Running, prefix_bits: u32, prefix: u32) -> Result<GetDirectoryBucketResponse, Failure> {
    let request = GetDirectoryBucketRequest { prefix_bits, prefix };
    Ok(issuer.issuer().get_directory_bucket(request).await?.into_inner())
}

/// The directory entries of the log, until there are `count`.
async fn logged(issuer: &Running, count: usize) -> Vec<DirectoryEntry> {
    let request = StreamEntriesRequest { from_index: 0, bucket: None, follow: true, proofs: false };
    let mut stream = issuer.ledger().stream_entries(request).await.unwrap().into_inner();
    let mut found = Vec::new();
    while found.len() < count {
        let step = tokio::time::timeout(Duration::from_secs(30), stream.next()).await.unwrap();
        let Some(Item::Entry(entry)) = step.unwrap().unwrap().item else { continue };
        let read = Entry::from_bytes(&entry.entry).unwrap();
        if read.kind() == EntryKind::Directory {
            assert_eq!(entry.proof_hash, Vec::<u8>::new());
            found.push(DirectoryEntry::from_bytes(read.body()).unwrap());
        }
    }
    found
}

#[tokio::test]
async fn a_look_up_gives_all_entries_with_the_prefix() {
    let issuer = Running::start().await;
    let mut expected = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        let identity = format!("{name}@bank.example");
        let wallet = issuer.registered(&identity, "person", 0).await;
        let hash = Identity::parse(&identity).unwrap().pid().directory_hash().to_vec();
        expected.push((hash, wallet.keys.encryption_key().to_bytes().to_vec()));
    }
    expected.sort();
    let all = bucket(&issuer, 0, 0).await.unwrap();
    let entries = |answer: GetDirectoryBucketResponse| -> Vec<_> {
        answer.entries.into_iter().map(|entry| (entry.hash, entry.encryption_key)).collect()
    };
    assert_eq!(all.directory_size, 6);
    assert_eq!(entries(all), expected);
    for bits in [1, 3, 8, 31, 32] {
        let mut found = 0;
        for (hash, _) in &expected {
            let prefix = |hash: &[u8]| u32::from_be_bytes(hash[..4].try_into().unwrap()) >> (32 - bits);
            let wanted: Vec<_> = expected.iter().filter(|(other, _)| prefix(other) == prefix(hash)).cloned().collect();
            assert_eq!(entries(bucket(&issuer, bits, prefix(hash)).await.unwrap()), wanted);
            found += 1;
        }
        assert_eq!(found, 6);
    }
    for (bits, prefix) in [(33, 0), (u32::MAX, 0), (0, 1), (4, 16)] {
        assert_eq!(bucket(&issuer, bits, prefix).await.unwrap_err().reason, ErrorReason::MalformedRequest);
    }

    // Each of them comes into the log, once.
    let mut logged: Vec<_> = logged(&issuer, 6)
        .await
        .into_iter()
        .map(|entry| (entry.hash.to_vec(), entry.key.to_bytes().to_vec()))
        .collect();
    logged.sort();
    assert_eq!(logged, expected);
    let size = issuer.log_size().await;
    let issuer = issuer.restart().await;
    issuer.registered("g@bank.example", "person", 0).await;
    while issuer.log_size().await < size + 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(issuer.log_size().await, size + 2);
    assert_eq!(bucket(&issuer, 32, 0).await.unwrap().directory_size, 7);
    issuer.stop().await;
}

#[tokio::test]
async fn entries_that_wait_are_logged_in_the_order_of_their_hashes() {
    let issuer = Running::start().await;
    let key = issuer.registered("a@bank.example", "person", 0).await.keys.encryption_key().to_bytes();
    logged(&issuer, 1).await;
    // Twenty that wait, put there in one step as if as many had registered within one interval.
    let hashes: Vec<_> =
        (0..20).map(|n| Identity::parse(&format!("{n}@x.example")).unwrap().pid().directory_hash()).collect();
    let batch = hashes.iter().fold(Batch::new(), |batch, hash| {
        batch.put(Space("directory"), *hash, key).put(Space("directory-pending"), *hash, Vec::new())
    });
    let _ = issuer.handles.store.commit(batch).await.unwrap();
    let logged: Vec<_> = logged(&issuer, 21).await.into_iter().skip(1).map(|entry| entry.hash).collect();
    let mut sorted = hashes.clone();
    sorted.sort();
    assert_ne!(hashes, sorted);
    assert_eq!(logged, sorted);
    issuer.stop().await;
}

#[tokio::test]
async fn a_bucket_that_does_not_fit_says_how_to_ask() {
    let issuer = Running::start().await;
    let key = issuer.registered("a@bank.example", "person", 0).await.keys.encryption_key().to_bytes();
    let hash = |n: usize| Identity::parse(&format!("{n}@x.example")).unwrap().pid().directory_hash();
    for page in (0..BUCKET_ENTRIES_MAX).collect::<Vec<_>>().chunks(1_000) {
        let batch = page.iter().fold(Batch::new(), |batch, n| batch.put(Space("directory"), hash(*n), key));
        let _ = issuer.handles.store.commit(batch).await.unwrap();
    }
    let failure = bucket(&issuer, 0, 0).await.unwrap_err();
    assert_eq!(failure.reason, ErrorReason::MalformedRequest);
    let bits = failure.number("prefix_bits").and_then(|bits| u32::try_from(bits).ok()).unwrap();
    assert!(bits >= 1);
    let mut found = 0;
    for prefix in 0..1 << bits {
        found += bucket(&issuer, bits, prefix).await.unwrap().entries.len();
    }
    assert_eq!(found, BUCKET_ENTRIES_MAX + 1);
    issuer.stop().await;
}
