//! Redeem: unrestricted coins go back to an account (`docs/PROTOCOL.md` section 6).

use curve25519_dalek::Scalar;
use rand_core::CryptoRng;

use crate::{
    account::{AccountKey, AccountOpening},
    amount::Amount,
    coin::{self, Coin, Spending},
    credential::{
        Credential,
        issue::{Addition, Answer},
    },
    encoding::Point,
    error::{ProveError, VerificationFailure},
    keys::PublicKey,
    params::Generator,
    policy::UNRESTRICTED,
    seal::{self, SelfPlaintext},
    seed::{OutputSecret, WalletKeys},
    sigma::{
        relation::{Relation, plus},
        witness::Secret,
    },
    statement::{Commitment, Publics, Statement},
    transaction::{Core, Draft, Header, Transaction},
    withdraw,
};

/// "spend coin i" without purpose; `Ŷ = s·H_account + b·H_blind`;
/// `C_change = (Σv_i − V)·H_value + s·H_owner + k'·H_serial + t·H_blind`
pub(crate) fn relation(core: &Core) -> Relation {
    let mut relation = Relation::default();
    coin::spend_all(&mut relation, core, None);
    withdraw::hidden_account(&mut relation, core);
    let values = (0..core.spent()).map(|index| plus(Generator::Value, Secret::V(index)));
    relation.equation(
        "C_change",
        [(core.term(Commitment::Change), Scalar::ONE), (Generator::Value.into(), core.publics.amount.into())],
        values.chain([
            plus(Generator::Owner, Secret::Owner),
            plus(Generator::Serial, Secret::Serial),
            plus(Generator::Blind, Secret::Blind),
        ]),
    );
    relation
}

/// Builds a redemption of `amount` from `coins` into the wallet's own account, and its private part.
///
/// # Errors
/// [`ProveError::InsufficientFunds`], [`ProveError::Amount`] for zero, [`ProveError::Inputs`] for coins bound to a
/// purpose and as for any spending, [`ProveError::Overflow`].
pub fn request<'a>(
    header: &Header,
    keys: &WalletKeys,
    coins: impl IntoIterator<Item = &'a Credential<Coin>>,
    amount: Amount,
    rng: &mut impl CryptoRng,
) -> Result<(Transaction, AccountOpening), ProveError> {
    let (draft, opening) = draft(header, keys, coins, amount, rng)?;
    Ok((draft.prove(rng)?, opening))
}

/// The unproved redemption.
pub(crate) fn draft<'a>(
    header: &Header,
    keys: &WalletKeys,
    coins: impl IntoIterator<Item = &'a Credential<Coin>>,
    amount: Amount,
    rng: &mut impl CryptoRng,
) -> Result<(Draft, AccountOpening), ProveError> {
    if amount.get() == 0 {
        return Err(ProveError::Amount);
    }
    let mut spending = Spending::new(coins, rng)?;
    if spending.purpose != UNRESTRICTED {
        return Err(ProveError::Inputs);
    }
    let change_value = spending.total.checked_sub(amount.get()).ok_or(ProveError::InsufficientFunds)?;
    let mut publics = Publics::new(keys.fresh_nonce(rng, &spending.serials(), header.day));
    publics.amount = amount.get();
    let change = spending.output(keys, &publics, 0, change_value);
    let b = keys.output_secret(&publics.nonce, 0, OutputSecret::Account);
    let account = AccountKey::of(keys);
    let mut plaintext = SelfPlaintext::new(Statement::Redeem);
    plaintext.value_1 = Amount::new(change_value);

    let mut witness = std::mem::take(&mut spending.witness);
    witness.set(Secret::Account, b).set(Secret::Serial, change.serial).set(Secret::Blind, change.blind);
    let core = Core {
        statement: Statement::Redeem,
        header: *header,
        inputs: spending.inputs(),
        ct_self: seal::seal_self(keys.self_key(), &publics.nonce, &header.key, &plaintext),
        publics,
        commitments: vec![Point::new(account.point() + Generator::Blind.point() * b), Point::new(change.commitment())],
        delivery: None,
    };
    Ok((Draft { core, witness, openings: vec![change.range()] }, AccountOpening::new(account, b)))
}

/// Turns the redeemer's answer into the change, a coin that may be worth nothing.
///
/// # Errors
/// [`VerificationFailure`] when the answer is not what was asked for, or not under the published key, or the
/// transaction is not of this wallet.
pub fn finish(
    core: &Core,
    answer: &Answer,
    key: &PublicKey,
    keys: &WalletKeys,
) -> Result<Credential<Coin>, VerificationFailure> {
    let checked = answer.check(core, Addition::None, key)?;
    let plaintext = seal::open_own(core, Statement::Redeem, keys)?;
    coin::output(core, keys, &checked, 0, plaintext.value_1, UNRESTRICTED)
}
