//! What a follower knows of both logs after so many entries: enough to judge the next one.
//!
//! Everything here is arithmetic on public data. Serials, ids and grants are too many to be held in memory; those that a
//! piece of the log needs come in as [`Known`], and what it adds goes out as [`Writes`].

mod again;
mod checkpoint;
mod days;
mod issuance;
mod payments;
mod record;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use farthing_ecash::{
    calendar::Day,
    credential::kinds::Kind,
    entry::{Entry, EntryKind, leaf_hash},
    keys::{KeyId, PublicKey},
    policy::{PolicyBody, PolicyHash, PolicyTerms},
    replay::Logged,
    statement::Statement,
    transaction::Core,
    validity::Calendars,
};
use farthing_ledger::{hash::Hash, tree::Frontier};

pub use self::{
    again::Stretch,
    checkpoint::{IssuanceHead, Seen},
    days::DayCount,
    record::{BooksRecord, RecordError},
};
use crate::{
    finding::{Finding, Wrong},
    log::Log,
};

/// What is known of one log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Side {
    /// Its tree.
    pub tree: Frontier,
    /// The logical day of its last entry.
    pub day: Option<Day>,
    /// Entries of the last checkpoint that was verified.
    pub checkpoint: u64,
}

/// A published policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its hash.
    pub hash: PolicyHash,
    /// What it says.
    pub body: Arc<PolicyBody>,
    /// Where it stands in the payments log.
    pub index: u64,
    /// When it was published.
    pub day: Day,
}

/// What a follower knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books {
    /// The issuance log.
    pub issuance: Side,
    /// The payments log.
    pub payments: Side,
    /// Announced keys.
    pub keys: Arc<BTreeMap<KeyId, PublicKey>>,
    /// Where each stands in the issuance log, and the day of its entry.
    key_entries: BTreeMap<KeyId, (u64, Day)>,
    /// The validity calendars.
    calendars: Calendars,
    /// By epoch.
    pub policies: BTreeMap<u32, Published>,
    /// Policies with the keys under which their rules are published.
    rules: BTreeSet<(PolicyHash, KeyId)>,
    /// Where these stand.
    rules_entries: Vec<u64>,
    /// Size of the issuance checkpoint that the last payments checkpoint names.
    pub issuance_named: u64,
    /// Sum of all withdrawals so far, in minor units.
    pub withdrawn: u128,
    /// Sum of all redemptions.
    pub redeemed: u128,
    /// Sum of all fees.
    pub fees: u128,
    /// Registrations.
    pub wallets: u64,
    /// What happened on each day, as far as it is in memory: of days that are stored only what was added since.
    pub days: BTreeMap<Day, DayCount>,
}

/// Serials, ids and grants that the next entries touch, as the copy has them.
#[derive(Debug, Default)]
pub struct Known {
    /// Spent serials → the entry of the payments log that spent them.
    pub serials: HashMap<[u8; 32], u64>,
    /// Transaction ids → entry, of the log that is being read.
    pub ids: HashMap<[u8; 32], u64>,
    /// Unused grants by their index in the issuance log: the body of the entry.
    pub grants: HashMap<u64, Vec<u8>>,
}

/// What entries add.
#[derive(Debug, Default)]
pub struct Writes {
    /// Spent serials.
    pub serials: Vec<([u8; 32], u64)>,
    /// Transaction ids.
    pub ids: Vec<([u8; 32], u64)>,
    /// New grants.
    pub grants: Vec<(u64, Vec<u8>)>,
    /// Grants that were used.
    pub used_grants: Vec<u64>,
}

/// An entry with its proof part, decoded.
pub struct Decoded {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its proof part.
    pub proof: Vec<u8>,
    /// What it is.
    pub entry: Entry,
    /// The transaction in it.
    pub logged: Option<Logged>,
}

impl Decoded {
    /// Reads an entry strictly.
    ///
    /// # Errors
    /// [`Wrong::Unreadable`].
    pub fn read(bytes: &[u8], proof: &[u8]) -> Result<Self, Wrong> {
        let entry = Entry::from_bytes(bytes).map_err(Wrong::Unreadable)?;
        let logged = match entry.kind() {
            EntryKind::Transaction(_) => Some(Logged::read(&entry, proof).map_err(Wrong::Unreadable)?),
            _ => None,
        };
        Ok(Self { bytes: bytes.to_vec(), proof: proof.to_vec(), entry, logged })
    }

    /// How many records of the store the entry makes.
    #[must_use]
    pub fn writes(&self) -> usize {
        4 + 2 * self.logged.as_ref().map_or(0, |logged| logged.core().nullifiers().count())
    }

    /// Its leaf in the tree.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        let proof = self.entry.kind().has_proof().then_some(self.proof.as_slice());
        Hash::new(leaf_hash(&self.bytes, proof))
    }
}

impl Books {
    /// What is known of a log.
    #[must_use]
    pub fn side(&self, log: Log) -> &Side {
        match log {
            Log::Issuance => &self.issuance,
            Log::Payments => &self.payments,
        }
    }

    fn side_mut(&mut self, log: Log) -> &mut Side {
        match log {
            Log::Issuance => &mut self.issuance,
            Log::Payments => &mut self.payments,
        }
    }

    /// Takes note of the next entry, if it fits all before it. `issuance` is how much of the issuance log an entry of the
    /// payments log may rest on. Gives the terms of its policy; its proofs are verified apart.
    ///
    /// # Errors
    /// [`Finding`] names the entry and what is wrong with it. Then the books are to be thrown away.
    pub fn enter(
        &mut self,
        log: Log,
        decoded: &Decoded,
        issuance: u64,
        known: &mut Known,
        writes: &mut Writes,
    ) -> Result<Option<PolicyTerms>, Finding> {
        let index = self.side(log).tree.size();
        let mut entering = Entering { books: self, index, issuance, known, writes };
        let terms = entering.enter(log, decoded).map_err(|what| Finding::entry(log, index, what))?;
        self.side_mut(log).tree.push(decoded.leaf());
        Ok(terms)
    }

    /// A key that was announced in the first entries of the issuance log.
    fn announced(&self, id: KeyId, issuance: u64) -> Option<&PublicKey> {
        self.keys.get(&id).filter(|_| self.key_entries.get(&id).is_some_and(|(index, _)| *index < issuance))
    }

    fn count(&mut self, day: Day, count: impl FnOnce(&mut DayCount)) {
        count(self.days.entry(day).or_default());
    }
}

/// An entry that is being entered.
struct Entering<'b> {
    books: &'b mut Books,
    index: u64,
    /// How many entries of the issuance log may be relied on.
    issuance: u64,
    known: &'b mut Known,
    writes: &'b mut Writes,
}

impl Entering<'_> {
    fn enter(&mut self, log: Log, decoded: &Decoded) -> Result<Option<PolicyTerms>, Wrong> {
        let entry = &decoded.entry;
        self.enter_day(log, entry.day())?;
        match (log, entry.kind(), &decoded.logged) {
            (Log::Issuance, EntryKind::Transaction(statement), Some(logged)) if statement.is_for_issuer() => {
                self.enter_transaction(entry.day(), logged)?;
                self.enter_issued(entry.day(), logged)?;
                Ok(None)
            }
            (Log::Payments, EntryKind::Transaction(statement), Some(logged)) if !statement.is_for_issuer() => {
                self.enter_transaction(entry.day(), logged)?;
                self.enter_payment(entry.day(), logged).map(Some)
            }
            (Log::Issuance, EntryKind::Directory, _) => {
                self.books.count(entry.day(), |count| count.directory += 1);
                Ok(None)
            }
            (Log::Issuance, EntryKind::Grant, _) => self.enter_grant(entry).map(|()| None),
            (Log::Issuance, EntryKind::Key, _) => self.enter_key(entry).map(|()| None),
            (Log::Issuance, EntryKind::Calendar, _) => self.enter_calendar(entry).map(|()| None),
            (Log::Payments, EntryKind::Policy, _) => self.enter_policy(entry).map(|()| None),
            (Log::Payments, EntryKind::Rules, _) => self.enter_rules(entry).map(|()| None),
            _ => Err(Wrong::OtherLog),
        }
    }

    /// Logical days do not go back.
    fn enter_day(&mut self, log: Log, day: Day) -> Result<(), Wrong> {
        let side = self.books.side_mut(log);
        if let Some(before) = side.day.filter(|before| day < *before) {
            return Err(Wrong::DayGoesBack { before, day });
        }
        side.day = Some(day);
        Ok(())
    }

    /// What holds for all transactions: their day, their keys, and that none of them stands twice.
    fn enter_transaction(&mut self, day: Day, logged: &Logged) -> Result<(), Wrong> {
        let core = logged.core();
        let statement = core.header().day;
        // The day of the statement is the entry's or, in its first hour, the day before.
        if statement != day && statement.get().checked_add(1) != Some(day.get()) {
            return Err(Wrong::StatementDay { statement, day });
        }
        self.check_keys(core)?;
        let id = *logged.id().as_bytes();
        if let Some(before) = self.known.ids.insert(id, self.index) {
            return Err(Wrong::Repeated(before));
        }
        self.writes.ids.push((id, self.index));
        Ok(())
    }

    /// Outputs are under the key that signs on the statement's day, inputs under keys that are accepted on it.
    fn check_keys(&self, core: &Core) -> Result<(), Wrong> {
        let header = core.header();
        let own = self.key(header.key)?;
        if !own.dates().signs_on(header.day) {
            return Err(Wrong::KeyDoesNotSign(header.key));
        }
        if let Some(current) = self.newer_key(own, header.day) {
            return Err(Wrong::KeyNotCurrent { key: header.key, current });
        }
        for (kind, id) in core.input_keys() {
            let dates = self.key(id)?.dates();
            let until = if core.statement() == Statement::Pay { dates.accept_until } else { dates.exchange_until };
            // A rule is under the key of the outputs, which decoding has checked.
            if kind != Kind::Rule && header.day > until {
                return Err(Wrong::KeyExpired(id));
            }
        }
        Ok(())
    }

    /// A key that signs on a day and comes after this one in their order: so this one is no longer current, as
    /// `KeyRing::current` says. One that was announced on that very day does not count: a server may not know it yet.
    fn newer_key(&self, own: &PublicKey, day: Day) -> Option<KeyId> {
        let newer = self.books.keys.values().filter(|key| key.dates().signs_on(day) && key.turn() > own.turn());
        let known = |id: &KeyId| {
            let announced = self.books.key_entries.get(id);
            announced.is_some_and(|(index, announced)| *index < self.issuance && *announced < day)
        };
        newer.map(PublicKey::id).find(known)
    }

    /// A key that was announced in what may be relied on.
    fn key(&self, id: KeyId) -> Result<&PublicKey, Wrong> {
        self.books.announced(id, self.issuance).ok_or(Wrong::KeyUnknown(id))
    }
}
