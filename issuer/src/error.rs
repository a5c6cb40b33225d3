//! Errors, named for the situation of the caller.

use std::{io, path::PathBuf};

use farthing_ecash::{amount::Amount, calendar::Day, keys::KeyId};
use farthing_ledger::publisher::PublishError;
use farthing_service::{
    config::ConfigError, dev_certs::DevCertError, listener::ListenError, log_setup::LogSetupError, logging::LogError,
    logical_day::DayError, server::ServeError, tls::TlsError, token::TokenError,
};
use farthing_store::StoreError;

/// Why a call is refused. `status.rs` turns it into what the caller reads.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// Bytes that do not decode, or a field outside its bounds.
    #[error("{field}: {what}")]
    Malformed {
        /// The field of the request.
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// A bucket of the directory has more entries than one message takes.
    #[error("the bucket has too many entries: ask with a prefix of {bits} bits")]
    BucketTooLarge {
        /// With how many bits to ask.
        bits: u32,
    },
    /// A proof, or the opening of a commitment, does not hold.
    #[error("a proof does not hold")]
    ProofInvalid,
    /// The statement's day is over, or has not begun.
    #[error("the day of the statement is not accepted")]
    PeriodMoved {
        /// The day to build for.
        logical_day: Day,
    },
    /// The key does not sign outputs on the statement's day.
    #[error("outputs are not signed under this key")]
    KeyExpired {
        /// The key.
        key: KeyId,
    },
    /// The account holds less than is to be withdrawn.
    #[error("the account holds too little")]
    InsufficientBalance {
        /// What it holds.
        available: Amount,
    },
    /// More than the account's class may withdraw in a day.
    #[error("more than may be withdrawn in a day")]
    WithdrawCap {
        /// What may still be withdrawn today.
        left: Amount,
    },
    /// More money than there can be, or than there is.
    #[error("the money supply does not allow it")]
    SupplyCap {
        /// How much it does allow.
        left: Amount,
    },
    /// The identity, or the account key, is registered.
    #[error("it is registered already")]
    IdentityTaken,
    /// The invitation is wrong, or for another identity.
    #[error("the invitation is not good for this identity")]
    NotInvited,
    /// The wallet before this one was lost, and a state of it may still be valid.
    #[error("the wallet before is valid until then: the registration waits for {from}")]
    RegistrationWaits {
        /// The first day on which it is signed.
        from: Day,
    },
    /// The operator has revoked the wallet.
    #[error("this wallet was revoked")]
    WalletRevoked,
    /// Another renewal was granted, and may still be made.
    #[error("another renewal may be made until {last_day}")]
    GrantOutstanding {
        /// The last day of the other grant.
        last_day: Day,
    },
    /// No account has this account key.
    #[error("there is no such account")]
    AccountUnknown,
    /// Nobody is known under this identity.
    #[error("nobody is known under this identity")]
    IdentityUnknown,
    /// A request id was used before, with other contents.
    #[error("the request id was used before with other contents")]
    RequestIdReused,
    /// The caller showed no certificate.
    #[error("show the certificate of a redeemer")]
    NotCertified,
    /// No checkpoint can be signed now; why stands in the program's log.
    #[error("no checkpoint of the log can be signed at present")]
    Unsigned,
    /// Too many requests at once.
    #[error("too many requests at once")]
    Overloaded,
    /// The store is down. Nothing was written.
    #[error("the store is not available")]
    StoreUnavailable(#[source] StoreError),
    /// The store does not know whether it was written: the same bytes again tell.
    #[error("the store does not know the outcome")]
    OutcomeUnknown,
    /// What must not happen: a fault of this program or of its data.
    #[error("{0}")]
    Internal(&'static str),
}

impl IssuerError {
    /// A field that is wrong.
    pub(crate) fn field(field: &'static str, what: impl Into<String>) -> Self {
        Self::Malformed { field, what: what.into() }
    }

    /// Stored bytes that this program did not write.
    pub(crate) fn damaged() -> Self {
        Self::Internal("a stored record is damaged")
    }
}

impl From<StoreError> for IssuerError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Overloaded => Self::Overloaded,
            error => Self::StoreUnavailable(error),
        }
    }
}

/// Why the issuer does not start, or ends other than by its shutdown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The configuration file.
    #[error(transparent)]
    ConfigFile(#[from] ConfigError),
    /// The configuration makes no sense as a whole.
    #[error("{0}")]
    Config(String),
    /// The admin calls would be offered to a network.
    #[error("admin_listen: {0} is not loopback; the operator's calls are for this machine only")]
    AdminNotLoopback(std::net::SocketAddr),
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
    /// A key that was announced in the log is in none of the files.
    #[error(
        "the issuing key {0:?} was announced and is still accepted, but no file in `keys` holds it: \
         restore its file, a new key does not replace it"
    )]
    KeyLost(KeyId),
    /// No key signs outputs today.
    #[error("no issuing key signs on {0}: name a new file in `keys`, and it will be made")]
    NoCurrentKey(Day),
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
    /// The policy cannot follow the one before.
    #[error("the policy cannot replace the one before it: {0}")]
    PolicyChange(String),
    /// A key cannot be made for such a day.
    #[error("{0}")]
    Rotation(String),
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Development certificates.
    #[error(transparent)]
    DevCertificates(#[from] DevCertError),
    /// An address to listen on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The operator's token.
    #[error(transparent)]
    Token(#[from] TokenError),
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
    /// What is stored cannot be taken up.
    #[error("cannot take up what is stored: {0}; verify the store")]
    Stored(IssuerError),
    /// The store failed while the issuer was running. A restart verifies what the disk holds.
    #[error("the store has failed: start again, which verifies what the disk holds")]
    StoreFailed,
    /// A thread, a signal handler or the like cannot be had.
    #[error("the system refuses: {0}")]
    System(#[source] io::Error),
    /// Serving.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// An admin call was refused.
    #[error("{0}")]
    Refused(String),
}

impl From<IssuerError> for RunError {
    fn from(error: IssuerError) -> Self {
        match error {
            IssuerError::StoreUnavailable(error) => Self::Store(error),
            error => Self::Stored(error),
        }
    }
}
