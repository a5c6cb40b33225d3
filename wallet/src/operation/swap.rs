//! Swap: many coins become one.

use std::sync::Arc;

use farthing_ecash::{coin::Coin, credential::Credential, seed::WalletKeys, swap};
use getrandom::{SysRng, rand_core::UnwrapErr};
use serde::{Deserialize, Serialize};

use super::{Draft, unbuildable};
use crate::{error::WalletError, terms::Terms};

/// What a swap takes: nothing but its coins.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Swap {}

impl Swap {
    pub(super) fn build(
        &self,
        terms: &Terms,
        keys: &WalletKeys,
        coins: &[Arc<Credential<Coin>>],
    ) -> Result<Draft, WalletError> {
        let coins = coins.iter().map(Arc::as_ref);
        let transaction =
            swap::request(&terms.header, keys, coins, None, &mut UnwrapErr(SysRng)).map_err(unbuildable)?;
        Ok(Draft::new(transaction, &[]))
    }
}
