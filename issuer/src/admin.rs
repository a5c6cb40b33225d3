//! `farthing.v1.IssuerAdminService`: what the operator does.

use std::{collections::BTreeMap, sync::Arc};

use farthing_ecash::{amount::Amount, identity::Identity, policy::UNRESTRICTED};
use farthing_proto::v1::{
    Account as AccountMessage, CreateAccountRequest, CreateAccountResponse, CreditRequest, CreditResponse,
    GetSupplyRequest, GetSupplyResponse, InviteRequest, InviteResponse, ListAccountsRequest, ListAccountsResponse,
    RestrictedBalance, RevokeRequest, RevokeResponse, SetClassRequest, SetClassResponse,
    issuer_admin_service_server::IssuerAdminService,
};
use farthing_store::{Batch, Outcome, Space};
use tonic::{Request, Response, Status};

use crate::{
    accounts::{Account, RACES_MAX},
    error::IssuerError,
    invitation,
    lost::Revoked,
    office::Office,
    registry::{self, Record},
    standing::Standing,
};

/// Request id → amount u64, balance after it u64, little-endian; [`Credited::holder`].
const CREDITS: Space = Space("credit");

/// Accounts on a page when the request does not say.
const PAGE_DEFAULT: usize = 100;

/// Most accounts on a page.
const PAGE_MAX: usize = 1_000;

/// What a credit adds, and to what.
struct Credited {
    identity: Identity,
    purpose: u32,
    amount: Amount,
}

impl Credited {
    /// Whose money of which purpose it is: the canonical identity, and after a byte that is in none the purpose. Money for
    /// anything has no such ending, as all credits had before there were purposes.
    fn holder(&self) -> Vec<u8> {
        let mut holder = self.identity.as_str().as_bytes().to_vec();
        if self.purpose != UNRESTRICTED {
            holder.push(0);
            holder.extend_from_slice(&self.purpose.to_le_bytes());
        }
        holder
    }

    /// The balance that it led to, if it is what was recorded for its request.
    fn balance(&self, record: &[u8]) -> Result<Amount, IssuerError> {
        let (amount, record) = record.split_first_chunk().ok_or_else(IssuerError::damaged)?;
        let (balance, holder) = record.split_first_chunk().ok_or_else(IssuerError::damaged)?;
        if u64::from_le_bytes(*amount) == self.amount.get() && holder == self.holder() {
            Ok(Amount::new(u64::from_le_bytes(*balance)))
        } else {
            Err(IssuerError::RequestIdReused)
        }
    }
}

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

    /// Adds money to an account, once for each request id. Answers the balance of that purpose after it.
    async fn credit(&self, credited: &Credited, request: [u8; 16]) -> Result<Amount, IssuerError> {
        let store = self.log.store();
        if let Some(record) = store.get(CREDITS, &request).await? {
            return credited.balance(&record);
        }
        self.registry.find(&credited.identity).await?.ok_or(IssuerError::IdentityUnknown)?;
        for _ in 0..RACES_MAX {
            let account = self.accounts.read(&credited.identity, credited.purpose).await?;
            let (batch, balance) = account.credit(Batch::new().expect_absent(CREDITS, request), credited.amount)?;
            let sums = [credited.amount.get().to_le_bytes(), balance.get().to_le_bytes()].concat();
            match store.commit(batch.put(CREDITS, request, [sums, credited.holder()].concat())).await? {
                Outcome::Applied { .. } => {
                    tracing::info!("credited an account");
                    return Ok(balance);
                }
                Outcome::Conflict { space: CREDITS, existing: Some(record), .. } => return credited.balance(&record),
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
            let balances = self.accounts.balances(&identity).await?;
            let waiting = Standing::read(self.log.store(), &identity).await?.waiting.is_some();
            accounts.push(AccountMessage {
                waiting,
                class_name: self.class_name(record.class),
                balance: balances.unrestricted.get(),
                restricted: self.by_name(balances.restricted),
                registered: record.account.is_some() && !waiting,
                identity: identity.to_string(),
            });
        }
        Ok(ListAccountsResponse { accounts, next_page_token })
    }

    fn class(&self, name: &str) -> Result<u32, IssuerError> {
        let policy = self.policy.now();
        let class = policy.class_by_name(name).map(|class| class.number());
        class.ok_or_else(|| {
            let names: Vec<_> = policy.classes().iter().map(|class| class.name()).collect();
            IssuerError::field("class_name", format!("the policy has the classes {}", names.join(", ")))
        })
    }
}

fn identity(field: &'static str, text: &str) -> Result<Identity, IssuerError> {
    Identity::parse(text).map_err(|error| IssuerError::field(field, error.to_string()))
}

impl Office {
    /// The number of a purpose; that of unrestricted money for an empty name.
    fn purpose(&self, name: &str) -> Result<u32, IssuerError> {
        let policy = self.policy.now();
        policy.purpose_number(name).ok_or_else(|| {
            let names: Vec<_> = policy.purposes().iter().map(|purpose| purpose.name()).collect();
            let known = match names.as_slice() {
                [] => "the policy has no purposes".to_owned(),
                names => format!("the policy has the purposes {}", names.join(", ")),
            };
            IssuerError::field("purpose", known)
        })
    }

    /// Money for one purpose each, with names. A purpose that the policy does not have any more shows its number.
    pub(crate) fn by_name(&self, restricted: BTreeMap<u32, Amount>) -> Vec<RestrictedBalance> {
        let policy = self.policy.now();
        let name = |number| match policy.purpose(number) {
            Some(purpose) => purpose.name().to_owned(),
            None => number.to_string(),
        };
        let money = restricted.into_iter();
        money.map(|(number, amount)| RestrictedBalance { purpose: name(number), amount: amount.get() }).collect()
    }
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
        let CreditRequest { identity: text, amount, request_id, purpose } = request.into_inner();
        let (identity, purpose) = (identity("identity", &text)?, self.0.purpose(&purpose)?);
        if amount == 0 {
            return Err(IssuerError::field("amount", "must be at least 1").into());
        }
        let id = request_id.try_into().map_err(|_| IssuerError::field("request_id", "must be 16 bytes"))?;
        let credited = Credited { identity, purpose, amount: Amount::new(amount) };
        let credit = |office: Arc<Office>| async move { office.credit(&credited, id).await };
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

    async fn set_class(&self, request: Request<SetClassRequest>) -> Result<Response<SetClassResponse>, Status> {
        let request = request.into_inner();
        let (identity, class) = (identity("identity", &request.identity)?, self.0.class(&request.class_name)?);
        self.0.carry_out(|office| async move { office.set_class(&identity, class).await }).await?;
        Ok(Response::new(SetClassResponse {}))
    }

    async fn revoke(&self, request: Request<RevokeRequest>) -> Result<Response<RevokeResponse>, Status> {
        let identity = identity("identity", &request.into_inner().identity)?;
        let revoked = self.0.carry_out(|office| async move { office.revoke(&identity).await }).await?;
        let Revoked { invitation, valid_through } = revoked;
        Ok(Response::new(RevokeResponse { invitation, valid_through: valid_through.get() }))
    }

    async fn get_supply(&self, _: Request<GetSupplyRequest>) -> Result<Response<GetSupplyResponse>, Status> {
        let totals = self.0.supply.totals();
        let (withdrawn, redeemed) = (totals.withdrawn.get(), totals.redeemed.get());
        let restricted_withdrawn = self.0.by_name(self.0.accounts.restricted_withdrawn().await?);
        Ok(Response::new(GetSupplyResponse { withdrawn, redeemed, restricted_withdrawn }))
    }
}
