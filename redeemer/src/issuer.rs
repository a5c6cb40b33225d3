//! The issuer as the redeemer sees it: a `RedemptionService` over mutual TLS.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use farthing_ecash::{account::AccountKey, amount::Amount};
use farthing_proto::v1::{
    CreditRedemptionRequest, LookUpAccountRequest, redemption_service_client::RedemptionServiceClient,
};
use farthing_service::status::Failure;
use tonic::transport::Channel;

use crate::error::SubmitError;

/// Accounts remembered. An account keeps its class, so nothing in here grows old; when it is full it is emptied.
const KNOWN_MAX: usize = 65_536;

/// A client of the issuer.
pub(crate) struct Issuer {
    client: RedemptionServiceClient<Channel>,
    /// The class of accounts that were looked up.
    known: Mutex<HashMap<[u8; 32], u32>>,
}

impl Issuer {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { client: RedemptionServiceClient::new(channel), known: Mutex::default() }
    }

    /// The class of an account; `None` when there is no such account.
    pub(crate) async fn class_of(&self, account: AccountKey) -> Result<Option<u32>, SubmitError> {
        let key = account.to_bytes();
        if let Some(class) = self.known().get(&key) {
            return Ok(Some(*class));
        }
        let request = LookUpAccountRequest { account_key: key.to_vec() };
        let answer = self.client.clone().look_up_account(request).await;
        let answer = answer.map_err(|status| SubmitError::IssuerUnreachable(status.into()))?.into_inner();
        if !answer.exists {
            return Ok(None);
        }
        let mut known = self.known();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(key, answer.class);
        Ok(Some(answer.class))
    }

    /// Credits an account for a redemption, once for each transaction id.
    pub(crate) async fn credit(&self, id: &[u8], account_key: &[u8], amount: Amount) -> Result<(), Failure> {
        let request = CreditRedemptionRequest {
            transaction_id: id.to_vec(),
            account_key: account_key.to_vec(),
            amount: amount.get(),
        };
        self.client.clone().credit_redemption(request).await?;
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, HashMap<[u8; 32], u32>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
