//! The wallet's facts.

use farthing_proto::v1;
use serde_json::{Value, json};

use super::{Money, Shown, currency, history, kind, optional, printable};
use crate::daemon::Endpoint;

/// More transactions of a day are not counted.
const COUNTED_MAX: u64 = 1_024;

/// Where the wallet is, and whom it talks to.
pub(in crate::cli) struct Place {
    /// The wallet's directory.
    pub(in crate::cli) data_dir: String,
    /// Addresses of issuer and redeemer, if the configuration can be read.
    pub(in crate::cli) servers: Option<(String, String)>,
    /// The daemon that holds the wallet.
    pub(in crate::cli) daemon: Option<Endpoint>,
}

/// The facts.
pub(in crate::cli) fn info(answer: &v1::GetInfoResponse, place: &Place) -> Shown {
    let money = Money::new(currency(answer.currency.as_ref()));
    let mut text = String::new();
    for (name, fact) in facts(answer, place, &money) {
        text += &format!("{name:<14}{fact}\n");
    }
    Shown { text, document: document(answer, place, &money) }
}

fn facts(answer: &v1::GetInfoResponse, place: &Place, money: &Money) -> Vec<(&'static str, String)> {
    let identity = printable(&answer.identity);
    let (class, through) = (printable(&answer.class_name), printable(&answer.valid_through));
    let mut facts = vec![(
        "Identity",
        match (answer.registered, identity.as_str()) {
            (true, "") => format!(
                "not known since restoring (`farthing restore --identity IDENTITY`), class {class}, valid through {through}"
            ),
            (true, _) => format!("{identity}, class {class}, valid through {through}"),
            (false, "") => "none yet: `farthing register IDENTITY`".to_owned(),
            (false, _) if !answer.registration_from.is_empty() => {
                let from = printable(&answer.registration_from);
                format!("{identity}, receives from {from} on: until then the lost wallet before may be valid")
            }
            (false, _) => format!("{identity}, not registered yet"),
        },
    )];
    if !answer.new_class_name.is_empty() {
        let class = printable(&answer.new_class_name);
        facts.push(("New class", format!("the issuer has class {class} for you now: `farthing renew` brings it")));
    }
    if answer.restoring {
        facts.push(("Restoring", "not finished: `farthing restore` goes on".to_owned()));
    }
    if !answer.evidence.is_empty() {
        let evidence = printable(&answer.evidence);
        facts.push(("STOPPED", format!("a log has shown two states that exclude each other: see {evidence}")));
    }
    if let Some(index) = answer.strange_directory_entry {
        let text = format!(
            "entry {index} of the issuance log has another key for this identity: payments to it go to somebody else. Is it \
             your own newer wallet? If not, tell the issuer"
        );
        facts.push(("WARNING", text));
    }
    for ending in &answer.ending_money {
        let (pay, exchange) = (printable(&ending.accept_until), printable(&ending.exchange_until));
        let text = format!(
            "{} is under an issuing key that ends: payments take it until {pay}, everything else until {exchange}; \
             `farthing receive` moves it in time",
            money.text(ending.amount)
        );
        facts.push(("Key ends", text));
    }
    if let Some(caps) = &answer.receipt_caps {
        facts.push(("Received", format!("{} today, {}", money.text(caps.used_today), left(caps.left_today, money))));
        let month = format!("{} this month, {}", money.text(caps.used_this_month), left(caps.left_this_month, money));
        facts.push(("", month));
    }
    if let Some(balance) = answer.account_balance {
        let withdraw = answer
            .withdraw_left_today
            .map_or_else(String::new, |left| format!(", {} may still be withdrawn today", money.text(left)));
        facts.push(("Account", format!("{}{withdraw}", money.text(balance))));
        for part in &answer.account_restricted {
            facts.push(("", format!("{} for {} only", money.text(part.amount), printable(&part.purpose))));
        }
    } else if answer.registered {
        facts.push(("Account", "unknown: the issuer does not answer".to_owned()));
    }
    if let Some((fee, minimum)) = terms(answer) {
        facts.push(("Payments", format!("at least {}, fee {}", money.text(minimum), money.text(fee))));
    }
    if answer.anonymity_set_size > 0 {
        let today = answer.transactions_today.map_or_else(String::new, |today| {
            let more = if today >= COUNTED_MAX { " or more" } else { "" };
            format!(", {today}{more} transactions today")
        });
        facts.push(("Hides among", format!("{} registered wallets{today}", answer.anonymity_set_size)));
    }
    let (issued, looked) = (answer.issuance_log_size, answer.payment_log_size);
    facts.push(("Logs", format!("{issued} entries of issuance, {looked} of payments looked through")));
    if let Some((issuer, redeemer)) = &place.servers {
        facts.push(("Issuer", printable(issuer)));
        facts.push(("Redeemer", printable(redeemer)));
    }
    facts.push(("Wallet", printable(&place.data_dir)));
    if let Some(daemon) = &place.daemon {
        facts.push(("Daemon", format!("process {} at {}", daemon.pid, printable(&daemon.address))));
    }
    for item in &answer.pending_operations {
        facts.push(("Unfinished", format!("{} of {}", kind(item), money.text(item.amount))));
    }
    facts
}

/// Fee and minimum. No policy has a minimum of nothing: then the redeemer did not tell.
fn terms(answer: &v1::GetInfoResponse) -> Option<(u64, u64)> {
    (answer.payment_minimum > 0).then_some((answer.payment_fee, answer.payment_minimum))
}

fn left(left: Option<u64>, money: &Money) -> String {
    left.map_or_else(|| "no limit".to_owned(), |left| format!("{} more allowed", money.text(left)))
}

fn document(answer: &v1::GetInfoResponse, place: &Place, money: &Money) -> Value {
    let caps = answer.receipt_caps.as_ref().map(|caps| {
        json!({
            "used_today": caps.used_today,
            "left_today": caps.left_today,
            "used_this_month": caps.used_this_month,
            "left_this_month": caps.left_this_month,
        })
    });
    let terms = terms(answer);
    json!({
        "identity": optional(&answer.identity),
        "registered": answer.registered,
        "class": optional(&answer.class_name),
        "new_class": optional(&answer.new_class_name),
        "valid_through": optional(&answer.valid_through),
        "registration_from": optional(&answer.registration_from),
        "currency": money.document(),
        "receipt_caps": caps,
        "account_balance": answer.account_balance,
        "account_restricted": super::restricted(&answer.account_restricted),
        "withdraw_left_today": answer.withdraw_left_today,
        "payment_fee": terms.map(|(fee, _)| fee),
        "payment_minimum": terms.map(|(_, minimum)| minimum),
        "issuance_log_size": answer.issuance_log_size,
        "payment_log_size": answer.payment_log_size,
        "anonymity_set_size": answer.anonymity_set_size,
        "transactions_today": answer.transactions_today,
        "restoring": answer.restoring,
        "evidence": optional(&answer.evidence),
        "strange_directory_entry": answer.strange_directory_entry,
        "ending_money": answer.ending_money.iter().map(ending).collect::<Vec<_>>(),
        "pending_operations": answer.pending_operations.iter().map(history::item).collect::<Vec<_>>(),
        "data_dir": place.data_dir,
        "issuer": place.servers.as_ref().map(|(issuer, _)| issuer),
        "redeemer": place.servers.as_ref().map(|(_, redeemer)| redeemer),
        "daemon": place.daemon.as_ref().map(|daemon| json!({ "address": daemon.address, "pid": daemon.pid })),
    })
}

fn ending(ending: &v1::EndingMoney) -> Value {
    json!({ "amount": ending.amount, "accept_until": ending.accept_until, "exchange_until": ending.exchange_until })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unlimited_unknown_and_nought_are_different_things() {
        let answer = v1::GetInfoResponse {
            identity: "alice@bank.example".into(),
            registered: true,
            class_name: "person".into(),
            valid_through: "2027-11".into(),
            currency: Some(v1::Currency { code: "EUR".into(), exponent: 2 }),
            receipt_caps: Some(v1::ReceiptCaps { used_today: 350, left_today: Some(0), ..Default::default() }),
            ..Default::default()
        };
        let daemon = Endpoint {
            address: "https://[::1]:7".into(),
            ca: "ca.pem".into(),
            token_file: "token".into(),
            pid: 9,
            currency: None,
        };
        let place = Place { data_dir: "wallet".into(), servers: None, daemon: Some(daemon) };
        let shown = info(&answer, &place);
        assert!(shown.text.contains("Identity      alice@bank.example, class person, valid through 2027-11\n"));
        assert!(shown.text.contains("3.50 EUR today, 0.00 EUR more allowed\n"));
        assert!(shown.text.contains("0.00 EUR this month, no limit\n"));
        assert!(shown.text.contains("Account       unknown"));
        assert!(shown.text.contains("Daemon        process 9 at https://[::1]:7\n"));
        assert_eq!(shown.document["receipt_caps"]["left_today"], 0);
        assert_eq!(shown.document["receipt_caps"]["left_this_month"], Value::Null);
        assert_eq!(shown.document["payment_fee"], Value::Null);
        assert!(!shown.text.contains("New class"));
        let changed = v1::GetInfoResponse { new_class_name: "grocer".into(), ..answer };
        let shown = info(&changed, &place);
        assert!(
            shown.text.contains("New class     the issuer has class grocer for you now: `farthing renew` brings it\n")
        );
        assert_eq!((&shown.document["class"], &shown.document["new_class"]), (&"person".into(), &"grocer".into()));
    }
}
