//! Races for one coin and for one wallet state, 10,000 times each.

use std::{num::NonZeroUsize, sync::Arc};

use farthing_ecash::{keys::KeyRing, transaction::Transaction};
use farthing_redeemer::{
    Handles,
    check::{Candidate, Signed, Verifier, VerifierSettings},
    error::SubmitError,
    keys::Keys,
    ledger::PAYMENTS,
};
use farthing_store::{Batch, Outcome, Space};
use tokio::task::JoinSet;

use crate::{
    money::{paid_note, validity},
    wallet::{Facts, Wallet},
    world::World,
};

const RACES: u64 = 10_000;

/// Chains of races that run side by side, so that the disk is synchronised once for many of them.
const CHAINS: u64 = 40;

/// Every race is the whole way of acceptance, for two swaps of one coin. The coin of the next race is the one that the
/// winner got, so exactly the winner's answer has to be good money.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_spends_of_one_coin_exactly_one_wins() {
    let world = World::new().await;
    let running = world.start().await;
    let facts = Arc::new(running.facts().await);
    let mut chains = JoinSet::new();
    for _ in 0..CHAINS {
        let alice = Wallet::new("alice@bank.example");
        let (mut coin, facts) = (world.mint().coin(&alice.keys, 1_000), facts.clone());
        let acceptor = running.handles.acceptor.clone();
        chains.spawn(async move {
            for _ in 0..RACES / CHAINS {
                let swaps = [(); 2].map(|()| alice.swap(&facts, std::slice::from_ref(&coin), None));
                let [first, second] = [&swaps[0], &swaps[1]].map(|swap| {
                    let (acceptor, bytes) = (acceptor.clone(), swap.as_bytes().to_vec());
                    tokio::spawn(async move { acceptor.submit(bytes, &[], None).await })
                });
                let (won, lost, winner) = match (first.await.unwrap(), second.await.unwrap()) {
                    (Ok(won), Err(lost)) => (won, lost, &swaps[0]),
                    (Err(lost), Ok(won)) => (won, lost, &swaps[1]),
                    (one, other) => panic!("{:?} and {:?}", one.map(|it| it.log_index), other.map(|it| it.log_index)),
                };
                let SubmitError::AlreadySpent { log_index } = lost else { panic!("{lost}") };
                assert_eq!(log_index, won.log_index);
                coin = alice.swapped(&facts, winner, &won.answer).remove(0);
            }
        });
    }
    chains.join_all().await;
    let entries = running.handles.store.log_size(PAYMENTS).await.unwrap();
    assert_eq!(entries, 2 + RACES, "policy, rules, and one entry for each race");
    running.stop().await;
}

/// Verifies and signs, so that what remains is the race itself.
pub(crate) async fn signed(world: &World, facts: &Facts, transaction: Transaction) -> Signed {
    let keys = KeyRing::new([world.mint().key()]);
    let candidate = Candidate::new(transaction, facts.policy.terms(), &keys, facts.header.day).unwrap();
    let settings = VerifierSettings { threads: NonZeroUsize::MIN, ..VerifierSettings::default() };
    Verifier::start(&Arc::new(Keys::new(keys)), settings).unwrap().verify(candidate).await.unwrap()
}

/// Makes the store forget two transactions, so that they can race again.
async fn forget(handles: &Handles, pair: &[Arc<Signed>; 2]) {
    let mut batch = Batch::new();
    for signed in pair {
        batch = batch.delete(Space("id"), *signed.verified.id().as_bytes());
        for nullifier in signed.verified.core().nullifiers() {
            batch = batch.delete(Space("nullifier"), *nullifier.as_bytes());
        }
    }
    assert!(matches!(handles.store.commit(batch).await.unwrap(), Outcome::Applied { .. }));
}

/// A claim takes a wallet tens of milliseconds, so here the races are those of the write alone: two claims that are verified
/// and signed, of different notes under one wallet state. After each race the store is made to forget it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_claims_under_one_wallet_state_exactly_one_wins() {
    let world = World::new().await;
    let running = world.start().await;
    let facts = running.facts().await;
    let mut pairs = Vec::new();
    for _ in 0..CHAINS {
        let bob = Wallet::new("bob@bank.example");
        let state = world.mint().state(&bob.keys, &bob.identity, 1, validity());
        let mut pair = Vec::new();
        for _ in 0..2 {
            let note = paid_note(&world, &running, &bob, 600).await;
            pair.push(Arc::new(signed(&world, &facts, bob.claim(&facts, &[note], &state)).await));
        }
        pairs.push([pair[0].clone(), pair[1].clone()]);
    }
    let mut chains = JoinSet::new();
    for pair in pairs {
        let handles = running.handles.clone();
        chains.spawn(async move {
            for _ in 0..RACES / CHAINS {
                let [first, second] = pair.clone().map(|signed| {
                    let records = handles.acceptor.records().clone();
                    tokio::spawn(async move { records.write(&signed, None, None).await })
                });
                match (first.await.unwrap(), second.await.unwrap()) {
                    (Ok(won), Err(SubmitError::AlreadySpent { log_index }))
                    | (Err(SubmitError::AlreadySpent { log_index }), Ok(won)) => assert_eq!(log_index, won.log_index),
                    _ => panic!("not exactly one won"),
                }
                forget(&handles, &pair).await;
            }
        });
    }
    chains.join_all().await;
    running.stop().await;
}

/// The same, from two copies of one wallet over the wire: 6.00 and 6.00 do not go through a cap of 10.00.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_copies_of_a_wallet_do_not_receive_more_than_its_cap() {
    let world = World::new().await;
    let running = Arc::new(world.start().await);
    let facts = running.facts().await;
    for _ in 0..10 {
        let bob = Wallet::new("bob@bank.example");
        let state = world.mint().state(&bob.keys, &bob.identity, 1, validity());
        let notes = [paid_note(&world, &running, &bob, 600).await, paid_note(&world, &running, &bob, 600).await];
        let claims = notes.map(|note| bob.claim(&facts, &[note], &state));
        let [first, second] = claims.map(|claim| {
            let running = running.clone();
            tokio::spawn(async move { running.submit(&claim).await })
        });
        let accepted = [first.await.unwrap(), second.await.unwrap()];
        assert_eq!(accepted.iter().filter(|result| result.is_ok()).count(), 1);
    }
    Arc::into_inner(running).unwrap().stop().await;
}

/// A wallet that loses patience sends the same bytes again while the first are under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_bytes_at_once_are_one_transaction() {
    let world = World::new().await;
    let running = world.start().await;
    let facts = running.facts().await;
    let alice = Wallet::new("alice@bank.example");
    for _ in 0..100 {
        let swap = alice.swap(&facts, &[world.mint().coin(&alice.keys, 1_000)], None);
        let [first, second] = [(); 2].map(|()| {
            let (acceptor, bytes) = (running.handles.acceptor.clone(), swap.as_bytes().to_vec());
            tokio::spawn(async move { acceptor.submit(bytes, &[], None).await })
        });
        assert_eq!(first.await.unwrap().unwrap(), second.await.unwrap().unwrap());
        // Also when the first is written just before the second looks its serials up.
        running.handles.acceptor.records().check_fresh(&swap).await.unwrap();
    }
    assert_eq!(running.handles.store.log_size(PAYMENTS).await.unwrap(), 2 + 100);
    running.stop().await;
}
