//! What the standard lacks and Airside needs: custom properties named `airside.…`, each in its place.

use std::collections::BTreeSet;

use super::super::check::short;
use super::super::faults::Faults;
use super::super::spelling::nearest;
use super::super::yaml::{Map, Node, Value};
use crate::product::{Mask, is_purpose};

const PREFIX: &str = "airside.";
const MASK_DEFAULT: &str = "airside.maskDefault";
const CLASSIFICATION: &str = "airside.classification";
const DEFAULT_VERSION: &str = "airside.defaultVersion";
const QUERY: &str = "airside.query";
const PURPOSES: &str = "airside.purposes";
/// What `super::queries` reads.
pub(super) const QUERIES: &str = "airside.queries";

/// Where in a contract a custom property stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// At the left margin.
    Contract,
    /// In an item of `schema`.
    Table,
    /// In a column of a table.
    Column,
    /// Anywhere else.
    Elsewhere,
}

/// The properties, each with the place it has and what it is for.
const PROPERTIES: [(&str, Place, &str); 6] = [
    (CLASSIFICATION, Place::Contract, "the contract"),
    (DEFAULT_VERSION, Place::Contract, "the contract"),
    (PURPOSES, Place::Contract, "the contract"),
    (QUERIES, Place::Contract, "the contract"),
    (QUERY, Place::Table, "a table"),
    (MASK_DEFAULT, Place::Column, "a column of a table"),
];

/// The settings of one place; what is not said is absent.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub classification: Option<String>,
    pub default_version: bool,
    /// The purposes one of which consumers must state.
    pub purposes: BTreeSet<String>,
    /// SQL over other datasets, for a derived table.
    pub query: Option<String>,
    /// The mask, and the line of its value.
    pub mask_default: Option<(Mask, u32)>,
}

impl Settings {
    /// Reads the `customProperties` of `owner`, which stands at `place`.
    pub fn read(owner: &Map, place: Place, faults: &mut Faults<'_>) -> Self {
        let mut settings = Self::default();
        for (name, value) in properties(owner) {
            if name == QUERIES || !PROPERTIES.iter().any(|(known, home, _)| *known == name && *home == place) {
                continue;
            }
            let wrong = match (name, &value.value) {
                (CLASSIFICATION, Value::Text(text)) if !text.trim().is_empty() => {
                    settings.classification = Some(text.clone());
                    continue;
                }
                (CLASSIFICATION, _) => "a word, such as `confidential`",
                (DEFAULT_VERSION, Value::Flag(flag)) => {
                    settings.default_version = *flag;
                    continue;
                }
                (DEFAULT_VERSION, _) => "true or false",
                (QUERY, Value::Text(text)) if !text.trim().is_empty() => {
                    settings.query = Some(text.clone());
                    continue;
                }
                (QUERY, _) => "a SELECT statement",
                (PURPOSES, Value::Text(_)) => {
                    settings.purposes.extend(purpose(value, faults));
                    continue;
                }
                (PURPOSES, Value::List(items)) if !items.is_empty() => {
                    for item in items {
                        match purpose(item, faults) {
                            Some(purpose) if settings.purposes.contains(&purpose) => {
                                faults.advise(item.line, format!("the purpose `{purpose}` is given twice"), "keep one");
                            }
                            Some(purpose) => drop(settings.purposes.insert(purpose)),
                            None => {}
                        }
                    }
                    continue;
                }
                (PURPOSES, Value::List(_)) => {
                    faults.advise(
                        value.line,
                        format!("`{PURPOSES}` lists no purpose"),
                        "name at least one, or leave the property out: then none is asked for",
                    );
                    continue;
                }
                (PURPOSES, _) => "a purpose or a list of purposes",
                (_, Value::Null) => {
                    settings.mask_default = Some((Mask::Null, value.line));
                    continue;
                }
                (_, Value::Text(text)) => {
                    match text.parse() {
                        Ok(mask) => settings.mask_default = Some((mask, value.line)),
                        Err(error) => faults.add(value.line, format!("{error}")),
                    }
                    continue;
                }
                (_, _) => "the name of a mask",
            };
            faults.add(value.line, format!("`{name}` must be {wrong}, not {}", value.kind()));
        }
        settings
    }
}

fn purpose(node: &Node, faults: &mut Faults<'_>) -> Option<String> {
    const HINT: &str = "a purpose is 1 to 64 lowercase letters, digits, `-` and `_`, such as `audit`";
    match node.text() {
        Some(text) if is_purpose(text) => Some(text.to_owned()),
        Some(text) => {
            faults.advise(node.line, format!("`{}` is no purpose", short(text)), HINT);
            None
        }
        None => {
            faults.advise(node.line, format!("a purpose is text, not {}", node.kind()), HINT);
            None
        }
    }
}

/// A plain custom property of `owner`, by name.
pub(super) fn custom_text<'a>(owner: &'a Map, name: &str) -> Option<(&'a str, u32)> {
    properties(owner).find(|(known, _)| *known == name).and_then(|(_, node)| Some((node.text()?, node.line)))
}

/// A custom property of `owner`, by name.
pub(super) fn property<'a>(owner: &'a Map, name: &str) -> Option<&'a Node> {
    properties(owner).find(|(known, _)| *known == name).map(|(_, node)| node)
}

fn properties(owner: &Map) -> impl Iterator<Item = (&str, &Node)> {
    owner.maps("customProperties").filter_map(|property| Some((property.text("property")?, property.get("value")?)))
}

/// Reports every `airside.…` property that is unknown, given twice, or stands where it has no effect: an
/// owner who wrote a mask must not learn from a leak that nobody read it.
pub(super) fn refuse_misplaced(tree: &Node, faults: &mut Faults<'_>) {
    visit(tree, Place::Contract, faults);
}

fn visit(node: &Node, place: Place, faults: &mut Faults<'_>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| visit(item, place, faults)),
        Value::Map(map) => {
            check_properties(map, place, faults);
            for entry in &map.entries {
                let key = entry.key.text().unwrap_or_default();
                let inner = match (place, key) {
                    (Place::Contract, "schema") => Place::Table,
                    (Place::Table, "properties") => Place::Column,
                    _ => Place::Elsewhere,
                };
                visit(&entry.value, inner, faults);
            }
        }
        _ => {}
    }
}

fn check_properties(owner: &Map, place: Place, faults: &mut Faults<'_>) {
    let mut seen: Vec<&str> = Vec::new();
    for property in owner.maps("customProperties") {
        let Some(name) = property.text("property").filter(|name| is_ours(name)) else { continue };
        let line = property.line_of("property");
        match PROPERTIES.iter().find(|(known, _, _)| *known == name) {
            Some((_, home, _)) if *home == place => {
                if seen.contains(&name) {
                    faults.advise(line, format!("`{name}` is given twice"), "keep one of them");
                }
                seen.push(name);
            }
            Some((_, _, home)) => {
                let reason = format!("`{name}` has no effect here");
                let hint = match (name, place) {
                    (CLASSIFICATION, Place::Column) => {
                        "a column has the standard's own key: `classification`".to_owned()
                    }
                    (MASK_DEFAULT, Place::Elsewhere) => {
                        "a mask covers a whole column: put it on the column of the table".to_owned()
                    }
                    _ => format!("it belongs into the `customProperties` of {home}"),
                };
                faults.advise(line, reason, hint);
            }
            None => {
                let reason = format!("`{}` is no property that Airside knows", short(name));
                let known = PROPERTIES.iter().map(|(known, _, _)| *known);
                let hint = match nearest(name, known.clone()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("write one of `{}`", known.collect::<Vec<_>>().join("`, `")),
                };
                faults.advise(line, reason, hint);
            }
        }
    }
}

/// Whether a property claims to be Airside's, however it is capitalised.
fn is_ours(name: &str) -> bool {
    name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}
