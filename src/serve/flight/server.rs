//! The gRPC listeners: limits, keep-alive, TLS, health, and the drain at the end.

use std::iter;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use axum::middleware::map_response;
use futures::future::join_all;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::ServingStatus;

use super::config::{FlightConfig, ListenerConfig, TicketConfig};
use super::do_put::Bindings;
use super::endpoints::Endpoints;
use super::poll::Polls;
use super::ticket::Tickets;
use super::told::ToldSchemas;
use super::{Flight, body};
use crate::authn::Authenticator;
use crate::gateway::Gateway;
use crate::seal::SealKeys;
use crate::serve::connections::{self, Manners};
use crate::serve::listener::{Bound, ListenError};
use crate::serve::tls::Tls;

/// Bytes of a message that a client may send; bound parameters are the largest.
const MAX_REQUEST: usize = 8 * 1024 * 1024;
/// Bytes of a call's headers.
const MAX_HEADERS: u32 = 64 * 1024;

/// One service, bound to its addresses.
pub struct FlightServer {
    first: Listener,
    others: Vec<Listener>,
    manners: Manners,
}

/// An address listened on, and the service as clients of that address see it.
struct Listener {
    socket: TcpListener,
    bound: Bound,
    tls: Option<Arc<rustls::ServerConfig>>,
    flight: Flight,
}

impl FlightServer {
    /// Binds every listener.
    ///
    /// # Errors
    /// [`ListenError`] when an address cannot be bound, or is beyond loopback without TLS.
    pub async fn bind(
        config: &FlightConfig,
        tickets: &TicketConfig,
        tls: Option<&Tls>,
        keys: SealKeys,
        gateway: Arc<Gateway>,
        authenticator: Arc<Authenticator>,
    ) -> Result<Self, ListenError> {
        config.check(tls.is_some())?;
        let ttl = Duration::from_secs(tickets.ttl_seconds);
        let flight = Flight {
            gateway,
            authenticator,
            tickets: Tickets::new(keys, ttl),
            bindings: Bindings::new(ttl),
            polls: Polls::default(),
            send_timeout: Duration::from_secs(config.send_timeout_seconds),
            endpoints: Endpoints::new(config.endpoint_bytes, &[]),
            schemas: ToldSchemas::new(),
        };
        let listen = async |told: ListenerConfig| {
            let refused = |source| ListenError::Bind { addr: told.addr, source };
            let socket = TcpListener::bind(told.addr).await.map_err(refused)?;
            let tls = tls.filter(|_| told.tls).map(|tls| Arc::clone(&tls.grpc));
            let bound = Bound { addr: socket.local_addr().map_err(refused)?, encrypted: tls.is_some() };
            let endpoints = Endpoints::new(config.endpoint_bytes, &told.locations);
            Ok(Listener { socket, bound, tls, flight: Flight { endpoints, ..flight.clone() } })
        };
        let first = listen(config.first()).await?;
        let mut others = Vec::new();
        for told in &config.listeners {
            others.push(listen(told.clone()).await?);
        }
        let manners =
            Manners { http2_only: true, max_streams: config.max_streams_per_connection, max_headers: MAX_HEADERS };
        Ok(Self { first, others, manners })
    }

    /// The address of the section's own listener.
    pub fn first(&self) -> Bound {
        self.first.bound
    }

    /// The addresses listened on, the section's own first.
    pub fn bound(&self) -> Vec<Bound> {
        iter::once(&self.first).chain(&self.others).map(|listener| listener.bound).collect()
    }

    /// Serves until `draining` is cancelled and the last call has been answered, or `ended` is.
    pub async fn serve(self, draining: CancellationToken, ended: CancellationToken) {
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_service_status("", ServingStatus::Serving).await;
        reporter.set_serving::<FlightServiceServer<Flight>>().await;
        let serving = iter::once(self.first).chain(self.others).map(|Listener { socket, tls, flight, .. }| {
            let flight = FlightServiceServer::new(flight).max_decoding_message_size(MAX_REQUEST);
            let router = Routes::new(health.clone()).add_service(flight).prepare().into_axum_router();
            let router = router.layer(map_response(body::in_place));
            connections::serve(socket, tls, router, self.manners, draining.clone(), ended.clone())
        });
        let reporting = async {
            draining.cancelled().await;
            reporter.set_service_status("", ServingStatus::NotServing).await;
            reporter.set_not_serving::<FlightServiceServer<Flight>>().await;
        };
        tokio::join!(join_all(serving), reporting);
    }
}
