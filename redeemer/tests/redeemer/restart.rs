//! What a redeemer remembers.

use std::time::Duration;

use farthing_ecash::{account::AccountKey, credential::kinds::Kind};
use farthing_proto::v1::ErrorReason;
use farthing_redeemer::error::RunError;

use crate::{
    mint::{Mint, TODAY},
    money::validity,
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

/// Section 2: after `accept_until` a key's money is good for everything but Pay.
#[tokio::test]
async fn every_statement_but_pay_takes_what_payments_take_no_more() {
    let mut world = World::new().await;
    let currency = world.mint().key().public().currency().clone();
    // The old key signs for ten more days; payments take its money for thirty more.
    world.mints = vec![Mint::new(&currency, TODAY - 200, TODAY + 10), Mint::new(&currency, TODAY + 11, TODAY + 400)];
    let old = world.mint().key().public().id();
    let running = world.start().await;
    let (alice, bob) = (Wallet::new("alice@bank.example"), Wallet::new("bob@bank.example"));
    let account = AccountKey::of(&alice.keys).to_bytes().to_vec();
    world.books.accounts.lock().unwrap().insert(account, 1);
    let state = |wallet: &Wallet| world.mint().state(&wallet.keys, &wallet.identity, 1, validity());
    let (alices, bobs) = (state(&alice), state(&bob));
    let coin = || world.mint().coin(&alice.keys, 500);
    let before = running.facts().await;
    let mut notes = Vec::new();
    let mut refundable = None;
    for _ in 0..3 {
        let pay = alice.pay(&before, &coin(), &bob, 200);
        let answer = running.submit(&pay).await.unwrap().answer;
        notes.push(bob.note(&before, &pay, &answer));
        refundable = Some(alice.refundable(&before, &pay, &answer));
    }

    // 1 February: payments take the old key no more, and notes of November may go back.
    running.pass(Duration::from_secs(73 * 86_400)).await;
    let facts = running.facts().await;
    assert_ne!(facts.header.key, old);
    let refused = running.submit(&alice.pay(&facts, &coin(), &bob, 100)).await.unwrap_err();
    assert_eq!((refused.reason, refused.metadata["key_id"].clone()), (ErrorReason::KeyExpired, old.to_string()));
    let moves = [
        alice.swap(&facts, &[coin()], None),
        bob.split(&facts, &notes[0], 50, &bobs),
        bob.claim(&facts, &notes[1..2], &bobs),
        alice.refund(&facts, &refundable.unwrap(), &alices),
    ];
    for transaction in &moves {
        let mut keys = transaction.core().input_keys().filter(|(kind, _)| *kind != Kind::Rule);
        assert!(keys.all(|(_, key)| key == old));
        running.submit(transaction).await.unwrap();
    }
    let (redeem, opening) = alice.redeem(&facts, &coin(), 100);
    running.submit_bytes(redeem.as_bytes(), &opening.to_bytes()).await.unwrap();
    running.stop().await;
}
