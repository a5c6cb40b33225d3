//! Errors that would cancel if the equations, presentations or transactions of a batch were added without weights.

use crate::{
    amount::Amount,
    encoding::{Point, Reader},
    range::{RangeProof, Shape},
    sigma::{
        oracle::drafts::{
            Bank, bank, bind, broken, copy, drafts, forge, openings, present, prove_range, respond, rng, sent,
        },
        witness::Secret,
    },
    statement::Statement,
    transaction::{Draft, Transaction},
    verify::BatchVerifier,
};
use curve25519_dalek::Scalar;

fn batch(bank: &Bank, transactions: &[&Transaction]) -> bool {
    let mut batch = BatchVerifier::new(&bank.ring);
    for transaction in transactions {
        batch.queue(Transaction::from_bytes(transaction.as_bytes()).unwrap(), bank.minimum);
    }
    batch.verify(&mut rng()).is_ok()
}

/// A coin presented with `Ā` too large by `D`, and the same coin with `Ā` too small by `D`: all equations hold, and the
/// sums of `A'` and `Ā` are those of two true presentations.
#[test]
fn presentations_do_not_cancel() {
    let bank = bank();
    let (_, honest) = drafts().into_iter().find(|(_, draft)| draft.core.statement() == Statement::Pay).unwrap();
    let shifted = |by: Scalar| {
        let witness = copy(&honest.witness);
        let openings = openings(&honest.core, &honest.witness, bank.minimum.get());
        let mut draft = Draft { core: honest.core.clone(), witness, openings };
        present(&mut draft, 0, bank.x, None);
        let input = &mut draft.core.inputs[0];
        input.abar = Point::new(input.abar.point() + input.d.point() * by);
        let r1 = draft.witness.get(Secret::R1(0)).unwrap();
        draft.witness.set(Secret::R1(0), r1 + by);
        assert_eq!(broken(&draft), [0; 0]);
        forge(&draft, None)
    };
    let (more, less) = (shifted(Scalar::ONE), shifted(-Scalar::ONE));
    assert!(sent(&more, &bank).is_err() && sent(&less, &bank).is_err());
    assert!(!batch(&bank, &[&more, &less]));
    assert!(batch(&bank, &[&shifted(Scalar::ZERO)]));
}

/// One response too large in one transaction and too small in its twin.
#[test]
fn responses_do_not_cancel() {
    let bank = bank();
    for (_, draft) in drafts() {
        let honest = forge(&draft, None);
        let scalar_at = |by: Scalar| {
            let mut bytes = honest.as_bytes().to_vec();
            let at = bytes.len() - 32;
            shift(&mut bytes, at, by);
            Transaction::from_bytes(&bytes).unwrap()
        };
        let (more, less) = (scalar_at(Scalar::ONE), scalar_at(-Scalar::ONE));
        assert!(!batch(&bank, &[&more, &less]));
        assert!(batch(&bank, &[&honest, &honest]));
    }
}

/// Proved honestly but for the response to the last mask, `H_blind`, of the range proof, and for that of one secret, both
/// shifted: the challenge `c` is of what is sent, so nothing else is wrong.
fn shifted(draft: &Draft, mask: Scalar, secret: Option<(Secret, Scalar)>) -> Transaction {
    let bound = bind(&draft.core, None);
    let mut bytes = prove_range(draft, &bound).unwrap().as_bytes().to_vec();
    let degree = usize::from(bytes[0]);
    shift(&mut bytes, 1 + 32 * (degree - 1), mask);
    let shape = Shape::of(draft.core.ranges()).unwrap();
    let range = RangeProof::read(shape, &mut Reader::new(&bytes)).unwrap();
    let secrets = bound.relation.secrets.clone();
    let transaction = respond(draft, bound, Some(range));
    let mut bytes = transaction.as_bytes().to_vec();
    if let Some((secret, by)) = secret {
        let place = secrets.iter().position(|known| *known == secret).unwrap();
        let at = bytes.len() - 32 * (secrets.len() - place);
        shift(&mut bytes, at, by);
    }
    Transaction::from_bytes(&bytes).unwrap()
}

fn shift(bytes: &mut [u8], at: usize, by: Scalar) {
    let scalar = Scalar::from_canonical_bytes(bytes[at..at + 32].try_into().unwrap()).unwrap();
    bytes[at..at + 32].copy_from_slice((scalar + by).as_bytes());
}

/// Range proofs wrong by `+H_blind` and `-H_blind` in two transactions; and within one transaction a range proof and an
/// equation.
#[test]
fn range_proofs_do_not_cancel() {
    let bank = bank();
    let mut tried = 0;
    for (_, draft) in drafts() {
        let blind = match draft.core.statement() {
            Statement::Pay | Statement::Split | Statement::SplitExpired | Statement::Redeem => Secret::Blind1,
            Statement::Swap if draft.core.commitments.len() == 2 => Secret::Blind1,
            Statement::Claim | Statement::Refund => Secret::Bm,
            _ => continue,
        };
        let (zero, one) = (Scalar::ZERO, Scalar::ONE);
        let relation = crate::statement::relation(&draft.core);
        let blind = if relation.secrets.contains(&blind) { blind } else { Secret::Blind };
        assert!(sent(&shifted(&draft, zero, Some((blind, zero))), &bank).is_ok());
        let (more, less) = (shifted(&draft, one, None), shifted(&draft, -one, None));
        assert!(sent(&more, &bank).is_err() && sent(&less, &bank).is_err());
        assert!(!batch(&bank, &[&more, &less]), "two range proofs");
        for by in [one, -one] {
            assert!(sent(&shifted(&draft, one, Some((blind, by))), &bank).is_err(), "range proof and equation");
        }
        tried += 1;
    }
    assert!(tried >= 6, "{tried}");
}

/// A payment is verified against its own minimum, whatever the others in the batch have.
#[test]
fn minimums_are_not_mixed_up() {
    let bank = bank();
    let payments: Vec<_> = drafts()
        .into_iter()
        .filter(|(_, draft)| draft.core.statement() == Statement::Pay)
        .map(|(_, draft)| forge(&draft, None))
        .take(2)
        .collect();
    let with = |minimums: [u64; 2]| {
        let mut batch = BatchVerifier::new(&bank.ring);
        for (payment, minimum) in payments.iter().zip(minimums) {
            batch.queue(payment.clone(), Amount::new(minimum));
        }
        batch.verify(&mut rng()).is_ok()
    };
    let minimum = bank.minimum.get();
    assert!(with([minimum, minimum]));
    assert!(!with([minimum, minimum + 1]) && !with([minimum - 1, minimum]) && !with([0, minimum]));
}
