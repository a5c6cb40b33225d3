//! Batches: bad proofs among good ones, and more than can wait.

use std::{num::NonZeroUsize, sync::Arc};

use farthing_ecash::{keys::KeyRing, transaction::Transaction};
use farthing_proto::v1::ErrorReason;
use farthing_redeemer::{
    check::{Candidate, Verifier, VerifierSettings},
    error::SubmitError,
    keys::Keys,
};
use farthing_service::status::Failure;
use tokio::task::JoinSet;
use tonic::Status;

use crate::{
    mint::TODAY,
    wallet::{Facts, Wallet},
    world::World,
};

/// Swaps of coins of their own; those at the places in `bad` have a response changed.
fn swaps(world: &World, facts: &Facts, count: usize, bad: &[usize]) -> Vec<Vec<u8>> {
    let alice = Wallet::new("alice@bank.example");
    let swap = |place| {
        let swap = alice.swap(facts, &[world.mint().coin(&alice.keys, 1_000)], None);
        let mut bytes = swap.as_bytes().to_vec();
        if bad.contains(&place) {
            // The lowest byte of the last scalar: it stays canonical.
            let place = bytes.len() - 32;
            bytes[place] ^= 1;
        }
        bytes
    };
    (0..count).map(swap).collect()
}

fn candidates(world: &World, facts: &Facts, swaps: &[Vec<u8>]) -> Vec<Candidate> {
    let keys = KeyRing::new([world.mint().key()]);
    let candidate = |bytes: &Vec<u8>| {
        let transaction = Transaction::from_bytes(bytes).unwrap();
        let day = farthing_ecash::calendar::Day::new(TODAY);
        Candidate::new(transaction, facts.policy.terms(), &keys, day).unwrap()
    };
    swaps.iter().map(candidate).collect()
}

fn verifier(world: &World, waiting_max: u32) -> Verifier {
    let keys = Arc::new(Keys::new(KeyRing::new([world.mint().key()])));
    let settings = VerifierSettings { threads: NonZeroUsize::MIN, waiting_max, batch_max: 128 };
    Verifier::start(&keys, settings).unwrap()
}

/// Verifies all at once: every future is polled before the first is waited for.
async fn verify_all(verifier: &Arc<Verifier>, candidates: Vec<Candidate>) -> Vec<Result<(), SubmitError>> {
    let mut tasks = JoinSet::new();
    for (place, candidate) in candidates.into_iter().enumerate() {
        let verifier = verifier.clone();
        tasks.spawn(async move { (place, verifier.verify(candidate).await.map(drop)) });
    }
    let mut verdicts = tasks.join_all().await;
    verdicts.sort_by_key(|(place, _)| *place);
    verdicts.into_iter().map(|(_, verdict)| verdict).collect()
}

#[tokio::test]
async fn a_bad_proof_never_costs_a_good_one_its_place() {
    let world = World::new().await;
    let running = world.start().await;
    let facts = running.facts().await;
    let verifier = Arc::new(verifier(&world, 2_048));
    for bad in [&[][..], &[0], &[31], &[0, 1, 2], &[3, 17, 18, 30], &(0..32).collect::<Vec<_>>()] {
        let candidates = candidates(&world, &facts, &swaps(&world, &facts, 32, bad));
        for (place, verdict) in verify_all(&verifier, candidates).await.into_iter().enumerate() {
            match verdict {
                Ok(()) => assert!(!bad.contains(&place)),
                Err(SubmitError::ProofInvalid) => assert!(bad.contains(&place)),
                Err(other) => panic!("{other}"),
            }
        }
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_proofs_are_named_over_the_wire_and_good_ones_are_accepted() {
    let world = World::new().await;
    let running = Arc::new(world.start().await);
    let facts = running.facts().await;
    let bad = [2, 3, 11];
    let mut tasks = JoinSet::new();
    for (place, bytes) in swaps(&world, &facts, 24, &bad).into_iter().enumerate() {
        let running = running.clone();
        tasks.spawn(async move { (place, running.submit_bytes(&bytes, &[]).await) });
    }
    for (place, result) in tasks.join_all().await {
        match result {
            Ok(_) => assert!(!bad.contains(&place)),
            Err(refused) => {
                assert_eq!(refused.reason, ErrorReason::ProofInvalid);
                assert!(bad.contains(&place));
            }
        }
    }
    Arc::into_inner(running).unwrap().stop().await;
}

#[tokio::test]
async fn more_than_can_wait_is_refused_and_can_come_again() {
    let world = World::new().await;
    let running = world.start().await;
    let facts = running.facts().await;
    let swaps = swaps(&world, &facts, 300, &[]);
    // Room for 64 notes, and one thread. All 300 tasks of this one-threaded runtime are polled in a row, in a fraction of
    // the time that 236 verifications take.
    let verifier = Arc::new(verifier(&world, 0));
    let verdicts = verify_all(&verifier, candidates(&world, &facts, &swaps)).await;
    let refused: Vec<_> = verdicts.iter().enumerate().filter(|(_, verdict)| verdict.is_err()).collect();
    assert!(!refused.is_empty() && refused.len() <= 300 - 64, "{}", refused.len());
    assert!(refused.iter().all(|(_, verdict)| matches!(verdict, Err(SubmitError::Overloaded))));
    let again = candidates(&world, &facts, &swaps[refused[0].0..=refused[0].0]);
    assert!(verify_all(&verifier, again).await[0].is_ok());

    let told = Failure::from(Status::from(SubmitError::Overloaded));
    assert_eq!(told.reason, ErrorReason::Overloaded);
    assert!(told.is_transient() && told.retry_after.is_some());
    running.stop().await;
}
