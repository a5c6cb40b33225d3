//! Notes in parts, split by their payee.

use farthing_ecash::{amount::Amount, calendar::Day, claim, split, transaction::Header};
use farthing_proto::v1::ErrorReason;
use tonic::Code;

use crate::{
    mint::{Mint, TODAY},
    money::{paid_note, validity},
    wallet::{Facts, Wallet, rng},
    world::World,
};

/// Where the day stands in a transaction.
const DAY: std::ops::Range<usize> = 35..39;

#[tokio::test]
async fn a_note_above_the_cap_is_split_and_claimed_in_parts() {
    let world = World::new().await;
    let running = world.start().await;
    let facts = running.facts().await;
    let bob = Wallet::new("bob@bank.example");
    let state = world.mint().state(&bob.keys, &bob.identity, 1, validity());
    let note = paid_note(&world, &running, &bob, 1_300).await;
    assert!(claim::request(&facts.header, &bob.keys, [&note], &state, facts.rule(1), &mut rng()).is_err());

    let split = bob.split(&facts, &note, 1_000, &state);
    let accepted = running.submit(&split).await.unwrap();
    assert_eq!(running.submit(&split).await.unwrap(), accepted, "a retry gets the recorded answer");
    let parts = bob.parts(&facts, &split, &accepted.answer);
    // They expire as if they had been paid today.
    assert!(parts.iter().all(|part| part.attributes().expiry() == facts.expiry()));
    let [first, rest] = parts;
    // The state was shown and not consumed: the claim consumes it.
    let claim = bob.claim(&facts, &[first], &state);
    let answer = running.submit(&claim).await.unwrap().answer;
    let (coin, state) = bob.claimed(&facts, &claim, &answer, &state);
    assert_eq!(coin.attributes().value().get(), 1_000);
    assert!(claim::request(&facts.header, &bob.keys, [&rest], &state, facts.rule(1), &mut rng()).is_err());

    // The note is gone, for a claim and for another split.
    let other = world.mint().state(&bob.keys, &bob.identity, 2, validity());
    for again in [bob.claim(&facts, std::slice::from_ref(&note), &other), bob.split(&facts, &note, 1, &other)] {
        let refused = running.submit(&again).await.unwrap_err();
        assert_eq!((refused.code, refused.reason), (Code::AlreadyExists, ErrorReason::AlreadySpent));
        assert_eq!(refused.number("log_index"), Some(accepted.log_index));
    }

    running.pass(std::time::Duration::from_secs(86_400)).await;
    let facts = running.facts().await;
    let claim = bob.claim(&facts, &[rest], &state);
    let answer = running.submit(&claim).await.unwrap().answer;
    let (coin, state) = bob.claimed(&facts, &claim, &answer, &state);
    assert_eq!((coin.attributes().value().get(), state.attributes().received_on(facts.header.day).get()), (300, 300));
    running.stop().await;
}

#[tokio::test]
async fn a_split_shows_a_state_that_is_valid_under_a_key_that_is_exchanged() {
    let mut world = World::new().await;
    let currency = world.mint().key().public().currency().clone();
    // One is not paid with any more but exchanged for long, the other was exchanged until yesterday.
    let old = Mint::new(&currency, TODAY - 300, TODAY - 100);
    let gone = Mint::new(&currency, TODAY - 3_000, TODAY - 2_001);
    let bob = Wallet::new("bob@bank.example");
    let [of_old, of_gone] = [&old, &gone].map(|mint| mint.state(&bob.keys, &bob.identity, 1, validity()));
    let over = world.mint().state(&bob.keys, &bob.identity, 1, Day::new(TODAY - 20).month());
    world.mints.extend([old, gone]);
    let running = world.start().await;
    let facts = running.facts().await;
    let note = paid_note(&world, &running, &bob, 500).await;

    let refused = running.submit(&bob.split(&facts, &note, 200, &of_gone)).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::KeyExpired);

    // Only a wallet that lies about its day can show a state that is over.
    let header = Header { day: Day::new(TODAY - 20), ..facts.header };
    let lie = split::request(&header, &facts.policy, &bob.keys, &note, Amount::new(200), &over, &mut rng());
    let mut forged = lie.unwrap().as_bytes().to_vec();
    forged[DAY].copy_from_slice(&TODAY.to_le_bytes());
    let refused = running.submit_bytes(&forged, &[]).await.unwrap_err();
    assert_eq!((refused.reason, refused.number("logical_day")), (ErrorReason::PeriodMoved, Some(TODAY.into())));

    // Of another epoch, and with a proof that does not hold.
    let header = Header { epoch: facts.header.epoch + 1, ..facts.header };
    let other = Facts { header, ..running.facts().await };
    let refused = running.submit(&bob.split(&other, &note, 200, &of_old)).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::PolicyMoved);
    let split = bob.split(&facts, &note, 200, &of_old);
    let mut forged = split.as_bytes().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let refused = running.submit_bytes(&forged, &[]).await.unwrap_err();
    assert_eq!((refused.code, refused.reason), (Code::InvalidArgument, ErrorReason::ProofInvalid));
    // A private part where there is none.
    let refused = running.submit_bytes(split.as_bytes(), &[1]).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::MalformedRequest);

    running.submit(&split).await.unwrap();
    running.stop().await;
}

/// Whose payment it is decides the note, not who asks: somebody else's state does not split it.
#[tokio::test]
async fn a_note_is_split_by_its_payee_only() {
    let world = World::new().await;
    let running = world.start().await;
    let facts = running.facts().await;
    let (bob, eve) = (Wallet::new("bob@bank.example"), Wallet::new("eve@bank.example"));
    let note = paid_note(&world, &running, &bob, 500).await;
    let state = world.mint().state(&eve.keys, &eve.identity, 1, validity());
    let first = Amount::new(200);
    let built = split::request(&facts.header, &facts.policy, &eve.keys, &note, first, &state, &mut rng());
    assert!(built.is_err());
    running.stop().await;
}
