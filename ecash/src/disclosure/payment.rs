//! Amount and payee of a logged payment, shown by its payer: a proof of the rest of the opening of `C_note`, and of ψ.

use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    amount::Amount,
    disclosure::{Challenge, Disclosure, LABEL, read_identity, write_identity},
    encoding::{Point, Reader},
    error::{DecodeError, ProveError, VerificationFailure},
    identity::Identity,
    keys::{KeyId, PublicKey},
    params::Generator,
    pay::refund_tag,
    seal,
    seed::{OutputSecret, WalletKeys},
    sigma::{
        alone::ProofAlone,
        relation::{Relation, Term, plus},
        witness::{Secret, Witness},
    },
    split,
    statement::{Commitment, Statement},
    transaction::{Core, TransactionId},
    transcript::{Message, Transcript},
};

/// What is disclosed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) challenge: Option<Challenge>,
    /// The output key of the payment: its id stands in the log, and it says the currency.
    pub(super) key: PublicKey,
    pub(super) payee: Identity,
    pub(super) amount: Amount,
    /// `F`
    pub(super) authority: Point,
}

/// The payment that it is about, as the log has it.
#[derive(Clone, Copy)]
pub(super) struct Logged {
    id: TransactionId,
    key: KeyId,
    note: Point,
}

impl Logged {
    pub(super) fn of(core: &Core) -> Option<Self> {
        let note = core.commitment(Commitment::Note).filter(|_| core.statement() == Statement::Pay)?;
        Some(Self { id: core.id(), key: core.header().key, note: *note })
    }
}

impl Shown {
    /// `C_note − v·H_value − pid·H_owner − f·H_refund = ρ·H_serial + u·H_purpose + t2·H_blind`; `F = ψ·G`
    pub(super) fn relation(&self) -> Relation {
        use Generator::{Blind, Owner, Purpose, Refund, Serial, Value};
        let mut relation = Relation::default();
        relation.equation(
            "C_note",
            [
                (Term::Point(0), Scalar::ONE),
                (Value.into(), -Scalar::from(self.amount.get())),
                (Owner.into(), -self.payee.pid().scalar()),
                (Refund.into(), -refund_tag(&self.authority)),
            ],
            [plus(Serial, Secret::NoteSerial), plus(Purpose, Secret::Purpose), plus(Blind, Secret::Blind2)],
        );
        split::authorise(&mut relation, Term::Point(1));
        relation
    }

    pub(super) fn points(&self, logged: &Logged) -> [Point; 2] {
        [logged.note, self.authority]
    }

    pub(super) fn bind(&self, logged: &Logged, mut transcript: Transcript) -> (Relation, Transcript) {
        let relation = self.relation();
        Disclosure::Payment.bind(&mut transcript, &relation, self.challenge.as_ref());
        transcript.bytes("key", logged.key.as_bytes());
        transcript.bytes("transaction", logged.id.as_bytes());
        transcript.bytes("amount", &self.amount.get().to_le_bytes());
        transcript.bytes("pid", &self.payee.pid().to_bytes());
        transcript.point("C_note", &logged.note);
        transcript.point("F", &self.authority);
        (relation, transcript)
    }

    fn write(&self) -> Vec<u8> {
        let mut bytes = Disclosure::Payment.head(self.challenge.as_ref());
        let key = self.key.to_bytes();
        bytes.push(u8::try_from(key.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(&key);
        write_identity(&mut bytes, Some(&self.payee));
        bytes.extend_from_slice(&self.amount.get().to_le_bytes());
        bytes.extend_from_slice(self.authority.as_bytes());
        bytes
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let challenge = Disclosure::Payment.read_head(reader)?;
        let length = reader.u8()?;
        let key = PublicKey::from_bytes(reader.bytes(length.into())?)?;
        let payee = read_identity(reader)?.ok_or(DecodeError::Field("identity"))?;
        Ok(Self { challenge, key, payee, amount: Amount::new(reader.u64()?), authority: reader.point()? })
    }
}

/// That whoever made it has paid so much to somebody by a logged payment.
///
/// It shows `F` of the note, which stands in the log when the payer takes the note back: whoever has seen the proof knows
/// that refund when it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentProof {
    shown: Shown,
    proof: ProofAlone,
}

impl PaymentProof {
    /// Shows amount and payee of a payment of this wallet, to a verifier or to everybody. The wallet needs only its seed and
    /// what the log has.
    ///
    /// # Errors
    /// [`ProveError::Inputs`] when it is not a payment of this wallet to this payee, or `key` is not its output key.
    pub fn prove(
        challenge: Option<&Challenge>,
        core: &Core,
        key: &PublicKey,
        payee: &Identity,
        keys: &WalletKeys,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, ProveError> {
        let logged = Logged::of(core).filter(|logged| logged.key == key.id()).ok_or(ProveError::Inputs)?;
        let plaintext = seal::open_own(core, Statement::Pay, keys).map_err(|VerificationFailure| ProveError::Inputs)?;
        if plaintext.aux != payee.pid().to_bytes() {
            return Err(ProveError::Inputs);
        }
        let secret = |name| keys.output_secret(&core.publics().nonce, 1, name);
        let psi = Zeroizing::new(secret(OutputSecret::Refund));
        let mut witness = Witness::default();
        witness
            .set(Secret::NoteSerial, secret(OutputSecret::Serial))
            .set(Secret::Purpose, plaintext.purpose)
            .set(Secret::Blind2, secret(OutputSecret::Blind))
            .set(Secret::Psi, *psi);
        let shown = Shown {
            challenge: challenge.cloned(),
            key: key.clone(),
            payee: payee.clone(),
            amount: plaintext.value_2,
            authority: Point::new(RistrettoPoint::mul_base(&psi)),
        };
        Self::of(shown, &logged, &witness, rng)
    }

    /// Proves what is shown with any witness that satisfies it.
    pub(super) fn of(
        shown: Shown,
        logged: &Logged,
        witness: &Witness,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, ProveError> {
        let (relation, transcript) = shown.bind(logged, Transcript::new(LABEL));
        let proof = ProofAlone::prove(&relation, &shown.points(logged), &transcript, witness, rng)?;
        Ok(Self { shown, proof })
    }

    /// The challenge that it answers; without one it is for everybody, and may be old.
    #[must_use]
    pub fn challenge(&self) -> Option<&Challenge> {
        self.shown.challenge.as_ref()
    }

    /// The key of the payment. Verification compares it with the log.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.shown.key
    }

    /// Who was paid.
    #[must_use]
    pub fn payee(&self) -> &Identity {
        &self.shown.payee
    }

    /// How much.
    #[must_use]
    pub fn amount(&self) -> Amount {
        self.shown.amount
    }

    /// Checks it against the payment as the log has it. That the log has it is for others to check.
    ///
    /// # Errors
    /// [`VerificationFailure`], also for the answer to another challenge, or one where none was wanted.
    pub fn verify(
        &self,
        challenge: Option<&Challenge>,
        core: &Core,
        rng: &mut impl CryptoRng,
    ) -> Result<(), VerificationFailure> {
        Challenge::check(self.shown.challenge.as_ref(), challenge)?;
        let logged = Logged::of(core).filter(|logged| logged.key == self.shown.key.id()).ok_or(VerificationFailure)?;
        let (relation, transcript) = self.shown.bind(&logged, Transcript::new(LABEL));
        self.proof.verify(&relation, &self.shown.points(&logged), &transcript, rng)
    }

    /// Every message of the transcript in order, for test vectors and for reading; empty for what is no payment.
    #[must_use]
    pub fn transcript(&self, core: &Core) -> Vec<Message> {
        let Some(logged) = Logged::of(core) else { return Vec::new() };
        let (_, mut transcript) = self.shown.bind(&logged, Transcript::recording(LABEL));
        self.proof.challenge(&mut transcript);
        transcript.into_tape()
    }

    /// The canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.shown.write();
        self.proof.write(&mut bytes);
        bytes
    }

    /// Reads what [`PaymentProof::to_bytes`] writes. Nothing is verified yet.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that is not canonical.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let shown = Shown::read(&mut reader)?;
        let proof = ProofAlone::read(&shown.relation(), &mut reader)?;
        reader.end()?;
        Ok(Self { shown, proof })
    }
}
