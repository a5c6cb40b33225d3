//! Redemptions: an account at the issuer, its cap, and exactly one credit.

use std::{sync::Arc, time::Duration};

use farthing_ecash::account::{AccountKey, AccountOpening};
use farthing_proto::v1::ErrorReason;
use farthing_redeemer::ledger::PAYMENTS;
use farthing_store::Space;
use tonic::Code;

use crate::{
    issuer::{Books, PATIENCE},
    wallet::Wallet,
    world::{Running, World},
};

/// A wallet with an account of the class "person".
fn account_holder(world: &World) -> Wallet {
    let wallet = Wallet::new("alice@bank.example");
    let account = AccountKey::of(&wallet.keys).to_bytes().to_vec();
    world.books.accounts.lock().unwrap().insert(account, 1);
    wallet
}

async fn outbox(running: &Running) -> usize {
    running.handles.store.scan(Space("outbox"), &[], 100).await.unwrap().len()
}

#[tokio::test]
async fn money_goes_back_to_the_account_once() {
    let world = World::new().await;
    let running = world.start().await;
    let facts = running.facts().await;
    let alice = account_holder(&world);
    let coin = world.mint().coin(&alice.keys, 1_000);
    let (redeem, opening) = alice.redeem(&facts, &coin, 300);
    let bytes = redeem.as_bytes();
    let first = running.submit_bytes(bytes, &opening.to_bytes()).await.unwrap();
    let answer = farthing_ecash::credential::issue::Answer::from_bytes(redeem.core(), &first.answer).unwrap();
    let change = farthing_ecash::redeem::finish(redeem.core(), &answer, &facts.key, &alice.keys).unwrap();
    assert_eq!(change.attributes().value().get(), 700);

    let account = AccountKey::of(&alice.keys).to_bytes().to_vec();
    world.books.wait_until(|books| books.credited() == [(account.clone(), 300)]).await;
    // Again: the same answer, and no second credit.
    assert_eq!(running.submit_bytes(bytes, &opening.to_bytes()).await.unwrap(), first);
    let (second, opening) = alice.redeem(&facts, &change, 200);
    running.submit_bytes(second.as_bytes(), &opening.to_bytes()).await.unwrap();
    world.books.wait_until(|books| books.credited().len() == 2).await;
    assert_eq!(world.books.credited().iter().map(|(_, amount)| amount).sum::<u64>(), 500);
    assert_eq!(*world.books.look_ups.lock().unwrap(), 1, "an account that is known is not looked up again");
    running.stop().await;
}

#[tokio::test]
async fn the_cap_of_the_day_holds_under_parallel_requests() {
    let world = World::new().await;
    let running = Arc::new(world.start().await);
    let facts = running.facts().await;
    let alice = account_holder(&world);
    // Eight times 1.00 into a cap of 5.00.
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (redeem, opening) = alice.redeem(&facts, &world.mint().coin(&alice.keys, 100), 100);
        let running = running.clone();
        tasks.spawn(async move { running.submit_bytes(redeem.as_bytes(), &opening.to_bytes()).await });
    }
    let results = tasks.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 5);
    for refused in results.into_iter().filter_map(Result::err) {
        assert_eq!((refused.code, refused.reason), (Code::FailedPrecondition, ErrorReason::CapExceeded));
        assert_eq!((refused.metadata["cap"].as_str(), refused.number("left")), ("redeem_per_day", Some(0)));
    }
    let coin = world.mint().coin(&alice.keys, 500);
    let (redeem, opening) = alice.redeem(&facts, &coin, 1);
    assert!(running.submit_bytes(redeem.as_bytes(), &opening.to_bytes()).await.is_err());

    // A new day, a new cap; the coin that was refused is still good.
    running.pass(Duration::from_secs(86_400)).await;
    let facts = running.facts().await;
    let (redeem, opening) = alice.redeem(&facts, &coin, 500);
    running.submit_bytes(redeem.as_bytes(), &opening.to_bytes()).await.unwrap();
    world.books.wait_until(|books| books.credited().len() == 6).await;
    Arc::into_inner(running).unwrap().stop().await;
}

#[tokio::test]
async fn accounts_that_are_unknown_or_of_others_are_refused() {
    let world = World::new().await;
    let running = world.start().await;
    let facts = running.facts().await;
    let (alice, stranger) = (account_holder(&world), Wallet::new("stranger@bank.example"));
    let coin = world.mint().coin(&stranger.keys, 100);
    let (redeem, opening) = stranger.redeem(&facts, &coin, 100);
    let refused = running.submit_bytes(redeem.as_bytes(), &opening.to_bytes()).await.unwrap_err();
    assert_eq!((refused.code, refused.reason), (Code::NotFound, ErrorReason::AccountUnknown));
    // Somebody else's account, or no private part.
    let mut others = opening.to_bytes();
    others[..32].copy_from_slice(&AccountKey::of(&alice.keys).to_bytes());
    AccountOpening::from_bytes(&others).unwrap();
    let refused = running.submit_bytes(redeem.as_bytes(), &others).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::ProofInvalid);
    let refused = running.submit(&redeem).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::MalformedRequest);

    // The coin is not lost.
    let account = AccountKey::of(&stranger.keys).to_bytes().to_vec();
    world.books.accounts.lock().unwrap().insert(account, 2);
    running.submit_bytes(redeem.as_bytes(), &opening.to_bytes()).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn without_the_issuer_nothing_is_spent() {
    let mut world = World::new().await;
    let alice = account_holder(&world);
    world.stop_issuer().await;
    let running = world.start().await;
    let facts = running.facts().await;
    let (redeem, opening) = alice.redeem(&facts, &world.mint().coin(&alice.keys, 100), 100);
    let refused = running.submit_bytes(redeem.as_bytes(), &opening.to_bytes()).await.unwrap_err();
    assert_eq!((refused.code, refused.reason), (Code::Unavailable, ErrorReason::PeerUnreachable));
    assert_eq!(refused.metadata["peer"], "issuer");
    assert!(refused.is_transient());
    assert_eq!(running.handles.store.log_size(PAYMENTS).await.unwrap(), 2);
    world.start_issuer().await;
    running.submit_bytes(redeem.as_bytes(), &opening.to_bytes()).await.unwrap();
    world.books.wait_until(|books| books.credited().len() == 1).await;
    running.stop().await;
}

#[tokio::test]
async fn a_credit_whose_answer_is_lost_is_delivered_again_and_booked_once() {
    let mut world = World::new().await;
    let running = world.start().await;
    let facts = running.facts().await;
    let alice = account_holder(&world);
    *world.books.answers_to_lose.lock().unwrap() = 3;
    let (redeem, opening) = alice.redeem(&facts, &world.mint().coin(&alice.keys, 100), 100);
    running.submit_bytes(redeem.as_bytes(), &opening.to_bytes()).await.unwrap();
    let delivered = |times| move |books: &Books| books.deliveries.lock().unwrap().values().any(|n| *n >= times);
    world.books.wait_until(delivered(4)).await;
    assert_eq!(world.books.credited().len(), 1);

    // One that is still owed when the redeemer stops is delivered after the next start.
    world.stop_issuer().await;
    let (redeem, opening) = alice.redeem(&facts, &world.mint().coin(&alice.keys, 200), 200);
    running.submit_bytes(redeem.as_bytes(), &opening.to_bytes()).await.unwrap();
    assert!(outbox(&running).await >= 1);
    running.stop().await;
    world.start_issuer().await;
    let running = world.start().await;
    world.books.wait_until(|books| books.credited().len() == 2).await;
    assert_eq!(world.books.credited().iter().map(|(_, amount)| amount).sum::<u64>(), 300);
    running.stop().await;
    // What was confirmed is owed no more.
    let running = world.start().await;
    let emptied = async {
        while outbox(&running).await > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, emptied).await.expect("a confirmed record stays in the outbox");
    assert_eq!(world.books.credited().len(), 2);
    running.stop().await;
}
