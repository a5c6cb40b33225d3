//! A server that runs for a test: the redeemer's interface over a service that does what the first byte says.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use farthing_proto::v1::{
    AttestRequest, AttestResponse, ErrorReason, GetRedeemerRequest, GetRedeemerResponse, SubmitTransactionRequest,
    SubmitTransactionResponse,
    redeemer_service_client::RedeemerServiceClient,
    redeemer_service_server::{RedeemerService, RedeemerServiceServer},
};
use farthing_service::{
    channel::{self, Deadlines},
    dev_certs::DevCertificates,
    listener::{ConnectionLimits, Listener, Peer},
    server::{Health, REQUEST_BYTES_MAX, ServeError, Server, ServerSettings},
    status::{Failure, Refusal},
    tls::{ClientTls, KeyPairFiles, ServerTls},
};
use tempfile::TempDir;
use tokio::{sync::Notify, task::JoinHandle, time::timeout};
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, transport::Channel};

/// No test waits longer than this for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The transaction is answered as it is.
pub(crate) const ECHO: u8 = 0;
/// The transaction is refused as spent, in entry 17.
pub(crate) const SPENT: u8 = 1;
/// The answer comes when the test releases it.
pub(crate) const WAIT: u8 = 2;

/// What a test wants of its server.
#[derive(Default)]
pub(crate) struct Wanted {
    pub(crate) settings: ServerSettings,
    pub(crate) connections: ConnectionLimits,
    pub(crate) mutual: bool,
}

/// A running server.
pub(crate) struct Running {
    pub(crate) certificates: DevCertificates,
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) health: Health,
    pub(crate) gate: Arc<Gate>,
    task: JoinHandle<Result<(), ServeError>>,
    _home: TempDir,
}

/// Where calls of kind [`WAIT`] wait.
#[derive(Default)]
pub(crate) struct Gate {
    pub(crate) arrived: Notify,
    pub(crate) release: Notify,
}

impl Running {
    pub(crate) async fn start(wanted: Wanted) -> Self {
        let home = tempfile::tempdir().unwrap();
        let certificates = DevCertificates::open(home.path()).unwrap();
        let authority = certificates.authority();
        let client_authority = wanted.mutual.then_some(authority.as_path());
        let tls = ServerTls::load(&certificates.server("redeemer").unwrap(), client_authority).unwrap();
        let loopback = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind(loopback, tls, wanted.connections).await.unwrap();
        let address = listener.address();

        let gate = Arc::new(Gate::default());
        let service = RedeemerServiceServer::new(Redeemer(gate.clone())).max_decoding_message_size(REQUEST_BYTES_MAX);
        let server = Server::new(wanted.settings).with_service(service);
        let health = server.health();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(server.run(listener, shutdown.clone()));
        Self { certificates, address, shutdown, health, gate, task, _home: home }
    }

    pub(crate) fn client_tls(&self, pair: Option<&KeyPairFiles>) -> ClientTls {
        ClientTls::load(&self.certificates.authority(), pair).unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    pub(crate) fn channel(&self) -> Channel {
        channel::open(&self.url(), &self.client_tls(None), Deadlines::default()).unwrap()
    }

    pub(crate) fn service(&self) -> Redeemer {
        Redeemer(self.gate.clone())
    }

    pub(crate) fn client(&self) -> RedeemerServiceClient<Channel> {
        RedeemerServiceClient::new(self.channel())
    }

    /// How the server ended.
    pub(crate) async fn ended(self) -> Result<(), ServeError> {
        timeout(PATIENCE, self.task).await.unwrap().unwrap()
    }
}

/// Sends a transaction that begins with `kind`.
pub(crate) async fn submit(client: &RedeemerServiceClient<Channel>, kind: u8) -> Result<Vec<u8>, Failure> {
    let request = SubmitTransactionRequest { transaction: vec![kind, 7], private_part: Vec::new() };
    let answer = timeout(PATIENCE, client.clone().submit_transaction(request)).await.unwrap();
    answer.map(|answer| answer.into_inner().answer).map_err(Failure::from)
}

/// What the server knows of this client: the redeemer's log origin stands in for it.
pub(crate) async fn peer(client: &RedeemerServiceClient<Channel>) -> Result<String, Failure> {
    let answer = timeout(PATIENCE, client.clone().get_redeemer(GetRedeemerRequest {})).await.unwrap();
    answer.map(|answer| answer.into_inner().log_origin).map_err(Failure::from)
}

/// Does what the first byte of a transaction says.
pub(crate) struct Redeemer(Arc<Gate>);

#[tonic::async_trait]
impl RedeemerService for Redeemer {
    async fn get_redeemer(
        &self,
        request: Request<GetRedeemerRequest>,
    ) -> Result<Response<GetRedeemerResponse>, Status> {
        let peer = request.extensions().get::<Peer>().unwrap();
        let log_origin = format!("{} {} {:?}", peer.address, peer.certified, peer.key_exchange.unwrap());
        Ok(Response::new(GetRedeemerResponse { log_origin, ..GetRedeemerResponse::default() }))
    }

    async fn submit_transaction(
        &self,
        request: Request<SubmitTransactionRequest>,
    ) -> Result<Response<SubmitTransactionResponse>, Status> {
        let answer = request.into_inner().transaction;
        match answer.first() {
            Some(&ECHO) => {}
            Some(&SPENT) => {
                let refusal = Refusal::new(ErrorReason::AlreadySpent, "spent").with("log_index", 17);
                return Err(refusal.into());
            }
            Some(&WAIT) => {
                self.0.arrived.notify_one();
                self.0.release.notified().await;
            }
            _ => return Err(Refusal::field("transaction", "empty or of no kind").into()),
        }
        Ok(Response::new(SubmitTransactionResponse { answer, log_index: 0 }))
    }

    async fn attest(&self, request: Request<AttestRequest>) -> Result<Response<AttestResponse>, Status> {
        Err(Refusal::field("presentation", format!("{} bytes", request.into_inner().presentation.len())).into())
    }
}

/// The next item of a stream that must have one.
pub(crate) async fn next<S: Stream + Unpin>(stream: &mut S) -> S::Item {
    timeout(PATIENCE, tokio_stream::StreamExt::next(stream)).await.unwrap().unwrap()
}
