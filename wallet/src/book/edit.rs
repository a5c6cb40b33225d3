//! Changes of the book.

use std::sync::Arc;

use farthing_ecash::{
    coin::Coin, credential::Credential, identity::Pid, note::Note, refund::Refundable, wallet_state::WalletState,
};

use super::{Book, HeldNote, HeldRefundable, INBOX, PROFILE, RENEWAL, STATE, TRUST};
use crate::{
    error::WalletError,
    history::{HistoryItem, OperationKind, OperationState},
    operation::Operation,
    record::{Hex, Inbox, Pins, Record, Renewal, StoredNote, StoredRefundable, StoredRequest, Trust},
    reference::Reference,
    scan::Log,
    vault::{Change, RecordId},
};

/// One change. Several are made together or not at all.
pub(crate) enum Edit {
    Identity(Option<String>),
    /// The registration was found in the log.
    Registered(Pid),
    /// The logs were looked through to their ends.
    Restored,
    Pins(Pins),
    Inbox(Inbox),
    Trust(Trust),
    /// The nonce of a renewal, before its grant is asked for.
    Renewal(Renewal),
    State(Credential<WalletState>),
    AddCoin(Credential<Coin>),
    DropCoin(RecordId),
    /// A note with the number of its item.
    AddNote(Credential<Note>, u64),
    DropNote(RecordId),
    /// A payment of this wallet with the number of its item.
    AddRefundable(Refundable, u64),
    DropRefundable(RecordId),
    /// The operation is begun, or is built anew.
    Operation(RecordId, Operation),
    /// The operation is finished.
    DropOperation(RecordId),
    /// The item is new or got further. Its cursor is set here.
    Item(HistoryItem),
    /// A request is made.
    Request(Reference, StoredRequest),
}

/// An edit whose record has its key.
enum Ready {
    Identity(Option<String>),
    Registered(Hex),
    Restored,
    Pins(Pins),
    Inbox(Inbox),
    Trust(Trust),
    Renewal(Renewal),
    State(Arc<Credential<WalletState>>),
    Coin(RecordId, Arc<Credential<Coin>>),
    DropCoin(RecordId),
    Note(RecordId, HeldNote),
    DropNote(RecordId),
    Refundable(RecordId, HeldRefundable),
    DropRefundable(RecordId),
    Operation(RecordId, Arc<Operation>),
    DropOperation(RecordId),
    Item(RecordId, HistoryItem),
    Request(Reference, RecordId, StoredRequest),
}

impl Book {
    /// Makes the edits, durable first.
    ///
    /// # Errors
    /// When an edit cannot be made durable; then none is made.
    pub(crate) async fn commit(&mut self, edits: Vec<Edit>) -> Result<(), WalletError> {
        let mut cursor = self.last_cursor();
        let mut profile = self.profile.clone();
        let mut changes = Vec::with_capacity(edits.len());
        let mut ready = Vec::with_capacity(edits.len());
        for edit in edits {
            let (change, edit) = match edit {
                Edit::Identity(identity) => {
                    profile.identity.clone_from(&identity);
                    (Change::Put(PROFILE, Record::Profile(profile.clone()).to_plain()?), Ready::Identity(identity))
                }
                Edit::Registered(pid) => {
                    let pid = Hex::new(&pid.to_bytes());
                    profile.pid = Some(pid.clone());
                    (Change::Put(PROFILE, Record::Profile(profile.clone()).to_plain()?), Ready::Registered(pid))
                }
                Edit::Restored => {
                    profile.restoring = false;
                    (Change::Put(PROFILE, Record::Profile(profile.clone()).to_plain()?), Ready::Restored)
                }
                Edit::Pins(pins) => {
                    profile.pins = Some(pins.clone());
                    (Change::Put(PROFILE, Record::Profile(profile.clone()).to_plain()?), Ready::Pins(pins))
                }
                Edit::Inbox(inbox) => {
                    (Change::Put(INBOX, Record::Inbox(inbox.clone()).to_plain()?), Ready::Inbox(inbox))
                }
                Edit::Trust(trust) => {
                    (Change::Put(TRUST, Record::Trust(trust.clone()).to_plain()?), Ready::Trust(trust))
                }
                Edit::Renewal(renewal) => {
                    (Change::Put(RENEWAL, Record::Renewal(renewal.clone()).to_plain()?), Ready::Renewal(renewal))
                }
                Edit::State(state) => {
                    let record = Record::State(Hex::new(&state.to_secret_bytes()));
                    (Change::Put(STATE, record.to_plain()?), Ready::State(Arc::new(state)))
                }
                Edit::AddCoin(coin) => {
                    let id = RecordId::random()?;
                    let record = Record::Coin(Hex::new(&coin.to_secret_bytes()));
                    (Change::Put(id, record.to_plain()?), Ready::Coin(id, Arc::new(coin)))
                }
                Edit::AddNote(note, item) => {
                    let id = RecordId::random()?;
                    let record = Record::Note(StoredNote { credential: Hex::new(&note.to_secret_bytes()), item });
                    let held = HeldNote { credential: Arc::new(note), item };
                    (Change::Put(id, record.to_plain()?), Ready::Note(id, held))
                }
                Edit::AddRefundable(note, item) => {
                    let id = RecordId::random()?;
                    let record =
                        Record::Refundable(StoredRefundable { secret: Hex::new(&note.to_secret_bytes()), item });
                    let held = HeldRefundable { note: Arc::new(note), item };
                    (Change::Put(id, record.to_plain()?), Ready::Refundable(id, held))
                }
                Edit::Operation(id, operation) => {
                    let record = Record::Operation(operation.clone());
                    (Change::Put(id, record.to_plain()?), Ready::Operation(id, Arc::new(operation)))
                }
                Edit::DropCoin(id) => (Change::Delete(id), Ready::DropCoin(id)),
                Edit::DropNote(id) => (Change::Delete(id), Ready::DropNote(id)),
                Edit::DropRefundable(id) => (Change::Delete(id), Ready::DropRefundable(id)),
                Edit::DropOperation(id) => (Change::Delete(id), Ready::DropOperation(id)),
                Edit::Item(mut item) => {
                    cursor += 1;
                    item.cursor = cursor;
                    let id = self.items.get(&item.number).map_or_else(RecordId::random, |(id, _)| Ok(*id))?;
                    (Change::Put(id, Record::Item((&item).into()).to_plain()?), Ready::Item(id, item))
                }
                Edit::Request(reference, request) => {
                    let id = RecordId::random()?;
                    let record = Record::Request(request.clone());
                    (Change::Put(id, record.to_plain()?), Ready::Request(reference, id, request))
                }
            };
            changes.push(change);
            ready.push(edit);
        }
        self.vault.commit(changes).await?;
        for edit in ready {
            self.apply(edit);
        }
        self.derive()?;
        self.cursor.send_if_modified(|last| last.replace(cursor) != Some(cursor));
        Ok(())
    }

    /// The edit in memory, once it is durable.
    fn apply(&mut self, edit: Ready) {
        match edit {
            Ready::Identity(identity) => self.profile.identity = identity,
            Ready::Registered(pid) => self.profile.pid = Some(pid),
            Ready::Restored => self.profile.restoring = false,
            Ready::Pins(pins) => self.profile.pins = Some(pins),
            Ready::Inbox(inbox) => self.inbox = inbox,
            Ready::Trust(trust) => self.trust = trust,
            Ready::Renewal(renewal) => self.renewal = Some(renewal),
            Ready::State(state) => self.state = Some(state),
            Ready::Coin(id, coin) => self.keep_coin(id, coin),
            Ready::DropCoin(id) => {
                if let Some(coin) = self.coins.remove(&id) {
                    self.serials.remove(&coin.nullifier());
                }
            }
            Ready::Note(id, note) => self.keep_note(id, note),
            Ready::DropNote(id) => {
                if let Some(note) = self.notes.remove(&id) {
                    self.serials.remove(&note.credential.nullifier());
                }
            }
            Ready::Refundable(id, held) => self.keep_refundable(id, held),
            Ready::DropRefundable(id) => {
                if let Some(held) = self.refundables.remove(&id) {
                    self.refundable_serials.remove(&held.note.note().nullifier());
                }
            }
            Ready::Operation(id, operation) => {
                self.reserved.extend(&operation.inputs);
                self.operations.insert(id, operation);
            }
            Ready::DropOperation(id) => {
                for input in self.operations.remove(&id).iter().flat_map(|operation| &operation.inputs) {
                    self.reserved.remove(input);
                }
            }
            Ready::Item(id, item) => self.keep_item(id, item),
            Ready::Request(reference, id, request) => drop(self.requests.insert(reference, (id, request))),
        }
    }

    pub(super) fn keep_coin(&mut self, id: RecordId, coin: Arc<Credential<Coin>>) {
        self.serials.insert(coin.nullifier(), id);
        self.coins.insert(id, coin);
    }

    pub(super) fn keep_note(&mut self, id: RecordId, note: HeldNote) {
        self.serials.insert(note.credential.nullifier(), id);
        self.notes.insert(id, note);
    }

    pub(super) fn keep_refundable(&mut self, id: RecordId, held: HeldRefundable) {
        self.refundable_serials.insert(held.note.note().nullifier(), id);
        self.refundables.insert(id, held);
    }

    pub(super) fn keep_item(&mut self, id: RecordId, item: HistoryItem) {
        if let Some((_, old)) = self.items.get(&item.number) {
            self.changes.remove(&old.cursor);
        }
        self.changes.insert(item.cursor, item.number);
        match item.kind {
            OperationKind::Receive => {
                self.received.extend(item.log_index.map(|index| (index, item.number)));
                self.settled.extend(item.claim_indices.iter().map(|index| (Log::Payments, *index)));
            }
            // The day on which it was rebuilt or refused says nothing of an entry.
            kind if item.state == OperationState::Done => {
                let log = Log::of(kind);
                self.settled.extend(item.log_index.map(|index| (log, index)));
            }
            _ => {}
        }
        self.items.insert(item.number, (id, item));
    }
}
