//! What the wallet asks of the issuer.

use farthing_ecash::{
    account::{AccountKey, AccountProof},
    calendar::Day,
    keys::{KeyId, PublicKey},
    seal::EncryptionKey,
};
use farthing_proto::v1::{
    GetAccountRequest, GetAccountResponse, GetDirectoryBucketRequest, GetIssuerRequest, RegisterRequest,
    WithdrawRequest, issuer_service_client::IssuerServiceClient,
};

use super::{CallError, Client};
use crate::{
    error::{Server, WalletError},
    operation::{Reply, Request},
};

/// The largest bucket that is read, in bytes: 2,047 entries of 1,248 bytes and their envelope, twice.
const BUCKET_BYTES_MAX: usize = 6 * 1024 * 1024;

/// What the issuer says of itself.
pub(crate) struct IssuerFacts {
    pub(crate) origin: String,
    pub(crate) keys: Vec<PublicKey>,
    pub(crate) current: KeyId,
    pub(crate) day: Day,
    pub(crate) time_zone: String,
}

/// A bucket of the directory.
pub(crate) struct Bucket {
    pub(crate) entries: Vec<([u8; 32], EncryptionKey)>,
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
        Ok(IssuerFacts {
            origin: facts.log_origin,
            keys: keys.map_err(|_| malformed("a malformed key"))?,
            current: current.map_err(|_| malformed("a malformed key id"))?,
            day: Day::new(facts.logical_day),
            time_zone: facts.time_zone,
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

    pub(crate) async fn bucket(&self, prefix_bits: u32, prefix: u32) -> Result<Bucket, WalletError> {
        let call = |channel| async move {
            let client = IssuerServiceClient::new(channel);
            let mut client = client.max_decoding_message_size(BUCKET_BYTES_MAX);
            client.get_directory_bucket(GetDirectoryBucketRequest { prefix_bits, prefix }).await
        };
        let bucket = self.0.call(call).await.map_err(CallError::into_error)?.into_inner();
        let entry = |entry: farthing_proto::v1::DirectoryEntry| {
            Some((entry.hash.try_into().ok()?, EncryptionKey::from_bytes(&entry.encryption_key).ok()?))
        };
        let entries = bucket.entries.into_iter().map(entry).collect::<Option<_>>();
        let entries = entries.ok_or_else(|| malformed("a malformed directory entry"))?;
        Ok(Bucket { entries, size: bucket.directory_size })
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
