//! Swap: coins become one or two coins of the same wallet (`docs/PROTOCOL.md` section 6).

use curve25519_dalek::Scalar;
use rand_core::CryptoRng;

use crate::{
    amount::Amount,
    coin::{self, Coin, Spending},
    credential::{
        Credential,
        issue::{Addition, Answer},
    },
    encoding::Point,
    error::{ProveError, VerificationFailure},
    keys::PublicKey,
    params::Generator::{Blind, Owner, Purpose, Serial, Value},
    seal::{self, SelfPlaintext},
    seed::WalletKeys,
    sigma::{
        relation::{Relation, Signed, minus, plus},
        witness::Secret,
    },
    statement::{Commitment, Publics, Statement},
    transaction::{Core, Draft, Header, Transaction},
};

/// `C_1 = v1·H_value + s·H_owner + k1·H_serial + u·H_purpose + t1·H_blind`; `C_2` the same with `Σv_i − v1`, k2, t2.
/// With one output, `C_1` holds `Σv_i`.
pub(crate) fn relation(core: &Core) -> Relation {
    let mut relation = Relation::default();
    coin::spend_all(&mut relation, core, Some(Secret::Purpose));
    let sum: Vec<Signed> = (0..core.spent()).map(|index| plus(Value, Secret::V(index))).collect();
    let mut output = |name, label, value: Vec<Signed>, serial, blind| {
        let rest =
            [plus(Owner, Secret::Owner), plus(Serial, serial), plus(Purpose, Secret::Purpose), plus(Blind, blind)];
        relation.equation(label, [(core.term(name), Scalar::ONE)], value.into_iter().chain(rest));
    };
    if core.commitments.len() == 1 {
        output(Commitment::C1, "C_1", sum, Secret::Serial1, Secret::Blind1);
    } else {
        let first = vec![plus(Value, Secret::FirstValue)];
        let rest = sum.into_iter().chain([minus(Value, Secret::FirstValue)]).collect();
        output(Commitment::C1, "C_1", first, Secret::Serial1, Secret::Blind1);
        output(Commitment::C2, "C_2", rest, Secret::Serial2, Secret::Blind2);
    }
    relation
}

/// Builds a swap of `coins` into one coin, or, when `first` is given, into a coin of that value and one of the rest.
///
/// # Errors
/// [`ProveError::InsufficientFunds`] when `first` is more than the coins hold, [`ProveError::Inputs`] and
/// [`ProveError::Overflow`] as for any spending.
pub fn request<'a>(
    header: &Header,
    keys: &WalletKeys,
    coins: impl IntoIterator<Item = &'a Credential<Coin>>,
    first: Option<Amount>,
    rng: &mut impl CryptoRng,
) -> Result<Transaction, ProveError> {
    draft(header, keys, coins, first, rng)?.prove(rng)
}

/// The unproved swap.
pub(crate) fn draft<'a>(
    header: &Header,
    keys: &WalletKeys,
    coins: impl IntoIterator<Item = &'a Credential<Coin>>,
    first: Option<Amount>,
    rng: &mut impl CryptoRng,
) -> Result<Draft, ProveError> {
    let mut spending = Spending::new(coins, rng)?;
    let publics = Publics::new(keys.fresh_nonce(rng, &spending.serials(), header.day));
    let values = match first {
        None => vec![spending.total],
        Some(first) => {
            let rest = spending.total.checked_sub(first.get()).ok_or(ProveError::InsufficientFunds)?;
            vec![first.get(), rest]
        }
    };
    let outputs: Vec<_> =
        (0u16..).zip(&values).map(|(index, value)| spending.output(keys, &publics, index, *value)).collect();
    let mut plaintext = SelfPlaintext::new(Statement::Swap);
    plaintext.purpose = spending.purpose;
    plaintext.value_1 = Amount::new(values.first().copied().unwrap_or(0));
    plaintext.value_2 = Amount::new(values.get(1).copied().unwrap_or(0));

    let mut witness = std::mem::take(&mut spending.witness);
    witness.set(Secret::FirstValue, plaintext.value_1.get());
    let names = [(Secret::Serial1, Secret::Blind1), (Secret::Serial2, Secret::Blind2)];
    for (coin, (serial, blind)) in outputs.iter().zip(names) {
        witness.set(serial, coin.serial).set(blind, coin.blind);
    }
    let openings = if first.is_some() { outputs.iter().map(Coin::range).collect() } else { Vec::new() };
    let core = Core {
        statement: Statement::Swap,
        header: *header,
        inputs: spending.inputs(),
        ct_self: seal::seal_self(keys.self_key(), &publics.nonce, &header.key, &plaintext),
        publics,
        commitments: outputs.iter().map(|coin| Point::new(coin.commitment())).collect(),
        delivery: None,
    };
    Ok(Draft { core, witness, openings })
}

/// Turns the redeemer's answer into the one or two coins.
///
/// # Errors
/// [`VerificationFailure`] when the answer is not what was asked for, or not under the published key, or the
/// transaction is not of this wallet.
pub fn finish(
    core: &Core,
    answer: &Answer,
    key: &PublicKey,
    keys: &WalletKeys,
) -> Result<Vec<Credential<Coin>>, VerificationFailure> {
    let checked = answer.check(core, Addition::None, key)?;
    let plaintext = seal::open_own(core, Statement::Swap, keys)?;
    let values = [plaintext.value_1, plaintext.value_2].into_iter().take(core.commitments.len());
    (0u16..)
        .zip(values)
        .map(|(index, value)| coin::output(core, keys, &checked, index, value, plaintext.purpose))
        .collect()
}
