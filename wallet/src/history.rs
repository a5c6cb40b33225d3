//! The history: everything that the wallet did or that came to it, one item each.

use std::fmt;

use farthing_ecash::{amount::Amount, calendar::Month, identity::Identity, seed::Nonce, transaction::TransactionId};
use farthing_proto::v1::ErrorReason;
use getrandom::{
    SysRng,
    rand_core::{Rng as _, UnwrapErr},
};
use serde::{Deserialize, Serialize};

use crate::reference::Reference;

/// 16 bytes by which a caller names its request: sent again with the same contents, it is not carried out again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// Wraps 16 bytes, which should be random.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A fresh one from the operating system.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        UnwrapErr(SysRng).fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Kinds of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Registration with the issuer.
    #[default]
    Register,
    /// Money taken from the account into the wallet.
    Withdraw,
    /// A payment made.
    Pay,
    /// A payment received: pending until it is claimed.
    Receive,
    /// Money paid back into the account.
    Redeem,
    /// The wallet's own coins made into fewer.
    Swap,
    /// A payment of one's own that nobody had claimed, or a part of it, taken back.
    Refund,
    /// A note made into two, to be claimed or taken back on different days.
    Split,
    /// The registration is valid for longer, or of another class.
    Renew,
}

/// How far an item got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// Begun, with an outcome that is not known yet; or a payment that was found and not claimed yet.
    #[default]
    Pending,
    /// Finished: the money has moved.
    Done,
    /// Refused for good: no money has moved.
    Failed,
}

/// Why an item failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFailure {
    /// For programs.
    pub reason: ErrorReason,
    /// For people.
    pub message: String,
}

/// Something that the wallet did, or that came to it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct HistoryItem {
    /// Its number, ascending from 1 in the order in which items were begun or first seen.
    pub number: u64,
    /// Position of its last change among all changes of all items, ascending from 1.
    pub cursor: u64,
    /// What it was.
    pub kind: OperationKind,
    /// How far it got.
    pub state: OperationState,
    /// The amount; zero for a registration.
    pub amount: Amount,
    /// The fee paid besides the amount.
    pub fee: Amount,
    /// What the money may be used for: the name of a purpose in the policy, or its number while that is not known; empty for
    /// anything. Of a received payment before it was claimed.
    pub purpose: String,
    /// The payee of one's own payment; `None` when the wallet was restored, because the log has no identities. A payee
    /// does not learn who paid.
    pub payee: Option<Identity>,
    /// Text of the payment. Whoever shows a received one on a terminal or page has to escape it.
    pub memo: String,
    /// When it was begun or first seen, seconds since 1970-01-01T00:00:00Z by this machine's clock. Noon of the day, when
    /// it was found in the log.
    pub unix_seconds: i64,
    /// The transaction in the log: of a received payment the payer's; of an operation that was rebuilt the last one.
    pub transaction_id: Option<TransactionId>,
    /// Of an operation that was rebuilt: the transactions before, whose ids were told. They name it as the last one does.
    pub earlier_ids: Vec<TransactionId>,
    /// Its entry: in the issuance log for register and withdraw, otherwise in the payment log. `None` until it is known.
    pub log_index: Option<u64>,
    /// Of a received payment: how much of it is claimed.
    pub claimed: Amount,
    /// Of a received payment: the entries of the payment log that claimed it, one for each part.
    pub claim_indices: Vec<u64>,
    /// Of one's own payment, while nobody has claimed it: the first month in which it can be taken back.
    pub refundable_from: Option<Month>,
    /// Of one's own payment: the entry of the payment log by which its payee claimed or split it.
    pub receipt_index: Option<u64>,
    /// Of one's own payment: how much of it was taken back.
    pub refunded: Amount,
    /// The id with which it was asked for; `None` for what was not asked for by a request.
    pub request_id: Option<RequestId>,
    /// Why it failed.
    pub failure: Option<ItemFailure>,
    /// The request that the payment answers, one's own or another's.
    pub reference: Option<Reference>,
    /// Of one's own payment: nobody was registered under the payee's identity, so that the payee needs the link. Not in the
    /// logs, so a wallet that was restored does not know it.
    pub unregistered: bool,
    /// Of one's own payment that is in the log: what its link is made of again.
    pub paid_note: Option<PaidNote>,
}

/// What has to be known of the note of one's own payment, besides amount and memo, to make its secrets again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaidNote {
    /// The nonce of the payment.
    pub nonce: Nonce,
    /// What the money may be used for.
    pub purpose: u32,
    /// The month after which the payer may take it back.
    pub expiry: Month,
}

impl HistoryItem {
    /// The item of an operation with this transaction, instead of those before.
    pub(crate) fn sent_as(mut self, id: TransactionId) -> Self {
        let before = self.transaction_id.replace(id);
        self.earlier_ids.extend(before);
        self.earlier_ids.retain(|earlier| *earlier != id);
        self
    }

    /// Whether the transaction is the item's, or one that was sent before it.
    pub(crate) fn is_named(&self, id: TransactionId) -> bool {
        self.transaction_id == Some(id) || self.earlier_ids.contains(&id)
    }

    /// The item of a received payment of which so much is claimed, in this entry.
    pub(crate) fn claimed(mut self, value: Amount, index: u64) -> Self {
        self.claimed = sum(self.claimed, value);
        self.claim_indices.push(index);
        self.state = if self.claimed >= self.amount { OperationState::Done } else { OperationState::Pending };
        self
    }

    /// The item of a payment that its payee claimed or split, in this entry.
    pub(crate) fn received_by_payee(self, index: u64) -> Self {
        Self { receipt_index: Some(index), refundable_from: None, ..self }
    }

    /// The item of a payment of which so much was taken back.
    pub(crate) fn taken_back(mut self, value: Amount) -> Self {
        self.refunded = sum(self.refunded, value);
        if self.refunded >= self.amount {
            self.refundable_from = None;
        }
        self
    }
}

/// The parts of a payment are no more than the payment.
fn sum(one: Amount, other: Amount) -> Amount {
    one.checked_add(other).unwrap_or(one)
}

/// Kind and state only: the rest is nobody's business in a log.
impl fmt::Debug for HistoryItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryItem")
            .field("number", &self.number)
            .field("kind", &self.kind)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// A page of history.
#[derive(Debug, Clone)]
pub struct HistoryPage {
    /// The items, newest first.
    pub items: Vec<HistoryItem>,
    /// Give this to get older items; `None` when there are none.
    pub next: Option<u64>,
}
