//! Renew: a wallet state gets a new validity period (`docs/PROTOCOL.md` section 6). The wallet draws a nonce, asks the
//! issuer for a [`Grant`] to the `P̂` that follows from it, and when that is logged builds the transaction.

use curve25519_dalek::Scalar;
use rand_core::CryptoRng;

use crate::{
    account::AccountKey,
    credential::{
        Credential, commit,
        issue::{Addition, Answer},
        kinds::Kind,
        present::Presented,
    },
    encoding::Point,
    error::{ProveError, VerificationFailure},
    keys::PublicKey,
    params::Generator,
    register, rollover,
    seal::{self, SelfPlaintext},
    seed::{Nonce, OutputSecret, WalletKeys},
    sigma::{
        relation::{Relation, plus},
        witness::{Secret, Witness},
    },
    statement::{Commitment, Publics, Statement},
    transaction::{Core, Draft, Header, Transaction},
    wallet_state::WalletState,
};

mod grant;
pub use self::grant::{Grant, GrantRequest};

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

/// `P̂` of the renewal with this nonce, and its `b`.
fn hidden(keys: &WalletKeys, nonce: &Nonce, pid: Scalar) -> (Point, Scalar) {
    let b = keys.output_secret(nonce, 0, OutputSecret::Account);
    let sum = commit(&[(Generator::Identity, pid), (Generator::Blind, b)]) + AccountKey::of(keys).point();
    (Point::new(sum), b)
}

/// The state after its renewal, its serial still without δ.
fn renewed(keys: &WalletKeys, publics: &Publics, old: &WalletState) -> WalletState {
    WalletState {
        identity: old.identity,
        owner: old.owner,
        class: publics.class,
        day: old.day,
        month: old.month,
        day_total: old.day_total,
        month_total: old.month_total,
        validity: publics.new_validity,
        serial: keys.output_secret(&publics.nonce, 0, OutputSecret::Serial),
        blind: keys.output_secret(&publics.nonce, 0, OutputSecret::Blind),
    }
}

/// Builds a renewal of `state` with the nonce that its grant was asked for with. `index` is that of the grant in the
/// issuance log.
///
/// The nonce is that of one wallet state for good: if the renewal has to be built again, the same is sealed under it.
///
/// # Errors
/// [`ProveError::Inputs`] for a grant to another nonce or wallet, or one that has run out.
pub fn request(
    header: &Header,
    keys: &WalletKeys,
    state: &Credential<WalletState>,
    nonce: &Nonce,
    grant: &Grant,
    index: u64,
    rng: &mut impl CryptoRng,
) -> Result<Transaction, ProveError> {
    draft(header, keys, state, nonce, grant, index, rng)?.prove(rng)
}

/// The unproved renewal.
pub(crate) fn draft(
    header: &Header,
    keys: &WalletKeys,
    state: &Credential<WalletState>,
    nonce: &Nonce,
    grant: &Grant,
    index: u64,
    rng: &mut impl CryptoRng,
) -> Result<Draft, ProveError> {
    let old = state.attributes();
    let (P, b) = hidden(keys, nonce, old.identity);
    let mut publics = Publics::new(*nonce);
    publics.validity = old.validity;
    publics.class = grant.class;
    publics.new_validity = grant.validity.get();
    publics.grant = index;
    let new = renewed(keys, &publics, old);
    // Class and validity are the redeemer's to add.
    let C_wallet = commit(&[
        (Generator::Identity, new.identity),
        (Generator::Owner, new.owner),
        (Generator::Day, new.day.into()),
        (Generator::Month, new.month.into()),
        (Generator::DayTotal, new.day_total.into()),
        (Generator::MonthTotal, new.month_total.into()),
        (Generator::Serial, new.serial),
        (Generator::Blind, new.blind),
    ]);
    let mut plaintext = SelfPlaintext::new(Statement::Renew);
    plaintext.set_counters(old);

    let mut witness = Witness::default();
    old.witness(&mut witness);
    witness.set(Secret::Account, b).set(Secret::StateSerial, new.serial).set(Secret::Blind2, new.blind);
    let presented = Presented::new(state, true, rng);
    presented.witness(0, &mut witness);
    let core = Core {
        statement: Statement::Renew,
        header: *header,
        inputs: vec![presented.input.clone()],
        ct_self: seal::seal_self(keys.self_key(), nonce, &header.key, &plaintext),
        publics,
        commitments: vec![P, Point::new(C_wallet)],
        delivery: None,
    };
    if grant.covers(&core) { Ok(Draft { core, witness, openings: Vec::new() }) } else { Err(ProveError::Inputs) }
}

/// Turns the redeemer's answer into the renewed state. `old` is the state that was consumed.
///
/// # Errors
/// [`VerificationFailure`] when the answer is not what was asked for, or not under the published key, or the
/// transaction is not of this wallet.
pub fn finish(
    core: &Core,
    answer: &Answer,
    key: &PublicKey,
    keys: &WalletKeys,
    old: &WalletState,
) -> Result<Credential<WalletState>, VerificationFailure> {
    let checked = answer.check(core, Addition::None, key)?;
    seal::open_own(core, Statement::Renew, keys)?;
    let mut state = renewed(keys, core.publics(), old);
    state.serial = checked.final_serial(0, state.serial)?;
    checked.credential(0, state)
}
