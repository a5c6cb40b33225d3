//! The policy file and the issuing keys are looked at while the redeemer runs, and what has changed is taken as a whole or not
//! at all.

use std::{path::PathBuf, sync::Arc};

use farthing_ecash::keys::SigningKey;
use farthing_policy::Policy;
pub use farthing_service::reload::{KEYS_HEALTH, POLICY_HEALTH, Reload};
use farthing_service::{
    key_files,
    reload::{PolicyLook, look_at_policy},
    server::Health,
    watch::{self, Standing, Take, Verdict, Watch},
};
use tokio_util::sync::CancellationToken;

use crate::{
    error::RunError,
    issuer::Issuer,
    keys::{self, Keys},
    ledger::PaymentLog,
    policy::{PolicyInForce, Replaced},
};

/// Whose files they are.
pub(crate) struct Subject {
    pub(crate) log: Arc<PaymentLog>,
    pub(crate) policy: Arc<PolicyInForce>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) issuer: Arc<Issuer>,
}

/// Takes what changes until the shutdown.
pub(crate) async fn keep(reload: Reload, subject: Subject, health: Health, shutdown: CancellationToken) {
    let Reload { policy: path, policy_status, keys: paths, keys_status, pace } = reload;
    let Subject { log, policy, keys, issuer } = subject;
    let taken = Some(Ok(policy.current().policy().source().as_bytes().to_vec()));
    let watch = Watch::new(vec![path.clone()], look_at_policy, taken, pace.clone());
    let standing = Standing::new(health.clone(), POLICY_HEALTH, policy_status);
    let take = PolicyFile { policy: policy.clone(), keys: keys.clone(), path };
    let policies = watch::keep(take, watch, standing, shutdown.clone());
    // What came since the start, or was not announced then, is taken at once.
    let watch = Watch::new(paths.clone(), key_files::look, key_files::Seen::new(), pace);
    let standing = Standing::new(health, KEYS_HEALTH, keys_status);
    let keys = watch::keep(KeyFiles { log, policy, keys, issuer, paths }, watch, standing, shutdown);
    tokio::join!(policies, keys);
}
/// Puts changed policies in force.
struct PolicyFile {
    policy: Arc<PolicyInForce>,
    keys: Arc<Keys>,
    path: PathBuf,
}

impl PolicyFile {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn read(&self, seen: &PolicyLook) -> Result<Policy, String> {
        let bytes = seen.as_ref().ok_or("there is no file")?.as_ref().map_err(String::clone)?;
        Policy::from_bytes(bytes).map_err(|mistakes| {
            for mistake in &mistakes {
                let (line, column) = (mistake.line(), mistake.column());
                tracing::error!(line, column, "the policy file: {}", mistake.message());
            }
            mistakes.render(&self.name(), &String::from_utf8_lossy(bytes))
        })
    }

    fn stays(&self, why: &str) -> Verdict {
        Verdict::Stays(format!("the policy of epoch {} stays\n{why}", self.policy.current().epoch()))
    }
}

impl Take for PolicyFile {
    type Seen = PolicyLook;

    fn in_force(&self) -> String {
        format!("{} is the policy of epoch {}", self.name(), self.policy.current().epoch())
    }

    async fn take(&self, seen: &PolicyLook) -> Verdict {
        let policy = match self.read(seen) {
            Ok(policy) => policy,
            Err(wrong) => return self.stays(&wrong),
        };
        match self.policy.replace(&self.keys, policy).await {
            Ok(Replaced::By { epoch }) => {
                tracing::info!(epoch, "the policy file has changed: a new epoch");
                Verdict::InForce(self.in_force())
            }
            Ok(Replaced::Same) => Verdict::InForce(self.in_force()),
            Err(error @ (RunError::Store(_) | RunError::OutcomeUnknown)) => Verdict::NotYet(error.to_string()),
            Err(refused) => self.stays(&refused.to_string()),
        }
    }
}

/// Accepts new keys.
struct KeyFiles {
    log: Arc<PaymentLog>,
    policy: Arc<PolicyInForce>,
    keys: Arc<Keys>,
    issuer: Arc<Issuer>,
    paths: Vec<PathBuf>,
}

impl Take for KeyFiles {
    type Seen = key_files::Seen;

    fn in_force(&self) -> String {
        format!("all key files are in use: {}", self.keys.ring().iter().count())
    }

    async fn take(&self, _: &key_files::Seen) -> Verdict {
        let ring = match keys::load(&self.paths) {
            Ok(ring) => ring,
            Err(error) => return Verdict::Stays(error.to_string()),
        };
        let (known, today) = (self.keys.ring(), self.log.today());
        if let Some(key) = keys::missing(&known, &ring, today) {
            return Verdict::Stays(format!("the issuing key {key} is gone, and money under it may still come back"));
        }
        if ring.current(today).is_none() {
            return Verdict::Stays(RunError::NoCurrentKey(today).to_string());
        }
        let fresh: Vec<_> =
            ring.iter().map(SigningKey::public).map(|key| key.id()).filter(|id| known.get(id).is_none()).collect();
        if fresh.is_empty() {
            return Verdict::InForce(self.in_force());
        }
        // Followers would see rules under a key that nobody knows.
        match self.issuer.issuance_checkpoint().await {
            Ok(issuance) => {
                if let Some(unknown) = fresh.iter().find(|id| !issuance.announces(**id)) {
                    return Verdict::NotYet(format!(
                        "the issuer has not announced the key {unknown}: give it the file"
                    ));
                }
            }
            Err(error) => return Verdict::NotYet(format!("whether the new key is announced is not known: {error}")),
        }
        match self.policy.sign_under(&self.keys, ring).await {
            Ok(()) => {
                tracing::info!(fresh = fresh.len(), "new issuing keys are in use");
                Verdict::InForce(self.in_force())
            }
            Err(error @ (RunError::Store(_) | RunError::OutcomeUnknown)) => Verdict::NotYet(error.to_string()),
            Err(error) => Verdict::Stays(error.to_string()),
        }
    }
}
