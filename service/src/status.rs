//! Errors on the wire: built by servers ([`Refusal`]), read by clients ([`Failure`]).
//!
//! A server names a reason; the gRPC code follows from it, and `google.rpc.ErrorInfo` carries it. A client branches on the
//! reason, never on the text.

use std::{collections::HashMap, error::Error, fmt, time::Duration};

use farthing_proto::{reason::DOMAIN, v1::ErrorReason};
use farthing_store::StoreError;
use tonic::{Code, Status, TimeoutExpired};
use tonic_types::{ErrorDetails, StatusExt as _};

/// How long a client waits before it asks a server again that is overloaded or whose store is down.
pub const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Why a call is refused, and what the caller needs to know. Becomes a [`Status`] with `?` or `into`.
///
/// Text and metadata go to the caller: nothing in them may be secret or internal. What happened inside goes to the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    reason: ErrorReason,
    message: String,
    metadata: HashMap<String, String>,
    fields: Vec<(String, String)>,
    retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal with a text for people. RetryInfo is added for the reasons that call for it.
    pub fn new(reason: ErrorReason, message: impl Into<String>) -> Self {
        let retry_after = match reason {
            ErrorReason::Overloaded
            | ErrorReason::StoreUnavailable
            | ErrorReason::PeerUnreachable
            | ErrorReason::CheckpointUnknown => Some(RETRY_DELAY),
            _ => None,
        };
        Self { reason, message: message.into(), metadata: HashMap::new(), fields: Vec::new(), retry_after }
    }

    /// MALFORMED_REQUEST because of one field: its name in the message, and what it should be.
    pub fn field(field: &str, description: impl Into<String>) -> Self {
        let description = description.into();
        let refusal = Self::new(ErrorReason::MalformedRequest, format!("{field}: {description}"));
        refusal.and_field(field, description)
    }

    /// Names a further field that is wrong.
    #[must_use]
    pub fn and_field(mut self, field: &str, description: impl Into<String>) -> Self {
        self.fields.push((field.to_owned(), description.into()));
        self
    }

    /// Adds metadata to the ErrorInfo: the keys are those that `ErrorReason` documents.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.metadata.insert(key.to_owned(), value.to_string());
        self
    }

    /// Tells the caller when to ask again.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// The reason.
    pub fn reason(&self) -> ErrorReason {
        self.reason
    }

    fn status(self, code: Code) -> Status {
        let mut details = ErrorDetails::new();
        details.set_error_info(self.reason.as_reason(), DOMAIN, self.metadata);
        for (field, description) in self.fields {
            details.add_bad_request_violation(field, description);
        }
        if self.retry_after.is_some() {
            details.set_retry_info(self.retry_after);
        }
        Status::with_error_details(code, self.message, details)
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let code = code(refusal.reason);
        refusal.status(code)
    }
}

/// What failed inside goes to the log; the caller learns whether to ask again.
impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Overloaded => Self::new(ErrorReason::Overloaded, "too many requests wait for the store"),
            StoreError::Limit { .. } => {
                tracing::error!(%error, "the store was asked for too much");
                Self::new(ErrorReason::Internal, "a fault of the server")
            }
            _ => {
                tracing::error!(%error, "the store does not work");
                Self::new(ErrorReason::StoreUnavailable, "the store does not work: ask again with the same bytes")
            }
        }
    }
}

/// The gRPC code of a reason, as the comments of `ErrorReason` say.
pub fn code(reason: ErrorReason) -> Code {
    match reason {
        ErrorReason::MalformedRequest | ErrorReason::ProofInvalid => Code::InvalidArgument,
        ErrorReason::AlreadySpent | ErrorReason::IdentityTaken | ErrorReason::RequestIdReused => Code::AlreadyExists,
        ErrorReason::PeriodMoved
        | ErrorReason::PolicyMoved
        | ErrorReason::KeyExpired
        | ErrorReason::InsufficientBalance
        | ErrorReason::CapExceeded
        | ErrorReason::LiabilitiesExceeded
        | ErrorReason::LogContradiction
        | ErrorReason::RegistrationWaits
        | ErrorReason::WalletRevoked
        | ErrorReason::GrantOutstanding
        | ErrorReason::GrantRefused
        | ErrorReason::NotRegistered => Code::FailedPrecondition,
        ErrorReason::NotInvited => Code::PermissionDenied,
        ErrorReason::Overloaded => Code::ResourceExhausted,
        ErrorReason::StoreUnavailable | ErrorReason::PeerUnreachable => Code::Unavailable,
        ErrorReason::AccountUnknown
        | ErrorReason::IdentityUnknown
        | ErrorReason::EntryUnknown
        | ErrorReason::CheckpointUnknown => Code::NotFound,
        ErrorReason::TokenInvalid => Code::Unauthenticated,
        ErrorReason::TimedOut => Code::DeadlineExceeded,
        ErrorReason::MethodUnknown => Code::Unimplemented,
        ErrorReason::Internal | ErrorReason::Unspecified => Code::Internal,
    }
}

/// What tonic's decoder says of a message that is not protobuf, with the code INTERNAL.
const UNDECODABLE: &str = "failed to decode Protobuf message";

/// Gives an ErrorInfo to a status that has none, because tonic made it: a message that is too large or does not decode, a
/// method that does not exist, a call that took too long.
pub(crate) fn complete(status: &Status) -> Status {
    let refusal = |reason| Refusal::new(reason, status.message());
    match status.code() {
        Code::Internal if status.message().starts_with(UNDECODABLE) => refusal(ErrorReason::MalformedRequest).into(),
        code => refusal(reason(code)).status(code),
    }
}

/// The reason to report for a status that names none.
fn reason(code: Code) -> ErrorReason {
    match code {
        Code::InvalidArgument | Code::OutOfRange => ErrorReason::MalformedRequest,
        Code::ResourceExhausted => ErrorReason::Overloaded,
        Code::DeadlineExceeded | Code::Cancelled => ErrorReason::TimedOut,
        Code::Unimplemented => ErrorReason::MethodUnknown,
        Code::Unauthenticated => ErrorReason::TokenInvalid,
        _ => ErrorReason::Internal,
    }
}

/// Why a call failed, as its caller sees it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct Failure {
    /// The gRPC code.
    pub code: Code,
    /// The reason; unspecified for one that this version does not know and for errors that are none of Farthing's.
    pub reason: ErrorReason,
    /// A text for people.
    pub message: String,
    /// What `ErrorReason` documents for the reason.
    pub metadata: HashMap<String, String>,
    /// When the server wants to be asked again.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// Whether the same bytes may be accepted when they are sent again. The call may have been carried out nevertheless.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.reason,
            ErrorReason::Overloaded
                | ErrorReason::StoreUnavailable
                | ErrorReason::PeerUnreachable
                | ErrorReason::TimedOut
        )
    }

    /// A number in the metadata.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.metadata.get(key)?.parse().ok()
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == DOMAIN);
        let (reason, metadata) = match info {
            Some(info) => (ErrorReason::from_reason(&info.reason).unwrap_or_default(), info.metadata.clone()),
            None => (unexplained(&status), HashMap::new()),
        };
        Self {
            code: status.code(),
            reason,
            message: status.message().to_owned(),
            metadata,
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        }
    }
}

/// What to make of a status without ErrorInfo: mostly the connection failed, on this side of it.
fn unexplained(status: &Status) -> ErrorReason {
    let mut cause = Error::source(status);
    while let Some(error) = cause {
        if error.is::<TimeoutExpired>() {
            return ErrorReason::TimedOut;
        }
        cause = error.source();
    }
    match status.code() {
        Code::DeadlineExceeded => ErrorReason::TimedOut,
        Code::Unimplemented => ErrorReason::MethodUnknown,
        Code::Unavailable => ErrorReason::PeerUnreachable,
        _ if Error::source(status).is_some() => ErrorReason::PeerUnreachable,
        _ => ErrorReason::Unspecified,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_a_server_says_is_what_its_client_reads() {
        let refusal = Refusal::new(ErrorReason::AlreadySpent, "a coin was spent before").with("log_index", 17);
        let failure = Failure::from(Status::from(refusal));
        assert_eq!(failure.code, Code::AlreadyExists);
        assert_eq!(failure.reason, ErrorReason::AlreadySpent);
        assert_eq!(failure.message, "a coin was spent before");
        assert_eq!(failure.number("log_index"), Some(17));
        assert_eq!(failure.retry_after, None);
        assert!(!failure.is_transient());
    }

    #[test]
    fn fields_and_delays_are_told() {
        let status = Status::from(Refusal::field("amount", "must be at least 1").and_field("request_id", "16 bytes"));
        let request = status.get_details_bad_request().unwrap();
        let fields: Vec<_> = request.field_violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["amount", "request_id"]);
        assert_eq!(status.code(), Code::InvalidArgument);

        let failure = Failure::from(Status::from(Refusal::new(ErrorReason::Overloaded, "")));
        assert_eq!(failure.retry_after, Some(RETRY_DELAY));
        assert!(failure.is_transient());
        let later = Refusal::new(ErrorReason::Overloaded, "").retry_after(RETRY_DELAY * 7);
        let failure = Failure::from(Status::from(later));
        assert_eq!(failure.retry_after, Some(RETRY_DELAY * 7));
    }

    #[test]
    fn another_domain_is_not_ours() {
        let mut details = ErrorDetails::new();
        details.set_error_info("ALREADY_SPENT", "elsewhere.example", HashMap::new());
        let status = Status::with_error_details(Code::AlreadyExists, "", details);
        assert_eq!(Failure::from(status).reason, ErrorReason::Unspecified);
    }

    #[test]
    fn bytes_that_are_no_protobuf_are_the_callers_fault() {
        use tonic_types::pb;
        let error = <pb::ErrorInfo as prost::Message>::decode(&[0xff][..]).unwrap_err();
        let status = complete(&Status::internal(error.to_string()));
        assert_eq!(status.code(), Code::InvalidArgument);
        let other = complete(&Status::internal("a bug"));
        assert_eq!(other.code(), Code::Internal);
        assert_eq!(Failure::from(other).reason, ErrorReason::Internal);
    }
}
