//! What waits for verification: in two lanes, so that who sends bad proofs makes others wait less.
//!
//! Senders whose proofs have failed lately wait in a lane of their own. The lane that had less work is served next, so while
//! both have something to do each gets half of the verifying, and offenders, however many requests they send, cost the others
//! no more than that half. A lane that has nothing to do leaves everything to the other.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use farthing_ecash::transaction::NOTES_MAX;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{Candidate, lane::Lane, offenders::Offenders, settle::Findings, verifier::Signed};
use crate::error::SubmitError;

/// Groups that a thread takes of a lane at once: few, so that the other lane's turn comes soon.
const GROUPS_MAX: usize = 16;

/// A transaction that waits for its verdict.
pub(super) struct Job {
    pub(super) candidate: Candidate,
    pub(super) verdict: oneshot::Sender<Result<Signed, SubmitError>>,
    pub(super) _places: Places,
}

/// Room for its notes and coins among those that wait or are being verified.
pub(super) struct Places {
    _all: OwnedSemaphorePermit,
    _apart: Option<OwnedSemaphorePermit>,
}

/// One of the two lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LaneName {
    /// Everybody's.
    Common,
    /// That of senders whose proofs have failed lately.
    Apart,
}

/// Work for one thread.
pub(super) struct Turn {
    pub(super) lane: LaneName,
    pub(super) jobs: Vec<Job>,
    /// How many of them are to be verified together.
    pub(super) group: usize,
}

/// What waits.
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    batch_max: usize,
    all: Arc<Semaphore>,
    /// Half of the places: offenders never take the others.
    apart: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    common: Lane,
    apart: Lane,
    offenders: Offenders,
    /// Threads that have nothing to do.
    idle: usize,
    closed: bool,
}

impl Queue {
    /// Room for `waiting_max` notes and coins (never less than the largest claim has, in either lane), of which about
    /// `batch_max` are verified together.
    pub(super) fn new(waiting_max: u32, batch_max: usize) -> Self {
        let places = |notes: u32| {
            Arc::new(Semaphore::new(usize::try_from(notes.max(NOTES_MAX)).unwrap_or(Semaphore::MAX_PERMITS)))
        };
        Self {
            state: Mutex::default(),
            arrived: Condvar::new(),
            batch_max: batch_max.max(1),
            all: places(waiting_max),
            apart: places(waiting_max / 2),
        }
    }

    /// Lets a transaction wait.
    ///
    /// # Errors
    /// [`SubmitError::Overloaded`] when too much waits.
    pub(super) fn push(
        &self,
        candidate: Candidate,
        verdict: oneshot::Sender<Result<Signed, SubmitError>>,
    ) -> Result<(), SubmitError> {
        let weight = u32::try_from(candidate.weight()).map_err(|_| SubmitError::Overloaded)?;
        let acquire = |places: &Arc<Semaphore>| places.clone().try_acquire_many_owned(weight);
        let mut state = self.lock();
        let is_apart = state.offenders.contains(candidate.sender, Instant::now());
        let apart = is_apart.then(|| acquire(&self.apart)).transpose().map_err(|_| SubmitError::Overloaded)?;
        let all = acquire(&self.all).map_err(|_| SubmitError::Overloaded)?;
        state.push(is_apart, Job { candidate, verdict, _places: Places { _all: all, _apart: apart } });
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits for work and takes a turn, perhaps an empty one; `None` when there will be no more.
    pub(super) fn take(&self) -> Option<Turn> {
        let mut state = self.lock();
        state.idle += 1;
        let mut state = self
            .arrived
            .wait_while(state, |state| state.is_empty() && !state.closed)
            .unwrap_or_else(PoisonError::into_inner);
        let idle = NonZeroUsize::new(state.idle).unwrap_or(NonZeroUsize::MIN);
        state.idle -= 1;
        if state.is_empty() {
            return None;
        }
        let turn = state.take(self.batch_max, idle);
        let is_more = !state.is_empty();
        drop(state);
        if is_more {
            self.arrived.notify_one();
        }
        Some(turn)
    }

    /// Learns from a turn.
    pub(super) fn learn(&self, lane: LaneName, findings: &Findings) {
        let now = Instant::now();
        let mut state = self.lock();
        for (sender, is_good) in &findings.verdicts {
            state.lane(lane).failures.learn(*is_good);
            state.offenders.learn(*sender, *is_good, now);
        }
        state.lane(lane).work += findings.work;
    }

    /// There will be no more; what waits is still verified.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.common.jobs.is_empty() && self.apart.jobs.is_empty()
    }

    fn lane(&mut self, name: LaneName) -> &mut Lane {
        match name {
            LaneName::Common => &mut self.common,
            LaneName::Apart => &mut self.apart,
        }
    }

    fn push(&mut self, is_apart: bool, job: Job) {
        let (lane, other) = if is_apart { (&mut self.apart, &self.common) } else { (&mut self.common, &self.apart) };
        lane.wake(other.work);
        lane.jobs.push_back(job);
    }

    /// A thread's next turn: from the lane that had less work, and no more than its part when others are idle too.
    fn take(&mut self, batch_max: usize, idle: NonZeroUsize) -> Turn {
        self.part_offenders(Instant::now());
        let is_apart = self.common.jobs.is_empty() || !self.apart.jobs.is_empty() && self.apart.work < self.common.work;
        let name = if is_apart { LaneName::Apart } else { LaneName::Common };
        let lane = self.lane(name);
        let group = lane.failures.group();
        let jobs_max = lane.jobs.len().div_ceil(idle.get()).min(group.saturating_mul(GROUPS_MAX));
        let (mut weight, mut jobs) = (0, Vec::new());
        while let Some(job) = lane.jobs.pop_front() {
            // Its request was given up: verifying it helps nobody.
            if job.verdict.is_closed() {
                continue;
            }
            weight += job.candidate.weight();
            jobs.push(job);
            if weight >= batch_max || jobs.len() >= jobs_max {
                break;
            }
        }
        Turn { lane: name, jobs, group }
    }

    /// What waits among others although its sender has offended meanwhile goes apart.
    fn part_offenders(&mut self, now: Instant) {
        let is_apart = |job: &Job| self.offenders.contains(job.candidate.sender, now);
        if !self.common.jobs.iter().any(is_apart) {
            return;
        }
        let (apart, common): (Vec<_>, Vec<_>) = std::mem::take(&mut self.common.jobs).into_iter().partition(is_apart);
        self.common.jobs = common.into();
        self.apart.wake(self.common.work);
        self.apart.jobs.extend(apart);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::IpAddr;

    use farthing_service::listener::Network;

    use super::*;
    use crate::check::sample;

    type Verdict = oneshot::Receiver<Result<Signed, SubmitError>>;

    fn network(number: u8) -> Option<Network> {
        Some(Network::of(IpAddr::from([192, 0, 2, number])))
    }

    fn queue() -> Queue {
        Queue::new(1_000, 128)
    }

    /// Lets `count` transactions of a sender wait; the verdicts must be kept, or they count as given up.
    fn push(queue: &Queue, count: usize, sender: Option<Network>) -> Vec<Verdict> {
        let push = |_| {
            let (verdict, receiver) = oneshot::channel();
            queue.push(sample::candidate().sent_by(sender), verdict).map(|()| receiver)
        };
        (0..count).map(push).collect::<Result<_, _>>().unwrap()
    }

    /// Lets the queue know that a proof of this sender was bad.
    fn offend(queue: &Queue, sender: Option<Network>) {
        queue.learn(LaneName::Common, &Findings { work: 2, verdicts: vec![(sender, false)] });
    }

    fn senders(turn: &Turn) -> Vec<Option<Network>> {
        turn.jobs.iter().map(|job| job.candidate.sender).collect()
    }

    #[test]
    fn whoever_is_not_an_offender_is_never_verified_with_one() {
        let queue = queue();
        offend(&queue, network(1));
        let _verdicts = [1, 2, 1, 3, 1].map(|number| push(&queue, 10, network(number)));
        let (mut common, mut apart) = (Vec::new(), Vec::new());
        while common.len() + apart.len() < 50 {
            let turn = queue.take().unwrap();
            match turn.lane {
                LaneName::Common => common.extend(senders(&turn)),
                LaneName::Apart => apart.extend(senders(&turn)),
            }
        }
        assert_eq!(apart, [network(1); 30]);
        assert_eq!(common, [[network(2); 10], [network(3); 10]].concat());
    }

    #[test]
    fn what_waits_when_its_sender_offends_is_parted() {
        let queue = queue();
        let _verdicts = [push(&queue, 5, network(1)), push(&queue, 5, network(2))];
        offend(&queue, network(1));
        let turns = [queue.take().unwrap(), queue.take().unwrap()];
        let of = |lane| turns.iter().find(|turn| turn.lane == lane).map(senders).unwrap();
        assert_eq!(of(LaneName::Common), [network(2); 5]);
        assert_eq!(of(LaneName::Apart), [network(1); 5]);
    }

    /// However many requests an offender sends, half of the verifying remains for the others.
    #[test]
    fn offenders_get_no_more_than_half_of_the_work() {
        let queue = Queue::new(100_000, 128);
        offend(&queue, network(1));
        let (mut common, mut apart) = (0, 0);
        let _flood = push(&queue, 4_000, network(1));
        let mut verdicts = Vec::new();
        for _ in 0..60 {
            // Honest senders always have something to be verified.
            verdicts.extend(push(&queue, 64, network(2)));
            let turn = queue.take().unwrap();
            let is_good = turn.lane == LaneName::Common;
            // As if all of the offender's were bad, and verified alone after the first groups.
            let groups = turn.jobs.len().div_ceil(turn.group);
            let work = u64::try_from(turn.jobs.len() + groups).unwrap();
            let verdicts = senders(&turn).into_iter().map(|sender| (sender, is_good)).collect();
            queue.learn(turn.lane, &Findings { work, verdicts });
            if is_good { common += work } else { apart += work }
        }
        // The last turn may have been the other's.
        assert!(apart <= common + 128, "{apart} for the offender, {common} for the others");
        assert!(apart > 0 && common > 0);
    }

    /// Honest senders that have little to be verified do not wait for more than one turn of the offenders.
    #[test]
    fn the_common_lane_is_next_when_it_was_empty() {
        let queue = Queue::new(100_000, 128);
        offend(&queue, network(1));
        let _flood = push(&queue, 4_000, network(1));
        for _ in 0..50 {
            let turn = queue.take().unwrap();
            assert_eq!(turn.lane, LaneName::Apart);
            let _honest = push(&queue, 1, network(2));
            queue.learn(turn.lane, &Findings { work: 32, verdicts: vec![(network(1), false); 16] });
            let turn = queue.take().unwrap();
            assert_eq!(turn.lane, LaneName::Common);
            queue.learn(turn.lane, &Findings { work: 2, verdicts: vec![(network(2), true)] });
        }
    }

    #[test]
    fn offenders_leave_half_of_the_places() {
        let queue = Queue::new(200, 128);
        offend(&queue, network(1));
        let _flood = push(&queue, 100, network(1));
        let (verdict, _receiver) = oneshot::channel();
        let refused = queue.push(sample::candidate().sent_by(network(1)), verdict);
        assert!(matches!(refused, Err(SubmitError::Overloaded)));
        let _others = push(&queue, 100, network(2));
    }

    #[test]
    fn idle_threads_share_what_waits() {
        let queue = queue();
        let _verdicts = push(&queue, 9, None);
        let turn = queue.lock().take(128, NonZeroUsize::new(2).unwrap());
        assert_eq!(turn.jobs.len(), 5);
        assert_eq!(queue.take().unwrap().jobs.len(), 4);
    }

    #[test]
    fn a_request_that_was_given_up_is_not_verified() {
        let queue = queue();
        drop(push(&queue, 3, None));
        let _kept = push(&queue, 2, None);
        let turn = queue.take().unwrap();
        assert!(queue.lock().is_empty());
        assert_eq!(turn.jobs.len(), 2);
    }

    #[test]
    fn what_waits_is_still_taken_when_the_queue_is_closed() {
        let queue = queue();
        let _verdicts = push(&queue, 1, None);
        queue.close();
        assert_eq!(queue.take().unwrap().jobs.len(), 1);
        assert!(queue.take().is_none());
    }
}
