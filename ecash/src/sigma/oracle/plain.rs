//! The statements once more, in plain arithmetic: what every input and commitment has to hold, read off
//! `docs/PROTOCOL.md` section 6 and written without [`Relation`](crate::sigma::relation::Relation).

use curve25519_dalek::{RistrettoPoint, Scalar, traits::Identity};

use crate::{
    credential::kinds::Kind,
    params::Generator::{self, *},
    pay::refund_tag,
    sigma::{oracle::drafts::value, witness::Witness},
    statement::{Commitment, Statement},
    transaction::Core,
};

/// What a point holds: an amount of each generator.
pub(super) type Attributes = Vec<(Generator, Scalar)>;

pub(super) fn sum(attributes: &Attributes) -> RistrettoPoint {
    attributes.iter().fold(RistrettoPoint::identity(), |sum, (generator, scalar)| sum + generator.point() * scalar)
}

/// A statement's witness by its printed names, and its public values.
pub(super) struct Plain<'a> {
    pub(super) core: &'a Core,
    pub(super) witness: &'a Witness,
}

impl Plain<'_> {
    pub(super) fn get(&self, name: &str) -> Scalar {
        value(self.witness, name)
    }

    fn per_input(&self, name: &str, index: usize) -> Scalar {
        self.get(&format!("{name}.{index}"))
    }

    fn day(&self) -> Scalar {
        self.core.header().day.get().into()
    }

    fn month(&self) -> Scalar {
        self.core.month().get().into()
    }

    fn money_inputs(&self) -> usize {
        self.core.inputs.iter().filter(|input| matches!(input.kind, Kind::Coin | Kind::Note)).count()
    }

    /// `Σv_i`
    pub(super) fn total(&self) -> Scalar {
        (0..self.money_inputs()).map(|index| self.per_input("v", index)).sum()
    }

    pub(super) fn point(&self, name: Commitment) -> RistrettoPoint {
        self.core.commitment(name).unwrap().point()
    }

    fn tag(&self) -> Scalar {
        refund_tag(self.core.commitment(Commitment::F).unwrap())
    }

    /// The attributes of input `index`.
    pub(super) fn input(&self, index: usize) -> Attributes {
        let input = &self.core.inputs[index];
        let serial =
            input.serial.unwrap_or_else(|| if input.kind == Kind::Rule { Scalar::ZERO } else { self.get("sigma") });
        let statement = self.core.statement();
        let per = |name| self.per_input(name, index);
        match input.kind {
            Kind::Coin => {
                let purpose = if statement == Statement::Redeem { Scalar::ZERO } else { self.get("u") };
                vec![(Value, per("v")), (Owner, self.get("s")), (Serial, serial), (Purpose, purpose), (Blind, per("t"))]
            }
            Kind::Note => {
                let (value, owner, purpose, refund, expiry) = match statement {
                    Statement::Claim => (per("v"), self.get("pid"), self.get("u_in"), per("f"), per("eps")),
                    Statement::Split => (self.get("v"), self.get("pid"), self.get("u"), self.get("f"), self.get("eps")),
                    Statement::SplitExpired => {
                        let expiry = self.core.publics().expiry.into();
                        (self.get("v"), self.get("pid"), self.get("u"), self.tag(), expiry)
                    }
                    Statement::Refund => {
                        (per("v"), self.get("payee"), self.get("u_in"), self.tag(), self.core.publics().expiry.into())
                    }
                    other => panic!("{other:?} has no notes"),
                };
                vec![
                    (Value, value),
                    (Owner, owner),
                    (Serial, serial),
                    (Purpose, purpose),
                    (Refund, refund),
                    (Expiry, expiry),
                    (Blind, per("t")),
                ]
            }
            Kind::Wallet => vec![
                (Identity, self.get("pid")),
                (Owner, self.get("s")),
                (Class, self.get("class")),
                (Day, self.get("day")),
                (Month, self.get("month")),
                (DayTotal, self.get("d_tot")),
                (MonthTotal, self.get("m_tot")),
                (Validity, self.core.publics().validity.into()),
                (Serial, serial),
                (Blind, self.get("t")),
            ],
            Kind::Rule => vec![
                (Epoch, self.core.header().epoch.into()),
                (Class, self.get("class")),
                (Purpose, self.get("u_in")),
                (PurposeOut, self.get("u_out")),
                (DayTotal, self.get("cap_d")),
                (MonthTotal, self.get("cap_m")),
            ],
        }
    }

    /// What a commitment opens to.
    pub(super) fn opening(&self, name: Commitment) -> Attributes {
        let get = |name| self.get(name);
        let coin = |value, serial, blind| {
            let purpose = match self.core.statement() {
                Statement::Redeem => Scalar::ZERO,
                Statement::Claim => get("u_out"),
                Statement::Refund => get("u_in"),
                _ => get("u"),
            };
            vec![(Value, value), (Owner, get("s")), (Serial, get(serial)), (Purpose, purpose), (Blind, get(blind))]
        };
        let note = |value, serial, refund, blind| {
            let owner = (Owner, get("pid"));
            vec![
                (Value, value),
                owner,
                (Serial, get(serial)),
                (Purpose, get("u")),
                (Refund, refund),
                (Blind, get(blind)),
            ]
        };
        let counter = |value, blind| vec![(Value, value), (Blind, get(blind))];
        let publics = self.core.publics();
        let (fee, amount) = (Scalar::from(publics.fee), Scalar::from(publics.amount));
        match (self.core.statement(), name) {
            (_, Commitment::PHat) => vec![(Identity, get("pid")), (Account, get("s")), (Blind, get("b"))],
            (_, Commitment::YHat) => vec![(Account, get("s")), (Blind, get("b"))],
            (Statement::Register, _) => {
                vec![(Identity, get("pid")), (Owner, get("s")), (Serial, get("sigma")), (Blind, get("t"))]
            }
            (Statement::Withdraw, _) => vec![(Owner, get("s")), (Serial, get("k")), (Blind, get("t"))],
            (Statement::Pay, Commitment::Change) => coin(self.total() - get("v") - fee, "k", "t1"),
            (Statement::Pay, _) => note(get("v"), "rho", get("f"), "t2"),
            (Statement::Redeem, _) => coin(self.total() - amount, "k", "t"),
            (Statement::Swap, Commitment::C1) if self.core.commitments.len() == 1 => coin(self.total(), "k1", "t1"),
            (Statement::Swap, Commitment::C1) => coin(get("v1"), "k1", "t1"),
            (Statement::Swap, _) => coin(self.total() - get("v1"), "k2", "t2"),
            (_, Commitment::F) => vec![(G, get("psi"))],
            (Statement::Split | Statement::SplitExpired, name) => {
                let tag = if self.core.statement() == Statement::Split { get("f") } else { self.tag() };
                match name {
                    Commitment::C1 => note(get("v1"), "rho1", tag, "t1"),
                    _ => note(get("v") - get("v1"), "rho2", tag, "t2"),
                }
            }
            (Statement::Renew, _) => vec![
                (Identity, get("pid")),
                (Owner, get("s")),
                (Day, get("day")),
                (Month, get("month")),
                (DayTotal, get("d_tot")),
                (MonthTotal, get("m_tot")),
                (Serial, get("sigma")),
                (Blind, get("t2")),
            ],
            (_, Commitment::Qd) => counter(self.day() - get("day"), "q_d"),
            (_, Commitment::Qm) => counter(self.month() - get("month"), "q_m"),
            (_, Commitment::Gd) => counter(get("d_tot") - get("d'"), "p_d"),
            (_, Commitment::Gm) => counter(get("m_tot") - get("m'"), "p_m"),
            (_, Commitment::DDay) => counter(get("cap_d") - get("d'") - self.total(), "b1"),
            (_, Commitment::DMonth) => counter(get("cap_m") - get("m'") - self.total(), "b2"),
            (_, Commitment::Coin) => coin(self.total(), "k", "t1"),
            (_, Commitment::Wallet) => vec![
                (Identity, get("pid")),
                (Owner, get("s")),
                (Class, get("class")),
                (DayTotal, get("d'") + self.total()),
                (MonthTotal, get("m'") + self.total()),
                (Serial, get("sigma")),
                (Blind, get("t2")),
            ],
            (statement, name) => panic!("{statement:?} has no {name:?}"),
        }
    }

    /// Every line of the statement in the order of the document, and whether it is true.
    pub(super) fn lines(&self) -> Vec<(&'static str, bool)> {
        let mut lines = Vec::new();
        for (index, input) in self.core.inputs.iter().enumerate() {
            let (r1, e, r3) = (self.per_input("r1", index), self.per_input("e", index), self.per_input("r3", index));
            let (a, d, abar) = (input.a.point(), input.d.point(), input.abar.point());
            lines.push(("A_bar", abar == d * r1 - a * e));
            lines.push(("K", d * r3 == input.kind.base().point() + sum(&self.input(index))));
        }
        let opens = |name: Commitment| (name.label(), self.point(name) == sum(&self.opening(name)));
        match self.core.statement() {
            Statement::Claim | Statement::Refund => {
                if self.core.statement() == Statement::Refund {
                    lines.push(opens(Commitment::F));
                }
                lines.extend([Commitment::Qd, Commitment::Qm, Commitment::Gd, Commitment::Gm].map(opens));
                let blind = |name| Blind.point() * self.get(name);
                let quotient = |gap, elapsed, j, w| self.point(gap) == self.point(elapsed) * self.get(j) + blind(w);
                lines.push(("G_d", quotient(Commitment::Gd, Commitment::Qd, "j_d", "w_d")));
                lines.push(("G_m", quotient(Commitment::Gm, Commitment::Qm, "j_m", "w_m")));
                let zero = |gap, kept, y| self.point(gap) * self.get(kept) + blind(y) == RistrettoPoint::identity();
                lines.push(("0", zero(Commitment::Gd, "d'", "y_d")));
                lines.push(("0", zero(Commitment::Gm, "m'", "y_m")));
                lines.extend([Commitment::Coin, Commitment::Wallet, Commitment::DDay, Commitment::DMonth].map(opens));
            }
            statement => {
                lines.extend(statement.commitments(self.core.commitments.len()).iter().map(|name| opens(*name)));
            }
        }
        lines
    }
}
