//! The answers of the wallet, as text for people and as JSON documents for programs.
//!
//! In documents amounts are whole numbers of minor units and `currency` says what those are; ids are lower-case hex; what is
//! unknown or unlimited is `null`.

use farthing_ecash::amount::{Amount, Currency};
use farthing_proto::v1;
use serde_json::{Value, json};

use super::printable::printable;
use crate::{
    receipt::Proven,
    report::{RestoreReport, Restored},
};

mod disclosure;
mod history;
mod info;
mod moves;
mod receipts;
mod request;
mod trust;

pub(super) use disclosure::{income, payment};
pub(super) use history::history;
pub(super) use info::{Place, info};
pub(super) use moves::{handover, link, paid, redeemed, renewed, withdrawn};
pub(super) use receipts::{received, refunded};
pub(super) use request::{few, request, requests};
pub(super) use trust::{gone_on, trust};

/// An answer in both forms.
pub(super) struct Shown {
    /// Lines for people.
    pub(super) text: String,
    /// The document for programs.
    pub(super) document: Value,
}

/// How amounts are written. The currency is unknown until the wallet has reached the issuer once.
pub(super) struct Money(Option<Currency>);

impl Money {
    pub(super) fn new(currency: Option<Currency>) -> Self {
        Self(currency)
    }

    /// An amount with the code of the currency, such as `3.50 EUR`.
    pub(super) fn text(&self, minor_units: u64) -> String {
        match &self.0 {
            Some(currency) => format!("{} {}", currency.format(Amount::new(minor_units)), currency.code()),
            None if minor_units == 0 => "0".to_owned(),
            None => format!("{minor_units} minor units"),
        }
    }

    /// An amount without the code.
    pub(super) fn number(&self, minor_units: u64) -> String {
        match &self.0 {
            Some(currency) => currency.format(Amount::new(minor_units)),
            None => minor_units.to_string(),
        }
    }

    /// The currency in a document.
    pub(super) fn document(&self) -> Value {
        match &self.0 {
            Some(currency) => json!({ "code": currency.code(), "exponent": currency.exponent() }),
            None => Value::Null,
        }
    }
}

/// The currency in a message, unless it is none.
pub(super) fn currency(message: Option<&v1::Currency>) -> Option<Currency> {
    let message = message?;
    Currency::new(&message.code, u8::try_from(message.exponent).ok()?).ok()
}

/// The balance.
pub(super) fn balance(answer: &v1::GetBalanceResponse, money: &Money) -> Shown {
    let balance = answer.balance.clone().unwrap_or_default();
    let mut text = format!("{} can be spent\n", money.text(balance.available));
    for part in &balance.restricted {
        text += &format!("{} can be spent for {} only\n", money.text(part.amount), printable(&part.purpose));
    }
    if balance.in_flight > 0 {
        text += &format!("{} are in operations that are not finished\n", money.text(balance.in_flight));
    }
    if balance.claimable > 0 {
        text += &format!("{} were paid to you and wait for `farthing receive`\n", money.text(balance.claimable));
    }
    let document = json!({
        "available": balance.available,
        "in_flight": balance.in_flight,
        "claimable": balance.claimable,
        "restricted": restricted(&balance.restricted),
        "currency": money.document(),
    });
    Shown { text, document }
}

/// Money for one purpose each, in a document.
fn restricted(restricted: &[v1::RestrictedBalance]) -> Vec<Value> {
    restricted.iter().map(|part| json!({ "purpose": part.purpose, "amount": part.amount })).collect()
}

/// A finished registration.
pub(super) fn registered(answer: &v1::WalletServiceRegisterResponse) -> Shown {
    let v1::WalletServiceRegisterResponse { identity, class_name, valid_through } = answer;
    let text = format!(
        "Registered as {}, class {}, valid through {}.\n",
        printable(identity),
        printable(class_name),
        printable(valid_through)
    );
    let document = json!({ "identity": identity, "class": class_name, "valid_through": valid_through });
    Shown { text, document }
}

/// What a receipt shows.
pub(super) fn proven(proven: &Proven) -> Shown {
    let id: String = proven.transaction_id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let (index, size) = (proven.index, proven.log_size);
    let mut text = format!(
        "The transaction is in the log.\nlog          {}\nentry        {index} of {size}\ntransaction  {id}\nkind         \
         {}\nday          {}\n",
        printable(&proven.origin),
        proven.statement,
        proven.day
    );
    if let Some(amount) = proven.amount {
        text += &format!("amount       {amount} minor units\n");
    }
    text += &disclosure::witnesses(&proven.witnesses);
    let document = json!({
        "proven": true,
        "proof": "receipt",
        "origin": proven.origin,
        "index": index,
        "log_size": size,
        "transaction_id": id,
        "kind": proven.statement,
        "day": proven.day,
        "amount": proven.amount,
        "witnesses": disclosure::witness_list(&proven.witnesses),
    });
    Shown { text, document }
}

/// A wallet that came back from its words.
pub(super) fn restored(report: &RestoreReport, money: &Money) -> Shown {
    let balance = &report.balance;
    let mut text = match &report.restored {
        Restored::For(identity) => format!("The wallet of {} is restored.\n", printable(identity.as_str())),
        Restored::WithoutIdentity => "The wallet is restored. Its identity is not in the logs: to ask for payments, tell it \
                                      with `farthing restore --identity IDENTITY`.\n"
            .to_owned(),
        Restored::NeverRegistered => {
            "The logs have no wallet with these words. If they are new, go on with `farthing register IDENTITY`; if not, \
             look for a mistake in the words or the addresses.\n"
                .to_owned()
        }
    };
    text += &format!("{} can be spent\n", money.text(balance.available.get()));
    for part in &balance.restricted {
        text += &format!("{} can be spent for {} only\n", money.text(part.amount.get()), printable(&part.purpose));
    }
    if balance.claimable.get() > 0 {
        text += &format!("{} were paid to you and wait for `farthing receive`\n", money.text(balance.claimable.get()));
    }
    let (issuance, payments) = (report.issuance_log_size, report.payment_log_size);
    text += &format!("{issuance} entries of issuance and {payments} of payments were looked through\n");
    let identity = match &report.restored {
        Restored::For(identity) => Some(identity.as_str()),
        Restored::WithoutIdentity | Restored::NeverRegistered => None,
    };
    let restricted = balance
        .restricted
        .iter()
        .map(|part| json!({ "purpose": part.purpose, "amount": part.amount.get() }))
        .collect::<Vec<_>>();
    let document = json!({
        "registered": report.restored != Restored::NeverRegistered,
        "identity": identity,
        "available": balance.available.get(),
        "claimable": balance.claimable.get(),
        "restricted": restricted,
        "currency": money.document(),
        "issuance_log_size": issuance,
        "payment_log_size": payments,
        "history_items": report.items,
    });
    Shown { text, document }
}

/// What an operation is called in a sentence.
pub(super) fn operation(kind: v1::OperationKind) -> &'static str {
    match kind {
        v1::OperationKind::Unspecified => "operation",
        v1::OperationKind::Register => "registration",
        v1::OperationKind::Withdraw => "withdrawal",
        v1::OperationKind::Pay => "payment",
        v1::OperationKind::Receive => "claim of payments",
        v1::OperationKind::Redeem => "redemption",
        v1::OperationKind::Swap => "exchange of coins",
        v1::OperationKind::Refund => "refund",
        v1::OperationKind::Split => "split of a payment",
        v1::OperationKind::Renew => "renewal",
    }
}

fn kind(item: &v1::HistoryItem) -> String {
    name(item.kind().as_str_name(), "OPERATION_KIND_")
}

fn state(state: v1::OperationState) -> String {
    name(state.as_str_name(), "OPERATION_STATE_")
}

/// The name of a protobuf value as this program writes it: without its prefix, in lower case.
fn name(value: &str, prefix: &str) -> String {
    value.strip_prefix(prefix).unwrap_or(value).to_ascii_lowercase()
}

/// Bytes as lower-case hex; `null` for none.
fn hex(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    Value::String(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A text that may be missing.
fn optional(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { Value::String(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn euro() -> Money {
        Money::new(Some(Currency::new("EUR", 6).unwrap()))
    }

    #[test]
    fn people_read_decimals_and_programs_minor_units() {
        let restricted = vec![v1::RestrictedBalance { purpose: "food\u{1b}".to_owned(), amount: 1 }];
        let balance = v1::Balance { available: 3_500_000, in_flight: 0, claimable: 20_000_000, restricted };
        let shown = super::balance(&v1::GetBalanceResponse { balance: Some(balance) }, &euro());
        assert_eq!(
            shown.text,
            "3.50 EUR can be spent\n\
             0.000001 EUR can be spent for food\\u{1b} only\n\
             20.00 EUR were paid to you and wait for `farthing receive`\n"
        );
        assert_eq!(shown.document["available"], 3_500_000);
        assert_eq!(shown.document["currency"], json!({ "code": "EUR", "exponent": 6 }));
    }

    #[test]
    fn an_unknown_currency_is_said() {
        assert_eq!((Money::new(None).text(7), Money::new(None).text(0)), ("7 minor units".to_owned(), "0".to_owned()));
        assert_eq!(Money::new(None).document(), Value::Null);
        for (code, exponent) in [("eur", 2), ("EUR", 19), ("EUR", 300)] {
            assert!(currency(Some(&v1::Currency { code: code.to_owned(), exponent })).is_none());
        }
    }
}
