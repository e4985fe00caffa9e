//! The gRPC listener: limits, keep-alive, TLS, health, and the drain at the end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use axum::middleware::map_response;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::ServingStatus;

use super::do_put::Bindings;
use super::endpoints::{Endpoints, Location};
use super::poll::Polls;
use super::ticket::Tickets;
use super::{Flight, body};
use crate::authn::Authenticator;
use crate::gateway::Gateway;
use crate::seal::{SealKeys, SecretRef};
use crate::serve::connections::{self, Manners};
use crate::serve::listener::{ListenError, refuse_plaintext};
use crate::serve::tls::Tls;

/// The section `[flight]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlightConfig {
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// Listen beyond loopback without TLS.
    pub plaintext_beyond_loopback: bool,
    /// Concurrent streams of one connection.
    pub max_streams_per_connection: u32,
    /// Seconds that a reader whose answer has ended may leave it unread before its stream is reset.
    pub send_timeout_seconds: u64,
    /// Bytes of files that one endpoint covers, where a client reads several.
    pub endpoint_bytes: u64,
    /// Where answers are fetched, as clients of this listener reach it and its replicas: `grpc+tls://host:port`. None
    /// says "where you asked".
    pub locations: Vec<Location>,
}

impl Default for FlightConfig {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from(([127, 0, 0, 1], 50051)),
            plaintext_beyond_loopback: false,
            max_streams_per_connection: 256,
            send_timeout_seconds: 30,
            endpoint_bytes: 64 << 20,
            locations: Vec::new(),
        }
    }
}

impl FlightConfig {
    /// Refuses an address where others could listen in; `encrypted` says whether there is TLS.
    ///
    /// # Errors
    /// [`ListenError::Plaintext`].
    pub fn check(&self, encrypted: bool) -> Result<(), ListenError> {
        refuse_plaintext("flight", self.addr, encrypted, self.plaintext_beyond_loopback)
    }
}

/// The section `[tickets]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TicketConfig {
    /// The keys that seal tickets, handles and session tokens, by reference. The first seals, all
    /// open, so that keys can be rotated; replicas share them. Without any, a key is made up that dies with the process.
    pub keys: Vec<SecretRef>,
    /// Seconds a ticket or handle is good for.
    pub ttl_seconds: u64,
}

impl Default for TicketConfig {
    fn default() -> Self {
        Self { keys: Vec::new(), ttl_seconds: 3600 }
    }
}

/// Bytes of a message that a client may send; bound parameters are the largest.
const MAX_REQUEST: usize = 8 * 1024 * 1024;
/// Bytes of a call's headers.
const MAX_HEADERS: u32 = 64 * 1024;

/// A bound gRPC listener.
pub struct FlightListener {
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    manners: Manners,
    flight: Flight,
}

impl FlightListener {
    /// Binds the listener.
    ///
    /// # Errors
    /// [`ListenError`] when the address cannot be bound, or is beyond loopback without TLS.
    pub async fn bind(
        config: &FlightConfig,
        tickets: &TicketConfig,
        tls: Option<&Tls>,
        keys: SealKeys,
        gateway: Arc<Gateway>,
        authenticator: Arc<Authenticator>,
    ) -> Result<Self, ListenError> {
        config.check(tls.is_some())?;
        let bind = |source| ListenError::Bind { addr: config.addr, source };
        let listener = TcpListener::bind(config.addr).await.map_err(bind)?;
        let manners =
            Manners { http2_only: true, max_streams: config.max_streams_per_connection, max_headers: MAX_HEADERS };
        let ttl = Duration::from_secs(tickets.ttl_seconds);
        let flight = Flight {
            gateway,
            authenticator,
            tickets: Tickets::new(keys, ttl),
            bindings: Bindings::new(ttl),
            polls: Polls::default(),
            send_timeout: Duration::from_secs(config.send_timeout_seconds),
            endpoints: Endpoints::new(config.endpoint_bytes, &config.locations),
        };
        Ok(Self { listener, tls: tls.map(|tls| Arc::clone(&tls.grpc)), manners, flight })
    }

    /// The address listened on.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Whether connections are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Serves until `draining` is cancelled and the last call has been answered, or `ended` is.
    pub async fn serve(self, draining: CancellationToken, ended: CancellationToken) {
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_service_status("", ServingStatus::Serving).await;
        reporter.set_serving::<FlightServiceServer<Flight>>().await;
        let flight = FlightServiceServer::new(self.flight).max_decoding_message_size(MAX_REQUEST);
        let router = Routes::new(health).add_service(flight).prepare().into_axum_router();
        let router = router.layer(map_response(body::in_place));
        let serving = connections::serve(self.listener, self.tls, router, self.manners, draining.clone(), ended);
        let reporting = async move {
            draining.cancelled().await;
            reporter.set_service_status("", ServingStatus::NotServing).await;
            reporter.set_not_serving::<FlightServiceServer<Flight>>().await;
        };
        tokio::join!(serving, reporting);
    }
}
