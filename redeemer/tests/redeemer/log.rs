//! The payment log: what stands in it is what was accepted, in the form that followers hash.

use std::{sync::Arc, time::Duration};

use farthing_ecash::{
    calendar::Day,
    credential::issue::Answer,
    entry::{Entry, EntryKind, leaf_hash},
    policy::{PolicyBody, SignedRules},
    statement::Statement,
    transaction::Core,
};
use farthing_proto::v1::{
    BucketFilter, GetEntryRequest, GetLogSizeRequest, LogEntry, StreamEntriesRequest, stream_entries_response::Item,
};
use farthing_redeemer::ledger::PAYMENTS;
use tokio::task::JoinSet;

use crate::{
    mint::TODAY,
    money::{paid_note, validity},
    wallet::Wallet,
    world::{Running, World},
};

async fn entries(running: &Running, bucket: Option<BucketFilter>) -> Vec<LogEntry> {
    let request = StreamEntriesRequest { from_index: 0, bucket, follow: false, proofs: false };
    let mut stream = running.ledger().stream_entries(request).await.unwrap().into_inner();
    let mut entries = Vec::new();
    while let Some(step) = stream.message().await.unwrap() {
        match step.item.unwrap() {
            Item::Entry(entry) => entries.push(entry),
            Item::CaughtUpTo(_) => {}
        }
    }
    entries
}

#[tokio::test]
async fn entries_are_what_was_accepted() {
    let world = World::new().await;
    let running = world.start().await;
    let facts = running.facts().await;
    let bob = Wallet::new("bob@bank.example");
    let state = world.mint().state(&bob.keys, &bob.identity, 1, validity());
    let note = paid_note(&world, &running, &bob, 100).await;
    let claim = bob.claim(&facts, &[note], &state);
    let accepted = running.submit(&claim).await.unwrap();

    let size = running.ledger().get_log_size(GetLogSizeRequest {}).await.unwrap().into_inner();
    assert_eq!((size.origin.as_str(), size.size), ("redeemer.example/farthing/payments", 4));
    let all = entries(&running, None).await;
    let decoded: Vec<Entry> = all.iter().map(|entry| Entry::from_bytes(&entry.entry).unwrap()).collect();
    let kinds: Vec<EntryKind> = decoded.iter().map(Entry::kind).collect();
    let transactions = [Statement::Pay, Statement::Claim].map(EntryKind::Transaction);
    assert_eq!(kinds, [EntryKind::Policy, EntryKind::Rules, transactions[0], transactions[1]]);
    assert!(decoded.iter().all(|entry| entry.day() == Day::new(TODAY)));
    assert_eq!(PolicyBody::from_bytes(decoded[0].body()).unwrap(), facts.policy);
    assert_eq!(SignedRules::from_bytes(decoded[1].body()).unwrap().policy(), facts.header.policy);

    // Core, answer, and the proof part beside it.
    assert_eq!(accepted.log_index, 3);
    let entry = running.ledger().get_entry(GetEntryRequest { index: 3 }).await.unwrap().into_inner();
    assert_eq!(entry.proof, claim.proof_bytes());
    assert_eq!(entry.entry.unwrap().entry, all[3].entry);
    let (core, answer) = Core::from_prefix(decoded[3].body()).unwrap();
    assert_eq!((core.to_bytes().as_slice(), core.id()), (claim.core_bytes(), claim.id()));
    assert_eq!(answer, accepted.answer);
    Answer::from_bytes(&core, answer).unwrap();
    let expected = [&[4][..], &TODAY.to_le_bytes(), claim.core_bytes(), &accepted.answer].concat();
    assert_eq!(leaf_hash(&all[3].entry, Some(claim.proof_bytes())), leaf_hash(&expected, Some(&entry.proof)));
    let stored = running.handles.store.log_read(PAYMENTS, 3, 1).await.unwrap();
    assert_eq!(leaf_hash(&stored[0].entry, Some(&stored[0].proof)), leaf_hash(&expected, Some(&entry.proof)));
    running.stop().await;
}

#[tokio::test]
async fn a_payee_reads_its_bucket_only() {
    let mut world = World::new().await;
    world.policy = world.policy.replace("grace = \"10m\"", "grace = \"10m\"\nbucket_bits = 3");
    let running = world.start().await;
    let facts = running.facts().await;
    assert_eq!(facts.policy.terms().bucket_bits, 3);
    // Enough payees that their buckets differ.
    let payees: Vec<_> = (0..12).map(|n| Wallet::new(&format!("payee{n}@bank.example"))).collect();
    for payee in &payees {
        paid_note(&world, &running, payee, 100).await;
    }
    let mut sizes = Vec::new();
    for bucket in 0..8 {
        let found = entries(&running, Some(BucketFilter { bucket, bits: 3 })).await;
        let pays = found.iter().filter(|entry| entry.entry[0] == 3).count();
        assert_eq!(found.len() - pays, 2, "everything that is no payment is sent");
        assert_eq!(pays, payees.iter().filter(|payee| payee.identity.pid().bucket(3) == bucket).count());
        sizes.push(pays);
    }
    assert!(sizes.iter().filter(|size| **size > 0).count() > 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_of_entries_never_go_back() {
    let world = World::new().await;
    let running = Arc::new(world.start().await);
    let alice = Arc::new(Wallet::new("alice@bank.example"));
    let before = Arc::new(running.facts().await);
    // Writes of two tasks, while the day advances in between.
    let mut tasks = JoinSet::new();
    for _ in 0..2 {
        let (running, alice, facts) = (running.clone(), alice.clone(), before.clone());
        let coins: Vec<_> = (0..40).map(|_| world.mint().coin(&alice.keys, 1_000)).collect();
        tasks.spawn(async move {
            for coin in coins {
                running.submit(&alice.swap(&facts, &[coin], None)).await.unwrap();
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(30)).await;
    running.pass(Duration::from_secs(11 * 3_600)).await;
    tasks.join_all().await;
    let running = Arc::into_inner(running).unwrap();
    let days: Vec<_> =
        entries(&running, None).await.iter().map(|entry| Entry::from_bytes(&entry.entry).unwrap().day()).collect();
    assert_eq!(days.len(), 2 + 80);
    assert!(days.is_sorted());
    assert!(days.iter().all(|day| [TODAY, TODAY + 1].contains(&day.get())));
    running.stop().await;
}
