//! Receiving: finding payments, claiming what the caps allow, and splitting what they allow only in part.

use std::collections::{BTreeMap, BTreeSet};

use farthing_ecash::{
    amount::Amount,
    calendar::{Day, Month},
    claim,
    policy::{UNLIMITED, UNRESTRICTED},
    rule::Rule,
    wallet_state::WalletState,
};

use super::{Progress, inner::Inner};
use crate::{
    book::{Book, HeldNote},
    error::{Server, WalletError},
    history::HistoryItem,
    link::PaymentLink,
    operation::{Claim, Intent, Season, Settled, Split, claim_rule},
    plan::{self, Caps, Counters, Manner, Part, Piece, Step},
    report::{IncomingPayment, PendingPayment, PendingReason, PlannedPart, ReceiveReport, RenewOutcome},
    terms::{self, Terms},
    vault::RecordId,
};

/// What to receive besides what the log has for this wallet, and how. The default protects: no claim shows what belongs
/// together.
#[derive(Default)]
pub struct Receiving {
    /// Payments that were made before this wallet was registered.
    pub links: Vec<PaymentLink>,
    /// Claim up to 64 payments together, and small ones with them that are not worth a claim of their own. That is faster and
    /// makes fewer coins, and issuer, redeemer and every reader of the log see that the payments have one owner; each payer
    /// sees with how many others its own was claimed.
    pub join: bool,
    /// Leave a renewal that can wait to [`Wallet::renew_if_due`](crate::Wallet::renew_if_due), as who calls that at random times.
    pub renew_later: bool,
}

/// What has become of a renewal that a wallet does by itself.
#[derive(Default)]
pub(super) struct Renewing {
    /// It is renewed.
    done: bool,
    /// It was due, and is not renewed because of this.
    failure: Option<String>,
    /// That is because a renewal is under way, so that nothing else can be done with the state.
    is_under_way: bool,
}

impl Renewing {
    /// As a report has it: whether it is renewed, why nothing else can be done, and why it is not renewed though that was due.
    pub(super) fn told(self) -> (bool, Option<String>, Option<String>) {
        (self.done, self.failure.clone().filter(|_| self.is_under_way), self.failure)
    }
}

impl Inner {
    pub(super) async fn receive(&self, receiving: Receiving, progress: Progress) -> Result<ReceiveReport, WalletError> {
        let Receiving { links, join, renew_later } = receiving;
        let _turn = self.receiving.lock().await;
        let renewed = self.finish_registration().await?;
        let mut terms = self.terms().await?;
        let mut report = ReceiveReport { renewed, ..ReceiveReport::default() };
        let mut claimed = Vec::new();
        let mut has_acted = self.finish_claim(&mut report, &mut claimed).await?;
        let mut linked = Vec::with_capacity(links.len());
        for link in links {
            linked.push(self.take_link(link).await?);
        }
        let scan = self.catch_up(Some(&terms), &progress).await?;
        (report.scanned, report.worthless) = (scan.scanned, scan.worthless);
        tracing::debug!(scanned = scan.scanned, "looked through the payment log");

        if report.delay.is_none() && !report.renewed && !has_acted && self.is_expired(terms.header.day).await? {
            (report.renewed, report.delay, report.not_renewed) = self.renew_by_itself().await?.told();
        }
        // Notes of a claim that failed are left for another time, so that this comes to an end.
        let mut tried = BTreeSet::new();
        while report.delay.is_none() && !report.renewed {
            let driving = {
                let mut book = self.book.lock().await;
                let Some(step) = next_step(&book, &terms, join, &tried)? else { break };
                has_acted = true;
                let season = Season::Payments(terms.clone());
                match step {
                    Step::Take(notes) => {
                        tried.extend(&notes);
                        let notes_held = notes.iter().filter_map(|id| book.note(*id));
                        claimed = notes_held.filter_map(|note| payment(&book, note)).collect();
                        self.begin(&mut book, &season, Intent::Claim(Claim {}), notes, None, Vec::new()).await?
                    }
                    Step::Split(note, first) => {
                        tried.insert(note);
                        claimed.clear();
                        let intent = Intent::Split(Split { first });
                        let amount = book.note(note).map(|held| held.credential.attributes().value());
                        let amount = amount.unwrap_or_default();
                        let purpose = book.note(note).map(|held| held.credential.attributes().purpose());
                        let purpose = book.purpose_name(purpose.unwrap_or(UNRESTRICTED));
                        let item = HistoryItem { amount, purpose, ..self.new_item(&book, &intent, None) };
                        self.begin(&mut book, &season, intent, vec![note], Some(item), Vec::new()).await?
                    }
                }
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
        let can_renew = report.delay.is_none() && report.not_renewed.is_none() && !report.renewed && !has_acted;
        if can_renew && !renew_later {
            (report.renewed, report.delay, report.not_renewed) = self.renew_by_itself().await?.told();
        }
        let book = self.book.lock().await;
        let waiting = Waiting::of(&book, &terms, join)?;
        report.plan = waiting.days();
        report.pending = waiting.pending(&book, &terms, report.renewed)?;
        let state = book.state()?;
        report.renew_in = renew_in(report.plan.iter(), state.attributes());
        let unrestricted = claim_rule(&terms, state.attributes(), UNRESTRICTED);
        report.left_today =
            unrestricted.and_then(|rule| left_today(state.attributes(), rule.attributes(), terms.header.day));
        report.available = book.available(UNRESTRICTED);
        report.links = linked.into_iter().map(|link| Self::link_outcome(&book, link, &report.claimed)).collect();
        Ok(report)
    }

    /// Goes on with a registration that had to wait, when its day has come: whether it is finished now. The issuer is not
    /// asked before, because each time tells it whose wallet is at work.
    pub(super) async fn finish_registration(&self) -> Result<bool, WalletError> {
        if let Some(from) = self.waits_until().await? {
            return Err(WalletError::RegistrationWaits { from });
        }
        let waiting = {
            let book = self.book.lock().await;
            book.operations().find(|(_, operation)| operation.intent.waits()).map(|(id, _)| id)
        };
        let Some(id) = waiting else { return self.book.lock().await.state().map(|_| false) };
        let driving = self.driving(id);
        let settled = self.drive(&driving).await?;
        match (settled, self.waits_until().await?) {
            (_, Some(from)) => Err(WalletError::RegistrationWaits { from }),
            (Settled::Pending { delay }, None) => Err(WalletError::Unreachable { server: Server::Issuer, what: delay }),
            (Settled::Done, None) => self.book.lock().await.state().map(|_| true),
        }
    }

    /// From which day on the registration is signed, when that day has not come by this machine's clock.
    pub(super) async fn waits_until(&self) -> Result<Option<Day>, WalletError> {
        let book = self.book.lock().await;
        let Some((from, pins)) = book.waits_until().zip(book.pins()) else { return Ok(None) };
        Ok(Some(from).filter(|from| terms::own_day(pins, self.unix_seconds()).is_ok_and(|today| today < *from)))
    }

    /// Whether the state is not valid any more, so that nothing can be claimed or taken back with it.
    pub(super) async fn is_expired(&self, today: Day) -> Result<bool, WalletError> {
        Ok(self.book.lock().await.state()?.attributes().validity() < today.month())
    }

    /// Renews the state if that is due. What it has failed by is told.
    pub(super) async fn renew_by_itself(&self) -> Result<Renewing, WalletError> {
        let failed = |text: String, is_under_way| Renewing { done: false, failure: Some(text), is_under_way };
        match self.renew_in_turn(false).await {
            Ok(RenewOutcome::Pending { delay }) => Ok(failed(delay, true)),
            Ok(RenewOutcome::Renewed(_)) => Ok(Renewing { done: true, ..Renewing::default() }),
            Ok(RenewOutcome::NotDue { .. }) => Ok(Renewing::default()),
            Err(
                error @ (WalletError::DiskFull
                | WalletError::Storage { .. }
                | WalletError::Internal { .. }
                | WalletError::LogContradictsItself { .. }),
            ) => Err(error),
            Err(error) => Ok(failed(error.to_string(), self.uses_state().await.is_some())),
        }
    }

    /// Finishes a claim, refund or renewal that was begun before: there can only be one at a time. Says whether there was a claim
    /// or refund.
    async fn finish_claim(
        &self,
        report: &mut ReceiveReport,
        claimed: &mut Vec<IncomingPayment>,
    ) -> Result<bool, WalletError> {
        let (driving, renews) = {
            let book = self.book.lock().await;
            let mut operations = book.operations();
            let Some((id, claim)) = operations.find(|(_, operation)| operation.intent.consumes_state()) else {
                return Ok(false);
            };
            let notes = claim.inputs.iter().filter_map(|id| book.note(*id));
            *claimed = notes.filter_map(|note| payment(&book, note)).collect();
            (self.driving(id), claim.intent.renews())
        };
        match self.drive(&driving).await {
            Ok(Settled::Done) if renews => report.renewed = true,
            Ok(Settled::Done) => report.claimed.append(claimed),
            Ok(Settled::Pending { delay }) => report.delay = Some(delay),
            Err(error @ (WalletError::DiskFull | WalletError::Storage { .. } | WalletError::Internal { .. })) => {
                return Err(error);
            }
            Err(error) => tracing::debug!(%error, "what was begun before was refused"),
        }
        Ok(!renews)
    }
}

/// A note as its owner sees it: a payment, or a part of one.
fn payment(book: &Book, note: &HeldNote) -> Option<IncomingPayment> {
    let item = book.item(note.item)?;
    Some(IncomingPayment {
        payment_id: item.transaction_id?,
        amount: note.credential.attributes().value(),
        total: item.amount,
        memo: item.memo.clone(),
        purpose: book.purpose_name(note.credential.attributes().purpose()),
        log_index: item.log_index?,
        reference: item.reference,
    })
}

/// The notes that wait and for which there is a rule today, the oldest first, each under the name that `key` gives it.
fn pieces<K>(
    book: &Book,
    terms: &Terms,
    key: impl Fn(RecordId, &HeldNote) -> Option<K>,
) -> Result<Vec<Piece<K>>, WalletError> {
    let state = book.state()?;
    let state = state.attributes();
    if state.validity() < terms.header.day.month() {
        return Ok(Vec::new());
    }
    let piece = |(id, note): (RecordId, HeldNote)| {
        let attributes = note.credential.attributes();
        let rule = claim_rule(terms, state, attributes.purpose())?;
        let caps = Caps::from(&rule.attributes().line);
        // A part was split off by this wallet, which has ended its payer's right.
        let whole = book.item(note.item).is_some_and(|item| item.amount == attributes.value());
        let returns = whole.then(|| attributes.expiry().plus(1));
        let (purpose, value) = (attributes.purpose(), attributes.value().get());
        Some(Piece { key: key(id, &note)?, purpose, value, caps, returns })
    };
    Ok(book.claimable().into_iter().filter_map(piece).collect())
}

fn manner(terms: &Terms, join: bool) -> Manner {
    Manner::claims(terms.policy.terms().minimum.get(), join)
}

/// What to claim or split next; not what was tried before.
fn next_step(
    book: &Book,
    terms: &Terms,
    join: bool,
    tried: &BTreeSet<RecordId>,
) -> Result<Option<Step<RecordId>>, WalletError> {
    let pieces = pieces(book, terms, |id, _| (!tried.contains(&id)).then_some(id))?;
    let counters = Counters::of(book.state()?.attributes(), terms.header.day);
    Ok(plan::next(&pieces, &counters, &manner(terms, join)))
}

/// What waits, and the plan for it. A payment is named by its item in the history.
struct Waiting {
    counters: Counters,
    parts: Vec<Part<u64>>,
}

impl Waiting {
    fn of(book: &Book, terms: &Terms, join: bool) -> Result<Self, WalletError> {
        let counters = Counters::of(book.state()?.attributes(), terms.header.day);
        let pieces = pieces(book, terms, |_, note| Some(note.item))?;
        Ok(Self { counters, parts: plan::schedule(&pieces, counters, &manner(terms, join)) })
    }

    /// What is claimed on which day.
    fn days(&self) -> Vec<PlannedPart> {
        planned(self.parts.iter())
    }

    /// What waits, and why.
    fn pending(&self, book: &Book, terms: &Terms, renewed: bool) -> Result<Vec<PendingPayment>, WalletError> {
        let state = book.state()?;
        let state = state.attributes();
        let mut waiting: BTreeMap<u64, (HeldNote, u64, bool)> = BTreeMap::new();
        for (_, note, in_progress) in book.waiting() {
            let value = note.credential.attributes().value().get();
            let entry = waiting.entry(note.item).or_insert((note, 0, false));
            entry.1 = entry.1.saturating_add(value);
            entry.2 |= in_progress;
        }
        let mut pending = Vec::new();
        for (item, (note, value, in_progress)) in waiting {
            let Some(payment) = payment(book, &note) else { continue };
            let expires = note.credential.attributes().expiry();
            let payment = IncomingPayment { amount: Amount::new(value), ..payment };
            let rule = claim_rule(terms, state, note.credential.attributes().purpose());
            let plan = planned(self.parts.iter().filter(|part| part.key == item));
            let reason = match rule {
                _ if in_progress => PendingReason::InProgress,
                None => PendingReason::NotAllowed,
                Some(_) if state.validity() < terms.header.day.month() => PendingReason::RegistrationExpired,
                Some(_) => match reason(value, &plan, terms) {
                    PendingReason::InProgress if renewed => PendingReason::NextCall,
                    reason => reason,
                },
            };
            let room = rule.map_or(0, |rule| self.counters.room(Caps::from(&rule.attributes().line)));
            let capped = [PendingReason::OverDayCap, PendingReason::OverMonthCap, PendingReason::LargerThanCap];
            let over_by = if capped.contains(&reason) { value.saturating_sub(room) } else { 0 };
            let left_today = rule.and_then(|rule| left_today(state, rule.attributes(), terms.header.day));
            pending.push(PendingPayment { payment, reason, over_by: Amount::new(over_by), left_today, plan, expires });
        }
        Ok(pending)
    }
}

/// Parts of one day are one.
pub(super) fn planned<'p>(parts: impl Iterator<Item = &'p Part<u64>>) -> Vec<PlannedPart> {
    let mut days: Vec<PlannedPart> = Vec::new();
    for part in parts {
        match days.last_mut().filter(|last| last.day == part.day) {
            Some(last) => {
                last.amount = Amount::new(last.amount.get().saturating_add(part.value));
                last.returns = plan::earlier(last.returns, part.returns);
            }
            None => {
                days.push(PlannedPart { day: part.day, amount: Amount::new(part.value), returns: part.returns });
            }
        }
    }
    days
}

/// The month in which the wallet has to be renewed for a plan to hold, when it goes on after that: the last one of its validity.
pub(super) fn renew_in<'p>(mut plan: impl Iterator<Item = &'p PlannedPart>, state: &WalletState) -> Option<Month> {
    let validity = state.validity();
    plan.any(|part| part.day.month() > validity).then_some(validity)
}

/// Why a payment of this value, for which there is a rule, waits.
fn reason(value: u64, plan: &[PlannedPart], terms: &Terms) -> PendingReason {
    let today = terms.header.day;
    match plan.first().map(|part| part.day) {
        // It could be claimed today, so a claim did not come to its end.
        Some(day) if day == today => PendingReason::InProgress,
        Some(day) if day.month() == today.month() => PendingReason::OverDayCap,
        Some(_) => PendingReason::OverMonthCap,
        None if value < terms.policy.terms().minimum.get() => PendingReason::Dust,
        None => PendingReason::LargerThanCap,
    }
}

/// What may still be received today; `None` is unlimited.
pub(super) fn left_today(state: &WalletState, rule: &Rule, today: Day) -> Option<Amount> {
    (rule.line.day_cap != UNLIMITED || rule.line.month_cap != UNLIMITED).then(|| claim::room(state, rule, today))
}
