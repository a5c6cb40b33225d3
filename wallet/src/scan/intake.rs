//! Taking what the log brings into the book: entry after entry in the order of the log, because what one brings the next may
//! spend. All of a round becomes one durable step.
//!
//! The same code restores a wallet from its words and keeps two devices with one seed together: to a wallet that knows
//! nothing, all of its past was done by another copy of it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use farthing_ecash::{
    amount::Amount,
    claim,
    coin::Coin,
    credential::{Credential, Nullifier, issue::Answer},
    entry::{Entry, EntryKind},
    identity::{Identity, Pid},
    keys::{KeyId, PublicKey},
    note::{self, Note},
    pay,
    policy::UNRESTRICTED,
    redeem,
    refund::{self, Refundable},
    register, renew,
    seed::WalletKeys,
    split,
    statement::Statement,
    swap,
    transaction::Core,
    wallet_state::WalletState,
    withdraw,
};

use super::{
    Log,
    look::{Seen, Sighting},
};
use crate::{
    book::{Book, Edit},
    error::WalletError,
    history::{HistoryItem, OperationKind, OperationState, PaidNote},
    operation::{Operation, failed, paid_note},
    record::{Hex, Inbox, Pins},
    reference,
    vault::RecordId,
};

/// Why a round cannot be taken in yet.
pub(crate) enum Stop {
    /// Something is under a key that is not known.
    Key(KeyId),
    /// A payment of or to this wallet is under a policy that is not known.
    Policy,
    /// The log cannot be true, or the book cannot be read.
    Error(WalletError),
}

impl From<WalletError> for Stop {
    fn from(error: WalletError) -> Self {
        Self::Error(error)
    }
}

/// What a round brought besides edits.
#[derive(Default)]
pub(crate) struct Brought {
    /// Payments that are sealed to this wallet but worth nothing.
    pub(crate) worthless: u64,
}

/// What an entry of this wallet brought.
struct Outcome {
    coins: Vec<Credential<Coin>>,
    state: Option<Credential<WalletState>>,
    amount: Amount,
    payee: Option<Pid>,
    /// Parts of a received note.
    notes: Vec<Credential<Note>>,
    /// What takes a payment back, or parts of one.
    refundables: Vec<Refundable>,
    /// What the link of a payment is made of again.
    paid_note: Option<PaidNote>,
    /// The item that notes and payments belong to, if it is not that of the entry.
    whole: Option<u64>,
}

impl Outcome {
    fn new(coin: Credential<Coin>, amount: Amount) -> Self {
        Self { coins: vec![coin], ..Self::nothing(amount) }
    }

    fn nothing(amount: Amount) -> Self {
        let (coins, notes, refundables) = (Vec::new(), Vec::new(), Vec::new());
        Self { coins, state: None, amount, payee: None, notes, refundables, paid_note: None, whole: None }
    }

    /// What its money may be used for; a transaction has one purpose.
    fn purpose(&self) -> u32 {
        let coin = self.coins.first().map(|coin| coin.attributes().purpose());
        let note = || self.notes.first().or(self.refundables.first().map(Refundable::note));
        coin.or_else(|| note().map(|note| note.attributes().purpose())).unwrap_or(UNRESTRICTED)
    }
}

/// A round while it is taken in: the book, and what is different from it.
pub(crate) struct Intake<'b> {
    book: &'b Book,
    keys: Arc<WalletKeys>,
    keyring: BTreeMap<KeyId, PublicKey>,
    pins: Option<Pins>,
    inbox: Inbox,
    /// Unknown keys and policies are passed over: everything was tried to know them.
    lenient: bool,
    registered: Option<Pid>,
    state: Option<Arc<Credential<WalletState>>>,
    fresh_state: Option<Credential<WalletState>>,
    fresh_coins: HashMap<Nullifier, Credential<Coin>>,
    fresh_notes: HashMap<Nullifier, (Credential<Note>, u64)>,
    fresh_refundables: HashMap<Nullifier, (Refundable, u64)>,
    /// Coins, notes and payments of the book that were spent, and by which entry.
    gone: BTreeMap<RecordId, u64>,
    /// The entry that consumed the book's state.
    state_gone: Option<u64>,
    /// Operations that the log answers.
    answered: BTreeSet<RecordId>,
    items: BTreeMap<u64, HistoryItem>,
    next_number: u64,
    brought: Brought,
}

impl<'b> Intake<'b> {
    pub(crate) fn new(book: &'b Book, lenient: bool) -> Result<Self, WalletError> {
        Ok(Self {
            book,
            keys: book.keys()?,
            keyring: BTreeMap::clone(&book.keyring()),
            pins: None,
            inbox: book.inbox().clone(),
            lenient,
            registered: None,
            state: book.state().ok(),
            fresh_state: None,
            fresh_coins: HashMap::new(),
            fresh_notes: HashMap::new(),
            fresh_refundables: HashMap::new(),
            gone: BTreeMap::new(),
            state_gone: None,
            answered: BTreeSet::new(),
            items: BTreeMap::new(),
            next_number: book.next_number(),
            brought: Brought::default(),
        })
    }

    /// What the wallet remembers of the logs, to be changed.
    pub(crate) fn inbox(&mut self) -> &mut Inbox {
        &mut self.inbox
    }

    /// Takes an entry in.
    pub(crate) fn take(&mut self, log: Log, index: u64, seen: &Seen) -> Result<(), Stop> {
        match seen {
            Seen::Nothing => {}
            Seen::Key(key) => self.learn_key(key)?,
            Seen::Policy { hash, months, .. } => {
                self.inbox.policies.insert(hash.to_string(), *months);
            }
            Seen::Calendar { day, calendar } => self.inbox.learn_calendar(index, *day, *calendar),
            Seen::Directory { own_key } => self.inbox.strange_directory = (!own_key).then_some(index),
            Seen::Transaction(sighting) => self.transaction(log, index, sighting)?,
        }
        Ok(())
    }

    /// A key that the log announces is one that everybody sees.
    fn learn_key(&mut self, key: &PublicKey) -> Result<(), WalletError> {
        let currency = self.keyring.values().next().map(PublicKey::currency);
        if self.keyring.contains_key(&key.id()) || currency != Some(key.currency()) {
            return Ok(());
        }
        let mut pins = match self.pins.take() {
            Some(pins) => pins,
            None => self.book.pins().cloned().ok_or(WalletError::NotRegistered)?,
        };
        pins.keys.push(Hex::new(&key.to_bytes()));
        self.pins = Some(pins);
        self.keyring.insert(key.id(), key.clone());
        Ok(())
    }

    fn transaction(&mut self, log: Log, index: u64, sighting: &Sighting) -> Result<(), Stop> {
        if !sighting.own && self.book.is_settled(log, index) {
            let what = format!("entry {index} is not the transaction of this wallet that it answered from there");
            return Err(log.contradiction(what).into());
        }
        if let Some(entry) = &sighting.entry {
            let malformed = || log.contradiction(format!("entry {index} is malformed"));
            let (core, answer) = Core::from_prefix(entry.body()).map_err(|_| malformed())?;
            let answer = Answer::from_bytes(&core, answer).map_err(|_| malformed())?;
            if sighting.own && !self.book.is_settled(log, index) && !self.was_taken_in(log, index, core.statement()) {
                self.own(log, index, entry, &core, &answer)?;
            }
            if sighting.note && !self.book.has_received(index) {
                self.note(index, entry, &core, &answer)?;
            }
        }
        let by = sighting.own.then_some(sighting.entry.as_ref().map(Entry::kind)).flatten();
        for serial in &sighting.serials {
            self.spend(serial, index, by);
        }
        Ok(())
    }

    /// Whether an entry of this wallet was taken in when the log was looked through, though no item tells. A claim of a payment
    /// that came by a link is such a one, in a wallet that was restored and is given the link again: its coin may be spent
    /// since, and must not come back. Only payments may have been left out, those into other buckets.
    fn was_taken_in(&self, log: Log, index: u64, statement: Statement) -> bool {
        statement != Statement::Pay && index < log.next(self.book.inbox())
    }

    /// A transaction of this wallet whose answer it does not have: of another copy, or of this one when the answer was lost.
    fn own(&mut self, log: Log, index: u64, entry: &Entry, core: &Core, answer: &Answer) -> Result<(), Stop> {
        let Some(key) = self.keyring.get(&core.header().key) else {
            // Nothing of an own transaction is passed over: its inputs are gone.
            let unknown =
                || log.contradiction(format!("entry {index} of this wallet is under a key that nobody announces"));
            return Err(if self.lenient { unknown().into() } else { Stop::Key(core.header().key) });
        };
        let wrong = || log.contradiction(format!("entry {index} of this wallet does not verify"));
        let keys = &self.keys;
        let publics = core.publics();
        let spent = |coin: &Credential<Coin>| coin.attributes().value();
        let outcome = match core.statement() {
            Statement::Register => {
                let (pid, state) = register::restore(core, answer, key, keys).map_err(|_| wrong())?;
                // The past of a restored wallet is as it is.
                if !self.book.is_restoring() {
                    self.inbox.check_validity(core.month(), state.attributes().validity())?;
                }
                self.registered = Some(pid);
                // A state of a later claim is not replaced by the first one.
                let state = self.state.is_none().then_some(state);
                Outcome { state, ..Outcome::nothing(Amount::ZERO) }
            }
            Statement::Withdraw => {
                let coin = withdraw::finish(core, answer, key, keys).map_err(|_| wrong())?;
                Outcome::new(coin, Amount::new(publics.amount))
            }
            Statement::Pay => {
                let Some(months) = self.inbox.policies.get(&core.header().policy.to_string()) else {
                    let unknown =
                        || log.contradiction(format!("entry {index} is under a policy that is not in the log"));
                    return Err(if self.lenient { unknown().into() } else { Stop::Policy });
                };
                let expiry = core.month().plus(*months);
                let paid = pay::restore(core, answer, key, expiry, keys).map_err(|_| wrong())?;
                let refundable = Refundable::paid(core, answer, key, expiry, keys).map_err(|_| wrong())?;
                let (refundables, paid_note) = (vec![refundable], paid_note(core, expiry, keys));
                Outcome { payee: Some(paid.payee), refundables, paid_note, ..Outcome::new(paid.change, paid.amount) }
            }
            Statement::Claim => {
                let old = self.state.clone().ok_or_else(wrong)?;
                let (coin, state) = claim::finish(core, answer, key, keys, old.attributes()).map_err(|_| wrong())?;
                let follows = core.nullifiers().any(|serial| serial == old.nullifier());
                let amount = spent(&coin);
                Outcome { state: follows.then_some(state), ..Outcome::new(coin, amount) }
            }
            Statement::Refund => {
                let old = self.state.clone().ok_or_else(wrong)?;
                let (coin, state) = refund::finish(core, answer, key, keys, old.attributes()).map_err(|_| wrong())?;
                let follows = core.nullifiers().any(|serial| serial == old.nullifier());
                let amount = spent(&coin);
                let payee = core.nullifiers().find_map(|serial| self.payee_of(&serial));
                Outcome { state: follows.then_some(state), payee, ..Outcome::new(coin, amount) }
            }
            Statement::Split => {
                let payee = self.payee()?.ok_or_else(wrong)?;
                let notes: Vec<_> = split::finish(core, answer, key, keys, &payee).map_err(|_| wrong())?.into();
                let amount = total(notes.iter().map(|note| note.attributes().value()));
                let whole = core.nullifiers().find_map(|serial| self.item_of_note(&serial)).ok_or_else(wrong)?;
                Outcome { notes, whole: Some(whole), ..Outcome::nothing(amount) }
            }
            Statement::SplitExpired => {
                let (refundables, whole) = {
                    let (paid, item) =
                        core.nullifiers().find_map(|serial| self.refundable(&serial)).ok_or_else(wrong)?;
                    (split::finish_expired(core, answer, key, keys, paid).map_err(|_| wrong())?.into(), item)
                };
                let refundables: Vec<Refundable> = refundables;
                let amount = total(refundables.iter().map(|part| part.note().attributes().value()));
                Outcome { refundables, whole: Some(whole), ..Outcome::nothing(amount) }
            }
            Statement::Renew => {
                let old = self.state.clone().ok_or_else(wrong)?;
                let state = renew::finish(core, answer, key, keys, old.attributes()).map_err(|_| wrong())?;
                let follows = core.nullifiers().any(|serial| serial == old.nullifier());
                Outcome { state: follows.then_some(state), ..Outcome::nothing(Amount::ZERO) }
            }
            Statement::Redeem => {
                let coin = redeem::finish(core, answer, key, keys).map_err(|_| wrong())?;
                Outcome::new(coin, Amount::new(publics.amount))
            }
            Statement::Swap => {
                let coins = swap::finish(core, answer, key, keys).map_err(|_| wrong())?;
                let amount = total(coins.iter().map(spent));
                Outcome { coins, ..Outcome::nothing(amount) }
            }
        };
        let item = self.record(index, entry, core, &outcome)?;
        self.keep(outcome, item);
        Ok(())
    }

    /// What takes the payment with this serial back, and its item.
    fn refundable(&self, serial: &Nullifier) -> Option<(&Refundable, u64)> {
        let fresh = self.fresh_refundables.get(serial).map(|(paid, item)| (paid, *item));
        fresh.or_else(|| self.book.find_refundable(serial).map(|(_, held)| (held.note.as_ref(), held.item)))
    }

    /// The item of the received note with this serial.
    fn item_of_note(&self, serial: &Nullifier) -> Option<u64> {
        let fresh = self.fresh_notes.get(serial).map(|(_, item)| *item);
        fresh.or_else(|| self.book.note(self.book.find(serial)?).map(|held| held.item))
    }

    /// Who was paid with the note with this serial, if the wallet knows.
    fn payee_of(&self, serial: &Nullifier) -> Option<Pid> {
        let (_, number) = self.refundable(serial)?;
        self.item(number)?.payee.map(|payee| payee.pid())
    }

    /// The item of a transaction of this wallet, if it has one.
    fn record(
        &mut self,
        index: u64,
        entry: &Entry,
        core: &Core,
        outcome: &Outcome,
    ) -> Result<Option<u64>, WalletError> {
        let id = core.id();
        let this = |operation: &Operation| -> Result<bool, WalletError> {
            Ok(operation.core()?.id() == id || operation.earlier.contains(&Hex::new(id.as_bytes())))
        };
        let mut begun = None;
        for (operation_id, operation) in self.book.operations() {
            if this(operation)? {
                begun = Some((operation_id, operation.item));
            }
        }
        let known = begun.and_then(|(_, item)| item).and_then(|number| self.item(number));
        // What was given up as refused may have been on its way, and is accepted after all: its item tells of it, not another.
        let known = known.or_else(|| self.item(self.book.item_given_up(kind_of(core.statement()), id)?.number));
        match begun {
            Some((operation_id, _)) => drop(self.answered.insert(operation_id)),
            None => self.inbox.copies |= known.is_none() && !self.book.is_restoring(),
        }
        let fee = Amount::new(core.publics().fee);
        let item = match known {
            Some(item) => HistoryItem { log_index: Some(index), fee, failure: None, ..item.sent_as(id) },
            // A claim has no item of its own: it finishes those of its payments.
            None if core.statement() == Statement::Claim => return Ok(None),
            None => HistoryItem {
                kind: kind_of(core.statement()),
                amount: outcome.amount,
                fee,
                purpose: self.book.purpose_name(outcome.purpose()),
                payee: outcome.payee.as_ref().and_then(|payee| self.book.known_identity(payee)),
                transaction_id: Some(id),
                ..self.found(index, entry)
            },
        };
        let number = item.number;
        let paid = outcome.refundables.first().filter(|_| core.statement() == Statement::Pay);
        let refundable_from = paid.map(|paid| paid.note().attributes().expiry().plus(1));
        let paid_note = outcome.paid_note;
        self.put(HistoryItem { state: OperationState::Done, refundable_from, paid_note, ..item });
        Ok(Some(number))
    }

    fn keep(&mut self, outcome: Outcome, item: Option<u64>) {
        for coin in outcome.coins {
            // A coin worth nothing is none, and one that is held already stays.
            if coin.attributes().value() > Amount::ZERO && self.book.find(&coin.nullifier()).is_none() {
                self.fresh_coins.insert(coin.nullifier(), coin);
            }
        }
        if let Some(item) = outcome.whole.or(item) {
            self.fresh_notes.extend(outcome.notes.into_iter().map(|note| (note.nullifier(), (note, item))));
            let refundables = outcome.refundables.into_iter();
            self.fresh_refundables.extend(refundables.map(|paid| (paid.note().nullifier(), (paid, item))));
        }
        if let Some(state) = outcome.state {
            let bytes = state.to_secret_bytes();
            // Kept twice: to go on with, and to be written down.
            self.state = Credential::<WalletState>::from_secret_bytes(&bytes).ok().map(Arc::new);
            self.fresh_state = Some(state);
        }
    }

    /// A payment to this wallet.
    fn note(&mut self, index: u64, entry: &Entry, core: &Core, answer: &Answer) -> Result<(), Stop> {
        let Some(payee) = self.payee()? else { return Ok(()) };
        let Some(key) = self.keyring.get(&core.header().key) else {
            return if self.lenient { Ok(()) } else { Err(Stop::Key(core.header().key)) };
        };
        let Some(months) = self.inbox.policies.get(&core.header().policy.to_string()) else {
            return if self.lenient { Ok(()) } else { Err(Stop::Policy) };
        };
        let expiry = core.month().plus(*months);
        let Ok(received) = note::receive(core, answer, key, expiry, &self.keys, &payee) else {
            self.brought.worthless += 1;
            return Ok(());
        };
        let (reference, memo) = reference::opened(received.memo.as_str());
        let item = HistoryItem {
            kind: OperationKind::Receive,
            state: OperationState::Pending,
            amount: received.note.attributes().value(),
            purpose: self.book.purpose_name(received.note.attributes().purpose()),
            memo: memo.to_owned(),
            reference,
            transaction_id: Some(core.id()),
            ..self.found(index, entry)
        };
        let number = item.number;
        self.put(item);
        self.fresh_notes.insert(received.note.nullifier(), (received.note, number));
        Ok(())
    }

    /// A serial was disclosed, `by` an entry of this wallet or by somebody else's.
    fn spend(&mut self, serial: &Nullifier, index: u64, by: Option<EntryKind>) {
        let own = by.is_some();
        self.payment_gone(serial, index, by);
        if own && self.fresh_coins.remove(serial).is_some() {
            return;
        }
        if let Some((note, number)) = self.fresh_notes.remove(serial) {
            return self.note_gone(number, note.attributes().value(), index, by);
        }
        if own && self.book.state().is_ok_and(|state| state.nullifier() == *serial) {
            self.state_gone = Some(index);
        }
        let Some(id) = self.book.find(serial) else { return };
        if let Some(note) = self.book.note(id) {
            let (number, value) = (note.item, note.credential.attributes().value());
            self.gone.insert(id, index);
            self.note_gone(number, value, index, by);
        } else if own {
            self.gone.insert(id, index);
        } else {
            // Only this wallet's secret spends its coins, and whoever has that can open what it made. The coin is kept: if it
            // was spent, the redeemer says so with its evidence.
            tracing::warn!(
                "an entry of the payment log seems to spend a coin of this wallet, but no copy of it made it"
            );
        }
    }

    /// A note was claimed or split by this wallet, or taken back by its payer.
    fn note_gone(&mut self, number: u64, value: Amount, index: u64, by: Option<EntryKind>) {
        let Some(item) = self.item(number) else { return };
        match by {
            Some(EntryKind::Transaction(Statement::Split)) => {}
            // Also when a payment to oneself was taken back: either way it is money of the wallet.
            Some(_) => self.put(item.claimed(value, index)),
            None => self.put(failed(item, &WalletError::SpentElsewhere { log_index: index })),
        }
    }

    /// A payment of this wallet was claimed or split by its payee, or taken back.
    fn payment_gone(&mut self, serial: &Nullifier, index: u64, by: Option<EntryKind>) {
        let fresh = self.fresh_refundables.remove(serial);
        let (number, value) = match (&fresh, self.book.find_refundable(serial)) {
            (Some((paid, number)), _) => (*number, paid.note().attributes().value()),
            (None, Some((id, held))) => {
                self.gone.insert(id, index);
                (held.item, held.note.note().attributes().value())
            }
            (None, None) => return,
        };
        let Some(item) = self.item(number) else { return };
        match by {
            Some(EntryKind::Transaction(Statement::SplitExpired)) => {}
            Some(EntryKind::Transaction(Statement::Refund)) => self.put(item.taken_back(value)),
            _ => self.put(item.received_by_payee(index)),
        }
    }

    fn payee(&self) -> Result<Option<Pid>, WalletError> {
        match self.registered {
            Some(pid) => Ok(Some(pid)),
            None => self.book.pid(),
        }
    }

    fn item(&self, number: u64) -> Option<HistoryItem> {
        self.items.get(&number).or_else(|| self.book.item(number)).cloned()
    }

    fn put(&mut self, item: HistoryItem) {
        self.next_number = self.next_number.max(item.number.saturating_add(1));
        self.items.insert(item.number, item);
    }

    /// An item for what an entry tells. The log knows days, not times: it is dated noon.
    fn found(&self, index: u64, entry: &Entry) -> HistoryItem {
        HistoryItem {
            number: self.next_number,
            unix_seconds: i64::from(entry.day().get()) * 86_400 + 43_200,
            log_index: Some(index),
            ..HistoryItem::default()
        }
    }

    /// Everything that is different, as edits for one commit.
    pub(crate) fn into_edits(mut self) -> Result<(Vec<Edit>, Brought), WalletError> {
        let mut edits = Vec::new();
        for (id, operation) in self.book.operations() {
            if self.answered.contains(&id) {
                edits.push(Edit::DropOperation(id));
                continue;
            }
            // Another transaction consumed an input, so what would be sent next is refused. An earlier transaction of a payment
            // that took more coins since (docs/PROTOCOL.md section 8) may still be accepted without that input: then the log
            // brings it, and its item is done after all.
            let on_state = operation.intent.consumes_state();
            let lost = operation.inputs.iter().find_map(|input| self.gone.get(input)).copied();
            let Some(index) = lost.or(self.state_gone.filter(|_| on_state)) else { continue };
            edits.push(Edit::DropOperation(id));
            if let Some(item) = operation.item.and_then(|number| self.item(number)) {
                self.put(failed(item, &WalletError::SpentElsewhere { log_index: index }));
            }
        }
        for id in self.gone.keys() {
            edits.push(if self.book.note(*id).is_some() {
                Edit::DropNote(*id)
            } else if self.book.refundable(*id).is_some() {
                Edit::DropRefundable(*id)
            } else {
                Edit::DropCoin(*id)
            });
        }
        edits.extend(self.pins.map(Edit::Pins));
        edits.extend(self.registered.map(Edit::Registered));
        edits.extend(self.fresh_state.map(Edit::State));
        edits.extend(self.fresh_coins.into_values().map(Edit::AddCoin));
        edits.extend(self.fresh_notes.into_values().map(|(note, item)| Edit::AddNote(note, item)));
        edits.extend(self.fresh_refundables.into_values().map(|(paid, item)| Edit::AddRefundable(paid, item)));
        edits.extend(self.items.into_values().map(Edit::Item));
        if *self.book.inbox() != self.inbox {
            edits.push(Edit::Inbox(self.inbox));
        }
        Ok((edits, self.brought))
    }
}

fn total(values: impl Iterator<Item = Amount>) -> Amount {
    Amount::new(values.map(Amount::get).fold(0, u64::saturating_add))
}

fn kind_of(statement: Statement) -> OperationKind {
    match statement {
        Statement::Register => OperationKind::Register,
        Statement::Withdraw => OperationKind::Withdraw,
        Statement::Pay => OperationKind::Pay,
        Statement::Redeem => OperationKind::Redeem,
        Statement::Swap => OperationKind::Swap,
        Statement::Split | Statement::SplitExpired => OperationKind::Split,
        Statement::Refund => OperationKind::Refund,
        Statement::Renew => OperationKind::Renew,
        _ => OperationKind::Receive,
    }
}

impl Book {
    /// The identity of this scalar, if the wallet ever heard of it: the log has only the scalar.
    fn known_identity(&self, pid: &Pid) -> Option<Identity> {
        let own = self.identity().ok().flatten();
        own.into_iter().chain(self.payees()).find(|identity| identity.pid() == *pid)
    }
}
