//! Renew: a wallet state gets a new validity period (`docs/PROTOCOL.md` section 6). The statement and its verification;
//! wallets do not build it yet.

use curve25519_dalek::Scalar;

use crate::{
    credential::kinds::Kind,
    params::Generator,
    register, rollover,
    sigma::{
        relation::{Relation, plus},
        witness::Secret,
    },
    statement::Commitment,
    transaction::Core,
};

/// "spend wallet state", `P̂ = pid·H_identity + s·H_account + b·H_blind`, and
/// `C_wallet = pid·H_identity + s·H_owner + day·H_day + month·H_month + d_tot·H_day_total + m_tot·H_month_total +
/// σ'·H_serial + t'·H_blind`
pub(crate) fn relation(core: &Core) -> Relation {
    let mut relation = Relation::default();
    for (index, input) in core.inputs_of(Kind::Wallet) {
        rollover::present_wallet(&mut relation, core, index, input, &[]);
    }
    register::hidden_account(&mut relation, core);
    relation.equation(
        "C_wallet",
        [(core.term(Commitment::Wallet), Scalar::ONE)],
        [
            plus(Generator::Identity, Secret::Pid),
            plus(Generator::Owner, Secret::Owner),
            plus(Generator::Day, Secret::Day),
            plus(Generator::Month, Secret::Month),
            plus(Generator::DayTotal, Secret::DayTotal),
            plus(Generator::MonthTotal, Secret::MonthTotal),
            plus(Generator::Serial, Secret::StateSerial),
            plus(Generator::Blind, Secret::Blind2),
        ],
    );
    relation
}
