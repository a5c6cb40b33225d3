//! The wallet's book: everything it holds, in memory and in the vault. Memory follows the vault: an [`Edit`] is made only
//! after it is durable.

pub(crate) mod aging;
mod edit;
mod inquiry;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use farthing_ecash::{
    amount::Amount,
    coin::Coin,
    credential::{Credential, Nullifier},
    keys::{KeyId, PublicKey},
    note::Note,
    refund::Refundable,
    seed::{Seed, WalletKeys},
    wallet_state::WalletState,
};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::{
    error::WalletError,
    history::HistoryItem,
    operation::Operation,
    record::{Hex, Inbox, Pins, Profile, Record, Renewal, StoredRequest, Trust},
    reference::Reference,
    scan::Log,
    terms,
    vault::{Change, Plain, RecordId, Vault},
};

pub(crate) use edit::Edit;
pub(crate) use inquiry::Paid;

/// Keys of the records of which there is one.
const PROFILE: RecordId = RecordId::new([0; 16]);
const INBOX: RecordId = RecordId::new([1; 16]);
const STATE: RecordId = RecordId::new([2; 16]);
const TRUST: RecordId = RecordId::new([3; 16]);
const RENEWAL: RecordId = RecordId::new([9; 16]);

/// A note that waits to be claimed.
#[derive(Clone)]
pub(crate) struct HeldNote {
    pub(crate) credential: Arc<Credential<Note>>,
    /// Number of its item in the history.
    pub(crate) item: u64,
}

impl HeldNote {
    /// The older one comes first; of the parts of one payment the larger one, which was split off to fill a day.
    fn age(&self) -> (u64, Reverse<Amount>) {
        (self.item, Reverse(self.credential.attributes().value()))
    }
}

/// A payment of this wallet that nobody is known to have claimed.
#[derive(Clone)]
pub(crate) struct HeldRefundable {
    pub(crate) note: Arc<Refundable>,
    /// Number of its item in the history.
    pub(crate) item: u64,
}

impl HeldRefundable {
    /// As that of a received note.
    fn age(&self) -> (u64, Reverse<Amount>) {
        (self.item, Reverse(self.note.note().attributes().value()))
    }
}

/// The book.
pub(crate) struct Book {
    vault: Vault,
    profile: Profile,
    inbox: Inbox,
    trust: Trust,
    renewal: Option<Renewal>,
    /// Derived from the seed for the pinned issuer.
    keys: Option<Arc<WalletKeys>>,
    keyring: Arc<BTreeMap<KeyId, PublicKey>>,
    state: Option<Arc<Credential<WalletState>>>,
    coins: BTreeMap<RecordId, Arc<Credential<Coin>>>,
    notes: BTreeMap<RecordId, HeldNote>,
    /// Coins and notes by their serials.
    serials: HashMap<Nullifier, RecordId>,
    refundables: BTreeMap<RecordId, HeldRefundable>,
    /// Those by the serials of their notes, which are also those of a payment to oneself.
    refundable_serials: HashMap<Nullifier, RecordId>,
    operations: BTreeMap<RecordId, Arc<Operation>>,
    items: BTreeMap<u64, (RecordId, HistoryItem)>,
    /// Numbers of items by the cursor of their last change.
    changes: BTreeMap<u64, u64>,
    /// Entries of transactions of this wallet whose outcome is in the book.
    settled: HashSet<(Log, u64)>,
    /// Entries of received payments.
    received: HashMap<u64, u64>,
    /// Requests that this wallet made, and their records.
    requests: BTreeMap<Reference, (RecordId, StoredRequest)>,
    /// Coins and notes that operations consume.
    reserved: BTreeSet<RecordId>,
    /// The cursor of the last change; `None` once the book is closed.
    cursor: watch::Sender<Option<u64>>,
}

impl Book {
    /// The first record of a wallet with this seed.
    /// With `restoring`, its past is in the logs. `trust` is the owner's trust policy.
    pub(crate) fn first(seed: &Seed, restoring: bool, trust: Option<String>) -> Result<Vec<Change>, WalletError> {
        let profile = Profile { seed: Hex::new(seed.as_bytes()), identity: None, pins: None, pid: None, restoring };
        let trust = Trust { policy: trust, ..Trust::default() };
        Ok(vec![
            Change::Put(PROFILE, Record::Profile(profile).to_plain()?),
            Change::Put(TRUST, Record::Trust(trust).to_plain()?),
        ])
    }

    /// Reads the records of an open vault.
    pub(crate) fn read(vault: Vault, records: Vec<(RecordId, Plain)>) -> Result<Self, WalletError> {
        let torn = |what: &str| WalletError::Damaged { what: what.to_owned() };
        let mut book = Self {
            vault,
            profile: Profile { seed: Hex::new(&[]), identity: None, pins: None, pid: None, restoring: false },
            inbox: Inbox::default(),
            trust: Trust::default(),
            renewal: None,
            keys: None,
            keyring: Arc::default(),
            state: None,
            coins: BTreeMap::new(),
            notes: BTreeMap::new(),
            serials: HashMap::new(),
            refundables: BTreeMap::new(),
            refundable_serials: HashMap::new(),
            operations: BTreeMap::new(),
            items: BTreeMap::new(),
            changes: BTreeMap::new(),
            settled: HashSet::new(),
            received: HashMap::new(),
            requests: BTreeMap::new(),
            reserved: BTreeSet::new(),
            cursor: watch::Sender::new(Some(0)),
        };
        for (id, plain) in records {
            match Record::from_plain(&plain)? {
                Record::Profile(profile) => book.profile = profile,
                Record::Inbox(inbox) => book.inbox = inbox,
                Record::Trust(trust) => book.trust = trust,
                Record::Renewal(renewal) => book.renewal = Some(renewal),
                Record::State(state) => {
                    let state = Credential::<WalletState>::from_secret_bytes(state.as_bytes());
                    book.state = Some(Arc::new(state.map_err(|_| torn("the wallet's state is malformed"))?));
                }
                Record::Coin(coin) => {
                    let coin = Credential::<Coin>::from_secret_bytes(coin.as_bytes());
                    book.keep_coin(id, Arc::new(coin.map_err(|_| torn("a coin is malformed"))?));
                }
                Record::Note(note) => {
                    let credential = Credential::<Note>::from_secret_bytes(note.credential.as_bytes());
                    let credential = Arc::new(credential.map_err(|_| torn("a note is malformed"))?);
                    book.keep_note(id, HeldNote { credential, item: note.item });
                }
                Record::Refundable(stored) => {
                    let note = Refundable::from_secret_bytes(stored.secret.as_bytes());
                    let note = Arc::new(note.map_err(|_| torn("what takes a payment back is malformed"))?);
                    book.keep_refundable(id, HeldRefundable { note, item: stored.item });
                }
                Record::Operation(operation) => {
                    book.reserved.extend(&operation.inputs);
                    book.operations.insert(id, Arc::new(operation));
                }
                Record::Item(item) => {
                    let item = HistoryItem::try_from(item)?;
                    book.keep_item(id, item);
                }
                Record::Request(request) => {
                    let reference = Reference::parse(&request.reference);
                    let reference = reference.ok_or_else(|| torn("the reference of a request is malformed"))?;
                    book.requests.insert(reference, (id, request));
                }
            }
        }
        book.derive()?;
        let last = book.changes.last_key_value().map_or(0, |(cursor, _)| *cursor);
        book.cursor.send_replace(Some(last));
        Ok(book)
    }

    /// Derives what follows from seed and pins.
    fn derive(&mut self) -> Result<(), WalletError> {
        let Some(pins) = &self.profile.pins else { return Ok(()) };
        self.keyring = Arc::new(terms::keyring(pins)?);
        if self.keys.is_none() {
            let seed = Zeroizing::new(
                <[u8; 64]>::try_from(self.profile.seed.as_bytes())
                    .map_err(|_| WalletError::Damaged { what: "the wallet's seed has a wrong length".to_owned() })?,
            );
            self.keys = Some(Arc::new(WalletKeys::new(&Seed::from_bytes(*seed), &pins.issuer_origin)));
        }
        Ok(())
    }

    /// What the issuer and the redeemer were at the first contact.
    pub(crate) fn pins(&self) -> Option<&Pins> {
        self.profile.pins.as_ref()
    }

    /// Makes everything durable, lets others open the wallet, and ends all watches.
    pub(crate) async fn close(&self) {
        self.vault.close().await;
        self.cursor.send_replace(None);
    }

    /// Sees the cursor of the last change; `None` once the book is closed.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<u64>> {
        self.cursor.subscribe()
    }
}
