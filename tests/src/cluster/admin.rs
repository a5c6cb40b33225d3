//! What the issuer's operator does.

use farthing_ecash::{amount::Amount, calendar::Month};
use farthing_issuer::config::Config;
use farthing_proto::v1::{
    Account, CreateAccountRequest, CreditRequest, GetSupplyRequest, InviteRequest, ListAccountsRequest, RevokeRequest,
    SetClassRequest, issuer_admin_service_client::IssuerAdminServiceClient,
};
use farthing_service::{
    channel::{self, Deadlines},
    token::TokenBearer,
};
use farthing_wallet::RequestId;
use tonic::{service::interceptor::InterceptedService, transport::Channel};

use super::Cluster;
use crate::demo::Failure;

/// How much money there is, by the issuer's books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supply {
    /// Withdrawn from the beginning.
    pub withdrawn: Amount,
    /// Redeemed and credited from the beginning.
    pub redeemed: Amount,
}

impl Cluster {
    fn admin(&self) -> Result<IssuerAdminServiceClient<InterceptedService<Channel, TokenBearer>>, Failure> {
        let access = Config::load(&self.issuer_config())?.admin_access()?;
        let channel = channel::open(&access.address, &access.tls, Deadlines::default())?;
        Ok(IssuerAdminServiceClient::with_interceptor(channel, access.token.bearer()))
    }

    /// Makes an invitation for an identity of a class.
    ///
    /// # Errors
    /// What the issuer answers.
    pub async fn invite(&self, identity: &str, class: &str) -> Result<String, Failure> {
        let request = InviteRequest { identity: identity.to_owned(), class_name: class.to_owned() };
        Ok(self.admin()?.invite(request).await?.into_inner().invitation)
    }

    /// Changes the class of an identity.
    ///
    /// # Errors
    /// What the issuer answers.
    pub async fn set_class(&self, identity: &str, class: &str) -> Result<(), Failure> {
        let request = SetClassRequest { identity: identity.to_owned(), class_name: class.to_owned() };
        self.admin()?.set_class(request).await?;
        Ok(())
    }

    /// Revokes the wallet of an identity. Answers the invitation for the next one, and through which month the revoked one may
    /// be valid.
    ///
    /// # Errors
    /// What the issuer answers.
    pub async fn revoke(&self, identity: &str) -> Result<(String, Month), Failure> {
        let request = RevokeRequest { identity: identity.to_owned() };
        let revoked = self.admin()?.revoke(request).await?.into_inner();
        Ok((revoked.invitation, Month::new(revoked.valid_through)))
    }

    /// Credits an account.
    ///
    /// # Errors
    /// What the issuer answers.
    pub async fn credit(&self, identity: &str, amount: Amount) -> Result<(), Failure> {
        self.credit_for("", identity, amount).await
    }

    /// Credits an account with money for one purpose, by its name; empty is money for anything.
    ///
    /// # Errors
    /// What the issuer answers.
    pub async fn credit_for(&self, purpose: &str, identity: &str, amount: Amount) -> Result<(), Failure> {
        let request_id = RequestId::random().as_bytes().to_vec();
        let (identity, purpose) = (identity.to_owned(), purpose.to_owned());
        let request = CreditRequest { identity, amount: amount.get(), request_id, purpose };
        self.admin()?.credit(request).await?;
        Ok(())
    }

    /// Opens an account and credits it.
    ///
    /// # Errors
    /// What the issuer answers.
    pub async fn credit_new(&self, identity: &str, class: &str, amount: Amount) -> Result<(), Failure> {
        let request = CreateAccountRequest { identity: identity.to_owned(), class_name: class.to_owned() };
        self.admin()?.create_account(request).await?;
        self.credit(identity, amount).await
    }

    /// What an account holds for anything.
    ///
    /// # Errors
    /// When there is no such account, or what the issuer answers.
    pub async fn account_balance(&self, identity: &str) -> Result<Amount, Failure> {
        Ok(Amount::new(self.account(identity).await?.balance))
    }

    /// What an account holds for one purpose.
    ///
    /// # Errors
    /// When there is no such account, or what the issuer answers.
    pub async fn account_balance_for(&self, purpose: &str, identity: &str) -> Result<Amount, Failure> {
        let account = self.account(identity).await?;
        let part = account.restricted.iter().find(|part| part.purpose == purpose);
        Ok(part.map_or(Amount::ZERO, |part| Amount::new(part.amount)))
    }

    async fn account(&self, identity: &str) -> Result<Account, Failure> {
        let mut page_token = String::new();
        loop {
            let request = ListAccountsRequest { page_size: 100, page_token };
            let page = self.admin()?.list_accounts(request).await?.into_inner();
            let found = page.accounts.into_iter().find(|account: &Account| account.identity == identity);
            match (found, page.next_page_token) {
                (Some(account), _) => return Ok(account),
                (None, token) if token.is_empty() => return Err(format!("{identity} has no account").into()),
                (None, token) => page_token = token,
            }
        }
    }

    /// How much of what was withdrawn was for one purpose.
    ///
    /// # Errors
    /// What the issuer answers.
    pub async fn withdrawn_for(&self, purpose: &str) -> Result<Amount, Failure> {
        let supply = self.admin()?.get_supply(GetSupplyRequest {}).await?.into_inner();
        let part = supply.restricted_withdrawn.iter().find(|part| part.purpose == purpose);
        Ok(part.map_or(Amount::ZERO, |part| Amount::new(part.amount)))
    }

    /// How much was withdrawn and redeemed.
    ///
    /// # Errors
    /// What the issuer answers.
    pub async fn supply(&self) -> Result<Supply, Failure> {
        let supply = self.admin()?.get_supply(GetSupplyRequest {}).await?.into_inner();
        Ok(Supply { withdrawn: Amount::new(supply.withdrawn), redeemed: Amount::new(supply.redeemed) })
    }
}
