//! Verifies transactions in groups, finds the bad ones, and signs the outputs of the others.

use std::panic::{AssertUnwindSafe, catch_unwind};

use farthing_ecash::{
    credential::issue::{Addition, Answer},
    keys::KeyRing,
    verify::{BatchVerifier, Verified},
};
use farthing_service::listener::Network;
use getrandom::{SysRng, rand_core::UnwrapErr};

use super::{
    Candidate,
    queue::{Job, Turn},
    verifier::Signed,
};
use crate::error::SubmitError;

/// What one verification costs besides its notes, in notes: a payment alone costs about two payments of a large batch.
const VERIFICATION_WORK: usize = 1;

/// What was learned from a turn.
#[derive(Default)]
pub(super) struct Findings {
    /// Notes and coins verified, each as often as it was, and one more for every verification.
    pub(super) work: u64,
    /// Whose proofs held and whose did not.
    pub(super) verdicts: Vec<(Option<Network>, bool)>,
}

/// Gives every job of a turn its verdict.
pub(super) fn settle(keys: &KeyRing, turn: Turn) -> Findings {
    let mut findings = Findings::default();
    let mut jobs = turn.jobs.into_iter();
    loop {
        let group: Vec<_> = jobs.by_ref().take(turn.group.max(1)).collect();
        if group.is_empty() {
            return findings;
        }
        let work = work_of(&group);
        // Whoever waits for a verdict of a group that panicked learns that there is none. Nobody is blamed for it, but the
        // lane has had the work.
        if catch_unwind(AssertUnwindSafe(|| settle_group(keys, group, false, &mut findings))).is_err() {
            tracing::error!("a group of proofs was given up: a fault of the redeemer");
            findings.work = findings.work.saturating_add(work);
        }
    }
}

/// What verifying these together costs, in notes.
fn work_of(jobs: &[Job]) -> u64 {
    let weight: usize = jobs.iter().map(|job| job.candidate.weight()).sum();
    u64::try_from(weight + VERIFICATION_WORK).unwrap_or(u64::MAX)
}

/// Settles a group and says whether it has a bad proof. A group that is known to have one (the whole failed, and the other
/// half did not) is halved without being verified; but nobody is refused who was not verified alone.
fn settle_group(keys: &KeyRing, jobs: Vec<Job>, has_bad: bool, findings: &mut Findings) -> bool {
    let mut jobs = if has_bad && jobs.len() > 1 {
        jobs
    } else {
        match verify(keys, jobs, findings) {
            Ok(()) => return false,
            Err(jobs) => jobs,
        }
    };
    if jobs.len() > 1 {
        let others = jobs.split_off(jobs.len() / 2);
        let is_among_first = settle_group(keys, jobs, false, findings);
        settle_group(keys, others, !is_among_first, findings);
    } else if let Some(job) = jobs.pop() {
        findings.verdicts.push((job.candidate.sender, false));
        let _ = job.verdict.send(Err(SubmitError::ProofInvalid));
    }
    true
}

/// Verifies jobs together. If all hold they get their answers, otherwise all are given back.
fn verify(keys: &KeyRing, jobs: Vec<Job>, findings: &mut Findings) -> Result<(), Vec<Job>> {
    findings.work = findings.work.saturating_add(work_of(&jobs));
    let mut verifier = BatchVerifier::new(keys);
    let mut waiting = Vec::with_capacity(jobs.len());
    for job in jobs {
        let Candidate { transaction, minimum, addition, sender } = job.candidate;
        verifier.queue(transaction, minimum);
        waiting.push((addition, sender, job.verdict, job._places));
    }
    match verifier.verify(&mut UnwrapErr(SysRng)) {
        Ok(all) => {
            let (all, waiting): (Vec<_>, Vec<_>) = all
                .into_iter()
                .zip(waiting)
                .map(|(verified, (addition, sender, verdict, _places))| {
                    findings.verdicts.push((sender, true));
                    ((verified, addition), (verdict, _places))
                })
                .unzip();
            for (signed, (verdict, _places)) in sign(keys, all).into_iter().zip(waiting) {
                // Nobody reads the verdict when the request was dropped meanwhile; then nothing happens.
                let _ = verdict.send(signed);
            }
            Ok(())
        }
        Err(rejected) => {
            let jobs = rejected.into_iter().zip(waiting);
            let jobs = jobs.map(|((transaction, minimum), (addition, sender, verdict, _places))| Job {
                candidate: Candidate { transaction, minimum, addition, sender },
                verdict,
                _places,
            });
            Err(jobs.collect())
        }
    }
}

/// Signs the outputs of each transaction, together those whose outputs are under one key.
fn sign(keys: &KeyRing, all: Vec<(Verified, Addition)>) -> Vec<Result<Signed, SubmitError>> {
    let mut answers: Vec<_> = all.iter().map(|_| None).collect();
    for key in keys.iter() {
        let of_key =
            |(_, (verified, _)): &(usize, &(Verified, Addition))| verified.core().header().key == key.public().id();
        let (places, batch): (Vec<_>, Vec<_>) = all
            .iter()
            .enumerate()
            .filter(of_key)
            .map(|(place, (verified, addition))| (place, (verified, *addition)))
            .unzip();
        for (place, answer) in places.into_iter().zip(Answer::sign_batch(key, &batch, &mut UnwrapErr(SysRng))) {
            if let Some(slot) = answers.get_mut(place) {
                *slot = answer.ok();
            }
        }
    }
    let signed = |((verified, _), answer): (_, Option<_>)| {
        let answer = answer.ok_or(SubmitError::Internal("a verified transaction cannot be signed"))?;
        Ok(Signed { verified, answer })
    };
    all.into_iter().zip(answers).map(signed).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::sync::oneshot;

    use super::*;
    use crate::check::{
        queue::{LaneName, Queue},
        sample,
    };

    /// Settles a turn of candidates that are bad at these places, and checks every verdict.
    fn settled(count: usize, group: usize, bad: &[usize]) -> Findings {
        let keys = sample::keys();
        let queue = Queue::new(4_096, count);
        let mut verdicts = Vec::new();
        for place in 0..count {
            let candidate = if bad.contains(&place) { sample::bad_candidate() } else { sample::candidate() };
            let (verdict, receiver) = oneshot::channel();
            queue.push(candidate, verdict).unwrap();
            verdicts.push(receiver);
        }
        let turn = queue.take().unwrap();
        assert_eq!((turn.lane, turn.jobs.len()), (LaneName::Common, count));
        let findings = settle(keys, Turn { group, ..turn });
        for (place, mut verdict) in verdicts.into_iter().enumerate() {
            match verdict.try_recv().unwrap() {
                Ok(_) => assert!(!bad.contains(&place), "{place} is bad"),
                Err(SubmitError::ProofInvalid) => assert!(bad.contains(&place), "{place} is good"),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(findings.verdicts.len(), count);
        assert_eq!(findings.verdicts.iter().filter(|(_, is_good)| !is_good).count(), bad.len());
        findings
    }

    #[test]
    fn a_good_batch_is_verified_once() {
        assert_eq!(settled(32, 32, &[]).work, 33);
        assert_eq!(settled(32, 8, &[]).work, 4 * 9);
    }

    #[test]
    fn one_bad_proof_costs_its_batch_about_two_more() {
        for place in [0, 13, 31] {
            let work = settled(32, 32, &[place]).work;
            // The whole, then halves on the way down; a half that must be bad is not verified again, except alone.
            assert!((33 + 2..=33 + 2 * 36).contains(&work), "{work} for a bad proof at {place}");
        }
    }

    /// Under a flood of every second one bad, what the bad ones cost is what each costs alone.
    #[test]
    fn bad_proofs_that_are_verified_alone_cost_the_others_nothing() {
        let bad: Vec<_> = (0..32).filter(|place| place % 2 == 0).collect();
        assert_eq!(settled(32, 1, &bad).work, 32 * 2);
        assert!(settled(32, 32, &bad).work > 32 * 4);
    }

    #[test]
    fn all_bad_and_any_pattern() {
        settled(16, 16, &(0..16).collect::<Vec<_>>());
        for bad in [&[0, 1][..], &[6, 7], &[0, 7], &[1, 2, 4], &[0, 2, 4, 6]] {
            for group in [1, 2, 3, 8] {
                settled(8, group, bad);
            }
        }
    }
}
