//! What happens to clients that want too much.

use std::{io, sync::Arc, time::Duration};

use farthing_proto::v1::{ErrorReason, SubmitTransactionRequest};
use farthing_service::{
    admission::RequestLimits,
    listener::ConnectionLimits,
    server::{REQUEST_BYTES_MAX, ServerSettings},
    status::{Failure, RETRY_DELAY},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::running::{ECHO, PATIENCE, Running, WAIT, Wanted, peer, submit};

/// Long enough for an honest client on a busy machine, short enough to wait for.
const BRIEF: Duration = Duration::from_millis(500);

async fn tls(server: &Running) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(server.certificates.authority()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Waits until the server closes this connection.
async fn closed(mut connection: impl AsyncRead + Unpin) {
    let mut rest = Vec::new();
    // Closed with or without a farewell.
    let _ = timeout(PATIENCE, connection.read_to_end(&mut rest)).await.unwrap();
}

#[tokio::test]
async fn clients_that_say_nothing_are_disconnected() {
    let connections = ConnectionLimits { handshake: BRIEF, first_frame: BRIEF, ..ConnectionLimits::default() };
    let server = Running::start(Wanted { connections, ..Wanted::default() }).await;

    // No handshake; half a handshake; no HTTP/2; half of its opening, byte by byte.
    closed(TcpStream::connect(server.address).await.unwrap()).await;
    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    closed(half).await;
    closed(tls(&server).await.unwrap()).await;
    let (reader, mut writer) = tokio::io::split(tls(&server).await.unwrap());
    let slow = tokio::spawn(async move {
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r" {
            if writer.write_all(&[*byte]).await.is_err() || writer.flush().await.is_err() {
                return;
            }
            sleep(BRIEF / 5).await;
        }
    });
    closed(reader).await;
    slow.abort();
}

#[tokio::test]
async fn a_client_that_has_begun_may_be_idle() {
    let connections = ConnectionLimits { first_frame: BRIEF, ..ConnectionLimits::default() };
    let server = Running::start(Wanted { connections, ..Wanted::default() }).await;
    let client = server.client();
    let before = peer(&client).await.unwrap();
    sleep(BRIEF * 2).await;
    assert_eq!(peer(&client).await.unwrap(), before, "the same connection, by the port at its other end");
}

#[tokio::test]
async fn one_address_has_only_so_many_connections() {
    let connections = ConnectionLimits { per_address: 2, ..ConnectionLimits::default() };
    let server = Running::start(Wanted { connections, ..Wanted::default() }).await;
    let first = tls(&server).await.unwrap();
    let _second = tls(&server).await.unwrap();
    assert!(tls(&server).await.is_err());

    drop(first);
    let again = async {
        while tls(&server).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn a_request_too_many_is_refused_and_told_when_to_come_again() {
    let requests = RequestLimits { at_once: 1, ..RequestLimits::default() };
    let settings = ServerSettings { requests, ..ServerSettings::default() };
    let server = Running::start(Wanted { settings, ..Wanted::default() }).await;
    let client = server.client();
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { submit(&client, WAIT).await }
    });
    timeout(PATIENCE, server.gate.arrived.notified()).await.unwrap();

    let refused = submit(&server.client(), ECHO).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::Overloaded);
    assert_eq!(refused.retry_after, Some(RETRY_DELAY));
    let mut health = HealthClient::new(server.channel());
    health.check(HealthCheckRequest { service: String::new() }).await.unwrap();

    server.gate.release.notify_one();
    assert_eq!(waiting.await.unwrap().unwrap(), [WAIT, 7]);
    assert_eq!(submit(&client, ECHO).await.unwrap(), [ECHO, 7]);
}

#[tokio::test]
async fn one_network_has_only_so_many_requests_at_once() {
    let requests = RequestLimits { per_network: 1, ..RequestLimits::default() };
    let settings = ServerSettings { requests, ..ServerSettings::default() };
    let server = Running::start(Wanted { settings, ..Wanted::default() }).await;
    let waiting = tokio::spawn({
        let client = server.client();
        async move { submit(&client, WAIT).await }
    });
    timeout(PATIENCE, server.gate.arrived.notified()).await.unwrap();

    // Another connection, the same address.
    let refused = submit(&server.client(), ECHO).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::Overloaded);
    server.gate.release.notify_one();
    assert_eq!(waiting.await.unwrap().unwrap(), [WAIT, 7]);
    assert_eq!(submit(&server.client(), ECHO).await.unwrap(), [ECHO, 7]);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_and_gives_its_place_back() {
    let requests = RequestLimits { at_once: 1, duration: BRIEF, ..RequestLimits::default() };
    let settings = ServerSettings { requests, ..ServerSettings::default() };
    let server = Running::start(Wanted { settings, ..Wanted::default() }).await;
    let failure = submit(&server.client(), WAIT).await.unwrap_err();
    assert_eq!(failure.reason, ErrorReason::TimedOut);
    assert_eq!(failure.code, tonic::Code::DeadlineExceeded);
    assert!(failure.is_transient());
    assert_eq!(submit(&server.client(), ECHO).await.unwrap(), [ECHO, 7]);
}

#[tokio::test]
async fn a_message_too_large_is_refused_and_the_next_one_is_not() {
    let server = Running::start(Wanted::default()).await;
    let mut client = server.client();
    let mut send = async |bytes: usize| {
        let request = SubmitTransactionRequest { transaction: vec![ECHO; bytes], private_part: Vec::new() };
        client.submit_transaction(request).await.map_err(Failure::from)
    };
    let refused = send(REQUEST_BYTES_MAX + 1).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::MalformedRequest, "{refused:?}");
    assert!(send(REQUEST_BYTES_MAX - 64).await.is_ok());
}
