//! Split: a note becomes two, by its payee for another day's cap, or by its payer when it has expired.

use farthing_ecash::{amount::Amount, error::ProveError, seed::WalletKeys, split};
use getrandom::{SysRng, rand_core::UnwrapErr};
use serde::{Deserialize, Serialize};

use super::{Draft, Inputs, unbuildable};
use crate::{error::WalletError, terms::Terms};

/// What the split of a received note takes, besides the note and the wallet's state, which is shown and not consumed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Split {
    /// What the first part is worth.
    pub(crate) first: u64,
}

/// What the split of a payment that nobody has claimed takes, besides the payment.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SplitExpired {
    /// What the first part is worth.
    pub(crate) first: u64,
}

fn incomplete() -> WalletError {
    WalletError::Internal { what: "a split without its note or state".to_owned() }
}

/// The wallet's registration is over, or the day of the server is before that of the wallet.
fn over() -> WalletError {
    WalletError::CapExceeded { cap: "of this period".to_owned(), left: Some(Amount::ZERO) }
}

impl Split {
    pub(super) fn build(&self, terms: &Terms, keys: &WalletKeys, inputs: &Inputs) -> Result<Draft, WalletError> {
        let note = inputs.notes.first().ok_or_else(incomplete)?;
        let state = inputs.state.as_ref().ok_or_else(incomplete)?;
        let (first, rng) = (Amount::new(self.first), &mut UnwrapErr(SysRng));
        let built = split::request(&terms.header, &terms.policy, keys, note, first, state, rng);
        let transaction = built.map_err(|error| match error {
            ProveError::Inputs => over(),
            other => unbuildable(other),
        })?;
        Ok(Draft::new(transaction, &[]))
    }
}

impl SplitExpired {
    pub(super) fn build(&self, terms: &Terms, keys: &WalletKeys, inputs: &Inputs) -> Result<Draft, WalletError> {
        let note = inputs.refundables.first().ok_or_else(incomplete)?;
        let (first, rng) = (Amount::new(self.first), &mut UnwrapErr(SysRng));
        let built = split::request_expired(&terms.header, keys, note, first, rng);
        let transaction = built.map_err(|error| match error {
            ProveError::Inputs => over(),
            other => unbuildable(other),
        })?;
        Ok(Draft::new(transaction, &[]))
    }
}
