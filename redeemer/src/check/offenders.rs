//! Who has lately sent proofs that did not hold.
//!
//! A network (an IPv4 address, an IPv6 /64) is what identifies a sender: wallets open a connection for every call, and say
//! nothing else about themselves. A sender that is not in the table is never treated by what others did.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use farthing_service::listener::Network;

/// Senders that are remembered. Who has more addresses than this pushes out the oldest offences, and is then slowed only by
/// the failure rate of the lane.
const OFFENDERS_MAX: usize = 4_096;

/// An offence is forgotten after this time without another.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// An offence is forgiven after so many good proofs in a row: behind one address there may be many.
const FORGIVEN_AFTER: u32 = 64;

/// The last offence of a network.
struct Offence {
    at: Instant,
    good_since: u32,
}

/// The networks whose transactions are verified apart from those of others. Bounded, and it forgets.
#[derive(Default)]
pub(super) struct Offenders {
    known: HashMap<Network, Offence>,
}

impl Offenders {
    /// Whether a sender has offended lately. Who has no address never has.
    pub(super) fn contains(&self, sender: Option<Network>, now: Instant) -> bool {
        sender.and_then(|sender| self.known.get(&sender)).is_some_and(|offence| !offence.is_over(now))
    }

    /// Learns how a proof of this sender was.
    pub(super) fn learn(&mut self, sender: Option<Network>, is_good: bool, now: Instant) {
        let Some(sender) = sender else { return };
        if !is_good {
            self.make_room(sender, now);
            self.known.insert(sender, Offence { at: now, good_since: 0 });
        } else if let Some(offence) = self.known.get_mut(&sender) {
            offence.good_since += 1;
            if offence.is_over(now) {
                self.known.remove(&sender);
            }
        }
    }

    fn make_room(&mut self, sender: Network, now: Instant) {
        if self.known.len() < OFFENDERS_MAX || self.known.contains_key(&sender) {
            return;
        }
        self.known.retain(|_, offence| !offence.is_over(now));
        if self.known.len() >= OFFENDERS_MAX {
            let oldest = self.known.iter().min_by_key(|(_, offence)| offence.at).map(|(network, _)| *network);
            oldest.and_then(|oldest| self.known.remove(&oldest));
        }
    }
}

impl Offence {
    fn is_over(&self, now: Instant) -> bool {
        self.good_since >= FORGIVEN_AFTER || now.saturating_duration_since(self.at) >= FORGOTTEN_AFTER
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn network(number: usize) -> Option<Network> {
        let bits = u32::try_from(number).unwrap_or(u32::MAX);
        Some(Network::of(IpAddr::V4(Ipv4Addr::from_bits(bits))))
    }

    #[test]
    fn only_who_offended_is_an_offender() {
        let (mut offenders, now) = (Offenders::default(), Instant::now());
        offenders.learn(network(1), false, now);
        offenders.learn(network(2), true, now);
        offenders.learn(None, false, now);
        assert!(offenders.contains(network(1), now));
        for other in [network(2), network(3), None] {
            assert!(!offenders.contains(other, now));
        }
    }

    #[test]
    fn an_offence_is_forgotten_with_time_and_forgiven_with_good_proofs() {
        let (mut offenders, then) = (Offenders::default(), Instant::now());
        offenders.learn(network(1), false, then);
        let later = then + FORGOTTEN_AFTER;
        assert!(!offenders.contains(network(1), later));

        offenders.learn(network(1), false, later);
        for _ in 1..FORGIVEN_AFTER {
            offenders.learn(network(1), true, later);
        }
        assert!(offenders.contains(network(1), later));
        // One more bad proof, and it begins anew.
        offenders.learn(network(1), false, later);
        for _ in 0..FORGIVEN_AFTER {
            assert!(offenders.contains(network(1), later));
            offenders.learn(network(1), true, later);
        }
        assert!(!offenders.contains(network(1), later));
        assert!(offenders.known.is_empty());
    }

    #[test]
    fn the_table_is_bounded_and_the_oldest_offence_goes_first() {
        let (mut offenders, start) = (Offenders::default(), Instant::now());
        let at = |number: usize| start + Duration::from_millis(u64::try_from(number).unwrap_or(0));
        for number in 0..OFFENDERS_MAX {
            offenders.learn(network(number), false, at(number));
        }
        let now = at(OFFENDERS_MAX);
        // A known offender needs no room.
        offenders.learn(network(7), false, now);
        assert!(offenders.contains(network(0), now));
        offenders.learn(network(OFFENDERS_MAX), false, now);
        assert_eq!(offenders.known.len(), OFFENDERS_MAX);
        assert!(!offenders.contains(network(0), now));
        assert!(offenders.contains(network(1), now) && offenders.contains(network(OFFENDERS_MAX), now));
    }
}
