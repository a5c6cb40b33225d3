//! Selective disclosure: what is shown verifies for the verifier who asked, and nothing else does.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

#[path = "town/town.rs"]
mod town;

use farthing_ecash::{
    calendar::Day,
    disclosure::{Attestation, AttestationRequest, Challenge, ChallengeError, IncomeProof, PaymentProof},
    error::{DecodeError, ProveError},
    keys::{PublicKey, SigningKey},
    refund,
    refund::Refundable,
    transaction::Core,
};
use serde_json::Value as Json;
use town::{Dweller, FEE, Paid, Sequence, TODAY, Town, amount};

struct Scene {
    town: Town,
    alice: Dweller,
    bob: Dweller,
    paid: Paid,
    challenge: Challenge,
    rng: Sequence,
}

/// Alice has paid Bob 7,000, and he has claimed it.
fn scene(name: &str) -> Scene {
    let mut town = Town::new(name);
    let (alice, mut bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let coin = town.withdraw(&alice, 7_000 + FEE);
    let paid = town.pay(&alice, [&coin], &bob, 7_000);
    let note = town.receive(&paid, &bob).note;
    town.claim(&mut bob, [&note], 0);
    let mut rng = Sequence::new("verifier");
    let challenge = Challenge::new("Housing Office", &mut rng).unwrap();
    Scene { town, alice, bob, paid, challenge, rng }
}

/// Proves and asks for the attestation, all in bytes.
fn income(scene: &mut Scene, identified: bool) -> (IncomeProof, Attestation) {
    let identity = identified.then_some(&scene.bob.identity);
    let proof = IncomeProof::prove(&scene.challenge, &scene.bob.state, identity, &mut scene.rng).unwrap();
    let proof = IncomeProof::from_bytes(&proof.to_bytes()).unwrap();
    let request = AttestationRequest::from_bytes(&proof.attestation_request().to_bytes()).unwrap();
    let attestation = Attestation::make(scene.town.signing_key(), &request, &mut scene.rng).unwrap();
    (proof, Attestation::from_bytes(&attestation.to_bytes()).unwrap())
}

fn payment(scene: &mut Scene, challenge: Option<&Challenge>) -> PaymentProof {
    let core = scene.paid.transaction.core();
    let proof =
        PaymentProof::prove(challenge, core, &scene.town.key, &scene.bob.identity, &scene.alice.keys, &mut scene.rng);
    PaymentProof::from_bytes(&proof.unwrap().to_bytes()).unwrap()
}

#[test]
fn a_month_is_shown_to_the_verifier_who_asked() {
    let mut scene = scene("income");
    for identified in [false, true] {
        let (proof, attestation) = income(&mut scene, identified);
        assert_eq!((proof.month(), proof.total()), (TODAY.month(), amount(7_000)));
        assert_eq!(proof.identity(), identified.then_some(&scene.bob.identity));
        assert_eq!(proof.key(), scene.town.key.id());
        assert!(proof.verify(&scene.challenge, &attestation, &scene.town.key, &mut scene.rng).is_ok());

        let number = *scene.challenge.number();
        let others = [
            Challenge::new("Housing Office", &mut scene.rng).unwrap(),
            Challenge::from_parts("Housing Offices", number).unwrap(),
            Challenge::from_parts("housing office", number).unwrap(),
        ];
        for other in others {
            assert!(proof.verify(&other, &attestation, &scene.town.key, &mut scene.rng).is_err());
        }
    }
}

/// No field can be altered, neither alone nor together with the challenge that it answers.
#[test]
fn an_altered_byte_is_refused() {
    let mut scene = scene("altered");
    let (proof, attestation) = income(&mut scene, true);
    let bytes = proof.to_bytes();
    for place in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[place] ^= 1;
        let Ok(altered) = IncomeProof::from_bytes(&altered) else { continue };
        let own = altered.challenge().clone();
        assert!(altered.check(&own, &mut scene.rng).is_err(), "byte {place}");
        assert!(altered.verify(&own, &attestation, &scene.town.key, &mut scene.rng).is_err(), "byte {place}");
    }
    let challenge = scene.challenge.clone();
    let proof = payment(&mut scene, Some(&challenge));
    let bytes = proof.to_bytes();
    for place in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[place] ^= 1;
        let Ok(altered) = PaymentProof::from_bytes(&altered) else { continue };
        let own = altered.challenge().cloned();
        let core = scene.paid.transaction.core();
        assert!(altered.verify(own.as_ref(), core, &mut scene.rng).is_err(), "byte {place}");
    }
    let bytes = attestation.to_bytes();
    let (proof, _) = income(&mut scene, true);
    for place in 0..64 {
        let mut altered = bytes;
        altered[place] ^= 1;
        let Ok(altered) = Attestation::from_bytes(&altered) else { continue };
        assert!(altered.verify(&scene.town.key, &proof.attestation_request()).is_err(), "byte {place}");
    }
}

#[test]
fn other_lengths_kinds_and_identity_points_do_not_decode() {
    let mut scene = scene("decoding");
    let (income, _) = income(&mut scene, true);
    let challenge = scene.challenge.clone();
    let (income, paid) = (income.to_bytes(), payment(&mut scene, Some(&challenge)).to_bytes());
    assert!(IncomeProof::from_bytes(&paid).is_err() && PaymentProof::from_bytes(&income).is_err());
    for length in 0..income.len() {
        assert!(IncomeProof::from_bytes(&income[..length]).is_err());
    }
    for length in 0..paid.len() {
        assert!(PaymentProof::from_bytes(&paid[..length]).is_err());
    }
    let longer = |bytes: &[u8]| [bytes, &[0]].concat();
    assert_eq!(IncomeProof::from_bytes(&longer(&income)).map(|_| ()), Err(DecodeError::TrailingBytes));
    assert_eq!(PaymentProof::from_bytes(&longer(&paid)).map(|_| ()), Err(DecodeError::TrailingBytes));

    // version, code, verifier, number, key, month, total, identity; then A', D, Ā.
    let a = 2 + 1 + "Housing Office".len() + 32 + 32 + 4 + 8 + 1 + "bob@bank.example".len();
    for point in 0..3 {
        let mut altered = income.clone();
        altered[a + 32 * point..a + 32 * (point + 1)].fill(0);
        assert_eq!(IncomeProof::from_bytes(&altered).map(|_| ()), Err(DecodeError::IdentityPoint));
    }
    let request = scene_request(&mut scene);
    for point in [32..64, 64..96] {
        let mut altered = request.clone();
        altered[point].fill(0);
        assert_eq!(AttestationRequest::from_bytes(&altered).map(|_| ()), Err(DecodeError::IdentityPoint));
    }
    assert!(AttestationRequest::from_bytes(&longer(&request)).is_err());
    assert!(AttestationRequest::from_bytes(&request[..127]).is_err());
    // An identity in capitals is another text for the same.
    let mut altered = income.clone();
    altered[a - 1] = b'E';
    assert_eq!(IncomeProof::from_bytes(&altered).map(|_| ()), Err(DecodeError::Field("identity")));
}

fn scene_request(scene: &mut Scene) -> Vec<u8> {
    income(scene, false).0.attestation_request().to_bytes()
}

/// A proof of one wallet is not one of another, an attestation of one presentation not one of another.
#[test]
fn nothing_passes_for_something_else() {
    let mut scene = scene("mixed up");
    let (mut town, mut carol) = (Town::new("another town"), scene.town.register("carol@bank.example"));
    let note = scene.town.note(&scene.alice, &carol, 9_000);
    scene.town.claim(&mut carol, [&note], 0);
    let refused = IncomeProof::prove(&scene.challenge, &carol.state, Some(&scene.bob.identity), &mut scene.rng);
    assert_eq!(refused.map(|_| ()), Err(ProveError::Inputs));

    let (one, attested) = income(&mut scene, true);
    let (other, other_attested) = income(&mut scene, true);
    assert_ne!(one, other, "two presentations of a state have nothing in common");
    assert!(one.verify(&scene.challenge, &other_attested, &scene.town.key, &mut scene.rng).is_err());
    assert!(other.verify(&scene.challenge, &attested, &scene.town.key, &mut scene.rng).is_err());

    // Another key attests nothing, and is not believed when it says it does.
    assert!(Attestation::make(town.signing_key(), &one.attestation_request(), &mut scene.rng).is_err());
    assert!(one.verify(&scene.challenge, &attested, &town.key, &mut scene.rng).is_err());
    let dates = town.key.dates();
    let stranger = SigningKey::generate(town.key.currency().clone(), dates, &mut town.rng).unwrap();
    assert!(Attestation::make(&stranger, &one.attestation_request(), &mut scene.rng).is_err());

    // Ā of one with A' of the other.
    let (mine, theirs) = (one.attestation_request().to_bytes(), other.attestation_request().to_bytes());
    let mixed = [&mine[..64], &theirs[64..96], &mine[96..]].concat();
    let mixed = AttestationRequest::from_bytes(&mixed).unwrap();
    assert!(Attestation::make(scene.town.signing_key(), &mixed, &mut scene.rng).is_err());
}

/// A new month begins with its first receipt; before it, the state shows the month before. An older state of the same month
/// shows less, and nobody can tell: hence "at least".
#[test]
fn totals_are_those_of_the_month_of_the_newest_receipt() {
    let mut scene = scene("months");
    let fresh = scene.town.register("dora@bank.example");
    let refused = IncomeProof::prove(&scene.challenge, &fresh.state, None, &mut scene.rng);
    assert_eq!(refused.map(|_| ()), Err(ProveError::Inputs), "nothing was received ever");

    let (before, attested_before) = income(&mut scene, false);
    let note = scene.town.note(&scene.alice, &scene.bob, 500);
    scene.town.claim(&mut scene.bob, [&note], 0);
    let (after, attested_after) = income(&mut scene, false);
    assert_eq!((before.total(), after.total()), (amount(7_000), amount(7_500)));
    assert!(before.verify(&scene.challenge, &attested_before, &scene.town.key, &mut scene.rng).is_ok());
    assert!(after.verify(&scene.challenge, &attested_after, &scene.town.key, &mut scene.rng).is_ok());

    scene.town.day = Day::from_civil(2026, 12, 24).unwrap();
    assert_eq!(income(&mut scene, false).0.month(), TODAY.month());
    let note = scene.town.note(&scene.alice, &scene.bob, 800);
    scene.town.claim(&mut scene.bob, [&note], 0);
    let (december, _) = income(&mut scene, false);
    assert_eq!((december.month().to_string(), december.total()), ("2026-12".to_owned(), amount(800)));
}

#[test]
fn a_payment_is_shown_by_its_payer() {
    let mut scene = scene("payment");
    let core = scene.paid.transaction.core().clone();
    let (challenge, key) = (scene.challenge.clone(), scene.town.key.clone());
    let (to_all, to_one) = (payment(&mut scene, None), payment(&mut scene, Some(&challenge)));
    let rng = &mut scene.rng;
    for proof in [&to_all, &to_one] {
        assert_eq!((proof.payee(), proof.amount(), proof.key()), (&scene.bob.identity, amount(7_000), &key));
    }
    assert!(to_all.verify(None, &core, rng).is_ok() && to_one.verify(Some(&challenge), &core, rng).is_ok());
    assert!(to_all.verify(Some(&challenge), &core, rng).is_err(), "it may be old");
    assert!(to_one.verify(None, &core, rng).is_err(), "it is for somebody else");
    let other = Challenge::from_parts("Tax Office", *challenge.number()).unwrap();
    assert!(to_one.verify(Some(&other), &core, rng).is_err());

    // Nobody else can, and no other payee.
    let wrong = [(&scene.bob.identity, &scene.bob.keys), (&scene.alice.identity, &scene.alice.keys)];
    for (payee, keys) in wrong {
        let refused = PaymentProof::prove(None, &core, &key, payee, keys, rng);
        assert_eq!(refused.map(|_| ()), Err(ProveError::Inputs));
    }
}

/// The same amount to the same payee is another payment; and what is no payment shows none.
#[test]
fn a_payment_is_that_of_its_entry() {
    let mut scene = scene("entries");
    let coin = scene.town.withdraw(&scene.alice, 7_000 + FEE);
    let again = scene.town.pay(&scene.alice, [&coin], &scene.bob, 7_000);
    let proof = payment(&mut scene, None);
    assert!(proof.verify(None, scene.paid.transaction.core(), &mut scene.rng).is_ok());
    assert!(proof.verify(None, again.transaction.core(), &mut scene.rng).is_err());
    let cores: Vec<Core> = scene.town.log.iter().map(|(logged, _)| logged.core().clone()).collect();
    let shown = cores.iter().filter(|core| proof.verify(None, core, &mut scene.rng).is_ok()).count();
    assert_eq!(shown, 1);
    for core in &cores {
        let made =
            PaymentProof::prove(None, core, &scene.town.key, &scene.bob.identity, &scene.alice.keys, &mut scene.rng);
        assert_eq!(made.is_ok(), core == scene.paid.transaction.core() || core == again.transaction.core());
    }
    let other = Town::new("another town").key;
    let core = scene.paid.transaction.core();
    let refused = PaymentProof::prove(None, core, &other, &scene.bob.identity, &scene.alice.keys, &mut scene.rng);
    assert_eq!(refused.map(|_| ()), Err(ProveError::Inputs));
}

/// What the proof gives away: the refund of this note, when it comes, shows the same `F`. It proves the payment all the
/// same, and the proof of another payment has nothing in common with it.
#[test]
fn the_refund_of_a_shown_payment_is_recognised() {
    let mut scene = scene("refunded");
    let coin = scene.town.withdraw(&scene.alice, 900 + FEE);
    let paid = scene.town.pay(&scene.alice, [&coin], &scene.bob, 900);
    let core = paid.transaction.core().clone();
    let proof =
        PaymentProof::prove(None, &core, &scene.town.key, &scene.bob.identity, &scene.alice.keys, &mut scene.rng)
            .unwrap();
    let note = Refundable::paid(&core, &paid.answer, &scene.town.key, scene.town.expiry(), &scene.alice.keys).unwrap();
    scene.town.day = Day::from_civil(2027, 2, 1).unwrap();
    let (header, rule) = (scene.town.header(), scene.town.rule(1, 0).clone());
    let refund = refund::request(&header, &scene.alice.keys, &note, &scene.alice.state, &rule, &mut scene.rng).unwrap();
    scene.town.answer(&refund);
    // F stands before them: 4 responses and 2 commitments.
    let bytes = proof.to_bytes();
    let authority = &bytes[bytes.len() - 6 * 32 - 32..bytes.len() - 6 * 32];
    let contains = |bytes: &[u8]| bytes.windows(32).any(|window| window == authority);
    assert!(contains(refund.core_bytes()) && !contains(paid.transaction.core_bytes()));
    assert!(!contains(&payment(&mut scene, None).to_bytes()));
    assert!(proof.verify(None, &core, &mut scene.rng).is_ok());
}

#[test]
fn names_of_verifiers_can_be_shown() {
    let mut rng = Sequence::new("names");
    let mut new = |name: &str| Challenge::new(name, &mut rng).map(|_| ());
    assert_eq!(new(""), Err(ChallengeError::Empty));
    assert_eq!(new(&"a".repeat(129)), Err(ChallengeError::TooLong { length: 129 }));
    for name in [" a", "a ", "a\nb", "a\u{1b}[2J", "\u{85}"] {
        assert_eq!(new(name), Err(ChallengeError::Unprintable), "{name:?}");
    }
    for name in ["a", "Büro für Wohnen", &"ä".repeat(64)] {
        assert_eq!(new(name), Ok(()));
    }
}

fn hex(value: &Json) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The vectors decode, encode and verify; their transcripts are reproduced.
#[test]
fn the_vectors_are_accepted_and_reproduced() {
    let vectors: Json = serde_json::from_str(include_str!("vectors/disclosure.json")).unwrap();
    let mut rng = Sequence::new("vectors");
    let key = PublicKey::from_bytes(&hex(&vectors["key"])).unwrap();
    let number = hex(&vectors["challenge"]["number"]).try_into().unwrap();
    let challenge = Challenge::from_parts(vectors["challenge"]["verifier"].as_str().unwrap(), number).unwrap();
    let same = |tape: &[farthing_ecash::transcript::Message], expected: &Json| {
        let expected = expected.as_array().unwrap();
        assert_eq!(tape.len(), expected.len());
        for (message, expected) in tape.iter().zip(expected) {
            let label = format!("{}{}", message.label, if message.challenge { " ->" } else { "" });
            assert_eq!((label.as_str(), &message.bytes), (expected[0].as_str().unwrap(), &hex(&expected[1])));
        }
    };
    for vector in vectors["incomes"].as_array().unwrap() {
        let proof = IncomeProof::from_bytes(&hex(&vector["proof"])).unwrap();
        assert_eq!(proof.to_bytes(), hex(&vector["proof"]));
        let attestation = Attestation::from_bytes(&hex(&vector["attestation"]).try_into().unwrap()).unwrap();
        assert!(proof.verify(&challenge, &attestation, &key, &mut rng).is_ok());
        assert_eq!(proof.identity().map(|identity| identity.as_str()), vector["identity"].as_str());
        assert_eq!(Some(u64::from(proof.month().get())), vector["month"].as_u64());
        assert_eq!(Some(proof.total().get()), vector["month_total"].as_u64());
        assert_eq!(proof.attestation_request().to_bytes(), hex(&vector["request"]));
        same(&proof.transcript(), &vector["transcript"]);
        same(&attestation.transcript(&key, &proof.attestation_request()).unwrap(), &vector["dleq_transcript"]);
    }
    let (core, rest) =
        Core::from_prefix(&hex(&vectors["payment_core"])).map(|(core, rest)| (core, rest.len())).unwrap();
    assert_eq!(rest, 0);
    for vector in vectors["payments"].as_array().unwrap() {
        let proof = PaymentProof::from_bytes(&hex(&vector["proof"])).unwrap();
        assert_eq!(proof.to_bytes(), hex(&vector["proof"]));
        let challenge = Some(&challenge).filter(|_| vector["challenged"] == true);
        assert!(proof.verify(challenge, &core, &mut rng).is_ok());
        assert_eq!(Some(proof.payee().as_str()), vector["payee"].as_str());
        assert_eq!(Some(proof.amount().get()), vector["amount"].as_u64());
        same(&proof.transcript(&core), &vector["transcript"]);
    }
}
