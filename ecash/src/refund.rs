//! Refund: the payer takes an unclaimed note back after its expiry (`docs/PROTOCOL.md` section 6).

use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    amount::Amount,
    calendar::Month,
    claim,
    coin::Coin,
    credential::{
        Credential,
        issue::{Addition, Answer},
        kinds::Kind,
        present::{self, Presented},
    },
    encoding::{Point, Reader},
    error::{DecodeError, ProveError, VerificationFailure},
    keys::PublicKey,
    note::Note,
    params::Generator,
    pay::refund_tag,
    rollover::{self, Rollover},
    rule::Rule,
    seal::{self, SelfPlaintext},
    seed::{OutputSecret, WalletKeys},
    sigma::{
        relation::Relation,
        witness::{Secret, Witness},
    },
    split,
    statement::{Commitment, Publics, Statement},
    transaction::{Core, Draft, Header, Transaction},
    wallet_state::WalletState,
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
    split::authorise(&mut relation, core.term(Commitment::F));
    rollover::receive(&mut relation, core, Secret::PurposeIn);
    relation
}

/// A note as its payer holds it, with ψ: what takes it back when nobody has claimed it in time. Whoever knows ψ and the
/// note can: never hand one over before its expiry.
pub struct Refundable {
    note: Credential<Note>,
    psi: Scalar,
}

impl Drop for Refundable {
    fn drop(&mut self) {
        self.psi.zeroize();
    }
}

impl Refundable {
    /// The note of a Pay of this wallet. `expiry` is the month that the policy gave it.
    ///
    /// # Errors
    /// [`VerificationFailure`] when the answer is not what was asked for, or not under the published key, or the
    /// transaction is not a Pay of this wallet.
    pub fn paid(
        core: &Core,
        answer: &Answer,
        key: &PublicKey,
        expiry: Month,
        keys: &WalletKeys,
    ) -> Result<Self, VerificationFailure> {
        let checked = answer.check(core, Addition::Expiry(expiry), key)?;
        let plaintext = seal::open_own(core, Statement::Pay, keys)?;
        let secret = |name| keys.output_secret(&core.publics().nonce, 1, name);
        let psi = secret(OutputSecret::Refund);
        let note = Note {
            value: plaintext.value_2.get(),
            owner: Option::from(Scalar::from_canonical_bytes(plaintext.aux)).ok_or(VerificationFailure)?,
            serial: checked.final_serial(1, secret(OutputSecret::Serial))?,
            purpose: plaintext.purpose,
            refund: refund_tag(&authority(&psi)),
            expiry: expiry.get(),
            blind: secret(OutputSecret::Blind),
        };
        Ok(Self { note: checked.credential(1, note)?, psi })
    }

    /// The note.
    #[must_use]
    pub fn note(&self) -> &Credential<Note> {
        &self.note
    }

    /// Whether it can be taken back in this month.
    #[must_use]
    pub fn is_expired(&self, month: Month) -> bool {
        let expiry = self.note.attributes().expiry;
        expiry != 0 && expiry < month.get()
    }

    /// A part of this note.
    pub(crate) fn part(&self, note: Credential<Note>) -> Self {
        Self { note, psi: self.psi }
    }

    pub(crate) fn psi(&self) -> &Scalar {
        &self.psi
    }

    /// `F = ψ·G`
    pub(crate) fn authority(&self) -> Point {
        authority(&self.psi)
    }

    /// The secret encoding, 272 bytes, for a wallet's encrypted store.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(272));
        bytes.extend_from_slice(self.psi.as_bytes());
        bytes.extend_from_slice(&self.note.to_secret_bytes());
        bytes
    }

    /// Reads what [`Refundable::to_secret_bytes`] writes.
    ///
    /// # Errors
    /// [`DecodeError`] for anything else, also for a ψ that is not the note's.
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let psi = reader.scalar()?;
        let note = Credential::<Note>::from_secret_bytes(reader.rest())?;
        if refund_tag(&authority(&psi)) != note.attributes().refund {
            return Err(DecodeError::Field("refund secret"));
        }
        Ok(Self { note, psi })
    }
}

fn authority(psi: &Scalar) -> Point {
    Point::new(RistrettoPoint::mul_base(psi))
}

/// Builds a refund of `note` to the wallet in `state` under `rule`, which has to be one for the note's purpose. It counts
/// as a receipt.
///
/// # Errors
/// [`ProveError::Amount`] when the rule's caps leave no room today; [`ProveError::Inputs`] for a note that has not expired
/// before the month, a rule of another purpose, class, epoch or key, or a state that is not valid in the month or is of a
/// later day; [`ProveError::Overflow`].
pub fn request(
    header: &Header,
    keys: &WalletKeys,
    note: &Refundable,
    state: &Credential<WalletState>,
    rule: &Credential<Rule>,
    rng: &mut impl CryptoRng,
) -> Result<Transaction, ProveError> {
    draft(header, keys, note, state, rule, rng)?.prove(rng)
}

/// The unproved refund.
pub(crate) fn draft(
    header: &Header,
    keys: &WalletKeys,
    note: &Refundable,
    state: &Credential<WalletState>,
    rule: &Credential<Rule>,
    rng: &mut impl CryptoRng,
) -> Result<Draft, ProveError> {
    let (paid, old, line) = (note.note.attributes(), state.attributes(), &rule.attributes().line);
    let month = header.day.month();
    let other_rule = line.purpose != paid.purpose
        || line.class != old.class
        || rule.attributes().epoch != header.epoch
        || rule.key != header.key;
    if !note.is_expired(month) || other_rule || old.validity() < month {
        return Err(ProveError::Inputs);
    }
    let rollover = Rollover::new(old, rule.attributes(), header.day, paid.value, rng)?;
    let serials = [*note.note.nullifier().as_bytes(), *state.nullifier().as_bytes()];
    let mut publics = Publics::new(keys.fresh_nonce(rng, &serials, header.day));
    publics.validity = old.validity;
    publics.expiry = paid.expiry;
    let coin = Coin::output(keys, &publics.nonce, 0, paid.value, paid.purpose);
    let new = claim::next_state(keys, &publics, old, header.day, rollover.totals());

    let mut witness = Witness::default();
    old.witness(&mut witness);
    rollover.witness(&coin, &new, &mut witness);
    witness
        .set(Secret::V(0), paid.value)
        .set(Secret::T(0), paid.blind)
        .set(Secret::Payee, paid.owner)
        .set(Secret::PurposeIn, line.purpose)
        .set(Secret::PurposeOut, line.purpose_out)
        .set(Secret::DayCap, line.day_cap.get())
        .set(Secret::MonthCap, line.month_cap.get())
        .set(Secret::Psi, note.psi);
    let presented =
        [Presented::new(&note.note, true, rng), Presented::new(state, true, rng), Presented::new(rule, false, rng)];
    for (index, presented) in (0u16..).zip(&presented) {
        presented.witness(index, &mut witness);
    }

    let mut plaintext = SelfPlaintext::new(Statement::Refund);
    plaintext.purpose = paid.purpose;
    plaintext.value_1 = Amount::new(paid.value);
    plaintext.set_totals(rollover.totals());
    let core = Core {
        statement: Statement::Refund,
        header: *header,
        inputs: presented.iter().map(|presented| presented.input.clone()).collect(),
        ct_self: seal::seal_self(keys.self_key(), &publics.nonce, &header.key, &plaintext),
        publics,
        commitments: std::iter::once(note.authority()).chain(rollover.commitments(&coin, &new)).collect(),
        delivery: None,
    };
    Ok(Draft { core, witness, openings: rollover.ranges() })
}

/// Turns the redeemer's answer into the coin, for the purpose that the note had, and the new wallet state. `old` is the
/// state that was consumed.
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
    claim::received(Statement::Refund, core, answer, key, keys, old)
}
