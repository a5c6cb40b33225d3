//! Transactions: a core that is hashed, stored and logged, and a proof part (`docs/WIRE.md` section 3).

use curve25519_dalek::Scalar;
use rand_core::CryptoRng;

use crate::{
    credential::issue::Answer,
    encoding::{Point, Reader, bytes32},
    error::{DecodeError, ProveError},
    range::{RangeOpening, RangeProof, Shape},
    sigma::{prove, relation::Relation, witness::Witness},
    statement,
    transcript::{Message, Transcript},
};

mod core;
mod outline;
pub use self::core::{Core, Delivery, Header};
pub use self::outline::Outline;

/// The most coins that one transaction spends.
pub const COINS_MAX: u32 = 16;
/// The most notes that one claim takes.
pub const NOTES_MAX: u32 = 64;

bytes32! {
    /// The transcript's challenge "id": names a transaction for ever.
    TransactionId
}

/// A core bound to a transcript, up to and including "range-seed".
#[derive(Clone)]
pub(crate) struct Bound {
    pub(crate) id: TransactionId,
    pub(crate) range_seed: [u8; 32],
    pub(crate) relation: Relation,
    pub(crate) transcript: Transcript,
}

impl Bound {
    /// Absorbs everything that precedes the proof, in the order of `docs/PROTOCOL.md` section 4.
    pub(crate) fn new(core: &Core, transcript: Transcript) -> Self {
        Self::bind(core, statement::relation(core), transcript)
    }

    pub(crate) fn bind(core: &Core, relation: Relation, mut transcript: Transcript) -> Self {
        transcript.bytes("statement", core.statement.name().as_bytes());
        transcript.bytes("structure", &relation.structure());
        transcript.bytes("key", core.header.key.as_bytes());
        transcript.u32("day", core.header.day.get());
        transcript.u32("epoch", core.header.epoch);
        transcript.bytes("policy", core.header.policy.as_bytes());
        transcript.bytes("inputs", &core.counts().to_bytes());
        for input in &core.inputs {
            transcript.u8("in-kind", input.kind.code());
            transcript.bytes("in-key", input.key.as_bytes());
            transcript.bytes("in-serial", input.serial.as_ref().map_or(&[], |serial| serial.as_bytes().as_slice()));
            transcript.point("in-a", &input.a);
            transcript.point("in-d", &input.d);
            transcript.point("in-abar", &input.abar);
        }
        for public in core.statement.publics() {
            transcript.bytes(public.label(), &core.publics.encode(*public));
        }
        for (name, point) in core.commitment_names().iter().zip(&core.commitments) {
            transcript.point(name.label(), point);
        }
        transcript.bytes("ct-self", &core.ct_self);
        if let Some(delivery) = &core.delivery {
            transcript.bytes("ct-note", delivery.ct_note.as_slice());
            transcript.u32("bucket", delivery.bucket);
        }
        let id = TransactionId::new(transcript.challenge_bytes("id"));
        let range_seed = transcript.challenge_bytes("range-seed");
        Self { id, range_seed, relation, transcript }
    }
}

/// The proof part: range proof, the prover's commitments `T`, the responses `z`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) range: Option<RangeProof>,
    pub(crate) T: Vec<Point>,
    pub(crate) z: Vec<Scalar>,
}

impl Proof {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.range.as_ref().map_or(Vec::new(), |range| range.as_bytes().to_vec());
        self.T.iter().for_each(|point| bytes.extend_from_slice(point.as_bytes()));
        self.z.iter().for_each(|scalar| bytes.extend_from_slice(scalar.as_bytes()));
        bytes
    }

    fn read(core: &Core, relation: &Relation, mut reader: Reader<'_>) -> Result<Self, DecodeError> {
        let proof = Self {
            range: Shape::of(core.ranges()).map(|shape| RangeProof::read(shape, &mut reader)).transpose()?,
            T: relation.equations.iter().map(|_| reader.point()).collect::<Result<_, _>>()?,
            z: relation.secrets.iter().map(|_| reader.scalar()).collect::<Result<_, _>>()?,
        };
        reader.end()?;
        Ok(proof)
    }
}

/// A whole transaction as it is sent. Its proof has not been checked.
#[derive(Clone)]
pub struct Transaction {
    core: Core,
    proof: Proof,
    bound: Bound,
    bytes: Vec<u8>,
    core_length: usize,
}

impl Transaction {
    pub(crate) fn assemble(core: Core, proof: Proof, bound: Bound) -> Self {
        let mut bytes = core.to_bytes();
        let core_length = bytes.len();
        bytes.extend_from_slice(&proof.to_bytes());
        Self { core, proof, bound, bytes, core_length }
    }

    /// Reads a transaction strictly and computes its id. Nothing is verified yet.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that is not the canonical encoding of one transaction.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (core, rest) = Core::from_prefix(bytes)?;
        let core_length = bytes.len() - rest.len();
        let bound = Bound::new(&core, Transcript::new("farthing/v1"));
        let proof = Proof::read(&core, &bound.relation, Reader::new(rest))?;
        Ok(Self { core, proof, bound, bytes: bytes.to_vec(), core_length })
    }

    /// Reads a logged transaction strictly: the body of its entry, which is core and answer, and its proof part. Nothing is
    /// verified yet.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that is not canonical.
    pub(crate) fn from_log(body: &[u8], proof: &[u8]) -> Result<(Self, Answer), DecodeError> {
        let (core, answer) = Core::from_prefix(body)?;
        let core_length = body.len() - answer.len();
        let answer = Answer::from_bytes(&core, answer)?;
        let bound = Bound::new(&core, Transcript::new("farthing/v1"));
        let mut bytes = body.get(..core_length).unwrap_or_default().to_vec();
        bytes.extend_from_slice(proof);
        let proof = Proof::read(&core, &bound.relation, Reader::new(proof))?;
        Ok((Self { core, proof, bound, bytes, core_length }, answer))
    }

    /// The canonical bytes: core, then proof part.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The core's bytes: what the log keeps for ever.
    #[must_use]
    pub fn core_bytes(&self) -> &[u8] {
        self.bytes.split_at_checked(self.core_length).map_or(&[], |(core, _)| core)
    }

    /// The proof part's bytes, which may be pruned.
    #[must_use]
    pub fn proof_bytes(&self) -> &[u8] {
        self.bytes.split_at_checked(self.core_length).map_or(&[], |(_, proof)| proof)
    }

    /// The part without the proof.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// The core alone.
    pub(crate) fn into_core(self) -> Core {
        self.core
    }

    /// The transaction id.
    #[must_use]
    pub fn id(&self) -> TransactionId {
        self.bound.id
    }

    pub(crate) fn proof(&self) -> &Proof {
        &self.proof
    }

    pub(crate) fn bound(&self) -> &Bound {
        &self.bound
    }

    /// The challenge `c`, after every message of the prover was absorbed.
    pub(crate) fn challenge(&self) -> Scalar {
        prove::challenge(&mut self.bound.transcript.clone(), self.proof.range.as_ref(), &self.proof.T)
    }

    /// Every message of the transcript in order, for test vectors and for reading.
    #[must_use]
    pub fn transcript(&self) -> Vec<Message> {
        let mut transcript = Bound::new(&self.core, Transcript::recording("farthing/v1")).transcript;
        prove::challenge(&mut transcript, self.proof.range.as_ref(), &self.proof.T);
        transcript.into_tape()
    }
}

/// A core with its secrets, ready to be proved.
pub(crate) struct Draft {
    pub(crate) core: Core,
    pub(crate) witness: Witness,
    /// In the order of the range column.
    pub(crate) openings: Vec<RangeOpening>,
}

impl Draft {
    /// Proves the statement. The relation is checked on the witness first.
    pub(crate) fn prove(self, rng: &mut impl CryptoRng) -> Result<Transaction, ProveError> {
        let Self { core, witness, openings } = self;
        let bound = Bound::new(&core, Transcript::new("farthing/v1"));
        let proof = prove::prove(&core, &bound, &witness, &openings, rng)?;
        Ok(Transaction::assemble(core, proof, bound))
    }
}
