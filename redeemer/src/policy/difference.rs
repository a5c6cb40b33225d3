//! `farthing-redeemer policy diff`: what one policy file changes of another, for people or as one JSON document.

use std::path::Path;

use farthing_ecash::policy::UNLIMITED;
use farthing_policy::{Change, Changes, Policy, Value, Weight, Whom};
use serde_json::{Value as Json, json};

use super::file;

/// Exit codes of the comparison.
const SAME: u8 = 0;
const DIFFERENT: u8 = 1;
const WRONG: u8 = 2;

/// Compares two policy files: the exit code (0 the same for everybody, 1 not the same, 2 a file is wrong or cannot be read) and
/// the report, for people or, with `as_json`, one JSON document.
#[must_use]
pub fn diff_files(old: &Path, new: &Path, as_json: bool) -> (u8, String) {
    let (old, new) = match (read(old), read(new)) {
        (Ok(old), Ok(new)) => (old, new),
        (old, new) => {
            let wrong: Vec<_> = [old.err(), new.err()].into_iter().flatten().collect();
            let report = if as_json {
                format!("{:#}\n", json!({ "ok": false, "wrong": wrong }))
            } else {
                format!("{}\n", wrong.join("\n"))
            };
            return (WRONG, report);
        }
    };
    let changes = Changes::between(&old, &new);
    let code = if changes.is_empty() { SAME } else { DIFFERENT };
    let report = if as_json { format!("{:#}\n", document(&changes)) } else { changes.to_string() };
    (code, report)
}

/// The policy in a file, or what is wrong with it in words.
fn read(path: &Path) -> Result<Policy, String> {
    file::load(path).map_err(|error| error.to_string())
}

/// Amounts in minor units or "unlimited"; null where nothing was or is.
fn document(changes: &Changes) -> Json {
    let list: Vec<_> = changes.iter().map(change).collect();
    json!({
        "ok": true,
        "same_text": changes.is_same_text(),
        "dangerous": changes.dangerous().count(),
        "refused": changes.refused().count(),
        "changes": list,
    })
}

fn change(change: &Change) -> Json {
    let (whom, number, name) = match &change.whom {
        Whom::Everybody => ("everybody", None, None),
        Whom::Class { number, name } => ("class", Some(number), Some(name)),
        Whom::Purpose { number, name } => ("purpose", Some(number), Some(name)),
    };
    let (weight, why) = match &change.weight {
        Weight::Plain => ("plain", None),
        Weight::Dangerous(how) => ("dangerous", Some(how)),
        Weight::Refused(why) => ("refused", Some(why)),
    };
    json!({
        "whom": whom,
        "number": number,
        "name": name,
        "field": change.field,
        "old": change.old.as_ref().map(value),
        "new": change.new.as_ref().map(value),
        "words": change.words,
        "weight": weight,
        "why": why,
    })
}

fn value(value: &Value) -> Json {
    match value {
        Value::Amount(amount) if *amount == UNLIMITED => Json::from("unlimited"),
        Value::Amount(amount) => Json::from(amount.get()),
        Value::Number(number) => Json::from(*number),
        Value::Text(text) => Json::from(text.as_str()),
    }
}
