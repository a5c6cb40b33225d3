//! Renew: the wallet's state gets the validity of now, and the class that the issuer has for it.

use farthing_ecash::{
    error::ProveError,
    renew::{self, Grant},
    seed::{Nonce, WalletKeys},
};
use farthing_proto::v1::ErrorReason;
use getrandom::{SysRng, rand_core::UnwrapErr};
use serde::{Deserialize, Serialize};

use super::{Draft, Inputs, unbuildable};
use crate::{
    error::{Server, WalletError},
    record::Hex,
    terms::Terms,
};

/// What a renewal takes besides the wallet's state.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Renew {
    /// The nonce that the grant was asked for with, 24 bytes.
    pub(crate) nonce: Hex,
    /// The grant.
    pub(crate) grant: Hex,
    /// Its index in the issuance log.
    pub(crate) index: u64,
}

impl Renew {
    pub(super) fn build(&self, terms: &Terms, keys: &WalletKeys, inputs: &Inputs) -> Result<Draft, WalletError> {
        let damaged = || WalletError::Damaged { what: "a stored grant is malformed".to_owned() };
        let state = inputs.state.as_ref();
        let state = state.ok_or_else(|| WalletError::Internal { what: "a renewal without a state".to_owned() })?;
        let nonce = Nonce::new(self.nonce.as_bytes().try_into().map_err(|_| damaged())?);
        let grant = Grant::from_bytes(self.grant.as_bytes()).map_err(|_| damaged())?;
        let rng = &mut UnwrapErr(SysRng);
        let built = renew::request(&terms.header, keys, state, &nonce, &grant, self.index, rng);
        let transaction = built.map_err(|error| match error {
            // The grant has run out before it was used: the next attempt asks for another.
            ProveError::Inputs => {
                let message = "the leave to renew has run out; the next attempt asks for another".to_owned();
                WalletError::Refused { server: Server::Issuer, reason: ErrorReason::GrantRefused, message }
            }
            other => unbuildable(other),
        })?;
        Ok(Draft::new(transaction, &[]))
    }
}
