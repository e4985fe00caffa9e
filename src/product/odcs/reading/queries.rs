//! `airside.queries`: the questions that a contract answers by name, each with its parameters.

use super::super::check::{check, short};
use super::super::faults::Faults;
use super::super::shape::{List, Object, Shape, may, must};
use super::super::yaml::{Map, Node, Value};
use super::airside::{QUERIES, property};
use super::types;
use crate::product::{Argument, Dataset, Name, NamedQuery, Parameter, ParameterType};

/// Most queries of a contract, and most parameters of a query.
const MOST: usize = 100;

static SHAPE: Shape = Shape::List(&List { item: Shape::Object(&QUERY), least: 1, most: MOST, distinct: false });

static QUERY: Object = Object::new(
    "a named query",
    &[
        must("name", Shape::Text),
        may("description", Shape::Text),
        may(
            "parameters",
            Shape::List(&List { item: Shape::Object(&PARAMETER), least: 0, most: MOST, distinct: false }),
        ),
        must("sql", Shape::Text),
    ],
);

static PARAMETER: Object = Object::new(
    "a parameter",
    &[
        must("name", Shape::Text),
        may("description", Shape::Text),
        may("logicalType", Shape::Word(&["string", "integer", "number", "boolean", "date", "timestamp"])),
        may("physicalType", Shape::Text),
        may("default", Shape::Scalar),
    ],
);

/// The queries of a contract; nothing, with the reason reported, when one of them cannot be read.
pub(super) fn queries(
    contract: &Map,
    product: Option<&Name>,
    datasets: &[Dataset],
    faults: &mut Faults<'_>,
) -> Option<Vec<NamedQuery>> {
    let Some(value) = property(contract, QUERIES) else { return Some(Vec::new()) };
    check(value, &SHAPE, faults);
    let mut taken: Vec<Name> = Vec::new();
    let items = value.list()?.iter().filter_map(Node::map);
    let read: Vec<Option<NamedQuery>> = items
        .map(|item| {
            let name = name(item, "query", faults);
            if let Some(name) = &name {
                let line = item.line_of("name");
                let other = if product == Some(name) {
                    Some("its product has")
                } else if datasets.iter().any(|dataset| dataset.name == *name) {
                    Some("a table of the contract has")
                } else if taken.contains(name) {
                    Some("another query has")
                } else {
                    None
                };
                if let Some(other) = other {
                    let reason = format!("the query `{name}` has a name that {other}");
                    faults.advise(line, reason, "names are unique in their domain: rename the query");
                }
                taken.push(name.clone());
            }
            query(item, name, faults)
        })
        .collect();
    read.into_iter().collect()
}

fn query(item: &Map, name: Option<Name>, faults: &mut Faults<'_>) -> Option<NamedQuery> {
    let mut taken: Vec<Name> = Vec::new();
    let parameters: Vec<Option<Parameter>> = item
        .maps("parameters")
        .map(|parameter| {
            let name = self::name(parameter, "parameter", faults);
            if let Some(name) = &name {
                if taken.contains(name) {
                    let reason = format!("the query has two parameters named `{name}`");
                    faults.advise(parameter.line_of("name"), reason, "rename one");
                }
                taken.push(name.clone());
            }
            self::parameter(parameter, name, faults)
        })
        .collect();
    let sql = item.text("sql")?;
    let line = item.line_of("sql");
    if sql.trim().is_empty() {
        faults.advise(line, "the query's SQL is empty", "write a SELECT; `$name` stands for an argument");
        return None;
    }
    Some(NamedQuery {
        name: name?,
        description: item.text("description").map(str::to_owned),
        parameters: parameters.into_iter().collect::<Option<_>>()?,
        sql: sql.to_owned(),
        line,
    })
}

fn parameter(item: &Map, name: Option<Name>, faults: &mut Faults<'_>) -> Option<Parameter> {
    let shown = item.text("name").map(short).unwrap_or_default();
    if item.get("logicalType").is_none() && item.get("physicalType").is_none() {
        let hint = "add `logicalType:`, and `physicalType:` where that leaves a choice, as for a column";
        faults.advise(item.line, format!("the parameter `{shown}` has no type"), hint);
        return None;
    }
    let data_type = types::data_type(item, faults)?;
    let Some(data_type) = ParameterType::new(data_type) else {
        let line = item.line_of(if item.get("physicalType").is_some() { "physicalType" } else { "logicalType" });
        let reason = format!("the parameter `{shown}` cannot be of this type");
        faults.advise(line, reason, "a parameter is a text, a number, true or false, a date or a timestamp");
        return None;
    };
    let default = item.get("default").map(|node| (argument(node), node.line));
    let default = match default {
        Some((Some(argument), line)) => {
            if data_type.fits(&argument).is_err() {
                let reason = format!("the default of the parameter `{shown}` is no {data_type}");
                faults.advise(line, reason, "write texts, dates and timestamps in quotes; leave it out to ask for one");
            }
            Some(argument)
        }
        _ => None,
    };
    let description = item.text("description").map(str::to_owned);
    Some(Parameter { name: name?, description, data_type, default })
}

/// A scalar as an argument. A collection has been reported.
pub(crate) fn argument(node: &Node) -> Option<Argument> {
    match &node.value {
        Value::Null => Some(Argument::Null),
        Value::Flag(flag) => Some(Argument::Flag(*flag)),
        Value::Number(number) => Some(Argument::Number(number.text.clone())),
        Value::Text(text) => Some(Argument::Text(text.clone())),
        Value::List(_) | Value::Map(_) => None,
    }
}

fn name(item: &Map, what: &str, faults: &mut Faults<'_>) -> Option<Name> {
    let node = item.get("name")?;
    let text = node.text()?;
    match Name::parse(text) {
        Ok(name) => Some(name),
        Err(error) => {
            faults.advise(node.line, format!("the {what}'s name: {error}"), super::proposed_name("name", text));
            None
        }
    }
}
