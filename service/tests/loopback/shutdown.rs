//! How a server ends.

use std::time::Duration;

use farthing_proto::v1::ErrorReason;
use farthing_service::{admission::RequestLimits, server::ServerSettings};
use tokio::{net::TcpStream, time::timeout};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::running::{ECHO, PATIENCE, Running, WAIT, Wanted, next, submit};

#[tokio::test]
async fn requests_under_way_are_answered_and_no_new_ones_taken() {
    let settings = ServerSettings { drain: PATIENCE, ..ServerSettings::default() };
    let server = Running::start(Wanted { settings, ..Wanted::default() }).await;
    let client = server.client();
    let under_way = tokio::spawn(async move { submit(&client, WAIT).await });
    timeout(PATIENCE, server.gate.arrived.notified()).await.unwrap();

    let mut health = HealthClient::new(server.channel());
    let watched = health.watch(HealthCheckRequest { service: String::new() }).await.unwrap();
    let mut watched = watched.into_inner();
    assert_eq!(next(&mut watched).await.unwrap().status(), ServingStatus::Serving);
    server.shutdown.cancel();
    assert_eq!(next(&mut watched).await.unwrap().status(), ServingStatus::NotServing);
    drop((watched, health));

    let refused = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, refused).await.unwrap();
    assert!(submit(&server.client(), ECHO).await.is_err());

    server.gate.release.notify_one();
    assert_eq!(under_way.await.unwrap().unwrap(), [WAIT, 7]);
    server.ended().await.unwrap();
}

#[tokio::test]
async fn requests_that_do_not_end_are_cut_after_the_drain_time() {
    let requests = RequestLimits { duration: PATIENCE * 2, ..RequestLimits::default() };
    let settings = ServerSettings { requests, drain: Duration::from_millis(100), ..ServerSettings::default() };
    let server = Running::start(Wanted { settings, ..Wanted::default() }).await;
    let client = server.client();
    let under_way = tokio::spawn(async move { submit(&client, WAIT).await });
    timeout(PATIENCE, server.gate.arrived.notified()).await.unwrap();
    server.shutdown.cancel();
    server.ended().await.unwrap();
    let failure = under_way.await.unwrap().unwrap_err();
    assert_eq!(failure.reason, ErrorReason::PeerUnreachable, "{failure:?}");
}
