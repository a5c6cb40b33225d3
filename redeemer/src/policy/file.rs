//! The policy file as the operator sees it: read at the start, or checked beforehand with `farthing-redeemer policy check`.

use std::{fs, path::Path};

use farthing_ecash::{amount::Amount, policy::UNLIMITED};
use farthing_policy::{Mistake, Policy};
use serde_json::{Value, json};

use crate::error::RunError;

/// Reads a policy file.
///
/// # Errors
/// [`RunError::Policy`] with all its mistakes and their places; [`RunError::File`].
pub fn load(path: &Path) -> Result<Policy, RunError> {
    let bytes = read(path)?;
    Policy::from_bytes(&bytes).map_err(|mistakes| {
        let rendered = mistakes.render(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
        RunError::Policy { rendered: rendered.trim_end().to_owned() }
    })
}

/// Checks a policy file: whether it is right, and the report for people or, with `as_json`, one JSON document. Nothing else
/// happens.
///
/// # Errors
/// [`RunError::File`] when there is nothing to check.
pub fn check_file(path: &Path, as_json: bool) -> Result<(bool, String), RunError> {
    let bytes = read(path)?;
    let name = path.display().to_string();
    Ok(match (Policy::from_bytes(&bytes), as_json) {
        (Ok(policy), false) => (true, summary(&name, &policy)),
        (Ok(policy), true) => (true, format!("{:#}\n", document(&policy))),
        (Err(mistakes), false) => (false, mistakes.render(&name, &String::from_utf8_lossy(&bytes))),
        (Err(mistakes), true) => {
            let list: Vec<Value> = mistakes.iter().map(mistake).collect();
            (false, format!("{:#}\n", json!({ "ok": false, "count": mistakes.count(), "mistakes": list })))
        }
    })
}

fn read(path: &Path) -> Result<Vec<u8>, RunError> {
    fs::read(path).map_err(|source| RunError::File { path: path.to_path_buf(), source })
}

fn summary(name: &str, policy: &Policy) -> String {
    let currency = policy.currency();
    let mut lines = vec![
        format!("{name}: right"),
        format!("  currency   {}, smallest amount {}", currency.code(), currency.format(Amount::new(1))),
        format!("  days       of {}, changes with a grace of {} s", policy.time_zone(), policy.grace_s()),
        format!("  payments   fee {}, at least {}", currency.format(policy.fee()), currency.format(policy.minimum())),
        format!("  notes      expire after {} months", policy.expires_after_months()),
    ];
    let cap = |cap: Amount, period: &str| match cap {
        UNLIMITED => format!("any amount a {period}"),
        cap => format!("{} a {period}", currency.format(cap)),
    };
    for class in policy.classes() {
        lines.push(format!(
            "  class      {} {}: receives {}, {}; withdraws {}; redeems {}",
            class.number(),
            class.name(),
            cap(class.receive_per_day(), "day"),
            cap(class.receive_per_month(), "month"),
            cap(class.withdraw_per_day(), "day"),
            cap(class.redeem_per_day(), "day"),
        ));
    }
    for purpose in policy.purposes() {
        lines.push(format!("  purpose    {} {}", purpose.number(), purpose.name()));
    }
    lines.push(format!("  rules      {} to sign for each key\n", policy.rules().len()));
    lines.join("\n")
}

/// Amounts in minor units; null is unlimited.
fn document(policy: &Policy) -> Value {
    let amount = |amount: Amount| if amount == UNLIMITED { Value::Null } else { amount.get().into() };
    let classes = policy.classes().iter().map(|class| {
        json!({
            "number": class.number(),
            "name": class.name(),
            "receive_per_day": amount(class.receive_per_day()),
            "receive_per_month": amount(class.receive_per_month()),
            "withdraw_per_day": amount(class.withdraw_per_day()),
            "redeem_per_day": amount(class.redeem_per_day()),
            "accepts": class.accepts(),
        })
    });
    let purposes = policy
        .purposes()
        .iter()
        .map(|purpose| json!({ "number": purpose.number(), "name": purpose.name(), "becomes": purpose.becomes() }));
    json!({
        "ok": true,
        "currency": policy.currency().code(),
        "exponent": policy.currency().exponent(),
        "time_zone": policy.time_zone(),
        "grace_seconds": policy.grace_s(),
        "bucket_bits": policy.bucket_bits(),
        "fee": amount(policy.fee()),
        "minimum": amount(policy.minimum()),
        "expires_after_months": policy.expires_after_months(),
        "classes": classes.collect::<Vec<_>>(),
        "purposes": purposes.collect::<Vec<_>>(),
        "rules": policy.rules().len(),
    })
}

fn mistake(mistake: &Mistake) -> Value {
    json!({
        "line": mistake.line(),
        "column": mistake.column(),
        "message": mistake.message(),
        "help": mistake.help(),
    })
}
