//! Fits expressions over the contract's columns to one file.
//!
//! DataFusion's own adapter casts a column whenever its field differs at all, be it only that the file
//! says "optional" where the contract says "required". The cast does nothing, but hides the column from
//! pruning. So fields of one type are first made equal; what then differs is cast by DataFusion's.
//! The scan puts the contract's schema over every batch, and there a null in a required column is
//! refused.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::error::Result;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};

/// Makes the adapters.
#[derive(Debug)]
pub(super) struct ContractAdapters;

impl PhysicalExprAdapterFactory for ContractAdapters {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let fields = logical.fields().iter().map(|field| match physical.field_with_name(field.name()) {
            Ok(own) if own.data_type() == field.data_type() => Arc::new(own.clone()),
            _ => Arc::clone(field),
        });
        let logical = Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), logical.metadata().clone()));
        DefaultPhysicalExprAdapterFactory.create(logical, physical)
    }
}
