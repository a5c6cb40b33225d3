//! Admission of requests: so many at once, so long each; and an ErrorInfo on every error that tonic makes by itself.

use std::{
    convert::Infallible,
    future::Future,
    net::Ipv4Addr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use farthing_proto::v1::ErrorReason;
use tonic::{
    Status,
    body::Body,
    codegen::http::{Request, Response},
};
use tower::{Layer, Service};
use tracing::Instrument as _;

use crate::{
    census::{Census, Network},
    listener::Peer,
    status::{Refusal, complete},
};

/// Limits on requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Requests worked on at once, over all connections. A further one is refused as OVERLOADED, with RetryInfo.
    pub at_once: usize,
    /// Of these, requests from one IPv4 address or one IPv6 /64 network, over all its connections: nobody takes the places
    /// of all others. A further one is refused in the same way.
    pub per_network: usize,
    /// Time until a request is answered (the beginning of it, when it is a stream). Then it is dropped and answered
    /// TIMED_OUT; so what must not be dropped half-way runs in a task of its own.
    pub duration: Duration,
}

impl Default for RequestLimits {
    /// 256 requests at once, 128 of them from one network, ten seconds each.
    fn default() -> Self {
        Self { at_once: 256, per_network: 128, duration: Duration::from_secs(10) }
    }
}

/// Probes are answered under load too: an orchestrator must not take a busy server for a dead one.
const HEALTH: &str = "/grpc.health.v1.Health/";

const DETAILS: &str = "grpc-status-details-bin";

/// Puts [`Admission`] before all services of a server, which share its limits.
#[derive(Clone)]
pub(crate) struct AdmissionLayer {
    census: Census,
    duration: Duration,
}

impl AdmissionLayer {
    pub(crate) fn new(limits: RequestLimits) -> Self {
        Self { census: Census::new(limits.at_once, limits.per_network), duration: limits.duration }
    }
}

impl<S> Layer<S> for AdmissionLayer {
    type Service = Admission<S>;

    fn layer(&self, inner: S) -> Admission<S> {
        Admission { inner, layer: self.clone() }
    }
}

/// A service behind its limits.
#[derive(Clone)]
pub(crate) struct Admission<S> {
    inner: S,
    layer: AdmissionLayer,
}

impl<S> Service<Request<Body>> for Admission<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        // Only what never came through a listener has no peer.
        let address = request.extensions().get::<Peer>().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.address.ip());
        let place = self.layer.census.enter(Network::of(address));
        if place.is_none() && !path.starts_with(HEALTH) {
            tracing::debug!("too many requests at once");
            let refusal = Refusal::new(ErrorReason::Overloaded, "too many requests at once");
            return Box::pin(async move { Ok(Status::from(refusal).into_http()) });
        }
        let span = tracing::info_span!("request", id = %request_id(), path);
        let answer = tokio::time::timeout(self.layer.duration, self.inner.call(request));
        let answer = async move {
            let _place = place;
            match answer.await {
                Ok(Ok(response)) => Ok(explained(response)),
                Ok(Err(never)) => match never {},
                Err(_) => {
                    tracing::warn!("took too long");
                    let refusal = Refusal::new(
                        ErrorReason::TimedOut,
                        "took too long; it may have been carried out, ask again with the same bytes",
                    );
                    Ok(Status::from(refusal).into_http())
                }
            }
        };
        Box::pin(answer.instrument(span))
    }
}

/// An error that carries no details gets them. Errors stand in the header when no message came before them.
fn explained(response: Response<Body>) -> Response<Body> {
    let headers = response.headers();
    if headers.contains_key(DETAILS) {
        return response;
    }
    match Status::from_header_map(headers) {
        Some(status) if status.code() != tonic::Code::Ok => complete(&status).into_http(),
        _ => response,
    }
}

/// A random name under which the log keeps together what belongs to one request, and nothing else.
fn request_id() -> String {
    let mut id = [0; 8];
    // Without randomness the log is harder to read; nothing else depends on it.
    let _ = getrandom::fill(&mut id);
    format!("{:016x}", u64::from_be_bytes(id))
}
