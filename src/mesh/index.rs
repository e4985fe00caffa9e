//! The products of a domain by name, so that no look-up goes through all of them: a listing of n products looks n times.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::product::{Name, Product, VersionRequirement};

/// Where the products of a domain, their datasets and their named queries are found. Made once, with the domain.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    products: BTreeMap<Name, Versions>,
    /// The product that a dataset's name is of.
    datasets: HashMap<Name, Name>,
    /// The product that a named query's name is of.
    queries: HashMap<Name, Name>,
}

/// The versions of one product.
#[derive(Debug, Clone, Default)]
pub(super) struct Versions {
    /// Those that are served, the highest first.
    served: Vec<Arc<Product>>,
}

impl Index {
    pub(super) fn of(products: &[Arc<Product>]) -> Self {
        let mut index = Self::default();
        for product in products {
            let name = &product.id.name;
            let versions = index.products.entry(name.clone()).or_default();
            versions.served.extend(product.is_served().then(|| Arc::clone(product)));
            for dataset in &product.datasets {
                index.datasets.entry(dataset.name.clone()).or_insert_with(|| name.clone());
            }
            for query in &product.queries {
                index.queries.entry(query.name.clone()).or_insert_with(|| name.clone());
            }
        }
        index
            .products
            .values_mut()
            .for_each(|versions| versions.served.sort_by_key(|product| Reverse(product.version)));
        index
    }

    /// Every product, by name: drafts and retired ones too, which have no version that is served.
    pub(super) fn products(&self) -> impl Iterator<Item = &Versions> {
        self.products.values()
    }

    /// The product of this name.
    pub(super) fn product(&self, name: &Name) -> Option<&Versions> {
        self.products.get(name)
    }

    /// The product that has a dataset of this name.
    pub(super) fn with_dataset(&self, name: &Name) -> Option<&Versions> {
        self.product(self.datasets.get(name)?)
    }

    /// The product that has a named query of this name.
    pub(super) fn with_query(&self, name: &Name) -> Option<&Versions> {
        self.product(self.queries.get(name)?)
    }
}

impl Versions {
    /// The version that answers: the highest that was asked for, else the default.
    pub(super) fn answering(&self, asked: Option<&VersionRequirement>) -> Option<&Arc<Product>> {
        match (asked, &self.served[..]) {
            (Some(asked), versions) => versions.iter().find(|product| asked.matches(&product.version)),
            (None, [only]) => Some(only),
            (None, versions) => versions.iter().find(|product| product.default_version),
        }
    }

    /// The versions that answer: first the owner's default, then the highest of each major.
    pub(super) fn answers(&self) -> Vec<(&Arc<Product>, Option<u64>)> {
        let mut answers: Vec<(&Arc<Product>, Option<u64>)> = Vec::new();
        answers.extend(self.answering(None).map(|product| (product, None)));
        for product in &self.served {
            let major = product.version.major;
            if !answers.iter().any(|(_, known)| *known == Some(major)) {
                answers.push((product, Some(major)));
            }
        }
        answers
    }
}
