//! What is refused, and with what reason.

use farthing_ecash::{
    amount::Amount,
    calendar::Day,
    claim,
    policy::{PolicyBody, PolicyHash, PolicyTerms},
    register,
    statement::Statement,
    transaction::{Header, Transaction},
    withdraw,
};
use farthing_proto::v1::ErrorReason;
use farthing_service::{server::REQUEST_BYTES_MAX, status::Failure};
use tonic::Code;

use crate::{
    mint::{Mint, TODAY},
    money::{paid_note, validity},
    wallet::{Facts, Wallet, rng},
    world::{Running, World},
};

/// Where the epoch and the policy hash stand in a transaction.
const EPOCH: std::ops::Range<usize> = 39..43;
const POLICY: std::ops::Range<usize> = 43..75;

struct Payment {
    world: World,
    running: Running,
    alice: Wallet,
    bob: Wallet,
}

impl Payment {
    async fn new() -> Self {
        let world = World::new().await;
        let running = world.start().await;
        Self { world, running, alice: Wallet::new("alice@bank.example"), bob: Wallet::new("bob@bank.example") }
    }

    /// Alice's payment of 1.00 under facts that a test has changed.
    fn pay(&self, facts: &Facts) -> Transaction {
        self.alice.pay(facts, &self.world.mint().coin(&self.alice.keys, 1_000), &self.bob, 100)
    }

    async fn refusal(&self, facts: &Facts) -> Failure {
        self.running.submit(&self.pay(facts)).await.unwrap_err()
    }
}

/// The policy with other terms.
fn with_terms(policy: &PolicyBody, terms: PolicyTerms) -> PolicyBody {
    PolicyBody::new(terms, policy.rules().to_vec(), policy.file().to_vec()).unwrap()
}

#[tokio::test]
async fn another_day_epoch_policy_or_key_is_named() {
    let scene = Payment::new().await;
    let facts = || scene.running.facts();
    let right = facts().await;

    for day in [TODAY - 2, TODAY - 1, TODAY + 1, TODAY + 2, 0, u32::MAX] {
        let header = Header { day: Day::new(day), ..right.header };
        let refused = scene.refusal(&Facts { header, ..facts().await }).await;
        assert_eq!((refused.code, refused.reason), (Code::FailedPrecondition, ErrorReason::PeriodMoved));
        assert_eq!(refused.number("logical_day"), Some(TODAY.into()));
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let wrong_policies = [
        Header { epoch: right.header.epoch + 1, ..right.header },
        Header { epoch: 0, ..right.header },
        Header { policy: PolicyHash::new([7; 32]), ..right.header },
    ];
    for header in wrong_policies {
        let refused = scene.refusal(&Facts { header, ..facts().await }).await;
        assert_eq!((refused.code, refused.reason), (Code::FailedPrecondition, ErrorReason::PolicyMoved));
        assert_eq!(refused.number("epoch"), Some(1));
        assert_eq!(refused.metadata["policy_hash"], hex(right.header.policy.as_bytes()));
    }
    let stranger = Mint::new(right.key.currency(), TODAY - 1, TODAY + 1).key().public().id();
    let refused = scene.refusal(&Facts { header: Header { key: stranger, ..right.header }, ..facts().await }).await;
    assert_eq!((refused.code, refused.reason), (Code::FailedPrecondition, ErrorReason::KeyExpired));
    assert_eq!(refused.metadata["key_id"], hex(stranger.as_bytes()));
    // Nothing of this was held against the wallet.
    scene.running.submit(&scene.pay(&right)).await.unwrap();
    scene.running.stop().await;
}

#[tokio::test]
async fn inputs_of_unknown_keys_are_refused() {
    let scene = Payment::new().await;
    let facts = scene.running.facts().await;
    let stranger = Mint::new(facts.key.currency(), TODAY - 1, TODAY + 1);
    let coin = stranger.coin(&scene.alice.keys, 1_000);
    let refused = scene.running.submit(&scene.alice.pay(&facts, &coin, &scene.bob, 100)).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::KeyExpired);
    scene.running.stop().await;
}

#[tokio::test]
async fn fee_bucket_and_minimum_are_the_policys() {
    let scene = Payment::new().await;
    let right = scene.running.facts().await;
    let terms = *right.policy.terms();

    for fee in [0, 1, 3] {
        let policy = with_terms(&right.policy, PolicyTerms { fee: Amount::new(fee), ..terms });
        let refused = scene.refusal(&Facts { policy, ..scene.running.facts().await }).await;
        assert_eq!((refused.code, refused.reason), (Code::InvalidArgument, ErrorReason::MalformedRequest));
        assert!(refused.message.contains("fee"), "{}", refused.message);
    }
    // Wide enough that the payee's bucket is not 0.
    let policy = with_terms(&right.policy, PolicyTerms { bucket_bits: 32, ..terms });
    let refused = scene.refusal(&Facts { policy, ..scene.running.facts().await }).await;
    assert!(refused.message.contains("bucket"), "{}", refused.message);
    assert_eq!(refused.reason, ErrorReason::MalformedRequest);

    // A wallet that would pay less than the minimum proves it for another minimum.
    let policy = with_terms(&right.policy, PolicyTerms { minimum: Amount::new(1), ..terms });
    let facts = Facts { policy, ..scene.running.facts().await };
    let coin = scene.world.mint().coin(&scene.alice.keys, 1_000);
    let refused = scene.running.submit(&scene.alice.pay(&facts, &coin, &scene.bob, 9)).await.unwrap_err();
    assert_eq!((refused.code, refused.reason), (Code::InvalidArgument, ErrorReason::ProofInvalid));
    scene.running.submit(&scene.alice.pay(&right, &coin, &scene.bob, 10)).await.unwrap();
    scene.running.stop().await;
}

#[tokio::test]
async fn statements_for_the_issuer_are_refused() {
    let scene = Payment::new().await;
    let facts = scene.running.facts().await;
    let (key, day) = (facts.header.key, facts.header.day);
    let keys = &scene.alice.keys;
    let (withdrawal, opening) = withdraw::request(key, day, keys, Amount::new(1), 0, &mut rng()).unwrap();
    let (registration, _) = register::request(key, day, keys, &scene.alice.identity, &mut rng()).unwrap();
    let refused = scene.running.submit_bytes(withdrawal.as_bytes(), &opening.to_bytes()).await.unwrap_err();
    assert_eq!((refused.code, refused.reason), (Code::InvalidArgument, ErrorReason::MalformedRequest));
    let refused = scene.running.submit(&registration).await.unwrap_err();
    assert!(refused.message.contains("register is for the issuer"), "{}", refused.message);

    // The vectors of the second implementation hold one of each kind.
    let vectors = include_str!("../../../ecash/tests/vectors/reference.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
    for vector in vectors["transactions"].as_array().unwrap() {
        let hex = vector["request"].as_str().unwrap();
        let bytes: Vec<u8> =
            (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
        let statement = Transaction::from_bytes(&bytes).unwrap().core().statement();
        let refused = scene.running.submit_bytes(&bytes, &[]).await.unwrap_err();
        match statement {
            Statement::Register | Statement::Withdraw => assert_eq!(refused.reason, ErrorReason::MalformedRequest),
            // Another ledger's day.
            _ => assert_ne!(refused.reason, ErrorReason::MalformedRequest),
        }
    }
    scene.running.stop().await;
}

#[tokio::test]
async fn bytes_that_are_no_transaction_are_refused() {
    let scene = Payment::new().await;
    let facts = scene.running.facts().await;
    let bytes = scene.pay(&facts).as_bytes().to_vec();
    let mut extended = bytes.clone();
    extended.push(0);
    let mut other_statement = bytes.clone();
    other_statement[1] = 11;
    for wrong in [&[][..], &[1], &bytes[..bytes.len() - 1], &extended, &other_statement, &vec![0xff; 30_000]] {
        let refused = scene.running.submit_bytes(wrong, &[]).await.unwrap_err();
        assert_eq!((refused.code, refused.reason), (Code::InvalidArgument, ErrorReason::MalformedRequest));
    }
    let refused = scene.running.submit_bytes(&vec![0; REQUEST_BYTES_MAX + 1], &[]).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::MalformedRequest);
    // A private part where there is none.
    let refused = scene.running.submit_bytes(&bytes, &[1]).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::MalformedRequest);
    scene.running.submit_bytes(&bytes, &[]).await.unwrap();
    scene.running.stop().await;
}

#[tokio::test]
async fn a_claim_over_the_cap_cannot_be_built_and_an_older_rule_does_not_help() {
    let mut world = World::new().await;
    let generous =
        world.policy.replace(r#"per_day = "10.00", per_month = "15.00""#, r#"per_day = "99", per_month = "99""#);
    let strict = std::mem::replace(&mut world.policy, generous);
    let running = world.start().await;
    let bob = Wallet::new("bob@bank.example");
    let state = world.mint().state(&bob.keys, &bob.identity, 1, validity());
    let note = paid_note(&world, &running, &bob, 1_001).await;
    let before = running.facts().await;
    let claim = bob.claim(&before, std::slice::from_ref(&note), &state);
    running.stop().await;

    // Without a grace, in which the rule before would still be good.
    world.policy = strict.replace(r#"grace = "10m""#, r#"grace = "0s""#);
    assert_ne!(world.policy, strict);
    let running = world.start().await;
    let now = running.facts().await;
    assert_eq!((before.header.epoch, now.header.epoch), (1, 2));
    let too_much = claim::request(&now.header, &bob.keys, [&note], &state, now.rule(1), &mut rng());
    assert!(too_much.is_err());
    // The rules of other classes, and of the policy before, are not for this wallet.
    for rule in [now.rule(2), before.rule(1)] {
        assert!(claim::request(&now.header, &bob.keys, [&note], &state, rule, &mut rng()).is_err());
    }
    let refused = running.submit(&claim).await.unwrap_err();
    assert_eq!((refused.reason, refused.number("epoch")), (ErrorReason::PolicyMoved, Some(2)));
    let mut forged = claim.as_bytes().to_vec();
    forged[EPOCH].copy_from_slice(&now.header.epoch.to_le_bytes());
    forged[POLICY].copy_from_slice(now.header.policy.as_bytes());
    let refused = running.submit_bytes(&forged, &[]).await.unwrap_err();
    assert_eq!((refused.code, refused.reason), (Code::InvalidArgument, ErrorReason::ProofInvalid));
    running.stop().await;
}
