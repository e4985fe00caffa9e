//! What must hold between the contracts of a domain.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fault::Fault;
use crate::product::{Name, Product};

/// Reports names that mean two things, versions that exist twice, and products whose default is unclear.
pub(super) fn check(products: &[Arc<Product>], faults: &mut Vec<Fault>) {
    let mut by_product: BTreeMap<&Name, Vec<&Product>> = BTreeMap::new();
    for product in products {
        by_product.entry(&product.id.name).or_default().push(product);
    }
    unique(products, &by_product, faults);
    unique_queries(products, &by_product, faults);
    for versions in by_product.values() {
        distinct_versions(versions, faults);
        one_default(versions, faults);
    }
}

/// A dataset's name is its own in the domain; only its own product may have the same.
fn unique(products: &[Arc<Product>], by_product: &BTreeMap<&Name, Vec<&Product>>, faults: &mut Vec<Fault>) {
    let mut owners: BTreeMap<&Name, &Product> = BTreeMap::new();
    for product in products {
        for dataset in &product.datasets {
            let first = *owners.entry(&dataset.name).or_insert(product);
            if first.id != product.id {
                let reason = format!("the dataset `{}` is also one of product `{}`", dataset.name, first.id.name);
                faults.push(Fault::new(&product.file, reason).hint("names are unique in their domain: rename one"));
            }
            if dataset.name != product.id.name && by_product.contains_key(&dataset.name) {
                let reason = format!("the dataset `{}` has the name of another product of the domain", dataset.name);
                faults.push(Fault::new(&product.file, reason).hint("names are unique in their domain: rename one"));
            }
        }
    }
}

/// A query's name is its own in the domain: no other product has a query or dataset of that name, none is called so.
fn unique_queries(products: &[Arc<Product>], by_product: &BTreeMap<&Name, Vec<&Product>>, faults: &mut Vec<Fault>) {
    let mut with_dataset: BTreeMap<&Name, &Product> = BTreeMap::new();
    for product in products {
        for dataset in &product.datasets {
            with_dataset.entry(&dataset.name).or_insert(product);
        }
    }
    let mut owners: BTreeMap<&Name, &Product> = BTreeMap::new();
    for product in products {
        for query in &product.queries {
            let first = *owners.entry(&query.name).or_insert(product);
            let reason = if first.id != product.id {
                format!("the query `{}` is also one of product `{}`", query.name, first.id.name)
            } else if by_product.contains_key(&query.name) {
                format!("the query `{}` has the name of a product of the domain", query.name)
            } else if let Some(other) = with_dataset.get(&query.name) {
                format!("the query `{}` has the name of a dataset of product `{}`", query.name, other.id.name)
            } else {
                continue;
            };
            let fault = Fault::new(&product.file, reason).at(query.line);
            faults.push(fault.hint("names are unique in their domain: rename one"));
        }
    }
}

fn distinct_versions(versions: &[&Product], faults: &mut Vec<Fault>) {
    for (at, product) in versions.iter().enumerate() {
        if let Some(first) = versions[..at].iter().find(|other| other.version == product.version) {
            let name = first.file.file_name().unwrap_or_default().to_string_lossy();
            let reason =
                format!("version {} of product `{}` exists twice, also in `{name}`", product.version, product.id.name);
            faults.push(Fault::new(&product.file, reason).hint("a change makes a new version"));
        }
    }
}

/// With several versions served, exactly one is marked as the default.
fn one_default(versions: &[&Product], faults: &mut Vec<Fault>) {
    const HINT: &str = "the version that answers the unversioned address has the custom property \
                        `airside.defaultVersion: true`, the others have not";
    let served: Vec<&&Product> = versions.iter().filter(|product| product.is_served()).collect();
    let marked: Vec<&&&Product> = served.iter().filter(|product| product.default_version).collect();
    match (&served[..], &marked[..]) {
        ([] | [_], _) | (_, [_]) => {}
        ([first, ..], []) => {
            let reason =
                format!("product `{}` serves {} versions, and none is the default", first.id.name, served.len());
            faults.push(Fault::new(&first.file, reason).hint(HINT));
        }
        (_, [first, others @ ..]) => {
            for other in others {
                let reason = format!(
                    "product `{}` has two default versions, {} and {}",
                    other.id.name, first.version, other.version
                );
                faults.push(Fault::new(&other.file, reason).hint(HINT));
            }
        }
    }
}
