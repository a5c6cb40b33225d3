//! Days: midnight, the hour after it, clocks that are set.

use std::time::Duration;

use farthing_ecash::{calendar::Day, claim, transaction::Header};
use farthing_proto::v1::ErrorReason;
use farthing_redeemer::error::RunError;
use farthing_service::logical_day::DayError;

use crate::{
    mint::TODAY,
    money::{paid_note, validity},
    wallet::{Facts, Wallet, rng},
    world::{NOON, World},
};

/// Where the day stands in a transaction.
const DAY: std::ops::Range<usize> = 35..39;

/// From the beginning of the tests to midnight in Luxembourg.
const TO_MIDNIGHT: Duration = Duration::from_secs(11 * 3_600);

#[tokio::test]
async fn the_minute_round_midnight() {
    let world = World::new().await;
    let running = world.start().await;
    let alice = Wallet::new("alice@bank.example");
    let coin = || world.mint().coin(&alice.keys, 1_000);
    let swap = |facts: &Facts| alice.swap(facts, &[coin()], None);

    running.pass(TO_MIDNIGHT - Duration::from_secs(1)).await;
    let before = running.facts().await;
    assert_eq!(before.header.day.get(), TODAY);
    running.submit(&swap(&before)).await.unwrap();
    running.pass(Duration::from_secs(1)).await;
    let after = running.facts().await;
    assert_eq!(after.header.day.get(), TODAY + 1);
    // Built before midnight, sent after it.
    let accepted = swap(&before);
    let answer = running.submit(&accepted).await.unwrap();
    running.submit(&swap(&after)).await.unwrap();
    running.pass(Duration::from_secs(3_599)).await;
    running.submit(&swap(&before)).await.unwrap();
    running.pass(Duration::from_secs(1)).await;
    let refused = running.submit(&swap(&before)).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::PeriodMoved);
    assert_eq!(refused.number("logical_day"), Some((TODAY + 1).into()));
    // What was accepted keeps its answer, whatever the day.
    running.pass(Duration::from_secs(5 * 86_400)).await;
    assert_eq!(running.submit(&accepted).await.unwrap(), answer);
    running.stop().await;
}

#[tokio::test]
async fn a_day_that_came_does_not_come_back() {
    let world = World::new().await;
    let running = world.start().await;
    let bob = Wallet::new("bob@bank.example");
    let state = world.mint().state(&bob.keys, &bob.identity, 1, validity());
    running.pass(TO_MIDNIGHT).await;
    let facts = running.facts().await;
    let note = paid_note(&world, &running, &bob, 1_000).await;
    let claim = bob.claim(&facts, &[note], &state);
    let answer = running.submit(&claim).await.unwrap().answer;
    let (_, state) = bob.claimed(&facts, &claim, &answer, &state);

    // The cap of 10.00 is used up. A clock that goes back does not open the day before again.
    let note = paid_note(&world, &running, &bob, 100).await;
    world.clock.set(NOON);
    running.handles.day.advance().await.unwrap();
    let facts = running.facts().await;
    assert_eq!(facts.header.day.get(), TODAY + 1);
    let rule = facts.rule(1);
    let keys = &bob.keys;
    let request = |day| {
        let header = Header { day: Day::new(day), ..facts.header };
        claim::request(&header, keys, [&note], &state, rule, &mut rng())
    };
    assert!(request(TODAY + 1).is_err(), "over the cap");
    assert!(request(TODAY).is_err(), "the state's day is later");
    assert_eq!(running.submit(&request(TODAY + 2).unwrap()).await.unwrap_err().reason, ErrorReason::PeriodMoved);
    running.stop().await;

    // Nor does a restart; the first hour is over, since nobody knows how much of it is left.
    let running = world.start().await;
    assert_eq!(running.facts().await.header.day.get(), TODAY + 1);
    running.stop().await;
    // A clock that is far ahead waits for the operator.
    world.clock.set(NOON + 20 * 86_400);
    let refused = world.redeemer().await.err().unwrap();
    assert!(matches!(refused, RunError::Day(DayError::Jump { .. })), "{refused}");
}

#[tokio::test]
async fn a_wallet_state_is_good_to_the_end_of_its_validity() {
    let world = World::new().await;
    let running = world.start().await;
    let bob = Wallet::new("bob@bank.example");
    let facts = running.facts().await;
    let month = facts.header.day.month();
    let note = paid_note(&world, &running, &bob, 100).await;

    // Only a wallet that lies about its day can show a state that is over.
    let yesterday = Header { day: Day::new(TODAY - 20), ..facts.header };
    let over = world.mint().state(&bob.keys, &bob.identity, 1, yesterday.day.month());
    let claim = claim::request(&yesterday, &bob.keys, [&note], &over, facts.rule(1), &mut rng()).unwrap();
    let mut forged = claim.as_bytes().to_vec();
    forged[DAY].copy_from_slice(&TODAY.to_le_bytes());
    let refused = running.submit_bytes(&forged, &[]).await.unwrap_err();
    assert_eq!((refused.reason, refused.number("logical_day")), (ErrorReason::PeriodMoved, Some(TODAY.into())));
    let last = world.mint().state(&bob.keys, &bob.identity, 1, month);
    running.submit(&bob.claim(&facts, &[note], &last)).await.unwrap();
    running.stop().await;
}
