//! Transport: Flight and HTTP. It authenticates, translates and streams; it decides nothing.

mod connections;
pub mod flight;
pub mod http;
mod listener;
mod tls;
mod webhooks;

pub use listener::{Bound, ListenError};
pub use tls::{Tls, TlsConfig, TlsError};
pub use webhooks::{Webhook, WebhookConfig, WebhookError};

/// The messages of `proto/airside.proto`.
#[expect(missing_docs, clippy::large_enum_variant, reason = "generated; the proto file documents them")]
pub mod proto {
    tonic::include_proto!("airside.v1");

    /// Those of `proto/flight_session.proto`.
    pub mod flight {
        tonic::include_proto!("arrow.flight.protocol");

        /// Those of `proto/flight_sql.proto`.
        pub mod sql {
            tonic::include_proto!("arrow.flight.protocol.sql");
        }
    }
}
