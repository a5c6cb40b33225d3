//! Questions to the book.

use std::{collections::BTreeMap, sync::Arc};

use farthing_ecash::{
    amount::{Amount, Currency},
    calendar::Day,
    coin::Coin,
    credential::{Credential, Nullifier},
    identity::{Identity, Pid},
    keys::{KeyDates, KeyId, PublicKey},
    policy::UNRESTRICTED,
    seed::WalletKeys,
    transaction::TransactionId,
    wallet_state::WalletState,
};

use super::{Book, HeldNote, HeldRefundable};
use crate::{
    error::WalletError,
    history::{HistoryItem, HistoryPage, OperationKind, OperationState, RequestId},
    operation::{Inputs, Intent, Operation},
    record::{Inbox, Renewal, StoredRequest, Trust},
    reference::Reference,
    report::{Balance, Restricted},
    scan::Log,
    select::{COINS_KEPT, Candidate},
    vault::RecordId,
    wallet::Holding,
};

/// A payment for a request.
pub(crate) struct Paid<'b> {
    pub(crate) item: &'b HistoryItem,
    /// What waits of it and can be claimed, minor units.
    pub(crate) usable: u64,
    /// What waits of it and goes back to its payer: the class may not receive it.
    pub(crate) unusable: u64,
}

impl Book {
    /// Whose wallet it is, from the beginning of the registration on.
    pub(crate) fn identity(&self) -> Result<Option<Identity>, WalletError> {
        Ok(self.profile.identity.as_deref().map(Identity::parse).transpose()?)
    }

    /// The scalar of whose wallet it is: all that the log has of the identity.
    pub(crate) fn pid(&self) -> Result<Option<Pid>, WalletError> {
        if let Some(identity) = self.identity()? {
            return Ok(Some(identity.pid()));
        }
        let wrong = || WalletError::Damaged { what: "the scalar of the identity is malformed".to_owned() };
        let pid = |pid: &crate::record::Hex| {
            let bytes = pid.as_bytes().try_into().map_err(|_| wrong())?;
            Pid::from_bytes(bytes).map_err(|_| wrong())
        };
        self.profile.pid.as_ref().map(pid).transpose()
    }

    /// Whether the wallet was made from its words and does not know its past yet.
    pub(crate) fn is_restoring(&self) -> bool {
        self.profile.restoring
    }

    /// The wallet's secrets for its issuer.
    pub(crate) fn keys(&self) -> Result<Arc<WalletKeys>, WalletError> {
        self.keys.clone().ok_or(WalletError::NotRegistered)
    }

    /// The state of the registered wallet.
    pub(crate) fn state(&self) -> Result<Arc<Credential<WalletState>>, WalletError> {
        self.state.clone().ok_or(WalletError::NotRegistered)
    }

    /// Refuses what needs an account, when the wallet has none: it has one once it is registered, or waits for that.
    pub(crate) fn check_account(&self) -> Result<(), WalletError> {
        match self.state() {
            Err(_) if self.waits_until().is_some() => Ok(()),
            state => state.map(drop),
        }
    }

    /// From which day on the registration is signed, while it has to wait.
    pub(crate) fn waits_until(&self) -> Option<Day> {
        let waits = self.operations.values().find_map(|operation| match &operation.intent {
            Intent::Register(register) => register.waits_until,
            _ => None,
        });
        waits.map(Day::new)
    }

    /// The renewal that was begun last.
    pub(crate) fn renewal(&self) -> Option<&Renewal> {
        self.renewal.as_ref()
    }

    /// The issuer's keys, by id.
    pub(crate) fn keyring(&self) -> Arc<BTreeMap<KeyId, PublicKey>> {
        Arc::clone(&self.keyring)
    }

    /// The currency of all amounts, from the first contact with the issuer on.
    pub(crate) fn currency(&self) -> Option<Currency> {
        self.keyring.values().next().map(|key| key.currency().clone())
    }

    /// Whom the wallet believes.
    pub(crate) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// How far the logs were looked through.
    pub(crate) fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    pub(crate) fn operation(&self, id: RecordId) -> Option<Arc<Operation>> {
        self.operations.get(&id).cloned()
    }

    /// All operations that were begun and are not finished.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (RecordId, &Arc<Operation>)> {
        self.operations.iter().map(|(id, operation)| (*id, operation))
    }

    /// What an operation consumes.
    pub(crate) fn inputs(&self, ids: &[RecordId], intent: &Intent) -> Inputs {
        Inputs {
            coins: ids.iter().filter_map(|id| self.coins.get(id).cloned()).collect(),
            notes: ids.iter().filter_map(|id| self.notes.get(id)).map(|note| Arc::clone(&note.credential)).collect(),
            refundables: ids
                .iter()
                .filter_map(|id| self.refundables.get(id))
                .map(|held| Arc::clone(&held.note))
                .collect(),
            state: if intent.shows_state() { self.state.clone() } else { None },
        }
    }

    /// The coins of a purpose that can be spent now.
    pub(crate) fn spendable(&self, purpose: u32) -> Vec<Candidate> {
        let free = self.coins.iter().filter(|(id, _)| !self.reserved.contains(*id));
        let coins = free.filter(|(_, coin)| coin.attributes().purpose() == purpose);
        coins.map(|(id, coin)| candidate(*id, coin)).collect()
    }

    /// Those of them that are accepted on a day: in payments, or in anything else, which takes coins of more keys.
    pub(crate) fn accepted(&self, purpose: u32, today: Day, in_payments: bool) -> Vec<Candidate> {
        let mut coins = self.spendable(purpose);
        let last = |dates: KeyDates| if in_payments { dates.accept_until } else { dates.exchange_until };
        coins.retain(|coin| self.keyring.get(&coin.key).is_some_and(|key| today <= last(key.dates())));
        coins
    }

    /// Free coins under a key, by their purposes: of those purposes of which a wallet at rest leaves fewer.
    pub(crate) fn plenty(&self, key: KeyId) -> Vec<Vec<Candidate>> {
        let mut groups: BTreeMap<u32, Vec<Candidate>> = BTreeMap::new();
        for (id, coin) in &self.coins {
            if coin.key() == key && !self.reserved.contains(id) {
                groups.entry(coin.attributes().purpose()).or_default().push(candidate(*id, coin));
            }
        }
        groups.into_values().filter(|coins| coins.len() > COINS_KEPT).collect()
    }

    /// The coins of an operation, and their purpose.
    pub(crate) fn chosen(&self, ids: &[RecordId]) -> Option<(Vec<Candidate>, u32)> {
        let coins: Vec<_> = ids.iter().filter_map(|id| Some((*id, self.coins.get(id)?))).collect();
        let (_, first) = coins.first()?;
        let purpose = first.attributes().purpose();
        Some((coins.into_iter().map(|(id, coin)| candidate(id, coin)).collect(), purpose))
    }

    /// What can be spent now of money with this purpose.
    pub(crate) fn available(&self, purpose: u32) -> Amount {
        total(self.spendable(purpose).iter().map(|coin| coin.value))
    }

    /// What can be spent now of money with this purpose, and what may come back of it from operations that are not finished.
    pub(crate) fn reachable(&self, purpose: u32) -> Amount {
        let coins = self.coins.values().map(|coin| coin.attributes());
        let coins = coins.filter(|coin| coin.purpose() == purpose).map(|coin| coin.value().get());
        // What a claim makes of its notes is known to its rule.
        let claimed = self.notes.iter().filter(|(id, _)| self.reserved.contains(*id));
        total(coins.chain(claimed.map(|(_, note)| note.credential.attributes().value().get())))
    }

    /// Money that can be spent for one purpose only now, by the numbers of the purposes.
    pub(crate) fn restricted(&self) -> Vec<Restricted> {
        let free = self.coins.iter().filter(|(id, _)| !self.reserved.contains(*id));
        let mut sums: BTreeMap<u32, u64> = BTreeMap::new();
        for (_, coin) in free.filter(|(_, coin)| coin.attributes().purpose() != UNRESTRICTED) {
            let sum = sums.entry(coin.attributes().purpose()).or_default();
            *sum = sum.saturating_add(coin.attributes().value().get());
        }
        let restricted = sums.into_iter();
        restricted
            .map(|(purpose, sum)| Restricted { purpose: self.purpose_name(purpose), amount: Amount::new(sum) })
            .collect()
    }

    /// The name of a purpose in the policies that the wallet has seen in force, or else its number; empty for unrestricted
    /// money.
    pub(crate) fn purpose_name(&self, purpose: u32) -> String {
        if purpose == UNRESTRICTED {
            return String::new();
        }
        self.trust.purposes.get(&purpose).cloned().unwrap_or_else(|| purpose.to_string())
    }

    /// The purpose that [`Book::purpose_name`] calls so.
    pub(crate) fn purpose_of(&self, name: &str) -> u32 {
        let known = self.trust.purposes.iter().find(|(_, known)| known.as_str() == name);
        known.map_or_else(|| name.parse().unwrap_or(UNRESTRICTED), |(purpose, _)| *purpose)
    }

    /// The notes that wait and are not being claimed, the oldest first.
    pub(crate) fn claimable(&self) -> Vec<(RecordId, HeldNote)> {
        let free = self.notes.iter().filter(|(id, _)| !self.reserved.contains(*id));
        let mut notes: Vec<_> = free.map(|(id, note)| (*id, note.clone())).collect();
        notes.sort_by_key(|(_, note)| note.age());
        notes
    }

    /// All notes that wait, the oldest first; and whether they are being claimed.
    pub(crate) fn waiting(&self) -> Vec<(RecordId, HeldNote, bool)> {
        let notes = self.notes.iter().map(|(id, note)| (*id, note.clone(), self.reserved.contains(id)));
        let mut notes: Vec<_> = notes.collect();
        notes.sort_by_key(|(_, note, _)| note.age());
        notes
    }

    /// The payments of this wallet that nobody is known to have claimed, the oldest first; and whether they are being taken
    /// back.
    pub(crate) fn unclaimed(&self) -> Vec<(RecordId, HeldRefundable, bool)> {
        let held = self.refundables.iter().map(|(id, held)| (*id, held.clone(), self.reserved.contains(id)));
        let mut held: Vec<_> = held.collect();
        held.sort_by_key(|(_, held, _)| held.age());
        held
    }

    pub(crate) fn refundable(&self, id: RecordId) -> Option<&HeldRefundable> {
        self.refundables.get(&id)
    }

    /// The payment of this wallet whose note has this serial, if nobody is known to have claimed it.
    pub(crate) fn find_refundable(&self, nullifier: &Nullifier) -> Option<(RecordId, &HeldRefundable)> {
        let id = self.refundable_serials.get(nullifier)?;
        Some((*id, self.refundables.get(id)?))
    }

    pub(crate) fn note(&self, id: RecordId) -> Option<&HeldNote> {
        self.notes.get(&id)
    }

    /// The coin or note with this serial, if the wallet holds it.
    pub(crate) fn find(&self, nullifier: &Nullifier) -> Option<RecordId> {
        self.serials.get(nullifier).copied()
    }

    /// Whether this entry is a transaction of this wallet whose outcome is in the book.
    pub(crate) fn is_settled(&self, log: Log, index: u64) -> bool {
        self.settled.contains(&(log, index))
    }

    /// Whether this entry is a payment to this wallet that is in the book.
    pub(crate) fn has_received(&self, index: u64) -> bool {
        self.received.contains_key(&index)
    }

    /// The item of the payment to this wallet at an entry of the payment log.
    pub(crate) fn received_at(&self, index: u64) -> Option<&HistoryItem> {
        self.item(*self.received.get(&index)?)
    }

    /// Everything that the wallet holds.
    pub(crate) fn holdings(&self) -> Vec<Holding> {
        let coins = self.coins.values().map(|coin| Holding::new(coin.attributes().value(), &coin.to_secret_bytes()));
        let note =
            |note: &HeldNote| Holding::new(note.credential.attributes().value(), &note.credential.to_secret_bytes());
        let state = self.state.iter().map(|state| Holding::new(Amount::ZERO, &state.to_secret_bytes()));
        // What may come back is no money yet.
        let refundable = |held: &HeldRefundable| Holding::new(Amount::ZERO, &held.note.to_secret_bytes());
        let refundables = self.refundables.values().map(refundable);
        let mut holdings: Vec<_> = coins.chain(self.notes.values().map(note)).chain(state).chain(refundables).collect();
        holdings.sort_unstable();
        holdings
    }

    /// Everybody whom the wallet paid by name.
    pub(crate) fn payees(&self) -> impl Iterator<Item = Identity> {
        self.items.values().filter_map(|(_, item)| item.payee.clone())
    }

    /// How much money there is.
    pub(crate) fn balance(&self) -> Balance {
        let value = |id: &RecordId| {
            let coin = self.coins.get(id).map(|coin| coin.attributes().value());
            let note = self.notes.get(id).map(|note| note.credential.attributes().value());
            coin.or(note).unwrap_or_default().get()
        };
        Balance {
            available: self.available(UNRESTRICTED),
            in_flight: total(self.reserved.iter().map(value)),
            claimable: total(self.claimable().iter().map(|(_, note)| note.credential.attributes().value().get())),
            restricted: self.restricted(),
        }
    }

    pub(crate) fn item(&self, number: u64) -> Option<&HistoryItem> {
        self.items.get(&number).map(|(_, item)| item)
    }

    /// The item that was asked for with this request id.
    pub(crate) fn item_of_request(&self, request_id: RequestId) -> Option<&HistoryItem> {
        self.items.values().map(|(_, item)| item).find(|item| item.request_id == Some(request_id))
    }

    /// The item of this transaction, or of one that was sent in its place later.
    pub(crate) fn item_of_transaction(&self, id: TransactionId) -> Option<&HistoryItem> {
        self.items.values().map(|(_, item)| item).find(|item| item.is_named(id))
    }

    /// The payment that this transaction made: whoever pays himself has another item of the same transaction.
    pub(crate) fn payment_made(&self, id: TransactionId) -> Option<&HistoryItem> {
        let mut items = self.items.values().map(|(_, item)| item);
        items.find(|item| item.is_named(id) && item.kind == OperationKind::Pay)
    }

    /// The item of this kind that failed, though this transaction was sent for it.
    pub(crate) fn item_given_up(&self, kind: OperationKind, id: TransactionId) -> Option<&HistoryItem> {
        let mut items = self.items.values().map(|(_, item)| item);
        items.find(|item| item.is_named(id) && item.kind == kind && item.state == OperationState::Failed)
    }

    /// The operation of an item.
    pub(crate) fn operation_of(&self, item: u64) -> Option<RecordId> {
        self.operations.iter().find(|(_, operation)| operation.item == Some(item)).map(|(id, _)| *id)
    }

    /// How many items the history has.
    pub(crate) fn item_count(&self) -> u64 {
        u64::try_from(self.items.len()).unwrap_or(u64::MAX)
    }

    /// The number of the next item.
    pub(crate) fn next_number(&self) -> u64 {
        self.items.last_key_value().map_or(1, |(number, _)| number + 1)
    }

    /// How much waits of each received payment that a wallet of this class can claim, and how much that it cannot, by the
    /// number of the item: by the policy that was in force last, so that no server need be asked.
    fn waiting_of(&self) -> BTreeMap<u64, (u64, u64)> {
        let class = self.state.as_ref().map(|state| state.attributes().class());
        let mut waiting: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for note in self.notes.values() {
            let attributes = note.credential.attributes();
            let (usable, unusable) = waiting.entry(note.item).or_default();
            let fits = class.is_some_and(|class| self.trust.accepts(class, attributes.purpose()));
            let sum = if fits { usable } else { unusable };
            *sum = sum.saturating_add(attributes.value().get());
        }
        waiting
    }

    /// The requests that this wallet made, newest first, each with what was paid for it, oldest first.
    pub(crate) fn requests(&self) -> Vec<(Reference, &StoredRequest, Vec<Paid<'_>>)> {
        let waiting = self.waiting_of();
        let mut paid: BTreeMap<Reference, Vec<Paid<'_>>> = BTreeMap::new();
        for item in self.items.values().map(|(_, item)| item).filter(|item| item.kind == OperationKind::Receive) {
            let (usable, unusable) = waiting.get(&item.number).copied().unwrap_or_default();
            let Some(reference) = item.reference else { continue };
            // What its payer has taken back is no payment; what was claimed of it before stays one.
            if item.claimed > Amount::ZERO || usable > 0 || unusable > 0 {
                paid.entry(reference).or_default().push(Paid { item, usable, unusable });
            }
        }
        let requests = self
            .requests
            .iter()
            .map(|(reference, (_, request))| (*reference, request, paid.remove(reference).unwrap_or_default()));
        let mut requests: Vec<_> = requests.collect();
        requests.sort_by_key(|(reference, request, _)| (std::cmp::Reverse(request.unix_seconds), *reference));
        requests
    }

    /// A page of items, newest first.
    pub(crate) fn history(&self, before: Option<u64>, limit: usize) -> HistoryPage {
        let mut items = self.items.range(..before.unwrap_or(u64::MAX)).rev().map(|(_, (_, item))| item);
        let page: Vec<_> = items.by_ref().take(limit).cloned().collect();
        let next = items.next().and(page.last()).map(|item| item.number);
        HistoryPage { items: page, next }
    }

    /// Items whose operations are not finished, newest first.
    pub(crate) fn pending(&self) -> Vec<HistoryItem> {
        let begun = |item: &&HistoryItem| item.state == OperationState::Pending && item.kind != OperationKind::Receive;
        self.items.values().rev().map(|(_, item)| item).filter(begun).cloned().collect()
    }

    /// The cursor of the last change.
    pub(crate) fn last_cursor(&self) -> u64 {
        self.changes.last_key_value().map_or(0, |(cursor, _)| *cursor)
    }

    /// The first item that changed after a cursor.
    pub(crate) fn changed_after(&self, cursor: u64) -> Option<&HistoryItem> {
        let (_, number) = self.changes.range(cursor.checked_add(1)?..).next()?;
        self.item(*number)
    }
}

fn candidate(id: RecordId, coin: &Credential<Coin>) -> Candidate {
    Candidate { id, value: coin.attributes().value().get(), key: coin.key() }
}

/// A sum that cannot be reached: the issuer keeps all money below 2^63.
fn total(values: impl Iterator<Item = u64>) -> Amount {
    Amount::new(values.fold(0, u64::saturating_add))
}
