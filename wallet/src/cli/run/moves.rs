//! The commands that move money or ask for it.

use farthing_ecash::amount::{Amount, Currency};
use farthing_proto::v1;

use super::{Session, amount, init};
use crate::{
    cli::{
        args::{Pay, Redeem, Refund, Request, Retry, Withdraw},
        backend::{Asks, Backend, wallet_problem},
        exit::Exit,
        printable::printable,
        problem::Problem,
        qr,
        show::{self, Money, Shown},
    },
    history::RequestId,
    payment_request::PaymentRequest,
};

/// What a payment request begins with. No identity does: the mail addresses and telephone numbers that people pay to have no
/// scheme.
const SCHEME: &str = "farthing:";

/// Takes money from the account.
pub(super) async fn withdraw(arguments: &Withdraw, session: &Session<'_>) -> Result<Exit, Problem> {
    amount::check(&arguments.amount)?;
    let request_id = request_id(&arguments.retry);
    let ended = session.with_wallet("withdrawing", Asks::Servers, async |wallet| {
        let currency = wallet.currency().await?;
        let amount = amount::parse(&arguments.amount, &currency)?;
        let purpose = arguments.money.purpose.clone();
        let request = v1::WalletServiceWithdrawRequest { amount, request_id, purpose };
        let answer = wallet.withdraw(request.clone()).await?;
        let shown = show::withdrawn(&answer, &request, &Money::new(Some(currency)));
        Ok((shown, answer.state()))
    });
    let (shown, state) = ended.await?;
    told(&shown, state, "issuer", session)
}

/// Renews the registration.
pub(super) async fn renew(session: &Session<'_>) -> Result<Exit, Problem> {
    let answer = session.with_wallet("renewing", Asks::Servers, async |wallet| wallet.renew(v1::RenewRequest {}).await);
    let answer = answer.await?;
    told(&show::renewed(&answer), answer.state(), "redeemer", session)
}

/// Pays money back into the account.
pub(super) async fn redeem(arguments: &Redeem, session: &Session<'_>) -> Result<Exit, Problem> {
    amount::check(&arguments.amount)?;
    let request_id = request_id(&arguments.retry);
    let ended = session.with_wallet("redeeming", Asks::Servers, async |wallet| {
        let currency = wallet.currency().await?;
        let amount = amount::parse(&arguments.amount, &currency)?;
        let answer = wallet.redeem(v1::RedeemRequest { amount, request_id: request_id.clone() }).await?;
        let shown = show::redeemed(&answer, amount, &request_id, &Money::new(Some(currency)));
        Ok((shown, answer.state()))
    });
    let (shown, state) = ended.await?;
    told(&shown, state, "redeemer", session)
}

/// Pays somebody.
pub(super) async fn pay(arguments: &Pay, session: &Session<'_>) -> Result<Exit, Problem> {
    let is_request = arguments.payee.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
    match &arguments.amount {
        Some(text) => amount::check(text)?,
        None if !is_request => {
            return Err(Problem::usage(
                "how much?",
                "Give the amount after the payee: `farthing pay bob@bank.example 3.50`.",
            ));
        }
        None => {}
    }
    if !is_request {
        init::identity(&arguments.payee)?;
    }
    let request_id = request_id(&arguments.retry);
    let ended = session.with_wallet("paying", Asks::Servers, async |wallet| {
        let currency = wallet.currency().await?;
        let money = Money::new(Some(currency.clone()));
        let (payee, amount, memo) = if is_request {
            asked(arguments, &currency, &money, session)?
        } else {
            let text = arguments.amount.as_deref().unwrap_or_default();
            let payee = init::identity(&arguments.payee)?.as_str().to_owned();
            (payee, amount::parse(text, &currency)?, arguments.memo.clone().unwrap_or_default())
        };
        let purpose = arguments.money.purpose.clone();
        let request = v1::PayRequest { payee, amount, memo, request_id, purpose };
        let answer = wallet.pay(request.clone()).await?;
        Ok((show::paid(&answer, &request, &money), answer.state()))
    });
    let (shown, state) = ended.await?;
    told(&shown, state, "redeemer", session)
}

/// Payee, amount and memo of a payment request. What it says and the command line does not, the owner has to agree to.
fn asked(
    arguments: &Pay,
    currency: &Currency,
    money: &Money,
    session: &Session<'_>,
) -> Result<(String, u64, String), Problem> {
    let request = PaymentRequest::parse(&arguments.payee, currency).map_err(|error| wallet_problem(&error))?;
    let amount = match (&arguments.amount, request.amount.map(Amount::get)) {
        (None, None) => {
            return Err(Problem::usage("the request leaves the amount to you", "Give it after the request."));
        }
        (None, Some(amount)) => amount,
        (Some(text), wanted) => {
            let amount = amount::parse(text, currency)?;
            if let Some(wanted) = wanted.filter(|&wanted| wanted != amount) {
                let text = format!("the request is for {}, and you say {}", money.text(wanted), money.text(amount));
                return Err(Problem::usage(text, "Leave the amount out, or make it the same."));
            }
            amount
        }
    };
    let memo = arguments.memo.clone().unwrap_or(request.memo);
    let payee = request.to.as_str().to_owned();
    let about = if memo.is_empty() { String::new() } else { format!(" – “{}”", printable(&memo)) };
    session
        .meter
        .pause(|| session.output.confirm(&format!("Pay {} to {}{about}?", money.text(amount), printable(&payee))))?;
    Ok((payee, amount, memo))
}

/// Looks for payments.
pub(super) async fn receive(session: &Session<'_>) -> Result<Exit, Problem> {
    let ended = session.with_wallet("looking for payments", Asks::Servers, async |wallet| {
        let answer = wallet.receive(v1::ReceiveRequest {}).await?;
        let unfinished = answer.pending.iter().any(|pending| pending.reason() == v1::PendingReason::InProgress);
        let shown = show::received(&answer, &Money::new(wallet.known_currency().await));
        Ok((shown, unfinished))
    });
    let (shown, unfinished) = ended.await?;
    let state = if unfinished { v1::OperationState::Pending } else { v1::OperationState::Done };
    told(&shown, state, "redeemer", session)
}

/// Takes back what nobody has claimed.
pub(super) async fn refund(arguments: &Refund, session: &Session<'_>) -> Result<Exit, Problem> {
    let payment_id = arguments.id.map_or_else(Vec::new, |id| id.0.to_vec());
    let ended = session.with_wallet("taking back", Asks::Servers, async |wallet| {
        let answer = wallet.refund(v1::RefundRequest { payment_id }).await?;
        let unfinished = answer.pending.iter().any(|pending| pending.reason() == v1::PendingReason::InProgress);
        let shown = show::refunded(&answer, &Money::new(wallet.known_currency().await));
        Ok((shown, unfinished))
    });
    let (shown, unfinished) = ended.await?;
    let state = if unfinished { v1::OperationState::Pending } else { v1::OperationState::Done };
    told(&shown, state, "redeemer", session)
}

/// Makes a payment request.
pub(super) async fn request(arguments: &Request, session: &Session<'_>) -> Result<Exit, Problem> {
    if let Some(text) = &arguments.amount {
        amount::check(text)?;
    }
    let memo = arguments.memo.clone().unwrap_or_default();
    let made = session.with_wallet("looking", Asks::Nobody, async |wallet: &Backend| {
        let (amount, currency) = match &arguments.amount {
            Some(text) => {
                let currency = wallet.currency().await?;
                (Some(amount::parse(text, &currency)?), Some(currency))
            }
            None => (None, wallet.known_currency().await),
        };
        let message = v1::CreateRequestRequest { amount: amount.unwrap_or_default(), memo: memo.clone() };
        let answer = wallet.create_request(message).await?;
        let mut shown = show::request(&answer, amount, &memo, &Money::new(currency));
        if session.output.is_terminal()
            && let Some(code) = qr::code(&answer.uri, session.output.color())
        {
            shown.text += &code;
        }
        Ok(shown)
    });
    session.show(&made.await?)
}

/// The id from the command line, or a fresh one.
fn request_id(retry: &Retry) -> Vec<u8> {
    retry.request_id.map_or_else(|| RequestId::random().as_bytes().to_vec(), |id| id.0.to_vec())
}

/// Shows what became of it, and says so when that is not known yet.
fn told(shown: &Shown, state: v1::OperationState, server: &str, session: &Session<'_>) -> Result<Exit, Problem> {
    session.show(shown)?;
    match state {
        v1::OperationState::Done => Ok(Exit::Done),
        v1::OperationState::Failed => Ok(Exit::Refused),
        v1::OperationState::Pending | v1::OperationState::Unspecified => {
            session.output.note(format_args!(
                "The {server} could not be asked to the end. Do not start it anew: the next command that reaches the {server} \
                 finishes it, and `farthing history` tells what became of it."
            ));
            Ok(Exit::Pending)
        }
    }
}
