//! Pay: coins become a note for an identity, and change (`docs/PROTOCOL.md` section 6).

use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::CryptoRng;
use sha2::{Digest, Sha512};

use crate::{
    amount::Amount,
    calendar::Month,
    coin::{self, Coin, Spending},
    credential::{
        Credential, commit,
        issue::{Addition, Answer},
    },
    encoding::Point,
    error::{ProveError, VerificationFailure},
    identity::Pid,
    keys::PublicKey,
    params::Generator,
    policy::PolicyBody,
    range::RangeOpening,
    seal::{self, EncryptionKey, Memo, NotePlaintext, SelfPlaintext},
    seed::{Nonce, OutputSecret, WalletKeys},
    sigma::{
        relation::{Relation, minus, plus},
        witness::Secret,
    },
    statement::{Commitment, Publics, Statement},
    transaction::{Core, Delivery, Draft, Header, Transaction},
};

/// `C_change = (Σv_i − v − φ)·H_value + s·H_owner + k'·H_serial + u·H_purpose + t1·H_blind`;
/// `C_note = v·H_value + pid·H_owner + ρ·H_serial + u·H_purpose + f·H_refund + t2·H_blind`
pub(crate) fn relation(core: &Core) -> Relation {
    let mut relation = Relation::default();
    coin::spend_all(&mut relation, core, Some(Secret::Purpose));
    let values = (0..core.spent()).map(|index| plus(Generator::Value, Secret::V(index)));
    relation.equation(
        "C_change",
        [(core.term(Commitment::Change), Scalar::ONE), (Generator::Value.into(), core.publics.fee.into())],
        values.chain([
            minus(Generator::Value, Secret::Value),
            plus(Generator::Owner, Secret::Owner),
            plus(Generator::Serial, Secret::Serial),
            plus(Generator::Purpose, Secret::Purpose),
            plus(Generator::Blind, Secret::Blind1),
        ]),
    );
    relation.equation(
        "C_note",
        [(core.term(Commitment::Note), Scalar::ONE)],
        [
            plus(Generator::Value, Secret::Value),
            plus(Generator::Owner, Secret::Pid),
            plus(Generator::Serial, Secret::NoteSerial),
            plus(Generator::Purpose, Secret::Purpose),
            plus(Generator::Refund, Secret::RefundTag),
            plus(Generator::Blind, Secret::Blind2),
        ],
    );
    relation
}

/// `f = ScalarWide(SHA-512("farthing/v1/refund" ‖ F))`.
pub(crate) fn refund_tag(F: &Point) -> Scalar {
    let hash = Sha512::new().chain_update(b"farthing/v1/refund").chain_update(F.as_bytes()).finalize();
    Scalar::from_bytes_mod_order_wide(&hash.into())
}

/// Whom to pay what.
pub struct Payment<'a> {
    /// The identity that may claim the note.
    pub payee: Pid,
    /// The key that the note is sealed to: the payee's from the directory, or a throw-away key.
    pub encryption_key: &'a EncryptionKey,
    /// The amount of the note.
    pub amount: Amount,
    /// What the payee will read.
    pub memo: Memo,
}

/// Builds a payment from `coins`, under the fee, minimum, expiry and bucket width of `policy`.
///
/// # Errors
/// [`ProveError::InsufficientFunds`] when the coins do not hold amount and fee, [`ProveError::Amount`] below the
/// policy's minimum, [`ProveError::Inputs`] and [`ProveError::Overflow`] as for any spending.
pub fn request<'a>(
    header: &Header,
    policy: &PolicyBody,
    keys: &WalletKeys,
    coins: impl IntoIterator<Item = &'a Credential<Coin>>,
    payment: &Payment<'_>,
    rng: &mut impl CryptoRng,
) -> Result<Transaction, ProveError> {
    draft(header, policy, keys, coins, payment, rng)?.prove(rng)
}

/// The unproved payment.
pub(crate) fn draft<'a>(
    header: &Header,
    policy: &PolicyBody,
    keys: &WalletKeys,
    coins: impl IntoIterator<Item = &'a Credential<Coin>>,
    payment: &Payment<'_>,
    rng: &mut impl CryptoRng,
) -> Result<Draft, ProveError> {
    let terms = policy.terms();
    let value = payment.amount.get();
    if value == 0 || payment.amount < terms.minimum {
        return Err(ProveError::Amount);
    }
    let mut spending = Spending::new(coins, rng)?;
    let due = value.checked_add(terms.fee.get()).ok_or(ProveError::Overflow)?;
    let change_value = spending.total.checked_sub(due).ok_or(ProveError::InsufficientFunds)?;

    let mut publics = Publics::new(keys.fresh_nonce(rng, &spending.serials(), header.day));
    publics.fee = terms.fee.get();
    let change = spending.output(keys, &publics, 0, change_value);
    let pid = payment.payee.scalar();
    let expiry = header.day.month().plus(terms.months);
    let note = plaintext(keys, &publics.nonce, payment.amount, spending.purpose, expiry, payment.memo.clone());
    let C_note = Point::new(commitment(&note, &payment.payee));
    let ct_note = seal::seal_note(payment.encryption_key, &header.key, C_note.as_bytes(), &note, rng);
    let mut own = SelfPlaintext::new(Statement::Pay);
    own.purpose = spending.purpose;
    own.value_1 = Amount::new(change_value);
    own.value_2 = payment.amount;
    own.aux = payment.payee.to_bytes();

    let mut witness = std::mem::take(&mut spending.witness);
    witness
        .set(Secret::Value, value)
        .set(Secret::Serial, change.serial)
        .set(Secret::Blind1, change.blind)
        .set(Secret::Pid, pid)
        .set(Secret::NoteSerial, note.serial)
        .set(Secret::RefundTag, note.refund)
        .set(Secret::Blind2, note.blind);
    let purpose = Scalar::from(spending.purpose);
    let mut note_range = RangeOpening::money(value, pid, note.serial, purpose, note.refund, note.blind);
    note_range.minimum = terms.minimum.get();
    let core = Core {
        statement: Statement::Pay,
        header: *header,
        inputs: spending.inputs(),
        ct_self: seal::seal_self(keys.self_key(), &publics.nonce, &header.key, &own),
        publics,
        commitments: vec![Point::new(change.commitment()), C_note],
        delivery: Some(Delivery { ct_note: Box::new(ct_note), bucket: payment.payee.bucket(terms.bucket_bits) }),
    };
    Ok(Draft { core, witness, openings: vec![change.range(), note_range] })
}

/// What the payee of a payment of this wallet needs in order to claim it. It is sealed to the payee; whoever is not registered
/// yet is handed it in a link. The payer's wallet makes it again from the payment's nonce at any time.
#[must_use]
pub fn plaintext(
    keys: &WalletKeys,
    nonce: &Nonce,
    amount: Amount,
    purpose: u32,
    expiry: Month,
    memo: Memo,
) -> NotePlaintext {
    let secret = |name| keys.output_secret(nonce, 1, name);
    let tag = refund_tag(&Point::new(RistrettoPoint::mul_base(&secret(OutputSecret::Refund))));
    let (serial, blind) = (secret(OutputSecret::Serial), secret(OutputSecret::Blind));
    NotePlaintext { value: amount, purpose, serial, refund: tag, expiry, blind, memo }
}

/// `C_note` of a note for this identity.
fn commitment(note: &NotePlaintext, payee: &Pid) -> RistrettoPoint {
    commit(&[
        (Generator::Value, note.value.get().into()),
        (Generator::Owner, payee.scalar()),
        (Generator::Serial, note.serial),
        (Generator::Purpose, note.purpose.into()),
        (Generator::Refund, note.refund),
        (Generator::Blind, note.blind),
    ])
}

/// Turns the redeemer's answer into the change, a coin that may be worth nothing. `expiry` is the month that the policy
/// gave the note.
///
/// # Errors
/// [`VerificationFailure`] when the answer is not what was asked for, or not under the published key, or the
/// transaction is not of this wallet.
pub fn finish(
    core: &Core,
    answer: &Answer,
    key: &PublicKey,
    expiry: Month,
    keys: &WalletKeys,
) -> Result<Credential<Coin>, VerificationFailure> {
    let checked = answer.check(core, Addition::Expiry(expiry), key)?;
    let plaintext = seal::open_own(core, Statement::Pay, keys)?;
    coin::output(core, keys, &checked, 0, plaintext.value_1, plaintext.purpose)
}

/// What a payment of this wallet was, by the log.
pub struct RestoredPayment {
    /// The change, a coin that may be worth nothing.
    pub change: Credential<Coin>,
    /// Whom it paid. The identity itself is not in the log.
    pub payee: Pid,
    /// How much.
    pub amount: Amount,
}

/// Finds in the log alone what a payment of this wallet was: as [`finish`], and the commitment of the note is recomputed
/// too.
///
/// # Errors
/// [`VerificationFailure`] as [`finish`], and when the payment is another than the wallet wrote to itself.
pub fn restore(
    core: &Core,
    answer: &Answer,
    key: &PublicKey,
    expiry: Month,
    keys: &WalletKeys,
) -> Result<RestoredPayment, VerificationFailure> {
    let change = finish(core, answer, key, expiry, keys)?;
    let own = seal::open_own(core, Statement::Pay, keys)?;
    let payee = Pid::from_bytes(own.aux).map_err(|_| VerificationFailure)?;
    let note = plaintext(keys, &core.publics.nonce, own.value_2, own.purpose, expiry, Memo::default());
    let C_note = commitment(&note, &payee);
    if core.commitment(Commitment::Note).is_none_or(|logged| logged.point() != C_note) {
        return Err(VerificationFailure);
    }
    Ok(RestoredPayment { change, payee, amount: own.value_2 })
}
