//! The Cedar schema of one domain, generated from its contracts.
//!
//! One schema per domain, which its policies are validated in. Datasets of other domains appear as bare types, so
//! that a global policy may name them anywhere and still be checked here.
//!
//! And one per dataset, which decisions about it are made in: it has no more than its policies name. Every partial
//! evaluation checks its policies and its request against all that its schema has, so in a domain's schema a decision
//! would cost more with each product of the mesh.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::datatypes::DataType;

use super::vocabulary::{
    ANY_ROW, Action, COLUMN, DOMAIN, GROUP, PRODUCT, READ, ROW, USER, dataset_type, row_type, row_type_name,
};
use crate::principal::AttributeType;
use crate::product::{Name, Product};

/// How policies see a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    Decimal,
    Instant,
}

impl Kind {
    /// None for types whose values Cedar cannot hold exactly: policies cannot filter by them.
    pub(super) fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Self::Text),
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32 => Some(Self::Number),
            DataType::Boolean => Some(Self::Flag),
            DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
                Some(Self::Decimal)
            }
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Some(Self::Instant),
            _ => None,
        }
    }

    /// The type's name in schema text; qualified, since a dataset may be called `datetime`.
    fn cedar(self) -> &'static str {
        match self {
            Self::Text => "__cedar::String",
            Self::Number => "__cedar::Long",
            Self::Flag => "__cedar::Bool",
            Self::Decimal => "__cedar::decimal",
            Self::Instant => "__cedar::datetime",
        }
    }
}

/// A column as an attribute of its dataset's row, over all versions of the dataset.
#[derive(Debug, Clone)]
pub(super) struct RowColumn {
    pub(super) kind: Kind,
    /// Whether a version lacks it or lets it be NULL.
    pub(super) optional: bool,
    /// Its types, one for each version that has it; several versions may agree on one.
    pub(super) data_types: BTreeMap<String, DataType>,
}

/// The columns of a dataset as policies see them, over all its versions.
#[derive(Debug, Clone, Default)]
pub(super) struct RowShape {
    /// The product the dataset belongs to.
    pub(super) products: BTreeSet<Name>,
    pub(super) columns: BTreeMap<String, RowColumn>,
    /// Columns no policy can filter by, with the reason.
    pub(super) unfilterable: BTreeMap<String, String>,
}

impl RowShape {
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column) || self.unfilterable.contains_key(column)
    }
}

/// What policies may name of one domain.
#[derive(Debug, Clone, Default)]
pub(super) struct DomainShape {
    pub(super) products: BTreeSet<Name>,
    pub(super) datasets: BTreeMap<Name, RowShape>,
}

impl DomainShape {
    /// Unites the versions of a domain's products.
    pub(super) fn of(products: &[Arc<Product>]) -> Self {
        let mut shape = Self::default();
        let mut versions: BTreeMap<&Name, usize> = BTreeMap::new();
        for product in products {
            shape.products.insert(product.id.name.clone());
            for dataset in &product.datasets {
                *versions.entry(&dataset.name).or_default() += 1;
                let row = shape.datasets.entry(dataset.name.clone()).or_default();
                row.products.insert(product.id.name.clone());
                for column in &dataset.columns {
                    let version = format!("{}@{}", product.id.name, product.version);
                    row.add(&column.name, &column.data_type, column.nullable, version);
                }
            }
        }
        for (name, row) in &mut shape.datasets {
            let all = versions.get(name).copied().unwrap_or_default();
            for column in row.columns.values_mut() {
                column.optional |= column.data_types.len() < all;
            }
        }
        shape
    }
}

impl RowShape {
    fn add(&mut self, name: &str, data_type: &DataType, nullable: bool, version: String) {
        if self.unfilterable.contains_key(name) {
            return;
        }
        let Some(kind) = Kind::of(data_type) else {
            self.columns.remove(name);
            self.unfilterable.insert(name.to_owned(), format!("policies cannot compare values of type {data_type}"));
            return;
        };
        if self.columns.get(name).is_some_and(|known| known.kind != kind) {
            self.columns.remove(name);
            self.unfilterable.insert(name.to_owned(), "its versions give it different types".to_owned());
            return;
        }
        let column = self.columns.entry(name.to_owned()).or_insert_with(|| RowColumn {
            kind,
            optional: false,
            data_types: BTreeMap::new(),
        });
        column.optional |= nullable;
        column.data_types.insert(version, data_type.clone());
    }
}

/// Writes the schema of `domain` (none: of a mesh without any), with other domains' datasets as bare types.
pub(super) fn schema_text(
    domain: Option<&Name>,
    shapes: &BTreeMap<Name, DomainShape>,
    attributes: &BTreeMap<String, AttributeType>,
) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write_schema(&mut text, domain, shapes, attributes);
    text
}

/// Of the shapes of a mesh, those of the datasets that are named, as domain and dataset.
pub(super) fn shapes_of(
    named: &BTreeSet<(Name, Name)>,
    shapes: &BTreeMap<Name, DomainShape>,
) -> BTreeMap<Name, DomainShape> {
    let mut some: BTreeMap<Name, DomainShape> = BTreeMap::new();
    for (domain, dataset) in named {
        if let Some(row) = shapes.get(domain).and_then(|shape| shape.datasets.get(dataset)) {
            some.entry(domain.clone()).or_default().datasets.insert(dataset.clone(), row.clone());
        }
    }
    some
}

fn write_schema(
    text: &mut String,
    domain: Option<&Name>,
    shapes: &BTreeMap<Name, DomainShape>,
    attributes: &BTreeMap<String, AttributeType>,
) -> std::fmt::Result {
    writeln!(text, "entity {GROUP} in [{GROUP}];")?;
    writeln!(text, "entity {DOMAIN};")?;
    writeln!(text, "entity {PRODUCT} in [{DOMAIN}];")?;
    writeln!(text, "entity {USER} in [{GROUP}] = {{")?;
    for (name, attribute) in attributes {
        let cedar = match attribute {
            AttributeType::Text => "__cedar::String",
            AttributeType::Number => "__cedar::Long",
            AttributeType::Flag => "__cedar::Bool",
            AttributeType::Texts => "Set<__cedar::String>",
        };
        writeln!(text, "  {}?: {cedar},", quoted(name))?;
    }
    writeln!(text, "}};")?;

    let mut own = Vec::new();
    let mut all = Vec::new();
    for (name, shape) in shapes {
        if shape.datasets.is_empty() {
            continue;
        }
        writeln!(text, "namespace {name} {{")?;
        for (dataset, row) in &shape.datasets {
            all.push(dataset_type(name, dataset));
            if Some(name) != domain {
                writeln!(text, "  entity {dataset} in [{PRODUCT}, {DOMAIN}];")?;
                continue;
            }
            own.push(dataset_type(name, dataset));
            writeln!(text, "  entity {} = {{", row_type_name(dataset))?;
            for (column, seen) in &row.columns {
                let optional = if seen.optional { "?" } else { "" };
                writeln!(text, "    {}{optional}: {},", quoted(column), seen.kind.cedar())?;
            }
            writeln!(text, "  }};")?;
            writeln!(text, "  entity {dataset} in [{PRODUCT}, {DOMAIN}] = {{")?;
            writeln!(text, "    classification: __cedar::String, tags: Set<__cedar::String>, owner: __cedar::String,")?;
            writeln!(text, "    {ROW}: {},", row_type(name, dataset))?;
            writeln!(text, "  }};")?;
        }
        writeln!(text, "}}")?;
    }
    let parents = [PRODUCT.to_owned(), DOMAIN.to_owned()].into_iter().chain(all).collect::<Vec<_>>().join(", ");
    writeln!(text, "entity {COLUMN} in [{parents}] = {{")?;
    writeln!(text, "  name: __cedar::String, classification: __cedar::String, tags: Set<__cedar::String>,")?;
    writeln!(text, "}};")?;

    writeln!(text, "action {READ};")?;
    for action in Action::ALL {
        let resources = match action {
            Action::Discover | Action::Query => own.join(", "),
            Action::ReadColumn | Action::ReadRaw | Action::ReadMasked => COLUMN.to_owned(),
            Action::Publish => PRODUCT.to_owned(),
            Action::Administer => format!("{PRODUCT}, {DOMAIN}"),
        };
        let group = if action.is_read() { format!(" in [{READ}]") } else { String::new() };
        if resources.is_empty() {
            writeln!(text, "action {action}{group};")?;
            continue;
        }
        writeln!(text, "action {action}{group} appliesTo {{")?;
        writeln!(text, "  principal: [{USER}, {DOMAIN}], resource: [{resources}],")?;
        writeln!(text, "  context: {{ purpose: __cedar::String, now: __cedar::datetime }},")?;
        writeln!(text, "}};")?;
    }
    Ok(())
}

/// An attribute's name as a string literal: columns may be called anything.
fn quoted(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    text.push('"');
    for c in name.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            c if c.is_control() => text.push_str(&c.escape_unicode().to_string()),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// The entity that stands for every row of a dataset, in Cedar text.
pub(super) fn row_entity(domain: &Name, dataset: &Name) -> (String, &'static str) {
    (row_type(domain, dataset), ANY_ROW)
}
