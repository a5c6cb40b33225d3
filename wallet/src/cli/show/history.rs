//! The history.

use farthing_proto::v1;
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::{Money, Shown, hex, kind, optional, printable, state};
use crate::cli::table::{Align, Table};

/// A page of the history: a table for a terminal, lines of tab-separated fields otherwise.
pub(in crate::cli) fn history(answer: &v1::ListHistoryResponse, money: &Money, terminal: bool) -> Shown {
    let text = if terminal { for_people(&answer.items, money) } else { for_programs(&answer.items, money) };
    let document = json!({
        "items": answer.items.iter().map(item).collect::<Vec<_>>(),
        "next_page_token": optional(&answer.next_page_token),
        "currency": money.document(),
    });
    Shown { text, document }
}

fn for_people(items: &[v1::HistoryItem], money: &Money) -> String {
    if items.is_empty() {
        return "Nothing happened yet.\n".to_owned();
    }
    let headings = [
        ("TIME", Align::Left),
        ("KIND", Align::Left),
        ("STATE", Align::Left),
        ("AMOUNT", Align::Right),
        ("FOR", Align::Left),
        ("FEE", Align::Right),
        ("PAYEE", Align::Left),
        ("MEMO", Align::Left),
    ];
    let mut table = Table::new(&headings);
    let zone = TimeZone::system();
    for item in items {
        let time = Timestamp::from_second(item.unix_seconds)
            .map(|time| time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string());
        let state = match item.state() {
            v1::OperationState::Failed => format!("failed: {}", super::name(item.failure().as_reason(), "")),
            other => state(other) + &fate(item, money),
        };
        table.push(vec![
            time.unwrap_or_default(),
            kind(item),
            state,
            amount(item.amount, money),
            printable(&item.purpose),
            amount(item.fee, money),
            printable(&item.payee) + if item.unregistered { " (by link)" } else { "" },
            printable(&item.memo),
        ]);
    }
    table.aligned()
}

/// What became of a payment, as far as the wallet knows: of a received one how much is claimed, of one's own whether its payee
/// has it.
fn fate(item: &v1::HistoryItem, money: &Money) -> String {
    if item.received_by_payee {
        ", received".to_owned()
    } else if item.refunded > 0 && item.refunded < item.amount {
        format!(", {} refunded", money.number(item.refunded))
    } else if item.refunded > 0 {
        ", refunded".to_owned()
    } else if !item.refundable_from.is_empty() {
        format!(", refundable from {}", item.refundable_from)
    } else if item.claimed > 0 && item.claimed < item.amount {
        format!(", {} claimed", money.number(item.claimed))
    } else {
        String::new()
    }
}

fn for_programs(items: &[v1::HistoryItem], money: &Money) -> String {
    let mut table = Table::new(&[("", Align::Left); 9]);
    for item in items {
        table.push(vec![
            time(item).unwrap_or_default(),
            kind(item),
            state(item.state()),
            money.number(item.amount),
            money.number(item.fee),
            printable(&item.payee),
            printable(&item.memo),
            hex(&item.transaction_id).as_str().unwrap_or_default().to_owned(),
            printable(&item.purpose),
        ]);
    }
    table.tab_separated()
}

fn amount(amount: u64, money: &Money) -> String {
    if amount == 0 { String::new() } else { money.text(amount) }
}

/// RFC 3339 in UTC.
pub(super) fn utc(unix_seconds: u64) -> String {
    let time = i64::try_from(unix_seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| unix_seconds.to_string(), |time| time.to_string())
}

/// RFC 3339 in UTC.
fn time(item: &v1::HistoryItem) -> Option<String> {
    Timestamp::from_second(item.unix_seconds).ok().map(|time| time.to_string())
}

/// An item in a document.
pub(super) fn item(item: &v1::HistoryItem) -> Value {
    let failure = match item.state() {
        v1::OperationState::Failed => Value::String(item.failure().as_reason().to_owned()),
        _ => Value::Null,
    };
    json!({
        "kind": kind(item),
        "state": state(item.state()),
        "amount": item.amount,
        "fee": item.fee,
        "purpose": optional(&item.purpose),
        "payee": optional(&item.payee),
        "memo": optional(&item.memo),
        "time": time(item),
        "transaction_id": hex(&item.transaction_id),
        "earlier_transaction_ids": item.earlier_transaction_ids.iter().map(|id| hex(id)).collect::<Vec<_>>(),
        "request_id": hex(&item.request_id),
        "failure": failure,
        "claimed": item.claimed,
        "refundable_from": optional(&item.refundable_from),
        "received_by_payee": item.received_by_payee,
        "refunded": item.refunded,
        "unregistered": item.unregistered,
        "request_reference": optional(&item.request_reference),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use farthing_ecash::amount::Currency;

    use super::*;

    fn page() -> v1::ListHistoryResponse {
        let mut paid = v1::HistoryItem {
            amount: 350,
            payee: "bob@bank.example".into(),
            memo: "one\ttwo\n".into(),
            unix_seconds: 1_700_000_000,
            transaction_id: vec![0x0f; 32],
            ..Default::default()
        };
        paid.set_kind(v1::OperationKind::Pay);
        paid.set_state(v1::OperationState::Done);
        let mut refused = v1::HistoryItem {
            unix_seconds: 1_700_000_001,
            amount: 9,
            purpose: "meal".to_owned(),
            ..Default::default()
        };
        refused.set_kind(v1::OperationKind::Withdraw);
        refused.set_state(v1::OperationState::Failed);
        refused.set_failure(v1::ErrorReason::CapExceeded);
        v1::ListHistoryResponse { items: vec![refused, paid], next_page_token: String::new() }
    }

    #[test]
    fn a_field_cannot_break_out_of_its_line() {
        let money = Money::new(Some(Currency::new("EUR", 2).unwrap()));
        let shown = history(&page(), &money, false);
        assert_eq!(
            shown.text,
            format!(
                "2023-11-14T22:13:21Z\twithdraw\tfailed\t0.09\t0.00\t\t\t\tmeal\n\
                 2023-11-14T22:13:20Z\tpay\tdone\t3.50\t0.00\tbob@bank.example\tone\\u{{9}}two\\u{{a}}\t{}\t\n",
                "0f".repeat(32)
            )
        );
        let first = &shown.document["items"][0];
        assert_eq!((first["failure"].as_str(), first["payee"].as_str()), (Some("CAP_EXCEEDED"), None));
    }

    #[test]
    fn people_get_a_table_and_read_why_something_failed() {
        let shown = history(&page(), &Money::new(None), true);
        let lines: Vec<&str> = shown.text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.first().unwrap().starts_with("TIME"));
        assert!(lines.get(1).unwrap().contains("failed: cap_exceeded"));
        let empty = history(&v1::ListHistoryResponse::default(), &Money::new(None), true);
        assert_eq!(empty.text, "Nothing happened yet.\n");
    }
}
