//! `airside check --against`: do the contracts keep what their consumers were promised?

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use super::opened::block_on;
use super::serve::Faults;
use crate::config::Config;
use crate::fault::Fault;
use crate::gateway;
use crate::mesh;
use crate::product::{self, Compatibility, Product};
use crate::source::Stores;

/// Compares the contracts of two configurations. Where the new ones have faults of their own, only those are told.
///
/// # Errors
/// When the old ones cannot be read, or there are none.
pub fn configurations(old: &Path, new: &Path) -> Result<Compatibility, Box<dyn Error>> {
    compare(old, contracts(old)?, contracts(new)?)
}

/// Compares the contracts of two folders of one domain.
///
/// # Errors
/// As [`configurations`].
pub fn domains(old: &Path, new: &Path) -> Result<Compatibility, Box<dyn Error>> {
    compare(old, mesh::load_domain_contracts(old, new), mesh::load_domain_contracts(new, new))
}

type Contracts = Result<Vec<Arc<Product>>, Vec<Fault>>;

fn compare(place: &Path, old: Contracts, new: Contracts) -> Result<Compatibility, Box<dyn Error>> {
    let old = old.map_err(|faults| {
        format!("the contracts of `{}` cannot be compared with:\n{}", place.display(), Faults(faults))
    })?;
    if old.is_empty() {
        return Err(format!("`{}` holds no contracts to compare with", place.display()).into());
    }
    // What keeps the new ones from being read has been told.
    Ok(new.map(|new| product::compare(&old, &new)).unwrap_or_default())
}

fn contracts(file: &Path) -> Result<Contracts, Box<dyn Error>> {
    block_on(async {
        let config = Config::load(file)?;
        let stores = Stores::with_limits(&config.stores, &config.base, config.sources)?;
        Ok(gateway::load_contracts(&config.mesh, &stores).await)
    })
}
