//! The catalog one caller sees: what it may discover, and of that what it may read.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use chrono::Utc;

use super::Gateway;
use super::column::{ToldColumn, of_grant};
use super::question::Caller;
use crate::mesh::Served;
use crate::policy::{Decision, Grant};
use crate::product::{Address, Dataset, Product, VersionRequirement};

/// A dataset that a caller may discover.
pub struct Listing {
    /// Its shortest address.
    pub address: Address,
    /// Its names in SQL, without the domain: `orders`, `orders_v2`.
    pub tables: Vec<String>,
    /// The contract version.
    pub product: Arc<Product>,
    /// The dataset.
    pub dataset: Arc<Dataset>,
    /// What may be read of it; none when it may only be known of.
    pub grant: Option<Grant>,
}

impl Listing {
    /// The domain's name.
    pub fn domain(&self) -> &str {
        self.address.domain.as_str()
    }

    /// The schema the caller would get; empty when it may not read.
    pub fn schema(&self) -> SchemaRef {
        self.grant.as_ref().map_or_else(|| Arc::new(Schema::empty()), Grant::schema)
    }

    /// What the caller is told of each column of the schema, under the name `table`.
    pub fn columns(&self, table: &str) -> Vec<Option<ToldColumn>> {
        let told = |grant| of_grant(grant, self.domain(), table).into_iter().map(|(_, column)| Some(column)).collect();
        self.grant.as_ref().map(told).unwrap_or_default()
    }
}

impl Gateway {
    /// Every dataset the caller may discover, by domain, name and version.
    pub fn catalog(&self, caller: &Caller) -> Vec<Listing> {
        let published = self.published.load();
        let mesh = published.mesh();
        let now = Utc::now();
        // The names of one dataset follow each other, the shortest first.
        let mut listings: Vec<Listing> = Vec::new();
        for served in mesh.served() {
            if let Some(last) = listings.last_mut()
                && Arc::ptr_eq(&last.dataset, served.dataset)
            {
                last.tables.push(served.table());
                continue;
            }
            let decision =
                mesh.policies().decide(&caller.principal, &caller.purpose, served.product, served.dataset, now);
            let grant = match decision {
                Decision::Permit(grant) => Some(grant),
                Decision::PurposeNeeded(_) | Decision::Discoverable => None,
                Decision::Hidden => continue,
            };
            listings.push(Listing {
                address: address(&served),
                tables: vec![served.table()],
                product: Arc::clone(served.product),
                dataset: Arc::clone(served.dataset),
                grant,
            });
        }
        listings.sort_by_cached_key(|listing| listing.address.path());
        listings
    }
}

/// The address of a dataset under one of its names.
fn address(served: &Served<'_>) -> Address {
    let product = served.product;
    Address {
        domain: product.id.domain.clone(),
        name: product.id.name.clone(),
        version: served.major.map(|major| VersionRequirement { major, minor: None, patch: None }),
        part: (product.datasets.len() > 1).then(|| served.dataset.name.clone()),
    }
}
