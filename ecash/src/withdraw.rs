//! Withdraw: an account's money becomes a coin (`docs/PROTOCOL.md` section 5).

use curve25519_dalek::Scalar;
use rand_core::CryptoRng;

use crate::{
    account::{AccountKey, AccountOpening},
    amount::Amount,
    calendar::Day,
    coin::{self, Coin},
    credential::{
        Credential, commit,
        issue::{Addition, Answer},
    },
    encoding::Point,
    error::{ProveError, VerificationFailure},
    keys::{KeyId, PublicKey},
    params::Generator,
    policy::{PolicyHash, REFUND_ONLY},
    seal::{self, SelfPlaintext},
    seed::{OutputSecret, WalletKeys},
    sigma::{
        relation::{Relation, plus},
        witness::{Secret, Witness},
    },
    statement::{Commitment, Publics, Statement},
    transaction::{Core, Draft, Header, Transaction},
};

/// `Ŷ = s·H_account + b·H_blind`; `C = s·H_owner + k·H_serial + t·H_blind`
pub(crate) fn relation(core: &Core) -> Relation {
    let mut relation = Relation::default();
    hidden_account(&mut relation, core);
    relation.equation(
        "C",
        [(core.term(Commitment::C), Scalar::ONE)],
        [
            plus(Generator::Owner, Secret::Owner),
            plus(Generator::Serial, Secret::Serial),
            plus(Generator::Blind, Secret::Blind),
        ],
    );
    relation
}

/// `Ŷ = s·H_account + b·H_blind`, in Withdraw and Redeem.
pub(crate) fn hidden_account(relation: &mut Relation, core: &Core) {
    relation.equation(
        "Y_hat",
        [(core.term(Commitment::YHat), Scalar::ONE)],
        [plus(Generator::Account, Secret::Owner), plus(Generator::Blind, Secret::Account)],
    );
}

/// Builds a withdrawal of `amount` for `purpose` (0: anything), and its private part.
///
/// # Errors
/// [`ProveError::Amount`] for zero, or a purpose that cannot be withdrawn.
pub fn request(
    key: KeyId,
    day: Day,
    keys: &WalletKeys,
    amount: Amount,
    purpose: u32,
    rng: &mut impl CryptoRng,
) -> Result<(Transaction, AccountOpening), ProveError> {
    let (draft, opening) = draft(key, day, keys, amount, purpose, rng)?;
    Ok((draft.prove(rng)?, opening))
}

/// The unproved withdrawal.
pub(crate) fn draft(
    key: KeyId,
    day: Day,
    keys: &WalletKeys,
    amount: Amount,
    purpose: u32,
    rng: &mut impl CryptoRng,
) -> Result<(Draft, AccountOpening), ProveError> {
    if amount.get() == 0 || purpose == REFUND_ONLY {
        return Err(ProveError::Amount);
    }
    let mut publics = Publics::new(keys.fresh_nonce(rng, &[], day));
    publics.amount = amount.get();
    publics.purpose = purpose;
    let coin = Coin::output(keys, &publics.nonce, 0, amount.get(), purpose);
    let b = keys.output_secret(&publics.nonce, 0, OutputSecret::Account);
    let account = AccountKey::of(keys);
    let C = commit(&[(Generator::Owner, coin.owner), (Generator::Serial, coin.serial), (Generator::Blind, coin.blind)]);
    let mut plaintext = SelfPlaintext::new(Statement::Withdraw);
    plaintext.purpose = purpose;
    plaintext.value_1 = amount;
    let mut witness = Witness::default();
    witness
        .set(Secret::Owner, coin.owner)
        .set(Secret::Account, b)
        .set(Secret::Serial, coin.serial)
        .set(Secret::Blind, coin.blind);
    let core = Core {
        statement: Statement::Withdraw,
        header: Header { key, day, epoch: 0, policy: PolicyHash::new([0; 32]) },
        inputs: Vec::new(),
        ct_self: seal::seal_self(keys.self_key(), &publics.nonce, &key, &plaintext),
        publics,
        commitments: vec![Point::new(account.point() + Generator::Blind.point() * b), Point::new(C)],
        delivery: None,
    };
    Ok((Draft { core, witness, openings: Vec::new() }, AccountOpening::new(account, b)))
}

/// Turns the issuer's answer into the coin.
///
/// # Errors
/// [`VerificationFailure`] when the answer is not what was asked for, or not under the published key.
pub fn finish(
    core: &Core,
    answer: &Answer,
    key: &PublicKey,
    keys: &WalletKeys,
) -> Result<Credential<Coin>, VerificationFailure> {
    let checked = answer.check(core, Addition::None, key)?;
    let publics = core.publics();
    coin::output(core, keys, &checked, 0, Amount::new(publics.amount), publics.purpose)
}
