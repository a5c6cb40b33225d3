//! What a caller reads when its call is refused. Only this module builds refusals.

use farthing_proto::v1::ErrorReason;
use farthing_service::status::Refusal;
use tonic::Status;

use crate::error::IssuerError;

impl From<IssuerError> for Status {
    fn from(error: IssuerError) -> Self {
        log(&error);
        refusal(error).into()
    }
}

fn refusal(error: IssuerError) -> Refusal {
    let text = error.to_string();
    match error {
        IssuerError::Malformed { field, what } => Refusal::field(field, what),
        IssuerError::BucketTooLarge { bits } => Refusal::field("prefix_bits", text).with("prefix_bits", bits),
        IssuerError::ProofInvalid => Refusal::new(ErrorReason::ProofInvalid, text),
        IssuerError::PeriodMoved { logical_day } => {
            Refusal::new(ErrorReason::PeriodMoved, text).with("logical_day", logical_day.get())
        }
        IssuerError::KeyExpired { key } => Refusal::new(ErrorReason::KeyExpired, text).with("key_id", key),
        IssuerError::InsufficientBalance { available } => {
            Refusal::new(ErrorReason::InsufficientBalance, text).with("available", available.get())
        }
        IssuerError::WithdrawCap { left } => cap("withdraw_per_day", text, left.get()),
        IssuerError::SupplyCap { left } => cap("supply", text, left.get()),
        IssuerError::IdentityTaken => Refusal::new(ErrorReason::IdentityTaken, text),
        IssuerError::NotInvited => Refusal::new(ErrorReason::NotInvited, text),
        IssuerError::RegistrationWaits { from } => {
            Refusal::new(ErrorReason::RegistrationWaits, text).with("from_day", from.get())
        }
        IssuerError::WalletRevoked => Refusal::new(ErrorReason::WalletRevoked, text),
        IssuerError::GrantOutstanding { last_day } => {
            Refusal::new(ErrorReason::GrantOutstanding, text).with("last_day", last_day.get())
        }
        IssuerError::AccountUnknown => Refusal::new(ErrorReason::AccountUnknown, text),
        IssuerError::IdentityUnknown => Refusal::new(ErrorReason::IdentityUnknown, text),
        IssuerError::RequestIdReused => Refusal::new(ErrorReason::RequestIdReused, text),
        IssuerError::NotCertified => Refusal::new(ErrorReason::TokenInvalid, text),
        IssuerError::Unsigned => Refusal::new(ErrorReason::CheckpointUnknown, text),
        IssuerError::Overloaded => Refusal::new(ErrorReason::Overloaded, text),
        IssuerError::StoreUnavailable(_) | IssuerError::OutcomeUnknown => {
            Refusal::new(ErrorReason::StoreUnavailable, text)
        }
        IssuerError::Internal(_) => Refusal::new(ErrorReason::Internal, "a fault of the issuer"),
    }
}

fn cap(name: &str, text: String, left: u64) -> Refusal {
    Refusal::new(ErrorReason::CapExceeded, text).with("cap", name).with("left", left)
}

/// What is wrong here goes to the log with its cause; what is wrong with a request is the caller's business.
fn log(error: &IssuerError) {
    match error {
        IssuerError::StoreUnavailable(cause) => tracing::error!(%cause, "{error}"),
        IssuerError::OutcomeUnknown | IssuerError::Internal(_) => tracing::error!("{error}"),
        _ => tracing::debug!(%error, "refused"),
    }
}
