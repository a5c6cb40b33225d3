//! Counts what is open, in all and from each network, and lets no more in than there is room for.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What counts as one address: an IPv4 address, or an IPv6 /64, since a subscriber usually has a whole one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl Network {
    /// The network of an address. An IPv4 address written as IPv6 is the same address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(IpAddr::V4(address)),
            IpAddr::V6(address) => Self(IpAddr::V6((address.to_bits() >> 64 << 64).into())),
        }
    }
}

/// Who is there: the number of open places by network, and how many there may be.
#[derive(Debug, Clone)]
pub(crate) struct Census {
    total: usize,
    per_network: usize,
    counts: Arc<Mutex<HashMap<Network, usize>>>,
}

/// An entry in the census, which leaves when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    census: Census,
    network: Network,
}

impl Census {
    /// Room for `total`, of which one network may have `per_network`.
    pub(crate) fn new(total: usize, per_network: usize) -> Self {
        Self { total, per_network, counts: Arc::default() }
    }

    /// A place for somebody from this network, if there is one.
    pub(crate) fn enter(&self, network: Network) -> Option<Place> {
        let mut counts = self.lock();
        let total: usize = counts.values().sum();
        let here = counts.get(&network).copied().unwrap_or(0);
        if total >= self.total || here >= self.per_network {
            return None;
        }
        counts.insert(network, here + 1);
        drop(counts);
        Some(Place { census: self.clone(), network })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.census.lock();
        if let Some(count) = counts.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_census_counts_networks_and_forgets_who_left() {
        let census = Census::new(3, 2);
        let enter = |address: &str| census.enter(Network::of(address.parse().unwrap()));
        let first = enter("192.0.2.1").unwrap();
        // The same address written as IPv6 is the same address.
        let second = enter("::ffff:192.0.2.1").unwrap();
        assert!(enter("192.0.2.1").is_none());
        let third = enter("2001:db8::1").unwrap();
        assert!(enter("192.0.2.2").is_none(), "the total");
        drop((first, second));
        let fourth = enter("2001:db8::2").unwrap();
        assert!(enter("2001:db8::3").is_none(), "one /64 is one address");
        assert!(enter("2001:db8:0:1::3").is_some());
        drop((third, fourth));
        assert!(census.lock().is_empty());
    }
}
