//! What a dishonest wallet would gain without one equation: each forgery is false in one line only, is refused, and
//! would pass a verifier who left this line out.

use curve25519_dalek::{RistrettoPoint, Scalar};

use crate::{
    encoding::Point,
    params::Generator::{self, *},
    sigma::{
        oracle::{
            drafts::{
                self, bank, broken, copy, drafts, equations_hold, false_lines, forge, forge_with_range_of, openings,
                place, present, rebuild, receives, sent, value,
            },
            plain::{Plain, sum},
        },
        witness::Secret,
    },
    statement::{self, Commitment, Ranges, Statement},
    transaction::Draft,
};

/// Everything that an attribute can stand for.
const ATTRIBUTES: [Generator; 17] = [
    Value, Owner, Serial, Purpose, PurposeOut, Refund, Expiry, Blind, Identity, Class, Day, Month, DayTotal,
    MonthTotal, Validity, Epoch, Account,
];

fn duplicate(draft: &Draft) -> Draft {
    let minimum = bank().minimum.get();
    let openings = openings(&draft.core, &draft.witness, minimum);
    Draft { core: draft.core.clone(), witness: copy(&draft.witness), openings }
}

/// The forgery breaks this line and no other; it is refused; without the line it would pass.
fn only_this_line_catches(draft: &Draft, number: usize, what: &str) {
    let bank = bank();
    let name = statement::relation(&draft.core).equations[number].name;
    assert_eq!(broken(draft), [number], "{what}");
    assert_eq!(false_lines(draft), [number], "{what}");
    assert!(sent(&forge(draft, None), &bank).is_err(), "{name} accepts: {what}");
    let without = forge(draft, Some(number)).verify(&bank.ring, bank.minimum, &mut drafts::rng());
    assert!(without.is_ok(), "{name} is not what catches: {what}");
}

/// The same of the equations alone, which is quicker: nothing is said about ranges.
fn only_this_equation_fails(draft: &Draft, number: usize, what: &str) {
    assert_eq!(broken(draft), [number], "{what}");
    assert_eq!(false_lines(draft), [number], "{what}");
    assert!(!equations_hold(draft, None), "{what}");
    assert!(equations_hold(draft, Some(number)), "{what}");
}

/// Another true credential is presented than the one whose attributes the transaction counts with: a smaller coin,
/// another wallet's, somebody else's note, a rule with other caps.
#[test]
fn a_presentation_is_of_the_attributes_claimed() {
    let bank = bank();
    for (_, honest) in drafts() {
        for index in 0..honest.core.inputs.len() {
            let kind = honest.core.inputs[index].kind;
            let generators = kind.attributes().iter().copied().chain([Account]);
            for generator in generators {
                let mut draft = duplicate(&honest);
                present(&mut draft, index, bank.x, Some((generator, -Scalar::ONE)));
                let catch =
                    if matches!(generator, Value | Owner) { only_this_line_catches } else { only_this_equation_fails };
                catch(&draft, 2 * index + 1, &format!("{kind:?} with another {generator:?}"));
            }
        }
    }
}

/// `A'` and `Ā` are taken from somebody's public presentation, `D` holds attributes that nobody ever signed.
#[test]
fn a_presentation_is_of_one_credential() {
    let bank = bank();
    for (_, honest) in drafts() {
        for index in 0..honest.core.inputs.len() {
            let mut draft = duplicate(&honest);
            let stolen = RistrettoPoint::mul_base(&Scalar::from(17u8));
            let input = &mut draft.core.inputs[index];
            (input.a, input.abar) = (Point::new(stolen), Point::new(stolen * bank.x));
            only_this_line_catches(&draft, 2 * index, "a stolen presentation");
        }
    }
}

/// A forged signature under which both equations hold is caught by the key alone.
#[test]
fn a_presentation_is_under_the_key() {
    let bank = bank();
    for (_, honest) in drafts() {
        for index in 0..honest.core.inputs.len() {
            let mut draft = duplicate(&honest);
            present(&mut draft, index, bank.x + Scalar::ONE, None);
            assert_eq!(broken(&draft), [0; 0]);
            assert_eq!(false_lines(&draft), [0; 0]);
            assert!(sent(&forge(&draft, None), &bank).is_err());
        }
    }
}

/// A commitment holds one more of one attribute than its line says: more money, another owner, account or identity,
/// another purpose, a counter that is too low, room that is not there.
#[test]
fn a_commitment_holds_what_its_line_says_of_every_attribute() {
    for (vector, honest) in drafts() {
        let names = honest.core.statement().commitments(honest.core.commitments.len());
        let in_other_lines = |name| match name {
            Commitment::F => true,
            Commitment::Qd | Commitment::Qm | Commitment::Gd | Commitment::Gm => receives(&honest.core),
            _ => false,
        };
        for (place, name) in names.iter().enumerate().filter(|(_, name)| !in_other_lines(**name)) {
            let relation = statement::relation(&honest.core);
            let number = relation.equations.iter().position(|equation| equation.name == name.label()).unwrap();
            for generator in ATTRIBUTES {
                let mut draft = duplicate(&honest);
                let more = draft.core.commitments[place].point() + generator.point();
                draft.core.commitments[place] = Point::new(more);
                let what = format!("{} {}: one more of {generator:?}", vector["statement"], name.label());
                only_this_equation_fails(&draft, number, &what);
                if generator == Value {
                    open_one_more(&mut draft, *name);
                    only_this_line_catches(&draft, number, &what);
                }
            }
        }
    }
}

/// Adds one to the opening of a commitment, if its range is proved.
fn open_one_more(draft: &mut Draft, name: Commitment) {
    let (Ranges::Money(names) | Ranges::Counters(names)) = draft.core.ranges() else { return };
    if let Some(place) = names.iter().position(|known| *known == name) {
        draft.openings[place].value += 1;
    }
}

/// Whoever takes an expired note back knows `ψ`; to know `F` is not enough.
#[test]
fn a_refund_is_authorised_by_the_payer() {
    let mut tried = 0;
    for (_, honest) in drafts().into_iter().filter(|(_, draft)| draft.core.commitment(Commitment::F).is_some()) {
        let mut draft = duplicate(&honest);
        draft.witness.set(Secret::Psi, Scalar::from(5u8));
        let number = statement::relation(&draft.core).equations.iter().position(|equation| equation.name == "F");
        only_this_line_catches(&draft, number.unwrap(), "psi unknown");
        tried += 1;
    }
    assert_eq!(tried, 2);
}

/// One of the two counters, by the names of its secrets and commitments.
struct Counter {
    then: (&'static str, Secret),
    kept: (&'static str, Secret),
    total: (&'static str, Secret),
    q: Secret,
    p: Secret,
    quotient: [Secret; 3],
    Q: Commitment,
    G: Commitment,
    /// Which lines of the two counters' eight are this one's, after `Q_d`.
    lines: [usize; 4],
}

const COUNTERS: [Counter; 2] = [
    Counter {
        then: ("day", Secret::Day),
        kept: ("d'", Secret::DayKept),
        total: ("d_tot", Secret::DayTotal),
        q: Secret::Qd,
        p: Secret::Pd,
        quotient: [Secret::Jd, Secret::Wd, Secret::Yd],
        Q: Commitment::Qd,
        G: Commitment::Gd,
        lines: [0, 2, 4, 6],
    },
    Counter {
        then: ("month", Secret::Month),
        kept: ("m'", Secret::MonthKept),
        total: ("m_tot", Secret::MonthTotal),
        q: Secret::Qm,
        p: Secret::Pm,
        quotient: [Secret::Jm, Secret::Wm, Secret::Ym],
        Q: Commitment::Qm,
        G: Commitment::Gm,
        lines: [1, 3, 5, 7],
    },
];

impl Counter {
    fn now(&self, draft: &Draft) -> u32 {
        if self.Q == Commitment::Qd { draft.core.header.day.get() } else { draft.core.month().get() }
    }

    /// The last receipt was so many periods ago, with this total, of which the wallet says it has kept so much.
    fn set(&self, draft: &mut Draft, elapsed: u32, total: u64, kept: Scalar) {
        let then = self.now(draft) - elapsed;
        draft.witness.set(self.then.1, then).set(self.total.1, total).set(self.kept.1, kept);
    }

    /// `j, w, y` for `Q` and `G` that hold these values, as far as there are any.
    fn solve(&self, draft: &mut Draft, elapsed: Scalar, gap: Scalar) {
        let get = |secret| draft.witness.get(secret).unwrap();
        let (q, p, kept) = (get(self.q), get(self.p), get(self.kept.1));
        let j = if elapsed == Scalar::ZERO { Scalar::ZERO } else { gap * elapsed.invert() };
        let solution = [j, p - j * q, -(kept * p)];
        for (secret, value) in self.quotient.into_iter().zip(solution) {
            draft.witness.set(secret, value);
        }
    }

    /// Puts other values into `Q` and `G` than the witness says.
    fn lie(&self, draft: &mut Draft, elapsed: u64, gap: Scalar) {
        for (name, value, mask) in [(self.Q, Scalar::from(elapsed), self.q), (self.G, gap, self.p)] {
            let at = place(&draft.core, name);
            let mask = draft.witness.get(mask).unwrap();
            draft.core.commitments[at] = Point::new(sum(&vec![(Value, value), (Blind, mask)]));
        }
        let at = if self.Q == Commitment::Qd { 2 } else { 3 };
        draft.openings[at].value = elapsed;
    }
}

/// A cap of day and month that leaves room for what the vectors receive, once.
const CAP: u64 = 10_000_000;

/// A wallet that has received its whole cap in this period tries to start again from nothing, by lying in each of the
/// four lines that roll a counter over.
#[test]
fn a_counter_cannot_be_reset() {
    let bank = bank();
    for (vector, honest) in drafts().into_iter().filter(|(_, draft)| receives(&draft.core)) {
        let first =
            statement::relation(&honest.core).equations.iter().position(|equation| equation.name == "Q_d").unwrap();
        for counter in &COUNTERS {
            let base = |elapsed: u32, total: u64, kept: Scalar| {
                let mut draft = duplicate(&honest);
                draft.witness.set(Secret::DayCap, CAP).set(Secret::MonthCap, CAP);
                counter.set(&mut draft, elapsed, total, kept);
                rebuild(&mut draft, bank.x);
                draft.openings = openings(&draft.core, &draft.witness, 0);
                draft
            };
            let what = |lie: &str| format!("{} {}: {lie}", vector["statement"], counter.kept.0);
            let (zero, one, full) = (Scalar::ZERO, Scalar::ONE, Scalar::from(CAP));

            let mut draft = base(0, CAP, zero);
            counter.lie(&mut draft, 1, full);
            counter.solve(&mut draft, one, full);
            only_this_line_catches(&draft, first + counter.lines[0], &what("a period has passed"));

            let mut draft = base(0, CAP, zero);
            counter.lie(&mut draft, 0, zero);
            counter.solve(&mut draft, zero, zero);
            only_this_line_catches(&draft, first + counter.lines[1], &what("nothing was dropped"));

            let mut draft = base(0, CAP, zero);
            counter.solve(&mut draft, zero, full);
            only_this_line_catches(&draft, first + counter.lines[2], &what("a total dropped within the period"));

            let below = -Scalar::from(1_000_000u32);
            let mut draft = base(1, CAP, below);
            counter.solve(&mut draft, one, full - below);
            only_this_line_catches(&draft, first + counter.lines[3], &what("less than nothing was kept"));
        }
    }
}

/// A day before that of the last receipt cannot be opened in range, whatever else is true.
#[test]
fn days_do_not_go_back() {
    let bank = bank();
    for (_, honest) in drafts().into_iter().filter(|(_, draft)| receives(&draft.core)) {
        for counter in &COUNTERS {
            let mut draft = duplicate(&honest);
            let later = counter.now(&draft) + 1;
            draft.witness.set(counter.then.1, later).set(counter.kept.1, 0u64);
            let total = value(&draft.witness, counter.total.0);
            counter.solve(&mut draft, -Scalar::ONE, total);
            rebuild(&mut draft, bank.x);
            assert_eq!(broken(&draft), [0; 0], "all equations hold: {}", counter.then.0);
            assert!(equations_hold(&draft, None), "so only the range proof is in the way");
            assert!(sent(&forge_with_range_of(&draft, &honest), &bank).is_err());
        }
    }
}

/// More than the cap cannot be opened in range, whatever else is true; exactly the cap can.
#[test]
fn caps_hold_to_the_last_unit() {
    let bank = bank();
    for (_, honest) in drafts().into_iter().filter(|(_, draft)| receives(&draft.core)) {
        for (cap, kept) in [(Secret::DayCap, "d'"), (Secret::MonthCap, "m'")] {
            let plain = Plain { core: &honest.core, witness: &honest.witness };
            let needed = plain.total() + plain.get(kept);
            let mut draft = duplicate(&honest);
            draft.witness.set(cap, needed);
            rebuild(&mut draft, bank.x);
            draft.openings = openings(&draft.core, &draft.witness, 0);
            assert!(sent(&forge(&draft, None), &bank).is_ok(), "the whole cap may be received");

            draft.witness.set(cap, needed - Scalar::ONE);
            rebuild(&mut draft, bank.x);
            assert_eq!(broken(&draft), [0; 0], "all equations hold");
            assert!(equations_hold(&draft, None), "so only the range proof is in the way");
            assert!(sent(&forge_with_range_of(&draft, &honest), &bank).is_err(), "one unit above the cap");
        }
    }
}

/// A state that is not valid any more, and a note that has not expired yet: every equation and range holds, and it is
/// refused all the same.
#[test]
fn periods_are_checked_beside_the_proof() {
    let bank = bank();
    let mut refused = 0;
    for (_, honest) in drafts() {
        let (validity, expiry) = (honest.core.publics.validity, honest.core.publics.expiry);
        let month = honest.core.month().get();
        for (validity, expiry) in [(validity.min(month), expiry), (month - 1, expiry), (validity, month)] {
            let mut draft = duplicate(&honest);
            (draft.core.publics.validity, draft.core.publics.expiry) = (validity, expiry);
            rebuild(&mut draft, bank.x);
            draft.openings = openings(&draft.core, &draft.witness, bank.minimum.get());
            assert_eq!(broken(&draft), [0; 0]);
            let period_holds = draft.core.period_holds();
            assert_eq!(sent(&forge(&draft, None), &bank).is_ok(), period_holds);
            refused += usize::from(!period_holds);
        }
    }
    assert_eq!(refused, 6, "states in two claims, a split and a refund; notes in a refund and an expired split");
}

/// More is paid, redeemed or split off than there is, or less paid than the minimum: every equation holds, and only the
/// range proof is in the way.
#[test]
fn money_is_not_made_from_nothing() {
    let bank = bank();
    let mut refused = 0;
    for (_, honest) in drafts() {
        let more: &[fn(&mut Draft, u64)] = match honest.core.statement() {
            Statement::Pay => &[
                |draft, minimum| {
                    draft.witness.set(Secret::Value, minimum - 1);
                },
                |draft, _| {
                    draft.witness.set(Secret::Value, u64::MAX / 2);
                },
            ],
            Statement::Redeem => &[|draft, _| draft.core.publics.amount = u64::MAX / 2],
            Statement::Swap if honest.core.commitments.len() == 2 => &[|draft, _| {
                draft.witness.set(Secret::FirstValue, u64::MAX / 2);
            }],
            Statement::Split | Statement::SplitExpired => &[|draft, _| {
                draft.witness.set(Secret::FirstValue, u64::MAX / 2);
            }],
            _ => &[],
        };
        for change in more {
            let mut draft = duplicate(&honest);
            change(&mut draft, bank.minimum.get());
            rebuild(&mut draft, bank.x);
            assert_eq!(broken(&draft), [0; 0]);
            assert!(equations_hold(&draft, None), "so only the range proof is in the way");
            assert!(sent(&forge_with_range_of(&draft, &honest), &bank).is_err());
            refused += 1;
        }
    }
    assert_eq!(refused, 14, "five payments twice, a redemption, a swap and two splits");
}
