//! `challenge`, `prove-income`, `prove-payment`, and how their proofs are checked.

use std::fs;

use farthing_ecash::disclosure::Challenge;
use farthing_ledger::quorum::TrustPolicy;
use farthing_proto::v1::{self, ErrorReason};
use getrandom::{SysRng, rand_core::UnwrapErr};
use serde_json::json;

use super::{
    Session,
    receipt::{hand_over, not_proven},
};
use crate::{
    cli::{
        args::{self, ProveIncome, ProvePayment, VerifyProof},
        backend::{Asks, wallet_problem},
        exit::Exit,
        printable::printable,
        problem::Problem,
        show::{self, Shown},
    },
    config::{Connection, ServerAddress},
    disclosure::{IncomeFile, NotShown, PaymentFile, Proof, challenge_text, read_challenge},
    error::WalletError,
    wallet::Options,
};

/// Makes a challenge.
pub(super) fn challenge(arguments: &args::Challenge, session: &Session<'_>) -> Result<Exit, Problem> {
    let made = Challenge::new(arguments.name.trim(), &mut UnwrapErr(SysRng))
        .map_err(|error| Problem::usage(error.to_string(), "Give the name that the prover is to see."))?;
    let text = challenge_text(&made);
    session
        .output
        .note("Hand this to whoever is to prove something to you, and keep it: check the proof with --challenge.");
    let document = json!({ "challenge": text, "verifier": made.verifier() });
    session.show(&Shown { text: format!("{text}\n"), document })
}

/// Proves what was received in a month.
pub(super) async fn prove_income(arguments: &ProveIncome, session: &Session<'_>) -> Result<Exit, Problem> {
    let request = v1::ProveIncomeRequest {
        month: arguments.month.to_string(),
        challenge: arguments.challenge.clone(),
        show_identity: arguments.identity,
    };
    let asked = session.with_wallet("making the proof", Asks::Servers, async |wallet| {
        let answer = wallet.prove_income(request).await?;
        Ok((answer, show::Money::new(wallet.known_currency().await)))
    });
    let (answer, money) = asked.await?;
    let (total, verifier) = (money.text(answer.month_total), printable(&answer.verifier));
    let who = if arguments.identity { "you have" } else { "the owner of a wallet has" };
    let month = arguments.month;
    let shows = format!("{verifier} that {who} received at least {total} in {month}");
    if session.output.tells_a_person() {
        // Until here nobody but the owner has seen it.
        session.meter.pause(|| session.output.confirm(&format!("Show {shows}?")))?;
    } else {
        session.output.note(format_args!("It shows {shows}."));
    }
    let document = json!({
        "verifier": answer.verifier,
        "month": month.to_string(),
        "month_total": answer.month_total,
        "shows_identity": arguments.identity,
        "currency": money.document(),
    });
    hand_over("proof", answer.proof, arguments.output.as_deref(), document, session)
}

/// Proves a payment.
pub(super) async fn prove_payment(arguments: &ProvePayment, session: &Session<'_>) -> Result<Exit, Problem> {
    let request = v1::ProvePaymentRequest {
        transaction_id: arguments.id.0.to_vec(),
        challenge: arguments.challenge.clone().unwrap_or_default(),
        payee: arguments.payee.clone().unwrap_or_default(),
    };
    let asked = session.with_wallet("making the proof", Asks::Servers, async |wallet| {
        let answer = wallet.prove_payment(request).await?;
        Ok((answer, show::Money::new(wallet.known_currency().await)))
    });
    let (answer, money) = asked.await.map_err(name_payee)?;
    let verifier = Some(answer.verifier.as_str()).filter(|name| !name.is_empty());
    let (amount, payee) = (money.text(answer.amount), printable(&answer.payee));
    let to = verifier.map_or_else(|| "everybody who gets hold of it".to_owned(), printable);
    session.output.note(format_args!("It shows {to} that you have paid {amount} to {payee}."));
    let document = json!({
        "verifier": verifier,
        "payee": answer.payee,
        "amount": answer.amount,
        "currency": money.document(),
    });
    hand_over("proof", answer.proof, arguments.output.as_deref(), document, session)
}

/// A wallet that was restored does not know whom it paid: this command can tell it.
fn name_payee(mut problem: Problem) -> Problem {
    if problem.message.contains(&WalletError::PayeeUnknown.to_string()) {
        "Name whom you paid with --payee IDENTITY.".clone_into(&mut problem.next);
    }
    problem
}

/// Checks a proof of income or of a payment.
pub(super) async fn verify(
    proof: Proof,
    arguments: &VerifyProof,
    trust: &TrustPolicy,
    session: &Session<'_>,
) -> Result<Exit, Problem> {
    let challenge = arguments.challenge.as_deref().map(read_challenge).transpose();
    let challenge = challenge.map_err(|error| wallet_problem(&error))?;
    match proof {
        Proof::Receipt => Err(not_proven("this is a receipt".to_owned())),
        Proof::Payment(file) => verify_payment(&file, challenge.as_ref(), trust, session),
        Proof::Income(file) => verify_income(*file, challenge.as_ref(), arguments, trust, session).await,
    }
}

fn verify_payment(
    file: &PaymentFile,
    challenge: Option<&Challenge>,
    trust: &TrustPolicy,
    session: &Session<'_>,
) -> Result<Exit, Problem> {
    session.show(&show::payment(&file.verify(challenge, trust).map_err(not_shown)?))
}

async fn verify_income(
    mut file: IncomeFile,
    challenge: Option<&Challenge>,
    arguments: &VerifyProof,
    trust: &TrustPolicy,
    session: &Session<'_>,
) -> Result<Exit, Problem> {
    // The redeemer is asked about nothing that is wrong anyway.
    file.check(challenge, trust).map_err(not_shown)?;
    if file.attestation.is_none() {
        let redeemer = redeemer(arguments, session)?;
        let mut options = Options::default();
        options.deadlines.call = options.deadlines.call.min(session.global.timeout);
        options.deadlines.connect = options.deadlines.connect.min(session.global.timeout);
        let asked = session.during("asking the redeemer", file.attest(&redeemer, &options)).await;
        asked.map_err(|error| not_attested(&error))?;
    }
    let shown = file.verify(challenge, trust).map_err(not_shown)?;
    if let Some(path) = &arguments.save {
        fs::write(path, file.to_string()).map_err(|error| Problem::file("write", path, &error))?;
    }
    let saved = arguments.save.as_ref().map(|path| path.display().to_string());
    session.show(&show::income(&shown, saved.as_deref()))
}

/// The redeemer that is named, or that of the wallet.
fn redeemer(arguments: &VerifyProof, session: &Session<'_>) -> Result<ServerAddress, Problem> {
    match (&arguments.redeemer, &arguments.ca) {
        (Some(url), Some(ca)) => Ok(ServerAddress { url: url.clone(), ca: ca.clone() }),
        _ => Connection::load(&session.dir).map(|connection| connection.redeemer).map_err(|_| {
            Problem::usage(
                "only the redeemer can attest a proof of income, and no wallet says where it is",
                "Name it with --redeemer URL --ca FILE.",
            )
        }),
    }
}

fn not_attested(error: &WalletError) -> Problem {
    match error {
        WalletError::Refused { reason: ErrorReason::ProofInvalid, .. } => {
            not_proven("the redeemer does not attest it: no wallet has such a state".to_owned())
        }
        error => wallet_problem(error),
    }
}

fn not_shown(error: NotShown) -> Problem {
    let mut problem = not_proven(printable(&error.to_string()));
    match error {
        NotShown::ChallengeWanted { .. } => {
            "Check it with --challenge and the text that you have handed over.".clone_into(&mut problem.next);
        }
        NotShown::OtherChallenge { .. } => {
            "It proves nothing to you. Hand over a challenge of your own, and ask for a proof that answers it."
                .clone_into(&mut problem.next);
        }
        _ => {}
    }
    problem
}

#[cfg(test)]
mod tests {
    use farthing_service::status::Failure;

    use super::*;

    #[test]
    fn who_does_not_know_whom_he_paid_is_told_where_to_say_it() {
        let told = |error: &WalletError| name_payee(Problem::from(Failure::from(crate::service::status(error)))).next;
        assert!(told(&WalletError::PayeeUnknown).contains("--payee IDENTITY"));
        assert!(!told(&WalletError::TransactionUnknown).contains("--payee"));
    }
}
