//! What a proof of income or of a payment shows.

use farthing_ecash::identity::Identity;
use serde_json::{Value, json};

use super::{Money, Shown, history, printable};
use crate::{
    disclosure::{ShownIncome, ShownPayment},
    receipt::Place,
};

/// Who has cosigned, one line each.
pub(super) fn witnesses(witnesses: &[(String, u64)]) -> String {
    if witnesses.is_empty() {
        return "signed by    the log alone\n".to_owned();
    }
    let line = |(name, at): &(String, u64)| format!("witness      {} at {}\n", printable(name), history::utc(*at));
    witnesses.iter().map(line).collect()
}

/// The same in a document.
pub(super) fn witness_list(witnesses: &[(String, u64)]) -> Vec<Value> {
    witnesses.iter().map(|(name, at)| json!({ "name": name, "unix_seconds": at })).collect()
}

fn place_lines(what: &str, place: &Place) -> String {
    let Place { origin, index, log_size, witnesses: seen } = place;
    format!("{what:<13}entry {index} of {log_size} in {}\n{}", printable(origin), witnesses(seen))
}

fn place_document(place: &Place) -> Value {
    let Place { origin, index, log_size, witnesses } = place;
    json!({ "origin": origin, "index": index, "log_size": log_size, "witnesses": witness_list(witnesses) })
}

/// A proof of income that holds. `saved` is where it was written to with its attestation.
pub(crate) fn income(shown: &ShownIncome, saved: Option<&str>) -> Shown {
    let money = Money::new(Some(shown.currency.clone()));
    let (amount, month) = (money.text(shown.total.get()), shown.month);
    let identity = shown.identity.as_ref().map(Identity::as_str);
    let who = identity.unwrap_or("The owner of a wallet (the proof does not say whose)");
    let mut text = format!(
        "{who} has received at least {amount} in {month}.\nproved to    {}\n{}",
        printable(&shown.verifier),
        place_lines("key", &shown.key)
    );
    text += "At least: more may have been received since. It counts what the wallet has claimed in that month, also from its \
             own\nowner, and payments that it took back.\n";
    if let Some(saved) = saved {
        text += &format!("With the redeemer's attestation it is in {saved}.\n");
    }
    let document = json!({
        "proven": true,
        "proof": "income",
        "verifier": shown.verifier,
        "identity": identity,
        "month": month.to_string(),
        "month_total_at_least": shown.total.get(),
        "currency": money.document(),
        "key": place_document(&shown.key),
        "file": saved,
    });
    Shown { text, document }
}

/// A proof of a payment that holds.
pub(crate) fn payment(shown: &ShownPayment) -> Shown {
    let money = Money::new(Some(shown.currency.clone()));
    let id: String = shown.transaction_id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let to = shown.verifier.as_deref().map_or_else(|| "everybody, at any time".to_owned(), printable);
    let mut text = format!(
        "Whoever made this proof has paid {} to {} on {}.\nproved to    {to}\ntransaction  {id}\n{}",
        money.text(shown.amount.get()),
        shown.payee,
        shown.day,
        place_lines("payment", &shown.payment)
    );
    text += "It does not say whether the payee was told of the payment, has found it or has claimed it, or whether the payer has \
             taken it\nback since: that the payee says.\n";
    let document = json!({
        "proven": true,
        "proof": "payment",
        "verifier": shown.verifier,
        "payee": shown.payee.as_str(),
        "amount": shown.amount.get(),
        "currency": money.document(),
        "day": shown.day,
        "transaction_id": id,
        "payment": place_document(&shown.payment),
    });
    Shown { text, document }
}
