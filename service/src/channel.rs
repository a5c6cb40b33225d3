//! A client's connection to a Farthing server.

use std::{
    future::Future,
    io,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use rustls::{CertificateError, ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{
    codegen::http::Uri,
    transport::{Channel, Endpoint},
};
use tower::Service;

use crate::tls::ClientTls;

/// How long a client waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// For a connection with its handshake.
    pub connect: Duration,
    /// For the answer to a call (the beginning of it, when it is a stream).
    pub call: Duration,
}

impl Default for Deadlines {
    /// Five seconds to connect; fifteen for an answer, which is more than the ten that a server takes.
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), call: Duration::from_secs(15) }
    }
}

/// A server that is silent for this long is asked for a sign of life.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// A server that gives no sign of life for this long is given up.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no connection. The text says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is not one.
    #[error("{address:?} is not an address of a server: write https://HOST:PORT")]
    Address {
        /// What was given.
        address: String,
    },
    /// Nobody answers.
    #[error("cannot reach {address}: {source}; is the server running, and is this its address?")]
    Unreachable {
        /// HOST:PORT.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody answers too slowly.
    #[error("{address} does not answer within {} s; try again later", timeout.as_secs())]
    TimedOut {
        /// HOST:PORT.
        address: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// The server's certificate was signed by somebody else.
    #[error(
        "the certificate of {address} is not signed by {}: name the file with that server's authority",
        authority.display()
    )]
    Stranger {
        /// HOST:PORT.
        address: String,
        /// The file with the authority that was expected.
        authority: PathBuf,
    },
    /// Any other failure of the handshake.
    #[error("cannot open a secure connection to {address}: {source}")]
    Handshake {
        /// HOST:PORT.
        address: String,
        /// What went wrong.
        source: io::Error,
    },
}

/// Opens a channel to `https://HOST:PORT` when it is first used, and again after it was lost.
///
/// A call on it that fails for want of a connection gives UNAVAILABLE with the text of a [`ConnectError`].
///
/// # Errors
/// [`ConnectError::Address`] only: nothing is sent yet.
pub fn open(address: &str, tls: &ClientTls, deadlines: Deadlines) -> Result<Channel, ConnectError> {
    let wrong = || ConnectError::Address { address: address.to_owned() };
    let uri: Uri = address.parse().map_err(|_| wrong())?;
    if uri.scheme_str() != Some("https") || uri.host().is_none() || uri.port_u16().is_none() {
        return Err(wrong());
    }
    let connector =
        Connector { config: tls.config.clone(), authority: tls.authority.clone(), timeout: deadlines.connect };
    Ok(Endpoint::from(uri)
        .timeout(deadlines.call)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .connect_with_connector_lazy(connector))
}

/// Connects with the TLS of [`crate::tls`], which tonic's own cannot be told to use.
#[derive(Clone)]
struct Connector {
    config: Arc<ClientConfig>,
    authority: PathBuf,
    timeout: Duration,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let address = uri.authority().map_or_else(String::new, |authority| authority.as_str().to_owned());
            let timeout = connector.timeout;
            let connection = connector.connect(&address, &uri);
            match tokio::time::timeout(timeout, connection).await {
                Ok(connection) => connection.map(TokioIo::new),
                Err(_) => Err(ConnectError::TimedOut { address, timeout }),
            }
        })
    }
}

impl Connector {
    async fn connect(&self, address: &str, uri: &Uri) -> Result<TlsStream<TcpStream>, ConnectError> {
        let wrong = || ConnectError::Address { address: address.to_owned() };
        let host = uri.host().ok_or_else(wrong)?;
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(name.to_owned()).map_err(|_| wrong())?;
        let unreachable = |source| ConnectError::Unreachable { address: address.to_owned(), source };
        let stream = TcpStream::connect(address).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        TlsConnector::from(self.config.clone())
            .connect(name, stream)
            .await
            .map_err(|source| self.handshake_error(address, source))
    }

    fn handshake_error(&self, address: &str, source: io::Error) -> ConnectError {
        let address = address.to_owned();
        let tls = source.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        match tls {
            // The second: another authority of the same name, as all those for development have.
            Some(rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            )) => ConnectError::Stranger { address, authority: self.authority.clone() },
            _ => ConnectError::Handshake { address, source },
        }
    }
}
