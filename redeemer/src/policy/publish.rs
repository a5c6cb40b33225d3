//! Giving a policy its epoch and publishing it, once.
//!
//! Epochs never go back, and an epoch never means two policies. So a policy gets the epoch of the one published last when it
//! is the same to the byte, and the next epoch otherwise. Its body, and its rules signed under every key, are written to the
//! log in one step with the new epoch, before anybody can use them.

use std::collections::{BTreeMap, BTreeSet};

use farthing_ecash::{
    amount::Currency,
    calendar::Day,
    entry::{Entry, EntryKind},
    keys::{KeyId, KeyRing, SigningKey},
    policy::{PolicyBody, PolicyHash, PolicyTerms, SignedRules},
    rule::sign_rules,
};
use farthing_policy::Policy;
use farthing_store::{Batch, Outcome, READ_ITEMS_MAX, Space, Store};
use getrandom::{SysRng, rand_core::UnwrapErr};

use super::PublishedPolicy;
use crate::{
    error::RunError,
    ledger::{PaymentLog, announce},
};

/// The policy published last: epoch u32 little-endian, hash, the moment of its publication i64 little-endian by the wall clock.
/// Without the moment: written by a version that gave no grace.
pub(super) const NEWEST: Space = Space("policy");
pub(super) const NEWEST_KEY: &[u8] = b"newest";

/// Where a policy stands in the log: by its epoch, big-endian.
const POLICY_ENTRY: Space = Space("policy-entry");

/// Where a policy's rules stand in the log: by its hash and the key id.
const RULES_ENTRY: Space = Space("rules-entry");

/// What is published, after a publication.
pub(super) struct Published {
    pub(super) current: PublishedPolicy,
    /// The epoch before.
    pub(super) before: Option<(PolicyTerms, PolicyHash)>,
    /// When the current one was published, by the wall clock.
    pub(super) since: Option<i64>,
    /// The logical day of its entry.
    pub(super) day: Day,
    /// What is stored of the newest.
    pub(super) newest: Vec<u8>,
}

/// Publishes the policy, unless it is the one published last, and its rules under every key that they are not published
/// under yet. `now` is the moment by the wall clock.
///
/// # Errors
/// [`RunError::Currency`] when it is not that of the keys; those of the store.
pub(super) async fn publish(log: &PaymentLog, keys: &KeyRing, policy: Policy, now: i64) -> Result<Published, RunError> {
    check_currency(keys, &policy)?;
    loop {
        let stored = log.store().get(NEWEST, NEWEST_KEY).await?;
        let newest = stored.as_deref().map(Newest::read).transpose()?;
        let (body, is_new) = with_epoch(&policy, newest.as_ref())?;
        let hash = body.hash();
        let fresh = if is_new {
            Newest { epoch: body.terms().epoch, hash: *hash.as_bytes(), since: Some(now) }
        } else {
            newest.ok_or(RunError::Damaged("policy epoch"))?
        };
        let unsigned = unsigned(log, keys, hash).await?;
        if is_new || !unsigned.is_empty() {
            let signed: Vec<_> = unsigned.iter().map(|key| sign_rules(key, &body, &mut UnwrapErr(SysRng))).collect();
            let put = is_new.then(|| fresh.to_bytes());
            let outcome = log.commit(|day| batch(day, &body, put.as_deref(), stored.as_deref(), &signed)).await?;
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
        let before = match body.terms().epoch.checked_sub(1) {
            None | Some(0) => None,
            Some(before) => Some(body_of(log, before).await?),
        };
        let day = entry_at(log, log_index).await?.day();
        return Ok(Published {
            day,
            before: before.map(|body| (*body.terms(), body.hash())),
            since: fresh.since,
            // As it stands in the store, for who compares it.
            newest: if is_new { fresh.to_bytes() } else { stored.unwrap_or_default() },
            current: PublishedPolicy { policy, body, hash, log_index, rules, rules_log_indices },
        });
    }
}

/// The policy that was published last; `None` before the first.
///
/// # Errors
/// Those of the store.
pub(super) async fn newest_policy(log: &PaymentLog) -> Result<Option<Policy>, RunError> {
    let Some(newest) = log.store().get(NEWEST, NEWEST_KEY).await? else { return Ok(None) };
    let body = body_of(log, Newest::read(&newest)?.epoch).await?;
    // A file of before that this version finds wrong was right then; there is nothing to compare with.
    Ok(Policy::from_bytes(body.file()).ok())
}

/// The record of the policy published last.
struct Newest {
    epoch: u32,
    hash: [u8; 32],
    since: Option<i64>,
}

impl Newest {
    fn read(bytes: &[u8]) -> Result<Self, RunError> {
        let read = || {
            let (epoch, rest) = bytes.split_first_chunk()?;
            let (hash, rest) = rest.split_first_chunk()?;
            let since = if rest.is_empty() { None } else { Some(i64::from_le_bytes(rest.try_into().ok()?)) };
            Some(Self { epoch: u32::from_le_bytes(*epoch), hash: *hash, since })
        };
        read().ok_or(RunError::Damaged("policy epoch"))
    }

    fn to_bytes(&self) -> Vec<u8> {
        let since = self.since.map_or_else(Vec::new, |since| since.to_le_bytes().to_vec());
        [&self.epoch.to_le_bytes()[..], &self.hash, &since].concat()
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
fn with_epoch(policy: &Policy, newest: Option<&Newest>) -> Result<(PolicyBody, bool), RunError> {
    let Some(newest) = newest else {
        return Ok((policy.body(1), true));
    };
    let body = policy.body(newest.epoch);
    if *body.hash().as_bytes() == newest.hash {
        return Ok((body, false));
    }
    let next = newest.epoch.checked_add(1).ok_or(RunError::Damaged("policy epoch"))?;
    Ok((policy.body(next), true))
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
    put: Option<&[u8]>,
    newest: Option<&[u8]>,
    signed: &[SignedRules],
) -> Result<Batch, RunError> {
    let mut batch = match newest {
        None => Batch::new().expect_absent(NEWEST, NEWEST_KEY),
        Some(newest) => Batch::new().expect_equals(NEWEST, NEWEST_KEY, newest),
    };
    if let Some(put) = put {
        let index_at = (POLICY_ENTRY, body.terms().epoch.to_be_bytes().to_vec());
        batch = batch.put(NEWEST, NEWEST_KEY, put);
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
///
/// # Errors
/// Those of the store.
pub(super) async fn published_terms(log: &PaymentLog) -> Result<BTreeMap<u32, PolicyTerms>, RunError> {
    let mut published = BTreeMap::new();
    let mut from = Vec::new();
    loop {
        let page = log.store().scan(POLICY_ENTRY, &from, READ_ITEMS_MAX).await?;
        let Some((last, _)) = page.last() else { return Ok(published) };
        from = [last.as_slice(), &[0]].concat();
        for (_, index) in &page {
            let terms = *policy_body(&body_at(log, Some(index)).await?)?.terms();
            published.insert(terms.epoch, terms);
        }
    }
}

/// The policy of an epoch that was published.
async fn body_of(log: &PaymentLog, epoch: u32) -> Result<PolicyBody, RunError> {
    let index = log.store().get(POLICY_ENTRY, &epoch.to_be_bytes()).await?;
    policy_body(&body_at(log, index.as_deref()).await?)
}

fn policy_body(bytes: &[u8]) -> Result<PolicyBody, RunError> {
    PolicyBody::from_bytes(bytes).map_err(|_| RunError::Damaged("policy"))
}

fn stored_index(index: Option<&[u8]>) -> Result<u64, RunError> {
    let index = index.and_then(|bytes| bytes.try_into().ok());
    index.map(u64::from_le_bytes).ok_or(RunError::Damaged("index of policies and rules"))
}

/// The body of the entry at a stored index.
async fn body_at(log: &PaymentLog, index: Option<&[u8]>) -> Result<Vec<u8>, RunError> {
    Ok(entry_at(log, stored_index(index)?).await?.body().to_vec())
}

async fn entry_at(log: &PaymentLog, index: u64) -> Result<Entry, RunError> {
    let damaged = || RunError::Damaged("index of policies and rules");
    let record = log.read(index).await?.ok_or_else(damaged)?;
    Entry::from_bytes(&record.entry).map_err(|_| damaged())
}

/// The keys under which rules of any policy are published.
///
/// # Errors
/// Those of the store.
pub(crate) async fn keys_with_rules(store: &Store) -> Result<BTreeSet<KeyId>, RunError> {
    let (mut found, mut from) = (BTreeSet::new(), Vec::new());
    loop {
        let page = store.scan(RULES_ENTRY, &from, READ_ITEMS_MAX).await?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        from = [last.as_slice(), &[0]].concat();
        for (place, _) in &page {
            let key = place.as_chunks::<32>().0.last().copied().ok_or(RunError::Damaged("the place of a rule"))?;
            found.insert(KeyId::new(key));
        }
    }
}

fn rules_key(hash: PolicyHash, key: KeyId) -> Vec<u8> {
    [*hash.as_bytes(), *key.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_key_is_found_behind_more_rules_than_are_read_at_once() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("store")).unwrap().0;
        let place = |policy: usize| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&policy.to_be_bytes());
            [hash, [u8::from(policy == READ_ITEMS_MAX); 32]].concat()
        };
        let places: Vec<_> = (0..=READ_ITEMS_MAX).map(place).collect();
        for part in places.chunks(1_000) {
            let batch = part.iter().fold(Batch::new(), |batch, place| batch.put(RULES_ENTRY, place.clone(), [0; 8]));
            assert!(matches!(store.commit(batch).await.unwrap(), Outcome::Applied { .. }));
        }
        let found = keys_with_rules(&store).await.unwrap();
        assert_eq!(found, BTreeSet::from([KeyId::new([0; 32]), KeyId::new([1; 32])]));
    }
}
