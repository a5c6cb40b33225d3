//! Presenting a credential (`docs/PROTOCOL.md` section 3.2): two randomisers, two equations.

use curve25519_dalek::{RistrettoPoint, Scalar, traits::MultiscalarMul};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    cores,
    credential::{Attributes, Credential, kinds::Kind},
    encoding::Point,
    keys::KeyId,
    params::Generator,
    sigma::{
        relation::{Relation, Term, minus, plus},
        witness::{Secret, Witness},
    },
    transcript::Transcript,
};

/// Presentations that are worth a thread: each takes a tenth of a millisecond or two.
const PER_THREAD: usize = 8;

/// One input of a transaction: a presentation of a credential, its serial disclosed when the statement consumes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) kind: Kind,
    pub(crate) key: KeyId,
    pub(crate) serial: Option<Scalar>,
    /// `A'`
    pub(crate) a: Point,
    /// `D`
    pub(crate) d: Point,
    /// `Ā`
    pub(crate) abar: Point,
}

/// An input together with the randomness that made it.
pub(crate) struct Presented {
    pub(crate) input: Input,
    r1: Scalar,
    e: Scalar,
    r3: Scalar,
}

impl Drop for Presented {
    fn drop(&mut self) {
        self.r1.zeroize();
        self.e.zeroize();
        self.r3.zeroize();
    }
}

/// The randomisers of one presentation.
pub(crate) struct Randomisers {
    r1: Scalar,
    r2: Scalar,
}

impl Drop for Randomisers {
    fn drop(&mut self) {
        self.r1.zeroize();
        self.r2.zeroize();
    }
}

impl Randomisers {
    /// `r1, r2`, uniform and not zero.
    pub(crate) fn draw<T: Attributes>(credential: &Credential<T>, rng: &mut impl CryptoRng) -> Self {
        let mut transcript = Transcript::new("farthing/v1/present");
        transcript.point("A", &credential.A);
        let attributes = Zeroizing::new(
            T::KIND.attributes().iter().map(|name| credential.attributes.attribute(*name)).collect::<Vec<_>>(),
        );
        let mut random = transcript.hedged(attributes.iter(), rng);
        Self { r1: random.non_zero_scalar(), r2: random.non_zero_scalar() }
    }
}

impl Presented {
    pub(crate) fn new<T: Attributes>(
        credential: &Credential<T>,
        disclose_serial: bool,
        rng: &mut impl CryptoRng,
    ) -> Self {
        Self::with(credential, disclose_serial, &Randomisers::draw(credential, rng))
    }

    /// Presents many credentials, on all cores.
    pub(crate) fn all<T: Attributes + Sync>(
        credentials: &[&Credential<T>],
        disclose_serial: bool,
        rng: &mut impl CryptoRng,
    ) -> Vec<Self> {
        let drawn = credentials.iter().map(|credential| (*credential, Randomisers::draw(credential, rng)));
        cores::map(&drawn.collect::<Vec<_>>(), PER_THREAD, |(credential, randomisers)| {
            Self::with(credential, disclose_serial, randomisers)
        })
    }

    /// `D = r2·B`, `A' = r1·r2·A`, `Ā = r1·D − e·A'`, `r3 = 1/r2`. `B` is not computed on the way.
    fn with<T: Attributes>(credential: &Credential<T>, disclose_serial: bool, randomisers: &Randomisers) -> Self {
        let Randomisers { r1, r2 } = randomisers;
        let names = T::KIND.attributes();
        let scaled = names.iter().map(|name| credential.attributes.attribute(*name) * r2);
        let scaled = Zeroizing::new([*r2].into_iter().chain(scaled).collect::<Vec<_>>());
        let bases = [T::KIND.base()].into_iter().chain(names.iter().copied()).map(Generator::point);
        let D = RistrettoPoint::multiscalar_mul(scaled.iter(), bases);
        let A = credential.A.point() * (r1 * r2);
        let Abar = RistrettoPoint::multiscalar_mul([*r1, -credential.e], [D, A]);
        Self {
            input: Input {
                kind: T::KIND,
                key: credential.key,
                serial: disclose_serial.then(|| credential.attributes.attribute(Generator::Serial)),
                a: Point::new(A),
                d: Point::new(D),
                abar: Point::new(Abar),
            },
            r1: *r1,
            e: credential.e,
            r3: r2.invert(),
        }
    }

    /// Enters the randomness as that of input `index`.
    pub(crate) fn witness(&self, index: u16, witness: &mut Witness) {
        witness.set(Secret::R1(index), self.r1).set(Secret::E(index), self.e).set(Secret::R3(index), self.r3);
    }
}

/// The two equations of input `index`; its serial is added to what is disclosed when it is there.
/// An attribute that is neither disclosed nor hidden is zero.
pub(crate) fn equations(
    relation: &mut Relation,
    input: &Input,
    index: u16,
    disclosed: &[(Generator, Scalar)],
    hidden: &[(Generator, Secret)],
) {
    let (a, d, abar) = (Term::Point(3 * index), Term::Point(3 * index + 1), Term::Point(3 * index + 2));
    relation.equation("A_bar", [(abar, Scalar::ONE)], [plus(d, Secret::R1(index)), minus(a, Secret::E(index))]);

    let mut left = vec![(input.kind.base().into(), Scalar::ONE)];
    let mut right = vec![plus(d, Secret::R3(index))];
    for generator in input.kind.attributes() {
        let public = disclosed.iter().find(|(name, _)| name == generator).map(|(_, value)| *value);
        let public = public.or(input.serial.filter(|_| *generator == Generator::Serial));
        if let Some(value) = public {
            left.push(((*generator).into(), value));
        } else if let Some((_, secret)) = hidden.iter().find(|(name, _)| name == generator) {
            right.push(minus(*generator, *secret));
        }
    }
    relation.equation("K", left, right);
}
