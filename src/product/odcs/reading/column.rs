//! The columns of a table.

use std::collections::HashSet;

use super::super::check::short;
use super::super::faults::Faults;
use super::super::yaml::{Map, Node};
use super::airside::{Place, Settings};
use super::types;
use crate::product::Column;

/// Every column, or nothing when one of them cannot be read.
pub(super) fn columns(table: &Map, classification: &str, faults: &mut Faults<'_>) -> Option<Vec<Column>> {
    let items = table.items("properties");
    if items.is_empty() {
        let hint = "list its columns under `properties`";
        faults.advise(table.line_of("properties"), "the table has no columns", hint);
        return None;
    }
    let mut taken = HashSet::new();
    let read: Vec<_> = items
        .iter()
        .filter_map(Node::map)
        .map(|item| {
            if let Some(node) = item.get("name") {
                check_name(node, &mut taken, faults);
            }
            column(item, classification, faults)
        })
        .collect();
    read.into_iter().collect()
}

fn column(item: &Map, classification: &str, faults: &mut Faults<'_>) -> Option<Column> {
    let data_type = types::data_type(item, faults);
    let settings = Settings::read(item, Place::Column, faults);
    if let (Some((mask, line)), Some(data_type)) = (&settings.mask_default, &data_type)
        && !mask.accepts(data_type)
    {
        let reason = format!("the mask `{mask}` is not defined on a column of type {}", types::shown(data_type));
        faults.advise(*line, reason, "`null` masks any type, `year` dates and timestamps, the others text");
    }
    let name = item.text("name")?.to_owned();
    if let Some(physical) = item.get("physicalName") {
        check_characters(physical, "physical name", faults);
    }
    Some(Column {
        physical_name: item.text("physicalName").unwrap_or(&name).to_owned(),
        name,
        data_type: data_type?,
        nullable: item.flag("required") != Some(true),
        unique: item.flag("unique") == Some(true),
        description: item.text("description").map(str::to_owned),
        classification: item.text("classification").unwrap_or(classification).to_owned(),
        tags: item.texts("tags").map(str::to_owned).collect(),
        mask_default: settings.mask_default.map(|(mask, _)| mask),
    })
}

/// SQL compares unquoted names without regard to case, so two columns must differ in more than that.
pub(super) fn check_name(node: &Node, taken: &mut HashSet<String>, faults: &mut Faults<'_>) {
    check_characters(node, "name", faults);
    if let Some(text) = node.text()
        && !taken.insert(text.to_lowercase())
    {
        let reason = format!("there is another column named `{}`", short(text));
        faults.advise(node.line, reason, "names that differ in case only count as the same");
    }
}

fn check_characters(node: &Node, what: &str, faults: &mut Faults<'_>) {
    const LONGEST: usize = 255;
    let Some(text) = node.text() else { return };
    if text.is_empty() {
        faults.add(node.line, format!("the {what} of a column is empty"));
    } else if text.chars().any(char::is_control) {
        faults.add(node.line, format!("the {what} of a column holds a control character"));
    } else if text.len() > LONGEST {
        faults.add(node.line, format!("the {what} of a column is longer than {LONGEST} bytes"));
    }
}
