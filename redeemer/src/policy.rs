//! The regulation policy in force: its file, its epoch, its published body and its signed rules.
//!
//! It can be replaced while the redeemer runs. A replacement is in the log before anybody uses it; what was built for the policy
//! before is welcome for a grace. Nothing is ever written for a policy older than that, which followers would see.

mod difference;
mod file;
mod publish;

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use farthing_ecash::{
    calendar::Day,
    keys::KeyRing,
    policy::{PolicyBody, PolicyHash, PolicyTerms},
    transaction::Header,
};
use farthing_policy::{Changes, Policy};
use farthing_service::clock::Clock;
use farthing_store::{Batch, Outcome};

pub use difference::diff_files;
pub use file::{check_file, load};

pub(crate) use self::publish::keys_with_rules;
use self::publish::{NEWEST, NEWEST_KEY, Published};
use crate::{
    error::{RunError, SubmitError},
    keys::Keys,
    ledger::PaymentLog,
};

/// A policy that is published in the log. Every statement says for which it was made.
pub struct PublishedPolicy {
    policy: Policy,
    body: PolicyBody,
    hash: PolicyHash,
    /// The index of its entry.
    log_index: u64,
    /// The bodies of its signed-rules entries, one for each key.
    rules: Vec<Vec<u8>>,
    /// Their indices.
    rules_log_indices: Vec<u64>,
}

impl PublishedPolicy {
    /// What the file says.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What the log says.
    #[must_use]
    pub fn body(&self) -> &PolicyBody {
        &self.body
    }

    /// SHA-256 of the body.
    #[must_use]
    pub fn hash(&self) -> PolicyHash {
        self.hash
    }

    /// The epoch, at least 1.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.body.terms().epoch
    }

    /// The index of its entry in the payment log.
    #[must_use]
    pub fn log_index(&self) -> u64 {
        self.log_index
    }

    /// The bodies of the log entries with its signed rules, one for each key.
    #[must_use]
    pub fn rules(&self) -> &[Vec<u8>] {
        &self.rules
    }

    /// The indices of those entries, in the same order.
    #[must_use]
    pub fn rules_log_indices(&self) -> &[u64] {
        &self.rules_log_indices
    }
}

/// The policies that statements may be made for, and what is known of those before.
pub struct PolicyInForce {
    log: Arc<PaymentLog>,
    clock: Arc<dyn Clock>,
    state: RwLock<State>,
    /// Replacements wait for each other.
    replacing: tokio::sync::Mutex<()>,
}

/// What is in force at a moment.
struct State {
    current: Arc<PublishedPolicy>,
    /// The policy before.
    before: Option<Before>,
    /// The terms of every policy that was ever published, by epoch.
    published: BTreeMap<u32, PolicyTerms>,
    /// What the store says is the newest.
    newest: Vec<u8>,
}

/// The policy before the one in force.
struct Before {
    terms: PolicyTerms,
    hash: PolicyHash,
    /// Until when, by the monotonic clock, what was built for it is welcome.
    until: Duration,
    /// The last logical day on which it is. A grace of 24 hours may reach over a day that is shorter; followers count days.
    last_day: Day,
}

/// What became of a policy that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// It is the one in force.
    Same,
    /// It is in force from now on, as this epoch.
    By {
        /// Its epoch.
        epoch: u32,
    },
}

impl PolicyInForce {
    /// Publishes the policy that the redeemer starts with, unless it is the one published last.
    ///
    /// # Errors
    /// As [`PolicyInForce::replace`].
    pub async fn start(
        log: Arc<PaymentLog>,
        keys: &KeyRing,
        policy: Policy,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RunError> {
        if let Some(before) = publish::newest_policy(&log).await? {
            check_change(&before, &policy)?;
        }
        let published = publish::publish(&log, keys, policy, clock.unix_seconds()).await?;
        let terms = publish::published_terms(&log).await?;
        let state = RwLock::new(state_of(published, terms, clock.as_ref()));
        Ok(Self { log, clock, state, replacing: tokio::sync::Mutex::new(()) })
    }

    /// The policy to build new statements for.
    #[must_use]
    pub fn current(&self) -> Arc<PublishedPolicy> {
        self.read(|state| state.current.clone())
    }

    /// The terms that a statement was made under.
    ///
    /// # Errors
    /// [`SubmitError::PolicyMoved`] when that policy is not in force, and was not within its grace.
    pub fn terms(&self, header: &Header) -> Result<PolicyTerms, SubmitError> {
        let (now, today) = (self.clock.monotonic(), self.log.today());
        self.read(|state| state.terms(header, now, today))
    }

    /// A batch that is written on this logical day, only while the policy that a statement was made for is in force or within
    /// its grace, and not older than the one before the newest: the log shows that to everybody.
    ///
    /// # Errors
    /// [`SubmitError::PolicyMoved`].
    pub(crate) fn fence(&self, header: &Header, day: Day) -> Result<PolicyFence, SubmitError> {
        let now = self.clock.monotonic();
        self.read(|state| state.terms(header, now, day).map(|_| PolicyFence(state.newest.clone())))
    }

    /// How many bits number the buckets of the payments made in an epoch; 0 for an epoch that never was.
    #[must_use]
    pub fn bucket_bits(&self, epoch: u32) -> u8 {
        self.read(|state| state.published.get(&epoch).map_or(0, |terms| terms.bucket_bits))
    }

    /// Puts a policy in force as the next epoch, signed under all keys and published before anybody can use it. One that is in
    /// force already changes nothing.
    ///
    /// # Errors
    /// [`RunError::Currency`] and [`RunError::PolicyChange`] when it cannot follow: then everything stays as it was. Otherwise
    /// those of the store, after which it may be tried again.
    pub async fn replace(&self, keys: &Keys, policy: Policy) -> Result<Replaced, RunError> {
        let _alone = self.replacing.lock().await;
        let before = self.current();
        check_change(before.policy(), &policy)?;
        let epoch = self.publish(&keys.ring(), policy).await?;
        Ok(if epoch == before.epoch() { Replaced::Same } else { Replaced::By { epoch } })
    }

    /// Publishes the rules of the policy in force under those of these keys that are new, then accepts these keys.
    ///
    /// # Errors
    /// As [`PolicyInForce::replace`].
    pub async fn sign_under(&self, keys: &Keys, ring: KeyRing) -> Result<(), RunError> {
        let _alone = self.replacing.lock().await;
        self.publish(&ring, self.current().policy().clone()).await?;
        keys.replace(ring);
        Ok(())
    }

    /// Publishes, and lets everybody see it. Answers the epoch.
    async fn publish(&self, ring: &KeyRing, policy: Policy) -> Result<u32, RunError> {
        let published = publish::publish(&self.log, ring, policy, self.clock.unix_seconds()).await?;
        let mut terms = self.read(|state| state.published.clone());
        terms.insert(published.current.epoch(), *published.current.body.terms());
        let state = state_of(published, terms, self.clock.as_ref());
        let epoch = state.current.epoch();
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        Ok(epoch)
    }

    fn read<T>(&self, of: impl FnOnce(&State) -> T) -> T {
        of(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn terms(&self, header: &Header, now: Duration, today: Day) -> Result<PolicyTerms, SubmitError> {
        let (current, named) = (&self.current, (header.epoch, header.policy));
        if named == (current.epoch(), current.hash) {
            return Ok(*current.body.terms());
        }
        let is_welcome = |before: &&Before| {
            named == (before.terms.epoch, before.hash) && now < before.until && today <= before.last_day
        };
        let before = self.before.as_ref().filter(is_welcome).map(|before| before.terms);
        before.ok_or(SubmitError::PolicyMoved { epoch: current.epoch(), hash: current.hash })
    }
}

/// The grace runs from the moment that is stored with the epoch, so a restart neither ends nor renews it. When the clock
/// shows an earlier moment, how much is left cannot be known, and nothing is.
fn state_of(fresh: Published, published: BTreeMap<u32, PolicyTerms>, clock: &dyn Clock) -> State {
    let Published { current, before, since, day, newest } = fresh;
    let passed = since.and_then(|since| clock.unix_seconds().checked_sub(since));
    let passed = passed.and_then(|seconds| u64::try_from(seconds).ok());
    let left = passed.map_or(0, |passed| current.policy.grace_s().saturating_sub(passed));
    let until = clock.monotonic().saturating_add(Duration::from_secs(left));
    let last_day = Day::new(day.get().saturating_add(1));
    let before = before.map(|(terms, hash)| Before { terms, hash, until, last_day });
    State { current: Arc::new(current), before, published, newest }
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

/// The newest policy as something that a batch can depend on.
pub(crate) struct PolicyFence(Vec<u8>);

impl PolicyFence {
    /// The batch, to be applied only while that is the newest policy.
    pub(crate) fn guard(&self, batch: Batch) -> Batch {
        batch.expect_equals(NEWEST, NEWEST_KEY, self.0.as_slice())
    }

    /// Whether a guarded batch was not applied because there is a newer policy. A moment later
    /// [`PolicyInForce::fence`] knows it.
    pub(crate) fn is_over(outcome: &Outcome) -> bool {
        matches!(outcome, Outcome::Conflict { space: NEWEST, .. })
    }
}
