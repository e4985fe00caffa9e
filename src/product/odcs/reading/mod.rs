//! From a valid contract to a [`Product`]: what Airside asks beyond the standard.
//!
//! Everything that the standard checks has been reported by now, so a value of the wrong kind is passed
//! over here without another word; reading goes on as far as it can, for the sake of the other faults.

mod airside;
mod column;
mod keys;
mod physical;
mod queries;
mod servers;
mod table;
mod types;

pub(crate) use queries::argument;
pub(crate) use servers::TABLE;

use std::path::Path;
use std::sync::Arc;

use super::check::short;
use super::faults::Faults;
use super::yaml::{Map, Node};
use crate::product::{Lines, Name, Product, ProductId, Promise, Role, Status, Version};
use airside::{Place, Settings};

/// What a product or column without a classification is called.
const UNCLASSIFIED: &str = "unclassified";

/// Reads a contract; nothing when it cannot be made into a product, with the reason reported.
pub(super) fn product(tree: &Node, file: &Path, domain: &Name, faults: &mut Faults<'_>) -> Option<Product> {
    let contract = tree.map()?;
    api_version(contract, faults);
    in_domain(contract, domain, faults);
    airside::refuse_misplaced(tree, faults);

    let settings = Settings::read(contract, Place::Contract, faults);
    let classification = settings.classification.unwrap_or_else(|| UNCLASSIFIED.to_owned());
    let name = name(contract, faults);
    let version = version(contract, faults);
    let status = status(contract, faults);
    let datasets = table::datasets(contract, domain, &classification, faults);
    let queries = queries::queries(contract, name.as_ref(), datasets.as_deref().unwrap_or_default(), faults);

    Some(Product {
        id: ProductId { domain: domain.clone(), name: name? },
        version: version?,
        status: status?,
        default_version: settings.default_version,
        title: contract.text("name").map(str::to_owned),
        description: contract.map("description").and_then(|about| about.text("purpose")).map(str::to_owned),
        classification,
        tags: contract.texts("tags").map(str::to_owned).collect(),
        owner: owner(contract).unwrap_or_default(),
        purposes: settings.purposes,
        roles: roles(contract),
        datasets: datasets?.into_iter().map(Arc::new).collect(),
        queries: queries?.into_iter().map(Arc::new).collect(),
        promises: promises(contract),
        support: support(contract),
        file: file.to_owned(),
        lines: lines(contract),
    })
}

/// The 3.2.0 schema also names the standard's second generation, whose contracts look otherwise.
fn api_version(contract: &Map, faults: &mut Faults<'_>) {
    if let Some(version) = contract.text("apiVersion").filter(|version| version.starts_with("v2")) {
        let reason = format!("`{}` of the standard is not read", short(version));
        faults.advise(contract.line_of("apiVersion"), reason, "write the contract in `apiVersion: v3.2.0`");
    }
}

fn in_domain(contract: &Map, domain: &Name, faults: &mut Faults<'_>) {
    match contract.get("domain") {
        None => faults.advise(contract.line, "the contract names no domain", format!("add `domain: {domain}`")),
        Some(node) => {
            if let Some(text) = node.text().filter(|text| *text != domain.as_str()) {
                let reason =
                    format!("the contract is of domain `{}` but lies in the folder of `{domain}`", short(text));
                faults.advise(node.line, reason, format!("write `domain: {domain}`, or move the file"));
            }
        }
    }
}

/// The product's name: `dataProduct`, else the contract's `name`.
fn name(contract: &Map, faults: &mut Faults<'_>) -> Option<Name> {
    let key = if contract.get("dataProduct").is_some() { "dataProduct" } else { "name" };
    let Some(node) = contract.get(key) else {
        faults.advise(
            contract.line,
            "the contract names no product",
            "add `dataProduct:` with the name in its address",
        );
        return None;
    };
    let text = node.text()?;
    match Name::parse(text) {
        Ok(name) => Some(name),
        Err(error) => {
            faults.advise(node.line, format!("the product's name: {error}"), proposed_name("dataProduct", text));
            None
        }
    }
}

/// `write dataProduct: customer_lifetime_value`, made of what the author wrote.
fn proposed_name(key: &str, text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let proposal = words.collect::<Vec<_>>().join("_").to_ascii_lowercase();
    match Name::parse(&proposal) {
        Ok(name) => format!("write `{key}: {name}`"),
        Err(_) => format!("choose another `{key}`"),
    }
}

fn version(contract: &Map, faults: &mut Faults<'_>) -> Option<Version> {
    let node = contract.get("version")?;
    let parsed = Version::parse(node.text()?);
    parsed.map_err(|error| faults.add(node.line, error.to_string())).ok()
}

fn status(contract: &Map, faults: &mut Faults<'_>) -> Option<Status> {
    const HINT: &str = "write one of `proposed`, `draft`, `active`, `deprecated`, `retired`";
    let Some(node) = contract.get("status") else {
        faults.advise(contract.line, "the contract has no status", HINT);
        return None;
    };
    match node.text()? {
        "proposed" | "draft" => Some(Status::Draft),
        "active" => Some(Status::Active),
        "deprecated" => Some(Status::Deprecated),
        "retired" => Some(Status::Retired),
        other => {
            faults.advise(node.line, format!("`{}` is not a status", short(other)), HINT);
            None
        }
    }
}

/// The team's name, else its member who is the owner.
fn owner(contract: &Map) -> Option<String> {
    let team = contract.get("team")?;
    let members = team.list().or_else(|| team.map()?.get("members")?.list()).unwrap_or_default();
    let named = team.map().and_then(|team| team.text("name"));
    let owning = || members.iter().filter_map(Node::map).find(|member| is_owner(member))?.text("username");
    named.or_else(owning).map(str::to_owned)
}

fn is_owner(member: &Map) -> bool {
    member.text("role").is_some_and(|role| role.eq_ignore_ascii_case("owner")) && member.get("dateOut").is_none()
}

/// Words for an access that reads, as contracts write them.
const READING: [&str; 6] = ["read", "select", "query", "readonly", "read-only", "read_only"];

/// What stands under `roles`. The standard leaves the words of `access` open: what says nothing of reading is
/// taken as another kind of role, such as one that writes.
fn roles(contract: &Map) -> Vec<Role> {
    let role = |item: &Map| {
        let words = item.text("access").map(|access| {
            access.split(|c: char| c == ',' || c == '/' || c.is_whitespace()).map(str::to_lowercase).collect::<Vec<_>>()
        });
        let reads = words.is_none_or(|words| words.iter().any(|word| READING.contains(&word.as_str())));
        Some(Role { name: item.text("role")?.to_owned(), reads, line: item.line_of("role") })
    };
    contract.maps("roles").filter_map(role).collect()
}

fn lines(contract: &Map) -> Lines {
    let mut lines = Lines::new(contract.line_of("version"), contract.line_of("status"));
    for table in contract.maps("schema") {
        let Some(dataset) = table.text("name") else { continue };
        lines.add_dataset(dataset, table.line_of("name"));
        for column in table.maps("properties") {
            if let Some(name) = column.text("name") {
                lines.add_column(dataset, name, column.line_of("name"));
            }
        }
    }
    lines
}

fn promises(contract: &Map) -> Vec<Promise> {
    let everywhere = contract.text("slaDefaultElement");
    let promise = |item: &Map| {
        Some(Promise {
            property: item.text("property")?.to_owned(),
            value: item.get("value")?.written()?,
            unit: item.text("unit").map(str::to_owned),
            element: item.text("element").or(everywhere).map(str::to_owned),
        })
    };
    contract.maps("slaProperties").filter_map(promise).collect()
}

fn support(contract: &Map) -> Vec<(String, Option<String>)> {
    let channel = |item: &Map| Some((item.text("channel")?.to_owned(), item.text("url").map(str::to_owned)));
    contract.maps("support").filter_map(channel).collect()
}
