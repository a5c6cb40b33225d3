//! What came in: payments received, and payments taken back.

use farthing_proto::v1;
use serde_json::{Value, json};

use super::{
    Money, Shown, hex,
    moves::{available, bound_to},
    name, optional, printable,
};

/// Days of a plan that are written out; a document has all.
const DAYS_SHOWN_MAX: usize = 7;

/// Payments received.
pub(in crate::cli) fn received(answer: &v1::ReceiveResponse, money: &Money) -> Shown {
    let mut text = String::new();
    if answer.claimed.is_empty() {
        text += "No new payment was claimed.\n";
    }
    for link in &answer.links {
        text += match link.state() {
            v1::LinkState::ClaimedBefore => "The payment of the link was claimed by this wallet before.\n",
            v1::LinkState::Gone => {
                "The payment of the link is gone: another wallet of this identity has claimed it, or its payer has taken it back.\n"
            }
            _ => "",
        };
    }
    for payment in &answer.claimed {
        text += &format!("Received {}{}\n", part(payment.amount, payment.total, money), incoming_remarks(payment));
    }
    for pending in &answer.pending {
        let payment = pending.payment.clone().unwrap_or_default();
        let amount = part(payment.amount, payment.total, money);
        let why = match pending.reason() {
            v1::PendingReason::NotAllowed => {
                let expires = printable(&pending.expires);
                format!("your class or registration may not receive it. After {expires} it can go back to its payer.")
            }
            reason => why_pending(reason, pending.over_by, money),
        };
        text += &format!("Waiting: {amount}{}: {why}\n", incoming_remarks(&payment));
    }
    text += &plan_text("claimed", &answer.plan, money);
    text += &renewal_text(&answer.renew_in);
    text += renewed(answer.renewed);
    text += &not_renewed(&answer.not_renewed);
    if let Some(left) = answer.left_today.filter(|_| !answer.pending.is_empty()) {
        text += &format!("{} more can be received today.\n", money.text(left));
    }
    text += &available(answer.available, "", money);
    let pending = answer.pending.iter().map(|pending| {
        let mut document = incoming(&pending.payment.clone().unwrap_or_default());
        document["reason"] = reason(pending.reason());
        document["over_by"] = json!(pending.over_by);
        document["left_today"] = json!(pending.left_today);
        document["expires"] = optional(&pending.expires);
        document["plan"] = plan(&pending.plan);
        document
    });
    let document = json!({
        "claimed": answer.claimed.iter().map(incoming).collect::<Vec<_>>(),
        "pending": pending.collect::<Vec<_>>(),
        "plan": plan(&answer.plan),
        "renew_in": optional(&answer.renew_in),
        "left_today": answer.left_today,
        "renewed": answer.renewed,
        "not_renewed": optional(&answer.not_renewed),
        "links": answer.links.iter().map(link_outcome).collect::<Vec<_>>(),
        "available": answer.available,
        "currency": money.document(),
    });
    Shown { text, document }
}

fn link_outcome(link: &v1::LinkOutcome) -> Value {
    let state = name(link.state().as_str_name(), "LINK_STATE_");
    json!({ "payment_id": hex(&link.payment_id), "state": state })
}

/// Payments taken back.
pub(in crate::cli) fn refunded(answer: &v1::RefundResponse, money: &Money) -> Shown {
    let mut text = String::new();
    if answer.refunded.is_empty() {
        text += "No payment was taken back.\n";
    }
    for payment in &answer.refunded {
        text += &format!("Took back {}{}\n", part(payment.amount, payment.total, money), outgoing_remarks(payment));
    }
    for payment in &answer.received {
        let amount = money.text(payment.amount);
        text += &format!("{amount}{} were received by the payee in time.\n", outgoing_remarks(payment));
    }
    let mut days: Vec<v1::PlannedPart> = Vec::new();
    for pending in &answer.pending {
        let payment = pending.payment.clone().unwrap_or_default();
        let amount = part(payment.amount, payment.total, money);
        let why = match pending.reason() {
            v1::PendingReason::NotExpired => {
                format!("can be taken back from {} on, unless it is claimed before.", pending.refundable_from)
            }
            other => why_pending(other, 0, money),
        };
        text += &format!("Waiting: {amount}{}: {why}\n", outgoing_remarks(&payment));
        days.extend(pending.plan.iter().cloned());
    }
    text += &plan_text("taken back", &joined(days), money);
    text += &renewal_text(&answer.renew_in);
    text += renewed(answer.renewed);
    text += &not_renewed(&answer.not_renewed);
    text += &available(answer.available, "", money);
    let pending = answer.pending.iter().map(|pending| {
        let mut document = outgoing(&pending.payment.clone().unwrap_or_default());
        document["reason"] = reason(pending.reason());
        document["refundable_from"] = json!(pending.refundable_from);
        document["plan"] = plan(&pending.plan);
        document
    });
    let document = json!({
        "refunded": answer.refunded.iter().map(outgoing).collect::<Vec<_>>(),
        "received": answer.received.iter().map(outgoing).collect::<Vec<_>>(),
        "pending": pending.collect::<Vec<_>>(),
        "renew_in": optional(&answer.renew_in),
        "renewed": answer.renewed,
        "not_renewed": optional(&answer.not_renewed),
        "available": answer.available,
        "currency": money.document(),
    });
    Shown { text, document }
}

fn renewed(renewed: bool) -> &'static str {
    if renewed {
        "The registration is finished or renewed now. That shows whose wallet this is, so nothing else was done with it.\n"
    } else {
        ""
    }
}

/// Why the registration, which is to be renewed, is not.
fn not_renewed(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!("The registration is not renewed yet: {}\n", printable(why)) }
}

/// An amount, and of what it is a part.
fn part(amount: u64, total: u64, money: &Money) -> String {
    if amount < total { format!("{} of {}", money.number(amount), money.text(total)) } else { money.text(amount) }
}

/// The days of several plans as one, in their order.
fn joined(mut days: Vec<v1::PlannedPart>) -> Vec<v1::PlannedPart> {
    days.sort_by(|one, other| one.day.cmp(&other.day));
    days.dedup_by(|later, kept| {
        let same = later.day == kept.day;
        if same {
            kept.amount = kept.amount.saturating_add(later.amount);
        }
        same
    });
    days
}

fn plan_text(what: &str, plan: &[v1::PlannedPart], money: &Money) -> String {
    let mut text = String::new();
    for part in plan.iter().take(DAYS_SHOWN_MAX) {
        let returns = returns(&part.refundable_from);
        text += &format!("Plan: {} can be {what} on {}{returns}.\n", money.text(part.amount), part.day);
    }
    let rest = plan.iter().skip(DAYS_SHOWN_MAX);
    if let Some(last) = rest.clone().last() {
        let sum = rest.clone().map(|part| part.amount).fold(0, u64::saturating_add);
        let first = rest.map(|part| part.refundable_from.as_str()).filter(|month| !month.is_empty()).min();
        let returns = returns(first.unwrap_or_default());
        text += &format!("Plan: {} more can be {what} until {}{returns}.\n", money.text(sum), last.day);
    }
    text
}

/// What a plan takes for granted.
fn renewal_text(month: &str) -> String {
    if month.is_empty() {
        return String::new();
    }
    let month = printable(month);
    format!(
        "For that the registration has to be renewed in {month}: `farthing receive` and the daemon do it by themselves then.\n"
    )
}

/// What to add when a payer may have taken it back by then.
fn returns(month: &str) -> String {
    if month.is_empty() {
        String::new()
    } else {
        format!(", but may go back to its payer from {} on", printable(month))
    }
}

fn plan(parts: &[v1::PlannedPart]) -> Value {
    parts.iter().map(|part| json!({ "day": part.day, "amount": part.amount, "refundable_from": optional(&part.refundable_from) })).collect()
}

fn reason(reason: v1::PendingReason) -> Value {
    json!(name(reason.as_str_name(), "PENDING_REASON_"))
}

/// Purpose and memo, if there are any. Both were written by others.
fn incoming_remarks(payment: &v1::IncomingPayment) -> String {
    let memo = &payment.memo;
    let memo = if memo.is_empty() { String::new() } else { format!(" – “{}”", printable(memo)) };
    let reference = match payment.request_reference.as_str() {
        "" => String::new(),
        reference => format!(" (request {})", printable(reference)),
    };
    bound_to(&payment.purpose) + &memo + &reference
}

/// Purpose and payee, if they are known.
fn outgoing_remarks(payment: &v1::OutgoingPayment) -> String {
    let payee = &payment.payee;
    let payee = if payee.is_empty() { String::new() } else { format!(" paid to {}", printable(payee)) };
    bound_to(&payment.purpose) + &payee
}

fn incoming(payment: &v1::IncomingPayment) -> Value {
    json!({
        "payment_id": hex(&payment.payment_id),
        "amount": payment.amount,
        "total": payment.total,
        "memo": optional(&payment.memo),
        "purpose": optional(&payment.purpose),
        "log_index": payment.log_index,
        "request_reference": optional(&payment.request_reference),
    })
}

fn outgoing(payment: &v1::OutgoingPayment) -> Value {
    json!({
        "payment_id": hex(&payment.payment_id),
        "amount": payment.amount,
        "total": payment.total,
        "payee": optional(&payment.payee),
        "memo": optional(&payment.memo),
        "purpose": optional(&payment.purpose),
        "log_index": payment.log_index,
    })
}

fn why_pending(reason: v1::PendingReason, over_by: u64, money: &Money) -> String {
    let over = if over_by > 0 { format!("{} over ", money.text(over_by)) } else { "over ".to_owned() };
    match reason {
        v1::PendingReason::OverDayCap => format!("{over}the cap of the day. Run the command again tomorrow."),
        v1::PendingReason::OverMonthCap => format!("{over}the cap of the month. Run the command again next month."),
        v1::PendingReason::LargerThanCap => {
            "your caps are smaller than the smallest part that could be split off. Ask the issuer.".to_owned()
        }
        v1::PendingReason::Dust => {
            "smaller than the smallest payment. `farthing receive --join` claims it together with others.".to_owned()
        }
        v1::PendingReason::NotAllowed => {
            "your class or registration may not receive this money at present. Ask the issuer.".to_owned()
        }
        v1::PendingReason::InProgress => "the redeemer has not confirmed it yet. Run the command again.".to_owned(),
        v1::PendingReason::NextCall => "left for the next time. Run the command again, better not at once.".to_owned(),
        v1::PendingReason::NotExpired => "its payee still has time to claim it.".to_owned(),
        v1::PendingReason::Unspecified => "run the command again later.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use farthing_ecash::amount::Currency;

    use super::*;

    fn euro() -> Money {
        Money::new(Some(Currency::new("EUR", 2).unwrap()))
    }

    #[test]
    fn a_memo_cannot_draw_on_the_terminal() {
        let payment =
            v1::IncomingPayment { amount: 350, total: 350, memo: "\u{1b}[31mred\u{202e}".into(), ..Default::default() };
        let mut waiting = v1::PendingPayment { payment: Some(payment.clone()), over_by: 50, ..Default::default() };
        waiting.set_reason(v1::PendingReason::OverDayCap);
        let answer = v1::ReceiveResponse {
            claimed: vec![payment],
            pending: vec![waiting],
            available: 350,
            ..Default::default()
        };
        let shown = received(&answer, &euro());
        assert_eq!(
            shown.text,
            "Received 3.50 EUR – “\\u{1b}[31mred\\u{202e}”\n\
             Waiting: 3.50 EUR – “\\u{1b}[31mred\\u{202e}”: 0.50 EUR over the cap of the day. Run the command again tomorrow.\n\
             3.50 EUR can be spent.\n"
        );
        // A document keeps the text as it is, in the escapes of JSON.
        assert_eq!(shown.document["claimed"][0]["memo"], "\u{1b}[31mred\u{202e}");
        assert!(!shown.document.to_string().contains('\u{1b}'));
        assert_eq!(shown.document["pending"][0]["reason"], "over_day_cap");
    }

    fn planned(day: &str, amount: u64) -> v1::PlannedPart {
        v1::PlannedPart { day: day.to_owned(), amount, ..Default::default() }
    }

    #[test]
    fn a_plan_says_what_comes_on_which_day() {
        let part = v1::IncomingPayment { amount: 1_000, total: 2_300, ..Default::default() };
        let days = vec![planned("2026-11-21", 1_000), planned("2026-11-22", 300)];
        let rest = v1::IncomingPayment { amount: 1_300, total: 2_300, ..Default::default() };
        let mut waiting =
            v1::PendingPayment { payment: Some(rest), over_by: 1_300, plan: days.clone(), ..Default::default() };
        waiting.set_reason(v1::PendingReason::OverDayCap);
        let answer = v1::ReceiveResponse {
            claimed: vec![part],
            pending: vec![waiting],
            available: 1_000,
            plan: days,
            left_today: Some(0),
            ..Default::default()
        };
        let shown = received(&answer, &euro());
        assert_eq!(
            shown.text,
            "Received 10.00 of 23.00 EUR\n\
             Waiting: 13.00 of 23.00 EUR: 13.00 EUR over the cap of the day. Run the command again tomorrow.\n\
             Plan: 10.00 EUR can be claimed on 2026-11-21.\n\
             Plan: 3.00 EUR can be claimed on 2026-11-22.\n\
             0.00 EUR more can be received today.\n\
             10.00 EUR can be spent.\n"
        );
        assert_eq!(shown.document["plan"][1], json!({ "day": "2026-11-22", "amount": 300, "refundable_from": null }));
        assert_eq!(shown.document["pending"][0]["plan"][0]["amount"], 1_000);
        let long: Vec<_> = (1..=9).map(|day| planned(&format!("2026-12-0{day}"), 100)).collect();
        let text = plan_text("claimed", &long, &euro());
        assert_eq!(text.lines().count(), DAYS_SHOWN_MAX + 1);
        assert!(text.ends_with("Plan: 2.00 EUR more can be claimed until 2026-12-09.\n"), "{text}");
        let late: Vec<_> =
            long.into_iter().map(|day| v1::PlannedPart { refundable_from: "2026-12".into(), ..day }).collect();
        let text = plan_text("claimed", &late, &euro());
        assert_eq!(text.matches(", but may go back to its payer from 2026-12 on.\n").count(), DAYS_SHOWN_MAX + 1);
    }

    #[test]
    fn what_came_back_and_what_the_payee_has_are_told_apart() {
        let payment =
            |amount| v1::OutgoingPayment { amount, total: 400, payee: "bob@bank.example".into(), ..Default::default() };
        let mut waiting =
            v1::PendingRefund { payment: Some(payment(400)), refundable_from: "2027-02".into(), ..Default::default() };
        waiting.set_reason(v1::PendingReason::NotExpired);
        let answer = v1::RefundResponse {
            refunded: vec![payment(100)],
            received: vec![payment(400)],
            pending: vec![waiting],
            available: 100,
            renew_in: "2027-06".into(),
            not_renewed: "revoked".into(),
            renewed: false,
        };
        let shown = refunded(&answer, &euro());
        assert_eq!(
            shown.text,
            "Took back 1.00 of 4.00 EUR paid to bob@bank.example\n\
             4.00 EUR paid to bob@bank.example were received by the payee in time.\n\
             Waiting: 4.00 EUR paid to bob@bank.example: can be taken back from 2027-02 on, unless it is claimed before.\n\
             For that the registration has to be renewed in 2027-06: `farthing receive` and the daemon do it by themselves then.\n\
             The registration is not renewed yet: revoked\n\
             1.00 EUR can be spent.\n"
        );
        assert_eq!(shown.document["pending"][0]["refundable_from"], "2027-02");
        assert_eq!(shown.document["received"][0]["payee"], "bob@bank.example");
        let days = joined(vec![planned("2026-12-02", 1), planned("2026-12-01", 2), planned("2026-12-02", 4)]);
        assert_eq!(days, [planned("2026-12-01", 2), planned("2026-12-02", 5)]);
    }

    #[test]
    fn a_call_that_has_renewed_says_that_it_did_nothing_else() {
        let payment = v1::IncomingPayment { amount: 350, ..Default::default() };
        let mut waiting = v1::PendingPayment { payment: Some(payment), ..Default::default() };
        waiting.set_reason(v1::PendingReason::NextCall);
        let answer = v1::ReceiveResponse { pending: vec![waiting], renewed: true, ..Default::default() };
        let shown = received(&answer, &euro());
        assert_eq!(
            shown.text,
            "No new payment was claimed.\n\
             Waiting: 3.50 EUR: left for the next time. Run the command again, better not at once.\n\
             The registration is finished or renewed now. That shows whose wallet this is, so nothing else was done with it.\n\
             0.00 EUR can be spent.\n"
        );
        assert_eq!(
            (&shown.document["renewed"], &shown.document["pending"][0]["reason"]),
            (&json!(true), &json!("next_call"))
        );
    }

    #[test]
    fn money_for_another_class_is_told_to_go_back() {
        let payment = v1::IncomingPayment { amount: 350, purpose: "meal".into(), ..Default::default() };
        let mut waiting =
            v1::PendingPayment { payment: Some(payment), expires: "2027-01".into(), ..Default::default() };
        waiting.set_reason(v1::PendingReason::NotAllowed);
        let shown = received(&v1::ReceiveResponse { pending: vec![waiting], ..Default::default() }, &euro());
        assert!(
            shown.text.contains(
                "Waiting: 3.50 EUR for meal only: your class or registration may not receive it. After 2027-01 it can go back to \
                 its payer.\n"
            ),
            "{}",
            shown.text
        );
        assert_eq!(shown.document["pending"][0]["reason"], "not_allowed");
        assert_eq!(shown.document["pending"][0]["expires"], "2027-01");
    }
}
