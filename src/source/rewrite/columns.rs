//! The columns of all files together, each in one type.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::error::RewriteError;
use crate::source::DatasetSource;
use crate::source::place::{Place, places};

/// Every column that any of the files has, under the contract's name where the contract has it. Where files have
/// different types of one, it is the contract's.
pub(super) fn unified(source: &DatasetSource) -> Result<SchemaRef, RewriteError> {
    let mut all = All::default();
    let schemas: Vec<&SchemaRef> = source.files().iter().filter_map(|file| file.arrow_schema.as_ref()).collect();
    let mut last: Option<(&SchemaRef, Vec<usize>)> = None;
    for schema in &schemas {
        // Most files share one.
        match &last {
            Some((same, columns)) if Arc::ptr_eq(same, schema) => all.count(columns),
            _ => last = Some((schema, all.add(source, schema)?)),
        }
    }
    all.unite(schemas.len())
}

#[derive(Default)]
struct All {
    fields: Vec<Field>,
    /// How many files have each.
    having: Vec<usize>,
    /// What is said of every file.
    metadata: Option<HashMap<String, String>>,
}

impl All {
    /// Adds a file of this schema, and says which columns it has.
    fn add(&mut self, source: &DatasetSource, schema: &SchemaRef) -> Result<Vec<usize>, RewriteError> {
        let promised = &source.dataset().columns;
        let wanted: Vec<&str> = promised.iter().map(|column| column.physical_name.as_str()).collect();
        let found = places(&wanted, schema.fields());
        let contract_name = |at: usize| {
            let mut named = found.iter().zip(&wanted);
            named.find_map(|(place, name)| matches!(place, Place::At(own) if *own == at).then_some(*name))
        };
        let mut columns = Vec::with_capacity(schema.fields().len());
        for (at, field) in schema.fields().iter().enumerate() {
            let name = contract_name(at).unwrap_or_else(|| field.name());
            let own = field.as_ref().clone().with_name(name).with_data_type(plain(field.data_type()));
            let known = self.fields.iter().position(|known| known.name() == own.name());
            match known.and_then(|at| self.fields.get_mut(at).map(|known| (at, known))) {
                Some((at, known)) => {
                    known.set_nullable(known.is_nullable() || own.is_nullable());
                    if known.data_type() != own.data_type() {
                        known.set_data_type(self::promised(source, &own, known.data_type())?);
                    }
                    columns.push(at);
                }
                None => {
                    columns.push(self.fields.len());
                    self.fields.push(own);
                    self.having.push(0);
                }
            }
        }
        self.count(&columns);
        self.metadata = match self.metadata.take() {
            None => Some(schema.metadata().clone()),
            Some(mut all) => {
                all.retain(|key, value| schema.metadata().get(key) == Some(value));
                Some(all)
            }
        };
        Ok(columns)
    }

    fn count(&mut self, columns: &[usize]) {
        for column in columns {
            if let Some(count) = self.having.get_mut(*column) {
                *count += 1;
            }
        }
    }

    fn unite(self, files: usize) -> Result<SchemaRef, RewriteError> {
        // A reader that looks past case would take one for the other in files that lack it.
        let lacking = self.fields.iter().zip(&self.having).filter(|(_, count)| **count < files);
        for (field, _) in lacking {
            let alike = |other: &&Field| {
                other.name() != field.name() && other.name().to_lowercase() == field.name().to_lowercase()
            };
            if let Some(other) = self.fields.iter().find(alike) {
                return Err(RewriteError::Alike(field.name().clone(), other.name().clone()));
            }
        }
        let fields = self.fields.into_iter().zip(self.having).map(|(field, count)| {
            let nullable = field.is_nullable() || count < files;
            field.with_nullable(nullable)
        });
        Ok(Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), self.metadata.unwrap_or_default())))
    }
}

/// The contract's type of a column that files do not agree on. Of nested ones it may name a part only.
fn promised(source: &DatasetSource, field: &Field, other: &DataType) -> Result<DataType, RewriteError> {
    let mixed = || RewriteError::Mixed(field.name().clone());
    if field.data_type().is_nested() || other.is_nested() {
        return Err(mixed());
    }
    let column = source.dataset().columns.iter().find(|column| column.physical_name == *field.name());
    column.map(|column| plain(&column.data_type)).ok_or_else(mixed)
}

/// The type without an encoding that only matters in memory.
fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain(values),
        DataType::RunEndEncoded(_, values) => plain(values.data_type()),
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}
