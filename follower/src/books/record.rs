//! How books are stored: what is short as it is, keys, policies and rules as the places of their entries.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use farthing_ecash::{
    calendar::Day,
    entry::Entry,
    keys::PublicKey,
    policy::{PolicyBody, SignedRules},
    validity::{Calendars, ValidityCalendar},
};
use farthing_ledger::{hash::Hash, tree::Frontier};
use serde::{Deserialize, Serialize};

use super::{Books, Published, Side};
use crate::log::Log;

/// What is stored does not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the follower's own copy is damaged: verify the store, or follow anew in an empty folder")]
pub struct RecordError;

#[derive(Serialize, Deserialize)]
struct SideRecord {
    size: u64,
    /// Base64, as in checkpoints.
    peaks: Vec<String>,
    day: Option<u32>,
    checkpoint: u64,
}

/// Books as they are stored.
#[derive(Serialize, Deserialize)]
pub struct BooksRecord {
    issuance: SideRecord,
    payments: SideRecord,
    keys: Vec<u64>,
    #[serde(default)]
    calendars: Vec<u64>,
    /// Copies of earlier versions name the newest only.
    #[serde(default, skip_serializing)]
    calendar: Option<u64>,
    policies: Vec<u64>,
    rules: Vec<u64>,
    issuance_named: u64,
    withdrawn: u128,
    redeemed: u128,
    fees: u128,
    wallets: u64,
}

impl SideRecord {
    fn new(side: &Side) -> Self {
        Self {
            size: side.tree.size(),
            peaks: side.tree.peaks().iter().map(Hash::to_string).collect(),
            day: side.day.map(Day::get),
            checkpoint: side.checkpoint,
        }
    }

    fn side(&self) -> Result<Side, RecordError> {
        let peaks = self.peaks.iter().map(|peak| Hash::from_base64(peak)).collect::<Option<Vec<_>>>();
        let tree = peaks.and_then(|peaks| Frontier::from_peaks(self.size, peaks)).ok_or(RecordError)?;
        Ok(Side { tree, day: self.day.map(Day::new), checkpoint: self.checkpoint })
    }
}

impl BooksRecord {
    /// Of these books.
    #[must_use]
    pub fn new(books: &Books) -> Self {
        Self {
            issuance: SideRecord::new(&books.issuance),
            payments: SideRecord::new(&books.payments),
            keys: books.key_entries.values().map(|(index, _)| *index).collect(),
            calendars: books.calendars.indices().collect(),
            calendar: None,
            policies: books.policies.values().map(|policy| policy.index).collect(),
            rules: books.rules_entries.clone(),
            issuance_named: books.issuance_named,
            withdrawn: books.withdrawn,
            redeemed: books.redeemed,
            fees: books.fees,
            wallets: books.wallets,
        }
    }

    /// The entries that [`BooksRecord::books`] needs.
    pub fn entries(&self) -> impl Iterator<Item = (Log, u64)> {
        let keys = self.keys.iter().chain(&self.calendar).chain(&self.calendars).map(|index| (Log::Issuance, *index));
        keys.chain(self.policies.iter().chain(&self.rules).map(|index| (Log::Payments, *index)))
    }

    /// The books, with those entries.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn books(&self, entries: &BTreeMap<(Log, u64), Entry>) -> Result<Books, RecordError> {
        let entry = |log, index: &u64| entries.get(&(log, *index)).ok_or(RecordError);
        let (mut keys, mut key_entries) = (BTreeMap::new(), BTreeMap::new());
        for index in &self.keys {
            let found = entry(Log::Issuance, index)?;
            let key = PublicKey::from_bytes(found.body()).map_err(|_| RecordError)?;
            key_entries.insert(key.id(), (*index, found.day()));
            keys.insert(key.id(), key);
        }
        let mut calendars = Calendars::default();
        for index in self.calendar.iter().chain(&self.calendars) {
            let found = entry(Log::Issuance, index)?;
            let calendar = ValidityCalendar::from_bytes(found.body()).map_err(|_| RecordError)?;
            calendars.insert(*index, found.day(), calendar);
        }
        let mut policies = BTreeMap::new();
        for index in &self.policies {
            let found = entry(Log::Payments, index)?;
            let body = PolicyBody::from_bytes(found.body()).map_err(|_| RecordError)?;
            let (hash, epoch) = (body.hash(), body.terms().epoch);
            policies.insert(epoch, Published { hash, body: Arc::new(body), index: *index, day: found.day() });
        }
        let mut rules = BTreeSet::new();
        for index in &self.rules {
            let signed = SignedRules::from_bytes(entry(Log::Payments, index)?.body()).map_err(|_| RecordError)?;
            rules.insert((signed.policy(), signed.key()));
        }
        Ok(Books {
            issuance: self.issuance.side()?,
            payments: self.payments.side()?,
            keys: Arc::new(keys),
            key_entries,
            calendars,
            policies,
            rules,
            rules_entries: self.rules.clone(),
            issuance_named: self.issuance_named,
            withdrawn: self.withdrawn,
            redeemed: self.redeemed,
            fees: self.fees,
            wallets: self.wallets,
            days: BTreeMap::new(),
        })
    }
}
