//! The mesh: what the platform and the domains wrote, read as one.
//!
//! ```text
//! MeshConfig ──roots──▶ files ──sort──▶ bundles (governance, one per domain)
//!            bundles ──load──▶ contracts, directory, policies, standards ──▶ Mesh
//! ```
//!
//! Reading is apart from understanding: a root becomes a set of files in memory first, from a local folder or
//! an object store alike, so all rules are about texts and one digest names what was read. A [`Mesh`] is
//! immutable; [`Watcher`] says when another should be loaded.

mod advice;
mod bundle;
mod change;
mod config;
mod domain;
mod folder;
mod index;
mod layout;
mod load;
mod names;
mod policy_test;
mod resolve;
mod roots;
mod standards;
mod store;
mod toml_table;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::authn::Directory;
use crate::fault::Fault;
use crate::policy::Policies;
use crate::product::Name;

pub use advice::KnownGroups;
pub use change::{Asked, Change, ChangeError, FileEdit, Move, Outcome, Relocation, RelocationError};
pub use config::{DomainConfig, MeshConfig};
pub use domain::Domain;
pub use load::{load_contracts, load_domain, load_domain_contracts, load_domain_edited};
pub use policy_test::{Denial, Expectation, PolicyTest, TestPrincipal, TestSubject};
pub use resolve::{Served, ServedQuery};
pub use store::{OpenStore, RootStore};
pub use watch::{WatchConfig, WatchError, Watcher};

/// Everything that was read and found right, at one moment.
#[derive(Debug)]
pub struct Mesh {
    name: String,
    version: String,
    domains: BTreeMap<Name, Domain>,
    directory: Arc<Directory>,
    policies: Arc<Policies>,
    test_faults: Vec<Fault>,
}

impl Mesh {
    /// The mesh's name: the catalog in SQL.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A digest of every file that was read: two meshes of one version are the same.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The domains, by name.
    pub fn domains(&self) -> &BTreeMap<Name, Domain> {
        &self.domains
    }

    /// Who principals are: `governance/principals.toml`.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// What is wrong with the policy tests. It keeps nothing from being served.
    pub fn test_faults(&self) -> &[Fault] {
        &self.test_faults
    }

    /// What principals may see.
    pub fn policies(&self) -> &Arc<Policies> {
        &self.policies
    }
}

#[cfg(test)]
mod tests;
