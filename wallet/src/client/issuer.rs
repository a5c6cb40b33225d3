//! What the wallet asks of the issuer.

use farthing_ecash::{
    account::{AccountKey, AccountProof},
    calendar::Day,
    keys::{KeyId, PublicKey},
    renew::{Grant, GrantRequest},
    seal::EncryptionKey,
};
use farthing_proto::v1::{
    GetAccountRequest, GetAccountResponse, GetDirectoryBucketRequest, GetIssuerRequest, RegisterRequest,
    RequestGrantRequest, WithdrawRequest, issuer_service_client::IssuerServiceClient,
};

use super::{CallError, Client};
use crate::{
    error::{Server, WalletError},
    operation::{Reply, Request},
};

/// The largest bucket that is read, in bytes: 2,047 entries of 1,248 bytes and their envelope, twice.
const BUCKET_BYTES_MAX: usize = 6 * 1024 * 1024;

/// The most validity calendars: one a month for a lifetime.
const CALENDARS_MAX: usize = 1_024;

/// What the issuer says of itself.
pub(crate) struct IssuerFacts {
    pub(crate) origin: String,
    pub(crate) keys: Vec<PublicKey>,
    pub(crate) current: KeyId,
    pub(crate) day: Day,
    pub(crate) time_zone: String,
    /// Verifier key of its log.
    pub(crate) log_key: String,
    /// Where its log has each of the keys.
    pub(crate) key_indices: Vec<u64>,
    /// Where its log says until when wallet states are valid.
    pub(crate) calendar_indices: Vec<u64>,
}

/// An identity's key as the directory shows it.
#[derive(Clone)]
pub(crate) struct Listed {
    pub(crate) hash: [u8; 32],
    pub(crate) key: EncryptionKey,
    /// Where the log has it, once it does.
    pub(crate) log_index: Option<u64>,
}

/// A bucket of the directory.
pub(crate) struct Bucket {
    pub(crate) entries: Vec<Listed>,
    /// How long an entry waits for its place in the log at most, in seconds.
    pub(crate) log_interval_seconds: u32,
    /// Number of identities in the whole directory.
    pub(crate) size: u64,
}

pub(crate) struct IssuerClient(pub(crate) Client);

fn malformed(what: &str) -> WalletError {
    WalletError::Contradiction { server: Server::Issuer, what: format!("it sent {what}") }
}

impl IssuerClient {
    pub(crate) async fn facts(&self) -> Result<IssuerFacts, WalletError> {
        let call = |channel| async move { IssuerServiceClient::new(channel).get_issuer(GetIssuerRequest {}).await };
        let facts = self.0.call(call).await.map_err(CallError::into_error)?.into_inner();
        let keys = facts.keys.iter().map(|key| PublicKey::from_bytes(key)).collect::<Result<_, _>>();
        let current = facts.current_key_id.try_into().map(KeyId::new);
        if facts.calendar_log_indices.len() > CALENDARS_MAX {
            return Err(malformed("more validity calendars than there are months"));
        }
        Ok(IssuerFacts {
            origin: facts.log_origin,
            keys: keys.map_err(|_| malformed("a malformed key"))?,
            current: current.map_err(|_| malformed("a malformed key id"))?,
            day: Day::new(facts.logical_day),
            time_zone: facts.time_zone,
            log_key: facts.log_verifier_key,
            key_indices: facts.key_log_indices,
            calendar_indices: facts.calendar_log_indices,
        })
    }

    pub(crate) async fn register(&self, request: &Request, invitation: &str) -> Result<Reply, CallError> {
        let message = RegisterRequest {
            transaction: request.transaction.as_bytes().to_vec(),
            private_part: request.private.as_bytes().to_vec(),
            invitation: invitation.to_owned(),
        };
        let call = |channel| {
            let message = message.clone();
            async move { IssuerServiceClient::new(channel).register(message).await }
        };
        let reply = self.0.call(call).await?.into_inner();
        Ok(Reply { answer: reply.answer, log_index: reply.log_index })
    }

    pub(crate) async fn withdraw(&self, request: &Request) -> Result<Reply, CallError> {
        let message = WithdrawRequest {
            transaction: request.transaction.as_bytes().to_vec(),
            private_part: request.private.as_bytes().to_vec(),
        };
        let call = |channel| {
            let message = message.clone();
            async move { IssuerServiceClient::new(channel).withdraw(message).await }
        };
        let reply = self.0.call(call).await?.into_inner();
        Ok(Reply { answer: reply.answer, log_index: reply.log_index })
    }

    /// Asks for leave to renew. The same request gets the same again.
    pub(crate) async fn grant(&self, request: &GrantRequest) -> Result<(Grant, u64), WalletError> {
        let message = RequestGrantRequest { request: request.to_bytes() };
        let call = |channel| {
            let message = message.clone();
            async move { IssuerServiceClient::new(channel).request_grant(message).await }
        };
        let answer = self.0.call(call).await.map_err(CallError::into_error)?.into_inner();
        let grant = Grant::from_bytes(&answer.grant).map_err(|_| malformed("a malformed grant"))?;
        Ok((grant, answer.log_index))
    }

    pub(crate) async fn bucket(&self, prefix_bits: u32, prefix: u32) -> Result<Bucket, WalletError> {
        let call = |channel| async move {
            let client = IssuerServiceClient::new(channel);
            let mut client = client.max_decoding_message_size(BUCKET_BYTES_MAX);
            client.get_directory_bucket(GetDirectoryBucketRequest { prefix_bits, prefix }).await
        };
        let bucket = self.0.call(call).await.map_err(CallError::into_error)?.into_inner();
        let entry = |entry: farthing_proto::v1::DirectoryEntry| {
            Some(Listed {
                hash: entry.hash.try_into().ok()?,
                key: EncryptionKey::from_bytes(&entry.encryption_key).ok()?,
                log_index: entry.log_index,
            })
        };
        let entries = bucket.entries.into_iter().map(entry).collect::<Option<_>>();
        let entries = entries.ok_or_else(|| malformed("a malformed directory entry"))?;
        Ok(Bucket { entries, size: bucket.directory_size, log_interval_seconds: bucket.log_interval_seconds })
    }

    pub(crate) async fn account(
        &self,
        account: AccountKey,
        day: Day,
        proof: &AccountProof,
    ) -> Result<GetAccountResponse, WalletError> {
        let message = GetAccountRequest {
            account_key: account.to_bytes().to_vec(),
            day: day.get(),
            proof: proof.to_bytes().to_vec(),
        };
        let call = |channel| {
            let message = message.clone();
            async move { IssuerServiceClient::new(channel).get_account(message).await }
        };
        Ok(self.0.call(call).await.map_err(CallError::into_error)?.into_inner())
    }
}
