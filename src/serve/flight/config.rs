//! What is configured of the gRPC side: where it listens, what clients of each listener are told, how long tickets live.
//!
//! One service may listen at several addresses: inside a cluster in plain text, outside with TLS. What answers it is the
//! same; only the locations that an answer names differ, since not every address can be reached from everywhere.

use std::iter;
use std::net::SocketAddr;

use serde::Deserialize;

use super::endpoints::Location;
use crate::seal::SecretRef;
use crate::serve::listener::{ListenError, refuse_plaintext};

/// The section `[flight]`: the first listener, and what holds for all of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlightConfig {
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// Whether `[tls]` applies here.
    pub tls: bool,
    /// Listen beyond loopback without TLS.
    pub plaintext_beyond_loopback: bool,
    /// Where answers are fetched, as clients of this listener reach it and its replicas: `grpc+tls://host:port`. None
    /// says "where you asked".
    pub locations: Vec<Location>,
    /// Where to listen besides.
    pub listeners: Vec<ListenerConfig>,
    /// Concurrent streams of one connection.
    pub max_streams_per_connection: u32,
    /// Seconds that a reader whose answer has ended may leave it unread before its stream is reset.
    pub send_timeout_seconds: u64,
    /// Bytes of files that one endpoint covers, where a client reads several.
    pub endpoint_bytes: u64,
}

impl Default for FlightConfig {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from(([127, 0, 0, 1], 50051)),
            tls: true,
            plaintext_beyond_loopback: false,
            locations: Vec::new(),
            listeners: Vec::new(),
            max_streams_per_connection: 256,
            send_timeout_seconds: 30,
            endpoint_bytes: 64 << 20,
        }
    }
}

/// A table of `[[flight.listeners]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// Whether `[tls]` applies here.
    #[serde(default = "encrypted")]
    pub tls: bool,
    /// Listen beyond loopback without TLS.
    #[serde(default)]
    pub plaintext_beyond_loopback: bool,
    /// Where answers are fetched, as clients of this listener reach it and its replicas.
    #[serde(default)]
    pub locations: Vec<Location>,
}

fn encrypted() -> bool {
    true
}

impl FlightConfig {
    /// The section's own listener.
    pub(super) fn first(&self) -> ListenerConfig {
        ListenerConfig {
            addr: self.addr,
            tls: self.tls,
            plaintext_beyond_loopback: self.plaintext_beyond_loopback,
            locations: self.locations.clone(),
        }
    }

    /// Whether other machines may reach one of the listeners.
    pub fn is_beyond_loopback(&self) -> bool {
        iter::once(&self.addr).chain(self.listeners.iter().map(|told| &told.addr)).any(|addr| !addr.ip().is_loopback())
    }

    /// Refuses addresses where others could listen in; `encrypted` says whether there is TLS.
    ///
    /// # Errors
    /// [`ListenError::Plaintext`].
    pub fn check(&self, encrypted: bool) -> Result<(), ListenError> {
        let check = |section, told: &ListenerConfig| {
            refuse_plaintext(section, told.addr, encrypted && told.tls, told.plaintext_beyond_loopback)
        };
        check("flight", &self.first())?;
        self.listeners.iter().try_for_each(|told| check("flight.listeners", told))
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
