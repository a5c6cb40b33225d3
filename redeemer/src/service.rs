//! `farthing.v1.RedeemerService`: decode, call, encode.

use std::sync::Arc;

use farthing_proto::v1::{
    AttestRequest, AttestResponse, GetRedeemerRequest, GetRedeemerResponse, SubmitTransactionRequest,
    SubmitTransactionResponse, redeemer_service_server::RedeemerService,
};
use farthing_service::listener::Peer;
use tonic::{Request, Response, Status};

use crate::{
    accept::{Accepted, Acceptor},
    attest::Attester,
    keys::Keys,
    ledger::PaymentLog,
    policy::PolicyInForce,
};

/// The service.
pub(crate) struct Service {
    pub(crate) origin: String,
    pub(crate) log_key: String,
    pub(crate) acceptor: Arc<Acceptor>,
    pub(crate) attester: Attester,
    pub(crate) log: Arc<PaymentLog>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) policy: Arc<PolicyInForce>,
}

#[tonic::async_trait]
impl RedeemerService for Service {
    async fn get_redeemer(&self, _: Request<GetRedeemerRequest>) -> Result<Response<GetRedeemerResponse>, Status> {
        let today = self.log.today();
        let policy = self.policy.current();
        let current_key = self.keys.ring().current(today).map(|key| key.public().id());
        Ok(Response::new(GetRedeemerResponse {
            log_origin: self.origin.clone(),
            // Empty when the issuing period of the last key is over.
            current_key_id: current_key.map_or_else(Vec::new, |id| id.as_bytes().to_vec()),
            logical_day: today.get(),
            epoch: policy.epoch(),
            policy: policy.body().to_bytes(),
            rules: policy.rules().to_vec(),
            grace_seconds: u32::try_from(policy.policy().grace_s()).unwrap_or(u32::MAX),
            log_verifier_key: self.log_key.clone(),
            policy_log_index: policy.log_index(),
            rules_log_indices: policy.rules_log_indices().to_vec(),
        }))
    }

    async fn submit_transaction(
        &self,
        request: Request<SubmitTransactionRequest>,
    ) -> Result<Response<SubmitTransactionResponse>, Status> {
        let sender = request.extensions().get::<Peer>().map(Peer::network);
        let SubmitTransactionRequest { transaction, private_part } = request.into_inner();
        let Accepted { answer, log_index } = self.acceptor.submit(transaction, &private_part, sender).await?;
        Ok(Response::new(SubmitTransactionResponse { answer, log_index }))
    }

    async fn attest(&self, request: Request<AttestRequest>) -> Result<Response<AttestResponse>, Status> {
        let attestation = self.attester.attest(&request.into_inner().presentation).await?;
        Ok(Response::new(AttestResponse { attestation: attestation.to_bytes().to_vec() }))
    }
}
