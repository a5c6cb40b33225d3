//! `farthing.v1.IssuerService`: decode, call, encode.

use std::sync::Arc;

use farthing_ecash::{
    account::{AccountKey, AccountProof, ProofContext},
    calendar::Day,
    keys::PublicKey,
    policy::UNRESTRICTED,
};
use farthing_proto::v1::{
    DirectoryEntry, GetAccountRequest, GetAccountResponse, GetDirectoryBucketRequest, GetDirectoryBucketResponse,
    GetIssuerRequest, GetIssuerResponse, RegisterRequest, RegisterResponse, RequestGrantRequest, RequestGrantResponse,
    WithdrawRequest, WithdrawResponse, issuer_service_server::IssuerService,
};
use tonic::{Request, Response, Status};

use crate::{
    directory::Listed, error::IssuerError, issuance::Answered, keys, office::Office, renewal::Granted,
    standing::Standing,
};

/// The service.
#[derive(Clone)]
pub(crate) struct Service(pub(crate) Arc<Office>);

impl Office {
    /// The account of whoever proves that it is his.
    async fn account(&self, request: GetAccountRequest) -> Result<GetAccountResponse, IssuerError> {
        let malformed = |field| move |what: &str| IssuerError::field(field, what);
        let key = request.account_key.try_into().ok().and_then(|bytes| AccountKey::from_bytes(bytes).ok());
        let key = key.ok_or("must be a canonical point").map_err(malformed("account_key"))?;
        let proof = request.proof.try_into().ok().and_then(|bytes| AccountProof::from_bytes(&bytes).ok());
        let proof = proof.ok_or("must be two canonical scalars").map_err(malformed("proof"))?;
        let day = Day::new(request.day);
        self.log.check_day(day)?;
        let (identity, record) = self.registry.wallet(key).await?;
        let verdict = self.verifier.work(move || proof.verify(&ProofContext::account_query(key, day), key)).await?;
        verdict.map_err(|_| IssuerError::ProofInvalid)?;

        let account = self.accounts.read(&identity, UNRESTRICTED).await?;
        let restricted = self.accounts.balances(&identity).await?.restricted;
        let today = self.log.today();
        let standing = Standing::read(self.log.store(), &identity).await?;
        let waits = standing.waiting.map(|_| standing.waits_until(today).unwrap_or(today).get());
        let left = account.left_on(today, self.withdraw_cap(record.class));
        Ok(GetAccountResponse {
            class_name: self.class_name(record.class),
            class: record.class,
            balance: account.balance().get(),
            withdrawn_today: account.withdrawn_on(today).get(),
            withdraw_left_today: left.map(|left| left.get()),
            restricted: self.by_name(restricted),
            registration_from_day: waits,
        })
    }

    /// The name of a class; empty when the policy has it no more.
    pub(crate) fn class_name(&self, class: u32) -> String {
        self.policy.now().class(class).map_or_else(String::new, |class| class.name().to_owned())
    }
}

#[tonic::async_trait]
impl IssuerService for Service {
    async fn get_issuer(&self, _: Request<GetIssuerRequest>) -> Result<Response<GetIssuerResponse>, Status> {
        let Self(office) = self;
        let today = office.log.today();
        let known = office.keys.now();
        let current = known.ring.current(today).map(|key| key.public().id());
        let (calendar_log_index, calendar) = office.calendars.of(today.month()).ok_or_else(IssuerError::damaged)?;
        let index = |key: &PublicKey| known.indices.get(&key.id()).copied();
        let accepted = keys::accepted(&known.ring, today).map(|key| Some((key.to_bytes(), index(key)?)));
        let accepted = accepted.collect::<Option<Vec<_>>>().ok_or_else(IssuerError::damaged)?;
        let (keys, key_log_indices) = accepted.into_iter().unzip();
        Ok(Response::new(GetIssuerResponse {
            log_origin: office.origin.clone(),
            keys,
            key_log_indices,
            log_verifier_key: office.publisher.published().key().to_string(),
            // Empty when the issuing period of the last key is over.
            current_key_id: current.map_or_else(Vec::new, |id| id.as_bytes().to_vec()),
            logical_day: today.get(),
            time_zone: office.policy.now().time_zone().to_owned(),
            calendar: calendar.to_bytes(),
            calendar_log_index,
            calendar_log_indices: office.calendars.indices().collect(),
        }))
    }

    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterResponse>, Status> {
        let request = request.into_inner();
        let answered = self.0.carry_out(|office| async move { office.register(&request).await }).await?;
        let Answered { answer, log_index } = answered;
        Ok(Response::new(RegisterResponse { answer, log_index }))
    }

    async fn request_grant(
        &self,
        request: Request<RequestGrantRequest>,
    ) -> Result<Response<RequestGrantResponse>, Status> {
        let request = request.into_inner();
        let granted = self.0.carry_out(|office| async move { office.grant(&request).await }).await?;
        let Granted { grant, log_index } = granted;
        Ok(Response::new(RequestGrantResponse { grant: grant.to_bytes(), log_index }))
    }

    async fn withdraw(&self, request: Request<WithdrawRequest>) -> Result<Response<WithdrawResponse>, Status> {
        let request = request.into_inner();
        let answered = self.0.carry_out(|office| async move { office.withdraw(&request).await }).await?;
        let Answered { answer, log_index } = answered;
        Ok(Response::new(WithdrawResponse { answer, log_index }))
    }

    async fn get_directory_bucket(
        &self,
        request: Request<GetDirectoryBucketRequest>,
    ) -> Result<Response<GetDirectoryBucketResponse>, Status> {
        let GetDirectoryBucketRequest { prefix_bits, prefix } = request.into_inner();
        let directory = &self.0.directory;
        let entries = directory.bucket(prefix_bits, prefix).await?;
        let entries = entries.into_iter().map(|Listed { hash, encryption_key, log_index }| DirectoryEntry {
            hash,
            encryption_key,
            log_index,
        });
        let (entries, directory_size) = (entries.collect(), directory.size());
        let interval = self.0.directory_interval.as_secs().saturating_add(1);
        let log_interval_seconds = u32::try_from(interval).unwrap_or(u32::MAX);
        Ok(Response::new(GetDirectoryBucketResponse { entries, directory_size, log_interval_seconds }))
    }

    async fn get_account(&self, request: Request<GetAccountRequest>) -> Result<Response<GetAccountResponse>, Status> {
        Ok(Response::new(self.0.account(request.into_inner()).await?))
    }
}
