//! Why the program ends.

use std::{io, path::PathBuf};

use farthing_ledger::key::KeyError;
use farthing_service::{
    channel::ConnectError, config::ConfigError, dev_certs::DevCertError, listener::ListenError, logging::LogError,
    server::ServeError, tls::TlsError,
};

use crate::{copy::CopyError, finding::Finding, follower::FollowError};

/// Why the program ends with exit code 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// What was found, or why following is not possible.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// Somebody else was shown another log: what is wrong, and both checkpoints as the log has signed them.
    #[error(
        "{finding}\n\nThe log showed this follower\n\n{seen}\nand at {address}\n\n{shown}\nBoth are kept as evidence."
    )]
    Split {
        /// What is wrong.
        finding: Box<Finding>,
        /// Who was shown the other.
        address: String,
        /// The one seen here.
        seen: String,
        /// The other.
        shown: String,
    },
    /// Somebody does not tell, so nothing is known of what it was shown: the report.
    #[error("{0}Not all could be compared: try again, or ask others.")]
    NotCompared(String),
    /// The copy.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The configuration file.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// Something in it.
    #[error("{0}")]
    Config(String),
    /// A key in it, or the witness key.
    #[error("{what}: {source}")]
    Key {
        /// Which.
        what: &'static str,
        /// What is wrong with it.
        source: KeyError,
    },
    /// A file.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Nothing was followed yet.
    #[error("nothing was followed yet: start `farthing-follower run` first")]
    NotYet,
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Certificates for development.
    #[error(transparent)]
    DevCert(#[from] DevCertError),
    /// An address to read from.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// An address to serve on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Serving.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Logging.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Signals.
    #[error("cannot wait for signals: {0}")]
    Threads(#[source] io::Error),
}

impl RunError {
    /// What the system says of a file.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
