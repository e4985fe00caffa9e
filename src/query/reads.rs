//! Which columns a plan reads of its tables: what the audit says was read.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;

/// The columns read, by schema and table.
#[derive(Debug, Clone, Default)]
pub(super) struct Reads(BTreeMap<(String, String), BTreeSet<String>>);

impl Reads {
    /// The columns that an optimised plan shows or compares.
    pub(super) fn of_plan(plan: &LogicalPlan) -> Result<Self> {
        let mut reads = Self::default();
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                let name =
                    (scan.table_name.schema().unwrap_or_default().to_owned(), scan.table_name.table().to_owned());
                let columns = reads.0.entry(name).or_default();
                columns.extend(scan.projected_schema.fields().iter().map(|field| field.name().clone()));
                columns.extend(
                    scan.filters.iter().flat_map(|filter| filter.column_refs()).map(|column| column.name.clone()),
                );
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(reads)
    }

    /// Those of another plan as well.
    pub(super) fn extend(&mut self, other: Self) {
        for (table, columns) in other.0 {
            self.0.entry(table).or_default().extend(columns);
        }
    }

    /// Those of one table.
    pub(super) fn of(&self, schema: &str, table: &str) -> Option<&BTreeSet<String>> {
        // Looked up once per table of an answer, of which there are few.
        self.0.iter().find(|((s, t), _)| s == schema && t == table).map(|(_, columns)| columns)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, RecordBatch};
    use arrow::datatypes::DataType;

    use crate::policy::{Comparison, Literal, RowFilter};
    use crate::query::EngineConfig;
    use crate::query::fixture::{Fixture, Shows, column};

    #[tokio::test]
    async fn columns_shown_and_compared_are_read() {
        let mut world = Fixture::new(&EngineConfig::default());
        let values = || Arc::new(Int64Array::from(vec![1])) as _;
        let batch = RecordBatch::try_from_iter([("a", values()), ("b", values()), ("c", values())]).unwrap();
        world.write("t.parquet", &[batch], 10);
        let columns = ["a", "b", "c"].map(|name| column(name, DataType::Int64));
        world.add("t", &columns, "t.parquet", Shows::everything()).await;
        let rows = RowFilter::Compare { column: "a".into(), op: Comparison::Equal, value: Literal::Number(1) };
        world.add("g", &columns, "t.parquet", Shows { rows, masks: &[], hidden: &[] }).await;
        for (sql, t, g) in [
            ("SELECT * FROM sales.t", Some("a b c"), None),
            ("SELECT a AS x FROM sales.t WHERE b > 1 ORDER BY a", Some("a b"), None),
            ("SELECT b FROM sales.g WHERE c IN (SELECT a FROM sales.t)", Some("a"), Some("b c")),
            (
                "SELECT (SELECT max(b) FROM sales.g) FROM sales.t WHERE EXISTS (SELECT 1 FROM sales.t u WHERE u.c = t.a)",
                Some("a c"),
                Some("b"),
            ),
            ("WITH w AS (SELECT a, b FROM sales.t) SELECT a FROM w", Some("a"), None),
            ("SELECT count(c + b) FROM sales.g", None, Some("b c")),
        ] {
            let plan = world.plan(sql, Vec::new()).await.unwrap();
            let read =
                |table| plan.columns_read("sales", table).map(|columns| Vec::from_iter(columns.clone()).join(" "));
            assert_eq!((read("t").as_deref(), read("g").as_deref()), (t, g), "{sql}");
        }
    }
}
