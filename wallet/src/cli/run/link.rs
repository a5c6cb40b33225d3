//! `link`, and links in other commands: money for people who are not registered yet.

use std::io::{self, BufRead as _, Read as _};

use farthing_proto::v1;

use super::{Session, picture::Place};
use crate::{
    cli::{
        args::Link,
        backend::{Asks, Backend, wallet_problem},
        exit::Exit,
        printable::printable,
        problem::Problem,
        show::{self, Money},
    },
    link::PaymentLink,
};

/// Longer than any links that one call takes.
const INPUT_LENGTH_MAX: u64 = 256 * 1_024;

/// Shows the link of a payment.
pub(super) async fn link(arguments: &Link, session: &Session<'_>) -> Result<Exit, Problem> {
    let picture = Place::of(arguments.picture.out.as_deref())?;
    let request = v1::GetLinkRequest { payment_id: arguments.id.0.to_vec() };
    let shown = session.with_wallet("looking", Asks::Nobody, async |wallet| {
        let answer = wallet.get_link(request).await?;
        let mut shown = show::link(&answer, &Money::new(wallet.known_currency().await));
        picture.show(&mut shown, &answer.link, session)?;
        Ok(shown)
    });
    session.show(&shown.await?)
}

/// Looks before a payment, where a person is told: says when there are few to hide among, and asks whether somebody who is not
/// registered is to be paid. Answers whether that is allowed; where nobody is told, it is when the command line says so.
pub(super) async fn look_before(
    wallet: &Backend,
    payee: &str,
    allowed: bool,
    session: &Session<'_>,
) -> Result<bool, Problem> {
    if !session.output.tells_a_person() {
        return Ok(allowed);
    }
    let answer = wallet.check_payee(v1::CheckPayeeRequest { payee: payee.to_owned() }).await?;
    if let Some(warning) = show::few(&answer) {
        session.meter.pause(|| session.output.note(warning));
    }
    if answer.registered || allowed || !session.output.asks() {
        return Ok(allowed);
    }
    let question = format!(
        "Nobody is registered as {}. Is it spelt right? If so, you get a link for the payee, who registers and takes the money \
         with it; what nobody takes you can take back from {} on. Pay?",
        printable(payee),
        printable(&answer.refundable_from)
    );
    session.meter.pause(|| session.output.confirm(&question)).map(|()| true)
}

/// The links of a command line, or of standard input; what cannot be one is refused before anybody is asked.
pub(super) fn read(arguments: &[String]) -> Result<Vec<String>, Problem> {
    let mut links = Vec::new();
    for argument in arguments {
        if argument != "-" {
            links.push(argument.clone());
            continue;
        }
        for line in io::stdin().lock().take(INPUT_LENGTH_MAX).lines() {
            let line = line.map_err(|error| Problem::file("read", "standard input".as_ref(), &error))?;
            links.extend(Some(line.trim().to_owned()).filter(|line| !line.is_empty()));
        }
    }
    for link in &links {
        PaymentLink::parse(link).map_err(|error| wallet_problem(&error))?;
    }
    Ok(links)
}
