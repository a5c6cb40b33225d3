//! SplitNote: a note becomes two notes of the same identity (`docs/PROTOCOL.md` section 6), by its payee or, after its
//! expiry, by its payer.

use curve25519_dalek::Scalar;
use rand_core::CryptoRng;

use crate::{
    amount::Amount,
    calendar::Month,
    credential::{
        Credential,
        issue::{Addition, Answer, CheckedAnswer},
        kinds::Kind,
        present::{self, Presented},
    },
    encoding::Point,
    error::{ProveError, VerificationFailure},
    identity::Pid,
    keys::PublicKey,
    note::Note,
    params::Generator::{Blind, Expiry, G, Owner, Purpose, Refund, Serial, Value},
    pay::refund_tag,
    policy::PolicyBody,
    refund::Refundable,
    rollover,
    seal::{self, SelfPlaintext},
    seed::{Nonce, WalletKeys},
    sigma::{
        relation::{Relation, Term, minus, plus},
        witness::{Secret, Witness},
    },
    statement::{Commitment, Publics, Statement},
    transaction::{Core, Draft, Header, Transaction},
    wallet_state::WalletState,
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
    authorise(&mut relation, core.term(Commitment::F));
    outputs(&mut relation, core, Some(tag));
    relation
}

/// `F = ψ·G`
pub(crate) fn authorise(relation: &mut Relation, F: Term) {
    relation.equation("F", [(F, Scalar::ONE)], [plus(G, Secret::Psi)]);
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

/// Builds a split of a note by its payee, in `state`, into a note of `first` and one of the rest. The parts expire as if
/// they had been paid today under `policy`, and the payer cannot take them back.
///
/// # Errors
/// [`ProveError::Amount`] when `first` is zero or not less than the note's value; [`ProveError::Inputs`] for a note of
/// another identity or a state that is not valid in the month.
pub fn request(
    header: &Header,
    policy: &PolicyBody,
    keys: &WalletKeys,
    note: &Credential<Note>,
    first: Amount,
    state: &Credential<WalletState>,
    rng: &mut impl CryptoRng,
) -> Result<Transaction, ProveError> {
    draft(header, policy, keys, note, first, state, rng)?.prove(rng)
}

/// The unproved split.
pub(crate) fn draft(
    header: &Header,
    policy: &PolicyBody,
    keys: &WalletKeys,
    note: &Credential<Note>,
    first: Amount,
    state: &Credential<WalletState>,
    rng: &mut impl CryptoRng,
) -> Result<Draft, ProveError> {
    let owner = state.attributes();
    let (old, month) = (note.attributes(), header.day.month());
    if old.owner != owner.identity || owner.validity() < month {
        return Err(ProveError::Inputs);
    }
    let mut publics = Publics::new(keys.fresh_nonce(rng, &[*note.nullifier().as_bytes()], header.day));
    publics.validity = owner.validity;
    let parts = Parts::new(old, keys, &publics.nonce, first)?;
    let mut plaintext = parts.plaintext(Statement::Split);
    plaintext.expiry = month.plus(policy.terms().months);
    plaintext.aux = old.refund.to_bytes();

    let mut witness = Witness::default();
    let presented = [Presented::new(note, true, rng), Presented::new(state, false, rng)];
    for (index, presented) in (0u16..).zip(&presented) {
        presented.witness(index, &mut witness);
    }
    owner.witness(&mut witness);
    parts.witness(old, &mut witness);
    witness.set(Secret::StateSerial, owner.serial).set(Secret::RefundTag, old.refund).set(Secret::Expiry, old.expiry);
    let core = Core {
        statement: Statement::Split,
        header: *header,
        inputs: presented.iter().map(|presented| presented.input.clone()).collect(),
        ct_self: seal::seal_self(keys.self_key(), &publics.nonce, &header.key, &plaintext),
        publics,
        commitments: parts.commitments(),
        delivery: None,
    };
    Ok(Draft { core, witness, openings: parts.0.iter().map(Note::range).collect() })
}

/// Builds a split of an expired note by its payer, into a note of `first` and one of the rest.
///
/// # Errors
/// [`ProveError::Amount`] as for [`request`]; [`ProveError::Inputs`] for a note that has not expired before the month.
pub fn request_expired(
    header: &Header,
    keys: &WalletKeys,
    note: &Refundable,
    first: Amount,
    rng: &mut impl CryptoRng,
) -> Result<Transaction, ProveError> {
    draft_expired(header, keys, note, first, rng)?.prove(rng)
}

/// The unproved split of an expired note.
pub(crate) fn draft_expired(
    header: &Header,
    keys: &WalletKeys,
    note: &Refundable,
    first: Amount,
    rng: &mut impl CryptoRng,
) -> Result<Draft, ProveError> {
    let old = note.note().attributes();
    if !note.is_expired(header.day.month()) {
        return Err(ProveError::Inputs);
    }
    let mut publics = Publics::new(keys.fresh_nonce(rng, &[*note.note().nullifier().as_bytes()], header.day));
    publics.expiry = old.expiry;
    let parts = Parts::new(old, keys, &publics.nonce, first)?;
    let mut plaintext = parts.plaintext(Statement::SplitExpired);
    plaintext.aux = old.owner.to_bytes();

    let mut witness = Witness::default();
    let presented = Presented::new(note.note(), true, rng);
    presented.witness(0, &mut witness);
    parts.witness(old, &mut witness);
    witness.set(Secret::Pid, old.owner).set(Secret::Psi, *note.psi());
    let core = Core {
        statement: Statement::SplitExpired,
        header: *header,
        inputs: vec![presented.input.clone()],
        ct_self: seal::seal_self(keys.self_key(), &publics.nonce, &header.key, &plaintext),
        publics,
        commitments: std::iter::once(note.authority()).chain(parts.commitments()).collect(),
        delivery: None,
    };
    Ok(Draft { core, witness, openings: parts.0.iter().map(Note::range).collect() })
}

/// The two parts of a note, their serials still without δ.
struct Parts([Note; 2]);

impl Parts {
    fn new(note: &Note, keys: &WalletKeys, nonce: &Nonce, first: Amount) -> Result<Self, ProveError> {
        let rest = note.value.checked_sub(first.get()).filter(|rest| *rest > 0 && first.get() > 0);
        let rest = rest.ok_or(ProveError::Amount)?;
        Ok(Self([Note::part(note, keys, nonce, 0, first.get()), Note::part(note, keys, nonce, 1, rest)]))
    }

    fn plaintext(&self, statement: Statement) -> SelfPlaintext {
        let Self([one, two]) = self;
        let mut plaintext = SelfPlaintext::new(statement);
        plaintext.purpose = one.purpose;
        plaintext.value_1 = one.value();
        plaintext.value_2 = two.value();
        plaintext
    }

    /// Enters the note, input 0, and its parts.
    fn witness(&self, note: &Note, witness: &mut Witness) {
        let Self([one, two]) = self;
        witness
            .set(Secret::Value, note.value)
            .set(Secret::Purpose, note.purpose)
            .set(Secret::T(0), note.blind)
            .set(Secret::FirstValue, one.value)
            .set(Secret::NoteSerial1, one.serial)
            .set(Secret::Blind1, one.blind)
            .set(Secret::NoteSerial2, two.serial)
            .set(Secret::Blind2, two.blind);
    }

    fn commitments(&self) -> Vec<Point> {
        self.0.iter().map(|part| Point::new(part.commitment())).collect()
    }

    /// The parts as what was signed. `note` tells their owner, purpose and refund tag.
    fn finish(
        note: &Note,
        core: &Core,
        keys: &WalletKeys,
        plaintext: &SelfPlaintext,
        answer: &CheckedAnswer,
        expiry: Month,
    ) -> Result<[Credential<Note>; 2], VerificationFailure> {
        let part = |index: u16, value: Amount| {
            let mut part = Note::part(note, keys, &core.publics().nonce, index, value.get());
            part.expiry = expiry.get();
            part.serial = answer.final_serial(index.into(), part.serial)?;
            answer.credential(index.into(), part)
        };
        Ok([part(0, plaintext.value_1)?, part(1, plaintext.value_2)?])
    }
}

/// A note that only tells what its parts have in common.
fn template(owner: Scalar, purpose: u32, refund: Scalar) -> Note {
    Note { value: 0, owner, serial: Scalar::ZERO, purpose, refund, expiry: 0, blind: Scalar::ZERO }
}

/// Turns the redeemer's answer into the two notes of this payee.
///
/// # Errors
/// [`VerificationFailure`] when the answer is not what was asked for, or not under the published key, or the
/// transaction is not of this wallet.
pub fn finish(
    core: &Core,
    answer: &Answer,
    key: &PublicKey,
    keys: &WalletKeys,
    payee: &Pid,
) -> Result<[Credential<Note>; 2], VerificationFailure> {
    let plaintext = seal::open_own(core, Statement::Split, keys)?;
    let checked = answer.check(core, Addition::Expiry(plaintext.expiry), key)?;
    let refund = Option::from(Scalar::from_canonical_bytes(plaintext.aux)).ok_or(VerificationFailure)?;
    let note = template(payee.scalar(), plaintext.purpose, refund);
    Parts::finish(&note, core, keys, &plaintext, &checked, plaintext.expiry)
}

/// Turns the redeemer's answer into the two notes, which the payer of `note` can take back.
///
/// # Errors
/// [`VerificationFailure`] as for [`finish`], and when `note` is not the one that was split.
pub fn finish_expired(
    core: &Core,
    answer: &Answer,
    key: &PublicKey,
    keys: &WalletKeys,
    note: &Refundable,
) -> Result<[Refundable; 2], VerificationFailure> {
    let plaintext = seal::open_own(core, Statement::SplitExpired, keys)?;
    let expiry = Month::new(core.publics().expiry);
    let checked = answer.check(core, Addition::Expiry(expiry), key)?;
    let owner = Option::from(Scalar::from_canonical_bytes(plaintext.aux)).ok_or(VerificationFailure)?;
    let common = template(owner, plaintext.purpose, note.note().attributes().refund);
    let [one, two] = Parts::finish(&common, core, keys, &plaintext, &checked, expiry)?;
    Ok([note.part(one), note.part(two)])
}
