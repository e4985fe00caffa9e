//! Making plans stop when they are told to.
//!
//! A task can be cancelled only where it pauses, and DataFusion pauses where it reads its sources. A join
//! makes much of little input: of a cross join with a filter that lets nothing pass, nothing pauses for
//! minutes. So every join is made to pause after each batch, and its condition, which it may evaluate
//! without end before a batch is full, looks whether the query is still wanted.
//!
//! ```text
//! before:  FilterExec                   after:  FilterExec
//!            NestedLoopJoinExec: a < b            CooperativeExec
//!                                                   NestedLoopJoinExec: wanted(a < b)
//! ```

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder, PiecewiseMergeJoinExec,
    SortMergeJoinExec, SymmetricHashJoinExec,
};
use datafusion::physical_plan::unnest::UnnestExec;

use super::QueryError;

/// Whether a query is still wanted. Shared by its plan, those of the derived datasets in it, and its reader.
#[derive(Debug, Default)]
pub(super) struct Interrupt(AtomicBool);

impl Interrupt {
    /// The query is not wanted any more.
    pub(super) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(QueryError::cancelled().into()) } else { Ok(()) }
    }
}

/// The plan, its joins made to stop soon after `interrupt` is raised.
pub(super) fn interruptible(
    plan: Arc<dyn ExecutionPlan>,
    interrupt: &Arc<Interrupt>,
) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let node = if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
            let filter = join.filter().map(|filter| watched(filter, interrupt));
            Arc::new(NestedLoopJoinExecBuilder::from(join).with_filter(filter).build()?)
        } else if let Some(join) = node.downcast_ref::<HashJoinExec>() {
            let filter = join.filter().map(|filter| watched(filter, interrupt));
            join.builder().with_filter(filter).build_exec()?
        } else if makes_more(&node) {
            node
        } else {
            return Ok(Transformed::no(node));
        };
        Ok(Transformed::yes(Arc::new(CooperativeExec::new(node)) as _))
    })
    .map(|transformed| transformed.data)
}

/// Whether a node may make many batches of one.
fn makes_more(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.is::<CrossJoinExec>()
        || node.is::<SortMergeJoinExec>()
        || node.is::<SymmetricHashJoinExec>()
        || node.is::<PiecewiseMergeJoinExec>()
        || node.is::<UnnestExec>()
}

fn watched(filter: &JoinFilter, interrupt: &Arc<Interrupt>) -> JoinFilter {
    let condition = Watched { condition: Arc::clone(filter.expression()), interrupt: Arc::clone(interrupt) };
    JoinFilter::new(Arc::new(condition), filter.column_indices().to_vec(), Arc::clone(filter.schema()))
}

/// A condition that fails once its query is not wanted any more.
#[derive(Debug)]
struct Watched {
    condition: Arc<dyn PhysicalExpr>,
    interrupt: Arc<Interrupt>,
}

impl PhysicalExpr for Watched {
    fn data_type(&self, input: &Schema) -> Result<DataType> {
        self.condition.data_type(input)
    }

    fn nullable(&self, input: &Schema) -> Result<bool> {
        self.condition.nullable(input)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        self.interrupt.check()?;
        self.condition.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.condition]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let [condition] = <[_; 1]>::try_from(children)
            .map_err(|_| DataFusionError::Internal("a watched condition has one child".into()))?;
        Ok(Arc::new(Self { condition, interrupt: Arc::clone(&self.interrupt) }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt_sql(f)
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt(f)
    }
}

impl PartialEq for Watched {
    fn eq(&self, other: &Self) -> bool {
        self.condition.eq(&other.condition) && Arc::ptr_eq(&self.interrupt, &other.interrupt)
    }
}

impl Eq for Watched {}

impl Hash for Watched {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.condition.hash(state);
    }
}
