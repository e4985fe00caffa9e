//! The tables of a contract: items of `schema` made into datasets.

use super::super::check::short;
use super::super::faults::Faults;
use super::super::yaml::{Map, Node};
use super::airside::{Place, Settings};
use super::servers::Servers;
use super::{column, keys, proposed_name};
use crate::product::{Dataset, Name, Origin, QualityRule};

/// Every dataset, or nothing when one of them cannot be read.
pub(super) fn datasets(
    contract: &Map,
    domain: &Name,
    classification: &str,
    faults: &mut Faults<'_>,
) -> Option<Vec<Dataset>> {
    let tables = contract.items("schema");
    if tables.is_empty() {
        let hint = "add `schema:` with one item per table, and its columns under `properties`";
        faults.advise(contract.line_of("schema"), "the contract describes no table", hint);
        return None;
    }
    let servers = Servers::read(contract, faults);
    let mut names: Vec<Name> = Vec::new();
    let mut read = Vec::new();
    for table in tables.iter().filter_map(Node::map) {
        let name = name(table, &names, faults);
        names.extend(name.clone());
        read.push(dataset(table, name, tables.len(), &servers, classification, faults));
    }
    // Foreign keys come last: they may refer to any table of the contract.
    let mut datasets: Vec<Dataset> = read.into_iter().collect::<Option<_>>()?;
    let tables: Vec<&Map> = tables.iter().filter_map(Node::map).collect();
    for (at, table) in tables.iter().enumerate() {
        let foreign = keys::foreign_keys(table, at, &tables, &datasets, domain, faults);
        if let Some(dataset) = datasets.get_mut(at) {
            dataset.foreign_keys = foreign;
        }
    }
    Some(datasets)
}

fn dataset(
    table: &Map,
    name: Option<Name>,
    siblings: usize,
    servers: &Servers<'_>,
    classification: &str,
    faults: &mut Faults<'_>,
) -> Option<Dataset> {
    if table.text("logicalType") == Some("blob") {
        faults.advise(
            table.line_of("logicalType"),
            "a blob has no rows to serve",
            "describe a table: `logicalType: object`",
        );
    }
    let columns = column::columns(table, classification, faults);
    let settings = Settings::read(table, Place::Table, faults);
    let origin = match settings.query {
        Some(sql) => Some(Origin::Derived { sql }),
        None => servers.location(table, siblings, faults).map(Origin::Files),
    };
    Some(Dataset {
        name: name?,
        description: table.text("description").map(str::to_owned),
        primary_key: keys::primary_key(table),
        columns: columns?,
        foreign_keys: Vec::new(),
        quality: quality(table),
        origin: origin?,
    })
}

/// The checks of the table and of its columns.
fn quality(table: &Map) -> Vec<QualityRule> {
    let rules = |owner: &Map, column: Option<&str>| -> Vec<QualityRule> {
        let rule = |check: &Map| QualityRule {
            // A check that says neither is one of the library, by the standard's default.
            kind: check.text("metric").or(check.text("type")).unwrap_or("library").to_owned(),
            column: column.map(str::to_owned),
        };
        owner.maps("quality").map(rule).collect()
    };
    let columns = table.maps("properties").flat_map(|column| rules(column, column.text("name")));
    rules(table, None).into_iter().chain(columns).collect()
}

fn name(table: &Map, taken: &[Name], faults: &mut Faults<'_>) -> Option<Name> {
    let node = table.get("name")?;
    let text = node.text()?;
    let name = match Name::parse(text) {
        Ok(name) => name,
        Err(error) => {
            faults.advise(node.line, format!("the table's name: {error}"), proposed_name("name", text));
            return None;
        }
    };
    if taken.contains(&name) {
        faults.add(node.line, format!("the contract has two tables named `{}`", short(text)));
        return None;
    }
    Some(name)
}
