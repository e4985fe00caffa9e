//! Primary and foreign keys, as contracts declare them and the caller may see them.
//!
//! A key is told whole or not at all: one with a column that the caller does not see is left out, and so is a reference
//! to a dataset or column that it does not see. A reference names a dataset without a version; it is told of the version
//! that answers to that name.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray, UInt8Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow_flight::sql::{
    CommandGetCrossReference, CommandGetExportedKeys, CommandGetImportedKeys, CommandGetPrimaryKeys, UpdateDeleteRules,
};

use crate::gateway::Listing;

/// The schema of primary keys.
pub(super) static PRIMARY: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("catalog_name", DataType::Utf8, true),
        Field::new("db_schema_name", DataType::Utf8, true),
        Field::new("table_name", DataType::Utf8, false),
        Field::new("column_name", DataType::Utf8, false),
        Field::new("key_name", DataType::Utf8, true),
        Field::new("key_sequence", DataType::Int32, false),
    ]))
});

/// The schema of exported, imported and cross references.
pub(super) static REFERENCES: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("pk_catalog_name", DataType::Utf8, true),
        Field::new("pk_db_schema_name", DataType::Utf8, true),
        Field::new("pk_table_name", DataType::Utf8, false),
        Field::new("pk_column_name", DataType::Utf8, false),
        Field::new("fk_catalog_name", DataType::Utf8, true),
        Field::new("fk_db_schema_name", DataType::Utf8, true),
        Field::new("fk_table_name", DataType::Utf8, false),
        Field::new("fk_column_name", DataType::Utf8, false),
        Field::new("key_sequence", DataType::Int32, false),
        Field::new("fk_key_name", DataType::Utf8, true),
        Field::new("pk_key_name", DataType::Utf8, true),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ]))
});

/// A table that a command asks about.
struct Wanted {
    catalog: Option<String>,
    schema: Option<String>,
    table: String,
}

impl Wanted {
    /// The name under which a listed dataset is asked for, if it is.
    fn name<'a>(&self, catalog: &str, listing: &'a Listing) -> Option<&'a str> {
        let within = self.catalog.as_deref().is_none_or(|wanted| wanted == catalog)
            && self.schema.as_deref().is_none_or(|wanted| wanted == listing.domain());
        listing.tables.iter().map(String::as_str).find(|table| within && *table == self.table)
    }
}

/// Whether the caller sees all these columns of a listed dataset.
fn sees(listing: &Listing, columns: &[String]) -> bool {
    let seen = |column: &String| {
        listing.grant.as_ref().is_some_and(|grant| grant.contract_columns().any(|(own, _)| own.name == *column))
    };
    !columns.is_empty() && columns.iter().all(seen)
}

/// The name of a dataset's primary key; contracts give none.
fn primary_name(listing: &Listing) -> String {
    format!("{}_pkey", listing.dataset.name)
}

/// The columns of a table's primary key.
pub(super) fn primary_keys(
    catalog: &str,
    listings: &[Listing],
    command: CommandGetPrimaryKeys,
) -> Result<RecordBatch, ArrowError> {
    let wanted = Wanted { catalog: command.catalog, schema: command.db_schema, table: command.table };
    let mut rows = Vec::new();
    for listing in listings {
        let key = &listing.dataset.primary_key;
        let Some(table) = wanted.name(catalog, listing).filter(|_| sees(listing, key)) else { continue };
        for (position, column) in (1..).zip(key) {
            rows.push((listing.domain(), table, primary_name(listing), position, column));
        }
    }
    rows.sort();
    let texts = |text: fn(&(&str, &str, String, i32, &String)) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(text)))
    };
    let catalogs = StringArray::from_iter_values(rows.iter().map(|_| catalog));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(catalogs),
        texts(|row| row.0.to_owned()),
        texts(|row| row.1.to_owned()),
        texts(|row| row.4.clone()),
        texts(|row| row.2.clone()),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.3))),
    ];
    RecordBatch::try_new(Arc::clone(&PRIMARY), columns)
}

/// One column of a reference. The order of the fields is that of a referred table's references.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Reference {
    pk_schema: String,
    pk_table: String,
    pk_name: Option<String>,
    sequence: i32,
    fk_schema: String,
    fk_table: String,
    fk_name: String,
    pk_column: String,
    fk_column: String,
}

/// The references to a table.
pub(super) fn exported_keys(
    catalog: &str,
    listings: &[Listing],
    command: CommandGetExportedKeys,
) -> Result<RecordBatch, ArrowError> {
    let to = Wanted { catalog: command.catalog, schema: command.db_schema, table: command.table };
    let mut rows = references(catalog, listings, Some(&to), None);
    rows.sort_by(|a, b| {
        let key = |row: &Reference| (row.fk_schema.clone(), row.fk_table.clone(), row.fk_name.clone(), row.sequence);
        key(a).cmp(&key(b))
    });
    batch(catalog, &rows)
}

/// The references of a table to others.
pub(super) fn imported_keys(
    catalog: &str,
    listings: &[Listing],
    command: CommandGetImportedKeys,
) -> Result<RecordBatch, ArrowError> {
    let from = Wanted { catalog: command.catalog, schema: command.db_schema, table: command.table };
    let mut rows = references(catalog, listings, None, Some(&from));
    rows.sort();
    batch(catalog, &rows)
}

/// The references of one table to another.
pub(super) fn cross_reference(
    catalog: &str,
    listings: &[Listing],
    command: CommandGetCrossReference,
) -> Result<RecordBatch, ArrowError> {
    let to = Wanted { catalog: command.pk_catalog, schema: command.pk_db_schema, table: command.pk_table };
    let from = Wanted { catalog: command.fk_catalog, schema: command.fk_db_schema, table: command.fk_table };
    let mut rows = references(catalog, listings, Some(&to), Some(&from));
    rows.sort();
    batch(catalog, &rows)
}

/// The references that the caller sees both ends of. A table is told under the name it is asked for, else its shortest.
fn references(catalog: &str, listings: &[Listing], to: Option<&Wanted>, from: Option<&Wanted>) -> Vec<Reference> {
    let mut rows = Vec::new();
    for referring in listings {
        let fk_table = match from {
            Some(from) => from.name(catalog, referring),
            None => referring.tables.first().map(String::as_str),
        };
        let Some(fk_table) = fk_table else { continue };
        for key in referring.dataset.foreign_keys.iter().filter(|key| sees(referring, &key.columns)) {
            // The version that answers to the name without one.
            let referred = listings.iter().find(|listing| {
                listing.address.version.is_none()
                    && listing.domain() == key.domain.as_str()
                    && listing.dataset.name == key.dataset
            });
            let Some(referred) = referred.filter(|listing| sees(listing, &key.references)) else { continue };
            let pk_table = match to {
                Some(to) => to.name(catalog, referred),
                None => referred.tables.first().map(String::as_str),
            };
            let Some(pk_table) = pk_table else { continue };
            let pk_name = (referred.dataset.primary_key == key.references).then(|| primary_name(referred));
            let fk_name = format!("{}_{}_fkey", referring.dataset.name, key.columns.join("_"));
            for (sequence, (fk_column, pk_column)) in (1..).zip(key.columns.iter().zip(&key.references)) {
                rows.push(Reference {
                    pk_schema: referred.domain().to_owned(),
                    pk_table: pk_table.to_owned(),
                    pk_name: pk_name.clone(),
                    sequence,
                    fk_schema: referring.domain().to_owned(),
                    fk_table: fk_table.to_owned(),
                    fk_name: fk_name.clone(),
                    pk_column: pk_column.clone(),
                    fk_column: fk_column.clone(),
                });
            }
        }
    }
    rows
}

fn batch(catalog: &str, rows: &[Reference]) -> Result<RecordBatch, ArrowError> {
    let texts =
        |text: fn(&Reference) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(text))) };
    let catalogs = || -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(|_| catalog))) };
    // Nothing is ever updated or deleted here.
    let rules = || -> ArrayRef {
        Arc::new(UInt8Array::from_iter_values(rows.iter().map(|_| UpdateDeleteRules::NoAction as u8)))
    };
    let columns: Vec<ArrayRef> = vec![
        catalogs(),
        texts(|row| &row.pk_schema),
        texts(|row| &row.pk_table),
        texts(|row| &row.pk_column),
        catalogs(),
        texts(|row| &row.fk_schema),
        texts(|row| &row.fk_table),
        texts(|row| &row.fk_column),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.sequence))),
        texts(|row| &row.fk_name),
        Arc::new(rows.iter().map(|row| row.pk_name.as_deref()).collect::<StringArray>()),
        rules(),
        rules(),
    ];
    RecordBatch::try_new(Arc::clone(&REFERENCES), columns)
}
