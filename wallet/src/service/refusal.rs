//! Errors of the wallet, as callers of the service see them: the reason, the text, and the numbers in the metadata.

use farthing_ecash::amount::Amount;
use farthing_proto::v1::ErrorReason;
use farthing_service::status::Refusal;
use tonic::Status;

use crate::{
    error::{Server, WalletError},
    report::Restricted,
};

/// The status for an error. All texts are for the owner of the wallet, and only the owner has the token.
pub(crate) fn status(error: &WalletError) -> Status {
    let text = error.to_string();
    let refusal = match error {
        WalletError::InvalidIdentity(source) => Refusal::field("identity", source.to_string()),
        WalletError::AmountZero => Refusal::field("amount", "must be at least 1"),
        WalletError::BelowMinimum { minimum } => {
            Refusal::new(error.reason(), text.clone()).and_field("amount", text).with("minimum", minimum.get())
        }
        WalletError::InvalidLink { .. } => Refusal::new(error.reason(), text.clone()).and_field("links", text),
        WalletError::MemoTooLong { .. } => Refusal::new(error.reason(), text.clone()).and_field("memo", text),
        WalletError::InsufficientFunds { needed, available } => {
            Refusal::new(error.reason(), text).with("needed", needed.get()).with("available", available.get())
        }
        WalletError::OtherPurpose { needed, available, restricted } => {
            too_little(error.reason(), text, [needed, available], restricted).with("pay_with", &restricted.purpose)
        }
        WalletError::NotRedeemable { needed, available, restricted } => {
            too_little(error.reason(), text, [needed, available], restricted)
        }
        WalletError::PurposeUnknown { .. } => Refusal::field("purpose", text),
        WalletError::AccountTooLow { available } => {
            with_amount(Refusal::new(error.reason(), text), "available", *available)
        }
        WalletError::CapExceeded { cap, left } => {
            with_amount(Refusal::new(error.reason(), text).with("cap", cap), "left", *left)
        }
        WalletError::InvalidChallenge { .. } => Refusal::new(error.reason(), text.clone()).and_field("challenge", text),
        WalletError::MonthNotShown { .. } => Refusal::new(error.reason(), text.clone()).and_field("month", text),
        WalletError::PayeeUnknown | WalletError::OtherPayee { .. } => {
            Refusal::new(error.reason(), text.clone()).and_field("payee", text)
        }
        WalletError::SpentElsewhere { log_index } => Refusal::new(error.reason(), text).with("log_index", log_index),
        WalletError::Unreachable { server, .. } => Refusal::new(error.reason(), text).with("peer", peer(*server)),
        _ => Refusal::new(error.reason(), text),
    };
    refusal.into()
}

/// A registration that the issuer was not asked about to the end.
pub(super) fn unfinished_registration(delay: &str) -> Refusal {
    let text = format!("the registration is not finished: {delay}");
    Refusal::new(ErrorReason::PeerUnreachable, text).with("peer", peer(Server::Issuer))
}

fn too_little(
    reason: ErrorReason,
    text: String,
    [needed, available]: [&Amount; 2],
    restricted: &Restricted,
) -> Refusal {
    let refusal = Refusal::new(reason, text).with("needed", needed.get()).with("available", available.get());
    refusal.with("purpose", &restricted.purpose).with("restricted", restricted.amount.get())
}

fn with_amount(refusal: Refusal, key: &str, amount: Option<Amount>) -> Refusal {
    match amount {
        Some(amount) => refusal.with(key, amount.get()),
        None => refusal,
    }
}

fn peer(server: Server) -> &'static str {
    match server {
        Server::Issuer => "issuer",
        Server::Redeemer => "redeemer",
        Server::Ledger => "ledger",
    }
}

#[cfg(test)]
mod tests {
    use farthing_service::status::Failure;

    use super::*;

    #[test]
    fn numbers_travel_as_metadata_and_fields_by_name() {
        let funds = WalletError::InsufficientFunds { needed: Amount::new(7), available: Amount::new(5) };
        let failure = Failure::from(status(&funds));
        assert_eq!(failure.reason, ErrorReason::InsufficientBalance);
        assert_eq!((failure.number("needed"), failure.number("available")), (Some(7), Some(5)));

        let cap = WalletError::CapExceeded { cap: "withdraw_per_day".to_owned(), left: None };
        let failure = Failure::from(status(&cap));
        assert_eq!(failure.reason, ErrorReason::CapExceeded);
        assert_eq!(failure.metadata.get("cap").map(String::as_str), Some("withdraw_per_day"));
        assert_eq!(failure.number("left"), None);

        let zero = Failure::from(status(&WalletError::AmountZero));
        assert_eq!(zero.reason, ErrorReason::MalformedRequest);
        assert_eq!(zero.message, "amount: must be at least 1");
    }
}
