//! The way to a running daemon.

use std::{io, path::Path, time::Duration};

use farthing_proto::v1::wallet_service_client::WalletServiceClient;
use farthing_service::{
    channel::{self, ConnectError, Deadlines},
    tls::{ClientTls, TlsError},
    token::{Token, TokenBearer, TokenError},
};
use tokio::time::timeout;
use tonic::{service::interceptor::InterceptedService, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::endpoint::Endpoint;

/// A client of the daemon, which sends the token with every call.
pub type Client = WalletServiceClient<InterceptedService<Channel, TokenBearer>>;

/// Who does not answer a probe within this time is no daemon: it is on the same machine and under no load.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a daemon that runs cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The file that says where it is cannot be read.
    #[error("cannot read how to reach the daemon: {0}")]
    Endpoint(#[from] io::Error),
    /// Its token cannot be read.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// The daemon that holds the wallet in `data_dir`. `None` when none answers: a file that a killed daemon left behind is
/// ignored, also when another program listens at its address meanwhile. A call takes at most `call`.
///
/// # Errors
/// When a daemon answers, and this process may not talk to it.
pub async fn connect(data_dir: &Path, call: Duration) -> Result<Option<(Client, Endpoint)>, ClientError> {
    let Some(endpoint) = Endpoint::load(data_dir)? else { return Ok(None) };
    let Some(channel) = answering(&endpoint, call).await else { return Ok(None) };
    let token = Token::load(&endpoint.token_file)?;
    Ok(Some((WalletServiceClient::with_interceptor(channel, token.bearer()), endpoint)))
}

/// A channel to the endpoint if the daemon that wrote it is there: its certificate proves it.
async fn answering(endpoint: &Endpoint, call: Duration) -> Option<Channel> {
    let channel = open(endpoint, call);
    let channel = channel.inspect_err(|error| tracing::debug!("no daemon: {error}")).ok()?;
    let mut health = HealthClient::new(channel.clone());
    match timeout(PROBE_TIMEOUT, health.check(HealthCheckRequest::default())).await {
        Ok(Ok(_)) => Some(channel),
        Ok(Err(error)) => {
            tracing::debug!("no daemon: {error}");
            None
        }
        Err(_) => None,
    }
}

fn open(endpoint: &Endpoint, call: Duration) -> Result<Channel, OpenError> {
    let tls = ClientTls::load(&endpoint.ca, None)?;
    let deadlines = Deadlines { connect: PROBE_TIMEOUT, call };
    Ok(channel::open(&endpoint.address, &tls, deadlines)?)
}

#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
}
