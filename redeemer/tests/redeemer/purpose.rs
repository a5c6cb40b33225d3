//! Money for a purpose, before a redeemer that nobody's wallet protects.

use farthing_ecash::{
    account::AccountKey,
    claim,
    coin::Coin,
    credential::{Credential, kinds::Kind},
    identity::Identity,
    note::Note,
    policy::{REFUND_ONLY, UNRESTRICTED},
    rule::Rule,
    statement::Statement,
    transaction::{Core, Transaction},
    wallet_state::WalletState,
};
use farthing_proto::v1::ErrorReason;
use farthing_service::status::Failure;

use crate::{
    money::validity,
    wallet::{Facts, Wallet, rng},
    world::{Running, World},
};

const MEAL: u32 = 7;
const BOOK: u32 = 8;
const PERSON: u32 = 1;
const GROCER: u32 = 3;

const PURPOSES: &str = r#"
[[class]]
number = 3
name = "grocer"
receive = { per_day = "unlimited", per_month = "unlimited" }
accepts = ["meal"]
[[purpose]]
number = 7
name = "meal"
becomes = "unrestricted"
[[purpose]]
number = 8
name = "book"
becomes = "book"
"#;

/// Where the purpose stands in the secret encoding of a coin or note, behind signature, value, owner and serial.
const PURPOSE_AT: usize = 168;
/// Where the class stands in that of a wallet state, behind the signature and four scalars.
const CLASS_AT: usize = 224;

struct Scene {
    world: World,
    running: Running,
    facts: Facts,
    payer: Wallet,
    payee: Wallet,
}

impl Scene {
    async fn new() -> Self {
        let mut world = World::new().await;
        world.policy.push_str(PURPOSES);
        let running = world.start().await;
        let facts = running.facts().await;
        let (payer, payee) = (Wallet::new("alice@bank.example"), Wallet::new("shop@grocer.example"));
        for wallet in [&payer, &payee] {
            world.books.accounts.lock().unwrap().insert(AccountKey::of(&wallet.keys).to_bytes().to_vec(), PERSON);
        }
        Self { world, running, facts, payer, payee }
    }

    /// A payment of 3.00 with money of a purpose, and what the payee finds.
    async fn paid(&self, purpose: u32) -> (Transaction, Credential<Note>) {
        self.paid_with(&self.world.mint().coin_for(purpose, &self.payer.keys, 1_000)).await
    }

    async fn paid_with(&self, coin: &Credential<Coin>) -> (Transaction, Credential<Note>) {
        let pay = self.payer.pay(&self.facts, coin, &self.payee, 300);
        let answer = self.running.submit(&pay).await.unwrap().answer;
        let note = self.payee.note(&self.facts, &pay, &answer);
        (pay, note)
    }

    fn state(&self, class: u32) -> Credential<WalletState> {
        let identity: &Identity = &self.payee.identity;
        self.world.mint().state(&self.payee.keys, identity, class, validity())
    }

    fn claim(&self, note: &Credential<Note>, state: &Credential<WalletState>, rule: &Credential<Rule>) -> Transaction {
        claim::request(&self.facts.header, &self.payee.keys, [note], state, rule, &mut rng()).unwrap()
    }

    async fn refused(&self, transaction: &Transaction) -> Failure {
        self.running.submit(transaction).await.unwrap_err()
    }
}

fn altered(mut bytes: Vec<u8>, at: usize, number: u32) -> Vec<u8> {
    bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// The coin as a liar has it, who says that it is of another purpose.
fn lied(coin: &Credential<Coin>, purpose: u32) -> Credential<Coin> {
    let lied = altered(coin.to_secret_bytes().to_vec(), PURPOSE_AT, purpose);
    let lied = Credential::<Coin>::from_secret_bytes(&lied).unwrap();
    assert_eq!(lied.attributes().purpose(), purpose);
    lied
}

#[tokio::test]
async fn restricted_money_is_not_redeemed() {
    let scene = Scene::new().await;
    let Scene { world, running, facts, payer, .. } = &scene;
    let coin = world.mint().coin_for(MEAL, &payer.keys, 1_000);
    let (redeem, opening) = payer.redeem(facts, &lied(&coin, UNRESTRICTED), 100);
    let refused = running.submit_bytes(redeem.as_bytes(), &opening.to_bytes()).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::ProofInvalid);
    // Nor does it lose its purpose on the way to another coin or note.
    for lie in [UNRESTRICTED, BOOK] {
        let swap = payer.swap(facts, &[lied(&coin, lie)], None);
        assert_eq!(scene.refused(&swap).await.reason, ErrorReason::ProofInvalid);
        let pay = payer.pay(facts, &lied(&coin, lie), &scene.payee, 300);
        assert_eq!(scene.refused(&pay).await.reason, ErrorReason::ProofInvalid);
    }
    // A lie in the other direction is one as well: the liar's own money is not taken for meals.
    let pay = payer.pay(facts, &lied(&world.mint().coin(&payer.keys, 1_000), MEAL), &scene.payee, 300);
    assert_eq!(scene.refused(&pay).await.reason, ErrorReason::ProofInvalid);
    // Nothing of all this spent the coin.
    let (_, note) = scene.paid_with(&coin).await;
    assert_eq!(note.attributes().purpose(), MEAL);
    scene.running.stop().await;
}

#[tokio::test]
async fn only_who_accepts_a_purpose_claims_it_and_holds_what_it_becomes() {
    let scene = Scene::new().await;
    let Scene { running, facts, payee, .. } = &scene;
    let (_, note) = scene.paid(MEAL).await;
    let person = scene.state(PERSON);

    // Rules of another class or for another purpose are not for this wallet and this note.
    for rule in [facts.rule_for(MEAL, GROCER), facts.rule(PERSON), facts.rule(GROCER)] {
        let built = claim::request(&facts.header, &payee.keys, [&note], &person, rule, &mut rng());
        assert!(built.is_err());
    }
    // A wallet that lies about its class, and one that lies about the note.
    let lied = altered(person.to_secret_bytes().to_vec(), CLASS_AT, GROCER);
    let lied = Credential::<WalletState>::from_secret_bytes(&lied).unwrap();
    assert_eq!(lied.attributes().class(), GROCER);
    let claim = scene.claim(&note, &lied, facts.rule_for(MEAL, GROCER));
    assert_eq!(scene.refused(&claim).await.reason, ErrorReason::ProofInvalid);
    let lied = altered(note.to_secret_bytes().to_vec(), PURPOSE_AT, UNRESTRICTED);
    let lied = Credential::<Note>::from_secret_bytes(&lied).unwrap();
    let claim = scene.claim(&lied, &person, facts.rule(PERSON));
    assert_eq!(scene.refused(&claim).await.reason, ErrorReason::ProofInvalid);

    // Who accepts it holds money for anything afterwards, and redeems it.
    let grocer = scene.state(GROCER);
    let claim = scene.claim(&note, &grocer, facts.rule_for(MEAL, GROCER));
    let answer = running.submit(&claim).await.unwrap().answer;
    let (coin, _) = payee.claimed(facts, &claim, &answer, &grocer);
    assert_eq!((coin.attributes().purpose(), coin.attributes().value().get()), (UNRESTRICTED, 300));
    let (redeem, opening) = payee.redeem(facts, &coin, 300);
    running.submit_bytes(redeem.as_bytes(), &opening.to_bytes()).await.unwrap();
    scene.running.stop().await;
}

/// A rule that is there for refunds lets anybody of its class claim, and what comes of it nobody takes.
#[tokio::test]
async fn what_is_claimed_under_a_refund_only_rule_is_worth_nothing() {
    let scene = Scene::new().await;
    let Scene { running, facts, payer, payee, .. } = &scene;
    let (_, note) = scene.paid(MEAL).await;
    let state = scene.state(PERSON);
    let claim = scene.claim(&note, &state, facts.rule_for(MEAL, PERSON));
    let answer = running.submit(&claim).await.unwrap().answer;
    let (coin, _) = payee.claimed(facts, &claim, &answer, &state);
    assert_eq!(coin.attributes().purpose(), REFUND_ONLY);
    // As money for anything it is refused.
    let (redeem, opening) = payee.redeem(facts, &lied(&coin, UNRESTRICTED), 300);
    let refused = running.submit_bytes(redeem.as_bytes(), &opening.to_bytes()).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::ProofInvalid);
    // It can be paid, to everybody's loss but the payee's: no rule is for it.
    let pay = payee.pay(facts, &coin, payer, 100);
    let answer = running.submit(&pay).await.unwrap().answer;
    let note = payer.note(facts, &pay, &answer);
    assert_eq!(note.attributes().purpose(), REFUND_ONLY);
    assert!(facts.rules.iter().all(|rule| rule.attributes().line.purpose != REFUND_ONLY));
    scene.running.stop().await;
}

/// All that a transaction shows besides what is uniform: counts, kinds, keys, lengths, public values.
fn shape(core: &Core, bytes: &[u8]) -> (Statement, usize, Vec<Kind>, u64, u64, u32) {
    let kinds = core.input_keys().map(|(kind, _)| kind).collect();
    let publics = core.publics();
    (core.statement(), bytes.len(), kinds, publics.amount, publics.fee, publics.purpose)
}

#[tokio::test]
async fn a_transaction_does_not_show_its_purpose() {
    let scene = Scene::new().await;
    let Scene { running, facts, payee, .. } = &scene;
    let mut pays = Vec::new();
    let mut claims = Vec::new();
    let mut swaps = Vec::new();
    for (purpose, class) in [(UNRESTRICTED, GROCER), (MEAL, GROCER), (UNRESTRICTED, PERSON)] {
        let (pay, note) = scene.paid(purpose).await;
        pays.push(shape(pay.core(), pay.as_bytes()));
        let state = scene.state(class);
        let claim = scene.claim(&note, &state, facts.rule_for(purpose, class));
        let answer = running.submit(&claim).await.unwrap().answer;
        claims.push((shape(claim.core(), claim.as_bytes()), answer.len()));
        let coin = scene.world.mint().coin_for(purpose, &payee.keys, 1_000);
        let swap = payee.swap(facts, &[coin], Some(100));
        let answer = running.submit(&swap).await.unwrap().answer;
        swaps.push((shape(swap.core(), swap.as_bytes()), answer.len()));
    }
    assert!(pays.iter().all(|pay| *pay == pays[0] && pay.5 == 0), "{pays:?}");
    assert!(claims.iter().all(|claim| *claim == claims[0]), "{claims:?}");
    assert!(swaps.iter().all(|swap| *swap == swaps[0]), "{swaps:?}");
    scene.running.stop().await;
}
