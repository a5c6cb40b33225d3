//! Who may connect, and how.

use std::{sync::Arc, time::Duration};

use farthing_proto::v1::{ErrorReason, redeemer_service_client::RedeemerServiceClient};
use farthing_service::{
    channel::{self, ConnectError, Deadlines},
    dev_certs::DevCertificates,
    listener::{ConnectionLimits, ListenError, Listener},
    tls::{ClientTls, ServerTls, TlsError},
};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::running::{PATIENCE, Running, Wanted, peer};

/// A client that is none of ours and speaks one version of TLS.
async fn connect(
    server: &Running,
    version: &'static SupportedProtocolVersion,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(server.certificates.authority()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let server = Running::start(Wanted::default()).await;
    assert!(connect(&server, &TLS13).await.is_ok());
    let refused = connect(&server, &TLS12).await.unwrap_err();
    assert!(refused.to_string().contains("ProtocolVersion"), "{refused}");
}

#[tokio::test]
async fn key_exchange_is_hybrid_and_sessions_are_not_resumed() {
    let connections = ConnectionLimits { first_frame: Duration::from_secs(1), ..ConnectionLimits::default() };
    let server = Running::start(Wanted { connections, ..Wanted::default() }).await;
    let known = peer(&server.client()).await.unwrap();
    assert!(known.ends_with(" false X25519MLKEM768"), "{known}");

    // Tickets come after the handshake: all are there when the server closes a connection on which nothing is said.
    let mut connection = connect(&server, &TLS13).await.unwrap();
    let _ = timeout(PATIENCE, connection.read_to_end(&mut Vec::new())).await.unwrap();
    let (_, session) = connection.get_ref();
    assert_eq!(session.tls13_tickets_received(), 0);
}

#[tokio::test]
async fn mutual_tls_lets_only_certified_clients_in() {
    let server = Running::start(Wanted { mutual: true, ..Wanted::default() }).await;
    let client =
        |tls: &ClientTls| RedeemerServiceClient::new(channel::open(&server.url(), tls, Deadlines::default()).unwrap());
    let refused = peer(&client(&server.client_tls(None))).await.unwrap_err();
    assert_eq!(refused.reason, ErrorReason::PeerUnreachable, "{refused:?}");

    let pair = server.certificates.client("issuer").unwrap();
    let known = peer(&client(&server.client_tls(Some(&pair)))).await.unwrap();
    assert!(known.contains(" true "), "{known}");

    // The certificate of a server is not one of a client, nor is one that another authority signed.
    let pair = server.certificates.server("issuer").unwrap();
    assert!(peer(&client(&server.client_tls(Some(&pair)))).await.is_err());
    let home = tempfile::tempdir().unwrap();
    let elsewhere = DevCertificates::open(home.path()).unwrap();
    let pair = elsewhere.client("issuer").unwrap();
    assert!(peer(&client(&server.client_tls(Some(&pair)))).await.is_err());
}

#[tokio::test]
async fn failures_to_connect_say_what_to_do() {
    let server = Running::start(Wanted::default()).await;
    let home = tempfile::tempdir().unwrap();
    let elsewhere = DevCertificates::open(home.path()).unwrap();
    let tls = ClientTls::load(&elsewhere.authority(), None).unwrap();
    let client = |url: &str, tls| RedeemerServiceClient::new(channel::open(url, tls, Deadlines::default()).unwrap());

    let failure = peer(&client(&server.url(), &tls)).await.unwrap_err();
    assert_eq!(failure.reason, ErrorReason::PeerUnreachable);
    assert!(failure.message.contains("is not signed by"), "{failure}");
    assert!(failure.is_transient());

    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failure = peer(&client(&format!("https://{free}"), &tls)).await.unwrap_err();
    assert_eq!(failure.reason, ErrorReason::PeerUnreachable);
    assert!(failure.message.contains("is the server running"), "{failure}");

    for wrong in ["", "localhost", "localhost:7001", "http://localhost:7001", "https://localhost", "https://a b:1"] {
        let refused = channel::open(wrong, &tls, Deadlines::default());
        assert!(matches!(refused, Err(ConnectError::Address { .. })), "{wrong}");
    }
}

#[tokio::test]
async fn an_ipv6_address_is_reached_by_its_number() {
    let home = tempfile::tempdir().unwrap();
    let certificates = DevCertificates::open(home.path()).unwrap();
    let tls = ServerTls::load(&certificates.server("issuer").unwrap(), None).unwrap();
    let listener = match Listener::bind("[::1]:0".parse().unwrap(), tls, ConnectionLimits::default()).await {
        Ok(listener) => listener,
        Err(ListenError::Bind { source, .. }) => {
            eprintln!("skipped: no IPv6 on this machine ({source})");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let url = format!("https://{}", listener.address());
    let shutdown = tokio_util::sync::CancellationToken::new();
    let server = farthing_service::server::Server::new(Default::default());
    let running = tokio::spawn(server.run(listener, shutdown.clone()));
    let tls = ClientTls::load(&certificates.authority(), None).unwrap();
    let channel = channel::open(&url, &tls, Deadlines::default()).unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
    health.check(tonic_health::pb::HealthCheckRequest { service: String::new() }).await.unwrap();
    shutdown.cancel();
    drop(health);
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn development_certificates_stay_on_loopback() {
    let home = tempfile::tempdir().unwrap();
    let certificates = DevCertificates::open(home.path()).unwrap();
    let tls = ServerTls::load(&certificates.server("issuer").unwrap(), None).unwrap();
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let refused = Listener::bind(everywhere, tls, ConnectionLimits::default()).await;
    assert!(matches!(refused, Err(ListenError::DevelopmentCertificate { .. })));
}

#[test]
fn files_that_cannot_be_used_are_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let certificates = DevCertificates::open(home.path()).unwrap();
    let pair = certificates.server("issuer").unwrap();
    let load = |pair: &_| ServerTls::load(pair, None).err().unwrap();

    let mut missing = pair.clone();
    missing.certificate = home.path().join("missing.pem");
    assert!(matches!(load(&missing), TlsError::Unreadable { .. }));
    let mut swapped = pair.clone();
    swapped.key = certificates.client("other").unwrap().key;
    assert!(matches!(load(&swapped), TlsError::Unusable { .. }));
    let mut no_key = pair.clone();
    no_key.key.clone_from(&pair.certificate);
    assert!(matches!(load(&no_key), TlsError::NotPem { wanted: "private key", .. }));
    let mut no_certificate = pair.clone();
    no_certificate.certificate.clone_from(&pair.key);
    assert!(matches!(load(&no_certificate), TlsError::NotPem { wanted: "certificate", .. }));
    std::fs::set_permissions(&pair.key, std::fs::Permissions::from_mode(0o604)).unwrap();
    assert!(matches!(load(&pair), TlsError::KeyExposed { .. }));
}
