//! Register: the wallet gets an identity and its first state.

use farthing_ecash::{identity::Identity, register, seed::WalletKeys};
use getrandom::{SysRng, rand_core::UnwrapErr};
use serde::{Deserialize, Serialize};

use super::{Draft, unbuildable};
use crate::{error::WalletError, terms::Issuance};

/// What a registration takes.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Register {
    pub(crate) identity: String,
    pub(crate) invitation: String,
    /// The account is open; the day from which on the registration is signed, counted from 1970-01-01.
    #[serde(default)]
    pub(crate) waits_until: Option<u32>,
}

impl Register {
    pub(super) fn build(&self, issuance: &Issuance, keys: &WalletKeys) -> Result<Draft, WalletError> {
        let identity = Identity::parse(&self.identity)?;
        let rng = &mut UnwrapErr(SysRng);
        let (transaction, opening) =
            register::request(issuance.key.id(), issuance.day, keys, &identity, rng).map_err(unbuildable)?;
        Ok(Draft::new(transaction, &opening.to_bytes()))
    }
}
