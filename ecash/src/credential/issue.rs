//! Issuing: the signer's `(A, e, δ)` per output and one DLEQ proof for all (`docs/PROTOCOL.md` section 3.1).

mod sign;

use std::sync::LazyLock;

use curve25519_dalek::{Scalar, ristretto::VartimeRistrettoPrecomputation, traits::VartimePrecomputedMultiscalarMul};

use crate::{
    calendar::Month,
    credential::{
        Attributes, Credential, attribute_sum,
        dleq::{Dleq, DleqItem, DleqUse},
        kinds::Kind,
    },
    encoding::{Point, Reader},
    error::{DecodeError, VerificationFailure},
    keys::{KeyId, PublicKey},
    params::Generator,
    statement::{Commitment, Statement},
    transaction::{Core, TransactionId},
    transcript::Message,
};

/// What the signer adds to outputs of its own choice. What follows from the statement alone is not in here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addition {
    /// Nothing: all other statements.
    None,
    /// Register: the wallet's class and the last month of its validity.
    Registration {
        /// The class.
        class: u32,
        /// The validity.
        validity: Month,
    },
    /// Pay, Split and split-expired: the expiry month of the notes.
    Expiry(Month),
}

impl Addition {
    /// What a signer adds to the outputs of a statement under a policy whose notes expire after `months`: Split counts from
    /// the month of its day, split-expired keeps the month of its input (`docs/PROTOCOL.md` section 6). Nothing for a
    /// Register, to which the issuer adds what it decides.
    #[must_use]
    pub fn of(core: &Core, months: u32) -> Self {
        match core.statement() {
            Statement::Pay | Statement::Split => Self::Expiry(core.month().plus(months)),
            Statement::SplitExpired => Self::Expiry(Month::new(core.publics().expiry)),
            Statement::Register | Statement::Withdraw | Statement::Claim | Statement::Redeem => Self::None,
            Statement::Swap | Statement::Refund | Statement::Renew => Self::None,
        }
    }
}

/// One output to be signed: its kind, its commitment, and the attributes the signer adds.
struct Output {
    kind: Kind,
    commitment: Point,
    added: Vec<(Generator, Scalar)>,
}

/// The outputs of a transaction in their order. [`VerificationFailure`] when the addition is not of the statement.
fn outputs(core: &Core, addition: Addition) -> Result<Vec<Output>, VerificationFailure> {
    let publics = &core.publics;
    let output = |kind, name, added: &[(Generator, u64)]| -> Result<Output, VerificationFailure> {
        let added = added.iter().map(|(generator, value)| (*generator, Scalar::from(*value))).collect();
        Ok(Output { kind, commitment: *core.commitment(name).ok_or(VerificationFailure)?, added })
    };
    let rolled = [
        (Generator::Day, core.header.day.get().into()),
        (Generator::Month, core.month().get().into()),
        (Generator::Validity, publics.validity.into()),
    ];
    match (core.statement, addition) {
        (Statement::Register, Addition::Registration { class, validity }) => {
            let added = [(Generator::Class, class.into()), (Generator::Validity, validity.get().into())];
            Ok(vec![output(Kind::Wallet, Commitment::C, &added)?])
        }
        (Statement::Withdraw, Addition::None) => {
            let added = [(Generator::Value, publics.amount), (Generator::Purpose, publics.purpose.into())];
            Ok(vec![output(Kind::Coin, Commitment::C, &added)?])
        }
        (Statement::Pay, Addition::Expiry(expiry)) => Ok(vec![
            output(Kind::Coin, Commitment::Change, &[])?,
            output(Kind::Note, Commitment::Note, &[(Generator::Expiry, expiry.get().into())])?,
        ]),
        (Statement::Claim | Statement::Refund, Addition::None) => {
            Ok(vec![output(Kind::Coin, Commitment::Coin, &[])?, output(Kind::Wallet, Commitment::Wallet, &rolled)?])
        }
        (Statement::Redeem, Addition::None) => Ok(vec![output(Kind::Coin, Commitment::Change, &[])?]),
        (Statement::Swap, Addition::None) => {
            let names = [Commitment::C1, Commitment::C2].into_iter().take(core.commitments.len());
            names.map(|name| output(Kind::Coin, name, &[])).collect()
        }
        (Statement::Split | Statement::SplitExpired, Addition::Expiry(expiry)) => {
            let added = [(Generator::Expiry, expiry.get().into())];
            [Commitment::C1, Commitment::C2].map(|name| output(Kind::Note, name, &added)).into_iter().collect()
        }
        (Statement::Renew, Addition::None) => {
            let added = [(Generator::Class, publics.class.into()), (Generator::Validity, publics.new_validity.into())];
            Ok(vec![output(Kind::Wallet, Commitment::Wallet, &added)?])
        }
        _ => Err(VerificationFailure),
    }
}

/// The generators of everything that signers add, those that are always there first.
const ADDED: [Generator; 8] = [
    Generator::Serial,
    Generator::Expiry,
    Generator::Day,
    Generator::Month,
    Generator::Validity,
    Generator::Class,
    Generator::Value,
    Generator::Purpose,
];

static ADDED_TABLE: LazyLock<VartimeRistrettoPrecomputation> =
    LazyLock::new(|| VartimeRistrettoPrecomputation::new(ADDED.map(Generator::point)));

impl Output {
    /// `B = K_κ + C + Σ added + δ·H_serial`. All of it is public, so its time may depend on it.
    fn B(&self, delta: &Scalar) -> Result<Point, VerificationFailure> {
        let mut scalars = [Scalar::ZERO; ADDED.len()];
        let mut used = 0;
        for (generator, scalar) in [(Generator::Serial, *delta)].iter().chain(&self.added) {
            let place = ADDED.iter().position(|added| added == generator).ok_or(VerificationFailure)?;
            *scalars.get_mut(place).ok_or(VerificationFailure)? += scalar;
            used = used.max(place + 1);
        }
        let added = ADDED_TABLE.vartime_multiscalar_mul(scalars.iter().take(used));
        Ok(Point::new(self.kind.base().point() + self.commitment.point() + added))
    }
}

/// The signer's part of one output.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    A: Point,
    e: Scalar,
    delta: Scalar,
}

/// The answer to a transaction: `(A, e, δ)` per output, one DLEQ proof and, to Register, class and validity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    signatures: Vec<Signature>,
    dleq: Dleq,
    registration: Option<(u32, Month)>,
}

impl Answer {
    /// Class and validity, in the answer to Register.
    #[must_use]
    pub fn registration(&self) -> Option<(u32, Month)> {
        self.registration
    }

    /// The canonical bytes: 96 per output, 64, and 8 more in the answer to Register.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.signatures.len() * 96 + 72);
        for signature in &self.signatures {
            bytes.extend_from_slice(signature.A.as_bytes());
            bytes.extend_from_slice(signature.e.as_bytes());
            bytes.extend_from_slice(signature.delta.as_bytes());
        }
        bytes.extend_from_slice(&self.dleq.to_bytes());
        if let Some((class, validity)) = self.registration {
            bytes.extend_from_slice(&class.to_le_bytes());
            bytes.extend_from_slice(&validity.get().to_le_bytes());
        }
        bytes
    }

    /// Reads the answer to a transaction with this core. Nothing is verified yet.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that is not canonical.
    pub fn from_bytes(core: &Core, bytes: &[u8]) -> Result<Self, DecodeError> {
        let count = match core.statement {
            Statement::Register | Statement::Withdraw | Statement::Redeem | Statement::Renew => 1,
            Statement::Swap => core.commitments.len(),
            _ => 2,
        };
        let mut reader = Reader::new(bytes);
        let signatures = (0..count)
            .map(|_| Ok(Signature { A: reader.point()?, e: reader.scalar()?, delta: reader.scalar()? }))
            .collect::<Result<_, DecodeError>>()?;
        let dleq = Dleq::read(&mut reader)?;
        let registration = match core.statement {
            Statement::Register => Some((reader.u32()?, Month::new(reader.u32()?))),
            _ => None,
        };
        reader.end()?;
        Ok(Self { signatures, dleq, registration })
    }

    /// Verifies the DLEQ proof over all outputs: they were signed under `key`, with this addition and no other.
    ///
    /// # Errors
    /// [`VerificationFailure`].
    pub fn check(
        &self,
        core: &Core,
        addition: Addition,
        key: &PublicKey,
    ) -> Result<CheckedAnswer, VerificationFailure> {
        self.check_with_id(core, core.id(), addition, key)
    }

    /// The same where the transaction's id is known already.
    pub(crate) fn check_with_id(
        &self,
        core: &Core,
        id: TransactionId,
        addition: Addition,
        key: &PublicKey,
    ) -> Result<CheckedAnswer, VerificationFailure> {
        let outputs = outputs(core, addition)?;
        if core.header.key != key.id() || outputs.len() != self.signatures.len() {
            return Err(VerificationFailure);
        }
        let items: Vec<_> = outputs
            .iter()
            .zip(&self.signatures)
            .map(|(output, signature)| Ok(DleqItem::issued(signature.A, output.B(&signature.delta)?, signature.e)))
            .collect::<Result<_, VerificationFailure>>()?;
        self.dleq.verify(DleqUse::Issue, key, id.as_bytes(), &items)?;
        let deltas = self.signatures.iter().map(|signature| signature.delta).collect();
        Ok(CheckedAnswer { key: key.id(), items, deltas })
    }

    /// The DLEQ transcript of this answer, for test vectors.
    ///
    /// # Errors
    /// [`VerificationFailure`] when the addition is not of this statement.
    pub fn transcript(
        &self,
        core: &Core,
        id: TransactionId,
        addition: Addition,
        key: &PublicKey,
    ) -> Result<Vec<Message>, VerificationFailure> {
        let items: Vec<_> = outputs(core, addition)?
            .iter()
            .zip(&self.signatures)
            .map(|(output, signature)| Ok(DleqItem::issued(signature.A, output.B(&signature.delta)?, signature.e)))
            .collect::<Result<_, VerificationFailure>>()?;
        self.dleq.transcript(DleqUse::Issue, key, id.as_bytes(), &items)
    }
}

/// An answer whose DLEQ proof holds.
pub struct CheckedAnswer {
    key: KeyId,
    items: Vec<DleqItem>,
    deltas: Vec<Scalar>,
}

impl CheckedAnswer {
    /// The serial of output `index`: the wallet's part plus δ.
    pub(crate) fn final_serial(&self, index: usize, serial: Scalar) -> Result<Scalar, VerificationFailure> {
        Ok(serial + self.deltas.get(index).ok_or(VerificationFailure)?)
    }

    /// Output `index` as a credential with these attributes, if they are what was signed.
    pub(crate) fn credential<T: Attributes>(
        &self,
        index: usize,
        attributes: T,
    ) -> Result<Credential<T>, VerificationFailure> {
        let item = self.items.get(index).ok_or(VerificationFailure)?;
        if T::KIND.base().point() + attribute_sum(&attributes) != item.second.point() {
            return Err(VerificationFailure);
        }
        Ok(Credential { attributes, key: self.key, A: item.first, e: item.e() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        amount::{Amount, Currency},
        calendar::Day,
        keys::{KeyDates, KeyRing, SigningKey},
        policy::UNRESTRICTED,
        seed::{Seed, WalletKeys},
        withdraw,
    };
    use getrandom::{SysRng, rand_core::UnwrapErr};

    /// An issuer that marks one user by signing under a key that it shows to nobody else: the credential would verify under
    /// the hidden key, and the DLEQ proof does not under the announced one, whichever key made it.
    #[test]
    fn a_tagged_answer_is_refused() {
        let mut rng = UnwrapErr(SysRng);
        let day = Day::new(20_777);
        let dates = KeyDates { first: day, last_issue: day, accept_until: day, exchange_until: day };
        let mut key = || SigningKey::generate(Currency::new("EUR", 6).unwrap(), dates, &mut rng).unwrap();
        let (announced, hidden) = (key(), key());
        let (seed, _) = Seed::generate(&mut rng);
        let keys = WalletKeys::new(&seed, "issuer.example/farthing");
        let public = announced.public().clone();
        let (transaction, _) =
            withdraw::request(public.id(), day, &keys, Amount::new(5), UNRESTRICTED, &mut rng).unwrap();
        let (core, id) = (transaction.core().clone(), transaction.id());
        let ring = KeyRing::new([announced]);
        let announced = ring.get(&public.id()).unwrap();
        let verified = transaction.verify(&ring, Amount::ZERO, &mut rng).unwrap();
        let mut answer = Answer::sign(announced, &verified, Addition::None, &mut rng).unwrap();
        assert!(answer.check(&core, Addition::None, &public).is_ok());

        let output = outputs(&core, Addition::None).unwrap().remove(0);
        let signature = answer.signatures.first_mut().unwrap();
        let B = output.B(&signature.delta).unwrap();
        signature.A = Point::new(B.point() * (hidden.x() + signature.e).invert());
        let items = [DleqItem::issued(signature.A, B, signature.e)];
        for prover in [announced, &hidden] {
            answer.dleq = Dleq::prove(DleqUse::Issue, prover, id.as_bytes(), &items, &mut rng);
            assert!(answer.check(&core, Addition::None, &public).is_err());
        }
    }
}
