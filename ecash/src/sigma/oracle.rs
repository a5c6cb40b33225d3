//! Every equation against an oracle in plain arithmetic, and with a lie that only this equation catches.
#![allow(clippy::unwrap_used)]

mod cancel;
mod document;
mod drafts;
mod forgeries;
mod plain;

use curve25519_dalek::Scalar;

use self::{
    drafts::{bank, broken, drafts, false_lines, forge, number, receives, sent, value},
    plain::Plain,
};
use crate::{
    calendar::Day,
    sigma::witness::{Secret, Witness},
    statement,
    transaction::Draft,
};

#[test]
fn the_witnesses_of_the_vectors_satisfy_both() {
    for (vector, draft) in drafts() {
        let relation = statement::relation(&draft.core);
        let names: Vec<_> = relation.secrets.iter().map(ToString::to_string).collect();
        assert_eq!(
            names,
            vector["witnesses"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect::<Vec<_>>()
        );
        let lines = Plain { core: &draft.core, witness: &draft.witness }.lines();
        let equations: Vec<_> = relation.equations.iter().map(|equation| equation.name).collect();
        assert_eq!(equations, lines.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        assert_eq!(broken(&draft), [0; 0], "{}", vector["statement"]);
        assert_eq!(false_lines(&draft), [0; 0], "{}", vector["statement"]);
        assert!(sent(&forge(&draft, None), &bank()).is_ok(), "an honest proof is accepted");
    }
}

/// The counters as a wallet counts them, in whole numbers.
#[test]
fn the_counters_of_the_vectors_roll_over_as_calendars_do() {
    let mut days = [false; 2];
    for (_, draft) in drafts().into_iter().filter(|(_, draft)| receives(&draft.core)) {
        let get = |name: &str| number(value(&draft.witness, name));
        let received: u64 = (0..draft.core.spent()).map(|index| get(&format!("v.{index}"))).sum();
        let today = draft.core.header().day;
        let (day, month) = (get("day"), get("month"));
        let same_day = day == u64::from(today.get());
        let same_month = month == u64::from(today.month().get());
        assert_eq!(get("d'"), if same_day { get("d_tot") } else { 0 });
        assert_eq!(get("m'"), if same_month { get("m_tot") } else { 0 });
        assert!(get("d'") + received <= get("cap_d") && get("m'") + received <= get("cap_m"));
        days[usize::from(same_day)] = true;
    }
    assert_eq!(days, [true, true], "both a first and a second receipt of a day are there");
}

fn with_more(witness: &Witness, secret: Secret) -> Witness {
    let mut changed = drafts::copy(witness);
    changed.set(secret, witness.get(secret).unwrap() + Scalar::ONE);
    changed
}

/// A secret that is one too large breaks the same lines in both, and the proof made from it is refused.
#[test]
fn every_secret_is_pinned() {
    let bank = bank();
    for (vector, mut draft) in drafts() {
        let relation = statement::relation(&draft.core);
        for secret in relation.secrets {
            let changed = with_more(&draft.witness, secret);
            let honest = std::mem::replace(&mut draft.witness, changed);
            let numbers = broken(&draft);
            assert!(!numbers.is_empty(), "{} {secret}", vector["statement"]);
            assert_eq!(numbers, false_lines(&draft), "{} {secret}", vector["statement"]);
            assert!(sent(&forge(&draft, None), &bank).is_err(), "{} {secret}", vector["statement"]);
            draft.witness = honest;
        }
    }
}

/// For every equation there is a secret that only it knows. A wrong value of that secret is refused, and would be
/// accepted by a verifier without the equation.
#[test]
fn no_equation_can_be_left_out() {
    let bank = bank();
    let mut equations = 0;
    for (vector, mut draft) in drafts() {
        let relation = statement::relation(&draft.core);
        for (number, equation) in relation.equations.iter().enumerate() {
            let own = equation.right.iter().map(|term| relation.secrets[usize::from(term.secret)]).find(|secret| {
                let others = relation.equations.iter().enumerate().filter(|(other, _)| *other != number);
                others
                    .flat_map(|(_, other)| &other.right)
                    .all(|term| relation.secrets[usize::from(term.secret)] != *secret)
            });
            let own =
                own.unwrap_or_else(|| panic!("{} {} has no secret of its own", vector["statement"], equation.name));
            let changed = with_more(&draft.witness, own);
            let honest = std::mem::replace(&mut draft.witness, changed);
            assert_eq!(broken(&draft), [number]);
            assert!(sent(&forge(&draft, None), &bank).is_err(), "{} {}", vector["statement"], equation.name);
            assert!(forge(&draft, Some(number)).verify(&bank.ring, bank.minimum, &mut drafts::rng()).is_ok());
            draft.witness = honest;
            equations += 1;
        }
    }
    assert_eq!(equations, 119);
}

type Change = fn(&mut Draft);

/// Public values that stand in an equation are pinned by it, not only by the transcript.
#[test]
fn public_values_are_part_of_the_equations() {
    let change: [(&str, Change); 6] = [
        ("day", |draft| draft.core.header.day = Day::new(draft.core.header.day.get() + 31)),
        ("epoch", |draft| draft.core.header.epoch += 1),
        ("fee", |draft| draft.core.publics.fee += 1),
        ("amount", |draft| draft.core.publics.amount += 1),
        ("validity", |draft| draft.core.publics.validity += 1),
        ("expiry", |draft| draft.core.publics.expiry += 1),
    ];
    for (vector, honest) in drafts() {
        let expected: &[&str] = match vector["statement"].as_str().unwrap() {
            "pay" => &["fee"],
            "redeem" => &["amount"],
            "claim" => &["day", "epoch", "validity"],
            "refund" => &["day", "epoch", "validity", "expiry"],
            "split" | "renew" => &["validity"],
            "split-expired" => &["expiry"],
            _ => &[],
        };
        let mut found = Vec::new();
        for (name, change) in change {
            let witness = drafts::copy(&honest.witness);
            let mut draft = Draft { core: honest.core.clone(), witness, openings: Vec::new() };
            change(&mut draft);
            assert_eq!(broken(&draft), false_lines(&draft));
            if !broken(&draft).is_empty() {
                found.push(name);
            }
        }
        assert_eq!(found, expected, "{}", vector["statement"]);
    }
}
