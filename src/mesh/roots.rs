//! From the configuration to the files of every root.

use std::path::Path;

use futures::future::join_all;

use super::bundle::{Bundles, Reading};
use super::config::{MeshConfig, as_url};
use super::folder;
use super::layout::Kind;
use super::store::{self, OpenStore};
use crate::fault::Fault;

/// A place the configuration names.
struct Root<'a> {
    kind: Kind,
    place: &'a str,
    domain: Option<&'a str>,
}

fn roots(config: &MeshConfig) -> Vec<Root<'_>> {
    let mesh = config.roots.iter().map(|place| Root { kind: Kind::Mesh, place, domain: None });
    let governance = config.governance.iter().map(|place| Root { kind: Kind::Governance, place, domain: None });
    let domains = config.domains.iter().filter_map(|(name, domain)| {
        domain.root.as_deref().map(|place| Root { kind: Kind::Domain, place, domain: Some(name) })
    });
    mesh.chain(governance).chain(domains).collect()
}

/// The local folders among the roots.
pub(super) fn folders(config: &MeshConfig) -> Vec<(&Path, Kind)> {
    let local = roots(config).into_iter().filter(|root| as_url(root.place).is_none());
    local.map(|root| (Path::new(root.place), root.kind)).collect()
}

/// Reads every root; each must be a folder.
pub(super) fn read_folders(config: &MeshConfig) -> Bundles {
    let mut bundles = Bundles::default();
    for root in roots(config) {
        let reading = match as_url(root.place) {
            None => folder::read(Path::new(root.place), root.kind),
            Some(_) => Reading {
                faults: vec![Fault::new(root.place, "a root in an object store cannot be read here")],
                ..Reading::default()
            },
        };
        bundles.add(root.kind, root.place, root.domain, reading);
    }
    bundles
}

/// Reads every root: folders, and prefixes of the stores that `open` opens, all at once, so that several that hang are
/// waited for no longer than one.
pub(super) async fn read(config: &MeshConfig, open: OpenStore<'_>) -> Bundles {
    let read = roots(config).into_iter().map(|root| async move {
        let reading = match as_url(root.place) {
            None => folder::read(Path::new(root.place), root.kind),
            Some(url) => store::read(&url, root.kind, open).await,
        };
        (root, reading)
    });
    let mut bundles = Bundles::default();
    for (root, reading) in join_all(read).await {
        bundles.add(root.kind, root.place, root.domain, reading);
    }
    bundles
}
