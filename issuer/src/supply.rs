//! The money supply: how much was withdrawn and redeemed in all, and that coins can never overflow.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use farthing_ecash::amount::Amount;

use crate::error::IssuerError;

/// What is withdrawn and not redeemed stays below this, so no sum of coins reaches 2^64 (docs/WIRE.md section 6).
const OUTSTANDING_END: u64 = 1 << 63;

/// The totals from the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// All withdrawals.
    pub withdrawn: Amount,
    /// All redemptions that were credited.
    pub redeemed: Amount,
}

/// The totals, kept in memory: one stored sum would make all withdrawals wait for each other. Each account stores its own
/// part in the same write as its balance, and the start adds them up.
pub(crate) struct Supply(Mutex<State>);

#[derive(Default)]
struct State {
    withdrawn: Sum,
    redeemed: Sum,
}

/// A total with what is being written just now. A transaction that was sent twice counts once.
#[derive(Default)]
struct Sum {
    settled: u64,
    reserved: u64,
    flights: HashMap<Flight, Holders>,
}

/// What is being written: a transaction and its amount.
type Flight = ([u8; 32], u64);

/// Who writes it.
#[derive(Default)]
struct Holders {
    count: usize,
    settled: bool,
}

/// Which of the totals.
#[derive(Debug, Clone, Copy)]
enum Side {
    Withdrawn,
    Redeemed,
}

/// An amount that is counted already while its batch is written, and no more if that fails.
pub(crate) struct Reservation<'s> {
    supply: &'s Supply,
    side: Side,
    flight: Flight,
}

impl Supply {
    pub(crate) fn new(totals: Totals) -> Self {
        let sum = |total: Amount| Sum { settled: total.get(), ..Sum::default() };
        Self(Mutex::new(State { withdrawn: sum(totals.withdrawn), redeemed: sum(totals.redeemed) }))
    }

    pub(crate) fn totals(&self) -> Totals {
        let state = self.lock();
        Totals { withdrawn: Amount::new(state.withdrawn.settled), redeemed: Amount::new(state.redeemed.settled) }
    }

    /// Counts a withdrawal. `id` is its transaction's.
    pub(crate) fn withdraw(&self, id: [u8; 32], amount: Amount) -> Result<Reservation<'_>, IssuerError> {
        let mut state = self.lock();
        let withdrawn = state.withdrawn.settled.saturating_add(state.withdrawn.reserved);
        let outstanding = withdrawn.saturating_sub(state.redeemed.settled);
        let room = (OUTSTANDING_END - 1).saturating_sub(outstanding).min(u64::MAX - withdrawn);
        self.reserve(&mut state, Side::Withdrawn, (id, amount.get()), room)
    }

    /// Counts a redemption. More than was withdrawn cannot come back.
    pub(crate) fn redeem(&self, id: [u8; 32], amount: Amount) -> Result<Reservation<'_>, IssuerError> {
        let mut state = self.lock();
        let redeemed = state.redeemed.settled.saturating_add(state.redeemed.reserved);
        let room = state.withdrawn.settled.saturating_sub(redeemed);
        self.reserve(&mut state, Side::Redeemed, (id, amount.get()), room)
    }

    fn reserve(
        &self,
        state: &mut State,
        side: Side,
        flight: Flight,
        room: u64,
    ) -> Result<Reservation<'_>, IssuerError> {
        let sum = state.side(side);
        if !sum.flights.contains_key(&flight) {
            if flight.1 > room {
                return Err(IssuerError::SupplyCap { left: Amount::new(room) });
            }
            sum.reserved = sum.reserved.saturating_add(flight.1);
        }
        sum.flights.entry(flight).or_default().count += 1;
        Ok(Reservation { supply: self, side, flight })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn side(&mut self, side: Side) -> &mut Sum {
        match side {
            Side::Withdrawn => &mut self.withdrawn,
            Side::Redeemed => &mut self.redeemed,
        }
    }
}

impl Reservation<'_> {
    /// The batch was written, or may have been.
    pub(crate) fn keep(self) {
        let mut state = self.supply.lock();
        let sum = state.side(self.side);
        if let Some(holders) = sum.flights.get_mut(&self.flight).filter(|holders| !holders.settled) {
            holders.settled = true;
            sum.reserved = sum.reserved.saturating_sub(self.flight.1);
            sum.settled = sum.settled.saturating_add(self.flight.1);
        }
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut state = self.supply.lock();
        let sum = state.side(self.side);
        let Some(holders) = sum.flights.get_mut(&self.flight) else { return };
        holders.count = holders.count.saturating_sub(1);
        if holders.count == 0 {
            let settled = holders.settled;
            sum.flights.remove(&self.flight);
            if !settled {
                sum.reserved = sum.reserved.saturating_sub(self.flight.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ONE: [u8; 32] = [1; 32];
    const TWO: [u8; 32] = [2; 32];

    fn totals(withdrawn: u64, redeemed: u64) -> Totals {
        Totals { withdrawn: Amount::new(withdrawn), redeemed: Amount::new(redeemed) }
    }

    fn left(reservation: Result<Reservation<'_>, IssuerError>) -> u64 {
        match reservation {
            Err(IssuerError::SupplyCap { left }) => left.get(),
            _ => panic!("it was not refused"),
        }
    }

    #[test]
    fn what_is_out_stays_below_two_to_the_63() {
        let supply = Supply::new(totals(10, 4));
        let room = OUTSTANDING_END - 1 - 6;
        assert_eq!(left(supply.withdraw(ONE, Amount::new(room + 1))), room);
        supply.withdraw(ONE, Amount::new(room)).unwrap().keep();
        assert_eq!(left(supply.withdraw(TWO, Amount::new(1))), 0);
        supply.redeem(ONE, Amount::new(3)).unwrap().keep();
        supply.withdraw(TWO, Amount::new(3)).unwrap().keep();
        assert_eq!(left(supply.withdraw(ONE, Amount::new(1))), 0);
        // The totals themselves do not overflow either.
        let supply = Supply::new(totals(u64::MAX, u64::MAX));
        assert_eq!(left(supply.withdraw(ONE, Amount::new(1))), 0);
        assert_eq!(left(supply.redeem(ONE, Amount::new(1))), 0);
    }

    #[test]
    fn what_is_not_kept_does_not_count_in_the_end() {
        let supply = Supply::new(totals(10, 4));
        let withdrawal = supply.withdraw(ONE, Amount::new(5)).unwrap();
        let redemption = supply.redeem(ONE, Amount::new(6)).unwrap();
        // Meanwhile it does, and what is not written yet cannot come back.
        assert_eq!(left(supply.redeem(TWO, Amount::new(1))), 0);
        drop((withdrawal, redemption));
        assert_eq!(supply.totals(), totals(10, 4));
        assert_eq!(left(supply.redeem(TWO, Amount::new(7))), 6);
        supply.redeem(TWO, Amount::new(6)).unwrap().keep();
        assert_eq!(supply.totals(), totals(10, 10));
    }

    #[test]
    fn a_transaction_that_is_sent_twice_counts_once() {
        let supply = Supply::new(totals(10, 4));
        let first = supply.redeem(ONE, Amount::new(6)).unwrap();
        let second = supply.redeem(ONE, Amount::new(6)).unwrap();
        first.keep();
        let third = supply.redeem(ONE, Amount::new(6)).unwrap();
        drop(second);
        assert_eq!(left(supply.redeem(TWO, Amount::new(1))), 0);
        drop(third);
        assert_eq!(supply.totals(), totals(10, 10));
        assert_eq!(left(supply.redeem(ONE, Amount::new(6))), 0);
    }
}
