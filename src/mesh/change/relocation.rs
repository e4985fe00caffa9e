//! Pointing a contract at another place of its files, by changing nothing else of its text.
//!
//! The text is not understood but tried: of every place where the old location stands, or stands with `{model}` for the
//! table, the one is changed after which the contract means exactly what is wanted. So comments, quotes, anchors and
//! the order of keys stay as they are, and what cannot be changed so is left to its author.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use super::FileEdit;
use crate::mesh::Domain;
use crate::mesh::config::as_url;
use crate::product::odcs::{self, TABLE};
use crate::product::{Location, Name, Origin, Product};

/// Where the datasets of a contract are to be read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The location as the contract means it now.
    pub from: String,
    /// As it shall mean it.
    pub to: String,
}

/// Why a contract cannot be pointed elsewhere.
#[derive(Debug, Error)]
pub enum RelocationError {
    /// The contract is not in a folder of this machine.
    #[error("`{}` lies in an object store: change it where it is kept, and let it be published", .0.display())]
    Remote(PathBuf),
    /// It cannot be read.
    #[error("`{}` cannot be read: {cause}", file.display())]
    Read {
        /// The contract.
        file: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// It is not what was loaded.
    #[error("`{}` has changed in the meantime: start again", .0.display())]
    Changed(PathBuf),
    /// No change of one place does it.
    #[error("`{}` cannot be changed by itself: write `{to}` where it means `{from}`", file.display())]
    ByHand {
        /// The contract.
        file: PathBuf,
        /// The old location.
        from: String,
        /// The new one.
        to: String,
    },
}

/// A contract's text with other locations, and the lines that differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocation {
    /// The change of its file.
    pub edit: FileEdit,
    /// The lines, counted from 1.
    pub lines: Vec<usize>,
}

impl Relocation {
    /// Points datasets of a product's contract at other places. `moved` says what a text that stands for an old location
    /// becomes, given what stands in it for the dataset's name.
    ///
    /// # Errors
    /// [`RelocationError`]; nothing is written.
    pub fn plan(
        domain: &Domain,
        product: &Product,
        moves: &BTreeMap<Name, Move>,
        moved: &dyn Fn(&Name, &str, &str) -> String,
    ) -> Result<Self, RelocationError> {
        let file = &product.file;
        if as_url(&domain.place).is_some() {
            return Err(RelocationError::Remote(file.clone()));
        }
        let before = fs::read_to_string(file).map_err(|cause| RelocationError::Read { file: file.clone(), cause })?;
        let changed = || RelocationError::Changed(file.clone());
        let read = |text: &str| odcs::parse(file, text, &domain.name).ok();
        let mut now = read(&before).ok_or_else(changed)?;
        let is_as_loaded = |dataset: &Arc<crate::product::Dataset>| product.datasets.contains(dataset);
        if now.version != product.version || !now.datasets.iter().all(is_as_loaded) {
            return Err(changed());
        }
        let mut text = before.clone();
        let mut lines = Vec::new();
        for (name, Move { from, to }) in moves {
            if location(&now, name) == Some(to) {
                // Changed along with another dataset of the same server.
                continue;
            }
            let found = tries(&text, from).into_iter().find_map(|Try { at, length, token }| {
                let old = text.get(at..at + length)?;
                let new = moved(name, old, token.unwrap_or(name.as_str()));
                let changed = format!("{}{new}{}", &text[..at], &text[at + length..]);
                let product = read(&changed)?;
                let wanted = meaning(&now, &product, moves);
                (location(&product, name) == Some(to) && product == wanted).then_some((at, changed, product))
            });
            let by_hand = || RelocationError::ByHand { file: file.clone(), from: from.clone(), to: to.clone() };
            let (at, changed, product) = found.ok_or_else(by_hand)?;
            lines.push(text.get(..at).unwrap_or_default().matches('\n').count() + 1);
            (text, now) = (changed, product);
        }
        let edit = FileEdit { file: file.clone(), before: Some(before), after: Some(text) };
        Ok(Self { edit, lines })
    }
}

fn location<'a>(product: &'a Product, dataset: &Name) -> Option<&'a String> {
    match &product.dataset(dataset.as_str())?.origin {
        Origin::Files(Location { url, .. }) => Some(url),
        Origin::Derived { .. } => None,
    }
}

/// The product as it was, but that datasets which `changed` reads from where they shall be are read from there.
fn meaning(before: &Product, changed: &Product, moves: &BTreeMap<Name, Move>) -> Product {
    let mut wanted = before.clone();
    for dataset in &mut wanted.datasets {
        let Some(Move { to, .. }) = moves.get(&dataset.name) else { continue };
        let moved = location(changed, &dataset.name) == Some(to);
        if let (true, Origin::Files(Location { server, .. })) = (moved, &dataset.origin) {
            let mut other = dataset.as_ref().clone();
            other.origin = Origin::Files(Location { url: to.clone(), server: server.clone() });
            *dataset = Arc::new(other);
        }
    }
    wanted
}

/// A stretch of the text that may stand for a location.
struct Try {
    at: usize,
    length: usize,
    /// What stands in it for the dataset's name, if that is not the name.
    token: Option<&'static str>,
}

fn tries(text: &str, location: &str) -> Vec<Try> {
    let plain = text.match_indices(location).map(|(at, found)| Try { at, length: found.len(), token: None });
    let patterns = text.match_indices(TABLE).filter_map(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + TABLE.len()..]);
        let cuts = || location.char_indices().map(|(at, _)| at).chain([location.len()]);
        let head = cuts().rev().find(|cut| before.ends_with(&location[..*cut]))?;
        let tail = cuts().find(|cut| *cut > head && after.starts_with(&location[*cut..]))?;
        let length = head + TABLE.len() + (location.len() - tail);
        Some(Try { at: at - head, length, token: Some(TABLE) })
    });
    plain.chain(patterns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTRACT: &str = "# reads data/orders/*.parquet
apiVersion: v3.2.0
kind: DataContract
id: sales.orders
version: 1.0.0
status: active
domain: sales
dataProduct: orders
servers:
  - {server: old, type: local, path: data/orders/*.parquet, format: parquet}   # data/orders/*.parquet
  - server: storage
    type: local
    path: PLACE
    format: parquet
  - {server: flight, type: custom, customProperties: [{property: physicalServer, value: storage}]}
schema:
  - name: orders
    logicalType: object
    properties: [{name: id, logicalType: integer}]
";

    const SECOND: &str = "  - {name: lines, logicalType: object, properties: [{name: id, logicalType: integer}]}\n";

    fn relocated(contract: &str, datasets: &[&str]) -> Result<String, RelocationError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("orders.odcs.yaml");
        fs::write(&file, contract).unwrap();
        let name = Name::parse("sales").unwrap();
        let product = odcs::parse(&file, contract, &name).unwrap();
        let domain = Domain {
            name,
            owner: String::new(),
            contact: None,
            support: None,
            description: None,
            place: folder.path().display().to_string(),
            data: String::new(),
            products: Vec::new(),
            index: Default::default(),
            tests: Vec::new(),
        };
        let moved = |_: &Name, old: &str, _: &str| old.replace("/*.parquet", "-new/");
        let moves = datasets.iter().map(|name| {
            let name = Name::parse(name).unwrap();
            let from = location(&product, &name).unwrap().clone();
            let to = moved(&name, &from, "");
            (name, Move { from, to })
        });
        let found = Relocation::plan(&domain, &product, &moves.collect(), &moved)?;
        let after = found.edit.after.unwrap();
        let changed = contract.lines().zip(after.lines()).enumerate().filter(|(_, (old, new))| old != new);
        assert_eq!(changed.clone().map(|(at, _)| at + 1).collect::<Vec<_>>(), found.lines);
        Ok(changed.map(|(_, (_, new))| new.trim()).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn only_the_location_that_is_read_changes() {
        for (written, expected) in [
            ("data/orders/*.parquet", "path: data/orders-new/"),
            ("'data/orders/*.parquet'  # here", "path: 'data/orders-new/'  # here"),
            ("\"data/{model}/*.parquet\"", "path: \"data/{model}-new/\""),
        ] {
            assert_eq!(relocated(&CONTRACT.replace("PLACE", written), &["orders"]).unwrap(), expected);
        }
        let several = format!("{CONTRACT}{SECOND}").replace("PLACE", "'data/{model}/*.parquet'");
        assert_eq!(relocated(&several, &["lines", "orders"]).unwrap(), "path: 'data/{model}-new/'");
    }

    #[test]
    fn what_would_change_more_is_left_to_its_author() {
        // The other dataset would be read from elsewhere as well.
        let several = format!("{CONTRACT}{SECOND}").replace("PLACE", "'data/{model}/*.parquet'");
        assert!(matches!(relocated(&several, &["orders"]), Err(RelocationError::ByHand { .. })));
        let escaped = CONTRACT.replace("PLACE", "\"data/\\x6frders/*.parquet\"");
        assert!(matches!(relocated(&escaped, &["orders"]), Err(RelocationError::ByHand { .. })));
    }
}
