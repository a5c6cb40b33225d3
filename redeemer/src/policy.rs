//! The regulation policy in force: its file, its epoch, its published body and its signed rules.

mod file;
mod publish;

use std::collections::BTreeMap;

use farthing_ecash::{
    policy::{PolicyBody, PolicyHash, PolicyTerms},
    transaction::Header,
};
use farthing_policy::Policy;

pub use file::{check_file, load};
pub use publish::publish;

use crate::error::SubmitError;

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
    current: PublishedPolicy,
    /// The terms of every policy that was ever published, by epoch.
    published: BTreeMap<u32, PolicyTerms>,
}

impl PolicyInForce {
    /// The policy to build new statements for.
    #[must_use]
    pub fn current(&self) -> &PublishedPolicy {
        &self.current
    }

    /// The terms that a statement was made under.
    ///
    /// # Errors
    /// [`SubmitError::PolicyMoved`] when that policy is not in force.
    pub fn terms(&self, header: &Header) -> Result<&PolicyTerms, SubmitError> {
        let current = &self.current;
        if (header.epoch, header.policy) == (current.epoch(), current.hash) {
            Ok(current.body.terms())
        } else {
            Err(SubmitError::PolicyMoved { epoch: current.epoch(), hash: current.hash })
        }
    }

    /// How many bits number the buckets of the payments made in an epoch; 0 for an epoch that never was.
    #[must_use]
    pub fn bucket_bits(&self, epoch: u32) -> u8 {
        self.published.get(&epoch).map_or(0, |terms| terms.bucket_bits)
    }
}
