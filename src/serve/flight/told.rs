//! Result schemas as Flight carries them, with what is told of their columns: made once for as long as they are asked for.
//!
//! Most of what listing a thousand products took went into these. What comes out depends on nothing but what goes in, so
//! principals who are told the same may share it.

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use moka::sync::Cache;

use super::describe::{digest, schema_bytes};
use super::error::FlightError;
use super::sql;
use crate::gateway::ToldColumn;

/// Bytes of memory for all, about.
const CAPACITY: u64 = 64 << 20;
/// What a column takes as a key, about.
const COLUMN: usize = 256;

/// The schemas that were told lately.
#[derive(Clone)]
pub struct ToldSchemas {
    told: Cache<Key, Told>,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    mesh: String,
    schema: SchemaRef,
    columns: Vec<Option<ToldColumn>>,
}

/// A schema as it is told.
#[derive(Clone)]
pub struct Told {
    /// As an encapsulated IPC message.
    pub bytes: Bytes,
    /// The digest of those.
    pub digest: Bytes,
}

impl ToldSchemas {
    pub fn new() -> Self {
        let weigh = |key: &Key, told: &Told| {
            let bytes = told.bytes.len() + COLUMN * key.schema.fields().len();
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self { told: Cache::builder().max_capacity(CAPACITY).weigher(weigh).build() }
    }

    /// A result's schema, of a mesh of this name.
    pub fn of(&self, mesh: String, schema: SchemaRef, columns: Vec<Option<ToldColumn>>) -> Result<Told, FlightError> {
        let key = Key { mesh, schema, columns };
        if let Some(told) = self.told.get(&key) {
            return Ok(told);
        }
        let bytes = schema_bytes(&sql::annotated(&key.mesh, &key.schema, &key.columns))?;
        let told = Told { digest: digest(&bytes).into(), bytes };
        self.told.insert(key, told.clone());
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    #[test]
    fn what_is_told_differently_is_never_shared() {
        let column = |mask| ToldColumn {
            schema: "sales".to_owned(),
            table: "orders".to_owned(),
            description: None,
            mask,
            rows_restricted: false,
            deprecated: false,
        };
        let schema = |nullable| Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8, nullable)]));
        let schemas = ToldSchemas::new();
        let asked = || {
            [
                ("m", schema(true), vec![Some(column(None))]),
                ("n", schema(true), vec![Some(column(None))]),
                ("m", schema(false), vec![Some(column(None))]),
                ("m", schema(true), vec![Some(column(Some(crate::product::Mask::Hmac)))]),
                ("m", schema(true), vec![None]),
            ]
        };
        for _ in 0..2 {
            for (mesh, schema, columns) in asked() {
                let expected = schema_bytes(&sql::annotated(mesh, &schema, &columns)).unwrap();
                let told = schemas.of(mesh.to_owned(), schema, columns).unwrap();
                assert_eq!((&told.bytes, &told.digest[..]), (&expected, &digest(&expected)[..]));
            }
        }
        schemas.told.run_pending_tasks();
        assert_eq!(schemas.told.entry_count(), 5);
    }
}
