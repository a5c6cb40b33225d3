//! Proofs are verified away from the threads that serve, a few at a time.

use std::{sync::Arc, thread};

use farthing_ecash::{
    amount::Amount,
    credential::issue::{Addition, Answer},
    transaction::Transaction,
    verify::Verified,
};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tokio::sync::Semaphore;

use crate::{error::IssuerError, keys::Keys};

/// Jobs that wait or are worked on. One takes less than a millisecond, so whoever waits behind so many waits a fraction of a
/// second.
const JOBS_MAX: usize = 512;

/// Verifies and signs.
pub(crate) struct Verifier {
    keys: Arc<Keys>,
    places: Semaphore,
    cores: Semaphore,
}

impl Verifier {
    /// One job at a time for each core.
    pub(crate) fn new(keys: Arc<Keys>) -> Self {
        let cores = thread::available_parallelism().map_or(1, Into::into);
        Self { keys, places: Semaphore::new(JOBS_MAX), cores: Semaphore::new(cores) }
    }

    /// Verifies the proofs of a transaction.
    pub(crate) async fn verify(&self, transaction: Transaction) -> Result<Arc<Verified>, IssuerError> {
        let keys = self.keys.now();
        let job = move || transaction.verify(&keys.ring, Amount::ZERO, &mut UnwrapErr(SysRng));
        let verified = self.work(job).await?;
        verified.map(Arc::new).map_err(|_| IssuerError::ProofInvalid)
    }

    /// Signs the outputs of a transaction. Nobody may see the answer before it is written.
    pub(crate) async fn sign(&self, verified: &Arc<Verified>, addition: Addition) -> Result<Answer, IssuerError> {
        let (keys, verified) = (self.keys.now(), verified.clone());
        let job = move || {
            let key = keys.ring.get(&verified.core().header().key)?;
            Answer::sign(key, &verified, addition, &mut UnwrapErr(SysRng)).ok()
        };
        self.work(job).await?.ok_or(IssuerError::Internal("a verified transaction cannot be signed"))
    }

    /// Does dear work.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, IssuerError> {
        let _place = self.places.try_acquire().map_err(|_| IssuerError::Overloaded)?;
        let _core = self.cores.acquire().await.map_err(|_| IssuerError::Overloaded)?;
        let done = tokio::task::spawn_blocking(job).await;
        done.map_err(|_| IssuerError::Internal("a verification has failed"))
    }
}
