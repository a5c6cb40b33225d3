//! The generator of `tests/vectors/disclosure.json`, in the manner of `own_vectors`.
#![allow(clippy::unwrap_used)]

use serde_json::{Value as Json, json};

use super::{Attestation, Challenge, IncomeProof, PaymentProof};
use crate::{
    own_vectors::town::{FEE, MEALS, Town},
    transcript::Message,
};

const FILE: &str = "tests/vectors/disclosure.json";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn messages(tape: &[Message]) -> Json {
    let line = |message: &Message| {
        json!([format!("{}{}", message.label, if message.challenge { " ->" } else { "" }), hex(&message.bytes)])
    };
    tape.iter().map(line).collect()
}

fn made() -> Json {
    let mut town = Town::new("farthing/v1/disclosure vectors");
    let (alice, mut bob) = (town.register("alice@bank.example"), town.register("+35212345678"));
    let coin = town.withdraw_for(&alice, 1_234_567 + FEE, MEALS);
    let paid = town.pay(&alice, [&coin], &bob, 1_234_567);
    let note = town.receive(&paid, &bob).note;
    town.claim(&mut bob, [&note], MEALS);
    let core = paid.transaction.core();
    let challenge = Challenge::new("Büro für Wohnen", &mut town.rng).unwrap();
    let key = town.key.clone();

    let incomes = [None, Some(&bob.identity)].map(|identity| {
        let proof = IncomeProof::prove(&challenge, &bob.state, identity, &mut town.rng).unwrap();
        let request = proof.attestation_request();
        let attestation = Attestation::make(town.ring.get(&key.id()).unwrap(), &request, &mut town.rng).unwrap();
        json!({
            "proof": hex(&proof.to_bytes()),
            "month": proof.month().get(),
            "month_total": proof.total().get(),
            "identity": identity.map(|identity| identity.as_str()),
            "transcript": messages(&proof.transcript()),
            "request": hex(&request.to_bytes()),
            "attestation": hex(&attestation.to_bytes()),
            "dleq_transcript": messages(&attestation.transcript(&key, &request).unwrap()),
        })
    });
    let payments = [None, Some(&challenge)].map(|challenge| {
        let proof = PaymentProof::prove(challenge, core, &key, &bob.identity, &alice.keys, &mut town.rng).unwrap();
        json!({
            "proof": hex(&proof.to_bytes()),
            "challenged": challenge.is_some(),
            "payee": proof.payee().as_str(),
            "amount": proof.amount().get(),
            "transcript": messages(&proof.transcript(core)),
        })
    });
    json!({
        "note": "made by src/disclosure/vectors.rs; transcripts are lists of (label, bytes); '->' marks a challenge",
        "key": hex(&key.to_bytes()),
        "challenge": { "verifier": challenge.verifier(), "number": hex(challenge.number()) },
        "incomes": incomes,
        "payment_core": hex(paid.transaction.core_bytes()),
        "payments": payments,
    })
}

#[test]
fn the_vectors_of_disclosures_are_what_the_code_makes() {
    let made = serde_json::to_string_pretty(&made()).unwrap() + "\n";
    if std::env::var_os("FARTHING_WRITE_VECTORS").is_some() {
        std::fs::write(FILE, &made).unwrap();
    }
    assert!(
        std::fs::read_to_string(FILE).unwrap() == made,
        "write the file anew, and say in the change log what is new"
    );
}
