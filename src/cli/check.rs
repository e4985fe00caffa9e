//! `airside check`: every fault of a mesh in one run, for owners and for their CI.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::audit::Audit;
use crate::authn::Authenticator;
use crate::config::Config;
use crate::fault::Fault;
use crate::gateway::{self, Gateway};
use crate::mesh;
use crate::query::{Engine, MaskKey};
use crate::seal::SealKeys;
use crate::source::Stores;

#[derive(Debug, Args)]
pub struct Check {
    /// The configuration file whose mesh is checked, data and all.
    #[arg(long, env = "AIRSIDE_CONFIG", default_value = "airside.toml", conflicts_with = "domain")]
    config: PathBuf,
    /// A domain's folder, checked by itself: its contracts and policies, not its data.
    #[arg(long, requires = "governance")]
    domain: Option<PathBuf>,
    /// The platform's governance folder that goes with `--domain`.
    #[arg(long, requires = "domain")]
    governance: Option<PathBuf>,
}

impl Check {
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let faults = match (&self.domain, &self.governance) {
            (Some(domain), Some(governance)) => mesh::load_domain(domain, governance).err().unwrap_or_default(),
            _ => {
                let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
                runtime.block_on(check_mesh(&self.config))?
            }
        };
        faults.iter().for_each(|fault| println!("{fault}"));
        match faults.len() {
            0 => {
                println!("no faults");
                Ok(())
            }
            1 => Err("1 fault".into()),
            n => Err(format!("{n} faults").into()),
        }
    }
}

/// The faults of a whole mesh: its contracts and policies, then its data.
async fn check_mesh(file: &Path) -> Result<Vec<Fault>, Box<dyn Error>> {
    let config = Config::load(file)?;
    let stores = Stores::with_limits(&config.stores, &config.base, config.sources)?;
    let mesh = match gateway::load(&config.mesh, &stores).await {
        Ok(mesh) => mesh,
        Err(faults) => return Ok(faults),
    };
    let mut faults = Authenticator::new(&config.authn, &config.base, SealKeys::ephemeral()).err().unwrap_or_default();
    let engine = Engine::new(&config.query, MaskKey::random())?;
    let gateway = Gateway::open(mesh, stores, engine, config.limits, Duration::ZERO, Audit::off()).await;
    faults.extend(gateway.troubles().iter().map(|trouble| Fault::new(&trouble.file, trouble.to_string())));
    Ok(faults)
}
