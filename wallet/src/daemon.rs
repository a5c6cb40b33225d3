//! The daemon: holds one wallet open for programs of any language, as gRPC on loopback.
//!
//! In `DIR/daemon` of the wallet's directory it keeps its development certificate, and while it runs the bearer token and the
//! [`Endpoint`], by which callers find all of this. All are for the owner's eyes only.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use farthing_proto::v1::wallet_service_server::WalletServiceServer;
use farthing_service::{
    admission::RequestLimits,
    dev_certs::{DevCertError, DevCertificates},
    listener::{ConnectionLimits, ListenError, Listener},
    server::{REQUEST_BYTES_MAX, ServeError, Server, ServerSettings},
    tls::{ServerTls, TlsError},
    token::{Token, TokenError},
};
use tokio_util::sync::CancellationToken;

use crate::{error::WalletError, service::WalletApi, wallet::Wallet};

mod client;
mod endpoint;
mod rest;
mod tend;

pub use client::{Client, ClientError, connect};
pub use endpoint::{Endpoint, EndpointCurrency};

/// Directory of the daemon's files in that of the wallet.
const DIR: &str = "daemon";

/// Name of the file with the bearer token.
const TOKEN: &str = "token";

/// Requests at once. Behind them is one wallet, which does one thing after the other.
const REQUESTS_MAX: usize = 64;

/// Time for a request. A payment waits for two servers, and receiving may look through a long log. What takes longer goes on
/// without its caller.
const REQUEST_DURATION_MAX: Duration = Duration::from_secs(120);

/// Open connections: all are from this machine.
const CONNECTIONS_MAX: usize = 64;

/// How a daemon works.
#[derive(Debug, Clone, Copy)]
pub struct DaemonSettings {
    /// Where it listens: on loopback; port 0 takes any free one.
    pub listen: SocketAddr,
    /// About how often it looks for payments by itself.
    pub receive_every: Option<Duration>,
    /// Whether it [joins](crate::Receiving::join) payments in claims, its own and those that callers ask for.
    pub join: bool,
    /// Whether it [makes one coin of several](Wallet::consolidate) now and then, when the wallet has done nothing for a while.
    pub consolidate: bool,
}

/// Why a daemon cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// The address is reachable from elsewhere.
    #[error("{address} is not on loopback: the daemon is for programs on this machine only, such as on 127.0.0.1:0")]
    NotLoopback {
        /// The address wanted.
        address: SocketAddr,
    },
    /// Its certificate cannot be made.
    #[error(transparent)]
    Certificate(#[from] DevCertError),
    /// Its certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Its token cannot be made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The address cannot be bound.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The file by which callers find it cannot be written.
    #[error(transparent)]
    Endpoint(#[from] WalletError),
    /// Serving failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Serves the wallet in `data_dir` until `shutdown` is cancelled, lets calls end, takes its files away and closes the wallet.
/// `ready` is told the endpoint as soon as callers can come.
///
/// # Errors
/// [`DaemonError`] says what is missing. The wallet is closed then too.
pub async fn run(
    wallet: Wallet,
    data_dir: &Path,
    settings: DaemonSettings,
    shutdown: CancellationToken,
    ready: impl FnOnce(&Endpoint),
) -> Result<(), DaemonError> {
    let ended = serve(&wallet, data_dir, settings, shutdown.clone(), ready).await;
    shutdown.cancel();
    wallet.close().await;
    ended
}

async fn serve(
    wallet: &Wallet,
    data_dir: &Path,
    settings: DaemonSettings,
    shutdown: CancellationToken,
    ready: impl FnOnce(&Endpoint),
) -> Result<(), DaemonError> {
    check_address(settings.listen)?;
    let dir = files_dir(data_dir)?;
    let certificates = DevCertificates::open(&dir)?;
    let tls = ServerTls::load(&certificates.server("wallet")?, None)?;
    let limits =
        ConnectionLimits { total: CONNECTIONS_MAX, per_address: CONNECTIONS_MAX, ..ConnectionLimits::default() };
    let listener = Listener::bind(settings.listen, tls, limits).await?;

    let token_file = dir.join(TOKEN);
    let _token_file = Removed(token_file.clone());
    let token = Token::create(&token_file)?;
    let api = WalletApi::new(wallet.clone(), shutdown.clone()).joining(settings.join);
    let service = WalletServiceServer::new(api).max_decoding_message_size(REQUEST_BYTES_MAX);
    let server = Server::new(ServerSettings {
        requests: RequestLimits { at_once: REQUESTS_MAX, per_network: REQUESTS_MAX, duration: REQUEST_DURATION_MAX },
        ..ServerSettings::default()
    })
    .with_service(tonic::service::interceptor::InterceptedService::new(service, token.guard()));

    let endpoint = Endpoint::new(listener.address(), certificates.authority(), token_file);
    let _endpoint_file = Removed(Endpoint::file(data_dir));
    endpoint.write(data_dir)?;
    // The port is bound: who reads the file now and connects waits until the first connection is accepted.
    ready(&endpoint);
    tracing::info!("the daemon is ready");

    let tending = tend::tend(wallet.clone(), settings, data_dir.to_path_buf(), endpoint, shutdown.clone());
    let tending = tokio::spawn(tending);
    let served = server.run(listener, shutdown.clone()).await;
    shutdown.cancel();
    // It ends at the cancellation; it panicked otherwise, and there is nothing left to do about it.
    let _ = tending.await;
    Ok(served?)
}

/// Refuses an address that others can reach, before anything is opened or asked for.
///
/// # Errors
/// [`DaemonError::NotLoopback`].
pub fn check_address(address: SocketAddr) -> Result<(), DaemonError> {
    if address.ip().is_loopback() { Ok(()) } else { Err(DaemonError::NotLoopback { address }) }
}

/// The daemon's directory, made (0700) when it is missing, as an absolute path for callers anywhere.
fn files_dir(data_dir: &Path) -> Result<PathBuf, WalletError> {
    let dir = data_dir.join(DIR);
    crate::file::create_dir(&dir)?;
    fs::canonicalize(&dir).map_err(|source| crate::file::failed(&dir, source))
}

/// A file that is taken away at the end, whatever the end is.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("cannot remove {}: {error}", self.0.display());
            }
            _ => {}
        }
    }
}
