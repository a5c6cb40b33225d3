//! What a wallet has received in a month: one presentation of its state with month and total disclosed.

use rand_core::CryptoRng;

use crate::{
    amount::Amount,
    calendar::Month,
    credential::{
        Credential,
        kinds::Kind,
        present::{self, Input, Presented},
    },
    disclosure::{
        Attestation, AttestationRequest, Challenge, Disclosure, DisclosureId, LABEL, read_identity, write_identity,
    },
    encoding::{Point, Reader},
    error::{DecodeError, ProveError, VerificationFailure},
    identity::Identity,
    keys::{KeyId, PublicKey},
    params::Generator,
    sigma::{
        alone::ProofAlone,
        relation::Relation,
        witness::{Secret, Witness},
    },
    transcript::{Message, Transcript},
    wallet_state::WalletState,
};

/// What is disclosed, and the presentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) challenge: Challenge,
    pub(super) month: Month,
    pub(super) total: Amount,
    pub(super) identity: Option<Identity>,
    pub(super) input: Input,
}

impl Shown {
    /// The two equations of a presentation: month and total disclosed, and the identity when it is; all else hidden, the
    /// serial too.
    pub(super) fn relation(&self) -> Relation {
        let mut disclosed =
            vec![(Generator::Month, self.month.get().into()), (Generator::MonthTotal, self.total.get().into())];
        disclosed.extend(self.identity.as_ref().map(|identity| (Generator::Identity, identity.pid().scalar())));
        let hidden = [
            (Generator::Identity, Secret::Pid),
            (Generator::Owner, Secret::Owner),
            (Generator::Class, Secret::Class),
            (Generator::Day, Secret::Day),
            (Generator::DayTotal, Secret::DayTotal),
            (Generator::Validity, Secret::Validity),
            (Generator::Serial, Secret::StateSerial),
            (Generator::Blind, Secret::Blind),
        ];
        let mut relation = Relation::default();
        present::equations(&mut relation, &self.input, 0, &disclosed, &hidden);
        relation
    }

    pub(super) fn points(&self) -> [Point; 3] {
        [self.input.a, self.input.d, self.input.abar]
    }

    /// Absorbs everything up to and including "id".
    pub(super) fn bind(&self, mut transcript: Transcript) -> (Relation, Transcript, DisclosureId) {
        let relation = self.relation();
        Disclosure::Income.bind(&mut transcript, &relation, Some(&self.challenge));
        transcript.bytes("key", self.input.key.as_bytes());
        transcript.u32("month", self.month.get());
        transcript.bytes("month-total", &self.total.get().to_le_bytes());
        let pid = self.identity.as_ref().map(|identity| identity.pid().to_bytes());
        transcript.bytes("pid", pid.as_ref().map_or(&[], |pid| pid.as_slice()));
        transcript.point("in-a", &self.input.a);
        transcript.point("in-d", &self.input.d);
        transcript.point("in-abar", &self.input.abar);
        let id = DisclosureId::new(transcript.challenge_bytes("id"));
        (relation, transcript, id)
    }

    fn write(&self) -> Vec<u8> {
        let mut bytes = Disclosure::Income.head(Some(&self.challenge));
        bytes.extend_from_slice(self.input.key.as_bytes());
        bytes.extend_from_slice(&self.month.get().to_le_bytes());
        bytes.extend_from_slice(&self.total.get().to_le_bytes());
        write_identity(&mut bytes, self.identity.as_ref());
        self.points().iter().for_each(|point| bytes.extend_from_slice(point.as_bytes()));
        bytes
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let challenge = Disclosure::Income.read_head(reader)?.ok_or(DecodeError::Field("verifier"))?;
        let key = KeyId::new(reader.array()?);
        let (month, total) = (Month::new(reader.u32()?), Amount::new(reader.u64()?));
        let identity = read_identity(reader)?;
        let (a, d, abar) = (reader.point()?, reader.point()?, reader.point()?);
        Ok(Self {
            challenge,
            month,
            total,
            identity,
            input: Input { kind: Kind::Wallet, key, serial: None, a, d, abar },
        })
    }
}

/// That a wallet has received at least so much in a month, for one verifier.
///
/// *At least*: totals only grow within a month, and the state shown may be one that the wallet has used since. What counts
/// as received is what the wallet has claimed, also from itself, and what it has taken back by a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomeProof {
    shown: Shown,
    proof: ProofAlone,
}

impl IncomeProof {
    /// Shows month and total of a state, and whose it is when `identity` is given.
    ///
    /// # Errors
    /// [`ProveError::Inputs`] for a state that has never received anything, or that is of another identity.
    pub fn prove(
        challenge: &Challenge,
        state: &Credential<WalletState>,
        identity: Option<&Identity>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, ProveError> {
        let own = state.attributes();
        let month = own.month().ok_or(ProveError::Inputs)?;
        if identity.is_some_and(|identity| identity.pid().scalar() != own.identity) {
            return Err(ProveError::Inputs);
        }
        let presented = Presented::new(state, false, rng);
        let mut witness = Witness::default();
        own.witness(&mut witness);
        witness.set(Secret::Validity, own.validity).set(Secret::StateSerial, own.serial);
        presented.witness(0, &mut witness);
        let shown = Shown {
            challenge: challenge.clone(),
            month,
            total: own.received_in(month),
            identity: identity.cloned(),
            input: presented.input.clone(),
        };
        Self::of(shown, &witness, rng)
    }

    /// Proves what is shown with any witness that satisfies it.
    pub(super) fn of(shown: Shown, witness: &Witness, rng: &mut impl CryptoRng) -> Result<Self, ProveError> {
        let (relation, transcript, _) = shown.bind(new_transcript());
        let proof = ProofAlone::prove(&relation, &shown.points(), &transcript, witness, rng)?;
        Ok(Self { shown, proof })
    }

    /// The challenge that it answers.
    #[must_use]
    pub fn challenge(&self) -> &Challenge {
        &self.shown.challenge
    }

    /// The key that the wallet's state is under.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.shown.input.key
    }

    /// The month.
    #[must_use]
    pub fn month(&self) -> Month {
        self.shown.month
    }

    /// What was received in it, at least.
    #[must_use]
    pub fn total(&self) -> Amount {
        self.shown.total
    }

    /// Whose wallet it is, when that is disclosed.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.shown.identity.as_ref()
    }

    /// What to ask the redeemer.
    #[must_use]
    pub fn attestation_request(&self) -> AttestationRequest {
        AttestationRequest::new(&self.shown.input, self.shown.bind(new_transcript()).2)
    }

    /// Checks everything but `Ā = x·A'`: before the redeemer is asked.
    ///
    /// # Errors
    /// [`VerificationFailure`], also for the answer to another challenge.
    pub fn check(&self, challenge: &Challenge, rng: &mut impl CryptoRng) -> Result<(), VerificationFailure> {
        Challenge::check(Some(&self.shown.challenge), Some(challenge))?;
        let (relation, transcript, _) = self.shown.bind(new_transcript());
        self.proof.verify(&relation, &self.shown.points(), &transcript, rng)
    }

    /// Checks everything. `key` has to be one that the issuer has announced in its log.
    ///
    /// # Errors
    /// [`VerificationFailure`].
    pub fn verify(
        &self,
        challenge: &Challenge,
        attestation: &Attestation,
        key: &PublicKey,
        rng: &mut impl CryptoRng,
    ) -> Result<(), VerificationFailure> {
        self.check(challenge, rng)?;
        attestation.verify(key, &self.attestation_request())
    }

    /// Every message of the transcript in order, for test vectors and for reading.
    #[must_use]
    pub fn transcript(&self) -> Vec<Message> {
        let (_, mut transcript, _) = self.shown.bind(Transcript::recording(LABEL));
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

    /// Reads what [`IncomeProof::to_bytes`] writes. Nothing is verified yet.
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

fn new_transcript() -> Transcript {
    Transcript::new(LABEL)
}
