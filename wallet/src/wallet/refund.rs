//! Taking back what nobody has claimed, after its month (`docs/PROTOCOL.md` section 6).

use std::{collections::BTreeSet, sync::Arc};

use farthing_ecash::{amount::Amount, calendar::Month, policy::UNRESTRICTED, transaction::TransactionId};
use getrandom::{
    SysRng,
    rand_core::{Rng as _, UnwrapErr},
};

use super::{
    Progress,
    inner::Inner,
    receive::{planned, renew_in},
};
use crate::{
    book::{Book, HeldRefundable},
    error::WalletError,
    history::HistoryItem,
    operation::{Intent, Refund, Season, Settled, SplitExpired, rule_for},
    plan::{self, Caps, Counters, Manner, Part, Piece, Step},
    report::{OutgoingPayment, PendingReason, PendingRefund, RefundReport},
    terms::Terms,
    vault::RecordId,
};

/// What to take back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Every payment whose month is over.
    All,
    /// This one.
    Payment(TransactionId),
    /// Any one of those whose month is over: a wallet that takes all back at once shows that they are of one wallet.
    AnyOne,
}

impl Inner {
    pub(super) async fn refund(&self, which: Which, progress: Progress) -> Result<RefundReport, WalletError> {
        let _turn = self.receiving.lock().await;
        let asked = {
            let book = self.book.lock().await;
            book.state()?;
            match which {
                Which::Payment(id) => Some(book.payment_made(id).ok_or(WalletError::TransactionUnknown)?.number),
                Which::All | Which::AnyOne => None,
            }
        };
        let mut terms = self.terms().await?;
        let mut report = RefundReport::default();
        let has_acted = self.finish_state_operation(&mut report).await?;
        let before = self.book.lock().await.unclaimed();
        // The log tells what payees have claimed meanwhile.
        self.catch_up(Some(&terms), &progress).await?;
        // A refund takes a state that is valid, as a claim does, and comes months after the payment.
        if report.delay.is_none() && !report.renewed && !has_acted && self.is_expired(terms.header.day).await? {
            (report.renewed, report.delay, report.not_renewed) = self.renew_by_itself().await?.told();
        }

        let mut asked = asked;
        let (mut tried, mut ended) = (BTreeSet::new(), false);
        while report.delay.is_none() && !report.renewed && !ended {
            let (driving, part) = {
                let mut book = self.book.lock().await;
                if which == Which::AnyOne && asked.is_none() {
                    let Some(any) = any_due(&book, &terms) else { break };
                    asked = Some(any);
                }
                let due = due(&book, &terms, asked, &tried)?;
                let counters = Counters::of(book.state()?.attributes(), terms.header.day);
                let Some(step) = plan::next(&due, &counters, &manner(&terms)) else { break };
                let (id, intent) = match step {
                    Step::Take(payments) => {
                        ended = which == Which::AnyOne;
                        let Some(id) = payments.first() else { break };
                        (*id, Intent::Refund(Refund {}))
                    }
                    Step::Split(id, first) => (id, Intent::SplitExpired(SplitExpired { first })),
                };
                tried.insert(id);
                let Some(held) = book.refundable(id).cloned() else { break };
                let part = outgoing(&book, &held);
                let item = HistoryItem {
                    amount: held.note.note().attributes().value(),
                    purpose: book.purpose_name(held.note.note().attributes().purpose()),
                    payee: book.item(held.item).and_then(|paid| paid.payee.clone()),
                    ..self.new_item(&book, &intent, None)
                };
                let part = part.filter(|_| matches!(intent, Intent::Refund(_)));
                let season = Season::Payments(Arc::clone(&terms));
                (self.begin(&mut book, &season, intent, vec![id], Some(item), Vec::new()).await?, part)
            };
            match self.drive(&driving).await {
                Ok(Settled::Done) => report.refunded.extend(part),
                Ok(Settled::Pending { delay }) => report.delay = Some(delay),
                // Its payee was first, or another copy of this wallet: the log has told which, and the book has it.
                Err(error @ (WalletError::SpentElsewhere { .. } | WalletError::CapExceeded { .. })) => {
                    tracing::debug!(%error, "a refund was refused");
                    terms = self.terms().await?;
                }
                Err(error @ (WalletError::DiskFull | WalletError::Storage { .. } | WalletError::Internal { .. })) => {
                    return Err(error);
                }
                Err(error) => report.delay = Some(error.to_string()),
            }
        }
        let book = self.book.lock().await;
        report.received = received(&book, &terms, &before, which, asked);
        report.pending = pending(&book, &terms, asked, report.renewed)?;
        let plans = report.pending.iter().flat_map(|pending| &pending.plan);
        report.renew_in = renew_in(plans, book.state()?.attributes());
        report.available = book.available(UNRESTRICTED);
        Ok(report)
    }

    /// Finishes a claim, refund or renewal that was begun before: there can only be one at a time. Says whether there was a claim
    /// or refund.
    async fn finish_state_operation(&self, report: &mut RefundReport) -> Result<bool, WalletError> {
        let (driving, renews) = {
            let book = self.book.lock().await;
            let begun = book.operations().find(|(_, operation)| operation.intent.consumes_state());
            let Some((id, operation)) = begun else { return Ok(false) };
            (self.driving(id), operation.intent.renews())
        };
        match self.drive(&driving).await {
            Ok(Settled::Done) => report.renewed = renews,
            Ok(Settled::Pending { delay }) => report.delay = Some(delay),
            Err(error @ (WalletError::DiskFull | WalletError::Storage { .. } | WalletError::Internal { .. })) => {
                return Err(error);
            }
            Err(error) => tracing::debug!(%error, "what was begun before was refused"),
        }
        Ok(!renews)
    }
}

fn manner(terms: &Terms) -> Manner {
    Manner::refunds(terms.policy.terms().minimum.get())
}

/// Whether a payment can be taken back: its month is over, and its key is still exchanged.
fn is_due(book: &Book, terms: &Terms, held: &HeldRefundable) -> bool {
    let today = terms.header.day;
    let dates = book.keyring().get(&held.note.note().key()).map(|key| key.dates());
    held.note.is_expired(today.month()) && dates.is_some_and(|dates| today <= dates.exchange_until)
}

/// The item of any payment that is due.
fn any_due(book: &Book, terms: &Terms) -> Option<u64> {
    let unclaimed = book.unclaimed().into_iter();
    let due: Vec<u64> = unclaimed
        .filter(|(_, held, in_progress)| !in_progress && is_due(book, terms, held))
        .map(|(_, held, _)| held.item)
        .collect();
    let count = u64::try_from(due.len()).ok().filter(|count| *count > 0)?;
    // A wallet has so few payments that the bias of the remainder is nothing.
    let place = UnwrapErr(SysRng).next_u64() % count;
    due.get(usize::try_from(place).ok()?).copied()
}

/// The payments that can be taken back today, the oldest first: all, or those of an item.
fn due(
    book: &Book,
    terms: &Terms,
    asked: Option<u64>,
    tried: &BTreeSet<RecordId>,
) -> Result<Vec<Piece<RecordId>>, WalletError> {
    let free = book.unclaimed().into_iter().filter(|(id, held, in_progress)| {
        !in_progress && !tried.contains(id) && asked.is_none_or(|item| item == held.item) && is_due(book, terms, held)
    });
    pieces(book, terms, free.map(|(id, held, _)| (id, held)))
}

/// Payments as a plan sees them; those for which there is a rule.
fn pieces<K>(
    book: &Book,
    terms: &Terms,
    payments: impl Iterator<Item = (K, HeldRefundable)>,
) -> Result<Vec<Piece<K>>, WalletError> {
    let state = book.state()?;
    let state = state.attributes();
    let is_valid = state.validity() >= terms.header.day.month();
    let piece = |(key, held): (K, HeldRefundable)| {
        let attributes = held.note.note().attributes();
        let rule = rule_for(terms, state, attributes.purpose()).filter(|_| is_valid)?;
        let caps = Caps::from(&rule.attributes().line);
        Some(Piece { key, purpose: attributes.purpose(), value: attributes.value().get(), caps, returns: None })
    };
    Ok(payments.filter_map(piece).collect())
}

/// A payment, or a part of one, as its payer sees it.
fn outgoing(book: &Book, held: &HeldRefundable) -> Option<OutgoingPayment> {
    let item = book.item(held.item)?;
    let attributes = held.note.note().attributes();
    Some(OutgoingPayment {
        payment_id: item.transaction_id?,
        payee: item.payee.clone(),
        amount: attributes.value(),
        total: item.amount,
        memo: item.memo.clone(),
        purpose: book.purpose_name(attributes.purpose()),
        log_index: item.log_index?,
    })
}

/// What of the payments from before their payees have turned out to have: those that were asked for.
fn received(
    book: &Book,
    terms: &Terms,
    before: &[(RecordId, HeldRefundable, bool)],
    which: Which,
    asked: Option<u64>,
) -> Vec<OutgoingPayment> {
    let wanted = before.iter().filter(|(_, held, _)| match which {
        Which::All => held.note.is_expired(terms.header.day.month()),
        Which::Payment(_) | Which::AnyOne => asked == Some(held.item),
    });
    let gone = wanted.filter(|(_, held, _)| book.item(held.item).is_some_and(|item| item.receipt_index.is_some()));
    gone.filter_map(|(_, held, _)| outgoing(book, held)).collect()
}

/// What nobody is known to have claimed, and why it is not back.
fn pending(book: &Book, terms: &Terms, asked: Option<u64>, renewed: bool) -> Result<Vec<PendingRefund>, WalletError> {
    let state = book.state()?;
    let (state, today) = (state.attributes(), terms.header.day);
    let unclaimed = || book.unclaimed().into_iter().filter(|(_, held, _)| asked.is_none_or(|item| item == held.item));
    let free = unclaimed().filter(|(_, held, in_progress)| !in_progress && is_due(book, terms, held));
    let pieces = pieces(book, terms, free.map(|(_, held, _)| (held.item, held)))?;
    let parts: Vec<Part<u64>> = plan::schedule(&pieces, Counters::of(state, today), &manner(terms));
    let mut pending: Vec<(u64, PendingRefund)> = Vec::new();
    for (_, held, in_progress) in unclaimed() {
        let Some(payment) = outgoing(book, &held) else { continue };
        let plan = planned(parts.iter().filter(|part| part.key == held.item));
        let reason = match plan.first().map(|part| part.day) {
            _ if in_progress => PendingReason::InProgress,
            _ if !held.note.is_expired(today.month()) => PendingReason::NotExpired,
            Some(day) if day == today && renewed => PendingReason::NextCall,
            Some(day) if day == today => PendingReason::InProgress,
            Some(day) if day.month() == today.month() => PendingReason::OverDayCap,
            Some(_) => PendingReason::OverMonthCap,
            None if state.validity() < today.month() => PendingReason::RegistrationExpired,
            None if pieces.iter().any(|piece| piece.key == held.item) => PendingReason::LargerThanCap,
            None => PendingReason::NotAllowed,
        };
        match pending.last_mut().filter(|(item, _)| *item == held.item) {
            // Another part of the same payment.
            Some((_, before)) => {
                let amount = before.payment.amount.get().saturating_add(payment.amount.get());
                before.payment.amount = Amount::new(amount);
            }
            None => pending.push((held.item, PendingRefund { payment, reason, refundable_from: from(&held), plan })),
        }
    }
    Ok(pending.into_iter().map(|(_, pending)| pending).collect())
}

/// The first month in which a payment can be taken back.
fn from(held: &HeldRefundable) -> Month {
    held.note.note().attributes().expiry().plus(1)
}
