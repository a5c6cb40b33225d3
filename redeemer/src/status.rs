//! What a wallet reads when its transaction is not accepted. Only this module builds refusals.

use farthing_proto::v1::ErrorReason;
use farthing_service::status::Refusal;
use tonic::Status;

use crate::error::SubmitError;

impl From<SubmitError> for Status {
    fn from(error: SubmitError) -> Self {
        log(&error);
        refusal(error).into()
    }
}

fn refusal(error: SubmitError) -> Refusal {
    let text = error.to_string();
    match error {
        SubmitError::Malformed { field, what } => Refusal::field(field, what),
        SubmitError::ProofInvalid => Refusal::new(ErrorReason::ProofInvalid, text),
        SubmitError::AlreadySpent { log_index } => {
            Refusal::new(ErrorReason::AlreadySpent, text).with("log_index", log_index)
        }
        SubmitError::PeriodMoved { logical_day } => {
            Refusal::new(ErrorReason::PeriodMoved, text).with("logical_day", logical_day.get())
        }
        SubmitError::PolicyMoved { epoch, hash } => {
            Refusal::new(ErrorReason::PolicyMoved, text).with("epoch", epoch).with("policy_hash", hash)
        }
        SubmitError::KeyExpired { key } => Refusal::new(ErrorReason::KeyExpired, text).with("key_id", key),
        SubmitError::GrantRefused => Refusal::new(ErrorReason::GrantRefused, text),
        SubmitError::AccountUnknown => Refusal::new(ErrorReason::AccountUnknown, text),
        SubmitError::CapExceeded { left } => {
            Refusal::new(ErrorReason::CapExceeded, text).with("cap", "redeem_per_day").with("left", left.get())
        }
        SubmitError::LiabilitiesExceeded { left } => {
            Refusal::new(ErrorReason::LiabilitiesExceeded, text).with("left", left.get())
        }
        SubmitError::Overloaded => Refusal::new(ErrorReason::Overloaded, text),
        SubmitError::StoreUnavailable(_) | SubmitError::OutcomeUnknown => {
            Refusal::new(ErrorReason::StoreUnavailable, text)
        }
        SubmitError::IssuerUnreachable(_) => Refusal::new(ErrorReason::PeerUnreachable, text).with("peer", "issuer"),
        SubmitError::Internal(_) => Refusal::new(ErrorReason::Internal, "a fault of the redeemer"),
    }
}

/// What is wrong here goes to the log with its causes; what is wrong with a request is the caller's business.
fn log(error: &SubmitError) {
    match error {
        SubmitError::StoreUnavailable(cause) => tracing::error!(%cause, "{error}"),
        SubmitError::OutcomeUnknown | SubmitError::Internal(_) => tracing::error!("{error}"),
        SubmitError::IssuerUnreachable(cause) => tracing::warn!(%cause, "{error}"),
        _ => tracing::debug!(%error, "not accepted"),
    }
}
