//! What the issuer and the redeemer together could see of a transaction: read from the entry itself.

use farthing_ecash::{
    amount::Amount, amount::Currency, calendar::Month, credential::kinds::Kind, policy::UNRESTRICTED,
    statement::Statement, transaction::Core,
};

use super::Failure;
use crate::cluster::Cluster;

/// Tells what the servers saw of the newest transaction of this kind.
pub(super) async fn newest(cluster: &Cluster, statement: Statement, currency: &Currency) -> Result<String, Failure> {
    let logged = if statement.is_for_issuer() {
        cluster.issuance_transactions(0).await?
    } else {
        cluster.payment_transactions(0).await?
    };
    let newest = logged.into_iter().rev().find(|logged| logged.core.statement() == statement);
    let newest = newest.ok_or_else(|| format!("no {} was logged", statement.name()))?;
    Ok(format!("The servers saw (entry {}): {}", newest.index, describe(&newest.core, currency)))
}

fn describe(core: &Core, currency: &Currency) -> String {
    let count = |kind, name: &str| match core.input_keys().filter(|(known, _)| *known == kind).count() {
        1 => format!("one {name}"),
        n => format!("{n} {name}s"),
    };
    let money = |units| format!("{} {}", currency.format(Amount::new(units)), currency.code());
    let publics = core.publics();
    match core.statement() {
        Statement::Register => {
            "the issuer an identity and an account; the log one more wallet of a class, and neither of them".to_owned()
        }
        Statement::Withdraw => {
            let amount = money(publics.amount);
            match publics.purpose {
                UNRESTRICTED => format!("the issuer the account and {amount}; not the coin's serial number"),
                _ => format!("the issuer the account, {amount} and what it is for; not the coin's serial number"),
            }
        }
        Statement::Pay => format!(
            "{} became a note and change, fee {}; no payer, no payee, no amount",
            count(Kind::Coin, "coin"),
            money(publics.fee)
        ),
        Statement::Claim => format!(
            "{} claimed by some wallet under some rule; not whose, not how much, not which rule",
            count(Kind::Note, "note")
        ),
        Statement::Redeem => format!(
            "{}, the account and {}; not where the money comes from",
            count(Kind::Coin, "coin"),
            money(publics.amount)
        ),
        Statement::Split => "one note became two for the same payee; not whose, not how much".to_owned(),
        Statement::Refund => format!(
            "a note that had expired with {} went back under some rule; not whose, not how much, not who was paid",
            Month::new(publics.expiry)
        ),
        _ => format!("{} became other coins", count(Kind::Coin, "coin")),
    }
}
