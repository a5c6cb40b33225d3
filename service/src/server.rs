//! Serves gRPC on a [`Listener`] within limits, with health, reflection and an orderly end.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use farthing_proto::FILE_DESCRIPTOR_SET;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::{
    body::Body,
    codegen::{
        Body as HttpBody, Bytes, StdError,
        http::{Request, Response},
    },
    server::NamedService,
    service::RoutesBuilder,
    transport,
};
use tonic_health::{ServingStatus, server::HealthReporter};
use tower::Service;

use crate::{
    admission::{AdmissionLayer, RequestLimits},
    listener::Listener,
};

/// Longest request message that any service takes, to be set on each (`max_decoding_message_size`). The largest legal one, a
/// claim of 64 notes, has 31,771 bytes.
pub const REQUEST_BYTES_MAX: usize = 64 * 1_024;

/// Calls at once on one connection. RST_STREAM floods are bounded by it.
const STREAMS_MAX: u32 = 128;

/// Of these, requests worked on at once; the others of the connection wait, so that one client cannot take all places.
const REQUESTS_PER_CONNECTION_MAX: usize = 32;

/// Longest header list.
const HEADER_BYTES_MAX: u32 = 16 * 1_024;

/// Streams that were reset before they were accepted.
const PENDING_RESETS_MAX: usize = 20;

/// A client that is silent for this long is asked for a sign of life.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// A client that gives no sign of life for this long is disconnected.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection is asked to end at this age, so that a place in the census is not kept for ever.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(3_600);

/// What calls on such a connection get to end.
const CONNECTION_AGE_GRACE: Duration = Duration::from_secs(30);

/// How long to wait for connections that were cut to notice it.
const CUT: Duration = Duration::from_secs(2);

/// Who may list the services with grpcurl and its like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reflection {
    /// Whoever reaches a listener on loopback.
    #[default]
    Loopback,
    /// Everybody.
    Always,
    /// Nobody.
    Never,
}

/// How a server serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerSettings {
    /// Limits on requests.
    pub requests: RequestLimits,
    /// Who may list the services.
    pub reflection: Reflection,
    /// Time that requests get to end after the shutdown began. Then their connections are cut.
    pub drain: Duration,
}

impl Default for ServerSettings {
    /// The default limits, reflection on loopback, ten seconds to drain.
    fn default() -> Self {
        Self { requests: RequestLimits::default(), reflection: Reflection::default(), drain: Duration::from_secs(10) }
    }
}

/// A server that is being put together.
pub struct Server {
    settings: ServerSettings,
    routes: RoutesBuilder,
    health: Health,
    health_service: Box<dyn FnOnce(&mut RoutesBuilder) + Send>,
}

/// Why a server ended other than by its shutdown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The reflection service cannot be built from the descriptors.
    #[error("cannot describe the services: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// Serving failed.
    #[error("cannot serve: {0}")]
    Transport(#[from] transport::Error),
}

impl Server {
    /// A server without services.
    pub fn new(settings: ServerSettings) -> Self {
        let (reporter, service) = tonic_health::server::health_reporter();
        Self {
            settings,
            routes: RoutesBuilder::default(),
            health: Health { reporter, services: Arc::new(Mutex::new(vec![""])) },
            health_service: Box::new(|routes| {
                routes.add_service(service);
            }),
        }
    }

    /// Adds a service. Its health is that of the server.
    #[must_use]
    pub fn with_service<S, B>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError>,
    {
        self.health.lock().push(S::NAME);
        self.routes.add_service(service);
        self
    }

    /// A handle to tell probes that the server cannot work for the time being.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Serves until `shutdown` is cancelled; then reports NOT_SERVING, closes the port, lets requests end for the drain time
    /// and cuts the connections of those that do not.
    ///
    /// # Errors
    /// When serving is not possible at all. Faults of single connections only end those.
    pub async fn run(mut self, listener: Listener, shutdown: CancellationToken) -> Result<(), ServeError> {
        (self.health_service)(&mut self.routes);
        let reflect = match self.settings.reflection {
            Reflection::Loopback => listener.address().ip().is_loopback(),
            Reflection::Always => true,
            Reflection::Never => false,
        };
        if reflect {
            add_reflection(&mut self.routes, &self.health.lock())?;
        }
        self.health.set_serving(true).await;

        let cut = CancellationToken::new();
        let serving = transport::Server::builder()
            .max_concurrent_streams(STREAMS_MAX)
            .concurrency_limit_per_connection(REQUESTS_PER_CONNECTION_MAX)
            .http2_max_header_list_size(HEADER_BYTES_MAX)
            .http2_max_pending_accept_reset_streams(Some(PENDING_RESETS_MAX))
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .max_connection_age(CONNECTION_AGE_MAX)
            .max_connection_age_grace(CONNECTION_AGE_GRACE)
            .layer(AdmissionLayer::new(self.settings.requests))
            .add_routes(self.routes.routes())
            .serve_with_incoming_shutdown(listener.incoming(cut.clone()), shutdown.clone().cancelled_owned());
        let mut serving = pin!(serving);
        tokio::select! {
            ended = &mut serving => return Ok(ended?),
            () = shutdown.cancelled() => {}
        }
        tracing::info!("shutting down: waiting for requests to end");
        self.health.set_serving(false).await;
        if let Ok(ended) = timeout(self.settings.drain, &mut serving).await {
            return Ok(ended?);
        }
        tracing::warn!("cutting the connections of requests that did not end");
        cut.cancel();
        match timeout(CUT, serving).await {
            Ok(ended) => Ok(ended?),
            Err(_) => Ok(()),
        }
    }
}

/// Describes the services of this server, in both versions of the protocol that tools speak.
fn add_reflection(
    routes: &mut RoutesBuilder,
    services: &[&'static str],
) -> Result<(), tonic_reflection::server::Error> {
    let builder = || {
        let builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name("grpc.health.v1.Health");
        services.iter().filter(|name| !name.is_empty()).fold(builder, |builder, name| builder.with_service_name(*name))
    };
    routes.add_service(builder().build_v1()?);
    routes.add_service(builder().build_v1alpha()?);
    Ok(())
}

/// What the server answers to probes (`grpc.health.v1`), for each service and for the whole (the empty name).
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
    services: Arc<Mutex<Vec<&'static str>>>,
}

impl Health {
    /// Reports all services as SERVING or as NOT_SERVING: while recovering, with a full disk, on the way down.
    pub async fn set_serving(&self, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        let services = self.lock().clone();
        for service in services {
            self.reporter.set_service_status(service, status).await;
        }
    }

    /// Reports one thing that is no service, such as a file that the operator has changed.
    pub async fn set_serving_of(&self, name: &'static str, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.reporter.set_service_status(name, status).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<&'static str>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
