//! What the wallet says, as messages of `farthing.v1`.

use std::path::Path;

use farthing_ecash::amount::{Amount, Currency};
use farthing_proto::v1;

use crate::{
    history::{HistoryItem, OperationKind, OperationState},
    reference::Reference,
    report::{
        Balance, EndingMoney, IncomingPayment, LinkOutcome, LinkState, LogStanding, OutgoingPayment, PendingPayment,
        PendingReason, PendingRefund, PlannedPart, Receipt, RequestInfo, RequestState, Restricted, Standing,
        WalletInfo,
    },
};

pub(super) fn info(info: &WalletInfo) -> v1::GetInfoResponse {
    let registration = info.registration.as_ref();
    let account = info.account.as_ref();
    v1::GetInfoResponse {
        identity: info.identity.as_ref().map_or_else(String::new, |identity| identity.as_str().to_owned()),
        registered: registration.is_some(),
        class_name: registration.map_or_else(String::new, |registration| registration.class_name.clone()),
        new_class_name: info.new_class().unwrap_or_default().to_owned(),
        valid_through: registration.map_or_else(String::new, |registration| registration.valid_through.to_string()),
        currency: info.currency.as_ref().map(currency),
        receipt_caps: info.receipt_caps.map(|caps| v1::ReceiptCaps {
            used_today: caps.used_today.get(),
            left_today: caps.left_today.map(Amount::get),
            used_this_month: caps.used_this_month.get(),
            left_this_month: caps.left_this_month.map(Amount::get),
        }),
        account_balance: account.map(|account| account.balance.get()),
        withdraw_left_today: account.and_then(|account| account.withdraw_left_today).map(Amount::get),
        payment_fee: info.payment_fee.unwrap_or_default().get(),
        payment_minimum: info.payment_minimum.unwrap_or_default().get(),
        issuance_log_size: info.issuance_log_size.unwrap_or_default(),
        payment_log_size: info.payment_log_size,
        anonymity_set_size: info.anonymity_set_size.unwrap_or_default(),
        transactions_today: info.transactions_today,
        pending_operations: info.pending.iter().map(item).collect(),
        restoring: info.restoring,
        evidence: path(info.evidence.as_deref()),
        strange_directory_entry: info.strange_directory,
        account_restricted: account.map_or_else(Vec::new, |account| restricted(&account.restricted)),
        ending_money: info.ending.iter().map(ending).collect(),
        registration_from: info.registration_from.map_or_else(String::new, |day| day.to_string()),
    }
}

fn ending(money: &EndingMoney) -> v1::EndingMoney {
    v1::EndingMoney {
        amount: money.amount.get(),
        accept_until: money.accept_until.to_string(),
        exchange_until: money.exchange_until.to_string(),
    }
}

/// Empty for none.
pub(super) fn path(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| path.display().to_string())
}

pub(super) fn standing(standing: Standing) -> v1::GetTrustResponse {
    let log = |log: LogStanding| v1::TrustedLog {
        verifier_key: log.key,
        size: log.size.unwrap_or(0),
        checkpoint: log.checkpoint.unwrap_or_default(),
    };
    v1::GetTrustResponse {
        policy: standing.policy.to_string(),
        first_contact: standing.first_contact,
        issuance_log: standing.issuance.map(log),
        payment_log: standing.payments.map(log),
        evidence: path(standing.evidence.as_deref()),
    }
}

fn currency(currency: &Currency) -> v1::Currency {
    v1::Currency { code: currency.code().to_owned(), exponent: currency.exponent().into() }
}

pub(super) fn balance(balance: Balance) -> v1::Balance {
    v1::Balance {
        available: balance.available.get(),
        in_flight: balance.in_flight.get(),
        claimable: balance.claimable.get(),
        restricted: restricted(&balance.restricted),
    }
}

fn restricted(restricted: &[Restricted]) -> Vec<v1::RestrictedBalance> {
    let part = |part: &Restricted| v1::RestrictedBalance { purpose: part.purpose.clone(), amount: part.amount.get() };
    restricted.iter().map(part).collect()
}

pub(super) fn item(item: &HistoryItem) -> v1::HistoryItem {
    v1::HistoryItem {
        kind: kind(item.kind).into(),
        state: state(item.state).into(),
        amount: item.amount.get(),
        fee: item.fee.get(),
        payee: item.payee.as_ref().map_or_else(String::new, |payee| payee.as_str().to_owned()),
        memo: item.memo.clone(),
        unix_seconds: item.unix_seconds,
        transaction_id: transaction_id(item),
        earlier_transaction_ids: item.earlier_ids.iter().map(|id| id.as_bytes().to_vec()).collect(),
        request_id: item.request_id.map_or_else(Vec::new, |id| id.as_bytes().to_vec()),
        failure: item.failure.as_ref().map(|failure| failure.reason).unwrap_or_default().into(),
        purpose: item.purpose.clone(),
        claimed: item.claimed.get(),
        refundable_from: item.refundable_from.map_or_else(String::new, |month| month.to_string()),
        received_by_payee: item.receipt_index.is_some(),
        refunded: item.refunded.get(),
        unregistered: item.unregistered,
        request_reference: reference(item.reference),
    }
}

/// A request that this wallet made.
pub(super) fn request(info: &RequestInfo) -> v1::MadeRequest {
    let state = match info.state {
        RequestState::Open => v1::RequestState::Open,
        RequestState::Expired => v1::RequestState::Expired,
        RequestState::Partial => v1::RequestState::Partial,
        RequestState::Paid => v1::RequestState::Paid,
        RequestState::Overpaid => v1::RequestState::Overpaid,
        RequestState::Unusable => v1::RequestState::Unusable,
    };
    v1::MadeRequest {
        uri: info.request.to_string(),
        reference: reference(info.request.reference),
        amount: info.request.amount.unwrap_or_default().get(),
        memo: info.request.memo.clone(),
        unix_seconds: info.unix_seconds,
        expires_unix_seconds: info.request.expires.unwrap_or(0),
        state: state.into(),
        received: info.received.get(),
        claimed: info.claimed.get(),
        unusable: info.unusable.get(),
        payments: info.payments.iter().map(item).collect(),
    }
}

/// Empty for none.
fn reference(reference: Option<Reference>) -> String {
    reference.map_or_else(String::new, |reference| reference.to_string())
}

/// Empty when no transaction was sent.
pub(super) fn transaction_id(item: &HistoryItem) -> Vec<u8> {
    item.transaction_id.as_ref().map_or_else(Vec::new, |id| id.as_bytes().to_vec())
}

/// A payment made.
pub(super) fn paid(receipt: Receipt) -> v1::PayResponse {
    let item = &receipt.item;
    let refundable = item.paid_note.filter(|_| receipt.link.is_some()).map(|note| note.expiry.plus(1));
    v1::PayResponse {
        payment_id: transaction_id(item),
        fee: item.fee.get(),
        state: state(item.state).into(),
        available: receipt.available.get(),
        unregistered: item.unregistered,
        refundable_from: refundable.map_or_else(String::new, |month| month.to_string()),
        link: receipt.link.unwrap_or_default(),
    }
}

/// What became of a link.
pub(super) fn link(outcome: LinkOutcome) -> v1::LinkOutcome {
    let state = match outcome.state {
        LinkState::Claimed => v1::LinkState::Claimed,
        LinkState::Waiting => v1::LinkState::Waiting,
        LinkState::ClaimedBefore => v1::LinkState::ClaimedBefore,
        LinkState::Gone => v1::LinkState::Gone,
    };
    v1::LinkOutcome { payment_id: outcome.payment_id.as_bytes().to_vec(), state: state.into() }
}

pub(super) fn incoming(payment: IncomingPayment) -> v1::IncomingPayment {
    v1::IncomingPayment {
        payment_id: payment.payment_id.as_bytes().to_vec(),
        amount: payment.amount.get(),
        memo: payment.memo,
        purpose: payment.purpose,
        log_index: payment.log_index,
        total: payment.total.get(),
        request_reference: reference(payment.reference),
    }
}

pub(super) fn planned(part: &PlannedPart) -> v1::PlannedPart {
    v1::PlannedPart {
        day: part.day.to_string(),
        amount: part.amount.get(),
        refundable_from: part.returns.map_or_else(String::new, |month| month.to_string()),
    }
}

pub(super) fn outgoing(payment: OutgoingPayment) -> v1::OutgoingPayment {
    v1::OutgoingPayment {
        payment_id: payment.payment_id.as_bytes().to_vec(),
        amount: payment.amount.get(),
        total: payment.total.get(),
        payee: payment.payee.map_or_else(String::new, |payee| payee.as_str().to_owned()),
        memo: payment.memo,
        purpose: payment.purpose,
        log_index: payment.log_index,
    }
}

pub(super) fn pending_refund(pending: PendingRefund) -> v1::PendingRefund {
    v1::PendingRefund {
        payment: Some(outgoing(pending.payment)),
        reason: reason(pending.reason).into(),
        refundable_from: pending.refundable_from.to_string(),
        plan: pending.plan.iter().map(planned).collect(),
    }
}

fn reason(reason: PendingReason) -> v1::PendingReason {
    match reason {
        PendingReason::OverDayCap => v1::PendingReason::OverDayCap,
        PendingReason::OverMonthCap => v1::PendingReason::OverMonthCap,
        PendingReason::LargerThanCap => v1::PendingReason::LargerThanCap,
        PendingReason::Dust => v1::PendingReason::Dust,
        // A registration that is over is one for which the policy has no rule.
        PendingReason::NotAllowed | PendingReason::RegistrationExpired => v1::PendingReason::NotAllowed,
        PendingReason::InProgress => v1::PendingReason::InProgress,
        PendingReason::NotExpired => v1::PendingReason::NotExpired,
        PendingReason::NextCall => v1::PendingReason::NextCall,
    }
}

pub(super) fn pending(pending: PendingPayment) -> v1::PendingPayment {
    v1::PendingPayment {
        payment: Some(incoming(pending.payment)),
        reason: reason(pending.reason).into(),
        over_by: pending.over_by.get(),
        expires: pending.expires.to_string(),
        plan: pending.plan.iter().map(planned).collect(),
        left_today: pending.left_today.map(Amount::get),
    }
}

pub(super) fn state(state: OperationState) -> v1::OperationState {
    match state {
        OperationState::Pending => v1::OperationState::Pending,
        OperationState::Done => v1::OperationState::Done,
        OperationState::Failed => v1::OperationState::Failed,
    }
}

pub(crate) fn kind(kind: OperationKind) -> v1::OperationKind {
    match kind {
        OperationKind::Register => v1::OperationKind::Register,
        OperationKind::Withdraw => v1::OperationKind::Withdraw,
        OperationKind::Pay => v1::OperationKind::Pay,
        OperationKind::Receive => v1::OperationKind::Receive,
        OperationKind::Redeem => v1::OperationKind::Redeem,
        OperationKind::Swap => v1::OperationKind::Swap,
        OperationKind::Refund => v1::OperationKind::Refund,
        OperationKind::Split => v1::OperationKind::Split,
        OperationKind::Renew => v1::OperationKind::Renew,
    }
}
