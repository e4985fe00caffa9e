//! Logs and metrics: what an operator sees.
//!
//! Logs are structured and go to standard error, so that standard output stays for what scripts read.
//! Metrics are Prometheus text; their labels never name products, principals or paths, since whoever may scrape
//! has not been asked by the policy.

use std::io::IsTerminal;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;
use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// The section `[log]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// What to log, in `tracing`'s filter syntax: `info`, `airside=debug,warn`, …
    pub filter: String,
    /// How lines look.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Auto }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One line of text an event.
    Text,
    /// One JSON object an event.
    Json,
}

/// Why telemetry could not be started.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter does not parse.
    #[error("log.filter is no filter: {0}")]
    Filter(#[from] ParseError),
    /// A logger is installed already.
    #[error("logging could not be started: {0}")]
    Log(#[from] TryInitError),
    /// The recorder could not be installed.
    #[error("metrics could not be started: {0}")]
    Metrics(#[from] BuildError),
}

/// Starts logging for the whole process.
///
/// # Errors
/// [`TelemetryError`] when the filter does not parse or a logger runs already.
pub fn start_log(config: &LogConfig) -> Result<(), TelemetryError> {
    let json = match config.format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&config.filter)?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    if json {
        log.json().flatten_event(true).with_span_list(false).finish().try_init()?
    } else {
        log.finish().try_init()?
    }
    Ok(())
}

/// Installs the recorder of metrics; the handle renders them.
///
/// # Errors
/// [`TelemetryError::Metrics`] when a recorder runs already.
pub fn start_metrics() -> Result<PrometheusHandle, TelemetryError> {
    const SECONDS: &[f64] =
        &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0];
    let handle = PrometheusBuilder::new().set_buckets(SECONDS)?.install_recorder()?;
    metrics::describe_counter!("airside_rpc_total", "calls answered, by rpc and gRPC code");
    metrics::describe_histogram!("airside_rpc_seconds", "time to the response, or to a stream's first message");
    metrics::describe_counter!("airside_rows_total", "rows sent to consumers");
    metrics::describe_counter!("airside_bytes_total", "bytes of record batches sent to consumers");
    metrics::describe_counter!("airside_store_troubles_total", "requests of stores that failed, by store and kind");
    metrics::describe_counter!("airside_mesh_takeovers_total", "changed meshes taken over, by outcome");
    metrics::describe_counter!("airside_audit_records_total", "records written to the audit");
    metrics::describe_counter!("airside_audit_failures_total", "times that the audit could not be written");
    metrics::describe_gauge!("airside_datasets", "datasets served");
    metrics::describe_counter!("airside_streams_failed_total", "result streams broken off, by gRPC code");
    metrics::describe_gauge!("airside_datasets_unavailable", "datasets that cannot be read");
    Ok(handle)
}
