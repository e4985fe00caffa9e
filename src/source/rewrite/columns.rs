//! The columns of all files together, each in one type.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::error::RewriteError;
use crate::source::DatasetSource;

/// Every column that any of the files has. Where files have different types of one, it is the contract's.
pub(super) fn unified(source: &DatasetSource) -> Result<SchemaRef, RewriteError> {
    let mut fields: Vec<Field> = Vec::new();
    let mut having: Vec<usize> = Vec::new();
    let mut metadata = None;
    let schemas: Vec<&SchemaRef> = source.files().iter().filter_map(|file| file.arrow_schema.as_ref()).collect();
    let mut last: Option<(&SchemaRef, Vec<usize>)> = None;
    for schema in &schemas {
        // Most files share one.
        if let Some((same, positions)) = &last
            && Arc::ptr_eq(same, schema)
        {
            positions.iter().filter_map(|at| having.get_mut(*at).map(|count| *count += 1)).for_each(drop);
            continue;
        }
        let mut positions = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let own = field.as_ref().clone().with_data_type(plain(field.data_type()));
            match fields.iter().position(|known| known.name() == own.name()) {
                Some(at) => {
                    if let (Some(known), Some(count)) = (fields.get_mut(at), having.get_mut(at)) {
                        known.set_nullable(known.is_nullable() || own.is_nullable());
                        if known.data_type() != own.data_type() {
                            known.set_data_type(promised(source, known.name())?);
                        }
                        *count += 1;
                    }
                    positions.push(at);
                }
                None => {
                    positions.push(fields.len());
                    fields.push(own);
                    having.push(1);
                }
            }
        }
        let said = schema.metadata();
        metadata = match metadata.take() {
            None => Some(said.clone()),
            // What is said of some files only is not said of all.
            Some(mut all) => {
                std::collections::HashMap::retain(&mut all, |key, value| said.get(key) == Some(value));
                Some(all)
            }
        };
        last = Some((schema, positions));
    }
    let fields = fields.into_iter().zip(having).map(|(field, count)| {
        let nullable = field.is_nullable() || count < schemas.len();
        field.with_nullable(nullable)
    });
    Ok(Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), metadata.unwrap_or_default())))
}

/// The contract's type of a column that files do not agree on.
fn promised(source: &DatasetSource, name: &str) -> Result<DataType, RewriteError> {
    let column = source.dataset().columns.iter().find(|column| column.physical_name == name);
    column.map(|column| plain(&column.data_type)).ok_or_else(|| RewriteError::Mixed(name.to_owned()))
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
