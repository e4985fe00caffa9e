//! Contracts: the Open Data Contract Standard 3.2.0, read strictly.
//!
//! ```text
//! text ──yaml──▶ tree with lines ──check (standard)──▶ valid ODCS ──reading (Airside's rules)──▶ Product
//! ```
//!
//! [`validate`] is the standard alone: it accepts and refuses what the official validator does. [`parse`] asks
//! for more, since a product that is served needs an address, columns of known types and a place of its files.
//! Both report every fault they find, with its line.

mod check;
mod faults;
mod reading;
mod shape;
mod spelling;
mod standard;
pub(crate) mod yaml;

use std::path::Path;

use crate::fault::Fault;
use crate::product::{Name, Product};
pub(crate) use faults::Faults;
pub(crate) use reading::{TABLE, argument};
use shape::Shape;
use yaml::Node;

/// Reads a contract that lies in the folder of `domain`. Its owner may be empty: the domain's stands in then.
///
/// # Errors
/// Every fault of the file, by line: against the standard, or against what Airside asks beyond it.
pub fn parse(file: &Path, text: &str, domain: &Name) -> Result<Product, Vec<Fault>> {
    let mut faults = Faults::of(file);
    let product = checked(text, &mut faults).and_then(|tree| reading::product(&tree, file, domain, &mut faults));
    match product {
        Some(product) if faults.is_empty() => Ok(product),
        _ => Err(faults.into_sorted()),
    }
}

/// The faults of a contract against the standard alone; none when it is valid.
pub fn validate(file: &Path, text: &str) -> Vec<Fault> {
    let mut faults = Faults::of(file);
    checked(text, &mut faults);
    faults.into_sorted()
}

/// The tree, as far as it can be read, with its departures from the standard reported.
fn checked(text: &str, faults: &mut Faults<'_>) -> Option<Node> {
    let tree = yaml::read(text, faults)?;
    check::check(&tree, &Shape::Object(&standard::CONTRACT), faults);
    Some(tree)
}

#[cfg(test)]
mod tests;
