//! Rules: the lines of the policy, signed and published to all (`docs/PROTOCOL.md` sections 3 and 6).

use curve25519_dalek::Scalar;
use rand_core::CryptoRng;

use crate::{
    credential::{
        Attributes, Credential, attribute_sum,
        dleq::{Dleq, DleqItem, DleqUse},
        kinds::Kind,
    },
    encoding::Point,
    error::VerificationFailure,
    keys::{PublicKey, SigningKey},
    params::Generator,
    policy::{PolicyBody, RuleLine, SignedRules},
};

/// The attributes of a rule: all public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The policy's epoch.
    pub epoch: u32,
    /// What it says.
    pub line: RuleLine,
}

impl Attributes for Rule {
    const KIND: Kind = Kind::Rule;

    fn attribute(&self, generator: Generator) -> Scalar {
        match generator {
            Generator::Epoch => self.epoch.into(),
            Generator::Class => self.line.class.into(),
            Generator::Purpose => self.line.purpose.into(),
            Generator::PurposeOut => self.line.purpose_out.into(),
            Generator::DayTotal => self.line.day_cap.get().into(),
            Generator::MonthTotal => self.line.month_cap.get().into(),
            _ => Scalar::ZERO,
        }
    }
}

impl Rule {
    fn B(&self) -> Point {
        Point::new(Kind::Rule.base().point() + attribute_sum(self))
    }
}

fn rules(policy: &PolicyBody) -> impl Iterator<Item = Rule> {
    policy.rules().iter().map(|line| Rule { epoch: policy.terms().epoch, line: *line })
}

/// Signs every line of a policy under one key.
#[must_use]
pub fn sign_rules(key: &SigningKey, policy: &PolicyBody, rng: &mut impl CryptoRng) -> SignedRules {
    let hash = policy.hash();
    let key_id = key.public().id();
    let mut items = Vec::new();
    for (line, rule) in (0u16..).zip(rules(policy)) {
        let B = rule.B();
        let e = key.prf(&[b"rule", key_id.as_bytes(), hash.as_bytes(), &line.to_le_bytes(), B.as_bytes()]);
        let A = Point::new(B.point() * (key.x() + e).invert());
        items.push(DleqItem::issued(A, B, e));
    }
    let dleq = Dleq::prove(DleqUse::Rule, key, hash.as_bytes(), &items, rng);
    let signatures = items.iter().map(|item| (item.first, item.e())).collect();
    SignedRules { key: key_id, policy: hash, signatures, dleq: dleq.to_bytes() }
}

/// Checks published rules against the policy and the key, and returns them ready to be presented.
///
/// # Errors
/// [`VerificationFailure`] when they are not the policy's rules under this key.
pub fn verify_rules(
    key: &PublicKey,
    policy: &PolicyBody,
    signed: &SignedRules,
) -> Result<Vec<Credential<Rule>>, VerificationFailure> {
    let matches =
        signed.key() == key.id() && signed.policy() == policy.hash() && signed.signatures.len() == policy.rules().len();
    if !matches {
        return Err(VerificationFailure);
    }
    let items: Vec<_> =
        rules(policy).zip(&signed.signatures).map(|(rule, (A, e))| DleqItem::issued(*A, rule.B(), *e)).collect();
    Dleq::from_bytes(&signed.dleq).map_err(|_| VerificationFailure)?.verify(
        DleqUse::Rule,
        key,
        signed.policy().as_bytes(),
        &items,
    )?;
    let credentials = rules(policy).zip(&signed.signatures).map(|(rule, (A, e))| Credential {
        attributes: rule,
        key: key.id(),
        A: *A,
        e: *e,
    });
    Ok(credentials.collect())
}
