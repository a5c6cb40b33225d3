//! A statement as data: numbered equations over named secrets. Prover, verifier and batch verifier all read this.

use curve25519_dalek::{RistrettoPoint, Scalar, traits::MultiscalarMul};

use crate::{
    encoding::Point,
    error::ProveError,
    params::Generator,
    sigma::witness::{Secret, Witness},
};

/// What a scalar is multiplied with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Term {
    /// A fixed generator.
    Generator(Generator),
    /// A point of the transaction, by its number: A', D, Ā of each input, then the commitments.
    Point(u16),
}

/// A term on the left, with its public coefficient.
#[derive(Debug, Clone)]
pub(crate) struct LeftTerm {
    pub(crate) term: Term,
    pub(crate) coefficient: Scalar,
}

/// A term on the right: a hidden scalar with coefficient one or minus one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RightTerm {
    pub(crate) term: Term,
    /// Index into the relation's secrets.
    pub(crate) secret: u16,
    pub(crate) negative: bool,
}

/// `Σ public·P = Σ ±secret·P`, named by its left side in `docs/PROTOCOL.md`.
#[derive(Debug, Clone)]
pub(crate) struct Equation {
    #[cfg_attr(not(test), allow(dead_code))] // tests compare it with the document
    pub(crate) name: &'static str,
    pub(crate) left: Vec<LeftTerm>,
    pub(crate) right: Vec<RightTerm>,
}

/// The equations of a statement. Secrets are numbered by their first appearance.
#[derive(Debug, Default, Clone)]
pub(crate) struct Relation {
    pub(crate) secrets: Vec<Secret>,
    pub(crate) equations: Vec<Equation>,
}

/// A right-hand term as the statements write it.
pub(crate) type Signed = (i8, Term, Secret);

impl Term {
    pub(crate) fn point(self, points: &[Point]) -> Option<RistrettoPoint> {
        match self {
            Self::Generator(generator) => Some(generator.point()),
            Self::Point(index) => points.get(usize::from(index)).map(Point::point),
        }
    }

    fn structure(self) -> (u8, u16) {
        match self {
            Self::Generator(generator) => (0, generator.number()),
            Self::Point(index) => (1, index),
        }
    }
}

impl From<Generator> for Term {
    fn from(generator: Generator) -> Self {
        Self::Generator(generator)
    }
}

/// `+secret·base`.
pub(crate) fn plus(base: impl Into<Term>, secret: Secret) -> Signed {
    (1, base.into(), secret)
}

/// `−secret·base`.
pub(crate) fn minus(base: impl Into<Term>, secret: Secret) -> Signed {
    (-1, base.into(), secret)
}

impl Relation {
    /// Adds the equation `Σ left = Σ right`.
    pub(crate) fn equation(
        &mut self,
        name: &'static str,
        left: impl IntoIterator<Item = (Term, Scalar)>,
        right: impl IntoIterator<Item = Signed>,
    ) {
        let left = left.into_iter().map(|(term, coefficient)| LeftTerm { term, coefficient }).collect();
        let right = right
            .into_iter()
            .map(|(sign, term, secret)| RightTerm { term, secret: self.number(secret), negative: sign < 0 })
            .collect();
        self.equations.push(Equation { name, left, right });
    }

    fn number(&mut self, secret: Secret) -> u16 {
        let index = self.secrets.iter().position(|known| *known == secret).unwrap_or_else(|| {
            self.secrets.push(secret);
            self.secrets.len() - 1
        });
        u16::try_from(index).unwrap_or(u16::MAX)
    }

    /// The message "structure": the equations as data, without their coefficients.
    pub(crate) fn structure(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let count = |bytes: &mut Vec<u8>, n: usize| {
            bytes.extend_from_slice(&u16::try_from(n).unwrap_or(u16::MAX).to_le_bytes());
        };
        let term = |bytes: &mut Vec<u8>, term: Term| {
            let (kind, index) = term.structure();
            bytes.push(kind);
            bytes.extend_from_slice(&index.to_le_bytes());
        };
        for equation in &self.equations {
            count(&mut bytes, equation.left.len());
            for left in &equation.left {
                term(&mut bytes, left.term);
            }
            count(&mut bytes, equation.right.len());
            for right in &equation.right {
                term(&mut bytes, right.term);
                bytes.extend_from_slice(&right.secret.to_le_bytes());
                bytes.push(if right.negative { 0xff } else { 0x01 });
            }
        }
        bytes
    }

    /// The witness's values in the relation's order.
    pub(crate) fn values(&self, witness: &Witness) -> Result<zeroize::Zeroizing<Vec<Scalar>>, ProveError> {
        // Allocated once, so that no copy is left behind by growing.
        let mut values = zeroize::Zeroizing::new(Vec::with_capacity(self.secrets.len()));
        for secret in &self.secrets {
            values.push(witness.get(*secret)?);
        }
        Ok(values)
    }

    /// The numbers of the equations that these values do not satisfy. Constant time in the values.
    pub(crate) fn broken(&self, points: &[Point], values: &[Scalar]) -> Result<Vec<usize>, ProveError> {
        let mut broken = Vec::new();
        for (number, equation) in self.equations.iter().enumerate() {
            if equation.left(points)? != equation.right(points, values)? {
                broken.push(number);
            }
        }
        Ok(broken)
    }
}

impl Equation {
    fn left(&self, points: &[Point]) -> Result<RistrettoPoint, ProveError> {
        let bases = self.left.iter().map(|left| left.term.point(points)).collect::<Option<Vec<_>>>();
        let bases = bases.ok_or(ProveError::Witness)?;
        Ok(RistrettoPoint::multiscalar_mul(self.left.iter().map(|left| left.coefficient), bases))
    }

    /// `Σ ±values·P`, in constant time. Scalars of one base are added up first: the values of 64 claimed notes stand five
    /// times on the same three.
    pub(crate) fn right(&self, points: &[Point], values: &[Scalar]) -> Result<RistrettoPoint, ProveError> {
        let mut scalars = zeroize::Zeroizing::new(Vec::<Scalar>::with_capacity(self.right.len()));
        let mut terms = Vec::with_capacity(self.right.len());
        for right in &self.right {
            let value = values.get(usize::from(right.secret)).ok_or(ProveError::Witness)?;
            let known = terms.iter().rposition(|term| *term == right.term);
            let at = known.unwrap_or_else(|| {
                terms.push(right.term);
                scalars.push(Scalar::ZERO);
                terms.len() - 1
            });
            let sum = scalars.get_mut(at).ok_or(ProveError::Witness)?;
            *sum += if right.negative { -value } else { *value };
        }
        let bases = terms.iter().map(|term| term.point(points)).collect::<Option<Vec<_>>>();
        Ok(RistrettoPoint::multiscalar_mul(scalars.iter(), bases.ok_or(ProveError::Witness)?))
    }
}
