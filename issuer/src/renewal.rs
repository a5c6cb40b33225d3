//! Leave to renew a wallet state: one outstanding for each identity, the same one when it is asked for again
//! (docs/PROTOCOL.md section 6).

use farthing_ecash::{
    calendar::Day,
    entry::{Entry, EntryKind},
    identity::Identity,
    renew::{Grant, GrantRequest},
};
use farthing_proto::v1::RequestGrantRequest;
use farthing_store::{Batch, Outcome, Space};

use crate::{
    accounts::RACES_MAX,
    error::IssuerError,
    issuance::ISSUANCE,
    office::Office,
    registry::{IDENTITIES, Record},
    standing::{Standing, VALIDITIES},
};

/// Canonical identity → index of its newest grant in the log, u64 little-endian.
const GRANTS: Space = Space("grant");

/// Days after its own for which a grant is good.
const GRANT_DAYS: u32 = 7;

/// A grant, and where the log has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) grant: Grant,
    pub(crate) log_index: u64,
}

impl Office {
    /// Logs a grant, or finds the one that is outstanding.
    pub(crate) async fn grant(&self, request: &RequestGrantRequest) -> Result<Granted, IssuerError> {
        let request = GrantRequest::from_bytes(&request.request)
            .map_err(|error| IssuerError::field("request", error.to_string()))?;
        self.log.check_day(request.day())?;
        let (identity, _) = self.registry.wallet(request.account()).await?;
        let pid = identity.pid();
        let (checked, request) = self.verifier.work(move || (request.check(&pid), request)).await?;
        checked.map_err(|_| IssuerError::ProofInvalid)?;
        for _ in 0..RACES_MAX {
            // Read anew each time: the operator may have revoked the wallet, or changed its class.
            let (_, record) = self.registry.wallet(request.account()).await?;
            let standing = Standing::read(self.log.store(), &identity).await?;
            if standing.waiting.is_some() {
                let from = standing.waits_until(self.log.today()).unwrap_or(self.log.today());
                return Err(IssuerError::RegistrationWaits { from });
            }
            let before = self.log.store().get(GRANTS, identity.as_str().as_bytes()).await?;
            if let Some(granted) = self.outstanding(before.as_deref(), &request).await? {
                return Ok(granted);
            }
            let grant = |day: Day| -> Result<Grant, IssuerError> {
                let last_day = Day::new(day.get().saturating_add(GRANT_DAYS));
                Ok(Grant::new(&request, record.class, self.validity(day.month())?, last_day))
            };
            let draft = |day| draft(&identity, record, standing, before.as_deref(), &grant(day)?, day);
            match self.log.commit(draft).await? {
                Outcome::Applied { positions } => {
                    let log_index = *positions.first().ok_or_else(IssuerError::damaged)?;
                    tracing::info!(log_index, "granted a renewal");
                    return self.granted(log_index).await?.ok_or_else(IssuerError::damaged);
                }
                Outcome::Conflict { space: GRANTS | IDENTITIES | VALIDITIES, .. } => {}
                Outcome::Conflict { .. } => return Err(IssuerError::damaged()),
                Outcome::Unknown => return Err(IssuerError::OutcomeUnknown),
            }
        }
        Err(IssuerError::Overloaded)
    }

    /// The grant that is still good, if the request is for the same `P̂`. Another one has to wait for its end.
    async fn outstanding(&self, index: Option<&[u8]>, request: &GrantRequest) -> Result<Option<Granted>, IssuerError> {
        let Some(index) = index else { return Ok(None) };
        let index = u64::from_le_bytes(index.try_into().map_err(|_| IssuerError::damaged())?);
        let granted = self.granted(index).await?.ok_or_else(IssuerError::damaged)?;
        match granted.grant {
            grant if grant.last_day < self.log.today() => Ok(None),
            grant if grant.is_for(request) => Ok(Some(granted)),
            grant => Err(IssuerError::GrantOutstanding { last_day: grant.last_day }),
        }
    }

    /// The grant at an index of the log; `None` when something else, or nothing, stands there.
    pub(crate) async fn granted(&self, log_index: u64) -> Result<Option<Granted>, IssuerError> {
        let Some(record) = self.log.store().log_read(ISSUANCE, log_index, 1).await?.pop() else { return Ok(None) };
        let entry = Entry::from_bytes(&record.entry).map_err(|_| IssuerError::damaged())?;
        if entry.kind() != EntryKind::Grant {
            return Ok(None);
        }
        let grant = Grant::from_bytes(entry.body()).map_err(|_| IssuerError::damaged())?;
        Ok(Some(Granted { grant, log_index }))
    }
}

/// The grant, if the identity's wallet, its class and its promises are as they were read.
fn draft(
    identity: &Identity,
    record: Record,
    standing: Standing,
    before: Option<&[u8]>,
    grant: &Grant,
    day: Day,
) -> Result<Batch, IssuerError> {
    let key = identity.as_str().as_bytes();
    let entry = Entry::new(EntryKind::Grant, day, grant.to_bytes()).map_err(|_| IssuerError::damaged())?;
    let batch = match before {
        Some(index) => Batch::new().expect_equals(GRANTS, key, index),
        None => Batch::new().expect_absent(GRANTS, key),
    };
    let batch = standing.promise(batch, identity, grant.validity).expect_equals(IDENTITIES, key, record.to_bytes());
    Ok(batch.append(ISSUANCE, entry.to_bytes(), Vec::new(), Some((GRANTS, key.to_vec()))))
}
