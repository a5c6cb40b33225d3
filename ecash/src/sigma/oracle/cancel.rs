//! Errors that would cancel if the equations, presentations or transactions of a batch were added without weights.

use crate::{
    amount::Amount,
    encoding::Point,
    sigma::{
        oracle::drafts::{Bank, bank, broken, copy, drafts, forge, openings, present, rng, sent},
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
            let z = Scalar::from_canonical_bytes(bytes[at..].try_into().unwrap()).unwrap();
            bytes[at..].copy_from_slice((z + by).as_bytes());
            Transaction::from_bytes(&bytes).unwrap()
        };
        let (more, less) = (scalar_at(Scalar::ONE), scalar_at(-Scalar::ONE));
        assert!(!batch(&bank, &[&more, &less]));
        assert!(batch(&bank, &[&honest, &honest]));
    }
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
