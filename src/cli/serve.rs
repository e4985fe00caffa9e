//! `airside serve`: put together what the configuration names, and serve until told to stop.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::audit::Audit;
use crate::authn::Authenticator;
use crate::config::Config;
use crate::fault::Fault;
use crate::gateway::{self, Data, Gateway};
use crate::mesh::{WatchConfig, Watcher};
use crate::query::Engine;
use crate::seal::SealKeys;
use crate::serve::flight::FlightServer;
use crate::serve::http::{HttpServer, SignIn};
use crate::serve::{Bound, Tls, Webhook};
use crate::source::{History, Stores};
use crate::telemetry;

#[derive(Debug, Args)]
pub struct Serve {
    /// The configuration file.
    #[arg(long, env = "AIRSIDE_CONFIG", default_value = "airside.toml")]
    config: PathBuf,
}

impl Serve {
    pub fn run(&self) -> Result<(), Box<dyn Error>> {
        let config = Config::load(&self.config)?;
        telemetry::start_log(&config.log)?;
        serve(config, |addresses| println!("{}", addresses.ready()))
    }
}

/// Where a running gateway listens.
pub struct Addresses {
    /// The section's own first; there is always that one.
    pub flight: Vec<Bound>,
    pub http: Bound,
}

impl Addresses {
    /// The line that scripts wait for.
    pub fn ready(&self) -> String {
        format!("ready flight={} http={}", self.flight_urls(), url(("http", "https"), self.http))
    }

    fn flight_urls(&self) -> String {
        let urls: Vec<String> = self.flight.iter().map(|bound| url(("grpc", "grpc+tls"), *bound)).collect();
        urls.join(",")
    }
}

fn url((plain, encrypted): (&str, &str), bound: Bound) -> String {
    format!("{}://{}", if bound.encrypted { encrypted } else { plain }, bound.addr)
}

/// Serves until SIGTERM or Ctrl-C, then drains. `ready` is called once every listener is bound and the mesh is published.
pub fn serve(config: Config, ready: impl FnOnce(&Addresses)) -> Result<(), Box<dyn Error>> {
    // Queries have a runtime of their own, so this one only moves messages.
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("airside-rpc").enable_all().build()?;
    let outcome = runtime.block_on(run(config, ready));
    runtime.shutdown_timeout(Duration::from_secs(2));
    outcome
}

async fn run(config: Config, ready: impl FnOnce(&Addresses)) -> Result<(), Box<dyn Error>> {
    let mut stop = stop_signal()?;
    config.flight.check(config.tls.is_some())?;
    config.http.check(config.tls.is_some())?;
    let metrics = telemetry::start_metrics()?;
    let tls = config.tls.as_ref().map(Tls::load).transpose()?;
    let keys = SealKeys::from_config(&config.tickets.keys, &config.base)?;
    let authenticator = Authenticator::new(&config.authn, &config.base, keys.clone()).map_err(Faults)?;
    let authenticator = Arc::new(authenticator);
    let stores = Stores::with_limits(&config.stores, &config.base, config.sources)?;
    let engine = Engine::new(&config.query, config.masks.load(&config.base, Utc::now())?)?;

    let audit = match &config.audit {
        Some(audit) => Audit::start(audit, &config.base)?,
        None => {
            tracing::warn!("there is no section `[audit]`: nobody will know who read what");
            Audit::off()
        }
    };

    let webhooks: Vec<Webhook> =
        config.webhooks.iter().map(|webhook| Webhook::new(webhook, &config.base)).collect::<Result<_, _>>()?;

    let patience = Duration::from_secs(config.data.patience_seconds);
    let mesh = tokio::select! {
        mesh = gateway::load_within(&config.mesh, &stores, patience) => mesh.map_err(Faults)?,
        name = stop.recv() => {
            tracing::info!(signal = name, "ended before the mesh was read");
            return Ok(());
        }
    };
    let watcher = Watcher::start(&config.mesh, mesh.version(), WatchConfig::default())?;
    let history = History::open(&config.snapshots, &config.base, keys.clone())
        .map_err(|error| format!("the folder of `[snapshots]` cannot be used: {error}"))?;
    let data = Data { stores, patience, kept: Duration::from_secs(config.tickets.ttl_seconds), history };
    let gateway = Gateway::open(mesh, data, engine, config.limits.clone(), audit.clone()).await;
    let gateway = Arc::new(gateway);

    let draining = CancellationToken::new();
    let ended = CancellationToken::new();
    let flight = FlightServer::bind(
        &config.flight,
        &config.tickets,
        tls.as_ref(),
        keys.clone(),
        Arc::clone(&gateway),
        Arc::clone(&authenticator),
    )
    .await?;
    let sign_in = SignIn {
        authenticator: Arc::clone(&authenticator),
        keys,
        session_ttl: config.authn.session_ttl,
        flight: flight.first(),
    };
    let http = HttpServer::bind(&config.http, tls, Arc::clone(&gateway), metrics, draining.clone(), sign_in).await?;
    let addresses = Addresses { flight: flight.bound(), http: http.bound() };

    let refresh = Duration::from_secs(config.data.refresh_seconds.max(1));
    let follower = {
        let (gateway, mesh, draining) = (Arc::clone(&gateway), config.mesh.clone(), draining.clone());
        tokio::spawn(async move { gateway.follow(&mesh, watcher, refresh, draining).await })
    };
    let mut told = JoinSet::new();
    for webhook in webhooks {
        told.spawn(webhook.run(Arc::clone(&gateway), Arc::clone(&authenticator)));
    }
    let mut flight = tokio::spawn(flight.serve(draining.clone(), ended.clone()));
    let http = tokio::spawn(http.serve(ended.clone()));
    tracing::info!(flight = addresses.flight_urls(), http = %addresses.http.addr, "serving");
    ready(&addresses);

    tokio::select! {
        name = stop.recv() => tracing::info!(signal = name, "draining"),
        ended = &mut flight => return Err(ended.err().map_or_else(|| "the gRPC listeners ended".into(), Into::into)),
    }
    draining.cancel();
    let patience = Duration::from_secs(config.drain.seconds);
    let drained = tokio::select! {
        _ = &mut flight => true,
        () = tokio::time::sleep(patience) => {
            tracing::warn!(seconds = config.drain.seconds, "streams under way were cut off at the end of the drain");
            false
        }
        name = stop.recv() => {
            tracing::warn!(signal = name, "streams under way were cut off by a second signal");
            false
        }
    };
    ended.cancel();
    if !drained {
        let _ = tokio::time::timeout(Duration::from_secs(1), flight).await;
    }
    let _ = tokio::time::timeout(Duration::from_secs(1), http).await;
    follower.abort();
    told.abort_all();
    audit.finish().await;
    tracing::info!("ended");
    Ok(())
}

/// Everything wrong with a mesh or its users, one fault after another.
#[derive(Debug)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} fault(s)", self.0.len())?;
        self.0.iter().try_for_each(|fault| writeln!(f, "{fault}"))
    }
}

impl Error for Faults {}

/// The signals that end a gateway.
struct Stop {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

/// From here on the signals no longer kill the process at once.
fn stop_signal() -> std::io::Result<Stop> {
    Ok(Stop { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
}

impl Stop {
    async fn recv(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
