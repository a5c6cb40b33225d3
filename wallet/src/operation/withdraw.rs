//! Withdraw: money of the account becomes a coin.

use farthing_ecash::{amount::Amount, seed::WalletKeys, withdraw};
use getrandom::{SysRng, rand_core::UnwrapErr};
use serde::{Deserialize, Serialize};

use super::{Draft, unbuildable};
use crate::{error::WalletError, terms::Issuance};

/// What a withdrawal takes.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Withdraw {
    pub(crate) amount: u64,
    /// What it may be used for; those of old wallets are for anything.
    #[serde(default)]
    pub(crate) purpose: u32,
}

impl Withdraw {
    pub(super) fn build(&self, issuance: &Issuance, keys: &WalletKeys) -> Result<Draft, WalletError> {
        let amount = Amount::new(self.amount);
        let rng = &mut UnwrapErr(SysRng);
        let (transaction, opening) =
            withdraw::request(issuance.key.id(), issuance.day, keys, amount, self.purpose, rng).map_err(unbuildable)?;
        Ok(Draft::new(transaction, &opening.to_bytes()[..]))
    }
}
