//! `receipt` and `verify-proof`: what is in a log, for others to check; proofs are checked in [`disclosure`].

use std::{fs, io::Read as _, path::Path};

use farthing_ledger::quorum::TrustPolicy;
use farthing_proto::v1;
use serde_json::{Value, json};

use super::{Session, disclosure};
use crate::{
    cli::{
        args::{Receipt, VerifyProof},
        backend::Asks,
        exit::Exit,
        problem::Problem,
        show::{self, Shown},
    },
    disclosure::Proof,
    receipt::verify,
};

/// What to do without a wallet, which would say whom to trust.
const NAME_TRUST: &str =
    "Name whom you trust with --trust FILE: a text with the logs and witnesses, as `farthing trust` shows it.";

/// Longer than any receipt and any trust policy.
const LENGTH_MAX: u64 = 2 * 1_024 * 1_024;

/// Writes a receipt.
pub(super) async fn receipt(arguments: &Receipt, session: &Session<'_>) -> Result<Exit, Problem> {
    let request = v1::GetReceiptRequest { transaction_id: arguments.id.0.to_vec() };
    let answer =
        session.with_wallet("making the receipt", Asks::Servers, async |wallet| wallet.get_receipt(request).await);
    let text = answer.await?.receipt;
    hand_over("receipt", text, arguments.output.as_deref(), json!({}), session)
}

/// Writes a text that others are to check to a file, or shows it.
pub(super) fn hand_over(
    what: &str,
    text: String,
    output: Option<&Path>,
    mut document: Value,
    session: &Session<'_>,
) -> Result<Exit, Problem> {
    let place = output.map(|path| path.display().to_string());
    document[what] = json!(text);
    document["file"] = json!(place);
    let Some((path, place)) = output.zip(place) else {
        return session.show(&Shown { text, document });
    };
    fs::write(path, &text).map_err(|error| Problem::file("write", path, &error))?;
    // Only whoever gave the challenge has it to check with.
    let challenge = if document["verifier"].is_string() { " --challenge TEXT" } else { "" };
    let text = format!("The {what} is in {place}. Check it with `farthing verify-proof {place}{challenge}`.\n");
    session.show(&Shown { text, document })
}

/// Checks a receipt or a proof. Only a proof of income without its attestation makes it ask anybody.
pub(super) async fn verify_proof(arguments: &VerifyProof, session: &Session<'_>) -> Result<Exit, Problem> {
    let text = read(&arguments.file)?;
    let trust = match &arguments.trust {
        Some(path) => policy(&read(path)?)?,
        None => {
            let standing = session.with_wallet("looking", Asks::NobodyEver, async |wallet| {
                wallet.get_trust(v1::GetTrustRequest {}).await
            });
            let standing = standing.await.map_err(|mut problem| {
                if problem.reason == "NO_WALLET" {
                    NAME_TRUST.clone_into(&mut problem.next);
                }
                problem
            });
            policy(&standing?.policy)?
        }
    };
    let proof = text.parse::<Proof>().map_err(|error| not_proven(error.to_string()))?;
    let only_income = [
        ("--redeemer", arguments.redeemer.is_some()),
        ("--ca", arguments.ca.is_some()),
        ("--save", arguments.save.is_some()),
    ];
    if let Some((option, _)) = only_income.iter().find(|(_, given)| *given && !matches!(proof, Proof::Income(_))) {
        let what = format!("{option} is for proofs of income, and this is none: nobody is asked to attest it");
        return Err(Problem::usage(what, format!("Leave {option} out.")));
    }
    if !matches!(proof, Proof::Receipt) {
        return disclosure::verify(proof, arguments, &trust, session).await;
    }
    if arguments.challenge.is_some() {
        let what = "this is a receipt, and a receipt answers no challenge: it is for everybody";
        return Err(Problem::usage(what, "Leave --challenge out, or ask for a proof of the payment."));
    }
    let proven = verify(&text, &trust)
        .map_err(|error| not_proven(format!("the receipt does not show that a log has the transaction: {error}")))?;
    session.show(&show::proven(&proven))
}

/// What was handed over does not show what it should.
pub(super) fn not_proven(message: String) -> Problem {
    let next = "Ask for it again; or name whom you trust with --trust FILE.";
    Problem::new(Exit::Fault, "NOT_PROVEN", message, next)
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

/// The text of a file, or of standard input. What comes by mail may have other line ends than it was written with.
pub(super) fn read(path: &Path) -> Result<String, Problem> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(LENGTH_MAX).read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(LENGTH_MAX).read_to_string(&mut text))
    };
    read.map_err(|error| Problem::file("read", path, &error))?;
    Ok(text.replace("\r\n", "\n"))
}
