//! Which columns of which tables an optimised plan reads: for the audit and for receipts.

use std::collections::BTreeSet;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;

/// The columns that a plan reads of one table, those it only filters by included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRead {
    /// The table's schema.
    pub schema: String,
    /// The table's name.
    pub table: String,
    /// The columns.
    pub columns: BTreeSet<String>,
}

/// What `plan` reads; a table named twice stands there once.
pub(super) fn reads(plan: &LogicalPlan) -> Result<Vec<TableRead>> {
    let mut found: Vec<TableRead> = Vec::new();
    plan.apply_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = node else { return Ok(TreeNodeRecursion::Continue) };
        let (schema, table) = (scan.table_name.schema().unwrap_or_default(), scan.table_name.table());
        let projected = scan.projected_schema.fields().iter().map(|field| field.name().clone());
        let filtered = scan.filters.iter().flat_map(|filter| filter.column_refs().into_iter());
        let columns = projected.chain(filtered.map(|column| column.name.clone()));
        match found.iter_mut().find(|read| read.schema == schema && read.table == table) {
            Some(read) => read.columns.extend(columns),
            None => {
                found.push(TableRead { schema: schema.to_owned(), table: table.to_owned(), columns: columns.collect() })
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}
