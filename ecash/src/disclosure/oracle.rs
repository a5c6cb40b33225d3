//! Every equation with a lie that only this equation catches, and presentations of what was never signed.
#![allow(clippy::unwrap_used)]

use curve25519_dalek::{RistrettoPoint, Scalar};

use super::{
    Attestation, AttestationRequest, Challenge, DisclosureId, IncomeProof, LABEL, PaymentProof, income, payment,
};
use crate::{
    amount::Amount,
    calendar::Month,
    credential::present::Presented,
    encoding::Point,
    error::ProveError,
    keys::SigningKey,
    own_vectors::town::{Dweller, FEE, Paid, Sequence, TODAY, Town},
    params::Generator,
    seal,
    seed::OutputSecret,
    sigma::{
        alone::ProofAlone,
        relation::Relation,
        witness::{Secret, Witness},
    },
    statement::Statement,
    transcript::Transcript,
};

struct Scene {
    town: Town,
    alice: Dweller,
    bob: Dweller,
    paid: Paid,
    challenge: Challenge,
}

/// Alice has paid Bob, and he has claimed it.
fn scene() -> Scene {
    let mut town = Town::new("disclosure oracle");
    let (alice, mut bob) = (town.register("alice@bank.example"), town.register("bob@bank.example"));
    let coin = town.withdraw(&alice, 7_000 + FEE);
    let paid = town.pay(&alice, [&coin], &bob, 7_000);
    let note = town.receive(&paid, &bob).note;
    town.claim(&mut bob, [&note], 0);
    let challenge = Challenge::new("Housing Office", &mut town.rng).unwrap();
    Scene { town, alice, bob, paid, challenge }
}

fn income(scene: &mut Scene, identified: bool) -> (income::Shown, Witness) {
    let state = scene.bob.state.attributes();
    let presented = Presented::new(&scene.bob.state, false, &mut scene.town.rng);
    let mut witness = Witness::default();
    state.witness(&mut witness);
    witness.set(Secret::Validity, state.validity).set(Secret::StateSerial, state.serial);
    presented.witness(0, &mut witness);
    let shown = income::Shown {
        challenge: scene.challenge.clone(),
        month: TODAY.month(),
        total: Amount::new(7_000),
        identity: identified.then(|| scene.bob.identity.clone()),
        input: presented.input.clone(),
    };
    (shown, witness)
}

fn payment(scene: &Scene) -> (payment::Shown, payment::Logged, Witness) {
    let core = scene.paid.transaction.core();
    let secret = |name| scene.alice.keys.output_secret(&core.publics().nonce, 1, name);
    let plaintext = seal::open_own(core, Statement::Pay, &scene.alice.keys).unwrap();
    let mut witness = Witness::default();
    witness
        .set(Secret::NoteSerial, secret(OutputSecret::Serial))
        .set(Secret::Purpose, plaintext.purpose)
        .set(Secret::Blind2, secret(OutputSecret::Blind))
        .set(Secret::Psi, secret(OutputSecret::Refund));
    let shown = payment::Shown {
        challenge: Some(scene.challenge.clone()),
        key: scene.town.key.clone(),
        payee: scene.bob.identity.clone(),
        amount: Amount::new(7_000),
        authority: Point::new(RistrettoPoint::mul_base(&secret(OutputSecret::Refund))),
    };
    (shown, payment::Logged::of(core).unwrap(), witness)
}

/// Each secret made one larger breaks a proof that is made without looking; and the equation that has a secret of its own
/// is the only one that notices.
fn pinned(relation: &Relation, points: &[Point], transcript: &Transcript, witness: &Witness) {
    let mut rng = Sequence::new("pinned");
    let honest = relation.values(witness).unwrap();
    assert_eq!(relation.broken(points, &honest).unwrap(), [0; 0]);
    let made = ProofAlone::respond(relation, points, transcript, &honest, &mut rng).unwrap();
    assert!(made.verify(relation, points, transcript, &mut rng).is_ok());
    for place in 0..honest.len() {
        let mut values = honest.to_vec();
        values[place] += Scalar::ONE;
        let broken = relation.broken(points, &values).unwrap();
        assert!(!broken.is_empty());
        let made = ProofAlone::respond(relation, points, transcript, &values, &mut rng).unwrap();
        assert!(made.verify(relation, points, transcript, &mut rng).is_err());
        let mut without = relation.clone();
        broken.iter().rev().for_each(|number| drop(without.equations.remove(*number)));
        let made = ProofAlone::respond(&without, points, transcript, &values, &mut rng).unwrap();
        assert!(made.verify(&without, points, transcript, &mut rng).is_ok());
        assert!(made.verify(relation, points, transcript, &mut rng).is_err(), "an equation is left out");
    }
}

#[test]
fn every_secret_is_pinned_by_its_equations() {
    let mut scene = scene();
    for identified in [false, true] {
        let (shown, witness) = income(&mut scene, identified);
        let (relation, transcript, _) = shown.bind(Transcript::new(LABEL));
        let names: Vec<_> = relation.equations.iter().map(|equation| equation.name).collect();
        assert_eq!(names, ["A_bar", "K"]);
        assert_eq!(relation.secrets.contains(&Secret::Pid), !identified);
        pinned(&relation, &shown.points(), &transcript, &witness);
    }
    let (shown, logged, witness) = payment(&scene);
    let (relation, transcript) = shown.bind(&logged, Transcript::new(LABEL));
    let names: Vec<_> = relation.equations.iter().map(|equation| equation.name).collect();
    assert_eq!(names, ["C_note", "F"]);
    pinned(&relation, &shown.points(&logged), &transcript, &witness);
}

/// The same lines in plain arithmetic: the terms of `C_note` and of the presentation, each spelled out once more.
#[test]
fn the_relations_are_those_of_the_document() {
    let mut scene = scene();
    let (shown, witness) = income(&mut scene, false);
    let get = |secret| witness.get(secret).unwrap();
    let [a, d, abar] = shown.points().map(|point| point.point());
    assert_eq!(abar, d * get(Secret::R1(0)) - a * get(Secret::E(0)));
    let hidden = [
        (Generator::Identity, Secret::Pid),
        (Generator::Owner, Secret::Owner),
        (Generator::Class, Secret::Class),
        (Generator::Day, Secret::Day),
        (Generator::DayTotal, Secret::DayTotal),
        (Generator::Validity, Secret::Validity),
        (Generator::Serial, Secret::StateSerial),
        (Generator::Blind, Secret::Blind),
    ];
    let mut B = Generator::KWallet.point()
        + Generator::Month.point() * Scalar::from(24_322u32)
        + Generator::MonthTotal.point() * Scalar::from(7_000u64);
    hidden.iter().for_each(|(generator, secret)| B += generator.point() * get(*secret));
    assert_eq!(d * get(Secret::R3(0)), B);

    let (shown, logged, witness) = payment(&scene);
    let get = |secret| witness.get(secret).unwrap();
    let [C_note, F] = shown.points(&logged).map(|point| point.point());
    let opened = Generator::Value.point() * Scalar::from(7_000u64)
        + Generator::Owner.point() * scene.bob.identity.pid().scalar()
        + Generator::Serial.point() * get(Secret::NoteSerial)
        + Generator::Purpose.point() * get(Secret::Purpose)
        + Generator::Refund.point() * crate::pay::refund_tag(&shown.authority)
        + Generator::Blind.point() * get(Secret::Blind2);
    assert_eq!((C_note, F), (opened, Generator::G.point() * get(Secret::Psi)));
}

/// What an honest prover would not say: it cannot be proved from what was signed.
#[test]
fn nothing_else_can_be_shown_of_what_was_signed() {
    let mut scene = scene();
    let changes: [fn(&mut income::Shown); 4] = [
        |shown| shown.month = Month::new(shown.month.get() + 1),
        |shown| shown.total = Amount::new(shown.total.get() + 1),
        |shown| shown.identity = Some(crate::identity::Identity::parse("alice@bank.example").unwrap()),
        |shown| shown.input.kind = crate::credential::kinds::Kind::Rule,
    ];
    for change in changes {
        let (mut shown, witness) = income(&mut scene, true);
        change(&mut shown);
        let refused = IncomeProof::of(shown, &witness, &mut scene.town.rng);
        assert_eq!(refused.map(|_| ()), Err(ProveError::Witness));
    }
    let changes: [fn(&mut payment::Shown); 3] = [
        |shown| shown.amount = Amount::new(shown.amount.get() + 1),
        |shown| shown.payee = crate::identity::Identity::parse("alice@bank.example").unwrap(),
        |shown| shown.authority = Point::new(shown.authority.point() + shown.authority.point()),
    ];
    for change in changes {
        let (mut shown, logged, witness) = payment(&scene);
        change(&mut shown);
        let refused = PaymentProof::of(shown, &logged, &witness, &mut scene.town.rng);
        assert_eq!(refused.map(|_| ()), Err(ProveError::Witness));
    }
}

/// The payee opens the note and knows `f`, but not ψ: it cannot pass for the payer.
#[test]
fn the_payee_cannot_say_that_it_has_paid() {
    let mut scene = scene();
    let (mut shown, logged, mut witness) = payment(&scene);
    assert!(matches!(witness.get(Secret::Psi), Ok(psi) if psi != Scalar::ZERO));
    witness.set(Secret::Psi, Scalar::from(5u8));
    assert!(PaymentProof::of(shown.clone(), &logged, &witness, &mut scene.town.rng).is_err());
    // With an authority of its own, `f` is another one.
    shown.authority = Point::new(RistrettoPoint::mul_base(&Scalar::from(5u8)));
    assert!(PaymentProof::of(shown, &logged, &witness, &mut scene.town.rng).is_err());
    let keys = &scene.bob.keys;
    let (core, key) = (scene.paid.transaction.core(), &scene.town.key);
    let refused = PaymentProof::prove(None, core, key, &scene.bob.identity, keys, &mut scene.town.rng);
    assert_eq!(refused.map(|_| ()), Err(ProveError::Inputs));
}

/// A state that nobody signed: the equations hold, and only the holder of the key notices.
#[test]
fn what_was_never_signed_is_not_attested() {
    let mut scene = scene();
    let mut rng = Sequence::new("never signed");
    let (mut shown, witness) = income(&mut scene, true);
    // One more than was signed: D is for the larger total, and Ā follows from A' and D.
    let r2 = witness.get(Secret::R3(0)).unwrap().invert();
    let D = shown.input.d.point() + Generator::MonthTotal.point() * r2;
    shown.total = Amount::new(7_001);
    shown.input.d = Point::new(D);
    shown.input.abar = Point::new(
        D * witness.get(Secret::R1(0)).unwrap() - shown.input.a.point() * witness.get(Secret::E(0)).unwrap(),
    );
    let forged = IncomeProof::of(shown, &witness, &mut rng).unwrap();
    assert!(forged.check(&scene.challenge, &mut rng).is_ok());
    let request = forged.attestation_request();
    assert!(Attestation::make(scene.town.signing_key(), &request, &mut rng).is_err());
    // What is attested under a key of the prover's own is not believed.
    let dates = scene.town.key.dates();
    let own = SigningKey::generate(scene.town.key.currency().clone(), dates, &mut rng).unwrap();
    let a = Point::new(request.a.point());
    let false_one = AttestationRequest { key: own.public().id(), a, abar: Point::new(a.point() * own.x()), ..request };
    let attestation = Attestation::make(&own, &false_one, &mut rng).unwrap();
    assert!(attestation.verify(own.public(), &false_one).is_ok());
    assert!(forged.verify(&scene.challenge, &attestation, &scene.town.key, &mut rng).is_err());
    assert!(forged.verify(&scene.challenge, &attestation, own.public(), &mut rng).is_err());
}

/// The attestation binds its key, both points and the id; and it is none for what was issued or spent.
#[test]
fn an_attestation_is_for_one_presentation() {
    let scene = scene();
    let mut rng = Sequence::new("attested");
    let proof = IncomeProof::prove(&scene.challenge, &scene.bob.state, None, &mut rng).unwrap();
    let request = proof.attestation_request();
    let key = scene.town.signing_key();
    let attestation = Attestation::make(key, &request, &mut rng).unwrap();
    let public = key.public();
    assert!(attestation.verify(public, &request).is_ok());
    let other = Point::new(request.a.point() + request.a.point());
    let changed = [
        AttestationRequest { a: other, ..request },
        AttestationRequest { abar: other, ..request },
        AttestationRequest { id: DisclosureId::new([7; 32]), ..request },
        AttestationRequest { a: other, abar: Point::new(request.abar.point() + request.abar.point()), ..request },
    ];
    for changed in changed {
        assert!(attestation.verify(public, &changed).is_err());
    }
    use crate::credential::dleq::{Dleq, DleqUse};
    for purpose in [DleqUse::Spent, DleqUse::Issue, DleqUse::Rule] {
        let dleq = Dleq::prove(purpose, key, request.id.as_bytes(), &request.items(), &mut rng);
        let passed = Attestation::from_bytes(&dleq.to_bytes()).unwrap();
        assert!(passed.verify(public, &request).is_err(), "{purpose:?}");
    }
    // Two attestations of one request are two proofs: the nonce is not a function of the request alone.
    let again = Attestation::make(key, &request, &mut Sequence::new("again")).unwrap();
    assert_ne!(again, attestation);
}

/// The labels of both transcripts, in the order of the document.
#[test]
fn transcript_labels_are_those_of_the_document() {
    let mut scene = scene();
    let document = include_str!("../../../docs/PROTOCOL.md");
    let section = &document[document.find("## 11. Selective disclosure").unwrap()..];
    let lines: Vec<_> = section.lines().filter(|line| line.starts_with("    ")).take(7).collect();
    let quoted = |line: &str| line.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let labels = |own: &str| -> Vec<String> {
        let head = lines[1..4].iter().flat_map(|line| quoted(line));
        let own = lines.iter().filter(|line| line.trim_start().starts_with(own)).flat_map(|line| quoted(line));
        head.chain(own).collect()
    };
    let made = |tape: Vec<crate::transcript::Message>| -> Vec<String> {
        tape.iter()
            .skip(1)
            .map(|message| message.label.to_owned())
            .filter(|label| label != "T" && label != "c")
            .collect()
    };
    assert!(lines[0].contains(LABEL) && quoted(lines[6]) == ["T", "c"]);
    let income = IncomeProof::prove(&scene.challenge, &scene.bob.state, None, &mut scene.town.rng).unwrap();
    assert_eq!(made(income.transcript()), labels("income:"));
    let (core, key) = (scene.paid.transaction.core(), &scene.town.key);
    let (payee, keys) = (&scene.bob.identity, &scene.alice.keys);
    let payment = PaymentProof::prove(None, core, key, payee, keys, &mut scene.town.rng).unwrap();
    assert_eq!(made(payment.transcript(core)), labels("payment:"));
}
