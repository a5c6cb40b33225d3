//! Signing, of one verified transaction or of many together.
//!
//! What is constant-time and what is not: `x`, `1/(x + e)`, the nonces of the DLEQ proofs and the PRF key never meet an
//! operation whose time depends on them. `B`, `e`, `δ`, `A` and the DLEQ weights are public – the answer holds them – and
//! sums of them alone are computed in variable time. Many transactions share one inversion, whose steps do not depend on
//! the values, and the encoding of their points.

use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{Addition, Answer, Signature, outputs};
use crate::{
    credential::dleq::{Dleq, DleqItem, DleqUse, Unproved},
    encoding::Point,
    error::VerificationFailure,
    keys::SigningKey,
    verify::Verified,
};

/// An output whose `e` and `δ` are known.
struct Pending {
    B: Point,
    e: Scalar,
    delta: Scalar,
}

impl Pending {
    /// All outputs of a transaction.
    fn of(key: &SigningKey, verified: &Verified, addition: Addition) -> Result<Vec<Self>, VerificationFailure> {
        let (core, id) = (verified.core(), verified.id());
        let key_id = key.public().id();
        if core.header.key != key_id {
            return Err(VerificationFailure);
        }
        let pending = |(index, output): (u16, super::Output)| {
            let place = index.to_le_bytes();
            let delta = key.prf(&[b"delta", key_id.as_bytes(), id.as_bytes(), &place]);
            let B = output.B(&delta)?;
            let e = key.prf(&[b"e", key_id.as_bytes(), id.as_bytes(), &place, B.as_bytes()]);
            Ok(Self { B, e, delta })
        };
        (0u16..).zip(outputs(core, addition)?).map(pending).collect()
    }
}

/// Half of `A = (x + e)^-1·B` for each output, in order: one constant-time multiplication each, and one inversion.
fn half_signatures(key: &SigningKey, outputs: &[&Pending]) -> Result<Vec<RistrettoPoint>, VerificationFailure> {
    let doubled = outputs.iter().map(|output| {
        let sum = key.x() + output.e;
        sum + sum
    });
    let mut inverses = Zeroizing::new(doubled.collect::<Vec<_>>());
    // Never happens, and inversion asks that it does not.
    if inverses.contains(&Scalar::ZERO) {
        return Err(VerificationFailure);
    }
    Scalar::invert_batch_alloc(&mut inverses);
    Ok(outputs.iter().zip(inverses.iter()).map(|(output, inverse)| output.B.point() * inverse).collect())
}

impl Answer {
    /// Signs the outputs of a verified transaction. The same transaction, addition and key give the same `(A, e, δ)`.
    ///
    /// # Errors
    /// [`VerificationFailure`] when the addition is not of this statement or the key is not the output key.
    pub fn sign(
        key: &SigningKey,
        verified: &Verified,
        addition: Addition,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, VerificationFailure> {
        Self::sign_batch(key, &[(verified, addition)], rng).pop().unwrap_or(Err(VerificationFailure))
    }

    /// Signs many transactions, each as [`Answer::sign`] would: a little cheaper than one by one.
    ///
    /// # Errors
    /// For each transaction on its own: [`VerificationFailure`] as [`Answer::sign`] has it.
    pub fn sign_batch(
        key: &SigningKey,
        transactions: &[(&Verified, Addition)],
        rng: &mut impl CryptoRng,
    ) -> Vec<Result<Self, VerificationFailure>> {
        let pending: Vec<_> =
            transactions.iter().map(|(verified, addition)| Pending::of(key, verified, *addition)).collect();
        let outputs: Vec<_> = pending.iter().flatten().flatten().collect();
        let Ok(halves) = half_signatures(key, &outputs) else {
            return transactions.iter().map(|_| Err(VerificationFailure)).collect();
        };
        let encodings = RistrettoPoint::double_and_compress_batch(&halves);
        let mut signed = halves.iter().zip(&encodings).map(|(half, bytes)| (*half, Point::doubled(half, *bytes)));

        let mut statements = Vec::with_capacity(transactions.len());
        let signatures: Vec<_> = pending
            .into_iter()
            .zip(transactions)
            .map(|(pending, (verified, _))| {
                let pending = pending?;
                let (halves, As): (Vec<_>, Vec<_>) = signed.by_ref().take(pending.len()).unzip();
                let items: Vec<_> =
                    pending.iter().zip(&As).map(|(output, A)| DleqItem::issued(*A, output.B, output.e)).collect();
                let id = verified.id();
                let statement = Unproved::with_halves(DleqUse::Issue, key.public(), id.as_bytes(), &items, &halves);
                statements.push(statement);
                let signature = |(output, A): (Pending, Point)| Signature { A, e: output.e, delta: output.delta };
                Ok(pending.into_iter().zip(As).map(signature).collect::<Vec<_>>())
            })
            .collect();

        let mut proofs = Dleq::prove_all(key, statements, rng).into_iter();
        signatures
            .into_iter()
            .zip(transactions)
            .map(|(signatures, (_, addition))| {
                let signatures = signatures?;
                let dleq = proofs.next().ok_or(VerificationFailure)?;
                let registration = match addition {
                    Addition::Registration { class, validity } => Some((*class, *validity)),
                    Addition::None | Addition::Expiry(_) => None,
                };
                Ok(Self { signatures, dleq, registration })
            })
            .collect()
    }
}
