//! The policy as the issuer uses it: time zone, classes and their names, what they may withdraw, purposes.
//!
//! The text of the one in use is kept in the store, so that a start is as strict as a change while the issuer runs.

use std::sync::{Arc, PoisonError, RwLock};

use farthing_policy::{Changes, Policy};
use farthing_store::{Batch, Outcome, Space, Store};

use crate::error::RunError;

/// The text of the policy in use.
const IN_USE: Space = Space("policy");
const TEXT: &[u8] = b"text";

/// The policy in use. It can be replaced while the issuer runs.
pub(crate) struct PolicyInUse {
    store: Store,
    now: RwLock<Arc<Policy>>,
    /// Replacements wait for each other.
    replacing: tokio::sync::Mutex<()>,
}

impl PolicyInUse {
    /// Uses the policy that the issuer starts with.
    pub(crate) async fn start(store: Store, policy: Policy) -> Result<Self, RunError> {
        let before = store.get(IN_USE, TEXT).await?;
        // A text that this version finds wrong was right for another one; there is nothing to compare with.
        if let Some(before) = before.and_then(|text| Policy::from_bytes(&text).ok()) {
            check_change(&before, &policy)?;
        }
        keep(&store, &policy).await?;
        Ok(Self { store, now: RwLock::new(Arc::new(policy)), replacing: tokio::sync::Mutex::new(()) })
    }

    /// The policy at this moment.
    pub(crate) fn now(&self) -> Arc<Policy> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Uses another policy from now on; says whether it is another one.
    pub(crate) async fn replace(&self, policy: Policy) -> Result<bool, RunError> {
        let _alone = self.replacing.lock().await;
        let before = self.now();
        if *before == policy {
            return Ok(false);
        }
        check_change(&before, &policy)?;
        keep(&self.store, &policy).await?;
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        Ok(true)
    }
}

/// Refuses what a running system cannot take, and warns of what may hurt somebody.
fn check_change(before: &Policy, policy: &Policy) -> Result<(), RunError> {
    let changes = Changes::between(before, policy);
    if let Some(why) = changes.refusal() {
        return Err(RunError::PolicyChange(why));
    }
    for (change, how) in changes.dangerous() {
        tracing::warn!(change = %change.line(), dangerous = how, "the policy changes");
    }
    Ok(())
}

async fn keep(store: &Store, policy: &Policy) -> Result<(), RunError> {
    if store.get(IN_USE, TEXT).await?.as_deref() == Some(policy.source().as_bytes()) {
        return Ok(());
    }
    match store.commit(Batch::new().put(IN_USE, TEXT, policy.source().as_bytes())).await? {
        Outcome::Applied { .. } => Ok(()),
        Outcome::Conflict { .. } => Err(crate::error::IssuerError::damaged().into()),
        Outcome::Unknown => Err(crate::error::IssuerError::OutcomeUnknown.into()),
    }
}
