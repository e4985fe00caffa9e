//! Fits expressions over the contract's columns to one file.
//!
//! ```text
//! total > 5          over the contract: total Int64, at Timestamp(us)
//! CAST(TOTAL) > 5    over a file with  TOTAL Int32: found but for its case, widened
//! NULL > 5           over a file without it
//! ```
//!
//! DataFusion's own adapter does most of it: it finds columns by name, casts them, and puts NULL for what a file
//! lacks. Three things come before it:
//!
//! - It casts a column whenever its field differs at all, be it only that the file says "optional" where the
//!   contract says "required". The cast does nothing, but hides the column from pruning. So fields of one type
//!   are first made equal. The scan puts the contract's schema over every batch, and there a null in a required
//!   column is refused.
//! - It knows names exactly; what `place` finds is given the file's name.
//! - Its cast of timestamps is not exact once simplified: see `finer`.
//!
//! Which files get here has been decided when the dataset was opened (`agreement`): every cast it makes is one
//! that cannot fail and keeps the order of values, so pruning by a file's own statistics stays right.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};

use super::finer::FinerExpr;
use super::fit::{Fit, fit};
use super::place::{Place, places};

/// Makes the adapters.
#[derive(Debug)]
pub(super) struct ContractAdapters;

/// One file's.
#[derive(Debug)]
struct ContractAdapter {
    /// What stands in for columns of the contract, by their names: those that DataFusion's adapter would not find,
    /// or not cast exactly.
    replaced: HashMap<String, Arc<dyn PhysicalExpr>>,
    rest: Arc<dyn PhysicalExprAdapter>,
}

impl PhysicalExprAdapterFactory for ContractAdapters {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let wanted: Vec<&str> = logical.fields().iter().map(|field| field.name().as_str()).collect();
        let mut replaced: HashMap<String, Arc<dyn PhysicalExpr>> = HashMap::new();
        let mut fields: Vec<FieldRef> = Vec::with_capacity(wanted.len());
        for (field, place) in logical.fields().iter().zip(places(&wanted, physical.fields())) {
            let at = match place {
                Place::At(at) => at,
                Place::Missing => {
                    fields.push(Arc::clone(field));
                    continue;
                }
                // The file was refused when the dataset was opened.
                Place::Repeated | Place::Unclear(_) => {
                    return Err(DataFusionError::Internal("a column of the contract is not clear in a file".into()));
                }
            };
            let own = physical.field(at);
            let finer = is_finer(field.data_type(), own.data_type());
            if finer || own.name() != field.name() {
                let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(own.name(), at));
                let data_type = field.data_type().clone();
                let column = if finer { Arc::new(FinerExpr { column, data_type }) as _ } else { column };
                replaced.insert(field.name().clone(), column);
            }
            fields.push(if finer || own.data_type() == field.data_type() {
                Arc::new(own.clone())
            } else {
                Arc::new(field.as_ref().clone().with_name(own.name()).with_nullable(own.is_nullable()))
            });
        }
        let logical = Arc::new(Schema::new_with_metadata(fields, logical.metadata().clone()));
        let rest = DefaultPhysicalExprAdapterFactory.create(logical, physical)?;
        Ok(if replaced.is_empty() { rest } else { Arc::new(ContractAdapter { replaced, rest }) })
    }
}

fn is_finer(contract: &DataType, file: &DataType) -> bool {
    fit(contract, file, false) == Fit::Finer
}

impl PhysicalExprAdapter for ContractAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        // Upwards: what has been put in place is not looked at again.
        let found = expr.transform_up(|expr| {
            let column = expr.downcast_ref::<Column>().and_then(|column| self.replaced.get(column.name()));
            Ok(match column {
                Some(column) => Transformed::yes(Arc::clone(column)),
                None => Transformed::no(expr),
            })
        })?;
        self.rest.rewrite(found.data)
    }
}
