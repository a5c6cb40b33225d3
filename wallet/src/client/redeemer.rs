//! What the wallet asks of the redeemer.

use std::time::Duration;

use farthing_ecash::{
    calendar::Day,
    keys::KeyId,
    policy::{PolicyBody, SignedRules},
};
use farthing_proto::v1::{
    BucketFilter, GetEntryRequest, GetLogSizeRequest, GetRedeemerRequest, StreamEntriesRequest, StreamEntriesResponse,
    SubmitTransactionRequest, ledger_service_client::LedgerServiceClient,
    redeemer_service_client::RedeemerServiceClient, stream_entries_response::Item,
};
use farthing_service::status::Failure;
use tonic::Streaming;

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
        })
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

    /// Origin and size of the payment log.
    pub(crate) async fn log(&self) -> Result<(String, u64), WalletError> {
        let call = |channel| async move { LedgerServiceClient::new(channel).get_log_size(GetLogSizeRequest {}).await };
        let log = self.0.call(call).await.map_err(CallError::into_error)?.into_inner();
        Ok((log.origin, log.size))
    }

    /// The bytes of one entry.
    pub(crate) async fn entry(&self, index: u64) -> Result<Vec<u8>, WalletError> {
        let call =
            |channel| async move { LedgerServiceClient::new(channel).get_entry(GetEntryRequest { index }).await };
        let entry = self.0.call(call).await.map_err(CallError::into_error)?.into_inner().entry;
        let entry = entry.filter(|entry| entry.index == index);
        Ok(entry.ok_or_else(|| malformed("another entry than the one asked for"))?.entry)
    }

    /// Streams the log from an index to its end; of payments only those of a bucket, if one is given with its bits.
    pub(crate) async fn entries(&self, from_index: u64, bucket: Option<(u32, u32)>) -> Result<Entries, WalletError> {
        let bucket = bucket.map(|(bucket, bits)| BucketFilter { bucket, bits });
        let call = |channel| async move {
            let request = StreamEntriesRequest { from_index, bucket, follow: false };
            LedgerServiceClient::new(channel).stream_entries(request).await
        };
        let stream = self.0.call(call).await.map_err(CallError::into_error)?.into_inner();
        Ok(Entries { stream, next: from_index, patience: self.0.patience() })
    }
}

/// A step through the log.
pub(crate) enum Step {
    /// An entry.
    Entry { index: u64, bytes: Vec<u8> },
    /// The end: everything before this index was sent or left out.
    End(u64),
}

/// A stream of entries, ascending.
pub(crate) struct Entries {
    stream: Streaming<StreamEntriesResponse>,
    next: u64,
    patience: Duration,
}

impl Entries {
    /// The next step. After [`Step::End`] there is none.
    pub(crate) async fn next(&mut self) -> Result<Step, WalletError> {
        let unreachable = |what: String| WalletError::Unreachable { server: Server::Redeemer, what };
        let step = match tokio::time::timeout(self.patience, self.stream.message()).await {
            Err(_) => return Err(unreachable("the stream of entries has stopped".to_owned())),
            Ok(Err(status)) => return Err(unreachable(Failure::from(status).message)),
            Ok(Ok(step)) => step.and_then(|step| step.item),
        };
        match step {
            None => Err(unreachable("the stream of entries ended too early".to_owned())),
            Some(Item::Entry(entry)) if entry.index >= self.next => {
                self.next = entry.index.saturating_add(1);
                Ok(Step::Entry { index: entry.index, bytes: entry.entry })
            }
            Some(Item::CaughtUpTo(end)) if end >= self.next => Ok(Step::End(end)),
            Some(_) => Err(malformed("log entries out of order")),
        }
    }
}
