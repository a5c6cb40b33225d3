//! Attestations: for a verifier to whom a wallet shows what it has received (docs/PROTOCOL.md section 11). Only whoever
//! holds the issuing key can tell a presentation from a forgery.
//!
//! Nothing is stored, and nothing is logged but that it happened: neither key nor points.

use std::sync::Arc;

use farthing_ecash::disclosure::{Attestation, AttestationRequest};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{error::SubmitError, keys::Keys, ledger::PaymentLog};

/// Attests presentations, one at a time: however many are asked for, payments keep the other cores.
pub(crate) struct Attester {
    keys: Arc<Keys>,
    log: Arc<PaymentLog>,
    turn: Arc<Semaphore>,
}

impl Attester {
    /// Attests under these keys, up to their last day.
    pub(crate) fn new(keys: Arc<Keys>, log: Arc<PaymentLog>) -> Self {
        Self { keys, log, turn: Arc::new(Semaphore::new(1)) }
    }

    /// Says of a presentation that it is under the key that it names.
    ///
    /// # Errors
    /// [`SubmitError::Malformed`]; [`SubmitError::KeyExpired`] for a key that is unknown or past its exchange period;
    /// [`SubmitError::ProofInvalid`] when it is not true.
    pub(crate) async fn attest(&self, presentation: &[u8]) -> Result<Attestation, SubmitError> {
        let request = AttestationRequest::from_bytes(presentation)
            .map_err(|error| SubmitError::field("presentation", error.to_string()))?;
        let (id, today, ring) = (request.key(), self.log.today(), self.keys.ring());
        if ring.get(&id).is_none_or(|key| key.public().dates().exchange_until < today) {
            return Err(SubmitError::KeyExpired { key: id });
        }
        let turn = self.turn.clone().acquire_owned().await;
        let turn = turn.map_err(|_| SubmitError::Internal("attesting has ended"))?;
        let attested = spawn_blocking(move || {
            // Kept also when the request is gone.
            let _turn = turn;
            let key = ring.get(&id).ok_or(SubmitError::KeyExpired { key: id })?;
            Attestation::make(key, &request, &mut UnwrapErr(SysRng)).map_err(|_| SubmitError::ProofInvalid)
        });
        let attestation = attested.await.map_err(|_| SubmitError::Internal("attesting has failed"))??;
        tracing::debug!("attested");
        Ok(attestation)
    }
}
