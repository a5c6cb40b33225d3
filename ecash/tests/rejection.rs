//! Everything that differs by a bit from an honest request or answer is refused, for the reason that it deserves.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

#[path = "town/layout.rs"]
mod layout;
#[path = "town/reference.rs"]
mod reference;

use std::collections::BTreeMap;

use farthing_ecash::{
    amount::Amount,
    credential::issue::{Addition, Answer},
    error::{DecodeError, VerificationFailure},
    keys::{KeyRing, SigningKey},
    statement::Statement,
    transaction::Transaction,
};
use getrandom::{SysRng, rand_core::UnwrapErr};
use layout::{Field, Form, Layout};
use reference::{Reference, addition, answer_bytes, hex};

/// The order of the group, little-endian: the smallest number that is no canonical scalar.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Decode(DecodeError),
    Proof,
}

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

struct Verifier {
    ring: KeyRing,
    minimum: Amount,
}

impl Verifier {
    fn new(reference: &Reference) -> Self {
        Self { ring: reference.ring(), minimum: reference.policy().terms().minimum }
    }

    fn receive(&self, bytes: &[u8]) -> Result<(), Refused> {
        let transaction = Transaction::from_bytes(bytes).map_err(Refused::Decode)?;
        transaction.verify(&self.ring, self.minimum, &mut rng()).map(drop).map_err(|VerificationFailure| Refused::Proof)
    }
}

/// One request of each statement and form, with its name and layout.
fn requests(reference: &Reference) -> Vec<(String, Vec<u8>, Layout)> {
    let mut distinct = BTreeMap::new();
    for vector in reference.vectors() {
        let request = hex(&vector["request"]);
        let name = format!("{} {}", vector["statement"].as_str().unwrap(), request.len());
        distinct.insert(name, request);
    }
    distinct.into_iter().map(|(name, request)| (name, request.clone(), Layout::of(&request))).collect()
}

fn replaced(request: &[u8], field: &Field, bytes: &[u8]) -> Vec<u8> {
    let mut changed = request.to_vec();
    changed.splice(field.at.clone(), bytes.iter().copied());
    changed
}

#[test]
fn lengths_are_those_of_the_document() {
    let reference = Reference::read();
    for vector in reference.vectors() {
        let request = hex(&vector["request"]);
        let layout = Layout::of(&request);
        assert_eq!(layout.len(), request.len(), "{}", vector["statement"]);
        assert_eq!(layout.core as u64, vector["core_length"].as_u64().unwrap());
        let n =
            layout.fields.iter().filter(|field| field.name.ends_with(" A'") && !field.name.starts_with("rule")).count();
        let expected = match (vector["statement"].as_str().unwrap(), request[2]) {
            ("register", _) => 502,
            ("withdraw", _) => 450,
            ("pay", _) => 384 * n + 2918,
            ("claim", _) => 448 * (n - 1) + 3099,
            ("redeem", _) => 384 * n + 1183,
            ("swap", 1) => 384 * n + 374,
            ("swap", _) => 384 * n + 1335,
            ("split", _) => 2331,
            ("split-expired", _) => 1819,
            ("refund", _) => 3615,
            (_, _) => 1002,
        };
        assert_eq!(request.len(), expected);
    }
    assert_eq!(requests(&reference).len(), 13, "ten statements; payments, claims and swaps of two lengths");
}

/// What a changed field may be refused for.
fn is_reason(statement: &str, field: &Field, refused: Refused) -> bool {
    use DecodeError::{Count, Field as Value, Order, Point, Scalar, UnknownCode};
    let for_issuer = statement.starts_with("register") || statement.starts_with("withdraw");
    let with_rule = statement.starts_with("claim") || statement.starts_with("refund");
    match (field.name.as_str(), field.form, refused) {
        ("version", _, refused) => refused == Refused::Decode(UnknownCode),
        ("commitments", _, refused) => refused == Refused::Decode(Count),
        // The rest is then read as something else, which cannot go well.
        ("statement", _, Refused::Decode(_)) | (_, Form::Count, Refused::Decode(_)) => true,
        ("epoch" | "policy", _, refused) if for_issuer => refused == Refused::Decode(Value("epoch or policy")),
        ("key", _, refused) if with_rule => refused == Refused::Decode(Value("key of the rule")),
        ("rule 0 in-key", _, refused) => refused == Refused::Decode(Value("key of the rule")),
        ("range degree", _, refused) => refused == Refused::Decode(Value("degree of the range proof")),
        (_, Form::Bytes, refused) => refused == Refused::Proof,
        (_, Form::Point, refused) => [Refused::Decode(Point), Refused::Proof].contains(&refused),
        (_, Form::Scalar, refused) => [Refused::Decode(Scalar), Refused::Proof].contains(&refused),
        (_, Form::Serial, refused) => {
            [Refused::Decode(Scalar), Refused::Decode(Order), Refused::Proof].contains(&refused)
        }
        _ => false,
    }
}

#[test]
fn every_field_of_every_request_is_pinned() {
    let reference = Reference::read();
    let verifier = Verifier::new(&reference);
    for (name, request, layout) in requests(&reference) {
        assert_eq!(verifier.receive(&request), Ok(()), "{name}");
        for field in &layout.fields {
            let last = field.at.end - 1;
            for (at, bit) in [(field.at.start, 1), (last, 0x80), ((field.at.start + last) / 2, 0x10)] {
                let mut changed = request.clone();
                changed[at] ^= bit;
                let refused = verifier.receive(&changed).expect_err(&format!("{name}: {}", field.name));
                assert!(is_reason(&name, field, refused), "{name}: {} is refused for {refused:?}", field.name);
            }
        }
    }
}

#[test]
fn points_and_scalars_are_canonical_and_not_the_identity() {
    let reference = Reference::read();
    let verifier = Verifier::new(&reference);
    for (name, request, layout) in requests(&reference) {
        for field in &layout.fields {
            let cases: &[([u8; 32], Refused)] = match field.form {
                Form::Point => &[
                    ([0; 32], Refused::Decode(DecodeError::IdentityPoint)),
                    ([0xff; 32], Refused::Decode(DecodeError::Point)),
                    (ORDER, Refused::Decode(DecodeError::Point)),
                ],
                Form::Scalar | Form::Serial => {
                    &[(ORDER, Refused::Decode(DecodeError::Scalar)), ([0xff; 32], Refused::Decode(DecodeError::Scalar))]
                }
                Form::Code | Form::Count | Form::Bytes => continue,
            };
            for (bytes, reason) in cases {
                let changed = replaced(&request, field, bytes);
                assert_eq!(verifier.receive(&changed), Err(*reason), "{name}: {}", field.name);
            }
        }
    }
}

#[test]
fn nothing_is_missing_and_nothing_follows() {
    let reference = Reference::read();
    for (name, request, layout) in requests(&reference) {
        let reason = |bytes: &[u8]| Transaction::from_bytes(bytes).map(drop);
        for field in &layout.fields {
            for end in [field.at.start, field.at.start + field.at.len() / 2, field.at.end - 1] {
                let cut = reason(&request[..end]);
                assert_eq!(cut, Err(DecodeError::Truncated), "{name}: cut in {}", field.name);
            }
            let without = replaced(&request, field, &[]);
            assert!(reason(&without).is_err(), "{name}: without {}", field.name);
            let shorter = replaced(&request, field, &request[field.at.start + 1..field.at.end]);
            assert!(reason(&shorter).is_err(), "{name}: a byte less in {}", field.name);
            let longer = replaced(&request, field, &[&[1], &request[field.at.clone()]].concat());
            assert!(reason(&longer).is_err(), "{name}: a byte more in {}", field.name);
        }
        for more in [1, 32, request.len()] {
            let extended = [request.as_slice(), &vec![0; more]].concat();
            assert_eq!(reason(&extended), Err(DecodeError::TrailingBytes), "{name}: {more} bytes more");
        }
    }
}

/// Every field changes places with the next of its length, and with the same field of another transaction.
#[test]
fn fields_do_not_change_places() {
    let reference = Reference::read();
    let verifier = Verifier::new(&reference);
    let requests = requests(&reference);
    for (name, request, layout) in &requests {
        for (index, field) in layout.fields.iter().enumerate() {
            let same_length = |other: &&Field| other.at.len() == field.at.len();
            let Some(other) = layout.fields[index + 1..].iter().find(same_length) else { continue };
            if request[field.at.clone()] == request[other.at.clone()] {
                continue;
            }
            let swapped = replaced(request, field, &request[other.at.clone()]);
            let swapped = replaced(&swapped, other, &request[field.at.clone()]);
            assert!(verifier.receive(&swapped).is_err(), "{name}: {} and {}", field.name, other.name);
        }
    }
    let mut tried = 0;
    for vector in reference.vectors() {
        let donor = hex(&vector["request"]);
        for (name, request, layout) in requests.iter().filter(|(_, request, _)| request.len() == donor.len()) {
            for field in layout.fields.iter().filter(|field| donor[field.at.clone()] != request[field.at.clone()]) {
                let mixed = replaced(request, field, &donor[field.at.clone()]);
                assert!(verifier.receive(&mixed).is_err(), "{name}: {} of another", field.name);
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "some statements are there more than once");
}

#[test]
fn inputs_are_in_order_and_not_repeated() {
    let reference = Reference::read();
    let verifier = Verifier::new(&reference);
    let order = Err(Refused::Decode(DecodeError::Order));
    let mut tried = 0;
    for (name, request, layout) in requests(&reference) {
        let input = |which: &str| {
            let of = |field: &&Field| field.name.starts_with(which);
            let fields: Vec<_> = layout.fields.iter().filter(of).collect();
            let (first, last) = (fields.first()?, fields.last()?);
            Some(Field { name: which.to_owned(), form: Form::Bytes, at: first.at.start..last.at.end })
        };
        for kind in ["coin", "note"] {
            let (Some(one), Some(two)) = (input(&format!("{kind} 0 ")), input(&format!("{kind} 1 "))) else { continue };
            let (first, second) = (&request[one.at.clone()], &request[two.at.clone()]);
            let twice = replaced(&request, &two, first);
            assert_eq!(verifier.receive(&twice), order, "{name}: the same {kind} twice");
            let exchanged = replaced(&replaced(&request, &one, second), &two, first);
            assert_eq!(verifier.receive(&exchanged), order, "{name}: out of order");
            tried += 1;
        }
        if let (Some(_), Some(_)) = (input("note 0 "), input("wallet 0 serial")) {
            let serial = &request[layout.field("note 0 serial").at.clone()];
            let twice = replaced(&request, layout.field("wallet 0 serial"), serial);
            assert_eq!(verifier.receive(&twice), order, "{name}: one serial for note and state");
            tried += 1;
        }
    }
    assert_eq!(tried, 7);
}

/// Day, epoch, policy and keys are pinned by the transcript; what they should be is the acceptor's to say.
#[test]
fn a_transaction_is_for_one_day_epoch_policy_and_key() {
    let reference = Reference::read();
    let key = reference.signing_key();
    let mut other = key.public().to_bytes();
    let last = other.len() - 1;
    other[last] += 1;
    let secret = key.to_secret_bytes();
    let other = SigningKey::from_secret_bytes(&[&other, &secret[secret.len() - 64..]].concat()).unwrap();
    let other_id = *other.public().id().as_bytes();
    let verifier = Verifier { ring: KeyRing::new([key, other]), minimum: reference.policy().terms().minimum };
    for (name, request, layout) in requests(&reference) {
        let for_issuer = name.starts_with("register") || name.starts_with("withdraw");
        let change = |field: &str, bytes: &[u8]| verifier.receive(&replaced(&request, layout.field(field), bytes));
        let day = u32::from_le_bytes(request[layout.field("day").at.clone()].try_into().unwrap());
        for other_day in [day - 1, day + 1, day + 31, 0, u32::MAX] {
            assert_eq!(change("day", &other_day.to_le_bytes()), Err(Refused::Proof), "{name}");
        }
        if !for_issuer {
            assert_eq!(change("epoch", &4u32.to_le_bytes()), Err(Refused::Proof), "{name}");
            assert_eq!(change("policy", &[7; 32]), Err(Refused::Proof), "{name}");
        }
        for field in
            layout.fields.iter().filter(|field| field.name.ends_with("in-key") && !field.name.starts_with("rule"))
        {
            assert_eq!(change(&field.name, &other_id), Err(Refused::Proof), "{name}: another accepted key");
        }
        if !name.starts_with("claim") && !name.starts_with("refund") {
            assert_eq!(change("key", &other_id), Err(Refused::Proof), "{name}: another output key");
        }
    }
    let nobody = Verifier { ring: KeyRing::new([]), minimum: verifier.minimum };
    for (name, request, layout) in requests(&reference) {
        let has_inputs = layout.fields.iter().any(|field| field.name.ends_with("in-key"));
        assert_eq!(nobody.receive(&request).is_err(), has_inputs, "{name}: inputs under an unknown key");
    }
}

#[test]
fn amounts_of_nothing_and_money_for_refunds_are_refused() {
    let reference = Reference::read();
    let verifier = Verifier::new(&reference);
    for (name, request, layout) in requests(&reference) {
        if name.starts_with("withdraw") || name.starts_with("redeem") {
            let nothing = replaced(&request, layout.field("amount"), &[0; 8]);
            assert_eq!(verifier.receive(&nothing), Err(Refused::Decode(DecodeError::Field("amount"))));
        }
        if name.starts_with("withdraw") {
            let refund_only = replaced(&request, layout.field("purpose"), &[0xff; 4]);
            assert_eq!(verifier.receive(&refund_only), Err(Refused::Decode(DecodeError::Field("purpose"))));
        }
    }
}

#[test]
fn every_field_of_every_answer_is_pinned() {
    let reference = Reference::read();
    let key = reference.signing_key();
    let all = reference.transactions();
    for (vector, transaction) in &all {
        let core = transaction.core();
        let (bytes, added) = (answer_bytes(vector), addition(vector));
        // Class and validity are in the answer to Register, and are checked as they stand there.
        let check = |bytes: &[u8]| {
            let answer = Answer::from_bytes(core, bytes).map_err(Refused::Decode)?;
            let added = match answer.registration() {
                Some((class, validity)) => Addition::Registration { class, validity },
                None => added,
            };
            answer.check(core, added, key.public()).map(drop).map_err(|VerificationFailure| Refused::Proof)
        };
        assert_eq!(check(&bytes), Ok(()));
        let outputs = (bytes.len() - 64) / 96;
        let scalar = |refused| [Refused::Proof, Refused::Decode(DecodeError::Scalar)].contains(&refused);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            let refused = check(&changed).expect_err("a bit of an answer is not pinned");
            match at / 32 {
                word if word < 3 * outputs && word % 3 == 0 => {
                    assert!([Refused::Proof, Refused::Decode(DecodeError::Point)].contains(&refused), "{refused:?}");
                }
                _ => assert!(scalar(refused), "{refused:?}"),
            }
            assert_eq!(check(&bytes[..at]), Err(Refused::Decode(DecodeError::Truncated)));
        }
        for word in 0..3 * outputs + 2 {
            let set = |value: &[u8; 32]| [&bytes[..32 * word], value, &bytes[32 * (word + 1)..]].concat();
            let is_point = word < 3 * outputs && word % 3 == 0;
            let expected = if is_point { DecodeError::Point } else { DecodeError::Scalar };
            assert_eq!(check(&set(&[0xff; 32])), Err(Refused::Decode(expected)));
            if is_point {
                assert_eq!(check(&set(&[0; 32])), Err(Refused::Decode(DecodeError::IdentityPoint)));
            }
        }
        assert_eq!(check(&[&bytes[..], &[0]].concat()), Err(Refused::Decode(DecodeError::TrailingBytes)));
        if outputs == 2 {
            let exchanged = [&bytes[96..192], &bytes[..96], &bytes[192..]].concat();
            assert_eq!(check(&exchanged), Err(Refused::Proof), "outputs exchanged");
        }
        for (other, _) in all.iter().filter(|(other, _)| other["id"] != vector["id"]) {
            let other = answer_bytes(other);
            assert!(other.len() != bytes.len() || check(&other).is_err(), "the answer to another transaction");
        }
        let wrong = match added {
            Addition::None => vec![Addition::Expiry(core.month())],
            Addition::Expiry(expiry) => vec![Addition::None, Addition::Expiry(expiry.plus(1))],
            Addition::Registration { class, validity } => vec![
                Addition::None,
                Addition::Registration { class: class + 1, validity },
                Addition::Registration { class, validity: validity.plus(1) },
            ],
        };
        let answer = Answer::from_bytes(core, &bytes).unwrap();
        assert!(wrong.into_iter().all(|wrong| answer.check(core, wrong, key.public()).is_err()));
        let verified = transaction.clone().verify(&reference.ring(), Amount::new(100), &mut rng()).unwrap();
        let odd = if added == Addition::None { Addition::Expiry(core.month()) } else { Addition::None };
        assert!(Answer::sign(&key, &verified, odd, &mut rng()).is_err(), "an addition of another statement");
    }
}

/// A state is valid in the month, and a note that is taken back has expired before it.
#[test]
fn periods_are_checked() {
    let reference = Reference::read();
    let mut seen = 0;
    for (vector, transaction) in reference.transactions() {
        let core = transaction.core();
        assert!(core.period_holds(), "{}", vector["statement"]);
        let layout = Layout::of(transaction.as_bytes());
        let month = core.month().get();
        let with = |field: &str, value: u32| {
            let bytes = replaced(transaction.as_bytes(), layout.field(field), &value.to_le_bytes());
            Transaction::from_bytes(&bytes).unwrap().core().period_holds()
        };
        if matches!(core.statement(), Statement::Claim | Statement::Split | Statement::Refund) {
            assert_eq!([month - 1, month, month + 1].map(|value| with("validity", value)), [false, true, true]);
            seen += 1;
        }
        if matches!(core.statement(), Statement::Refund | Statement::SplitExpired) {
            let held = [0, 1, month - 1, month, month + 1].map(|value| with("expiry", value));
            assert_eq!(held, [false, true, true, false, false]);
            seen += 1;
        }
        if core.statement() == Statement::Renew {
            assert!(with("validity", 0), "a state of any age may be renewed");
            seen += 1;
        }
    }
    assert_eq!(seen, 7);
}
