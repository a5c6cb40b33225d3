//! What happened on a day, for the audit.

use serde::{Deserialize, Serialize};

/// Entries and amounts of one logical day, of both logs. Amounts in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayCount {
    /// Wallets registered.
    pub registrations: u64,
    /// Withdrawals.
    pub withdrawals: u64,
    /// Their sum.
    pub withdrawn: u128,
    /// Directory entries.
    pub directory: u64,
    /// Payments.
    pub payments: u64,
    /// Their fees.
    pub fees: u128,
    /// Claims and refunds.
    pub claims: u64,
    /// Redemptions.
    pub redemptions: u64,
    /// Their sum.
    pub redeemed: u128,
    /// Swaps, splits and renewals.
    pub others: u64,
}

impl DayCount {
    /// Adds what happened at another time of the same day.
    pub fn add(&mut self, more: &Self) {
        for (sum, more) in [
            (&mut self.registrations, more.registrations),
            (&mut self.withdrawals, more.withdrawals),
            (&mut self.directory, more.directory),
            (&mut self.payments, more.payments),
            (&mut self.claims, more.claims),
            (&mut self.redemptions, more.redemptions),
            (&mut self.others, more.others),
        ] {
            *sum = sum.saturating_add(more);
        }
        for (sum, more) in
            [(&mut self.withdrawn, more.withdrawn), (&mut self.fees, more.fees), (&mut self.redeemed, more.redeemed)]
        {
            *sum = sum.saturating_add(more);
        }
    }
}
