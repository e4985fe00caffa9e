//! The `[mesh]` section of the configuration.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use url::Url;

/// Where the mesh is read from.
///
/// ```toml
/// [mesh]
/// name = "mesh"
/// roots = ["mesh"]                       # folders that hold governance/ and domains/
/// governance = "../governance"           # or: the governance folder itself
///
/// [mesh.domains.sales]
/// root = "../sales"                      # the domain's folder itself, when it lies in no root
/// data = "s3://bucket/sales/"            # what its contracts may read below
/// ```
///
/// A root is a folder or the URL of an object store prefix.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeshConfig {
    /// The mesh's name: the catalog in SQL.
    pub name: String,
    /// Folders or URLs that hold `governance/`, `domains/<domain>/`, or both.
    pub roots: Vec<String>,
    /// A folder or URL that is the governance itself.
    pub governance: Option<String>,
    /// What the platform says of single domains.
    pub domains: BTreeMap<String, DomainConfig>,
}

/// What the platform says of a domain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DomainConfig {
    /// A folder or URL that is the domain's folder itself.
    pub root: Option<String>,
    /// The folder or URL below which the domain's contracts may read; its own folder when absent.
    pub data: Option<String>,
}

impl Default for MeshConfig {
    fn default() -> Self {
        Self { name: "mesh".into(), roots: Vec::new(), governance: None, domains: BTreeMap::new() }
    }
}

impl MeshConfig {
    /// Makes relative paths relative to `base`, the folder of the configuration file.
    pub fn resolve_against(&mut self, base: &Path) {
        let resolve = |place: &mut String| {
            if as_url(place).is_none() {
                *place = base.join(&*place).to_string_lossy().into_owned();
            }
        };
        self.roots.iter_mut().for_each(resolve);
        self.governance.iter_mut().for_each(resolve);
        for domain in self.domains.values_mut() {
            domain.root.iter_mut().for_each(resolve);
            domain.data.iter_mut().for_each(resolve);
        }
    }

    /// Whether a part of the mesh lies in an object store, where nothing says that it changed.
    pub fn has_remote_root(&self) -> bool {
        let domains = self.domains.values().filter_map(|domain| domain.root.as_ref());
        self.roots.iter().chain(&self.governance).chain(domains).any(|place| as_url(place).is_some())
    }
}

/// A place as a URL; none for a path.
pub(super) fn as_url(place: &str) -> Option<Url> {
    if !place.contains("://") {
        return None;
    }
    Url::parse(place).ok()
}
