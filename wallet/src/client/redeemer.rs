//! What the wallet asks of the redeemer.

use farthing_ecash::{
    calendar::Day,
    disclosure::{Attestation, AttestationRequest},
    keys::KeyId,
    policy::{PolicyBody, SignedRules},
};
use farthing_proto::v1::{
    AttestRequest, GetRedeemerRequest, SubmitTransactionRequest, redeemer_service_client::RedeemerServiceClient,
};

use super::{CallError, Client};
use crate::{
    error::{Server, WalletError},
    operation::{Reply, Request},
};

/// What the redeemer says of itself.
pub(crate) struct RedeemerFacts {
    pub(crate) origin: String,
    pub(crate) current: KeyId,
    pub(crate) day: Day,
    pub(crate) policy: PolicyBody,
    pub(crate) rules: Vec<SignedRules>,
    /// Verifier key of its log.
    pub(crate) log_key: String,
    /// Where its log has the policy.
    pub(crate) policy_index: u64,
    /// Where its log has each of the rules.
    pub(crate) rules_indices: Vec<u64>,
}

pub(crate) struct RedeemerClient(pub(crate) Client);

fn malformed(what: &str) -> WalletError {
    WalletError::Contradiction { server: Server::Redeemer, what: format!("it sent {what}") }
}

impl RedeemerClient {
    pub(crate) async fn facts(&self) -> Result<RedeemerFacts, WalletError> {
        let call =
            |channel| async move { RedeemerServiceClient::new(channel).get_redeemer(GetRedeemerRequest {}).await };
        let facts = self.0.call(call).await.map_err(CallError::into_error)?.into_inner();
        let rules = facts.rules.iter().map(|rules| SignedRules::from_bytes(rules)).collect::<Result<_, _>>();
        let current = facts.current_key_id.try_into().map(KeyId::new);
        let policy = PolicyBody::from_bytes(&facts.policy).map_err(|_| malformed("a malformed policy"))?;
        if policy.terms().epoch != facts.epoch {
            return Err(malformed("a policy of another epoch than it names"));
        }
        Ok(RedeemerFacts {
            origin: facts.log_origin,
            current: current.map_err(|_| malformed("a malformed key id"))?,
            day: Day::new(facts.logical_day),
            policy,
            rules: rules.map_err(|_| malformed("malformed rules"))?,
            log_key: facts.log_verifier_key,
            policy_index: facts.policy_log_index,
            rules_indices: facts.rules_log_indices,
        })
    }

    /// Asks for the attestation of a presentation. What is attested is for the caller to verify.
    pub(crate) async fn attest(&self, request: &AttestationRequest) -> Result<Attestation, WalletError> {
        let message = AttestRequest { presentation: request.to_bytes() };
        let call = |channel| {
            let message = message.clone();
            async move { RedeemerServiceClient::new(channel).attest(message).await }
        };
        let bytes = self.0.call(call).await.map_err(CallError::into_error)?.into_inner().attestation;
        let bytes = bytes.as_slice().try_into().map_err(|_| malformed("a malformed attestation"))?;
        Attestation::from_bytes(bytes).map_err(|_| malformed("a malformed attestation"))
    }

    pub(crate) async fn submit(&self, request: &Request) -> Result<Reply, CallError> {
        let message = SubmitTransactionRequest {
            transaction: request.transaction.as_bytes().to_vec(),
            private_part: request.private.as_bytes().to_vec(),
        };
        let call = |channel| {
            let message = message.clone();
            async move { RedeemerServiceClient::new(channel).submit_transaction(message).await }
        };
        let reply = self.0.call(call).await?.into_inner();
        Ok(Reply { answer: reply.answer, log_index: reply.log_index })
    }
}
