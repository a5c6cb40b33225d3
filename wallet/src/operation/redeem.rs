//! Redeem: coins go back into the account.

use std::sync::Arc;

use farthing_ecash::{amount::Amount, coin::Coin, credential::Credential, redeem, seed::WalletKeys};
use getrandom::{SysRng, rand_core::UnwrapErr};
use serde::{Deserialize, Serialize};

use super::{Draft, unbuildable};
use crate::{error::WalletError, terms::Terms};

/// What a redemption takes.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Redeem {
    pub(crate) amount: u64,
}

impl Redeem {
    pub(super) fn build(
        &self,
        terms: &Terms,
        keys: &WalletKeys,
        coins: &[Arc<Credential<Coin>>],
    ) -> Result<Draft, WalletError> {
        let coins = coins.iter().map(Arc::as_ref);
        let amount = Amount::new(self.amount);
        let (transaction, opening) =
            redeem::request(&terms.header, keys, coins, amount, &mut UnwrapErr(SysRng)).map_err(unbuildable)?;
        Ok(Draft::new(transaction, &opening.to_bytes()[..]))
    }
}
