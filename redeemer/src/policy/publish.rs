//! Giving a policy its epoch and publishing it, once.
//!
//! Epochs never go back, and an epoch never means two policies. So a policy gets the epoch of the one published last when it
//! is the same to the byte, and the next epoch otherwise. Its body, and its rules signed under every key, are written to the
//! log in one step with the new epoch, before anybody can use them.

use std::collections::BTreeMap;

use farthing_ecash::{
    amount::Currency,
    calendar::Day,
    entry::{Entry, EntryKind},
    keys::{KeyId, KeyRing, SigningKey},
    policy::{PolicyBody, PolicyHash, PolicyTerms, SignedRules},
    rule::sign_rules,
};
use farthing_policy::Policy;
use farthing_store::{Batch, Outcome, READ_ITEMS_MAX, Space};
use getrandom::{SysRng, rand_core::UnwrapErr};

use super::{PolicyInForce, PublishedPolicy};
use crate::{
    error::RunError,
    ledger::{PaymentLog, announce},
};

/// The policy published last: epoch u32 little-endian, hash.
const NEWEST: Space = Space("policy");
const NEWEST_KEY: &[u8] = b"newest";

/// Where a policy stands in the log: by its epoch, big-endian.
const POLICY_ENTRY: Space = Space("policy-entry");

/// Where a policy's rules stand in the log: by its hash and the key id.
const RULES_ENTRY: Space = Space("rules-entry");

/// Publishes the policy, unless it is the one published last, and its rules under every key that they are not published
/// under yet.
///
/// # Errors
/// [`RunError::Currency`] when it is not that of the keys; those of the store.
pub async fn publish(log: &PaymentLog, keys: &KeyRing, policy: Policy) -> Result<PolicyInForce, RunError> {
    check_currency(keys, &policy)?;
    loop {
        let newest = log.store().get(NEWEST, NEWEST_KEY).await?;
        let (body, is_new) = with_epoch(&policy, newest.as_deref())?;
        let hash = body.hash();
        let unsigned = unsigned(log, keys, hash).await?;
        if is_new || !unsigned.is_empty() {
            let signed: Vec<_> = unsigned.iter().map(|key| sign_rules(key, &body, &mut UnwrapErr(SysRng))).collect();
            let outcome = log.commit(|day| batch(day, &body, is_new, newest.as_deref(), &signed)).await?;
            match outcome {
                Outcome::Applied { .. } => {
                    tracing::info!(epoch = body.terms().epoch, is_new, keys = signed.len(), "policy published");
                }
                // Another server on the same store was first: look again.
                Outcome::Conflict { .. } => continue,
                Outcome::Unknown => return Err(RunError::OutcomeUnknown),
            }
        }
        let (rules_log_indices, rules) = published_rules(log, keys, hash).await?.into_iter().unzip();
        let log_index = log.store().get(POLICY_ENTRY, &body.terms().epoch.to_be_bytes()).await?;
        let log_index = stored_index(log_index.as_deref())?;
        let published = published_terms(log).await?;
        return Ok(PolicyInForce {
            current: PublishedPolicy { policy, body, hash, log_index, rules, rules_log_indices },
            published,
        });
    }
}

fn check_currency(keys: &KeyRing, policy: &Policy) -> Result<(), RunError> {
    let shown = |currency: &Currency| format!("{} ({})", currency.code(), currency.exponent());
    match keys.iter().find(|key| key.public().currency() != policy.currency()) {
        None => Ok(()),
        Some(key) => Err(RunError::Currency { policy: shown(policy.currency()), keys: shown(key.public().currency()) }),
    }
}

/// The policy's body in its epoch, and whether that is a new one.
fn with_epoch(policy: &Policy, newest: Option<&[u8]>) -> Result<(PolicyBody, bool), RunError> {
    let Some(newest) = newest else {
        return Ok((policy.body(1), true));
    };
    let damaged = || RunError::Damaged("policy epoch");
    let (epoch, hash) = newest.split_first_chunk::<4>().ok_or_else(damaged)?;
    let epoch = u32::from_le_bytes(*epoch);
    let body = policy.body(epoch);
    if body.hash().as_bytes() == hash {
        return Ok((body, false));
    }
    Ok((policy.body(epoch.checked_add(1).ok_or_else(damaged)?), true))
}

/// The keys under which the policy's rules are not published yet.
async fn unsigned<'k>(log: &PaymentLog, keys: &'k KeyRing, hash: PolicyHash) -> Result<Vec<&'k SigningKey>, RunError> {
    let mut unsigned = Vec::new();
    for key in keys.iter() {
        if log.store().get(RULES_ENTRY, &rules_key(hash, key.public().id())).await?.is_none() {
            unsigned.push(key);
        }
    }
    Ok(unsigned)
}

fn batch(
    day: Day,
    body: &PolicyBody,
    is_new: bool,
    newest: Option<&[u8]>,
    signed: &[SignedRules],
) -> Result<Batch, RunError> {
    let mut batch = match newest {
        None => Batch::new().expect_absent(NEWEST, NEWEST_KEY),
        Some(newest) => Batch::new().expect_equals(NEWEST, NEWEST_KEY, newest),
    };
    if is_new {
        let epoch = body.terms().epoch;
        let index_at = (POLICY_ENTRY, epoch.to_be_bytes().to_vec());
        batch = batch.put(NEWEST, NEWEST_KEY, [&epoch.to_le_bytes()[..], body.hash().as_bytes()].concat());
        batch = announce(batch, EntryKind::Policy, day, body.to_bytes(), index_at)?;
    }
    for rules in signed {
        let key = rules_key(rules.policy(), rules.key());
        batch = batch.expect_absent(RULES_ENTRY, key.clone());
        batch = announce(batch, EntryKind::Rules, day, rules.to_bytes(), (RULES_ENTRY, key))?;
    }
    Ok(batch)
}

/// The indices and bodies of the rules' entries. Their proofs were made with fresh randomness, so only the log has them.
async fn published_rules(log: &PaymentLog, keys: &KeyRing, hash: PolicyHash) -> Result<Vec<(u64, Vec<u8>)>, RunError> {
    let mut bodies = Vec::new();
    for key in keys.iter() {
        let index = log.store().get(RULES_ENTRY, &rules_key(hash, key.public().id())).await?;
        bodies.push((stored_index(index.as_deref())?, body_at(log, index.as_deref()).await?));
    }
    Ok(bodies)
}

/// The terms of every policy in the log, by epoch.
async fn published_terms(log: &PaymentLog) -> Result<BTreeMap<u32, PolicyTerms>, RunError> {
    let mut published = BTreeMap::new();
    for (_, index) in log.store().scan(POLICY_ENTRY, &[], READ_ITEMS_MAX).await? {
        let body = body_at(log, Some(&index)).await?;
        let terms = *PolicyBody::from_bytes(&body).map_err(|_| RunError::Damaged("policy"))?.terms();
        published.insert(terms.epoch, terms);
    }
    Ok(published)
}

fn stored_index(index: Option<&[u8]>) -> Result<u64, RunError> {
    let index = index.and_then(|bytes| bytes.try_into().ok());
    index.map(u64::from_le_bytes).ok_or(RunError::Damaged("index of policies and rules"))
}

/// The body of the entry at a stored index.
async fn body_at(log: &PaymentLog, index: Option<&[u8]>) -> Result<Vec<u8>, RunError> {
    let damaged = || RunError::Damaged("index of policies and rules");
    let index = stored_index(index)?;
    let record = log.read(index).await?.ok_or_else(damaged)?;
    Ok(Entry::from_bytes(&record.entry).map_err(|_| damaged())?.body().to_vec())
}

fn rules_key(hash: PolicyHash, key: KeyId) -> Vec<u8> {
    [*hash.as_bytes(), *key.as_bytes()].concat()
}
