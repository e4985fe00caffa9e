//! The metadata of a result's columns: Flight SQL's keys, and what the caller's grant does to a column.
//!
//! It is added to the schema at the edge, never in a plan, where fields of different metadata do not unite. A computed
//! column has its type alone: what is said of a table's column would not be true of it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::types::{precision_and_scale, sql_type};
use crate::gateway::ToldColumn;

/// Characters of a remark.
const MAX_REMARKS: usize = 1_000;
/// Bytes that all metadata of a schema may take: a FlightInfo has to fit into a message of 4 MiB.
const BUDGET: usize = 1024 * 1024;

const REMARKS: &str = "ARROW:FLIGHT:SQL:REMARKS";

/// A result's schema with what is told of its columns, but for remarks: the JDBC driver takes those for the columns' names.
/// One that is too wide is told nothing of.
pub fn annotated(catalog: &str, schema: &SchemaRef, columns: &[Option<ToldColumn>]) -> SchemaRef {
    told(catalog, schema, columns, false)
}

/// A table's schema in a listing, with what is told of its columns. One that is too wide loses its remarks, then all of it.
pub fn listed(catalog: &str, schema: &SchemaRef, columns: &[Option<ToldColumn>]) -> SchemaRef {
    told(catalog, schema, columns, true)
}

fn told(catalog: &str, schema: &SchemaRef, columns: &[Option<ToldColumn>], remarks: bool) -> SchemaRef {
    let columns = columns.iter().map(Option::as_ref).chain(std::iter::repeat(None));
    let mut all: Vec<HashMap<String, String>> =
        schema.fields().iter().zip(columns).map(|(field, column)| metadata(catalog, field, column)).collect();
    if !remarks || size(&all) > BUDGET {
        all.iter_mut().for_each(|each| {
            each.remove(REMARKS);
        });
    }
    if size(&all) > BUDGET {
        return Arc::clone(schema);
    }
    let fields = schema.fields().iter().zip(all).map(|(field, own)| {
        let field: &Field = field;
        field.clone().with_metadata(own)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The schema with a remark on the whole of it, as a listing of tables carries it.
pub fn remarked(schema: &SchemaRef, remarks: Option<&str>) -> Schema {
    let metadata = remarks.map(|text| (REMARKS.to_owned(), shortened(text))).into_iter().collect();
    schema.as_ref().clone().with_metadata(metadata)
}

fn size(all: &[HashMap<String, String>]) -> usize {
    // About 24 bytes of offsets and padding go with each text.
    all.iter().flatten().map(|(key, value)| key.len() + value.len() + 48).sum()
}

fn metadata(catalog: &str, field: &Field, column: Option<&ToldColumn>) -> HashMap<String, String> {
    let known = sql_type(field.data_type());
    let (precision, scale) = precision_and_scale(field.data_type());
    let flag = |set: bool| if set { "1" } else { "0" }.to_owned();
    let mut all = HashMap::new();
    let mut tell = |key: &str, value: String| all.insert(format!("ARROW:FLIGHT:SQL:{key}"), value);
    tell("TYPE_NAME", known.name.to_owned());
    precision.map(|digits| tell("PRECISION", digits.to_string()));
    scale.map(|places| tell("SCALE", places.to_string()));
    tell("IS_AUTO_INCREMENT", flag(false));
    tell("IS_CASE_SENSITIVE", flag(known.case_sensitive));
    tell("IS_READ_ONLY", flag(true));
    if let Some(column) = column {
        tell("CATALOG_NAME", catalog.to_owned());
        // The protocol's text has the second name, its libraries the first.
        tell("SCHEMA_NAME", column.schema.clone());
        tell("DB_SCHEMA_NAME", column.schema.clone());
        tell("TABLE_NAME", column.table.clone());
        tell("IS_SEARCHABLE", flag(!field.data_type().is_nested()));
        let remarks = remarks(column);
        if !remarks.is_empty() {
            tell("REMARKS", remarks);
        }
        let own = [
            ("airside.mask", column.mask.map(|mask| mask.to_string())),
            ("airside.rows", column.rows_restricted.then(|| "restricted".to_owned())),
            ("airside.status", column.deprecated.then(|| "deprecated".to_owned())),
        ];
        all.extend(own.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    }
    all
}

/// The contract's description, and how the caller sees the column: `order number; masked: hmac; rows restricted`.
fn remarks(column: &ToldColumn) -> String {
    let description = column.description.as_deref().map(|text| shortened(text.trim())).filter(|text| !text.is_empty());
    let parts = [
        description,
        column.mask.map(|mask| format!("masked: {mask}")),
        column.rows_restricted.then(|| "rows restricted".to_owned()),
        column.deprecated.then(|| "deprecated".to_owned()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_REMARKS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

    use super::*;
    use crate::product::Mask;

    fn of_orders() -> ToldColumn {
        ToldColumn {
            schema: "sales".to_owned(),
            table: "orders".to_owned(),
            description: Some(" the order's number ".to_owned()),
            mask: Some(Mask::Hmac),
            rows_restricted: true,
            deprecated: true,
        }
    }

    #[test]
    fn a_computed_column_has_its_type_alone() {
        let schema = Arc::new(Schema::new(vec![
            Field::new("a", DataType::Decimal128(12, 2), true),
            Field::new("b", DataType::Utf8, false),
        ]));
        let all = listed("mesh", &schema, &[None, Some(of_orders())]);
        let sorted = |at: usize| {
            let mut entries: Vec<_> =
                all.field(at).metadata().iter().map(|(key, value)| format!("{key}={value}")).collect();
            entries.sort();
            entries.join("\n").replace("ARROW:FLIGHT:SQL:", "")
        };
        insta::assert_snapshot!(sorted(0), @r"
        IS_AUTO_INCREMENT=0
        IS_CASE_SENSITIVE=0
        IS_READ_ONLY=1
        PRECISION=12
        SCALE=2
        TYPE_NAME=DECIMAL
        ");
        insta::assert_snapshot!(sorted(1), @r"
        CATALOG_NAME=mesh
        DB_SCHEMA_NAME=sales
        IS_AUTO_INCREMENT=0
        IS_CASE_SENSITIVE=1
        IS_READ_ONLY=1
        IS_SEARCHABLE=1
        REMARKS=the order's number; masked: hmac; rows restricted; deprecated
        SCHEMA_NAME=sales
        TABLE_NAME=orders
        TYPE_NAME=VARCHAR
        airside.mask=hmac
        airside.rows=restricted
        airside.status=deprecated
        ");
        assert!(!all.field(1).is_nullable() && all.field(0).is_nullable());
        let result = annotated("mesh", &schema, &[None, Some(of_orders())]);
        assert!(!result.field(1).metadata().contains_key(REMARKS));
        assert_eq!(result.field(1).metadata().len() + 1, all.field(1).metadata().len());
    }

    #[test]
    fn a_wide_schema_stays_within_a_message() {
        let wide = |columns: usize| Arc::new(Schema::new(vec![Field::new("a", DataType::Int8, true); columns]));
        let long = ToldColumn { description: Some("ü".repeat(5_000)), ..of_orders() };
        let remarks = |columns: usize| {
            let all = listed("mesh", &wide(columns), &vec![Some(long.clone()); columns]);
            (all.field(0).metadata().contains_key(REMARKS), all.field(0).metadata().len())
        };
        assert_eq!(remarks(10), (true, 15));
        assert_eq!(remarks(800), (false, 14));
        assert_eq!(remarks(2_500), (false, 0));
    }
}
