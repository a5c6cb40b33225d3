//! Pay: coins become a note for an identity, and change.

use std::sync::Arc;

use farthing_ecash::{
    amount::Amount,
    coin::Coin,
    credential::Credential,
    error::ProveError,
    identity::Identity,
    pay::{self, Payment},
    seal::{EncryptionKey, Memo},
    seed::WalletKeys,
};
use getrandom::{SysRng, rand_core::UnwrapErr};
use serde::{Deserialize, Serialize};

use super::{Draft, too_little, unbuildable};
use crate::{error::WalletError, record::Hex, terms::Terms};

/// What a payment takes.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Pay {
    pub(crate) payee: String,
    pub(crate) amount: u64,
    pub(crate) memo: String,
    /// The key of the payee's wallet, from the directory.
    pub(crate) encryption_key: Hex,
}

impl Pay {
    pub(super) fn build(
        &self,
        terms: &Terms,
        keys: &WalletKeys,
        coins: &[Arc<Credential<Coin>>],
    ) -> Result<Draft, WalletError> {
        let payee = Identity::parse(&self.payee)?;
        let encryption_key = EncryptionKey::from_bytes(self.encryption_key.as_bytes())
            .map_err(|_| WalletError::Damaged { what: "a stored encryption key is malformed".to_owned() })?;
        let payment = Payment {
            payee: payee.pid(),
            encryption_key: &encryption_key,
            amount: Amount::new(self.amount),
            memo: Memo::new(&self.memo).map_err(|error| WalletError::MemoTooLong { length: error.length })?,
        };
        let inputs = coins.iter().map(Arc::as_ref);
        let policy = terms.policy.terms();
        let transaction = pay::request(&terms.header, &terms.policy, keys, inputs, &payment, &mut UnwrapErr(SysRng))
            .map_err(|error| match error {
                ProveError::InsufficientFunds => too_little(coins, self.amount.saturating_add(policy.fee.get())),
                ProveError::Amount => WalletError::BelowMinimum { minimum: policy.minimum },
                other => unbuildable(other),
            })?;
        Ok(Draft { fee: policy.fee.get(), ..Draft::new(transaction, &[]) })
    }
}
