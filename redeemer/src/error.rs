//! Errors, named for the situation of the caller.

use std::{io, path::PathBuf};

use farthing_ecash::{amount::Amount, calendar::Day, keys::KeyId, policy::PolicyHash};
use farthing_ledger::publisher::PublishError;
use farthing_service::{
    channel::ConnectError, config::ConfigError, dev_certs::DevCertError, listener::ListenError,
    log_setup::LogSetupError, logging::LogError, logical_day::DayError, server::ServeError, status::Failure,
    tls::TlsError,
};
use farthing_store::StoreError;

/// Why a transaction is not accepted, or a presentation not attested. `status.rs` turns it into what the caller reads.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// Bytes that do not decode, or a field outside its bounds.
    #[error("{field}: {what}")]
    Malformed {
        /// The field of the request.
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// A proof does not hold.
    #[error("a proof does not hold")]
    ProofInvalid,
    /// A coin, note or wallet state was consumed by another transaction.
    #[error("it was spent before")]
    AlreadySpent {
        /// The entry that spent it.
        log_index: u64,
    },
    /// The statement's day is over, or has not begun; or the wallet state is not valid in its month, or a note to be
    /// taken back has not expired before it.
    #[error("the day of the statement is not accepted")]
    PeriodMoved {
        /// The day to build for.
        logical_day: Day,
    },
    /// The statement is of another policy.
    #[error("the statement was made for another policy")]
    PolicyMoved {
        /// The epoch to build for.
        epoch: u32,
        /// The hash of its policy.
        hash: PolicyHash,
    },
    /// A key is unknown, does not sign any more, or is not accepted any more.
    #[error("an issuing key is not accepted")]
    KeyExpired {
        /// The key.
        key: KeyId,
    },
    /// A renewal that its grant does not allow, or whose grant has run out or is not in the issuance log.
    #[error("the renewal is not what a grant allows")]
    GrantRefused,
    /// The issuer has no such account.
    #[error("there is no such account")]
    AccountUnknown,
    /// More than the account's class may redeem in a day.
    #[error("more than may be redeemed in a day")]
    CapExceeded {
        /// What may still be redeemed today.
        left: Amount,
    },
    /// More would come back than was ever withdrawn.
    #[error("more money would come back than was ever withdrawn")]
    LiabilitiesExceeded {
        /// What could still come back.
        left: Amount,
    },
    /// Too much waits to be verified.
    #[error("too many transactions wait to be verified")]
    Overloaded,
    /// The store is down. Nothing was written.
    #[error("the store is not available")]
    StoreUnavailable(#[source] StoreError),
    /// The store does not know whether the transaction was written: the same bytes again tell.
    #[error("the store does not know the outcome")]
    OutcomeUnknown,
    /// The issuer does not answer.
    #[error("the issuer does not answer")]
    IssuerUnreachable(#[source] Failure),
    /// What must not happen: a fault of this program or of its data.
    #[error("{0}")]
    Internal(&'static str),
}

impl SubmitError {
    /// A field that is wrong.
    pub(crate) fn field(field: &'static str, what: impl Into<String>) -> Self {
        Self::Malformed { field, what: what.into() }
    }
}

impl From<StoreError> for SubmitError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Overloaded => Self::Overloaded,
            error => Self::StoreUnavailable(error),
        }
    }
}

/// Why the redeemer does not start, or ends other than by its shutdown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The configuration file.
    #[error(transparent)]
    ConfigFile(#[from] ConfigError),
    /// The configuration makes no sense as a whole.
    #[error("{0}")]
    Config(String),
    /// A file cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file holds no issuing key, or everybody can read it.
    #[error("{}: {what}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// The policy file has mistakes; they are shown with their places.
    #[error("{rendered}")]
    Policy {
        /// All mistakes, for people.
        rendered: String,
    },
    /// The policy does not fit the issuing keys.
    #[error("the policy is in {policy}, but the issuing keys are in {keys}")]
    Currency {
        /// The policy's currency and exponent.
        policy: String,
        /// The keys' currency and exponent.
        keys: String,
    },
    /// The policy cannot follow the one that is in the log.
    #[error("the policy cannot replace the one before it: {0}")]
    PolicyChange(String),
    /// No key signs outputs today.
    #[error("no issuing key signs on {0}: add the issuer's current key")]
    NoCurrentKey(Day),
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Development certificates.
    #[error(transparent)]
    DevCertificates(#[from] DevCertError),
    /// The issuer's address.
    #[error("the issuer's address: {0}")]
    Issuer(#[from] ConnectError),
    /// The address to listen on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Logging.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What signs the log.
    #[error(transparent)]
    LogSetup(#[from] LogSetupError),
    /// The log must not be signed as it is.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The logical day.
    #[error(transparent)]
    Day(#[from] DayError),
    /// The store.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// The store does not know whether something was written; the next start finds out.
    #[error("the store does not know whether the policy was written: start again")]
    OutcomeUnknown,
    /// Stored data is not what this program wrote.
    #[error("the stored {0} is damaged: verify the store")]
    Damaged(&'static str),
    /// The store failed while the redeemer was running. A restart verifies what the disk holds.
    #[error("the store has failed: start again, which verifies what the disk holds")]
    StoreFailed,
    /// Threads cannot be started.
    #[error("cannot start threads: {0}")]
    Threads(#[source] io::Error),
    /// Serving.
    #[error(transparent)]
    Serve(#[from] ServeError),
}
