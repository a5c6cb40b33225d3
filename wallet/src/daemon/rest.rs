//! When a wallet at rest makes one coin of several (docs/PROTOCOL.md section 8).
//!
//! Who sees a swap soon after a claim may take both for one wallet's, so a swap comes only when the wallet has done nothing for a
//! while, and then at a time that nobody can tell: as long as the wallet rests, each look brings it with the same small chance.
//! That chance does not depend on the number of coins, which would otherwise show.

use std::time::Duration;

use tokio::time::Instant;

use super::tend::comes;

/// Nothing is swapped within this time after the wallet did something.
const REST_MIN: Duration = Duration::from_secs(3_600);

/// How long it takes after that, on the average.
const MEAN: Duration = Duration::from_secs(6 * 3_600);

/// Since when the wallet has done nothing.
pub(super) struct Rest {
    /// Of its history: all that it does is there.
    cursor: u64,
    since: Instant,
}

impl Rest {
    /// What the wallet did before a daemon held it is not known, so its rest begins now.
    pub(super) const fn new(cursor: u64, now: Instant) -> Self {
        Self { cursor, since: now }
    }

    /// Looks at the wallet: whether to swap now.
    pub(super) fn is_time(&mut self, cursor: u64, now: Instant, chance: u32) -> bool {
        if cursor != self.cursor {
            *self = Self::new(cursor, now);
        }
        now.saturating_duration_since(self.since) >= REST_MIN && comes(MEAN, chance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn nothing_is_swapped_soon_after_something_else() {
        let begin = Instant::now();
        let mut rest = Rest::new(7, begin);
        assert!(!rest.is_time(7, begin + 59 * MINUTE, 0), "the daemon may have been started for a payment");
        assert!(rest.is_time(7, begin + 60 * MINUTE, 0));
        // A claim: the hour begins anew.
        assert!(!rest.is_time(8, begin + 61 * MINUTE, 0));
        assert!(!rest.is_time(8, begin + 120 * MINUTE, 0));
        assert!(rest.is_time(8, begin + 121 * MINUTE, 0));
    }

    /// As long as it rests every look is like any other: the times between have no memory.
    #[test]
    fn chance_decides_and_remembers_nothing() {
        let (begin, chances) = (Instant::now(), (0..=u32::MAX).step_by(1 << 12));
        let mut rest = Rest::new(0, begin);
        let all = chances.clone().count();
        let mut share =
            |after: Duration| chances.clone().filter(|chance| rest.is_time(0, begin + after, *chance)).count();
        let first = share(60 * MINUTE);
        // Two looks a minute, on the average once in six hours: one in 720.
        assert!((all / 721..=all / 719).contains(&first), "{first} of {all}");
        assert_eq!(share(600 * MINUTE), first);
    }
}
