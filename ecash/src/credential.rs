//! Keyed-verification BBS credentials (`docs/PROTOCOL.md` section 3): `B = K_κ + Σ a·H`, `A = (x + e)^-1·B`.

pub(crate) mod dleq;
pub mod issue;
pub mod kinds;
pub(crate) mod present;

use curve25519_dalek::{RistrettoPoint, Scalar, traits::MultiscalarMul};

use crate::{
    credential::kinds::Kind,
    encoding::{Point, Reader, bytes32},
    error::DecodeError,
    keys::KeyId,
    params::Generator,
};

bytes32! {
    /// A serial number as its 32 canonical bytes. Disclosed when its credential is consumed, it is the **nullifier**.
    Nullifier
}

/// The attributes of a credential that a wallet holds.
pub trait Attributes {
    /// What kind of credential these are the attributes of.
    const KIND: Kind;

    /// The attribute of this generator; zero where the kind has none.
    #[doc(hidden)]
    fn attribute(&self, generator: Generator) -> Scalar;
}

/// A credential: its attributes and the issuer's `(A, e)` on them, under one key. Only a rule's can be cloned: its
/// attributes are public.
#[derive(Clone)]
pub struct Credential<T> {
    pub(crate) attributes: T,
    pub(crate) key: KeyId,
    pub(crate) A: Point,
    pub(crate) e: Scalar,
}

impl<T: Attributes> Credential<T> {
    /// The attributes.
    pub fn attributes(&self) -> &T {
        &self.attributes
    }

    /// The key that signed it.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// The serial that consuming this credential will disclose.
    pub fn nullifier(&self) -> Nullifier {
        Nullifier::new(self.attributes.attribute(Generator::Serial).to_bytes())
    }

    /// Key id, A and e, 96 bytes; the attributes are encoded by their type.
    pub(crate) fn write_signature(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.key.as_bytes());
        bytes.extend_from_slice(self.A.as_bytes());
        bytes.extend_from_slice(self.e.as_bytes());
    }

    pub(crate) fn read_signature(reader: &mut Reader<'_>, attributes: T) -> Result<Self, DecodeError> {
        Ok(Self { key: KeyId::new(reader.array()?), A: reader.point()?, e: reader.scalar()?, attributes })
    }
}

/// `Σ a·H` over all attributes of the kind, in constant time.
pub(crate) fn attribute_sum<T: Attributes>(attributes: &T) -> RistrettoPoint {
    let generators = T::KIND.attributes();
    RistrettoPoint::multiscalar_mul(
        generators.iter().map(|generator| attributes.attribute(*generator)),
        generators.iter().map(|generator| generator.point()),
    )
}

/// `Σ a·H` over the given terms, in constant time.
pub(crate) fn commit(terms: &[(Generator, Scalar)]) -> RistrettoPoint {
    RistrettoPoint::multiscalar_mul(
        terms.iter().map(|(_, scalar)| scalar),
        terms.iter().map(|(generator, _)| generator.point()),
    )
}
