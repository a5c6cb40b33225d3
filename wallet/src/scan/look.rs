//! Looking at single entries: does it concern this wallet? Nothing here waits for another entry, so entries are looked at
//! on all processors at once. Almost all are somebody else's, and of those no point is read.

use std::{collections::HashMap, num::NonZero, sync::Arc};

use farthing_ecash::{
    calendar::Day,
    credential::Nullifier,
    entry::{DirectoryEntry, Entry, EntryKind},
    identity::Pid,
    keys::PublicKey,
    note::{ReceiveError, SealedNote},
    policy::{PolicyBody, PolicyHash},
    seed::WalletKeys,
    statement::Statement,
    transaction::Outline,
    validity::ValidityCalendar,
};

use farthing_ledger::hash::Hash;

use crate::{book::Book, client::ledger::ProofHash, error::WalletError, trust};

/// Bytes before the body of an entry: its type and its logical day.
const HEAD: usize = 5;

/// Fewer entries than this are not worth another thread.
const SHARE_MIN: usize = 64;

/// An entry as a stream brings it.
pub(crate) struct RawEntry {
    pub(crate) index: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) proof_hash: Option<ProofHash>,
}

/// An entry that was looked at.
pub(crate) struct Looked {
    pub(crate) index: u64,
    /// The hash of its leaf.
    pub(crate) leaf: Hash,
    pub(crate) seen: Seen,
}

/// What an entry is to this wallet.
pub(crate) enum Seen {
    /// Nothing.
    Nothing,
    /// An issuing key is announced.
    Key(Box<PublicKey>),
    /// A policy is in force from here on.
    Policy { hash: PolicyHash, months: u32, bucket_bits: u8 },
    /// A calendar by which wallet states are valid, published on this day.
    Calendar { day: Day, calendar: ValidityCalendar },
    /// The directory has a key for this wallet's identity: this wallet's own, or another.
    Directory { own_key: bool },
    /// Something was spent, perhaps of this wallet.
    Transaction(Sighting),
}

/// A transaction.
pub(crate) struct Sighting {
    pub(crate) serials: Vec<Nullifier>,
    /// This wallet or a copy of it made it.
    pub(crate) own: bool,
    /// Its note is sealed to this wallet.
    pub(crate) note: bool,
    /// The entry, when one of both is true.
    pub(crate) entry: Option<Entry>,
}

/// What it takes to recognise what concerns this wallet.
#[derive(Clone)]
pub(crate) struct Looker {
    pub(crate) keys: Arc<WalletKeys>,
    /// Whose wallet it is, from the beginning of the registration on. Nobody can be paid before.
    pub(crate) payee: Option<Pid>,
    /// In how many bits the payments under a policy are marked, as far as the log said so before.
    pub(crate) bucket_bits: HashMap<PolicyHash, u8>,
}

impl Seen {
    /// Whether it makes a difference to this wallet.
    pub(crate) fn concerns(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Transaction(sighting) => sighting.entry.is_some(),
            Self::Key(_) | Self::Policy { .. } | Self::Calendar { .. } | Self::Directory { .. } => true,
        }
    }

    /// Whether it discloses the serial of something that the wallet holds or has paid.
    pub(crate) fn touches(&self, book: &Book) -> bool {
        let held = |serial: &Nullifier| book.find(serial).is_some() || book.find_refundable(serial).is_some();
        matches!(self, Self::Transaction(sighting) if sighting.serials.iter().any(held))
    }
}

impl Looker {
    /// What an entry is to this wallet. What does not decode is of a later version, or broken: it is nothing that this
    /// wallet could use.
    pub(crate) fn look(&self, bytes: &[u8]) -> Seen {
        self.seen(bytes).unwrap_or(Seen::Nothing)
    }

    fn seen(&self, bytes: &[u8]) -> Option<Seen> {
        let (head, body) = bytes.split_at_checked(HEAD)?;
        match EntryKind::from_code(*head.first()?).ok()? {
            EntryKind::Transaction(statement) => self.transaction(statement, bytes, body).map(Seen::Transaction),
            EntryKind::Directory => self.directory(body),
            EntryKind::Key => PublicKey::from_bytes(body).ok().map(|key| Seen::Key(Box::new(key))),
            EntryKind::Policy => {
                let policy = PolicyBody::from_bytes(body).ok()?;
                let terms = policy.terms();
                Some(Seen::Policy { hash: policy.hash(), months: terms.months, bucket_bits: terms.bucket_bits })
            }
            EntryKind::Calendar => {
                let calendar = ValidityCalendar::from_bytes(body).ok()?;
                Some(Seen::Calendar { day: Entry::from_bytes(bytes).ok()?.day(), calendar })
            }
            EntryKind::Grant | EntryKind::Rules => None,
        }
    }

    fn transaction(&self, statement: Statement, bytes: &[u8], body: &[u8]) -> Option<Sighting> {
        let outline = Outline::find(body).ok().filter(|outline| outline.statement() == statement)?;
        let own = outline.is_made_by(&self.keys);
        let note = self.may_be_for_this_wallet(&outline)
            // What opens and is malformed inside is for this wallet too, and worth nothing: that is told later.
            && SealedNote::find(body)
                .is_some_and(|note| !matches!(note.open(&self.keys), Err(ReceiveError::NotForThisWallet)));
        let entry = if own || note { Some(Entry::from_bytes(bytes).ok()?) } else { None };
        Some(Sighting { serials: outline.serials().to_vec(), own, note, entry })
    }

    /// Payments in other buckets are for others: a payer who marks one wrongly hides it, as one who seals it wrongly does.
    fn may_be_for_this_wallet(&self, outline: &Outline<'_>) -> bool {
        let (Some(payee), Some(bucket)) = (&self.payee, outline.bucket()) else { return false };
        self.bucket_bits.get(outline.policy()).is_none_or(|bits| payee.bucket(*bits) == bucket)
    }

    fn directory(&self, body: &[u8]) -> Option<Seen> {
        let hash = self.payee.as_ref()?.directory_hash();
        if !body.starts_with(&hash) {
            return None;
        }
        let entry = DirectoryEntry::from_bytes(body).ok()?;
        Some(Seen::Directory { own_key: entry.key.to_bytes() == self.keys.encryption_key().to_bytes() })
    }
}

/// Looks at entries on all processors. Answers what they are in their order. Blocks.
pub(crate) fn look_at_all(looker: &Looker, entries: &[RawEntry]) -> Result<Vec<Looked>, WalletError> {
    let look_at = |share: &[RawEntry]| -> Vec<Looked> {
        let look = |entry: &RawEntry| Looked {
            index: entry.index,
            leaf: Hash::leaf(&trust::leaf(&entry.bytes, entry.proof_hash.as_ref())),
            seen: looker.look(&entry.bytes),
        };
        share.iter().map(look).collect()
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = entries.len().div_ceil(threads).max(SHARE_MIN);
    if entries.len() <= share {
        return Ok(look_at(entries));
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = entries
            .chunks(share)
            .map(|share| {
                scope.spawn({
                    let look_at = &look_at;
                    move || look_at(share)
                })
            })
            .collect();
        let mut looked = Vec::with_capacity(entries.len());
        for thread in threads {
            let share = thread.join();
            looked.extend(share.map_err(|_| WalletError::Internal { what: "looking at an entry failed".to_owned() })?);
        }
        Ok(looked)
    })
}
