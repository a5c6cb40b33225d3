//! Proofs are verified in batches by a fixed number of threads (docs/PROTOCOL.md section 7, steps 4 and 5).
//!
//! A thread takes what waits, up to a limit, so batches form by themselves under load and nobody waits for one to fill. What
//! may wait is limited too, and counted in notes and coins, since a claim of 64 notes costs as much as many payments. A batch
//! that fails is halved until the bad proofs are alone: a bad proof never costs a good one its place.

use std::{
    collections::VecDeque,
    io,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use farthing_ecash::{
    credential::issue::{Addition, Answer},
    keys::KeyRing,
    transaction::NOTES_MAX,
    verify::{BatchVerifier, Verified},
};
use getrandom::{SysRng, rand_core::UnwrapErr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::Candidate;
use crate::error::SubmitError;

/// How much is verified at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifierSettings {
    /// Threads.
    pub threads: NonZeroUsize,
    /// Notes and coins that wait or are being verified; what would be more is refused. Never below the 64 of the largest
    /// claim.
    pub waiting_max: u32,
    /// Notes and coins in one batch, unless a single transaction has more. Beyond some hundreds a batch gains nothing.
    pub batch_max: usize,
}

impl Default for VerifierSettings {
    /// One thread per core; 2,048 notes wait, which is about half a second of work for one core; batches of 128.
    fn default() -> Self {
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { threads, waiting_max: 2_048, batch_max: 128 }
    }
}

/// A verified transaction with the answer to it. Nobody has seen the answer yet, and nothing is written.
pub struct Signed {
    /// The transaction.
    pub verified: Verified,
    /// Its signed outputs.
    pub answer: Answer,
}

/// The threads that verify.
pub struct Verifier {
    queue: Arc<Queue>,
    places: Arc<Semaphore>,
    threads: Vec<JoinHandle<()>>,
}

struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    batch_max: usize,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    closed: bool,
}

struct Job {
    candidate: Candidate,
    verdict: oneshot::Sender<Result<Signed, SubmitError>>,
    _place: OwnedSemaphorePermit,
}

impl Verifier {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start(keys: &Arc<KeyRing>, settings: VerifierSettings) -> io::Result<Self> {
        let waiting_max = settings.waiting_max.max(NOTES_MAX);
        let places = Arc::new(Semaphore::new(usize::try_from(waiting_max).unwrap_or(Semaphore::MAX_PERMITS)));
        let queue = Arc::new(Queue {
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            batch_max: settings.batch_max.max(1),
        });
        let mut verifier = Self { queue, places, threads: Vec::new() };
        for number in 0..settings.threads.get() {
            let (queue, keys) = (verifier.queue.clone(), keys.clone());
            let name = format!("verifier-{number}");
            verifier.threads.push(thread::Builder::new().name(name).spawn(move || work(&queue, &keys))?);
        }
        Ok(verifier)
    }

    /// Verifies a transaction together with others that wait, and signs its outputs.
    ///
    /// # Errors
    /// [`SubmitError::ProofInvalid`]; [`SubmitError::Overloaded`] when too much waits.
    pub async fn verify(&self, candidate: Candidate) -> Result<Signed, SubmitError> {
        let weight = u32::try_from(candidate.transaction.core().weight()).map_err(|_| SubmitError::Overloaded)?;
        let place = self.places.clone().try_acquire_many_owned(weight).map_err(|_| SubmitError::Overloaded)?;
        let (verdict, receiver) = oneshot::channel();
        self.queue.lock().jobs.push_back(Job { candidate, verdict, _place: place });
        self.queue.arrived.notify_one();
        receiver.await.unwrap_or(Err(SubmitError::Internal("a verifier thread has failed")))
    }
}

impl Drop for Verifier {
    /// Lets the threads finish what waits, and end.
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.arrived.notify_all();
        for thread in self.threads.drain(..) {
            // It has logged why it failed.
            let _ = thread.join();
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for work and takes a batch, perhaps an empty one; `None` when there will be no more.
    fn take(&self) -> Option<Vec<Job>> {
        let waiting = self.lock();
        let mut waiting = self
            .arrived
            .wait_while(waiting, |waiting| waiting.jobs.is_empty() && !waiting.closed)
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.jobs.is_empty() {
            return None;
        }
        let mut weight = 0;
        let mut batch = Vec::new();
        while let Some(job) = waiting.jobs.pop_front() {
            // Its request was given up: verifying it helps nobody.
            if job.verdict.is_closed() {
                continue;
            }
            weight += job.candidate.transaction.core().weight();
            batch.push(job);
            if weight >= self.batch_max {
                break;
            }
        }
        Some(batch)
    }
}

fn work(queue: &Queue, keys: &KeyRing) {
    while let Some(batch) = queue.take() {
        // Whoever waits for a verdict of a batch that panicked learns that there is none.
        if catch_unwind(AssertUnwindSafe(|| settle(keys, batch))).is_err() {
            tracing::error!("a batch of proofs was given up: a fault of the redeemer");
        }
    }
}

/// Verifies jobs together and gives each its verdict.
fn settle(keys: &KeyRing, jobs: Vec<Job>) {
    let mut verifier = BatchVerifier::new(keys);
    let mut verdicts = Vec::with_capacity(jobs.len());
    for job in jobs {
        let Candidate { transaction, minimum, addition } = job.candidate;
        verifier.queue(transaction, minimum);
        verdicts.push((addition, job.verdict, job._place));
    }
    match verifier.verify(&mut UnwrapErr(SysRng)) {
        Ok(all) => {
            for (verified, (addition, verdict, place)) in all.into_iter().zip(verdicts) {
                // Nobody reads the verdict when the request was dropped meanwhile; then nothing happens.
                let _ = verdict.send(sign(keys, verified, addition));
                drop(place);
            }
        }
        Err(rejected) => {
            let mut jobs: Vec<_> = rejected
                .into_iter()
                .zip(verdicts)
                .map(|((transaction, minimum), (addition, verdict, _place))| Job {
                    candidate: Candidate { transaction, minimum, addition },
                    verdict,
                    _place,
                })
                .collect();
            if jobs.len() > 1 {
                let others = jobs.split_off(jobs.len() / 2);
                settle(keys, jobs);
                settle(keys, others);
            } else if let Some(job) = jobs.pop() {
                let _ = job.verdict.send(Err(SubmitError::ProofInvalid));
            }
        }
    }
}

fn sign(keys: &KeyRing, verified: Verified, addition: Addition) -> Result<Signed, SubmitError> {
    let key = keys.get(&verified.core().header().key);
    let key = key.ok_or(SubmitError::Internal("the key of the outputs has gone"))?;
    match Answer::sign(key, &verified, addition, &mut UnwrapErr(SysRng)) {
        Ok(answer) => Ok(Signed { verified, answer }),
        Err(_) => Err(SubmitError::Internal("a verified transaction cannot be signed")),
    }
}
