//! Receiving: finding payments, and claiming what the caps allow.

use std::collections::BTreeSet;

use farthing_ecash::{
    amount::Amount,
    calendar::Day,
    claim,
    policy::{UNLIMITED, UNRESTRICTED},
    rule::Rule,
    transaction::NOTES_MAX,
    wallet_state::WalletState,
};

use super::{Progress, inner::Inner};
use crate::{
    book::{Book, HeldNote},
    error::WalletError,
    operation::{Claim, Intent, Season, Settled, claim_rule},
    report::{IncomingPayment, PendingPayment, PendingReason, ReceiveReport},
    terms::Terms,
    vault::RecordId,
};

/// Up to so many payments are claimed one by one, so that no payer sees how many others there were. More are joined: each
/// claim costs the redeemer a proof and the wallet a coin.
const CLAIMED_ALONE_MAX: usize = 8;

impl Inner {
    pub(super) async fn receive(&self, progress: Progress) -> Result<ReceiveReport, WalletError> {
        let _turn = self.receiving.lock().await;
        self.book.lock().await.state()?;
        let mut terms = self.terms().await?;
        let mut report = ReceiveReport::default();
        let mut claimed = Vec::new();
        self.finish_claim(&mut report, &mut claimed).await?;
        let scan = self.catch_up(Some(&terms), &progress).await?;
        (report.scanned, report.worthless) = (scan.scanned, scan.worthless);
        tracing::debug!(scanned = scan.scanned, "looked through the payment log");

        // Notes of a claim that failed are left for another time, so that this comes to an end.
        let mut tried = BTreeSet::new();
        while report.delay.is_none() {
            let driving = {
                let mut book = self.book.lock().await;
                let Some(notes) = next_claim(&book, &terms, &tried)? else { break };
                tried.extend(&notes);
                let payments = notes.iter().filter_map(|id| book.note(*id)).filter_map(|note| payment(&book, note));
                claimed = payments.collect();
                let season = Season::Payments(terms.clone());
                self.begin(&mut book, &season, Intent::Claim(Claim {}), notes, None, Vec::new()).await?
            };
            match self.drive(&driving).await {
                Ok(Settled::Done) => report.claimed.append(&mut claimed),
                Ok(Settled::Pending { delay }) => report.delay = Some(delay),
                Err(error @ (WalletError::SpentElsewhere { .. } | WalletError::CapExceeded { .. })) => {
                    tracing::debug!(%error, "a claim was refused");
                    terms = self.terms().await?;
                }
                Err(error @ (WalletError::DiskFull | WalletError::Storage { .. } | WalletError::Internal { .. })) => {
                    return Err(error);
                }
                Err(error) => report.delay = Some(error.to_string()),
            }
        }
        let book = self.book.lock().await;
        report.pending = pending(&book, &terms)?;
        report.available = book.available(UNRESTRICTED);
        Ok(report)
    }

    /// Finishes a claim that was begun before: there can only be one at a time.
    async fn finish_claim(
        &self,
        report: &mut ReceiveReport,
        claimed: &mut Vec<IncomingPayment>,
    ) -> Result<(), WalletError> {
        let driving = {
            let book = self.book.lock().await;
            let mut operations = book.operations();
            let Some((id, claim)) = operations.find(|(_, operation)| matches!(operation.intent, Intent::Claim(_)))
            else {
                return Ok(());
            };
            let notes = claim.inputs.iter().filter_map(|id| book.note(*id));
            *claimed = notes.filter_map(|note| payment(&book, note)).collect();
            self.driving(id)
        };
        match self.drive(&driving).await {
            Ok(Settled::Done) => report.claimed.append(claimed),
            Ok(Settled::Pending { delay }) => report.delay = Some(delay),
            Err(error @ (WalletError::DiskFull | WalletError::Storage { .. } | WalletError::Internal { .. })) => {
                return Err(error);
            }
            Err(error) => tracing::debug!(%error, "the claim that was begun before was refused"),
        }
        Ok(())
    }
}

/// A note as its owner sees it.
fn payment(book: &Book, note: &HeldNote) -> Option<IncomingPayment> {
    let item = book.item(note.item)?;
    Some(IncomingPayment {
        payment_id: item.transaction_id?,
        amount: item.amount,
        memo: item.memo.clone(),
        purpose: book.purpose_name(note.credential.attributes().purpose()),
        log_index: item.log_index?,
    })
}

/// The notes of the next claim: one, or when many wait up to 64 of one purpose, the oldest first, as far as the caps allow.
fn next_claim(book: &Book, terms: &Terms, tried: &BTreeSet<RecordId>) -> Result<Option<Vec<RecordId>>, WalletError> {
    let state = book.state()?;
    let state = state.attributes();
    let waiting: Vec<_> = book.claimable().into_iter().filter(|(id, _)| !tried.contains(id)).collect();
    // In the order in which they came: one by the purposes' numbers would tell how many claims were for which.
    let mut purposes: Vec<u32> = Vec::new();
    for (_, note) in &waiting {
        let purpose = note.credential.attributes().purpose();
        if !purposes.contains(&purpose) {
            purposes.push(purpose);
        }
    }
    for purpose in purposes {
        let Some(rule) = claim_rule(terms, state, purpose) else { continue };
        if state.validity() < terms.header.day.month() {
            continue;
        }
        let notes: Vec<_> =
            waiting.iter().filter(|(_, note)| note.credential.attributes().purpose() == purpose).collect();
        let joined = notes.len() > CLAIMED_ALONE_MAX;
        let notes_max = if joined { usize::try_from(NOTES_MAX).unwrap_or(usize::MAX) } else { 1 };
        let mut room = claim::room(state, rule.attributes(), terms.header.day);
        let mut chosen = Vec::new();
        for (id, note) in notes {
            let value = note.credential.attributes().value();
            let worth = joined || value >= terms.policy.terms().minimum;
            if chosen.len() < notes_max
                && worth
                && let Some(left) = room.checked_sub(value)
            {
                room = left;
                chosen.push(*id);
            }
        }
        if !chosen.is_empty() {
            return Ok(Some(chosen));
        }
    }
    Ok(None)
}

/// What waits, and why.
fn pending(book: &Book, terms: &Terms) -> Result<Vec<PendingPayment>, WalletError> {
    let state = book.state()?;
    let state = state.attributes();
    let today = terms.header.day;
    let mut pending = Vec::new();
    for (_, note, in_progress) in book.waiting() {
        let Some(payment) = payment(book, &note) else { continue };
        let expires = note.credential.attributes().expiry();
        let rule = claim_rule(terms, state, note.credential.attributes().purpose());
        let wait = match rule {
            _ if in_progress => Wait::new(PendingReason::InProgress),
            None => Wait::new(PendingReason::NotAllowed),
            Some(_) if state.validity() < today.month() => Wait::new(PendingReason::RegistrationExpired),
            Some(rule) => wait(state, rule.attributes(), today, payment.amount),
        };
        let left_today = rule.and_then(|rule| left_today(state, rule.attributes(), today));
        pending.push(PendingPayment {
            payment,
            reason: wait.reason,
            over_by: wait.over_by,
            left_today,
            claimable_from: wait.until,
            expires,
        });
    }
    Ok(pending)
}

/// What may still be received today; `None` is unlimited.
pub(super) fn left_today(state: &WalletState, rule: &Rule, today: Day) -> Option<Amount> {
    (rule.line.day_cap != UNLIMITED || rule.line.month_cap != UNLIMITED).then(|| claim::room(state, rule, today))
}

/// Why and how long a note waits.
struct Wait {
    reason: PendingReason,
    over_by: Amount,
    until: Option<Day>,
}

impl Wait {
    fn new(reason: PendingReason) -> Self {
        Self { reason, over_by: Amount::ZERO, until: None }
    }
}

/// Why a note of this amount, for which there is a rule, is not claimed today.
fn wait(state: &WalletState, rule: &Rule, today: Day, amount: Amount) -> Wait {
    let over =
        |cap: Amount, used: Amount| Amount::new(amount.get().saturating_sub(cap.get().saturating_sub(used.get())));
    let whole = over(rule.line.day_cap.min(rule.line.month_cap), Amount::ZERO);
    let month = over(rule.line.month_cap, state.received_in(today.month()));
    let day = over(rule.line.day_cap, state.received_on(today));
    let nothing = Amount::ZERO;
    if whole > nothing {
        Wait { reason: PendingReason::LargerThanCap, over_by: whole, until: None }
    } else if month > nothing {
        Wait { reason: PendingReason::OverMonthCap, over_by: month, until: Some(next_month(today)) }
    } else if day > nothing {
        Wait { reason: PendingReason::OverDayCap, over_by: day, until: Some(Day::new(today.get().saturating_add(1))) }
    } else {
        Wait::new(PendingReason::Dust)
    }
}

/// The first day of the next month.
fn next_month(today: Day) -> Day {
    let (year, month, _) = today.to_civil();
    let next =
        if month == 12 { Day::from_civil(year.saturating_add(1), 1, 1) } else { Day::from_civil(year, month + 1, 1) };
    next.unwrap_or(today)
}
