//! The commands that move money or ask for it.

use farthing_ecash::amount::{Amount, Currency};
use farthing_proto::v1;

use super::{Session, amount, init, link, picture::Place};
use crate::{
    cli::{
        args::{Pay, Receive, Redeem, Refund, Retry, Withdraw},
        backend::{Asks, wallet_problem},
        exit::Exit,
        printable::printable,
        problem::Problem,
        show::{self, Money, Shown},
    },
    history::RequestId,
    link::PaymentLink,
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
    if PaymentLink::is_one(&arguments.payee) {
        return Err(Problem::usage(
            "this is a link to money that somebody was paid",
            "`farthing receive LINK` takes it, in a wallet of the identity that was paid.",
        ));
    }
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
            asked(arguments, &currency, &money)?
        } else {
            let text = arguments.amount.as_deref().unwrap_or_default();
            let payee = init::identity(&arguments.payee)?.as_str().to_owned();
            (payee, amount::parse(text, &currency)?, arguments.memo.clone().unwrap_or_default())
        };
        let allow_unregistered = link::look_before(wallet, &payee, arguments.unregistered, session).await?;
        if is_request {
            // What the command line does not spell out, the owner has to agree to.
            let about = if memo.is_empty() { String::new() } else { format!(" – “{}”", printable(&memo)) };
            let question = format!("Pay {} to {}{about}?", money.text(amount), printable(&payee));
            session.meter.pause(|| session.output.confirm(&question))?;
        }
        let purpose = arguments.money.purpose.clone();
        let request_uri = if is_request { arguments.payee.clone() } else { String::new() };
        let request = v1::PayRequest { payee, amount, memo, request_id, purpose, allow_unregistered, request_uri };
        let answer = wallet.pay(request.clone()).await?;
        let mut shown = show::paid(&answer, &request, &money);
        if !answer.link.is_empty() {
            Place::Terminal.show(&mut shown, &answer.link, session)?;
        }
        Ok((shown, answer.state()))
    });
    let (shown, state) = ended.await?;
    told(&shown, state, "redeemer", session)
}

/// Payee, amount and memo of a payment request.
fn asked(arguments: &Pay, currency: &Currency, money: &Money) -> Result<(String, u64, String), Problem> {
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
    Ok((payee, amount, memo))
}

/// Looks for payments, and takes those of links.
pub(super) async fn receive(arguments: &Receive, session: &Session<'_>) -> Result<Exit, Problem> {
    let links = link::read(&arguments.links)?;
    let ended = session.with_wallet("looking for payments", Asks::Servers, async |wallet| {
        let answer = wallet.receive(v1::ReceiveRequest { links, join: arguments.join }).await?;
        let unfinished = answer.pending.iter().any(|pending| pending.reason() == v1::PendingReason::InProgress);
        let gone = answer.links.iter().any(|link| link.state() == v1::LinkState::Gone);
        let shown = show::received(&answer, &Money::new(wallet.known_currency().await));
        Ok((shown, unfinished, gone))
    });
    let (shown, unfinished, gone) = ended.await?;
    let state = if unfinished { v1::OperationState::Pending } else { v1::OperationState::Done };
    match told(&shown, state, "redeemer", session)? {
        Exit::Done if gone => Ok(Exit::Evidence),
        exit => Ok(exit),
    }
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
