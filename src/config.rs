//! The configuration file: each module defines its own section, here they are put together and checked once.
//!
//! TOML, with any value overridden by an environment variable: `AIRSIDE_FLIGHT__ADDR` stands for `addr` in `[flight]`.
//! Secrets are named, never written: `env:NAME` or `file:PATH`. Relative paths start at the file's folder.

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Toml};
use serde::Deserialize;
use thiserror::Error;

use crate::audit::{AuditConfig, Destination};
use crate::authn::AuthnConfig;
use crate::mesh::MeshConfig;
use crate::query::{EngineConfig, Limits, MaskConfig};
use crate::serve::flight::{FlightConfig, TicketConfig};
use crate::serve::http::HttpConfig;
use crate::serve::{TlsConfig, WebhookConfig};
use crate::source::{HistoryConfig, SourceLimits, StoresConfig};
use crate::telemetry::LogConfig;

/// Everything a gateway is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The mesh and where its parts lie.
    pub mesh: MeshConfig,
    /// Who may come in.
    #[serde(default)]
    pub authn: AuthnConfig,
    /// The gRPC listeners.
    #[serde(default)]
    pub flight: FlightConfig,
    /// The HTTP listener.
    #[serde(default)]
    pub http: HttpConfig,
    /// TLS for all of them.
    pub tls: Option<TlsConfig>,
    /// Object stores and their credentials.
    #[serde(default)]
    pub stores: StoresConfig,
    /// What opening a dataset may take.
    #[serde(default)]
    pub sources: SourceLimits,
    /// When files are looked at again.
    #[serde(default)]
    pub data: DataConfig,
    /// What is kept of snapshots that were replaced.
    #[serde(default)]
    pub snapshots: HistoryConfig,
    /// The engine's means.
    #[serde(default)]
    pub query: EngineConfig,
    /// What a statement may be.
    #[serde(default)]
    pub limits: Limits,
    /// Who is told of new snapshots.
    #[serde(default)]
    pub webhooks: Vec<WebhookConfig>,
    /// Tickets, handles and the keys that seal them.
    #[serde(default)]
    pub tickets: TicketConfig,
    /// The masks' keys.
    #[serde(default)]
    pub masks: MaskConfig,
    /// Who reads what, on record. Without this section nothing is.
    pub audit: Option<AuditConfig>,
    /// Logs.
    #[serde(default)]
    pub log: LogConfig,
    /// How the process ends.
    #[serde(default)]
    pub drain: DrainConfig,
    /// The folder that relative paths start at.
    #[serde(skip)]
    pub base: PathBuf,
}

/// The section `[data]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// Seconds between two looks at the products' files.
    pub refresh_seconds: u64,
    /// Seconds that a look waits for stores. What has not answered by then is taken over when it has; its datasets go on
    /// as they were.
    pub patience_seconds: u64,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { refresh_seconds: 60, patience_seconds: 10 }
    }
}

/// The section `[drain]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DrainConfig {
    /// Seconds that streams under way have to end after SIGTERM.
    pub seconds: u64,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self { seconds: 30 }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file is not there.
    #[error("cannot read the configuration `{}`: no such file", .0.display())]
    Missing(PathBuf),
    /// A value is missing, unknown or of a wrong type.
    #[error("the configuration `{}` is not valid: {reason}", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// What figment says of it.
        reason: Box<figment::Error>,
    },
    /// Two settings do not go together.
    #[error("the configuration `{}` contradicts itself: {reason}", file.display())]
    Contradiction {
        /// The file.
        file: PathBuf,
        /// Which settings.
        reason: &'static str,
    },
}

impl Config {
    /// Reads the file, then the environment.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        Self::from_figment(file, Figment::new().merge(Toml::file_exact(file)).merge(environment()))
    }

    fn from_figment(file: &Path, figment: Figment) -> Result<Self, ConfigError> {
        if !file.is_file() {
            return Err(ConfigError::Missing(file.to_owned()));
        }
        let mut config: Self = figment
            .extract()
            .map_err(|reason| ConfigError::Invalid { file: file.to_owned(), reason: Box::new(reason) })?;
        config.base = file.parent().map(Path::to_owned).unwrap_or_default();
        config.root_paths();
        config.check().map_err(|reason| ConfigError::Contradiction { file: file.to_owned(), reason })?;
        Ok(config)
    }

    /// Refuses settings that would be believed in force without being so.
    fn check(&self) -> Result<(), &'static str> {
        let asks_for_certificates = self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        if self.authn.mtls.is_some() && !asks_for_certificates {
            return Err("`authn.mtls` names callers by their certificates, but `tls.client_ca` is not set");
        }
        if self.tls.as_ref().is_some_and(|tls| tls.client_certificate_required) && !asks_for_certificates {
            return Err("`tls.client_certificate_required` needs `tls.client_ca`");
        }
        if self.audit.is_none() && self.flight.is_beyond_loopback() {
            return Err(
                "a gateway that listens beyond loopback says where its audit goes: write a section `[audit]`, \
                        be it `to = \"off\"`",
            );
        }
        if self.audit.as_ref().is_some_and(|audit| audit.to == Destination::Files && audit.key.is_none()) {
            return Err("`audit.key` must name a key: the chain of the audit's files goes on over restarts");
        }
        self.masks.check()
    }

    /// Makes relative paths start at the file's folder.
    fn root_paths(&mut self) {
        let base = &self.base;
        self.mesh.resolve_against(base);
        self.query.spill_dir = self.query.spill_dir.as_ref().map(|dir| base.join(dir));
        if let Some(audit) = &mut self.audit {
            audit.resolve_against(base);
        }
        if let Some(tls) = &mut self.tls {
            tls.certificate = base.join(&tls.certificate);
            tls.key = base.join(&tls.key);
            tls.client_ca = tls.client_ca.as_ref().map(|path| base.join(path));
        }
    }
}

fn environment() -> Env {
    // Without a section it is another program's, or a command line option's: AIRSIDE_CONFIG.
    Env::prefixed("AIRSIDE_").filter(|key| key.as_str().contains("__")).split("__")
}
