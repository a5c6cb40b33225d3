//! Proofs are verified in batches by a fixed number of threads (docs/PROTOCOL.md section 7, steps 4 and 5).
//!
//! A thread takes what waits, up to a limit, so batches form by themselves under load and nobody waits for one to fill. What
//! may wait is limited too, and counted in notes and coins, since a claim of 64 notes costs as much as many payments. A batch
//! that fails is taken apart until the bad proofs are alone: a bad proof never costs a good one its place. What bad proofs
//! cost others is bounded twice: who sends them is verified apart ([`super::queue`]), and where most fail each is verified
//! alone ([`super::lane`]).

use std::{
    io,
    num::NonZeroUsize,
    sync::Arc,
    thread::{self, JoinHandle},
};

use farthing_ecash::{credential::issue::Answer, verify::Verified};
use tokio::sync::oneshot;

use super::{Candidate, queue::Queue, settle::settle};
use crate::{error::SubmitError, keys::Keys};

/// How much is verified at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifierSettings {
    /// Threads.
    pub threads: NonZeroUsize,
    /// Notes and coins that wait or are being verified; what would be more is refused. Never below the 64 of the largest
    /// claim. Senders of bad proofs get half of it.
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
    threads: Vec<JoinHandle<()>>,
}

impl Verifier {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start(keys: &Arc<Keys>, settings: VerifierSettings) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(settings.waiting_max, settings.batch_max));
        let mut verifier = Self { queue, threads: Vec::new() };
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
        let (verdict, receiver) = oneshot::channel();
        self.queue.push(candidate, verdict)?;
        receiver.await.unwrap_or(Err(SubmitError::Internal("a verifier thread has failed")))
    }
}

impl Drop for Verifier {
    /// Lets the threads finish what waits, and end.
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // It has logged why it failed.
            let _ = thread.join();
        }
    }
}

fn work(queue: &Queue, keys: &Keys) {
    while let Some(turn) = queue.take() {
        let lane = turn.lane;
        let findings = settle(&keys.ring(), turn);
        queue.learn(lane, &findings);
    }
}
