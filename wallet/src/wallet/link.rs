//! Payments as links: made again for a payee, and taken from a payer (`docs/PROTOCOL.md` section 8).

use farthing_ecash::{
    credential::issue::Answer,
    entry::{Entry, EntryKind},
    identity::Identity,
    note::OpenedNote,
    pay,
    seal::Memo,
    statement::Statement,
    transaction::{Core, TransactionId},
};
use farthing_ledger::hash::Hash;

use super::inner::Inner;
use crate::{
    book::{Book, Edit},
    error::WalletError,
    history::{HistoryItem, OperationKind, OperationState},
    link::PaymentLink,
    reference,
    report::{IncomingPayment, LinkOutcome, LinkState, PayeeInfo},
    scan::Log,
    trust::tiles::Tiles,
    vault::blocking,
};

/// Bytes of the hash of a proof part at the end of a leaf.
const PROOF_HASH_LENGTH: usize = 32;

/// Entries that a log may have written and not signed yet, so that a link to them is worth waiting for.
const BEYOND_MAX: u64 = 100_000;

/// So many are not few.
const CROWD_SMALL: u64 = 32;

/// Where the payment of a link is.
#[derive(Clone, Copy)]
pub(super) struct Linked {
    log_index: u64,
    transaction_id: TransactionId,
}

impl Book {
    /// The link of a payment of this wallet. `None` until it is in the log.
    pub(crate) fn link(&self, item: &HistoryItem) -> Result<Option<PaymentLink>, WalletError> {
        let (Some(transaction_id), Some(log_index), Some(paid)) = (item.transaction_id, item.log_index, item.paid_note)
        else {
            return Ok(None);
        };
        let memo = reference::sealed(item.reference.as_ref(), &item.memo);
        let memo = Memo::new(&memo).map_err(|error| WalletError::MemoTooLong { length: error.length })?;
        let keys = self.keys()?;
        let note = pay::plaintext(&keys, &paid.nonce, item.amount, paid.purpose, paid.expiry, memo);
        Ok((item.state == OperationState::Done).then_some(PaymentLink { log_index, transaction_id, note }))
    }
}

impl Inner {
    /// Asks for what a payment asks for, and pays nothing.
    pub(super) async fn check_payee(&self, payee: &Identity) -> Result<PayeeInfo, WalletError> {
        let terms = self.terms().await?;
        let policy = terms.policy.terms();
        let registered = self.encryption_key(payee).await?.is_some();
        let wallets = self.directory.size_with(payee);
        let wallets = if let Some(size) = wallets { size } else { self.directory_size().await? };
        let transactions_today = self.transactions_of(terms.header.day, CROWD_SMALL).await.ok();
        let refundable_from = terms.header.day.month().plus(policy.months).plus(1);
        Ok(PayeeInfo { registered, fee: policy.fee, refundable_from, wallets, transactions_today })
    }

    pub(super) async fn link(&self, payment: TransactionId) -> Result<PaymentLink, WalletError> {
        let book = self.book.lock().await;
        match book.payment_made(payment) {
            Some(item) if item.state == OperationState::Pending => Err(WalletError::LinkNotYet),
            Some(item) => book.link(item)?.ok_or(WalletError::NoLink),
            None => Err(WalletError::NoLink),
        }
    }

    /// Keeps the payment of a link, durably, unless it is in the book. Answers which one it is.
    pub(super) async fn take_link(&self, link: PaymentLink) -> Result<Linked, WalletError> {
        let PaymentLink { log_index, transaction_id, note: plaintext } = link;
        let linked = Linked { log_index, transaction_id };
        let payee = {
            let book = self.book.lock().await;
            if book.is_linked(linked) {
                return Ok(linked);
            }
            book.pid()?.ok_or(WalletError::NotRegistered)?
        };
        let (core, answer) = self.logged_payment(linked).await?;
        let key = self.key(core.header().key).await?.ok_or(WalletError::LinkUnknown)?;
        // What the payer says of the expiry month is under the redeemer's signature, like the rest.
        let expiry = plaintext.expiry();
        let checked = blocking(move || {
            let answer = Answer::from_bytes(&core, &answer).map_err(|_| WalletError::LinkUnknown)?;
            let note = OpenedNote::handed_over(plaintext).check(&core, &answer, &key, expiry, &payee);
            note.map_err(|_| WalletError::LinkForAnother)
        });
        let received = checked.await?;
        let mut book = self.book.lock().await;
        // Another call may have looked through the log meanwhile.
        if book.is_linked(linked) {
            return Ok(linked);
        }
        let (reference, memo) = reference::opened(received.memo.as_str());
        let item = HistoryItem {
            number: book.next_number(),
            kind: OperationKind::Receive,
            state: OperationState::Pending,
            unix_seconds: self.unix_seconds(),
            amount: received.note.attributes().value(),
            purpose: book.purpose_name(received.note.attributes().purpose()),
            memo: memo.to_owned(),
            reference,
            transaction_id: Some(transaction_id),
            log_index: Some(log_index),
            ..HistoryItem::default()
        };
        let number = item.number;
        book.commit(vec![Edit::Item(item), Edit::AddNote(received.note, number)]).await?;
        Ok(linked)
    }

    /// The payment at a place of the log, with its answer. It is read in a bundle of 256, so that the server does not learn
    /// which one was paid by a link.
    async fn logged_payment(&self, linked: Linked) -> Result<(Core, Vec<u8>), WalletError> {
        let (log, index) = (Log::Payments, linked.log_index);
        let known = self.checkpoint(log).await?.size();
        // A place far beyond the end is nothing to wait for.
        if index >= known.saturating_add(BEYOND_MAX) {
            return Err(WalletError::LinkUnknown);
        }
        let believed = self.checkpoint_of(log, index.saturating_add(1)).await?;
        let mut tiles = Tiles::new(self.reader(log).await?, believed.size());
        let leaf = tiles.leaf(index).await?;
        self.check_leaf_with(&mut tiles, &believed, index, Hash::leaf(&leaf)).await?;
        logged(&leaf).filter(|(core, _)| core.id() == linked.transaction_id).ok_or(WalletError::LinkUnknown)
    }

    /// How the payment of a link stands after a call that has claimed these.
    pub(super) fn link_outcome(book: &Book, linked: Linked, claimed: &[IncomingPayment]) -> LinkOutcome {
        let payment_id = linked.transaction_id;
        let item = book.received_at(linked.log_index);
        let state = match item.map(|item| item.state) {
            _ if claimed.iter().any(|payment| payment.payment_id == payment_id) => LinkState::Claimed,
            Some(OperationState::Done) => LinkState::ClaimedBefore,
            Some(OperationState::Failed) => LinkState::Gone,
            Some(OperationState::Pending) | None => LinkState::Waiting,
        };
        LinkOutcome { payment_id, state }
    }
}

impl Book {
    /// Whether the payment of a link is in the book.
    fn is_linked(&self, linked: Linked) -> bool {
        self.received_at(linked.log_index).is_some_and(|item| item.transaction_id == Some(linked.transaction_id))
    }
}

/// The payment in a leaf, and its answer.
fn logged(leaf: &[u8]) -> Option<(Core, Vec<u8>)> {
    let (entry, _proof_hash) = leaf.split_last_chunk::<PROOF_HASH_LENGTH>()?;
    let entry = Entry::from_bytes(entry).ok()?;
    if entry.kind() != EntryKind::Transaction(Statement::Pay) {
        return None;
    }
    let (core, answer) = Core::from_prefix(entry.body()).ok()?;
    Some((core, answer.to_vec()))
}
