//! Verifying the proofs of many entries on all cores.

use std::{collections::BTreeMap, num::NonZeroUsize, thread};

use farthing_ecash::{
    keys::{KeyId, PublicKey},
    policy::PolicyTerms,
    replay::{Fault, Logged, Replay},
};
use getrandom::{SysRng, rand_core::UnwrapErr};

/// A transaction to be verified: its index in the log, and the terms of its policy.
pub(crate) type Waiting = (u64, Logged, Option<PolicyTerms>);

/// Fewer transactions than this are not worth a thread of their own: larger batches cost less for each.
const BATCH_MIN: usize = 32;

/// Verifies all, and names the first bad one.
pub(crate) fn verify(keys: &BTreeMap<KeyId, PublicKey>, waiting: Vec<Waiting>) -> Result<(), (u64, Fault)> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let size = waiting.len().div_ceil(cores).max(BATCH_MIN);
    let mut waiting = waiting.into_iter().peekable();
    thread::scope(|scope| {
        let mut batches = Vec::new();
        while waiting.peek().is_some() {
            let batch: Vec<_> = waiting.by_ref().take(size).collect();
            batches.push((batch.iter().map(|(index, ..)| *index).collect(), scope.spawn(move || one(keys, batch))));
        }
        for (indexes, batch) in batches {
            let indexes: Vec<u64> = indexes;
            // A batch whose thread panicked has shown nothing.
            let verdict = batch.join().unwrap_or(Err((0, Fault::Proof)));
            verdict.map_err(|(place, fault)| (indexes.get(place).copied().unwrap_or_default(), fault))?;
        }
        Ok(())
    })
}

fn one(keys: &BTreeMap<KeyId, PublicKey>, batch: Vec<Waiting>) -> Result<(), (usize, Fault)> {
    let mut replay = Replay::new(keys);
    for (_, logged, terms) in batch {
        replay.queue(logged, terms.as_ref());
    }
    replay.verify(&mut UnwrapErr(SysRng)).map(drop).map_err(|refused| (refused.index, refused.fault))
}
