//! The demo mesh: five domains over TPC-H data, with contracts, policies and users, so that a newcomer
//! sees everything Airside does without owning any data.
//!
//! The mesh itself (contracts, policies, principals) is the example configuration in `config/`, embedded
//! word for word; only the data, the credentials and the keys are made here. What is made is kept: a
//! second start finds a complete mesh and leaves it alone, edited policies included.

mod assets;
mod error;
mod generate;
mod layout;
mod marker;
mod people;
mod snippets;
mod tables;

pub use error::DemoError;
pub use generate::{Generated, generate, progress_bar};
pub use people::{Person, people};
pub use snippets::announcement;

use std::path::PathBuf;

/// The scale of the data when none is asked for: 600 000 line items.
pub const DEFAULT_SCALE: f64 = 0.1;

/// Where a demo mesh of `scale` is kept when nobody says where: in the user's cache folder.
///
/// # Errors
/// [`DemoError::NoFolder`] when the environment names none. There is no falling back to a folder that others may
/// write to: a mesh holds policies.
pub fn default_dir(scale: f64) -> Result<PathBuf, DemoError> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = if cfg!(windows) {
        absolute("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        absolute("HOME").map(|home| home.join("Library").join("Caches"))
    } else {
        absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))
    };
    Ok(cache.ok_or(DemoError::NoFolder)?.join("airside").join(format!("demo-{scale}")))
}

#[cfg(test)]
mod tests;
