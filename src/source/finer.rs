//! Timestamps in a finer unit than their file's.
//!
//! Not DataFusion's cast: its simplifier moves that to the literal, and rounds there. `CAST(ms AS us) < 1500 us`
//! becomes `ms < 1 ms`, which loses the row at 1 ms. This expression is opaque to it, so row groups are not
//! left out by such a column; whole files still are, by their statistics.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

/// A column of timestamps, as timestamps of a finer unit. Fails on a value beyond that unit's range, of which
/// the file's footer says that it has none.
#[derive(Debug)]
pub(super) struct FinerExpr {
    pub column: Arc<dyn PhysicalExpr>,
    pub data_type: DataType,
}

impl PhysicalExpr for FinerExpr {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn nullable(&self, input: &Schema) -> Result<bool> {
        self.column.nullable(input)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let coarse = self.column.evaluate(batch)?.into_array(batch.num_rows())?;
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        Ok(ColumnarValue::Array(cast_with_options(&coarse, &self.data_type, &strict)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.column]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let [column] = <[_; 1]>::try_from(children)
            .map_err(|_| DataFusionError::Internal("a finer timestamp has one column".into()))?;
        Ok(Arc::new(Self { column, data_type: self.data_type.clone() }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.column.fmt_sql(f)
    }
}

impl fmt::Display for FinerExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "finer({})", self.column)
    }
}

impl PartialEq for FinerExpr {
    fn eq(&self, other: &Self) -> bool {
        self.column.eq(&other.column) && self.data_type == other.data_type
    }
}

impl Eq for FinerExpr {}

impl Hash for FinerExpr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
        self.data_type.hash(state);
    }
}
