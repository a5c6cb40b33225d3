//! What the operator does when a wallet is lost, or a class changes (docs/PROTOCOL.md sections 5 and 6).

use farthing_ecash::{calendar::Month, identity::Identity};
use farthing_store::{Batch, Outcome};

use crate::{
    accounts::RACES_MAX,
    error::IssuerError,
    invitation,
    office::Office,
    registry::{self, IDENTITIES, Record},
    standing::{Standing, VALIDITIES, WAITING},
};

/// An identity whose wallet was revoked.
pub(crate) struct Revoked {
    /// With which the next wallet is registered.
    pub(crate) invitation: String,
    /// The last month in which a state of the revoked wallet may be valid.
    pub(crate) valid_through: Month,
}

impl Office {
    /// Takes the wallet of an identity away from its account: it gets no grant and no withdrawal any more. The invitation is
    /// for the next one.
    pub(crate) async fn revoke(&self, identity: &Identity) -> Result<Revoked, IssuerError> {
        let code = invitation::draw();
        for _ in 0..RACES_MAX {
            let record = self.registry.find(identity).await?.ok_or(IssuerError::IdentityUnknown)?;
            if record.account.is_none() {
                return Err(IssuerError::field("identity", "has no wallet that could be revoked: invite it"));
            }
            let standing = Standing::read(self.log.store(), identity).await?;
            // Of wallets that an earlier version has registered nothing is on record, but that their validity was shorter.
            let this_month = self.log.today().month();
            let (_, calendar) = self.calendars.of(this_month).ok_or_else(IssuerError::damaged)?;
            let longest = calendar.validity(this_month).plus(calendar.months());
            let valid_through = standing.valid_through.unwrap_or(longest);
            let revoked = Record { account: None, invitation: Some(invitation::hash(&code)), ..record };
            let batch = registry::replace(Batch::new(), identity, Some(record), revoked);
            let batch = standing.end_waiting(standing.promise(batch, identity, valid_through), identity);
            match self.log.store().commit(batch).await? {
                Outcome::Applied { .. } => {
                    tracing::info!("revoked a wallet");
                    return Ok(Revoked { invitation: code, valid_through });
                }
                Outcome::Conflict { space: IDENTITIES | VALIDITIES | WAITING, .. } => {}
                Outcome::Conflict { .. } => return Err(IssuerError::damaged()),
                Outcome::Unknown => return Err(IssuerError::OutcomeUnknown),
            }
        }
        Err(IssuerError::Overloaded)
    }

    /// Changes the class of an identity: of its account at once, of its wallet at the next renewal.
    pub(crate) async fn set_class(&self, identity: &Identity, class: u32) -> Result<(), IssuerError> {
        for _ in 0..RACES_MAX {
            let record = self.registry.find(identity).await?.ok_or(IssuerError::IdentityUnknown)?;
            let batch = registry::replace(Batch::new(), identity, Some(record), Record { class, ..record });
            match self.log.store().commit(batch).await? {
                Outcome::Applied { .. } => {
                    tracing::info!("changed a class");
                    return Ok(());
                }
                Outcome::Conflict { .. } => {}
                Outcome::Unknown => return Err(IssuerError::OutcomeUnknown),
            }
        }
        Err(IssuerError::Overloaded)
    }
}
