//! What is special about Renew: a grant in the issuance log, which is used once (docs/PROTOCOL.md section 6).

use std::sync::Arc;

use farthing_ecash::{statement::Statement, transaction::Core};
use farthing_store::Space;

use crate::{error::SubmitError, issuer::Issuer};

/// Index of a grant in the issuance log, u64 little-endian → id of the transaction that used it.
pub(crate) const GRANTS: Space = Space("grant");

/// The grant that a renewal names, as it stands in [`GRANTS`]; `None` for other statements.
pub(crate) fn grant_key(core: &Core) -> Option<[u8; 8]> {
    (core.statement() == Statement::Renew).then(|| core.publics().grant.to_le_bytes())
}

/// Admits renewals.
pub(crate) struct Renewals {
    issuer: Arc<Issuer>,
}

impl Renewals {
    pub(crate) fn new(issuer: Arc<Issuer>) -> Self {
        Self { issuer }
    }

    /// Checks that a renewal is what its grant allows. That the grant was not used is checked where it is written.
    ///
    /// The issuer is asked over mutual TLS; followers check the same in the log.
    pub(crate) async fn admit(&self, core: &Core) -> Result<(), SubmitError> {
        if core.statement() != Statement::Renew {
            return Ok(());
        }
        let grant = self.issuer.grant(core.publics().grant).await?;
        if grant.is_some_and(|grant| grant.covers(core)) { Ok(()) } else { Err(SubmitError::GrantRefused) }
    }
}
