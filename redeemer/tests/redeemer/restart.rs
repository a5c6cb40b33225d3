//! What a redeemer remembers.

use farthing_proto::v1::ErrorReason;
use farthing_redeemer::error::RunError;

use crate::{
    mint::{Mint, TODAY},
    wallet::Wallet,
    world::World,
};

#[tokio::test]
async fn serials_answers_epoch_day_and_rules_are_kept() {
    let world = World::new().await;
    let running = world.start().await;
    let alice = Wallet::new("alice@bank.example");
    let facts = running.facts().await;
    let published = running.get().await;
    let coin = world.mint().coin(&alice.keys, 1_000);
    let (first, second) = (alice.swap(&facts, std::slice::from_ref(&coin), None), alice.swap(&facts, &[coin], Some(1)));
    let answer = running.submit(&first).await.unwrap();
    running.stop().await;

    let running = world.start().await;
    assert_eq!(running.get().await, published);
    assert_eq!(running.submit(&first).await.unwrap(), answer);
    let refused = running.submit(&second).await.unwrap_err();
    assert_eq!((refused.reason, refused.number("log_index")), (ErrorReason::AlreadySpent, Some(answer.log_index)));
    let coin = alice.swapped(&facts, &first, &answer.answer);
    running.submit(&alice.swap(&facts, &coin, None)).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn one_redeemer_runs_on_a_store() {
    let world = World::new().await;
    let running = world.start().await;
    let second = farthing_store::Store::open(&world.store_dir()).err().unwrap();
    assert!(second.to_string().contains(&format!("process {}", std::process::id())), "{second}");
    running.stop().await;
    world.start().await.stop().await;
}

#[tokio::test]
async fn a_new_key_takes_over_and_the_old_one_is_exchanged() {
    let mut world = World::new().await;
    let currency = world.mint().key().public().currency().clone();
    let alice = Wallet::new("alice@bank.example");
    let coin = world.mint().coin(&alice.keys, 1_000);
    let running = world.start().await;
    let before = running.facts().await;
    running.stop().await;

    // Its issuing period began later. The rules of the same epoch are published under it too.
    world.mints.push(Mint::new(&currency, TODAY - 1, TODAY + 200));
    let running = world.start().await;
    let after = running.facts().await;
    assert_eq!(after.header.epoch, before.header.epoch);
    assert_eq!(after.key, *world.mints[1].key().public());
    assert_eq!(running.get().await.rules.len(), 2);
    // Outputs are under the new key only; inputs may be under the old one.
    let refused = running.submit(&alice.swap(&before, std::slice::from_ref(&coin), None)).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::KeyExpired);
    let swap = alice.swap(&after, &[coin], None);
    let answer = running.submit(&swap).await.unwrap().answer;
    assert_eq!(alice.swapped(&after, &swap, &answer)[0].key(), after.header.key);
    running.stop().await;
}

#[tokio::test]
async fn an_old_key_pays_until_its_day_and_is_exchanged_for_long() {
    let mut world = World::new().await;
    let currency = world.mint().key().public().currency().clone();
    // Issued until yesterday a month ago: Pay takes it today for the last time.
    let old = Mint::new(&currency, TODAY - 200, TODAY - 30);
    let (alice, bob) = (Wallet::new("alice@bank.example"), Wallet::new("bob@bank.example"));
    let coin = |mint: &Mint| mint.coin(&alice.keys, 1_000);
    let (first, second, third) = (coin(&old), coin(&old), coin(&old));
    world.mints.push(old);
    let running = world.start().await;
    let facts = running.facts().await;
    running.submit(&alice.pay(&facts, &first, &bob, 100)).await.unwrap();

    running.pass(std::time::Duration::from_secs(86_400)).await;
    let facts = running.facts().await;
    let refused = running.submit(&alice.pay(&facts, &second, &bob, 100)).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::KeyExpired);
    let swap = alice.swap(&facts, &[second], None);
    let answer = running.submit(&swap).await.unwrap().answer;
    let rolled = alice.swapped(&facts, &swap, &answer);
    running.submit(&alice.pay(&facts, &rolled[0], &bob, 100)).await.unwrap();
    running.stop().await;

    // Years later it is over.
    world.clock.set(crate::world::NOON + 1_971 * 86_400);
    world.accepted_day = Some(TODAY + 1_971);
    assert!(matches!(world.redeemer().await.err().unwrap(), RunError::NoCurrentKey(_)));
    world.mints.push(Mint::new(&currency, TODAY + 1_900, TODAY + 2_100));
    let running = world.start().await;
    let facts = running.facts().await;
    let refused = running.submit(&alice.swap(&facts, &[third], None)).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::KeyExpired);
    running.stop().await;
}
