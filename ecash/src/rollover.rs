//! Receiving under the policy: the day's and the month's counters rolled over and raised, inside the proof
//! (`docs/PROTOCOL.md` section 6, Claim; the same lines in Refund).

use curve25519_dalek::Scalar;
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    calendar::Day,
    coin::Coin,
    credential::{commit, kinds::Kind, present},
    encoding::Point,
    error::ProveError,
    params::Generator,
    range::RangeOpening,
    rule::Rule,
    sigma::{
        relation::{Relation, minus, plus},
        witness::{Secret, Witness},
    },
    statement::Commitment,
    transaction::Core,
    transcript::Transcript,
    wallet_state::WalletState,
};

/// "spend wallet state" with its validity disclosed, and "present rule" with its epoch disclosed.
pub(crate) fn present_wallet_and_rule(relation: &mut Relation, core: &Core) {
    for (index, input) in core.inputs_of(Kind::Wallet) {
        present_wallet(relation, core, index, input, &[]);
    }
    for (index, input) in core.inputs_of(Kind::Rule) {
        let hidden = [
            (Generator::Class, Secret::Class),
            (Generator::Purpose, Secret::PurposeIn),
            (Generator::PurposeOut, Secret::PurposeOut),
            (Generator::DayTotal, Secret::DayCap),
            (Generator::MonthTotal, Secret::MonthCap),
        ];
        present::equations(relation, input, index, &[(Generator::Epoch, core.header.epoch.into())], &hidden);
    }
}

/// A wallet state with its validity disclosed; `serial` hides it where it is not consumed.
pub(crate) fn present_wallet(
    relation: &mut Relation,
    core: &Core,
    index: u16,
    input: &present::Input,
    serial: &[(Generator, Secret)],
) {
    let mut hidden = vec![
        (Generator::Identity, Secret::Pid),
        (Generator::Owner, Secret::Owner),
        (Generator::Class, Secret::Class),
        (Generator::Day, Secret::Day),
        (Generator::Month, Secret::Month),
        (Generator::DayTotal, Secret::DayTotal),
        (Generator::MonthTotal, Secret::MonthTotal),
        (Generator::Blind, Secret::Blind),
    ];
    hidden.extend_from_slice(serial);
    present::equations(relation, input, index, &[(Generator::Validity, core.publics.validity.into())], &hidden);
}

/// The lines from `Q_d` to `D_month`. `purpose` is what the coin carries: `u_out` in Claim, `u_in` in Refund.
pub(crate) fn receive(relation: &mut Relation, core: &Core, purpose: Secret) {
    use Generator::{Blind, Class, DayTotal, Identity, MonthTotal, Owner, Purpose, Serial, Value};
    let today = Scalar::from(core.header.day.get());
    let month = Scalar::from(core.month().get());
    let values = |base| (0..core.spent()).map(move |index| plus(base, Secret::V(index)));
    let less_values = || (0..core.spent()).map(|index| minus(Value, Secret::V(index)));
    let one = |name| (core.term(name), Scalar::ONE);
    let (Q_d, Q_m) = (core.term(Commitment::Qd), core.term(Commitment::Qm));
    let (G_d, G_m) = (core.term(Commitment::Gd), core.term(Commitment::Gm));

    relation.equation(
        "Q_d",
        [one(Commitment::Qd), (Value.into(), -today)],
        [minus(Value, Secret::Day), plus(Blind, Secret::Qd)],
    );
    relation.equation(
        "Q_m",
        [one(Commitment::Qm), (Value.into(), -month)],
        [minus(Value, Secret::Month), plus(Blind, Secret::Qm)],
    );
    relation.equation(
        "G_d",
        [one(Commitment::Gd)],
        [plus(Value, Secret::DayTotal), minus(Value, Secret::DayKept), plus(Blind, Secret::Pd)],
    );
    relation.equation(
        "G_m",
        [one(Commitment::Gm)],
        [plus(Value, Secret::MonthTotal), minus(Value, Secret::MonthKept), plus(Blind, Secret::Pm)],
    );
    // Same day ⇒ d' = d_tot.
    relation.equation("G_d", [one(Commitment::Gd)], [plus(Q_d, Secret::Jd), plus(Blind, Secret::Wd)]);
    relation.equation("G_m", [one(Commitment::Gm)], [plus(Q_m, Secret::Jm), plus(Blind, Secret::Wm)]);
    // d' is 0 or d_tot.
    relation.equation("0", [], [plus(G_d, Secret::DayKept), plus(Blind, Secret::Yd)]);
    relation.equation("0", [], [plus(G_m, Secret::MonthKept), plus(Blind, Secret::Ym)]);
    relation.equation(
        "C_coin",
        [one(Commitment::Coin)],
        values(Value).chain([
            plus(Owner, Secret::Owner),
            plus(Serial, Secret::Serial),
            plus(Purpose, purpose),
            plus(Blind, Secret::Blind1),
        ]),
    );
    let identity = [plus(Identity, Secret::Pid), plus(Owner, Secret::Owner), plus(Class, Secret::Class)];
    let day_total = std::iter::once(plus(DayTotal, Secret::DayKept)).chain(values(DayTotal));
    let month_total = std::iter::once(plus(MonthTotal, Secret::MonthKept)).chain(values(MonthTotal));
    relation.equation(
        "C_wallet",
        [one(Commitment::Wallet)],
        identity
            .into_iter()
            .chain(day_total)
            .chain(month_total)
            .chain([plus(Serial, Secret::StateSerial), plus(Blind, Secret::Blind2)]),
    );
    let room = |cap, kept| [plus(Value, cap), minus(Value, kept)].into_iter().chain(less_values());
    relation.equation(
        "D_day",
        [one(Commitment::DDay)],
        room(Secret::DayCap, Secret::DayKept).chain([plus(Blind, Secret::Bd)]),
    );
    relation.equation(
        "D_month",
        [one(Commitment::DMonth)],
        room(Secret::MonthCap, Secret::MonthKept).chain([plus(Blind, Secret::Bm)]),
    );
}

/// One counter's values: day or month.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Counter {
    /// `today − day`, at least 0.
    elapsed: u64,
    /// `d_tot`
    total: u64,
    /// `d'`: the total when the period is the same, 0 when it has moved on.
    kept: u64,
    /// `cap − d' − Σv`
    room: u64,
    q: Scalar,
    p: Scalar,
    b: Scalar,
}

impl Counter {
    fn new(now: u32, then: u32, total: u64, cap: u64, received: u64, masks: [Scalar; 3]) -> Result<Self, ProveError> {
        let elapsed = u64::from(now.checked_sub(then).ok_or(ProveError::Inputs)?);
        let kept = if elapsed == 0 { total } else { 0 };
        let after = kept.checked_add(received).ok_or(ProveError::Overflow)?;
        let room = cap.checked_sub(after).ok_or(ProveError::Amount)?;
        let [q, p, b] = masks;
        Ok(Self { elapsed, total, kept, room, q, p, b })
    }

    fn gap(&self) -> Scalar {
        Scalar::from(self.total) - Scalar::from(self.kept)
    }

    /// `Q`, `G`, `D`.
    fn commitments(&self) -> [Point; 3] {
        let commit = |value: Scalar, mask| Point::new(commit(&[(Generator::Value, value), (Generator::Blind, mask)]));
        [commit(self.elapsed.into(), self.q), commit(self.gap(), self.p), commit(self.room.into(), self.b)]
    }

    /// `j` with `G = j·Q + w·H_blind`, and `w`, `y`.
    fn quotient(&self) -> (Scalar, Scalar, Scalar) {
        let j = if self.elapsed == 0 { Scalar::ZERO } else { self.gap() * Scalar::from(self.elapsed).invert() };
        (j, self.p - j * self.q, -(Scalar::from(self.kept) * self.p))
    }
}

/// The values of both counters in one receipt.
#[derive(ZeroizeOnDrop)]
pub(crate) struct Rollover {
    day: Counter,
    month: Counter,
    received: u64,
}

impl Rollover {
    /// Rolls `state` over to `today` and adds `received`.
    ///
    /// # Errors
    /// [`ProveError::Amount`] when a cap of the rule leaves no room, [`ProveError::Inputs`] when the state is of a later
    /// day, [`ProveError::Overflow`].
    pub(crate) fn new(
        state: &WalletState,
        rule: &Rule,
        today: Day,
        received: u64,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, ProveError> {
        let mut random = Transcript::new("farthing/v1/rollover").hedged([&state.serial, &state.blind], rng);
        let mut masks = || [random.scalar(), random.scalar(), random.scalar()];
        let line = &rule.line;
        let day_cap = line.day_cap.get();
        let month_cap = line.month_cap.get();
        let day = Counter::new(today.get(), state.day, state.day_total, day_cap, received, masks())?;
        let month = today.month().get();
        let month = Counter::new(month, state.month, state.month_total, month_cap, received, masks())?;
        Ok(Self { day, month, received })
    }

    /// The new totals of the day and of the month.
    pub(crate) fn totals(&self) -> (u64, u64) {
        (self.day.kept + self.received, self.month.kept + self.received)
    }

    /// `Q_d, Q_m, G_d, G_m, C_coin, C_wallet, D_day, D_month`.
    pub(crate) fn commitments(&self, coin: &Coin, state: &WalletState) -> Vec<Point> {
        let [Q_d, G_d, D_day] = self.day.commitments();
        let [Q_m, G_m, D_month] = self.month.commitments();
        let C_wallet = commit(&[
            (Generator::Identity, state.identity),
            (Generator::Owner, state.owner),
            (Generator::Class, state.class.into()),
            (Generator::DayTotal, state.day_total.into()),
            (Generator::MonthTotal, state.month_total.into()),
            (Generator::Serial, state.serial),
            (Generator::Blind, state.blind),
        ]);
        vec![Q_d, Q_m, G_d, G_m, Point::new(coin.commitment()), Point::new(C_wallet), D_day, D_month]
    }

    /// Enters everything from `Q_d` on.
    pub(crate) fn witness(&self, coin: &Coin, state: &WalletState, witness: &mut Witness) {
        let (j_d, w_d, y_d) = self.day.quotient();
        let (j_m, w_m, y_m) = self.month.quotient();
        witness
            .set(Secret::Qd, self.day.q)
            .set(Secret::Pd, self.day.p)
            .set(Secret::Bd, self.day.b)
            .set(Secret::DayKept, self.day.kept)
            .set(Secret::Jd, j_d)
            .set(Secret::Wd, w_d)
            .set(Secret::Yd, y_d)
            .set(Secret::Qm, self.month.q)
            .set(Secret::Pm, self.month.p)
            .set(Secret::Bm, self.month.b)
            .set(Secret::MonthKept, self.month.kept)
            .set(Secret::Jm, j_m)
            .set(Secret::Wm, w_m)
            .set(Secret::Ym, y_m)
            .set(Secret::Serial, coin.serial)
            .set(Secret::Blind1, coin.blind)
            .set(Secret::StateSerial, state.serial)
            .set(Secret::Blind2, state.blind);
    }

    /// `D_day, D_month, Q_d, Q_m`.
    pub(crate) fn ranges(&self) -> Vec<RangeOpening> {
        vec![
            RangeOpening::counter(self.day.room, self.day.b),
            RangeOpening::counter(self.month.room, self.month.b),
            RangeOpening::counter(self.day.elapsed, self.day.q),
            RangeOpening::counter(self.month.elapsed, self.month.q),
        ]
    }
}
