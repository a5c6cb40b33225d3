//! `farthing.v1.IssuerAdminService`: what the operator does.

use std::sync::Arc;

use farthing_ecash::{amount::Amount, identity::Identity, policy::UNRESTRICTED};
use farthing_proto::v1::{
    Account as AccountMessage, CreateAccountRequest, CreateAccountResponse, CreditRequest, CreditResponse,
    GetSupplyRequest, GetSupplyResponse, InviteRequest, InviteResponse, ListAccountsRequest, ListAccountsResponse,
    issuer_admin_service_server::IssuerAdminService,
};
use farthing_store::{Batch, Outcome, Space};
use tonic::{Request, Response, Status};

use crate::{
    accounts::{Account, RACES_MAX},
    error::IssuerError,
    invitation,
    office::Office,
    registry::{self, Record},
};

/// Request id → amount u64, balance after it u64, little-endian; canonical identity.
const CREDITS: Space = Space("credit");

/// Accounts on a page when the request does not say.
const PAGE_DEFAULT: usize = 100;

/// Most accounts on a page.
const PAGE_MAX: usize = 1_000;

impl Office {
    /// Opens an account, or finds it open.
    async fn create_account(&self, identity: &Identity, class: u32) -> Result<(), IssuerError> {
        if self.try_replace(identity, None, Record::new(class)).await? {
            tracing::info!("opened an account");
            return Ok(());
        }
        match self.registry.find(identity).await? {
            Some(record) if record.class == class => Ok(()),
            _ => Err(IssuerError::field("class_name", "the account exists and is of another class")),
        }
    }

    /// Makes an invitation and opens the account when there is none. What was invited before is not any more.
    async fn invite(&self, identity: &Identity, class: u32) -> Result<String, IssuerError> {
        let code = invitation::draw();
        let invited = Record { invitation: Some(invitation::hash(&code)), ..Record::new(class) };
        for _ in 0..RACES_MAX {
            let record = self.registry.find(identity).await?;
            if record.is_some_and(|record| record.account.is_some()) {
                return Err(IssuerError::IdentityTaken);
            }
            if self.try_replace(identity, record, invited).await? {
                tracing::info!("made an invitation");
                return Ok(code);
            }
        }
        Err(IssuerError::Overloaded)
    }

    /// Whether the record was still `old`, and is `new` now.
    async fn try_replace(&self, identity: &Identity, old: Option<Record>, new: Record) -> Result<bool, IssuerError> {
        match self.log.store().commit(registry::replace(Batch::new(), identity, old, new)).await? {
            Outcome::Applied { .. } => Ok(true),
            Outcome::Conflict { .. } => Ok(false),
            Outcome::Unknown => Err(IssuerError::OutcomeUnknown),
        }
    }

    /// Adds money to an account, once for each request id. Answers the balance after it.
    async fn credit(&self, identity: &Identity, amount: Amount, request: [u8; 16]) -> Result<Amount, IssuerError> {
        let store = self.log.store();
        if let Some(credit) = store.get(CREDITS, &request).await? {
            return credited(&credit, identity, amount);
        }
        self.registry.find(identity).await?.ok_or(IssuerError::IdentityUnknown)?;
        for _ in 0..RACES_MAX {
            let account = self.accounts.read(identity, UNRESTRICTED).await?;
            let (batch, balance) = account.credit(Batch::new().expect_absent(CREDITS, request), amount)?;
            let sums = [amount.get().to_le_bytes(), balance.get().to_le_bytes()].concat();
            let credit = [&sums, identity.as_str().as_bytes()].concat();
            match store.commit(batch.put(CREDITS, request, credit)).await? {
                Outcome::Applied { .. } => {
                    tracing::info!("credited an account");
                    return Ok(balance);
                }
                Outcome::Conflict { space: CREDITS, existing: Some(credit), .. } => {
                    return credited(&credit, identity, amount);
                }
                outcome if Account::has_changed(&outcome) => {}
                Outcome::Conflict { .. } => return Err(IssuerError::damaged()),
                Outcome::Unknown => return Err(IssuerError::OutcomeUnknown),
            }
        }
        Err(IssuerError::Overloaded)
    }

    async fn list(&self, request: &ListAccountsRequest) -> Result<ListAccountsResponse, IssuerError> {
        let size = match usize::try_from(request.page_size) {
            Ok(0) => PAGE_DEFAULT,
            Ok(size) if size <= PAGE_MAX => size,
            _ => return Err(IssuerError::field("page_size", format!("at most {PAGE_MAX}"))),
        };
        let after = match request.page_token.as_str() {
            "" => None,
            token => Some(identity("page_token", token)?),
        };
        let page = self.registry.page(after.as_ref(), size).await?;
        let last = page.last().filter(|_| page.len() == size);
        let next_page_token = last.map_or_else(String::new, |(identity, _)| identity.to_string());
        let mut accounts = Vec::with_capacity(page.len());
        for (identity, record) in page {
            accounts.push(AccountMessage {
                class_name: self.class_name(record.class),
                balance: self.accounts.balance(&identity).await?.get(),
                registered: record.account.is_some(),
                identity: identity.to_string(),
            });
        }
        Ok(ListAccountsResponse { accounts, next_page_token })
    }

    fn class(&self, name: &str) -> Result<u32, IssuerError> {
        let class = self.policy.class_by_name(name).map(|class| class.number());
        class.ok_or_else(|| {
            let names: Vec<_> = self.policy.classes().iter().map(|class| class.name()).collect();
            IssuerError::field("class_name", format!("the policy has the classes {}", names.join(", ")))
        })
    }
}

/// The answer to a credit that was made before.
fn credited(credit: &[u8], identity: &Identity, amount: Amount) -> Result<Amount, IssuerError> {
    let (before, credit) = credit.split_first_chunk().ok_or_else(IssuerError::damaged)?;
    let (balance, holder) = credit.split_first_chunk().ok_or_else(IssuerError::damaged)?;
    if u64::from_le_bytes(*before) == amount.get() && holder == identity.as_str().as_bytes() {
        Ok(Amount::new(u64::from_le_bytes(*balance)))
    } else {
        Err(IssuerError::RequestIdReused)
    }
}

fn identity(field: &'static str, text: &str) -> Result<Identity, IssuerError> {
    Identity::parse(text).map_err(|error| IssuerError::field(field, error.to_string()))
}

/// The service. Its listener is on loopback and its callers have the token.
#[derive(Clone)]
pub(crate) struct Admin(pub(crate) Arc<Office>);

#[tonic::async_trait]
impl IssuerAdminService for Admin {
    async fn create_account(
        &self,
        request: Request<CreateAccountRequest>,
    ) -> Result<Response<CreateAccountResponse>, Status> {
        let request = request.into_inner();
        let (identity, class) = (identity("identity", &request.identity)?, self.0.class(&request.class_name)?);
        let answer = CreateAccountResponse { identity: identity.to_string() };
        self.0.carry_out(|office| async move { office.create_account(&identity, class).await }).await?;
        Ok(Response::new(answer))
    }

    async fn credit(&self, request: Request<CreditRequest>) -> Result<Response<CreditResponse>, Status> {
        let CreditRequest { identity: text, amount, request_id } = request.into_inner();
        let identity = identity("identity", &text)?;
        if amount == 0 {
            return Err(IssuerError::field("amount", "must be at least 1").into());
        }
        let id = request_id.try_into().map_err(|_| IssuerError::field("request_id", "must be 16 bytes"))?;
        let credit = |office: Arc<Office>| async move { office.credit(&identity, Amount::new(amount), id).await };
        let balance = self.0.carry_out(credit).await?.get();
        Ok(Response::new(CreditResponse { balance }))
    }

    async fn list_accounts(
        &self,
        request: Request<ListAccountsRequest>,
    ) -> Result<Response<ListAccountsResponse>, Status> {
        Ok(Response::new(self.0.list(request.get_ref()).await?))
    }

    async fn invite(&self, request: Request<InviteRequest>) -> Result<Response<InviteResponse>, Status> {
        let request = request.into_inner();
        let (identity, class) = (identity("identity", &request.identity)?, self.0.class(&request.class_name)?);
        let invitation = self.0.carry_out(|office| async move { office.invite(&identity, class).await }).await?;
        Ok(Response::new(InviteResponse { invitation }))
    }

    async fn get_supply(&self, _: Request<GetSupplyRequest>) -> Result<Response<GetSupplyResponse>, Status> {
        let totals = self.0.supply.totals();
        let (withdrawn, redeemed) = (totals.withdrawn.get(), totals.redeemed.get());
        Ok(Response::new(GetSupplyResponse { withdrawn, redeemed }))
    }
}
