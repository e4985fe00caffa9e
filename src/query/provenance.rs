//! Which columns of a result are plainly columns of a table.
//!
//! ```text
//! SELECT o_orderkey AS id, o_totalprice * 2, r.name FROM sales.orders JOIN (SELECT … AS name FROM g.region) r
//!        sales.orders.o_orderkey   nothing    g.region.…
//! ```
//!
//! Followed through everything that hands a column on as it is. A computed column, one of a set operation and whatever
//! is not known here comes from nowhere: nothing is said of it that might not be so.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::logical_expr::{Distinct, Expr, JoinType, LogicalPlan};

/// A column of a table, as the statement names the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnSource {
    /// The schema the statement names: a domain.
    pub schema: Arc<str>,
    /// The table the statement names.
    pub table: Arc<str>,
    /// The column.
    pub column: String,
}

/// Where each column of the plan's result comes from.
pub(super) fn sources(plan: &LogicalPlan) -> Vec<Option<ColumnSource>> {
    let columns = plan.schema().fields().len();
    let mut found = match plan {
        LogicalPlan::TableScan(scan) => {
            let schema: Arc<str> = scan.table_name.schema().unwrap_or_default().into();
            let table: Arc<str> = scan.table_name.table().into();
            let fields = scan.projected_schema.fields().iter();
            let source = |name: &str| ColumnSource {
                schema: Arc::clone(&schema),
                table: Arc::clone(&table),
                column: name.to_owned(),
            };
            fields.map(|field| Some(source(field.name()))).collect()
        }
        LogicalPlan::Projection(projection) => of_expressions(&projection.expr, &projection.input),
        LogicalPlan::Distinct(Distinct::On(on)) => of_expressions(&on.select_expr, &on.input),
        LogicalPlan::Aggregate(aggregate) => of_expressions(&aggregate.group_expr, &aggregate.input),
        LogicalPlan::Window(window) => sources(&window.input),
        LogicalPlan::Filter(filter) => sources(&filter.input),
        LogicalPlan::Sort(sort) => sources(&sort.input),
        LogicalPlan::Limit(limit) => sources(&limit.input),
        LogicalPlan::Repartition(repartition) => sources(&repartition.input),
        LogicalPlan::SubqueryAlias(alias) => sources(&alias.input),
        LogicalPlan::Subquery(subquery) => sources(&subquery.subquery),
        LogicalPlan::Distinct(Distinct::All(input)) => sources(input),
        LogicalPlan::Join(join) => match join.join_type {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                let mut both = sources(&join.left);
                both.extend(sources(&join.right));
                both
            }
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => sources(&join.left),
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => sources(&join.right),
        },
        _ => Vec::new(),
    };
    // What an operator adds comes behind what it hands on: aggregates, windows, marks.
    found.resize(columns, None);
    found
}

fn of_expressions(expressions: &[Expr], input: &LogicalPlan) -> Vec<Option<ColumnSource>> {
    let below = sources(input);
    let positions = positions(input.schema());
    let source = |expression: &Expr| match plain(expression) {
        Some(column) => {
            let position = positions.get(&(column.relation.as_ref(), column.name.as_str()))?;
            below.get(*position)?.clone()
        }
        None => None,
    };
    // Grouping sets make more columns than expressions, in an order of their own.
    if expressions.iter().any(|expression| matches!(expression, Expr::GroupingSet(_))) {
        return Vec::new();
    }
    expressions.iter().map(source).collect()
}

/// The columns by what they are called, so that a wide table is not searched for each of them.
fn positions(schema: &DFSchema) -> HashMap<(Option<&TableReference>, &str), usize> {
    schema.iter().enumerate().map(|(at, (relation, field))| ((relation, field.name().as_str()), at)).collect()
}

fn plain(expression: &Expr) -> Option<&Column> {
    match expression {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => plain(&alias.expr),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, RecordBatch};
    use arrow::datatypes::DataType;

    use crate::query::EngineConfig;
    use crate::query::fixture::{Fixture, Shows, column};

    #[tokio::test]
    async fn plain_columns_are_told_from_computed_ones() {
        let mut world = Fixture::new(&EngineConfig::default());
        let values = || Arc::new(Int64Array::from(vec![1])) as _;
        let batch = RecordBatch::try_from_iter([("a", values()), ("b", values())]).unwrap();
        world.write("t.parquet", &[batch], 10);
        let columns = ["a", "b"].map(|name| column(name, DataType::Int64));
        world.add("t", &columns, "t.parquet", Shows::everything()).await;
        world.add("u", &columns, "t.parquet", Shows::everything()).await;
        for (sql, expected) in [
            ("SELECT * FROM sales.t", "t.a t.b"),
            ("SELECT b AS x, a + 1, a FROM sales.t WHERE a > 0 ORDER BY b LIMIT 3", "t.b - t.a"),
            ("SELECT x.a, u.b, t.b FROM sales.t, sales.u, (SELECT a FROM sales.u) x", "u.a u.b t.b"),
            ("WITH w AS (SELECT b AS c FROM sales.t) SELECT c, c + 1 FROM w", "t.b -"),
            ("SELECT a, count(*) FROM sales.t GROUP BY a", "t.a -"),
            ("SELECT a, count(*) FROM sales.t GROUP BY ROLLUP (a)", "- -"),
            ("SELECT a FROM sales.t UNION ALL SELECT b FROM sales.u", "-"),
            ("SELECT DISTINCT a, row_number() OVER (ORDER BY b) FROM sales.t", "t.a -"),
            ("SELECT t.a, u.a FROM sales.t LEFT JOIN sales.u ON t.b = u.b", "t.a u.a"),
            ("SELECT a FROM sales.t WHERE b IN (SELECT a FROM sales.u)", "t.a"),
            ("SELECT CAST(a AS VARCHAR), NULL, 1 FROM sales.t", "- - -"),
            ("SELECT a, a FROM sales.t", "t.a t.a"),
        ] {
            let plan = world.plan(sql, Vec::new()).await.unwrap();
            let found: Vec<String> = plan
                .sources()
                .iter()
                .map(|source| source.as_ref().map_or("-".to_owned(), |s| format!("{}.{}", s.table, s.column)))
                .collect();
            assert_eq!(found.join(" "), expected, "{sql}");
        }
    }
}
