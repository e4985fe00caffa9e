//! From addresses to datasets: the one function every way of asking goes through.

use std::sync::Arc;

use super::index::Versions;
use super::{Domain, Mesh};
use crate::product::{Address, Dataset, NamedQuery, Product};

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
    pub(super) fn resolve(&self, address: &Address) -> Option<(&Arc<Product>, &Arc<Dataset>)> {
        let asked = address.version.as_ref();
        if let Some(versions) = self.index.product(&address.name) {
            let product = versions.answering(asked)?;
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
        let product = self.index.with_dataset(&address.name)?.answering(asked)?;
        Some((product, product.dataset(address.name.as_str())?))
    }

    /// A product and its query, or the query by itself: as for datasets, either name tells.
    pub(super) fn resolve_query(&self, address: &Address) -> Option<(&Arc<Product>, &Arc<NamedQuery>)> {
        let (versions, query) = match &address.part {
            Some(part) => (self.index.product(&address.name)?, part),
            None => (self.index.with_query(&address.name)?, &address.name),
        };
        let product = versions.answering(address.version.as_ref())?;
        Some((product, product.query(query.as_str())?))
    }

    /// Every dataset of the domain under every name it is served by.
    pub fn served(&self) -> impl Iterator<Item = Served<'_>> {
        let answers = self.index.products().flat_map(Versions::answers);
        answers
            .flat_map(|(product, major)| product.datasets.iter().map(move |dataset| Served { product, dataset, major }))
    }

    fn served_queries(&self) -> impl Iterator<Item = ServedQuery<'_>> {
        // The default version answers under its major as well: the shorter name is enough.
        let shortest = self.index.products().flat_map(|versions| {
            let default = versions.answering(None);
            let is_default = move |product| default.is_some_and(|default| Arc::ptr_eq(default, product));
            versions.answers().into_iter().filter(move |(product, major)| major.is_none() || !is_default(product))
        });
        shortest
            .flat_map(|(product, major)| product.queries.iter().map(move |query| ServedQuery { product, query, major }))
    }
}
