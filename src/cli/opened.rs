//! A mesh opened for looking at, without serving it.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use super::serve::Faults;
use crate::audit::Audit;
use crate::authn::Authenticator;
use crate::config::Config;
use crate::gateway::{self, Gateway};
use crate::query::{Engine, MaskKey};
use crate::seal::SealKeys;
use crate::source::{History, Stores};

/// The gateway of a configuration, and who its users are.
pub struct Opened {
    pub gateway: Gateway,
    pub authenticator: Authenticator,
}

/// Opens what a configuration names, its data included; a dataset that cannot be opened is told on standard error. The
/// audit is left alone: no consumer reads.
pub async fn open(file: &Path) -> Result<Opened, Box<dyn Error>> {
    let config = Config::load(file)?;
    let stores = Stores::with_limits(&config.stores, &config.base, config.sources)?;
    let mesh = gateway::load(&config.mesh, &stores).await.map_err(Faults)?;
    let authenticator = Authenticator::new(&config.authn, &config.base, SealKeys::ephemeral()).map_err(Faults)?;
    let engine = Engine::new(&config.query, MaskKey::random())?;
    let (kept, history) = (Duration::from_secs(60), History::off());
    let gateway = Gateway::open(mesh, stores, engine, config.limits, kept, history, Audit::off()).await;
    for trouble in gateway.troubles() {
        eprintln!("warning: {trouble}");
    }
    Ok(Opened { gateway, authenticator })
}

/// Runs a command that waits for stores and queries.
pub fn block_on<T>(work: impl Future<Output = Result<T, Box<dyn Error>>>) -> Result<T, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_timeout(Duration::from_secs(2));
    outcome
}
