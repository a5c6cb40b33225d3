//! `request` and `requests`: what others are asked to pay.

use std::time::{SystemTime, UNIX_EPOCH};

use farthing_proto::v1;

use super::{Session, amount, picture::Place};
use crate::cli::{
    args::Request,
    backend::{Asks, Backend},
    exit::Exit,
    problem::Problem,
    show::{self, Money},
};

/// Makes a payment request.
pub(super) async fn request(arguments: &Request, session: &Session<'_>) -> Result<Exit, Problem> {
    if let Some(text) = &arguments.amount {
        amount::check(text)?;
    }
    let place = Place::of(arguments.picture.out.as_deref())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let expires = arguments.expires.map(|expires| now.saturating_add(expires).as_secs());
    let memo = arguments.memo.clone().unwrap_or_default();
    let made = session.with_wallet("looking", Asks::Nobody, async |wallet: &Backend| {
        let (amount, currency) = match &arguments.amount {
            Some(text) => {
                let currency = wallet.currency().await?;
                (Some(amount::parse(text, &currency)?), Some(currency))
            }
            None => (None, wallet.known_currency().await),
        };
        let message = v1::CreateRequestRequest {
            amount: amount.unwrap_or_default(),
            memo: memo.clone(),
            expires_unix_seconds: expires.unwrap_or_default(),
        };
        let answer = wallet.create_request(message).await?;
        let mut shown = show::request(&answer, amount, &memo, expires, &Money::new(currency));
        place.show(&mut shown, &answer.uri, session)?;
        Ok(shown)
    });
    session.show(&made.await?)
}

/// Lists the requests that were made.
pub(super) async fn requests(session: &Session<'_>) -> Result<Exit, Problem> {
    let shown = session.with_wallet("looking", Asks::Nobody, async |wallet| {
        let answer = wallet.list_requests(v1::ListRequestsRequest {}).await?;
        Ok(show::requests(&answer, &Money::new(wallet.known_currency().await), session.output.is_terminal()))
    });
    session.show(&shown.await?)
}
