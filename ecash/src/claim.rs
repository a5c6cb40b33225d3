//! Claim: notes become one coin under the policy (`docs/PROTOCOL.md` section 6).

use rand_core::CryptoRng;

use crate::{
    amount::Amount,
    calendar::Day,
    coin::{self, Coin},
    credential::{
        Credential,
        issue::{Addition, Answer},
        kinds::Kind,
        present::{self, Presented},
    },
    error::{ProveError, VerificationFailure},
    keys::PublicKey,
    note::Note,
    params::Generator,
    rollover::{self, Rollover},
    rule::Rule,
    seal::{self, SelfPlaintext},
    seed::{OutputSecret, WalletKeys},
    sigma::{
        relation::Relation,
        witness::{Secret, Witness},
    },
    statement::{Publics, Statement},
    transaction::{Core, Draft, Header, NOTES_MAX, Transaction},
    wallet_state::WalletState,
};

/// "spend note j", "spend wallet state", "present rule", then the lines from `Q_d` to `D_month`.
pub(crate) fn relation(core: &Core) -> Relation {
    let mut relation = Relation::default();
    for (index, input) in core.inputs_of(Kind::Note) {
        let hidden = [
            (Generator::Value, Secret::V(index)),
            (Generator::Owner, Secret::Pid),
            (Generator::Purpose, Secret::PurposeIn),
            (Generator::Refund, Secret::F(index)),
            (Generator::Expiry, Secret::Eps(index)),
            (Generator::Blind, Secret::T(index)),
        ];
        present::equations(&mut relation, input, index, &[], &hidden);
    }
    rollover::present_wallet_and_rule(&mut relation, core);
    rollover::receive(&mut relation, core, Secret::PurposeOut);
    relation
}

/// How much more a wallet in this state may receive on `today` under `rule`: nothing on a day before that of its last
/// receipt.
#[must_use]
pub fn room(state: &WalletState, rule: &Rule, today: Day) -> Amount {
    if today.get() < state.day {
        return Amount::ZERO;
    }
    let left = |cap: Amount, used: Amount| cap.get().saturating_sub(used.get());
    let day = left(rule.line.day_cap, state.received_on(today));
    let month = left(rule.line.month_cap, state.received_in(today.month()));
    Amount::new(day.min(month))
}

/// Builds a claim of `notes` by the wallet in `state` under `rule`.
///
/// # Errors
/// [`ProveError::Amount`] when the rule's caps leave no room for all of them today; [`ProveError::Inputs`] for none,
/// too many, a repeated note, notes of another identity or purpose, a rule of another class, epoch or key, or a state
/// that is not valid in the month or is of a later day; [`ProveError::Overflow`].
pub fn request<'a>(
    header: &Header,
    keys: &WalletKeys,
    notes: impl IntoIterator<Item = &'a Credential<Note>>,
    state: &Credential<WalletState>,
    rule: &Credential<Rule>,
    rng: &mut impl CryptoRng,
) -> Result<Transaction, ProveError> {
    draft(header, keys, notes, state, rule, rng)?.prove(rng)
}

/// The unproved claim.
pub(crate) fn draft<'a>(
    header: &Header,
    keys: &WalletKeys,
    notes: impl IntoIterator<Item = &'a Credential<Note>>,
    state: &Credential<WalletState>,
    rule: &Credential<Rule>,
    rng: &mut impl CryptoRng,
) -> Result<Draft, ProveError> {
    let mut sorted: Vec<_> = notes.into_iter().collect();
    sorted.sort_by_key(|note| note.nullifier());
    let old = state.attributes();
    let line = &rule.attributes().line;
    let repeated = sorted.iter().zip(sorted.iter().skip(1)).any(|(one, other)| one.nullifier() == other.nullifier());
    let foreign =
        sorted.iter().any(|note| note.attributes.owner != old.identity || note.attributes.purpose != line.purpose);
    let other_rule = line.class != old.class || rule.attributes().epoch != header.epoch || rule.key != header.key;
    let lapsed = old.validity() < header.day.month();
    if sorted.is_empty() || sorted.len() > NOTES_MAX as usize || repeated || foreign || other_rule || lapsed {
        return Err(ProveError::Inputs);
    }
    let values = sorted.iter().map(|note| note.attributes.value);
    let total = values.clone().try_fold(0u64, u64::checked_add).ok_or(ProveError::Overflow)?;
    let rollover = Rollover::new(old, rule.attributes(), header.day, total, rng)?;

    let serials: Vec<_> =
        sorted.iter().map(|note| *note.nullifier().as_bytes()).chain([*state.nullifier().as_bytes()]).collect();
    let mut publics = Publics::new(keys.fresh_nonce(rng, &serials, header.day));
    publics.validity = old.validity;
    let coin = Coin::output(keys, &publics.nonce, 0, total, line.purpose_out);
    let new = next_state(keys, &publics, old, header.day, rollover.totals());

    let mut witness = Witness::default();
    old.witness(&mut witness);
    witness
        .set(Secret::PurposeIn, line.purpose)
        .set(Secret::PurposeOut, line.purpose_out)
        .set(Secret::DayCap, line.day_cap.get())
        .set(Secret::MonthCap, line.month_cap.get());
    rollover.witness(&coin, &new, &mut witness);
    let mut inputs = Vec::with_capacity(sorted.len() + 2);
    for ((index, note), presented) in (0u16..).zip(&sorted).zip(Presented::all(&sorted, true, rng)) {
        presented.witness(index, &mut witness);
        let note = note.attributes();
        witness
            .set(Secret::V(index), note.value)
            .set(Secret::F(index), note.refund)
            .set(Secret::Eps(index), note.expiry)
            .set(Secret::T(index), note.blind);
        inputs.push(presented.input.clone());
    }
    let next = u16::try_from(inputs.len()).map_err(|_| ProveError::Inputs)?;
    for (index, presented) in [(next, Presented::new(state, true, rng)), (next + 1, Presented::new(rule, false, rng))] {
        presented.witness(index, &mut witness);
        inputs.push(presented.input.clone());
    }

    let mut plaintext = SelfPlaintext::new(Statement::Claim);
    plaintext.purpose = line.purpose_out;
    plaintext.value_1 = Amount::new(total);
    plaintext.set_totals(rollover.totals());
    let core = Core {
        statement: Statement::Claim,
        header: *header,
        inputs,
        ct_self: seal::seal_self(keys.self_key(), &publics.nonce, &header.key, &plaintext),
        publics,
        commitments: rollover.commitments(&coin, &new),
        delivery: None,
    };
    Ok(Draft { core, witness, openings: rollover.ranges() })
}

/// The wallet state after a receipt, in Claim and Refund, its serial still without δ.
pub(crate) fn next_state(
    keys: &WalletKeys,
    publics: &Publics,
    old: &WalletState,
    day: Day,
    totals: (u64, u64),
) -> WalletState {
    WalletState {
        identity: old.identity,
        owner: old.owner,
        class: old.class,
        day: day.get(),
        month: day.month().get(),
        day_total: totals.0,
        month_total: totals.1,
        validity: publics.validity,
        serial: keys.output_secret(&publics.nonce, 1, OutputSecret::Serial),
        blind: keys.output_secret(&publics.nonce, 1, OutputSecret::Blind),
    }
}

/// Turns the redeemer's answer into the coin and the new wallet state. `old` is the state that was consumed.
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
) -> Result<(Credential<Coin>, Credential<WalletState>), VerificationFailure> {
    received(Statement::Claim, core, answer, key, keys, old)
}

/// The coin and the new wallet state of a Claim or Refund.
pub(crate) fn received(
    statement: Statement,
    core: &Core,
    answer: &Answer,
    key: &PublicKey,
    keys: &WalletKeys,
    old: &WalletState,
) -> Result<(Credential<Coin>, Credential<WalletState>), VerificationFailure> {
    let checked = answer.check(core, Addition::None, key)?;
    let plaintext = seal::open_own(core, statement, keys)?;
    let coin = coin::output(core, keys, &checked, 0, plaintext.value_1, plaintext.purpose)?;
    let mut state = next_state(keys, core.publics(), old, core.header().day, plaintext.totals());
    state.serial = checked.final_serial(1, state.serial)?;
    Ok((coin, checked.credential(1, state)?))
}
