//! Unclaimed notes go back to their payers, whole or in parts, after their month.

use std::{sync::Arc, time::Duration};

use farthing_ecash::{
    amount::Amount,
    calendar::Day,
    credential::{Credential, issue::Answer},
    note::Note,
    refund::{self, Refundable},
    split,
    transaction::{Header, Transaction},
    wallet_state::WalletState,
};
use farthing_proto::v1::{ErrorReason, SubmitTransactionResponse};
use farthing_service::status::Failure;
use tonic::Code;

use crate::{
    mint::{Mint, TODAY},
    money::validity,
    wallet::{Facts, Wallet, rng},
    world::{Running, World},
};

/// Where the day and a refund's or split's expiry stand in a transaction.
const DAY: std::ops::Range<usize> = 35..39;

/// From 20 November to 1 February: notes of November expire with January.
const TO_FEBRUARY: Duration = Duration::from_secs(73 * 86_400);

/// Alice has paid Bob.
struct Paid {
    world: World,
    running: Running,
    alice: Wallet,
    bob: Wallet,
    note: Credential<Note>,
    refundable: Refundable,
}

impl Paid {
    async fn new(amount: u64) -> Self {
        let world = World::new().await;
        let running = world.start().await;
        let (alice, bob) = (Wallet::new("alice@bank.example"), Wallet::new("bob@bank.example"));
        let (note, refundable) = pay(&world, &running, &alice, &bob, amount).await;
        Self { world, running, alice, bob, note, refundable }
    }

    fn state(&self, wallet: &Wallet) -> Credential<WalletState> {
        self.world.mint().state(&wallet.keys, &wallet.identity, 1, validity())
    }
}

/// The note of a payment, as its payee and as its payer hold it.
async fn pay(
    world: &World,
    running: &Running,
    payer: &Wallet,
    payee: &Wallet,
    amount: u64,
) -> (Credential<Note>, Refundable) {
    let facts = running.facts().await;
    let coin = world.mint().coin(&payer.keys, amount + facts.policy.terms().fee.get());
    let pay = payer.pay(&facts, &coin, payee, amount);
    let answer = running.submit(&pay).await.unwrap().answer;
    (payee.note(&facts, &pay, &answer), payer.refundable(&facts, &pay, &answer))
}

#[tokio::test]
async fn an_unclaimed_note_goes_back_after_its_month() {
    let paid = Paid::new(400).await;
    let (alice, bob, running) = (&paid.alice, &paid.bob, &paid.running);
    let state = paid.state(alice);
    // Up to the end of its month nobody takes it back: not even with a statement of a later day.
    running.pass(TO_FEBRUARY - Duration::from_secs(86_400)).await;
    let facts = running.facts().await;
    assert_eq!(facts.header.day.to_civil().1, 1);
    let request =
        |header: &Header| refund::request(header, &alice.keys, &paid.refundable, &state, facts.rule(1), &mut rng());
    assert!(request(&facts.header).is_err());
    let early = request(&Header { day: Day::new(facts.header.day.get() + 1), ..facts.header }).unwrap();
    assert_eq!(running.submit(&early).await.unwrap_err().reason, ErrorReason::PeriodMoved);
    let mut forged = early.as_bytes().to_vec();
    forged[DAY].copy_from_slice(&facts.header.day.get().to_le_bytes());
    assert_eq!(running.submit_bytes(&forged, &[]).await.unwrap_err().reason, ErrorReason::PeriodMoved);

    running.pass(Duration::from_secs(86_400)).await;
    let facts = running.facts().await;
    let refund = alice.refund(&facts, &paid.refundable, &state);
    let accepted = running.submit(&refund).await.unwrap();
    assert_eq!(running.submit(&refund).await.unwrap(), accepted, "a retry gets the recorded answer");
    let (coin, state) = alice.refunded(&facts, &refund, &accepted.answer, &state);
    assert_eq!(coin.attributes().value().get(), 400);
    assert_eq!(state.attributes().received_on(facts.header.day).get(), 400, "it counts as a receipt");

    // The payee is late, with a claim and with a split; and there is no second refund.
    let bobs = paid.state(bob);
    let late = bob.claim(&facts, std::slice::from_ref(&paid.note), &bobs);
    let split = bob.split(&facts, &paid.note, 100, &bobs);
    let again = alice.refund(&facts, &paid.refundable, &state);
    for transaction in [late, split, again] {
        let refused = running.submit(&transaction).await.unwrap_err();
        assert_eq!((refused.code, refused.reason), (Code::AlreadyExists, ErrorReason::AlreadySpent));
        assert_eq!(refused.number("log_index"), Some(accepted.log_index));
    }
    // And it is money.
    running.submit(&alice.pay(&facts, &coin, bob, 100)).await.unwrap();
    paid.running.stop().await;
}

#[tokio::test]
async fn what_the_payee_has_claimed_or_split_does_not_go_back() {
    let paid = Paid::new(300).await;
    let (world, running, alice, bob) = (&paid.world, &paid.running, &paid.alice, &paid.bob);
    let facts = running.facts().await;
    let bobs = paid.state(bob);
    let split = running.submit(&bob.split(&facts, &paid.note, 100, &bobs)).await.unwrap();
    let (note, other) = pay(world, running, alice, bob, 300).await;
    let claim = running.submit(&bob.claim(&facts, &[note], &bobs)).await.unwrap();

    running.pass(TO_FEBRUARY).await;
    let facts = running.facts().await;
    let state = paid.state(alice);
    for (refundable, spent_by) in [(&paid.refundable, &split), (&other, &claim)] {
        let refused = running.submit(&alice.refund(&facts, refundable, &state)).await.unwrap_err();
        assert_eq!(
            (refused.reason, refused.number("log_index")),
            (ErrorReason::AlreadySpent, Some(spent_by.log_index))
        );
    }
    paid.running.stop().await;
}

#[tokio::test]
async fn a_refund_above_the_cap_goes_back_in_parts() {
    let paid = Paid::new(1_400).await;
    let (alice, running) = (&paid.alice, &paid.running);
    let build = |facts: &Facts| {
        split::request_expired(&facts.header, &alice.keys, &paid.refundable, Amount::new(1_000), &mut rng())
    };
    let facts = running.facts().await;
    assert!(build(&facts).is_err(), "not before its month is over");
    let header = Header { day: Day::new(facts.header.day.get() + 73), ..facts.header };
    let mut forged = build(&Facts { header, ..running.facts().await }).unwrap().as_bytes().to_vec();
    forged[DAY].copy_from_slice(&TODAY.to_le_bytes());
    assert_eq!(running.submit_bytes(&forged, &[]).await.unwrap_err().reason, ErrorReason::PeriodMoved);

    running.pass(TO_FEBRUARY).await;
    let facts = running.facts().await;
    let state = paid.state(alice);
    let whole = refund::request(&facts.header, &alice.keys, &paid.refundable, &state, facts.rule(1), &mut rng());
    assert!(whole.is_err(), "over the cap of a day");
    let split = build(&facts).unwrap();
    let mut forged = split.as_bytes().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(running.submit_bytes(&forged, &[]).await.unwrap_err().reason, ErrorReason::ProofInvalid);
    let accepted = running.submit(&split).await.unwrap();
    let answer = Answer::from_bytes(split.core(), &accepted.answer).unwrap();
    let [first, rest] =
        split::finish_expired(split.core(), &answer, &facts.key, &alice.keys, &paid.refundable).unwrap();
    // They keep the month of the note: so they can be taken back at once.
    assert!([&first, &rest].iter().all(|part| part.is_expired(facts.header.day.month())));
    let late = paid.bob.claim(&facts, std::slice::from_ref(&small_note(&paid).await), &paid.state(&paid.bob));
    running.submit(&late).await.unwrap();

    let refund = alice.refund(&facts, &first, &state);
    let answer = running.submit(&refund).await.unwrap().answer;
    let (_, state) = alice.refunded(&facts, &refund, &answer, &state);
    running.pass(Duration::from_secs(86_400)).await;
    let facts = running.facts().await;
    let refund = alice.refund(&facts, &rest, &state);
    let answer = running.submit(&refund).await.unwrap().answer;
    let (coin, _) = alice.refunded(&facts, &refund, &answer, &state);
    assert_eq!(coin.attributes().value().get(), 400);
    paid.running.stop().await;
}

/// Another payment from Alice to Bob, of today.
async fn small_note(paid: &Paid) -> Credential<Note> {
    pay(&paid.world, &paid.running, &paid.alice, &paid.bob, 100).await.0
}

#[tokio::test]
async fn keys_and_proofs_of_refunds_are_checked() {
    let mut world = World::new().await;
    let currency = world.mint().key().public().currency().clone();
    let gone = Mint::new(&currency, TODAY - 3_000, TODAY - 2_001);
    let (alice, bob) = (Wallet::new("alice@bank.example"), Wallet::new("bob@bank.example"));
    let of_gone = gone.state(&alice.keys, &alice.identity, 1, validity());
    let state = world.mint().state(&alice.keys, &alice.identity, 1, validity());
    let over = world.mint().state(&alice.keys, &alice.identity, 1, Day::new(TODAY).month());
    world.mints.push(gone);
    let running = world.start().await;
    let (_, refundable) = pay(&world, &running, &alice, &bob, 300).await;
    running.pass(TO_FEBRUARY).await;
    let facts = running.facts().await;
    let refused = running.submit(&alice.refund(&facts, &refundable, &of_gone)).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::KeyExpired);
    let lapsed = refund::request(&facts.header, &alice.keys, &refundable, &over, facts.rule(1), &mut rng());
    assert!(lapsed.is_err(), "a registration that is over receives nothing");
    let other_class = refund::request(&facts.header, &alice.keys, &refundable, &state, facts.rule(2), &mut rng());
    assert!(other_class.is_err(), "nor under the rule of another class");

    let refund = alice.refund(&facts, &refundable, &state);
    let mut forged = refund.as_bytes().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let refused = running.submit_bytes(&forged, &[]).await.unwrap_err();
    assert_eq!((refused.code, refused.reason), (Code::InvalidArgument, ErrorReason::ProofInvalid));
    let refused = running.submit_bytes(refund.as_bytes(), &[1]).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::MalformedRequest);
    running.submit(&refund).await.unwrap();
    running.stop().await;
}

/// How often payee and payer race for one note.
const RACES: usize = 24;

type Outcome = Result<SubmitTransactionResponse, Failure>;

async fn race(running: &Arc<Running>, first: Transaction, second: Transaction) -> [Outcome; 2] {
    let [first, second] = [first, second].map(|transaction| {
        let running = running.clone();
        tokio::spawn(async move { running.submit(&transaction).await })
    });
    [first.await.unwrap(), second.await.unwrap()]
}

/// The payee claims or splits while the payer takes back: one of them has the money, the other learns which entry it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payee_and_payer_race_and_exactly_one_wins() {
    let world = World::new().await;
    let running = Arc::new(world.start().await);
    let mut notes = Vec::new();
    for _ in 0..RACES {
        let (alice, bob) = (Wallet::new("alice@bank.example"), Wallet::new("bob@bank.example"));
        let (note, refundable) = pay(&world, &running, &alice, &bob, 300).await;
        notes.push((alice, bob, note, refundable));
    }
    running.pass(TO_FEBRUARY).await;
    let facts = running.facts().await;
    for (number, (alice, bob, note, refundable)) in notes.into_iter().enumerate() {
        let [alices, bobs] =
            [&alice, &bob].map(|wallet| world.mint().state(&wallet.keys, &wallet.identity, 1, validity()));
        let refund = match number % 3 {
            0 => split::request_expired(&facts.header, &alice.keys, &refundable, Amount::new(100), &mut rng()).unwrap(),
            _ => alice.refund(&facts, &refundable, &alices),
        };
        let receipt = match number % 2 {
            0 => bob.claim(&facts, std::slice::from_ref(&note), &bobs),
            _ => bob.split(&facts, &note, 100, &bobs),
        };
        // Who knocks first is not who wins.
        let outcomes =
            if number % 4 < 2 { race(&running, refund, receipt).await } else { race(&running, receipt, refund).await };
        let (won, lost) = match outcomes {
            [Ok(won), Err(lost)] | [Err(lost), Ok(won)] => (won, lost),
            [one, other] => panic!("{:?} and {:?}", one.map(|it| it.log_index), other.map(|it| it.log_index)),
        };
        assert_eq!((lost.reason, lost.number("log_index")), (ErrorReason::AlreadySpent, Some(won.log_index)));
    }
    Arc::into_inner(running).unwrap().stop().await;
}
