//! Refund: the payer takes an unclaimed note back after its expiry (`docs/PROTOCOL.md` section 6). The statement and its
//! verification; wallets do not build it yet.

use curve25519_dalek::Scalar;

use crate::{
    credential::{kinds::Kind, present},
    params::Generator,
    pay::refund_tag,
    rollover,
    sigma::{relation::Relation, witness::Secret},
    split,
    statement::Commitment,
    transaction::Core,
};

/// The note with serial, `f` and ε disclosed and its owner a witness of its own; wallet state and rule; `F = ψ·G`; then
/// the lines of Claim, with a coin that carries `u_in`.
pub(crate) fn relation(core: &Core) -> Relation {
    let mut relation = Relation::default();
    let tag = core.commitment(Commitment::F).map_or(Scalar::ZERO, refund_tag);
    for (index, input) in core.inputs_of(Kind::Note) {
        let disclosed = [(Generator::Refund, tag), (Generator::Expiry, core.publics.expiry.into())];
        let hidden = [
            (Generator::Value, Secret::V(index)),
            (Generator::Owner, Secret::Payee),
            (Generator::Purpose, Secret::PurposeIn),
            (Generator::Blind, Secret::T(index)),
        ];
        present::equations(&mut relation, input, index, &disclosed, &hidden);
    }
    rollover::present_wallet_and_rule(&mut relation, core);
    split::authorise(&mut relation, core);
    rollover::receive(&mut relation, core, Secret::PurposeIn);
    relation
}
