//! The policy file and the issuing keys are looked at while the issuer runs, and what has changed is taken as a whole or not at
//! all.

use std::{path::PathBuf, sync::Arc};

use farthing_ecash::keys::KeyRing;
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
    error::{IssuerError, RunError},
    office::Office,
};

/// Takes what changes until the shutdown.
pub(crate) async fn keep(reload: Reload, office: Arc<Office>, health: Health, shutdown: CancellationToken) {
    let Reload { policy, policy_status, keys, keys_status, pace } = reload;
    let taken = Some(Ok(office.policy.now().source().as_bytes().to_vec()));
    let policy_watch = Watch::new(vec![policy.clone()], look_at_policy, taken, pace.clone());
    let standing = Standing::new(health.clone(), POLICY_HEALTH, policy_status);
    let policies =
        watch::keep(PolicyFile { office: office.clone(), path: policy }, policy_watch, standing, shutdown.clone());
    // What came since the start is taken at once.
    let keys_watch = Watch::new(keys.clone(), key_files::look, key_files::Seen::new(), pace);
    let standing = Standing::new(health, KEYS_HEALTH, keys_status);
    let keys = watch::keep(KeyFiles { office, paths: keys }, keys_watch, standing, shutdown);
    tokio::join!(policies, keys);
}
struct PolicyFile {
    office: Arc<Office>,
    path: PathBuf,
}

impl PolicyFile {
    fn read(&self, seen: &PolicyLook) -> Result<Policy, String> {
        let bytes = seen.as_ref().ok_or("there is no file")?.as_ref().map_err(String::clone)?;
        Policy::from_bytes(bytes).map_err(|mistakes| {
            for mistake in &mistakes {
                let (line, column) = (mistake.line(), mistake.column());
                tracing::error!(line, column, "the policy file: {}", mistake.message());
            }
            mistakes.render(&self.path.display().to_string(), &String::from_utf8_lossy(bytes))
        })
    }
}

impl Take for PolicyFile {
    type Seen = PolicyLook;

    fn in_force(&self) -> String {
        format!("{} is the policy in use", self.path.display())
    }

    async fn take(&self, seen: &PolicyLook) -> Verdict {
        let policy = match self.read(seen) {
            Ok(policy) => policy,
            Err(wrong) => return Verdict::Stays(wrong),
        };
        match self.office.policy.replace(policy).await {
            Ok(is_new) => {
                if is_new {
                    tracing::info!("the policy file has changed and is in use");
                }
                Verdict::InForce(self.in_force())
            }
            Err(error) => verdict(error),
        }
    }
}

struct KeyFiles {
    office: Arc<Office>,
    paths: Vec<PathBuf>,
}

impl Take for KeyFiles {
    type Seen = key_files::Seen;

    fn in_force(&self) -> String {
        let count = self.office.keys.now().ring.iter().count();
        format!("all key files are in use: {count}")
    }

    async fn take(&self, _: &key_files::Seen) -> Verdict {
        let keys = match key_files::load_all(&self.paths) {
            Ok(keys) => KeyRing::new(keys.into_iter().map(|(_, key)| key)),
            Err(error) => return Verdict::Stays(error.to_string()),
        };
        let today = self.office.log.today();
        if keys.current(today).is_none() {
            return Verdict::Stays(RunError::NoCurrentKey(today).to_string());
        }
        if let Err(error) = crate::check_currency(&self.office.policy.now(), &keys) {
            return Verdict::Stays(error.to_string());
        }
        match self.office.keys.replace(&self.office.log, keys).await {
            Ok(fresh) => {
                if fresh > 0 {
                    tracing::info!(fresh, "new issuing keys are in use");
                }
                Verdict::InForce(self.in_force())
            }
            Err(error) => verdict(error),
        }
    }
}

fn verdict(error: RunError) -> Verdict {
    match error {
        RunError::Store(_) | RunError::Stored(IssuerError::OutcomeUnknown | IssuerError::Overloaded) => {
            Verdict::NotYet(error.to_string())
        }
        error => Verdict::Stays(error.to_string()),
    }
}
