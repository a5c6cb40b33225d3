//! The ways of money, each once, and what a second time gives.

use std::time::Duration;

use farthing_ecash::{
    calendar::{Day, Month},
    credential::Credential,
    note::Note,
};
use farthing_proto::v1::ErrorReason;
use farthing_redeemer::ledger::PAYMENTS;
use tonic::Code;

use crate::{
    mint::TODAY,
    wallet::Wallet,
    world::{Running, World},
};

/// A month in which all tests are over.
pub(crate) fn validity() -> Month {
    Day::new(TODAY).month().plus(6)
}

/// A note for `payee`, paid by somebody.
pub(crate) async fn paid_note(world: &World, running: &Running, payee: &Wallet, amount: u64) -> Credential<Note> {
    let facts = running.facts().await;
    let payer = Wallet::new("payer@bank.example");
    let coin = world.mint().coin(&payer.keys, amount + facts.policy.terms().fee.get());
    let pay = payer.pay(&facts, &coin, payee, amount);
    let answer = running.submit(&pay).await.unwrap().answer;
    payee.note(&facts, &pay, &answer)
}

#[tokio::test]
async fn money_goes_round() {
    let world = World::new().await;
    let running = world.start().await;
    let facts = running.facts().await;
    let (alice, bob) = (Wallet::new("alice@bank.example"), Wallet::new("bob@bank.example"));

    // Alice pays 3.50 of 20.00; the fee is 0.02.
    let coin = world.mint().coin(&alice.keys, 2_000);
    let pay = alice.pay(&facts, &coin, &bob, 350);
    let paid = running.submit(&pay).await.unwrap();
    let change = alice.change(&facts, &pay, &paid.answer);
    assert_eq!(change.attributes().value().get(), 2_000 - 350 - 2);

    // Bob claims it, under the rule of his class.
    let note = bob.note(&facts, &pay, &paid.answer);
    assert_eq!(note.attributes().expiry(), facts.header.day.month().plus(2));
    let state = world.mint().state(&bob.keys, &bob.identity, 1, validity());
    let claim = bob.claim(&facts, &[note], &state);
    let claimed = running.submit(&claim).await.unwrap();
    let (received, state) = bob.claimed(&facts, &claim, &claimed.answer, &state);
    assert_eq!(received.attributes().value().get(), 350);
    assert_eq!(state.attributes().received_on(facts.header.day).get(), 350);

    // He splits the coin in two, and makes one of them again.
    let split = bob.swap(&facts, &[received], Some(100));
    let answer = running.submit(&split).await.unwrap().answer;
    let coins = bob.swapped(&facts, &split, &answer);
    let join = bob.swap(&facts, &coins, None);
    let answer = running.submit(&join).await.unwrap().answer;
    let joined = bob.swapped(&facts, &join, &answer);
    assert_eq!(joined[0].attributes().value().get(), 350);

    // And pays with it: a chained payment with received money.
    let back = bob.pay(&facts, &joined[0], &alice, 125);
    let answer = running.submit(&back).await.unwrap().answer;
    assert_eq!(alice.note(&facts, &back, &answer).attributes().value().get(), 125);
    running.stop().await;
}

#[tokio::test]
async fn the_same_bytes_get_the_same_answer_and_other_bytes_do_not_spend_again() {
    let world = World::new().await;
    let running = world.start().await;
    let facts = running.facts().await;
    let (alice, bob) = (Wallet::new("alice@bank.example"), Wallet::new("bob@bank.example"));
    let coin = world.mint().coin(&alice.keys, 1_000);
    let pay = alice.pay(&facts, &coin, &bob, 500);
    let first = running.submit(&pay).await.unwrap();
    assert_eq!(running.submit(&pay).await.unwrap(), first);
    // The answer is for the transaction, whatever proof comes with it.
    let mut other_proof = pay.as_bytes().to_vec();
    *other_proof.last_mut().unwrap() ^= 1;
    assert_eq!(running.submit_bytes(&other_proof, &[]).await.unwrap(), first);

    let again = alice.pay(&facts, &coin, &bob, 400);
    let refused = running.submit(&again).await.unwrap_err();
    assert_eq!((refused.code, refused.reason), (Code::AlreadyExists, ErrorReason::AlreadySpent));
    assert_eq!(refused.number("log_index"), Some(first.log_index));
    // The same coin in another kind of statement.
    let refused = running.submit(&alice.swap(&facts, &[coin], None)).await.unwrap_err();
    assert_eq!(refused.number("log_index"), Some(first.log_index));

    // A note, and a wallet state, too.
    let state = world.mint().state(&bob.keys, &bob.identity, 1, validity());
    let note = bob.note(&facts, &pay, &first.answer);
    let claim = bob.claim(&facts, std::slice::from_ref(&note), &state);
    let claimed = running.submit(&claim).await.unwrap();
    let other_state = world.mint().state(&bob.keys, &bob.identity, 1, validity());
    let refused = running.submit(&bob.claim(&facts, &[note], &other_state)).await.unwrap_err();
    assert_eq!((refused.reason, refused.number("log_index")), (ErrorReason::AlreadySpent, Some(claimed.log_index)));
    let other_note = paid_note(&world, &running, &bob, 100).await;
    let refused = running.submit(&bob.claim(&facts, &[other_note], &state)).await.unwrap_err();
    assert_eq!((refused.reason, refused.number("log_index")), (ErrorReason::AlreadySpent, Some(claimed.log_index)));
    running.stop().await;
}

#[tokio::test]
async fn a_dropped_request_is_carried_out_or_can_be_sent_again() {
    let world = World::new().await;
    let running = world.start().await;
    let facts = running.facts().await;
    let alice = Wallet::new("alice@bank.example");
    for delay_us in [0, 50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800] {
        let coin = world.mint().coin(&alice.keys, 1_000);
        let swap = alice.swap(&facts, &[coin], None);
        let request = running.submit(&swap);
        let dropped = tokio::time::timeout(Duration::from_micros(delay_us), request).await;
        let answer = running.submit(&swap).await.unwrap().answer;
        if let Ok(first) = dropped {
            assert_eq!(first.unwrap().answer, answer);
        }
        assert_eq!(alice.swapped(&facts, &swap, &answer)[0].attributes().value().get(), 1_000);
    }
    let log_size = running.handles.store.log_size(PAYMENTS).await.unwrap();
    assert_eq!(log_size, 2 + 10, "policy, rules, and one entry for each swap");
    running.stop().await;
}
