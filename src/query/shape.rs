//! Whether a statement's rows can be told apart by the rows they were made of: such an answer may be fetched in parts.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};

/// How a statement's rows come from its tables'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Each from one row of the statement's only table, and from nothing else.
    RowWise {
        /// Whether rows are left out.
        filtered: bool,
    },
    /// In any other way.
    Other,
}

impl Shape {
    /// The shape of a plan before it is optimised: a constant that took a moment's value would no longer show.
    pub(super) fn of(plan: &LogicalPlan) -> Result<Self> {
        let (mut scans, mut filtered, mut row_wise) = (0, false, true);
        plan.apply_with_subqueries(|node| {
            match node {
                LogicalPlan::TableScan(scan) => {
                    scans += 1;
                    filtered |= !scan.filters.is_empty();
                    row_wise &= scan.fetch.is_none();
                }
                LogicalPlan::Filter(_) => filtered = true,
                LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => {}
                _ => row_wise = false,
            }
            for expr in node.expressions() {
                row_wise &= !expr.exists(|part| Ok(is_of_more_than_the_row(part)))?;
            }
            Ok(if row_wise { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
        })?;
        Ok(if row_wise && scans == 1 { Self::RowWise { filtered } } else { Self::Other })
    }
}

/// Whether it depends on the moment, on chance or on other rows.
fn is_of_more_than_the_row(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(call) => call.func.signature().volatility != Volatility::Immutable,
        Expr::AggregateFunction(_)
        | Expr::WindowFunction(_)
        | Expr::Unnest(_)
        | Expr::Exists(_)
        | Expr::InSubquery(_)
        | Expr::SetComparison(_)
        | Expr::ScalarSubquery(_)
        | Expr::OuterReferenceColumn(..) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, RecordBatch};
    use arrow::datatypes::DataType;

    use super::Shape;
    use crate::query::EngineConfig;
    use crate::query::fixture::{Fixture, Shows, column};

    #[tokio::test]
    async fn rows_made_of_one_row_each_are_row_wise() {
        let mut world = Fixture::new(&EngineConfig::default());
        let values = || Arc::new(Int64Array::from(vec![1])) as _;
        let batch = RecordBatch::try_from_iter([("a", values()), ("b", values())]).unwrap();
        world.write("t.parquet", &[batch], 10);
        world.add("t", &["a", "b"].map(|name| column(name, DataType::Int64)), "t.parquet", Shows::everything()).await;
        for sql in ["SELECT * FROM sales.t", "SELECT b, a + 1, 'x' FROM (SELECT * FROM sales.t) AS u"] {
            let plan = world.plan(sql, Vec::new()).await.unwrap();
            assert_eq!(plan.shape(), Shape::RowWise { filtered: false }, "{sql}");
        }
        for sql in ["SELECT a FROM sales.t WHERE b > 1", "SELECT abs(a) FROM (SELECT * FROM sales.t WHERE a = b) AS u"]
        {
            let plan = world.plan(sql, Vec::new()).await.unwrap();
            assert_eq!(plan.shape(), Shape::RowWise { filtered: true }, "{sql}");
        }
        for sql in [
            "SELECT 1",
            "SELECT count(*) FROM sales.t",
            "SELECT DISTINCT a FROM sales.t",
            "SELECT a FROM sales.t ORDER BY a",
            "SELECT a FROM sales.t LIMIT 1",
            "SELECT a FROM sales.t UNION ALL SELECT b FROM sales.t",
            "SELECT u.a FROM sales.t AS u, sales.t AS v",
            "SELECT a, row_number() OVER (ORDER BY a) FROM sales.t",
            "SELECT a FROM sales.t WHERE a IN (SELECT b FROM sales.t)",
            "SELECT (SELECT max(a) FROM sales.t) FROM sales.t",
            "SELECT a, now() FROM sales.t",
            "SELECT a FROM sales.t WHERE current_date() > DATE '2020-01-01'",
        ] {
            let plan = world.plan(sql, Vec::new()).await.unwrap();
            assert_eq!(plan.shape(), Shape::Other, "{sql}");
        }
    }
}
