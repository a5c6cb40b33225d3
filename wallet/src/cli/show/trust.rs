//! Whom the wallet trusts.

use farthing_proto::v1;
use serde_json::{Value, json};

use super::{Shown, optional, printable};

/// The trust policy, and what the wallet has seen of the logs.
pub(in crate::cli) fn trust(answer: &v1::GetTrustResponse) -> Shown {
    let source = if answer.first_contact {
        "# The logs of the first contact. Nobody else has to agree: a trust policy would change that.\n"
    } else {
        "# The trust policy that the wallet was made with.\n"
    };
    let mut text = format!("{source}{}\n", lines(&answer.policy));
    for (name, log) in [("Issuance", &answer.issuance_log), ("Payments", &answer.payment_log)] {
        text += &match log {
            None => format!("{name}  not met yet\n"),
            Some(log) if log.checkpoint.is_empty() => format!("{name}  no checkpoint seen yet\n"),
            Some(log) => format!("{name}  seen with {} entries\n", log.size),
        };
    }
    if !answer.evidence.is_empty() {
        let evidence = printable(&answer.evidence);
        text += &format!("STOPPED   a log has shown two states that exclude each other: see {evidence}\n");
    }
    let document = json!({
        "policy": answer.policy,
        "first_contact": answer.first_contact,
        "issuance_log": document(answer.issuance_log.as_ref()),
        "payment_log": document(answer.payment_log.as_ref()),
        "evidence": optional(&answer.evidence),
    });
    Shown { text, document }
}

/// The owner has decided.
pub(in crate::cli) fn gone_on(answer: &v1::GoOnResponse) -> Shown {
    let text = if answer.evidence.is_empty() {
        "The wallet had not stopped.\n".to_owned()
    } else {
        format!(
            "The wallet goes on with the log as it was seen first, and stops again if the log does not continue that. The \
             evidence stays in {}.\n",
            printable(&answer.evidence)
        )
    };
    Shown { text, document: json!({ "went_on": !answer.evidence.is_empty(), "evidence": optional(&answer.evidence) }) }
}

/// A text of several lines, as it may stand on a terminal.
fn lines(text: &str) -> String {
    text.lines().map(|line| printable(line) + "\n").collect()
}

fn document(log: Option<&v1::TrustedLog>) -> Value {
    let Some(log) = log else { return Value::Null };
    let size = (!log.checkpoint.is_empty()).then_some(log.size);
    json!({ "verifier_key": log.verifier_key, "size": size, "checkpoint": optional(&log.checkpoint) })
}
