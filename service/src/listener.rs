//! Accepts connections within limits: so many in all, so many from one address, so long for a handshake.
//!
//! tonic and hyper have no deadline for a client that connects and then says nothing, nor a limit on connections; both are
//! here, before anything else sees a byte.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;

use crate::{
    census::{Census, Place},
    tls::ServerTls,
};

mod connection;

pub use crate::census::Network;
pub use connection::{Connection, Peer};

/// Limits on connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Open connections in all. A further one is closed at once.
    pub total: usize,
    /// Open connections from one IPv4 address or one IPv6 /64 network. A further one is closed at once.
    pub per_address: usize,
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Time from the handshake to the first HTTP/2 frame.
    pub first_frame: Duration,
}

impl Default for ConnectionLimits {
    /// 1,024 connections, 64 from one address, five seconds for the handshake and five for the first frame.
    fn default() -> Self {
        Self { total: 1_024, per_address: 64, handshake: Duration::from_secs(5), first_frame: Duration::from_secs(5) }
    }
}

/// Connections whose handshake is done and that wait to be served.
const READY_MAX: usize = 64;

/// Pause after a failed accept (out of file descriptors, usually), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound address at which a server speaks TLS.
pub struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
    tls: ServerTls,
    limits: ConnectionLimits,
}

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address wanted.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Development certificates are for loopback.
    #[error(
        "refusing to serve a development certificate on {address}, which is not loopback: configure a certificate and key"
    )]
    DevelopmentCertificate {
        /// The address wanted.
        address: SocketAddr,
    },
}

impl Listener {
    /// Binds an address; port 0 takes any free one.
    ///
    /// # Errors
    /// When the address is taken, or is not loopback and the certificate is one for development.
    pub async fn bind(address: SocketAddr, tls: ServerTls, limits: ConnectionLimits) -> Result<Self, ListenError> {
        if tls.is_development() && !address.ip().is_loopback() {
            return Err(ListenError::DevelopmentCertificate { address });
        }
        let bind = async {
            let tcp = TcpListener::bind(address).await?;
            let address = tcp.local_addr()?;
            Ok((tcp, address))
        };
        let (tcp, address) = bind.await.map_err(|source| ListenError::Bind { address, source })?;
        Ok(Self { tcp, address, tls, limits })
    }

    /// The address it is bound to, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to accept. The port is closed when the stream is dropped; connections are cut when `cut` is cancelled.
    pub fn incoming(self, cut: CancellationToken) -> Incoming {
        let (ready, connections) = mpsc::channel(READY_MAX);
        let mut task = JoinSet::new();
        task.spawn(self.accept(ready, cut));
        Incoming { connections, _task: task }
    }

    async fn accept(self, ready: mpsc::Sender<Connection>, cut: CancellationToken) {
        let census = Census::new(self.limits.total, self.limits.per_address);
        let acceptor = TlsAcceptor::from(self.tls.config);
        let mut handshakes = JoinSet::new();
        loop {
            let (tcp, address) = tokio::select! {
                accepted = self.tcp.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
                Some(_) = handshakes.join_next() => continue,
            };
            let Some(place) = census.enter(Network::of(address.ip())) else {
                tracing::debug!(%address, "too many connections");
                continue;
            };
            let handshake = handshake(acceptor.clone(), tcp, address, place, self.limits, cut.clone());
            let ready = ready.clone();
            handshakes.spawn(async move {
                match handshake.await {
                    // Nobody serves any more when this fails, and the connection is closed.
                    Ok(connection) => drop(ready.send(connection).await),
                    Err(error) => tracing::debug!(%address, %error, "handshake failed"),
                }
            });
        }
    }
}

async fn handshake(
    acceptor: TlsAcceptor,
    tcp: TcpStream,
    address: SocketAddr,
    place: Place,
    limits: ConnectionLimits,
    cut: CancellationToken,
) -> io::Result<Connection> {
    tcp.set_nodelay(true)?;
    let tls = timeout(limits.handshake, acceptor.accept(tcp)).await??;
    Ok(Connection::new(tls, address, place, limits.first_frame, cut))
}

/// The stream of accepted connections, for `serve_with_incoming`.
pub struct Incoming {
    connections: mpsc::Receiver<Connection>,
    /// Aborted with its handshakes when this is dropped.
    _task: JoinSet<()>,
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connections.poll_recv(cx).map(|connection| connection.map(Ok))
    }
}
