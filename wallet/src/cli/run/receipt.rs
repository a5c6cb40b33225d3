//! `receipt` and `verify-proof`: what is in a log, for others to check.

use std::{fs, io::Read as _, path::Path};

use farthing_ledger::quorum::TrustPolicy;
use farthing_proto::v1;
use serde_json::json;

use super::Session;
use crate::{
    cli::{
        args::{Receipt, VerifyProof},
        backend::Asks,
        exit::Exit,
        problem::Problem,
        show::{self, Shown},
    },
    receipt::verify,
};

/// Longer than any receipt and any trust policy.
const LENGTH_MAX: u64 = 2 * 1_024 * 1_024;

/// Writes a receipt.
pub(super) async fn receipt(arguments: &Receipt, session: &Session<'_>) -> Result<Exit, Problem> {
    let request = v1::GetReceiptRequest { transaction_id: arguments.id.0.to_vec() };
    let answer =
        session.with_wallet("making the receipt", Asks::Servers, async |wallet| wallet.get_receipt(request).await);
    let text = answer.await?.receipt;
    let Some(path) = &arguments.output else {
        return session.show(&Shown { document: json!({ "receipt": text, "file": null }), text });
    };
    fs::write(path, &text).map_err(|error| Problem::file("write", path, &error))?;
    let place = path.display().to_string();
    session.show(&Shown {
        text: format!("The receipt is in {place}. Check it with `farthing verify-proof {place}`.\n"),
        document: json!({ "receipt": text, "file": place }),
    })
}

/// Checks a receipt without asking anybody.
pub(super) async fn verify_proof(arguments: &VerifyProof, session: &Session<'_>) -> Result<Exit, Problem> {
    let text = read(&arguments.file)?;
    let trust = match &arguments.trust {
        Some(path) => policy(&read(path)?)?,
        None => {
            let standing = session.with_wallet("looking", Asks::NobodyEver, async |wallet| {
                wallet.get_trust(v1::GetTrustRequest {}).await
            });
            policy(&standing.await?.policy)?
        }
    };
    let proven = verify(&text, &trust).map_err(|error| {
        Problem::new(
            Exit::Fault,
            "NOT_PROVEN",
            format!("the receipt does not show that a log has the transaction: {error}"),
            "Ask for the receipt again; or name whom you trust with --trust FILE.",
        )
    })?;
    session.show(&show::proven(&proven))
}

/// A trust policy from a file.
pub(super) fn policy(text: &str) -> Result<TrustPolicy, Problem> {
    text.parse().map_err(|error| {
        Problem::usage(
            format!("the trust policy is wrong: {error}"),
            "It has lines `log VKEY`, `witness NAME VKEY`, `group NAME NUMBER WITNESS...` and one `quorum NAME`.",
        )
    })
}

/// The text of a file, or of standard input.
pub(super) fn read(path: &Path) -> Result<String, Problem> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(LENGTH_MAX).read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(LENGTH_MAX).read_to_string(&mut text))
    };
    read.map_err(|error| Problem::file("read", path, &error))?;
    Ok(text)
}
