//! Which datasets an address means here, and who else reads their files.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::gateway::DatasetKey;
use crate::mesh::{Domain, Mesh};
use crate::product::{Address, Dataset, Location, Origin, Product};
use crate::source::rewrite::{Neighbour, same_place};

/// A dataset over files, of one version of a product.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub product: Arc<Product>,
    pub dataset: Arc<Dataset>,
    pub data_root: String,
}

impl Subject {
    fn new(domain: &Domain, product: &Arc<Product>, dataset: &Arc<Dataset>) -> Self {
        Self { product: Arc::clone(product), dataset: Arc::clone(dataset), data_root: domain.data.clone() }
    }

    /// Its location as its contract means it.
    pub fn location(&self) -> Option<&str> {
        match &self.dataset.origin {
            Origin::Files(Location { url, .. }) => Some(url),
            Origin::Derived { .. } => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        DatasetKey::new(&self.product, &self.dataset).fmt(f)
    }
}

/// What an address means: one dataset, or all of a product that has several.
pub(super) fn subjects(mesh: &Mesh, address: &Address) -> Result<Vec<Subject>, Box<dyn Error>> {
    let domain = mesh.domains().get(&address.domain).ok_or_else(|| {
        let names: Vec<String> = mesh.domains().keys().map(|name| format!("`{name}`")).collect();
        format!("the mesh has no domain `{}`; its domains are {}", address.domain, names.join(", "))
    })?;
    let versions =
        || domain.products.iter().filter(|product| product.id.name == address.name && address.part.is_none());
    // A product of several is addressed by each of them; they are all of one version.
    let first = versions().find_map(|product| {
        let part = Some(product.datasets.first()?.name.clone());
        mesh.resolve(&Address { part, ..address.clone() })
    });
    let found: Vec<Subject> = match (first, mesh.resolve(address)) {
        (Some((product, _)), _) => product.datasets.iter().map(|each| Subject::new(domain, &product, each)).collect(),
        (None, Some((product, dataset))) => vec![Subject::new(domain, &product, &dataset)],
        (None, None) => {
            let served: Vec<String> =
                domain.served().map(|served| format!("`{}.{}`", domain.name, served.table())).collect();
            return Err(format!(
                "the domain `{}` serves no `{address}`\n    hint: it serves {}",
                domain.name,
                served.join(", ")
            )
            .into());
        }
    };
    let (files, derived): (Vec<Subject>, Vec<Subject>) = found.into_iter().partition(|each| each.location().is_some());
    match (files.is_empty(), derived.first()) {
        (true, Some(derived)) => {
            Err(format!("`{derived}` is derived from other datasets: it has no files of its own to write anew").into())
        }
        _ => Ok(files),
    }
}

/// Every location of the mesh, served or not.
pub(super) fn neighbours(mesh: &Mesh) -> Vec<Neighbour> {
    let location = |of: Subject| Some(Neighbour { location: of.location()?.to_owned(), data_root: of.data_root });
    let mut all: Vec<Neighbour> = all(mesh).filter_map(location).collect();
    all.sort_by(|a, b| (&a.data_root, &a.location).cmp(&(&b.data_root, &b.location)));
    all.dedup();
    all
}

/// Everything that reads the same files by its words, the subject among it.
pub(super) fn readers(mesh: &Mesh, subject: &Subject) -> Vec<Subject> {
    let Some(location) = subject.location() else { return Vec::new() };
    let same = |other: &Subject| {
        other.location().is_some_and(|theirs| same_place(&subject.data_root, location, &other.data_root, theirs))
    };
    all(mesh).filter(same).collect()
}

fn all(mesh: &Mesh) -> impl Iterator<Item = Subject> {
    let of_product = |domain, product: &Arc<Product>| {
        product.datasets.iter().map(|dataset| Subject::new(domain, product, dataset)).collect::<Vec<_>>()
    };
    mesh.domains()
        .values()
        .flat_map(move |domain| domain.products.iter().flat_map(move |product| of_product(domain, product)))
        .collect::<Vec<_>>()
        .into_iter()
}
