//! SplitNote: a note becomes two notes of the same identity (`docs/PROTOCOL.md` section 6). The statements and their
//! verification; wallets do not build them yet.

use curve25519_dalek::Scalar;

use crate::{
    credential::{kinds::Kind, present},
    params::Generator::{Blind, Expiry, G, Owner, Purpose, Refund, Serial, Value},
    pay::refund_tag,
    rollover,
    sigma::{
        relation::{Relation, minus, plus},
        witness::Secret,
    },
    statement::Commitment,
    transaction::Core,
};

/// "spend the note", a wallet state of the same `pid` with its serial hidden, then `C_1` and `C_2`.
pub(crate) fn relation(core: &Core) -> Relation {
    let mut relation = Relation::default();
    for (index, input) in core.inputs_of(Kind::Note) {
        let hidden = [
            (Value, Secret::Value),
            (Owner, Secret::Pid),
            (Purpose, Secret::Purpose),
            (Refund, Secret::RefundTag),
            (Expiry, Secret::Expiry),
            (Blind, Secret::T(index)),
        ];
        present::equations(&mut relation, input, index, &[], &hidden);
    }
    for (index, input) in core.inputs_of(Kind::Wallet) {
        rollover::present_wallet(&mut relation, core, index, input, &[(Serial, Secret::StateSerial)]);
    }
    outputs(&mut relation, core, None);
    relation
}

/// "spend the note" with `f` and ε disclosed, `F = ψ·G`, then `C_1` and `C_2`.
pub(crate) fn relation_expired(core: &Core) -> Relation {
    let mut relation = Relation::default();
    let tag = core.commitment(Commitment::F).map_or(Scalar::ZERO, refund_tag);
    for (index, input) in core.inputs_of(Kind::Note) {
        let disclosed = [(Refund, tag), (Expiry, core.publics.expiry.into())];
        let hidden =
            [(Value, Secret::Value), (Owner, Secret::Pid), (Purpose, Secret::Purpose), (Blind, Secret::T(index))];
        present::equations(&mut relation, input, index, &disclosed, &hidden);
    }
    authorise(&mut relation, core);
    outputs(&mut relation, core, Some(tag));
    relation
}

/// `F = ψ·G`
pub(crate) fn authorise(relation: &mut Relation, core: &Core) {
    relation.equation("F", [(core.term(Commitment::F), Scalar::ONE)], [plus(G, Secret::Psi)]);
}

/// `C_1 = v1·H_value + pid·H_owner + ρ1·H_serial + u·H_purpose + f·H_refund + t1·H_blind`; `C_2` the same with `v − v1`,
/// ρ2, t2. A disclosed `f` goes to the left.
fn outputs(relation: &mut Relation, core: &Core, disclosed_tag: Option<Scalar>) {
    let first = vec![plus(Value, Secret::FirstValue)];
    let rest = vec![plus(Value, Secret::Value), minus(Value, Secret::FirstValue)];
    let names = [
        ("C_1", Commitment::C1, first, Secret::NoteSerial1, Secret::Blind1),
        ("C_2", Commitment::C2, rest, Secret::NoteSerial2, Secret::Blind2),
    ];
    for (label, name, value, serial, blind) in names {
        let mut left = vec![(core.term(name), Scalar::ONE)];
        left.extend(disclosed_tag.map(|tag| (Refund.into(), -tag)));
        let mut right = value;
        right.extend([plus(Owner, Secret::Pid), plus(Serial, serial), plus(Purpose, Secret::Purpose)]);
        right.extend(disclosed_tag.is_none().then(|| plus(Refund, Secret::RefundTag)));
        right.push(plus(Blind, blind));
        relation.equation(label, left, right);
    }
}
