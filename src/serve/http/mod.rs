//! The HTTP side: health for orchestrators, metrics for Prometheus, pages for people. It serves no rows.

mod pages;
mod site;

pub use site::LoginConfig;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

use self::pages::Pages;
use self::site::{FlightAddress, Site};
use crate::authn::Authenticator;
use crate::gateway::Gateway;
use crate::seal::SealKeys;
use crate::serve::connections::{self, Manners};
use crate::serve::listener::{Bound, ListenError, refuse_plaintext};
use crate::serve::tls::Tls;

/// The section `[http]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// Whether `[tls]` applies here too; orchestrators' probes often want it off.
    pub tls: bool,
    /// Listen beyond loopback without TLS.
    pub plaintext_beyond_loopback: bool,
    /// Pages for people; absent: there are none.
    pub login: Option<LoginConfig>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls: true,
            plaintext_beyond_loopback: false,
            login: None,
        }
    }
}

impl HttpConfig {
    /// Refuses an address where others could listen in; `encrypted` says whether there is TLS.
    ///
    /// # Errors
    /// [`ListenError::Plaintext`].
    pub fn check(&self, encrypted: bool) -> Result<(), ListenError> {
        refuse_plaintext("http", self.addr, encrypted && self.tls, self.plaintext_beyond_loopback)
    }
}

/// A session of somebody in many groups takes 16 KiB of cookies.
const MANNERS: Manners = Manners { http2_only: false, max_streams: 64, max_headers: 32 * 1024 };

/// What the pages for people need beside the gateway.
pub struct SignIn {
    /// Who people are.
    pub authenticator: Arc<Authenticator>,
    /// What seals their sessions; replicas share it.
    pub keys: SealKeys,
    /// How long a session lasts.
    pub session_ttl: Duration,
    /// Where clients connect to, unless the configuration says otherwise.
    pub flight: Bound,
}

/// What machines ask for.
struct Probed {
    gateway: Arc<Gateway>,
    metrics: PrometheusHandle,
    draining: CancellationToken,
}

/// A bound HTTP listener.
pub struct HttpServer {
    listener: TcpListener,
    bound: Bound,
    tls: Option<Tls>,
    router: Router,
}

impl HttpServer {
    /// Binds the listener. Once `draining` is cancelled `/readyz` says no.
    ///
    /// # Errors
    /// When the address cannot be bound, or is beyond loopback without TLS.
    pub async fn bind(
        config: &HttpConfig,
        tls: Option<Tls>,
        gateway: Arc<Gateway>,
        metrics: PrometheusHandle,
        draining: CancellationToken,
        sign_in: SignIn,
    ) -> Result<Self, ListenError> {
        let tls = tls.filter(|_| config.tls);
        config.check(tls.is_some())?;
        let refused = |source| ListenError::Bind { addr: config.addr, source };
        let listener = TcpListener::bind(config.addr).await.map_err(refused)?;
        let bound = Bound { addr: listener.local_addr().map_err(refused)?, encrypted: tls.is_some() };
        let people = match &config.login {
            Some(login) => for_people(login, bound, Arc::clone(&gateway), sign_in)
                .map_err(|reason| ListenError::Login { addr: bound.addr, reason })?,
            None => Router::new(),
        };
        let probed = Arc::new(Probed { gateway, metrics, draining });
        let router = Router::new()
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .route("/metrics", get(render_metrics))
            .with_state(probed)
            .merge(people)
            .layer(CatchPanicLayer::new());
        Ok(Self { listener, bound, tls, router })
    }

    /// The address listened on.
    pub fn bound(&self) -> Bound {
        self.bound
    }

    /// Serves until the drain has ended.
    pub async fn serve(self, ended: CancellationToken) {
        let tls = self.tls.map(|tls| tls.http);
        connections::serve(self.listener, tls, self.router, MANNERS, ended, CancellationToken::new()).await;
    }
}

/// The pages for people, or where others could listen in a page that says so.
fn for_people(config: &LoginConfig, bound: Bound, gateway: Arc<Gateway>, sign_in: SignIn) -> Result<Router, String> {
    let SignIn { authenticator, keys, session_ttl, flight } = sign_in;
    let flight = FlightAddress::new(config, flight.addr, flight.encrypted)?;
    let Some(site) = Site::new(config, bound.addr, bound.encrypted)? else {
        tracing::warn!(addr = %bound.addr, "signing in is off: this address is beyond loopback and has no TLS");
        return Ok(pages::off());
    };
    if let Some(tokens) = authenticator.personal_tokens() {
        tokens.make_folder()?;
    }
    tracing::info!(pages = site.origin, "people can sign in");
    Ok(pages::routes(Pages { gateway, authenticator, keys, session_ttl, site, flight }))
}

/// The process runs.
async fn healthz() -> &'static str {
    "ok\n"
}

/// The gateway takes calls: a mesh is served and no drain is under way.
async fn readyz(State(probed): State<Arc<Probed>>) -> Response {
    if probed.draining.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    (StatusCode::OK, format!("ready\n{}", probed.gateway.readiness())).into_response()
}

async fn render_metrics(State(probed): State<Arc<Probed>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], probed.metrics.render()).into_response()
}
