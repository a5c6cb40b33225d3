//! Liabilities: never more comes back, with the fees, than was withdrawn (docs/PROTOCOL.md sections 1 and 9).
//!
//! Whoever stole the issuing key can make coins. What he cannot do is turn more of them into account money than everybody
//! together has taken out.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use farthing_ecash::amount::Amount;
use farthing_ledger::publisher::SubjectError;

use crate::{error::SubmitError, heard::Extract, issuer::Issuer};

/// Sums from the first entry of the log on, minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// What went back to accounts.
    pub redeemed: u128,
    /// What was paid in fees.
    pub fees: u128,
}

impl Sums {
    pub(crate) fn add(&mut self, extract: &Extract) {
        // 2^64 entries of 2^64 do not reach 2^128.
        self.redeemed = self.redeemed.saturating_add(extract.redeemed.get().into());
        self.fees = self.fees.saturating_add(extract.fee.get().into());
    }

    /// What must have been withdrawn.
    #[must_use]
    pub fn total(&self) -> u128 {
        self.redeemed.saturating_add(self.fees)
    }

    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let (redeemed, fees) = bytes.split_at_mut(16);
        redeemed.copy_from_slice(&self.redeemed.to_le_bytes());
        fees.copy_from_slice(&self.fees.to_le_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, SubjectError> {
        let damaged = || SubjectError::Damaged("the sum of redemptions");
        let (redeemed, fees) = bytes.split_first_chunk::<16>().ok_or_else(damaged)?;
        let fees = fees.try_into().map_err(|_| damaged())?;
        Ok(Self { redeemed: u128::from_le_bytes(*redeemed), fees: u128::from_le_bytes(fees) })
    }
}

/// A redemption that is being written: by its transaction, which may be sent twice at once.
#[derive(Default)]
struct Flight {
    amount: u128,
    holders: usize,
    is_settled: bool,
}

#[derive(Default)]
struct State {
    /// At least so much was withdrawn: what the issuer said last.
    withdrawn: u128,
    settled: Sums,
    reserved: u128,
    flights: HashMap<[u8; 32], Flight>,
}

impl State {
    fn room(&self) -> u128 {
        self.withdrawn.saturating_sub(self.settled.total()).saturating_sub(self.reserved)
    }
}

/// What has come back, what is coming back just now, and how much there is.
pub(crate) struct Liabilities {
    issuer: Arc<Issuer>,
    state: Mutex<State>,
}

/// Room for a redemption; given back when it is dropped without having been settled.
pub struct Reservation {
    liabilities: Arc<Liabilities>,
    id: [u8; 32],
}

impl Liabilities {
    pub(crate) fn new(issuer: Arc<Issuer>) -> Self {
        Self { issuer, state: Mutex::default() }
    }

    /// Begins with the sums of everything that is in the log, and with what was withdrawn at the last checkpoint.
    pub(crate) fn take_up(&self, settled: Sums, withdrawn: u128) {
        let mut state = self.lock();
        (state.settled, state.withdrawn) = (settled, withdrawn);
    }

    /// The issuer says that so much has been withdrawn.
    pub(crate) fn withdrawn(&self, withdrawn: u128) {
        let mut state = self.lock();
        state.withdrawn = state.withdrawn.max(withdrawn);
    }

    /// Counts a payment's fee.
    pub(crate) fn paid(&self, extract: &Extract) {
        self.lock().settled.add(&Extract { redeemed: Amount::ZERO, ..extract.clone() });
    }

    /// Makes room for a redemption. When it seems too much, the issuer is asked first whether more was withdrawn.
    ///
    /// # Errors
    /// [`SubmitError::LiabilitiesExceeded`]; [`SubmitError::IssuerUnreachable`] and what else keeps it from being known.
    pub(crate) async fn reserve(self: &Arc<Self>, id: [u8; 32], amount: Amount) -> Result<Reservation, SubmitError> {
        if let Some(reservation) = self.try_reserve(id, amount) {
            return Ok(reservation);
        }
        let issuance = self.issuer.issuance_checkpoint().await?;
        self.withdrawn(issuance.withdrawn);
        self.try_reserve(id, amount).ok_or_else(|| {
            tracing::error!("more would come back than was withdrawn: the issuing key may have been stolen");
            let left = u64::try_from(self.lock().room()).unwrap_or(u64::MAX);
            SubmitError::LiabilitiesExceeded { left: Amount::new(left) }
        })
    }

    fn try_reserve(self: &Arc<Self>, id: [u8; 32], amount: Amount) -> Option<Reservation> {
        let mut state = self.lock();
        let amount = u128::from(amount.get());
        if !state.flights.contains_key(&id) {
            if amount > state.room() {
                return None;
            }
            state.reserved = state.reserved.saturating_add(amount);
        }
        let flight = state.flights.entry(id).or_default();
        (flight.amount, flight.holders) = (amount, flight.holders + 1);
        drop(state);
        Some(Reservation { liabilities: self.clone(), id })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// The redemption is written, or may have been.
    pub(crate) fn settle(&self) {
        let mut state = self.liabilities.lock();
        let Some(flight) = state.flights.get_mut(&self.id).filter(|flight| !flight.is_settled) else { return };
        flight.is_settled = true;
        let amount = flight.amount;
        state.reserved = state.reserved.saturating_sub(amount);
        state.settled.redeemed = state.settled.redeemed.saturating_add(amount);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = self.liabilities.lock();
        let Some(flight) = state.flights.get_mut(&self.id) else { return };
        flight.holders = flight.holders.saturating_sub(1);
        if flight.holders == 0 {
            let left = if flight.is_settled { 0 } else { flight.amount };
            state.reserved = state.reserved.saturating_sub(left);
            state.flights.remove(&self.id);
        }
    }
}
