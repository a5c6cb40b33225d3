//! The generator of `tests/vectors/own.json`: what the second implementation's vectors leave out, in the same form and
//! with the same randomness every time. `FARTHING_WRITE_VECTORS=1 cargo test -p farthing-ecash own_vectors` writes the
//! file anew; without it the test says whether the file is what the code makes.
#![allow(clippy::unwrap_used)]

#[path = "../tests/town/town.rs"]
pub(crate) mod town;

use serde_json::{Value as Json, json};

use self::town::{CLASS, DAY_CAP, Dweller, FEE, MEALS, Sequence, TODAY, Town, line, payment, terms};
use crate::{
    amount::Amount,
    calendar::{Day, Month},
    claim,
    credential::issue::{Addition, Answer},
    entry::leaf_hash,
    params::NAMES,
    pay,
    policy::UNRESTRICTED,
    redeem,
    refund::{self, Refundable},
    register, renew, rule,
    seed::{Seed, WalletKeys},
    sigma::witness::Witness,
    spent::SpentProof,
    split, swap,
    transaction::{Draft, Transaction},
    withdraw,
};

const FILE: &str = "tests/vectors/own.json";
const ORIGIN: &str = "issuer.example/farthing";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What happened so far.
struct Record {
    town: Town,
    transactions: Vec<Json>,
}

impl Record {
    /// Proves a draft, has it answered, and writes it down.
    fn settle(&mut self, draft: Draft) -> (Transaction, Answer) {
        let witness = values(&draft.witness);
        let transaction = draft.prove(&mut self.town.rng).unwrap();
        let answer = self.town.answer(&transaction);
        let written = self.write(&transaction, &answer, &witness);
        self.transactions.push(written);
        (transaction, answer)
    }

    fn write(&self, transaction: &Transaction, answer: &Answer, witness: &[(String, String)]) -> Json {
        let (core, bound) = (transaction.core(), transaction.bound());
        let addition = self.town.addition(core);
        let added = match addition {
            Addition::None => json!({}),
            Addition::Registration { class, validity } => json!({ "class": class, "validity": validity.get() }),
            Addition::Expiry(expiry) => json!({ "expiry": expiry.get() }),
        };
        let mut entry = vec![core.statement().code()];
        entry.extend_from_slice(&core.header().day.get().to_le_bytes());
        entry.extend_from_slice(transaction.core_bytes());
        entry.extend_from_slice(&answer.to_bytes());
        let messages = |tape: Vec<crate::transcript::Message>| -> Json {
            let line = |message: &crate::transcript::Message| {
                json!([format!("{}{}", message.label, if message.challenge { " ->" } else { "" }), hex(&message.bytes)])
            };
            tape.iter().map(line).collect()
        };
        let names: Vec<_> = bound.relation.secrets.iter().map(ToString::to_string).collect();
        let used: serde_json::Map<_, _> = witness
            .iter()
            .filter(|(name, _)| names.contains(name))
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        json!({
            "statement": core.statement().name(),
            "request": hex(transaction.as_bytes()),
            "core_length": transaction.core_bytes().len(),
            "structure": hex(&bound.relation.structure()),
            "witnesses": names,
            "witness_values": used,
            "transcript": messages(transaction.transcript()),
            "id": hex(transaction.id().as_bytes()),
            "range_seed": hex(&bound.range_seed),
            "c": hex(transaction.challenge().as_bytes()),
            "added": added,
            "answer": hex(&answer.to_bytes()),
            "dleq_transcript": messages(answer.transcript(core, core.id(), addition, &self.town.key).unwrap()),
            "leaf": hex(&leaf_hash(&entry, Some(transaction.proof_bytes()))),
        })
    }

    fn register(&mut self, seed: [u8; 64], name: &str) -> Dweller {
        let keys = WalletKeys::new(&Seed::from_bytes(seed), ORIGIN);
        let identity = crate::identity::Identity::parse(name).unwrap();
        let (key, day) = (self.town.key.id(), self.town.day);
        let (draft, _, _) = register::draft(key, day, &keys, &identity, &mut self.town.rng);
        let (transaction, answer) = self.settle(draft);
        let state = register::finish(transaction.core(), &answer, &self.town.key, &keys, &identity).unwrap();
        Dweller { keys, identity, state }
    }
}

fn values(witness: &Witness) -> Vec<(String, String)> {
    witness.secrets().map(|name| (name.to_string(), hex(witness.get(name).unwrap().as_bytes()))).collect()
}

/// Changes that must be refused, as whole requests: `[name, request]`.
fn refusals(honest: &[Json]) -> Vec<Json> {
    let request = |statement: &str| {
        let of = honest.iter().rev().find(|vector| vector["statement"] == statement).unwrap();
        of["request"].as_str().unwrap().to_owned()
    };
    let with = |statement: &str, at: usize, change: fn(u8) -> u8| {
        let request = request(statement);
        let byte = u8::from_str_radix(&request[2 * at..2 * at + 2], 16).unwrap();
        format!("{}{:02x}{}", &request[..2 * at], change(byte), &request[2 * at + 2..])
    };
    vec![
        json!(["swap: another version", with("swap", 0, |byte| byte + 1)]),
        json!(["redeem: another day", with("redeem", 35, |byte| byte ^ 1)]),
        json!(["withdraw: an epoch", with("withdraw", 39, |byte| byte ^ 1)]),
        json!(["withdraw: an input", with("withdraw", 75, |byte| byte + 1)]),
        json!(["redeem: the amount", with("redeem", 85 + 3 * 160, |byte| byte ^ 1)]),
    ]
}

/// The whole file.
fn own_vectors() -> Json {
    // Two rules with counters and one without; bob's day is full after two claims.
    let rules = vec![
        line(CLASS, UNRESTRICTED, UNRESTRICTED, DAY_CAP, DAY_CAP + 7_000),
        line(CLASS, MEALS, UNRESTRICTED, DAY_CAP, DAY_CAP + 7_000),
        line(2, UNRESTRICTED, UNRESTRICTED, u64::MAX, u64::MAX),
    ];
    let mut record = Record { town: Town::with("farthing/v1/own vectors", terms(), rules), transactions: Vec::new() };
    let seeds = [[0xa1; 64], [0xb0; 64]];
    let alice = record.register(seeds[0], "alice@bank.example");
    let mut bob = record.register(seeds[1], "+35212345678");

    // A withdrawal for a purpose, and sixteen coins of which only the first is written down.
    let (key, day) = (record.town.key.id(), record.town.day);
    let amount = Amount::new(DAY_CAP + FEE);
    let (draft, _) = withdraw::draft(key, day, &alice.keys, amount, MEALS, &mut record.town.rng).unwrap();
    let (transaction, answer) = record.settle(draft);
    let meal = withdraw::finish(transaction.core(), &answer, &record.town.key, &alice.keys).unwrap();
    let coins: Vec<_> = (0..16).map(|n| record.town.withdraw(&alice, 1_000 + n)).collect();

    // Sixteen coins: paid, merged and split.
    let encryption_key = bob.keys.encryption_key();
    let header = record.town.header();
    let to_bob = payment(&bob, &encryption_key, 7_000);
    let policy = record.town.policy.clone();
    let draft = pay::draft(&header, &policy, &alice.keys, &coins, &to_bob, &mut record.town.rng).unwrap();
    let (paid, paid_answer) = record.settle(draft);
    for (coins, first) in [(&coins[..5], None), (&coins[..], Some(Amount::new(1)))] {
        let draft = swap::draft(&header, &alice.keys, coins, first, &mut record.town.rng).unwrap();
        record.settle(draft);
    }
    let (draft, _) =
        redeem::draft(&header, &alice.keys, &coins[..3], Amount::new(3_003), &mut record.town.rng).unwrap();
    record.settle(draft);

    // All of a day's cap for a purpose, without change; claimed to the last unit.
    let to_bob = payment(&bob, &encryption_key, DAY_CAP);
    let draft = pay::draft(&header, &policy, &alice.keys, [&meal], &to_bob, &mut record.town.rng).unwrap();
    let (meal, meal_answer) = record.settle(draft);
    let receive = |paid: &Transaction, answer: &Answer, town: &Town, bob: &Dweller| {
        let (expiry, pid) = (TODAY.month().plus(town.policy.terms().months), bob.identity.pid());
        crate::note::receive(paid.core(), answer, &town.key, expiry, &bob.keys, &pid).unwrap().note
    };
    let meal = receive(&meal, &meal_answer, &record.town, &bob);
    let other = receive(&paid, &paid_answer, &record.town, &bob);
    let many: Vec<_> = (0..64).map(|n| record.town.note(&alice, &bob, 100 + n)).collect();

    // The first receipt of all; one on the next day, up to the month's cap; 64 notes in the month after.
    let claims: [(Day, Vec<&_>, u32); 3] = [
        (TODAY, vec![&meal], MEALS),
        (Day::new(TODAY.get() + 1), vec![&other], UNRESTRICTED),
        (Day::from_civil(2026, 12, 1).unwrap(), many.iter().collect(), UNRESTRICTED),
    ];
    for (day, notes, purpose) in claims {
        record.town.day = day;
        let header = record.town.header();
        let mut rng = std::mem::replace(&mut record.town.rng, Sequence::new(""));
        let rule = record.town.rule(CLASS, purpose);
        let draft = claim::draft(&header, &bob.keys, notes, &bob.state, rule, &mut rng).unwrap();
        record.town.rng = rng;
        let (transaction, answer) = record.settle(draft);
        let old = bob.state.attributes();
        bob.state = claim::finish(transaction.core(), &answer, &record.town.key, &bob.keys, old).unwrap().1;
    }
    after_expiry(&mut record, alice, bob);
    let refused = refusals(&record.transactions);
    write_all(record, seeds, &refused)
}

/// A note split by its payee; then, when notes have expired, one split and one taken back by its payer, and a state
/// renewed.
fn after_expiry(record: &mut Record, alice: Dweller, mut bob: Dweller) {
    let town = &mut record.town;
    let note = town.note(&alice, &bob, 500);
    let (header, policy) = (town.header(), town.policy.clone());
    let first = Amount::new(499);
    let draft = split::draft(&header, &policy, &bob.keys, &note, first, &bob.state, &mut town.rng).unwrap();
    record.settle(draft);

    let encryption_key = bob.keys.encryption_key();
    let expiry = record.town.expiry();
    let mut pay = |value: u64, purpose| {
        let coin = record.town.withdraw_for(&alice, value + FEE, purpose);
        let to_bob = payment(&bob, &encryption_key, value);
        let draft = pay::draft(&header, &policy, &alice.keys, [&coin], &to_bob, &mut record.town.rng).unwrap();
        let (paid, answer) = record.settle(draft);
        Refundable::paid(paid.core(), &answer, &record.town.key, expiry, &alice.keys).unwrap()
    };
    let notes = [pay(300, UNRESTRICTED), pay(700, MEALS)];
    record.town.day = Day::from_civil(2027, 3, 1).unwrap();
    let header = record.town.header();
    let draft = split::draft_expired(&header, &alice.keys, &notes[0], Amount::new(1), &mut record.town.rng).unwrap();
    record.settle(draft);
    let rule = record.town.rule(CLASS, MEALS).clone();
    let draft = refund::draft(&header, &alice.keys, &notes[1], &alice.state, &rule, &mut record.town.rng).unwrap();
    record.settle(draft);

    let (nonce, grant) = record.town.grant(&bob, 2, Month::new(24_339));
    let draft = renew::draft(&header, &bob.keys, &bob.state, &nonce, &grant, 1_000_000, &mut record.town.rng).unwrap();
    let (renewed, answer) = record.settle(draft);
    let old = bob.state.attributes();
    bob.state = renew::finish(renewed.core(), &answer, &record.town.key, &bob.keys, old).unwrap();
    assert_eq!(bob.state.attributes().class(), 2);
}

fn write_all(mut record: Record, seeds: [[u8; 64]; 2], refused: &[Json]) -> Json {
    let town = &mut record.town;
    let key = town.ring.get(&town.key.id()).unwrap();
    let (public, secret) = (town.key.to_bytes(), key.to_secret_bytes());
    let dates = town.key.dates();
    let signed = rule::sign_rules(key, &town.policy, &mut town.rng).to_bytes();
    let rules: Vec<_> =
        signed[68..signed.len() - 64].chunks(64).map(|pair| json!([hex(&pair[..32]), hex(&pair[32..])])).collect();
    let requests = record.transactions.iter().map(|vector| unhex(vector["request"].as_str().unwrap()));
    let cores: Vec<_> = requests.map(|bytes| Transaction::from_bytes(&bytes).unwrap().core().clone()).collect();
    let root = [0x5c; 32];
    let spent = SpentProof::prove(key, &root, &cores, &mut town.rng).unwrap();
    let wallet = |seed: [u8; 64]| {
        let keys = WalletKeys::new(&Seed::from_bytes(seed), ORIGIN);
        json!({ "seed": hex(&seed), "origin": ORIGIN, "s": hex(keys.owner().as_bytes()), "self": hex(keys.self_key()) })
    };
    let generators: serde_json::Map<_, _> = NAMES
        .iter()
        .zip(crate::params::points())
        .map(|(name, point)| ((*name).to_owned(), json!(hex(point.compress().as_bytes()))))
        .collect();
    json!({
        "note": "made by src/own_vectors.rs; transcripts are lists of (label, bytes); '->' marks a challenge",
        "generators": generators,
        "generators_sha256": hex(&crate::params::generators_digest()),
        "key": {
            "x": hex(&secret[secret.len() - 64..secret.len() - 32]),
            "prf": hex(&secret[secret.len() - 32..]),
            "X": hex(&public[6..38]),
            "currency": town.key.currency().code(),
            "exponent": town.key.currency().exponent(),
            "first_day": dates.first.get(),
            "last_issue": dates.last_issue.get(),
            "accept_until": dates.accept_until.get(),
            "exchange_until": dates.exchange_until.get(),
            "id": hex(town.key.id().as_bytes()),
        },
        "policy": {
            "bytes": hex(&town.policy.to_bytes()),
            "hash": hex(town.policy.hash().as_bytes()),
            "rules": rules,
            "dleq": hex(&signed[signed.len() - 64..]),
        },
        "wallets": { "alice": wallet(seeds[0]), "bob": wallet(seeds[1]) },
        "spent": { "root": hex(&root), "proof": hex(&spent.to_bytes()) },
        "transactions": record.transactions,
        "refused": refused,
    })
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn own_vectors_are_what_the_code_makes() {
    let made = serde_json::to_string(&own_vectors()).unwrap().replace("},{\"added\"", "},\n{\"added\"") + "\n";
    if std::env::var_os("FARTHING_WRITE_VECTORS").is_some() {
        std::fs::write(FILE, &made).unwrap();
    }
    assert!(
        std::fs::read_to_string(FILE).unwrap() == made,
        "write the file anew, and say in the change log what is new"
    );
    assert!(made.len() < 500_000, "{} bytes", made.len());
    let kinds = ["register", "withdraw", "pay", "claim", "redeem", "swap", "split", "split-expired", "refund", "renew"];
    assert!(kinds.iter().all(|kind| made.contains(&format!("\"statement\":\"{kind}\""))));
}
