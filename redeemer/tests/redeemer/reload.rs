//! The policy changes while the redeemer runs: what becomes of requests that were on their way, of wrong files, of restarts.

use std::{fs, time::Duration};

use farthing_ecash::{account::AccountKey, claim, error::ProveError};
use farthing_policy::Policy;
use farthing_proto::v1::ErrorReason;
use farthing_redeemer::{
    error::{RunError, SubmitError},
    ledger::PAYMENTS,
    policy::Replaced,
    reload::{POLICY_HEALTH, Reload},
};
use farthing_service::{
    key_files,
    watch::{Pace, read_standing},
};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::{
    mint::{Mint, TODAY},
    money::{paid_note, validity},
    race::signed,
    wallet::{Wallet, rng},
    world::{NOON, POLICY, Running, World},
};

/// The grace of the policy.
const GRACE: Duration = Duration::from_secs(600);

/// Within this everything that a test waits for has happened, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The policy with a higher fee and lower caps.
fn changed() -> String {
    POLICY.replace("\"0.02\"", "\"0.05\"").replace("\"10.00\"", "\"4.00\"").replace("\"5.00\"", "\"1.00\"")
}

impl Running {
    /// Replaces the policy without a file.
    async fn replace(&self, policy: &str) -> Result<Replaced, RunError> {
        self.handles.policy.replace(&self.handles.keys, Policy::parse(policy).unwrap()).await
    }

    async fn health(&self) -> ServingStatus {
        let request = HealthCheckRequest { service: POLICY_HEALTH.to_owned() };
        HealthClient::new(self.channel.clone()).check(request).await.unwrap().into_inner().status()
    }
}

/// Waits until something is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("not yet: {what}"));
}

/// A world whose redeemers look at `policy.toml` all the time.
async fn watched() -> World {
    let mut world = World::new().await;
    let home = world.home.path();
    let pace = Pace { every: Duration::from_millis(10), ..Pace::default() };
    let file = |name| home.join(name);
    let (policy, policy_status, keys, keys_status) =
        (file("policy.toml"), file("policy.status"), vec![file("keys")], file("keys.status"));
    world.reload = Some(Reload { policy, policy_status, keys, keys_status, pace });
    world.write(POLICY);
    world
}

impl World {
    fn write(&self, policy: &str) {
        fs::write(self.home.path().join("policy.toml"), policy).unwrap();
    }

    /// Puts the file of a key where the redeemer looks for keys.
    fn put_key(&self, name: &str, mint: &Mint) {
        let path = self.home.path().join("keys").join(name);
        key_files::write(&path, &mint.key()).unwrap();
    }

    /// What the operator is told of the policy, once these words are in it.
    async fn told(&self, words: &str) -> String {
        self.told_in("policy.status", words).await
    }

    /// The same of another file.
    async fn told_in(&self, file: &str, first: &str) -> String {
        let path = self.home.path().join(file);
        until(first, async || read_standing(&path).is_ok_and(|(_, text)| text.contains(first))).await;
        read_standing(&path).unwrap().1
    }
}

#[tokio::test]
async fn a_changed_file_is_in_force_without_a_restart() {
    let world = watched().await;
    let running = world.start().await;
    let before = running.facts().await;
    world.told("policy of epoch 1").await;
    world.write(&changed());
    until("epoch 2", async || running.get().await.epoch == 2).await;
    let after = running.facts().await;
    assert_eq!(after.policy.file(), changed().as_bytes());
    assert_eq!(after.rule(1).attributes().epoch, 2);
    assert!(world.told("policy of epoch 2").await.starts_with("in force\n"));
    // In the log: policy and rules, twice.
    assert_eq!(running.handles.store.log_size(PAYMENTS).await.unwrap(), 4);

    // Both are welcome, each at its own fee.
    let (alice, bob) = (Wallet::new("alice@bank.example"), Wallet::new("bob@bank.example"));
    for facts in [&before, &after] {
        let pay = alice.pay(facts, &world.mint().coin(&alice.keys, 1_000), &bob, 100);
        running.submit(&pay).await.unwrap();
    }
    running.pass(GRACE).await;
    let pay = alice.pay(&before, &world.mint().coin(&alice.keys, 1_000), &bob, 100);
    let refused = running.submit(&pay).await.unwrap_err();
    assert_eq!((refused.reason, refused.number("epoch")), (ErrorReason::PolicyMoved, Some(2)));
    running.stop().await;
}

#[tokio::test]
async fn a_wrong_file_never_takes_effect() {
    let world = watched().await;
    let running = world.start().await;
    world.told("policy of epoch 1").await;
    assert_eq!(running.health().await, ServingStatus::Serving);

    world.write(&changed().replace("minimum", "minimun"));
    let told = world.told("policy.toml:10:1: unknown key `minimun`").await;
    assert!(told.starts_with("not in force\nthe policy of epoch 1 stays\n"), "{told}");
    assert_eq!(running.health().await, ServingStatus::NotServing);
    fs::remove_file(world.home.path().join("policy.toml")).unwrap();
    world.told("cannot read").await;
    // What is right by itself but cannot follow.
    world.write(&changed().replace("Europe/Luxembourg", "UTC"));
    let told = world.told("Europe/Luxembourg becomes UTC").await;
    assert!(told.contains("hold on to the time zone"), "{told}");
    world.write(&changed().replace("exponent = 2", "exponent = 3"));
    world.told("it is part of every issuing key").await;
    assert_eq!(running.get().await.epoch, 1);

    // The right file again is no new epoch.
    world.write(POLICY);
    assert!(world.told("policy of epoch 1\n").await.starts_with("in force\n"));
    assert_eq!((running.get().await.epoch, running.health().await), (1, ServingStatus::Serving));
    assert_eq!(running.handles.store.log_size(PAYMENTS).await.unwrap(), 2);
    running.stop().await;
}

#[tokio::test]
async fn what_cannot_follow_stops_the_start_too() {
    let mut world = World::new().await;
    world.start().await.stop().await;
    world.policy = POLICY.replace("Europe/Luxembourg", "UTC");
    let refused = world.redeemer().await.err().unwrap();
    assert!(matches!(&refused, RunError::PolicyChange(why) if why.contains("time zone")), "{refused}");
    world.policy = POLICY.to_owned();
    let running = world.start().await;
    assert_eq!(running.get().await.epoch, 1);
    running.stop().await;
}

#[tokio::test]
async fn the_grace_outlives_restarts_and_is_not_renewed_by_them() {
    let mut world = World::new().await;
    let running = world.start().await;
    let before = running.facts().await;
    let alice = Wallet::new("alice@bank.example");
    let swap = || alice.swap(&before, &[world.mint().coin(&alice.keys, 1_000)], None);
    let swaps = [swap(), swap(), swap(), swap()];
    assert_eq!(running.replace(&changed()).await.unwrap(), Replaced::By { epoch: 2 });
    assert_eq!(running.replace(&changed()).await.unwrap(), Replaced::Same);
    world.policy = changed();
    running.pass(GRACE / 2).await;
    running.stop().await;

    let running = world.start().await;
    assert_eq!(running.get().await.epoch, 2);
    running.pass(GRACE / 2 - Duration::from_secs(1)).await;
    running.submit(&swaps[0]).await.unwrap();
    running.pass(Duration::from_secs(1)).await;
    assert_eq!(running.submit(&swaps[1]).await.unwrap_err().reason, ErrorReason::PolicyMoved);
    running.stop().await;

    // A clock that shows a moment before the change tells nothing: no grace is left.
    world.clock.set(NOON - 3_600);
    let running = world.start().await;
    assert_eq!(running.submit(&swaps[2]).await.unwrap_err().reason, ErrorReason::PolicyMoved);
    // What was accepted keeps its answer.
    running.submit(&swaps[0]).await.unwrap();
    running.stop().await;

    // The old file makes no old epoch: two restarts, and the number went up once.
    world.clock.set(NOON + 3_600);
    world.policy = POLICY.to_owned();
    for _ in 0..2 {
        let running = world.start().await;
        assert_eq!(running.get().await.epoch, 3);
        // Neither does it forgive what was built when it was in force the first time.
        assert_eq!(running.submit(&swaps[3]).await.unwrap_err().reason, ErrorReason::PolicyMoved);
        running.stop().await;
    }
}

/// Followers accept what was built for the newest policy or the one before, so nothing older may reach the log: not even what
/// was verified already.
#[tokio::test]
async fn nothing_older_than_the_policy_before_is_written() {
    let world = World::new().await;
    let running = world.start().await;
    let facts = running.facts().await;
    let alice = Wallet::new("alice@bank.example");
    let swap = || alice.swap(&facts, &[world.mint().coin(&alice.keys, 1_000)], None);
    let (first, second) = (signed(&world, &facts, swap()).await, signed(&world, &facts, swap()).await);
    let records = running.handles.acceptor.records().clone();
    running.replace(&changed()).await.unwrap();
    records.write(&first, None, None).await.unwrap();
    running.replace(POLICY).await.unwrap();
    let refused = records.write(&second, None, None).await.unwrap_err();
    assert!(matches!(refused, SubmitError::PolicyMoved { epoch: 3, .. }), "{refused}");
    assert_eq!(running.submit(&swap()).await.unwrap_err().reason, ErrorReason::PolicyMoved);
    running.stop().await;
}

#[tokio::test]
async fn a_lowered_cap_bites() {
    let world = World::new().await;
    let running = world.start().await;
    let before = running.facts().await;
    let bob = Wallet::new("bob@bank.example");
    world.books.accounts.lock().unwrap().insert(AccountKey::of(&bob.keys).to_bytes().to_vec(), 1);
    let state = world.mint().state(&bob.keys, &bob.identity, 1, validity());
    let notes = [paid_note(&world, &running, &bob, 300).await, paid_note(&world, &running, &bob, 300).await];
    running.replace(&changed()).await.unwrap();
    // What may be redeemed in a day falls at once: the redeemer sees account and amount.
    let (redeem, opening) = bob.redeem(&before, &world.mint().coin(&bob.keys, 200), 200);
    let refused = running.submit_bytes(redeem.as_bytes(), &opening.to_bytes()).await.unwrap_err();
    assert_eq!((refused.reason, refused.number("left")), (ErrorReason::CapExceeded, Some(100)));

    let after = running.facts().await;
    let over = claim::request(&after.header, &bob.keys, &notes, &state, after.rule(1), &mut rng());
    assert_eq!(over.err(), Some(ProveError::Amount));
    let claim = bob.claim(&after, &notes[..1], &state);
    let (_, state) = bob.claimed(&after, &claim, &running.submit(&claim).await.unwrap().answer, &state);
    // What was received before counts, and the old rule is worth nothing once the grace is over.
    let over = claim::request(&after.header, &bob.keys, &notes[1..], &state, after.rule(1), &mut rng());
    assert_eq!(over.err(), Some(ProveError::Amount));
    running.pass(GRACE).await;
    let old = bob.claim(&before, &notes[1..], &state);
    assert_eq!(running.submit(&old).await.unwrap_err().reason, ErrorReason::PolicyMoved);
    running.stop().await;
}

/// A key that comes while the redeemer runs: its rules are in the log before its first day, and on that day it signs.
#[tokio::test]
async fn a_new_key_is_taken_once_the_issuer_has_announced_it() {
    let world = watched().await;
    let first = world.mint();
    let second = Mint::new(first.key().public().currency(), TODAY + 2, TODAY + 400);
    let id = |mint: &Mint| mint.key().public().id();
    world.put_key("a.key", first);
    *world.books.announced.lock().unwrap() = vec![id(first)];
    let mut running = world.start().await;
    world.told_in("keys.status", "in use: 1").await;

    world.put_key("b.key", &second);
    let told = world.told_in("keys.status", "the issuer has not announced the key").await;
    assert!(told.starts_with("not in force\n"), "{told}");
    assert_eq!(running.get().await.rules.len(), 1);
    world.books.announced.lock().unwrap().push(id(&second));
    world.told_in("keys.status", "in use: 2").await;
    let published = running.get().await;
    assert_eq!((published.epoch, published.rules.len()), (1, 2));
    running.keys.push(second.key().public().clone());
    // The first one signs still.
    let before = running.facts().await;
    assert_eq!(before.header.key, id(first));
    let (alice, bob) = (Wallet::new("alice@bank.example"), Wallet::new("bob@bank.example"));
    let state = first.state(&bob.keys, &bob.identity, 1, validity());
    let note = paid_note(&world, &running, &bob, 100).await;

    running.pass(Duration::from_secs(2 * 86_400)).await;
    let after = running.facts().await;
    assert_eq!(after.header.key, id(&second));
    let late = alice.swap(&before, &[first.coin(&alice.keys, 500)], None);
    assert_eq!(running.submit(&late).await.unwrap_err().reason, ErrorReason::PeriodMoved);
    // Note and state of the first key become coin and state of the second, under its rules.
    let claim = bob.claim(&after, &[note], &state);
    let (coin, state) = bob.claimed(&after, &claim, &running.submit(&claim).await.unwrap().answer, &state);
    assert_eq!((coin.key(), state.key()), (id(&second), id(&second)));
    running.submit(&alice.pay(&after, &first.coin(&alice.keys, 500), &bob, 100)).await.unwrap();

    // A key under which money may come back is missed.
    fs::remove_file(world.home.path().join("keys/a.key")).unwrap();
    world.told_in("keys.status", "is gone, and money under it may still come back").await;
    running.submit(&alice.swap(&after, &[first.coin(&alice.keys, 500)], None)).await.unwrap();
    running.stop().await;
}

/// Followers would find rules under a key that nobody knows.
#[tokio::test]
async fn a_restart_without_the_issuer_takes_no_key_that_was_not_in_use_before() {
    let mut world = watched().await;
    world.put_key("a.key", world.mint());
    let id = |mint: &Mint| mint.key().public().id();
    *world.books.announced.lock().unwrap() = vec![id(world.mint())];
    world.start().await.stop().await;

    let second = Mint::new(world.mint().key().public().currency(), TODAY + 2, TODAY + 400);
    world.put_key("b.key", &second);
    let second_id = id(&second);
    world.mints.push(second);
    *world.books.is_silent.lock().unwrap() = true;
    let running = world.start().await;
    world.told_in("keys.status", "whether the new key is announced is not known").await;
    assert_eq!(running.get().await.rules.len(), 1);
    *world.books.is_silent.lock().unwrap() = false;
    world.books.announced.lock().unwrap().push(second_id);
    world.told_in("keys.status", "in use: 2").await;
    assert_eq!(running.get().await.rules.len(), 2);
    running.stop().await;
}
