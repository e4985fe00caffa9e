//! From addresses to datasets: the one function every way of asking goes through.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Domain, Mesh};
use crate::product::{Address, Dataset, Name, NamedQuery, Product, VersionRequirement};

/// A dataset under one of the names it is served by.
#[derive(Debug, Clone, Copy)]
pub struct Served<'a> {
    /// The product version that answers.
    pub product: &'a Arc<Product>,
    /// The dataset.
    pub dataset: &'a Arc<Dataset>,
    /// The major version the name asks for; none for the name that follows the owner's default.
    pub major: Option<u64>,
}

/// A named query under the shortest name it is served by.
#[derive(Debug, Clone, Copy)]
pub struct ServedQuery<'a> {
    /// The product version that answers.
    pub product: &'a Arc<Product>,
    /// The query.
    pub query: &'a Arc<NamedQuery>,
    /// The major version the name asks for; none for the name that follows the owner's default.
    pub major: Option<u64>,
}

impl Served<'_> {
    /// The table's name in SQL: `orders`, or `orders_v2`.
    pub fn table(&self) -> String {
        match self.major {
            Some(major) => format!("{}_v{major}", self.dataset.name),
            None => self.dataset.name.to_string(),
        }
    }
}

impl Mesh {
    /// The dataset an address names, and the product version it is answered from. Whether the asker may know
    /// of it is another question.
    pub fn resolve(&self, address: &Address) -> Option<(Arc<Product>, Arc<Dataset>)> {
        let domain = self.domains.get(&address.domain)?;
        let (product, dataset) = domain.resolve(address)?;
        Some((Arc::clone(product), Arc::clone(dataset)))
    }

    /// The named query an address names, and the product version it is of. Whether the asker may know of it is
    /// another question.
    pub fn resolve_query(&self, address: &Address) -> Option<(Arc<Product>, Arc<NamedQuery>)> {
        let domain = self.domains.get(&address.domain)?;
        let (product, query) = domain.resolve_query(address)?;
        Some((Arc::clone(product), Arc::clone(query)))
    }

    /// Every named query under the shortest name it is served by.
    pub fn served_queries(&self) -> impl Iterator<Item = ServedQuery<'_>> {
        self.domains.values().flat_map(Domain::served_queries)
    }

    /// Every dataset under every name it is served by: its own, and one for each major version.
    pub fn served(&self) -> impl Iterator<Item = Served<'_>> {
        self.domains.values().flat_map(Domain::served)
    }
}

impl Domain {
    /// The served versions of a product, the highest first.
    fn versions(&self, name: &Name) -> Vec<&Arc<Product>> {
        let mut found: Vec<_> =
            self.products.iter().filter(|product| product.id.name == *name && product.is_served()).collect();
        found.sort_by_key(|product| std::cmp::Reverse(product.version));
        found
    }

    /// The version that answers: the highest that was asked for, else the default.
    fn answering(&self, name: &Name, asked: Option<&VersionRequirement>) -> Option<&Arc<Product>> {
        let versions = self.versions(name);
        match (asked, &versions[..]) {
            (Some(asked), versions) => versions.iter().find(|product| asked.matches(&product.version)).copied(),
            (None, [only]) => Some(only),
            (None, versions) => versions.iter().find(|product| product.default_version).copied(),
        }
    }

    fn is_default(&self, product: &Arc<Product>) -> bool {
        self.answering(&product.id.name, None).is_some_and(|default| Arc::ptr_eq(default, product))
    }

    pub(super) fn resolve(&self, address: &Address) -> Option<(&Arc<Product>, &Arc<Dataset>)> {
        let asked = address.version.as_ref();
        let is_product = self.products.iter().any(|product| product.id.name == address.name);
        if is_product {
            let product = self.answering(&address.name, asked)?;
            let dataset = match (&address.part, &product.datasets[..]) {
                (Some(part), _) => product.dataset(part.as_str())?,
                (None, [only]) => only,
                (None, _) => product.dataset(address.name.as_str())?,
            };
            return Some((product, dataset));
        }
        if address.part.is_some() {
            return None;
        }
        let owner = self.products.iter().find(|product| product.dataset(address.name.as_str()).is_some())?;
        let product = self.answering(&owner.id.name, asked)?;
        Some((product, product.dataset(address.name.as_str())?))
    }

    /// A product and its query, or the query by itself: as for datasets, either name tells.
    pub(super) fn resolve_query(&self, address: &Address) -> Option<(&Arc<Product>, &Arc<NamedQuery>)> {
        let (product, query) = match &address.part {
            Some(part) => (&address.name, part),
            None => {
                let owner = self.products.iter().find(|product| product.query(address.name.as_str()).is_some())?;
                (&owner.id.name, &address.name)
            }
        };
        let product = self.answering(product, address.version.as_ref())?;
        Some((product, product.query(query.as_str())?))
    }

    /// Every dataset of the domain under every name it is served by.
    pub fn served(&self) -> impl Iterator<Item = Served<'_>> {
        self.answers()
            .flat_map(|(product, major)| product.datasets.iter().map(move |dataset| Served { product, dataset, major }))
    }

    fn served_queries(&self) -> impl Iterator<Item = ServedQuery<'_>> {
        // The default version answers under its major as well: the shorter name is enough.
        let shortest = self.answers().filter(|(product, major)| major.is_none() || !self.is_default(product));
        shortest
            .flat_map(|(product, major)| product.queries.iter().map(move |query| ServedQuery { product, query, major }))
    }

    /// The versions that answer, of each product first the owner's default, then the highest of each major.
    fn answers(&self) -> impl Iterator<Item = (&Arc<Product>, Option<u64>)> {
        let names: BTreeSet<&Name> = self.products.iter().map(|product| &product.id.name).collect();
        names.into_iter().flat_map(|name| {
            let mut answers: Vec<(&Arc<Product>, Option<u64>)> = Vec::new();
            answers.extend(self.answering(name, None).map(|product| (product, None)));
            for product in self.versions(name) {
                let major = product.version.major;
                if !answers.iter().any(|(_, known)| *known == Some(major)) {
                    answers.push((product, Some(major)));
                }
            }
            answers
        })
    }
}
