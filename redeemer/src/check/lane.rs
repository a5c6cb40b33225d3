//! A lane of transactions that are verified together, and what was learned of it: how often proofs in it fail, and how much
//! work it has had.
//!
//! A batch that fails says only that something in it is bad, and finding it means verifying parts of the batch again. When
//! bad proofs are rare, large groups pay; when every second one is bad, each is better verified alone. So the size of the
//! groups follows the failures of late: about one bad proof in every second group, which is where a group still tells as much
//! as it costs.

use std::collections::VecDeque;

use super::queue::Job;

/// The failure rate is that of about this many proofs of late.
const WINDOW: u32 = 64;

/// One, as failure rates have it.
const ONE: u32 = 1 << 16;

/// How many proofs of a lane fail, of those of late.
#[derive(Default)]
pub(super) struct FailureRate(u32);

impl FailureRate {
    /// Learns how one more proof was.
    pub(super) fn learn(&mut self, is_good: bool) {
        // Rounded up, so that it comes down to zero.
        self.0 -= self.0.div_ceil(WINDOW);
        if !is_good {
            self.0 += ONE / WINDOW;
        }
    }

    /// How many transactions are best verified together: the largest power of two in which at most 0.7 bad ones are
    /// expected (ln 2, the classic optimum of group testing), and one alone when more than a third is bad.
    pub(super) fn group(&self) -> usize {
        let fits = |group: u32| self.0.saturating_mul(group) <= ONE / 10 * 7;
        let group = (0..=12).rev().map(|bits| 1 << bits).find(|group| fits(*group));
        group.and_then(|group| usize::try_from(group).ok()).unwrap_or(1)
    }
}

/// Transactions that wait.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) jobs: VecDeque<Job>,
    pub(super) failures: FailureRate,
    /// Work done for it, in notes verified; see [`Lane::wake`].
    pub(super) work: u64,
}

impl Lane {
    /// A lane that was empty gets no credit for the time in which it had nothing to do.
    pub(super) fn wake(&mut self, work_of_other: u64) {
        if self.jobs.is_empty() {
            self.work = self.work.max(work_of_other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(proofs: impl IntoIterator<Item = bool>) -> FailureRate {
        let mut rate = FailureRate::default();
        proofs.into_iter().for_each(|is_good| rate.learn(is_good));
        rate
    }

    #[test]
    fn groups_are_large_while_nothing_fails() {
        assert!(FailureRate::default().group() >= 4_096);
        assert!(after([true; 1_000]).group() >= 4_096);
    }

    #[test]
    fn under_a_flood_each_is_verified_alone() {
        assert_eq!(after([false; 200]).group(), 1);
        assert_eq!(after((0..400).map(|n| n % 2 == 0)).group(), 1);
    }

    #[test]
    fn a_few_bad_ones_make_smaller_groups() {
        let one_in = |every: u32| after((0..2_000).map(|n| n % every != 0)).group();
        assert!((8..=64).contains(&one_in(50)), "{}", one_in(50));
        assert!((2..=8).contains(&one_in(10)), "{}", one_in(10));
    }

    #[test]
    fn a_flood_is_forgotten() {
        let flood = (0..400).map(|_| false);
        assert!(after(flood.chain((0..2_000).map(|_| true))).group() >= 4_096);
    }
}
