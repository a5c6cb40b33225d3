//! Payment requests, and what there is to say before a payment.

use farthing_proto::v1;
use serde_json::{Value, json};

use super::{Money, Shown, hex, history, name, optional, printable};
use crate::cli::table::{Align, Table};

/// Fewer wallets or transactions a day than this are few to hide among.
const FEW: u64 = 32;

/// A payment request. Its code is added by the caller.
pub(in crate::cli) fn request(
    answer: &v1::CreateRequestResponse,
    amount: Option<u64>,
    memo: &str,
    expires: Option<u64>,
    money: &Money,
) -> Shown {
    let text = format!("{}\n", printable(&answer.uri));
    let document = json!({
        "uri": answer.uri,
        "reference": answer.reference,
        "amount": amount,
        "memo": memo,
        "expires": expires.map(history::utc),
        "currency": money.document(),
        "file": null,
    });
    Shown { text, document }
}

/// The requests that were made: a table for a terminal, lines of tab-separated fields otherwise.
pub(in crate::cli) fn requests(answer: &v1::ListRequestsResponse, money: &Money, terminal: bool) -> Shown {
    let headings = [
        ("TIME", Align::Left),
        ("STATE", Align::Left),
        ("WANTED", Align::Right),
        ("RECEIVED", Align::Right),
        ("PAYMENTS", Align::Right),
        ("MEMO", Align::Left),
        ("REFERENCE", Align::Left),
    ];
    let mut table = Table::new(&headings);
    let amount = |amount: u64| match amount {
        0 => String::new(),
        amount if terminal => money.text(amount),
        amount => money.number(amount),
    };
    for made in &answer.requests {
        table.push(vec![
            time(made),
            state(made),
            amount(made.amount),
            amount(made.received),
            made.payments.len().to_string(),
            printable(&made.memo),
            printable(&made.reference),
        ]);
    }
    let text = match (terminal, answer.requests.is_empty()) {
        (true, true) => "Nothing was requested yet.\n".to_owned(),
        (true, false) => table.aligned() + &unusable(&answer.requests, money),
        (false, _) => table.tab_separated(),
    };
    let document = json!({
        "requests": answer.requests.iter().map(document).collect::<Vec<_>>(),
        "currency": money.document(),
    });
    Shown { text, document }
}

fn time(made: &v1::MadeRequest) -> String {
    u64::try_from(made.unix_seconds).map(history::utc).unwrap_or_default()
}

fn state(made: &v1::MadeRequest) -> String {
    name(made.state().as_str_name(), "REQUEST_STATE_")
}

/// What a person has to know of payments that do not count.
fn unusable(requests: &[v1::MadeRequest], money: &Money) -> String {
    let line = |made: &v1::MadeRequest| {
        format!(
            "{} that were paid for {} cannot be claimed: your class may not receive such money, and it goes back to its payer.\n",
            money.text(made.unusable),
            printable(&made.reference)
        )
    };
    requests.iter().filter(|made| made.unusable > 0).map(line).collect()
}

fn document(made: &v1::MadeRequest) -> Value {
    let payment = |item: &v1::HistoryItem| {
        json!({
            "payment_id": hex(&item.transaction_id),
            "amount": item.amount,
            "state": super::state(item.state()),
            "claimed": item.claimed,
            "purpose": optional(&item.purpose),
            "memo": optional(&item.memo),
        })
    };
    json!({
        "reference": made.reference,
        "uri": made.uri,
        "state": state(made),
        "amount": (made.amount > 0).then_some(made.amount),
        "received": made.received,
        "claimed": made.claimed,
        "unusable": made.unusable,
        "memo": optional(&made.memo),
        "time": time(made),
        "expires": (made.expires_unix_seconds > 0).then(|| history::utc(made.expires_unix_seconds)),
        "payments": made.payments.iter().map(payment).collect::<Vec<_>>(),
    })
}

/// What a payer is told when there are few to hide among; nothing when there are enough.
pub(in crate::cli) fn few(answer: &v1::CheckPayeeResponse) -> Option<String> {
    let today = answer.transactions_today;
    if answer.wallets >= FEW && today.is_none_or(|today| today >= FEW) {
        return None;
    }
    let today = today.map_or_else(String::new, |today| format!(", and {today} transactions were made today"));
    Some(format!(
        "Few to hide among: {} wallets are registered{today}. Whoever reads the log can guess who pays whom.",
        answer.wallets
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use farthing_ecash::amount::Currency;

    use super::*;

    #[test]
    fn a_request_is_listed_with_what_was_paid_for_it() {
        let money = Money::new(Some(Currency::new("EUR", 2).unwrap()));
        let payment = v1::HistoryItem { amount: 350, transaction_id: vec![0xab; 32], ..Default::default() };
        let mut made = v1::MadeRequest {
            reference: "AAAAAAAAAAAAAAAAAAAA".into(),
            amount: 350,
            received: 700,
            memo: "coffee\n".into(),
            unix_seconds: 1_700_000_000,
            payments: vec![payment.clone(), payment],
            ..Default::default()
        };
        made.set_state(v1::RequestState::Overpaid);
        let answer = v1::ListRequestsResponse { requests: vec![made] };
        let shown = requests(&answer, &money, false);
        assert_eq!(shown.text, "2023-11-14T22:13:20Z\toverpaid\t3.50\t7.00\t2\tcoffee\\u{a}\tAAAAAAAAAAAAAAAAAAAA\n");
        assert_eq!(shown.document["requests"][0]["payments"][1]["amount"], 350);
        assert_eq!(shown.document["requests"][0]["expires"], Value::Null);
        let nothing = requests(&v1::ListRequestsResponse::default(), &money, true);
        assert_eq!(nothing.text, "Nothing was requested yet.\n");
    }

    #[test]
    fn a_payer_is_told_when_there_are_few() {
        let crowd = |wallets, transactions_today| {
            few(&v1::CheckPayeeResponse { wallets, transactions_today, ..Default::default() })
        };
        assert_eq!(crowd(32, Some(32)), None);
        assert_eq!(crowd(1_000, None), None);
        assert!(crowd(2, Some(32)).unwrap().contains("2 wallets are registered, and 32 transactions"));
        assert!(crowd(1_000, Some(0)).unwrap().contains("0 transactions were made today"));
        assert!(crowd(2, None).unwrap().contains("2 wallets are registered. "));
    }
}
