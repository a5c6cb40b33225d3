//! Register: a wallet for an identity (`docs/PROTOCOL.md` section 5).

use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::ZeroizeOnDrop;

use crate::{
    account::{AccountKey, AccountProof, ProofContext},
    calendar::Day,
    credential::{
        Credential, commit,
        issue::{Addition, Answer},
    },
    encoding::{Point, Reader},
    error::{DecodeError, ProveError, VerificationFailure},
    identity::{Identity, Pid},
    keys::{KeyId, PublicKey},
    params::Generator,
    policy::PolicyHash,
    seal::{self, ENCRYPTION_KEY_LENGTH, EncryptionKey, SelfPlaintext},
    seed::{OutputSecret, WalletKeys},
    sigma::{
        relation::{Relation, plus},
        witness::{Secret, Witness},
    },
    statement::{Commitment, Publics, Statement},
    transaction::{Core, Draft, Header, Transaction},
    wallet_state::WalletState,
};

/// `P̂ = pid·H_identity + s·H_account + b·H_blind`; `C = pid·H_identity + s·H_owner + σ·H_serial + t·H_blind`
pub(crate) fn relation(core: &Core) -> Relation {
    let mut relation = Relation::default();
    hidden_account(&mut relation, core);
    relation.equation(
        "C",
        [(core.term(Commitment::C), Scalar::ONE)],
        [
            plus(Generator::Identity, Secret::Pid),
            plus(Generator::Owner, Secret::Owner),
            plus(Generator::Serial, Secret::StateSerial),
            plus(Generator::Blind, Secret::Blind),
        ],
    );
    relation
}

/// `P̂ = pid·H_identity + s·H_account + b·H_blind`, in Register and Renew.
pub(crate) fn hidden_account(relation: &mut Relation, core: &Core) {
    relation.equation(
        "P_hat",
        [(core.term(Commitment::PHat), Scalar::ONE)],
        [
            plus(Generator::Identity, Secret::Pid),
            plus(Generator::Account, Secret::Owner),
            plus(Generator::Blind, Secret::Account),
        ],
    );
}

/// The private part of Register: sent beside the transaction, never logged.
#[derive(ZeroizeOnDrop)]
pub struct RegisterOpening {
    #[zeroize(skip)]
    identity: Identity,
    #[zeroize(skip)]
    account: AccountKey,
    b: Scalar,
    #[zeroize(skip)]
    encryption_key: EncryptionKey,
    salt: [u8; 32],
    #[zeroize(skip)]
    proof: AccountProof,
}

impl RegisterOpening {
    /// The identity to be registered.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The account key, unique among all registrations.
    #[must_use]
    pub fn account(&self) -> AccountKey {
        self.account
    }

    /// The key to which notes for this identity are sealed.
    #[must_use]
    pub fn encryption_key(&self) -> &EncryptionKey {
        &self.encryption_key
    }

    /// u8 length, identity, Y, b, encryption key, salt, account proof (`docs/WIRE.md` section 3).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let identity = self.identity.as_str().as_bytes();
        let mut bytes = vec![u8::try_from(identity.len()).unwrap_or(u8::MAX)];
        bytes.extend_from_slice(identity);
        bytes.extend_from_slice(&self.account.to_bytes());
        bytes.extend_from_slice(self.b.as_bytes());
        bytes.extend_from_slice(&self.encryption_key.to_bytes());
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&self.proof.to_bytes());
        bytes
    }

    /// Reads what [`RegisterOpening::to_bytes`] writes. The identity is canonicalised.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let length = reader.u8()?;
        let identity = std::str::from_utf8(reader.bytes(usize::from(length))?).ok();
        let identity = identity.and_then(|text| Identity::parse(text).ok()).ok_or(DecodeError::Field("identity"))?;
        let opening = Self {
            identity,
            account: AccountKey::from_bytes(reader.array()?)?,
            b: reader.scalar()?,
            encryption_key: EncryptionKey::from_bytes(reader.bytes(ENCRYPTION_KEY_LENGTH)?)?,
            salt: reader.array()?,
            proof: AccountProof::from_bytes(&reader.array()?)?,
        };
        reader.end()?;
        Ok(opening)
    }

    /// Checks the private part against the transaction: `P̂ = pid·H_identity + Y + b·H_blind`, the commitment to the
    /// encryption key, and the Schnorr proof of `Y = s·H_account`.
    ///
    /// # Errors
    /// [`VerificationFailure`] when one of them does not hold.
    pub fn check(&self, transaction: &Transaction) -> Result<(), VerificationFailure> {
        let core = transaction.core();
        let hidden = core.commitment(Commitment::PHat).ok_or(VerificationFailure)?;
        let terms = [(Generator::Identity, self.identity.pid().scalar()), (Generator::Blind, self.b)];
        let matches = commit(&terms) + self.account.point() == hidden.point()
            && commit_to_key(&self.salt, &self.encryption_key) == core.publics().ek_commit;
        if !matches {
            return Err(VerificationFailure);
        }
        self.proof.verify(&ProofContext::new(*transaction.id().as_bytes()), self.account)
    }
}

/// `SHA-256("farthing/v1/ek" ‖ salt ‖ ek)`.
fn commit_to_key(salt: &[u8; 32], key: &EncryptionKey) -> [u8; 32] {
    Sha256::new().chain_update(b"farthing/v1/ek").chain_update(salt).chain_update(key.to_bytes()).finalize().into()
}

/// The output secrets of a registration, from its nonce.
fn state(keys: &WalletKeys, publics: &Publics, pid: Scalar) -> WalletState {
    let secret = |name| keys.output_secret(&publics.nonce, 0, name);
    WalletState {
        identity: pid,
        owner: *keys.owner(),
        class: 0,
        day: 0,
        month: 0,
        day_total: 0,
        month_total: 0,
        validity: 0,
        serial: secret(OutputSecret::Serial),
        blind: secret(OutputSecret::Blind),
    }
}

/// Builds a registration and its private part.
///
/// # Errors
/// [`ProveError`] only when the witness is inconsistent, which these arguments cannot make.
pub fn request(
    key: KeyId,
    day: Day,
    keys: &WalletKeys,
    identity: &Identity,
    rng: &mut impl CryptoRng,
) -> Result<(Transaction, RegisterOpening), ProveError> {
    let (draft, b, salt) = draft(key, day, keys, identity, rng);
    let transaction = draft.prove(rng)?;
    let proof = AccountProof::prove(&ProofContext::new(*transaction.id().as_bytes()), keys, rng);
    let (account, encryption_key) = (AccountKey::of(keys), keys.encryption_key());
    let opening = RegisterOpening { identity: identity.clone(), account, b, encryption_key, salt, proof };
    Ok((transaction, opening))
}

/// The unproved registration, the `b` of its `P̂`, and the salt of its key commitment.
pub(crate) fn draft(
    key: KeyId,
    day: Day,
    keys: &WalletKeys,
    identity: &Identity,
    rng: &mut impl CryptoRng,
) -> (Draft, Scalar, [u8; 32]) {
    let encryption_key = keys.encryption_key();
    let mut salt = [0; 32];
    rng.fill_bytes(&mut salt);
    let mut publics = Publics::new(keys.fresh_nonce(rng, &[], day));
    publics.ek_commit = commit_to_key(&salt, &encryption_key);

    let pid = identity.pid();
    let state = state(keys, &publics, pid.scalar());
    let b = keys.output_secret(&publics.nonce, 0, OutputSecret::Account);
    let account = AccountKey::of(keys);
    let P = commit(&[(Generator::Identity, pid.scalar()), (Generator::Blind, b)]) + account.point();
    let C: RistrettoPoint = commit(&[
        (Generator::Identity, state.identity),
        (Generator::Owner, state.owner),
        (Generator::Serial, state.serial),
        (Generator::Blind, state.blind),
    ]);
    let mut plaintext = SelfPlaintext::new(Statement::Register);
    plaintext.aux = pid.to_bytes();
    let mut witness = Witness::default();
    witness
        .set(Secret::Pid, pid.scalar())
        .set(Secret::Owner, state.owner)
        .set(Secret::Account, b)
        .set(Secret::StateSerial, state.serial)
        .set(Secret::Blind, state.blind);
    let core = Core {
        statement: Statement::Register,
        header: Header { key, day, epoch: 0, policy: PolicyHash::new([0; 32]) },
        inputs: Vec::new(),
        ct_self: seal::seal_self(keys.self_key(), &publics.nonce, &key, &plaintext),
        publics,
        commitments: vec![Point::new(P), Point::new(C)],
        delivery: None,
    };
    (Draft { core, witness, openings: Vec::new() }, b, salt)
}

/// Turns the issuer's answer into the wallet's first state.
///
/// # Errors
/// [`VerificationFailure`] when the answer is not what was asked for, or not under the published key.
pub fn finish(
    core: &Core,
    answer: &Answer,
    key: &PublicKey,
    keys: &WalletKeys,
    identity: &Identity,
) -> Result<Credential<WalletState>, VerificationFailure> {
    first_state(core, answer, key, keys, &identity.pid())
}

/// Finds the wallet's first state, and whose it is, in the log alone. The identity itself is not there, only its scalar.
///
/// # Errors
/// [`VerificationFailure`] when the registration is not of this wallet, or not what was signed.
pub fn restore(
    core: &Core,
    answer: &Answer,
    key: &PublicKey,
    keys: &WalletKeys,
) -> Result<(Pid, Credential<WalletState>), VerificationFailure> {
    let plaintext = seal::open_own(core, Statement::Register, keys)?;
    let pid = Pid::from_bytes(plaintext.aux).map_err(|_| VerificationFailure)?;
    Ok((pid, first_state(core, answer, key, keys, &pid)?))
}

fn first_state(
    core: &Core,
    answer: &Answer,
    key: &PublicKey,
    keys: &WalletKeys,
    pid: &Pid,
) -> Result<Credential<WalletState>, VerificationFailure> {
    let (class, validity) = answer.registration().ok_or(VerificationFailure)?;
    let checked = answer.check(core, Addition::Registration { class, validity }, key)?;
    let mut state = state(keys, core.publics(), pid.scalar());
    state.class = class;
    state.validity = validity.get();
    state.serial = checked.final_serial(0, state.serial)?;
    checked.credential(0, state)
}
