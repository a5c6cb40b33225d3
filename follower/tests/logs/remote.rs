//! A server that sends as much as it can: what is read of it is bounded.

use farthing_follower::source::{Remote, Source as _, SourceError};
use farthing_proto::v1::{
    AddCosignaturesRequest, AddCosignaturesResponse, GetCheckpointRequest, GetCheckpointResponse,
    GetConsistencyProofRequest, GetConsistencyProofResponse, GetEntryRequest, GetEntryResponse,
    GetInclusionProofRequest, GetInclusionProofResponse, GetLogSizeRequest, GetLogSizeResponse, GetTileRequest,
    GetTileResponse, ListCheckpointsRequest, ListCheckpointsResponse, LogEntry, StreamEntriesRequest,
    StreamEntriesResponse,
    ledger_service_server::{LedgerService, LedgerServiceServer},
    stream_entries_response::Item,
};
use farthing_service::{
    dev_certs::DevCertificates,
    listener::{ConnectionLimits, Listener},
    server::{Server, ServerSettings},
    tls::{ClientTls, ServerTls},
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, codegen::tokio_stream};

/// Bytes of each proof part.
const PROOF_BYTES: usize = 1_000_000;

/// Sends large entries for ever, and everything else too large.
struct Flood;

type Steps = Box<dyn Iterator<Item = Result<StreamEntriesResponse, Status>> + Send>;

fn no<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("no"))
}

#[tonic::async_trait]
impl LedgerService for Flood {
    type StreamEntriesStream = tokio_stream::Iter<Steps>;

    async fn stream_entries(
        &self,
        request: Request<StreamEntriesRequest>,
    ) -> Result<Response<Self::StreamEntriesStream>, Status> {
        let steps = (request.into_inner().from_index..).map(|index| {
            let entry = LogEntry { index, entry: vec![1; 6_000], proof: vec![2; PROOF_BYTES], ..LogEntry::default() };
            Ok(StreamEntriesResponse { item: Some(Item::Entry(entry)) })
        });
        Ok(Response::new(tokio_stream::iter(Box::new(steps) as Steps)))
    }

    async fn get_checkpoint(
        &self,
        _: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        Ok(Response::new(GetCheckpointResponse { note: "x".repeat(6_000_000) }))
    }

    async fn list_checkpoints(
        &self,
        _: Request<ListCheckpointsRequest>,
    ) -> Result<Response<ListCheckpointsResponse>, Status> {
        Ok(Response::new(ListCheckpointsResponse { notes: vec!["x".to_owned(); 65] }))
    }

    async fn get_entry(&self, _: Request<GetEntryRequest>) -> Result<Response<GetEntryResponse>, Status> {
        no()
    }

    async fn get_log_size(&self, _: Request<GetLogSizeRequest>) -> Result<Response<GetLogSizeResponse>, Status> {
        no()
    }

    async fn get_inclusion_proof(
        &self,
        _: Request<GetInclusionProofRequest>,
    ) -> Result<Response<GetInclusionProofResponse>, Status> {
        no()
    }

    async fn get_consistency_proof(
        &self,
        _: Request<GetConsistencyProofRequest>,
    ) -> Result<Response<GetConsistencyProofResponse>, Status> {
        no()
    }

    async fn get_tile(&self, _: Request<GetTileRequest>) -> Result<Response<GetTileResponse>, Status> {
        no()
    }

    async fn add_cosignatures(
        &self,
        _: Request<AddCosignaturesRequest>,
    ) -> Result<Response<AddCosignaturesResponse>, Status> {
        no()
    }
}

#[tokio::test]
async fn what_a_server_sends_is_read_up_to_a_limit() {
    let home = tempfile::tempdir().unwrap();
    let certificates = DevCertificates::open(home.path()).unwrap();
    let tls = ServerTls::load(&certificates.server("flood").unwrap(), None).unwrap();
    let address = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind(address, tls, ConnectionLimits::default()).await.unwrap();
    let (address, stop) = (listener.address(), CancellationToken::new());
    let server = Server::new(ServerSettings::default()).with_service(LedgerServiceServer::new(Flood));
    let serving = tokio::spawn(server.run(listener, stop.clone()));
    let tls = ClientTls::load(&certificates.authority(), None).unwrap();
    let remote = Remote::open(&format!("https://{address}"), &tls).unwrap();

    // As many as are asked for, as long as they are no more than 8 MiB; the one that fills it belongs to it.
    assert_eq!(remote.entries(5, 3).await.unwrap().len(), 3);
    let sent = remote.entries(0, 256).await.unwrap();
    assert_eq!(sent.len(), 8 * 1024 * 1024 / PROOF_BYTES + 1);
    // A message that is too long, and a list of too many.
    assert!(matches!(remote.newest().await, Err(SourceError::Unreachable(_))));
    assert!(matches!(remote.checkpoints(0).await, Err(SourceError::Malformed("too many checkpoints at once"))));
    drop(remote);
    stop.cancel();
    serving.await.unwrap().unwrap();
}
