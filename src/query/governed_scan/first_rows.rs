//! The first rows of an export on their way before the others are read.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;

use super::leaf::Leaf;
use crate::query::FileRows;

/// The plan of a statement whose only table is of these files, whose first `rows` are read apart where that is worth it.
pub(in crate::query) async fn first_rows_apart(
    plan: Arc<dyn ExecutionPlan>,
    files: &FileRows,
    rows: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(scan) = scan_in(&plan)? else { return Ok(plan) };
    let Some(scan) = files.first_rows_apart(&scan, rows).await else { return Ok(plan) };
    plan.transform_down(|node| match node.downcast_ref::<DataSourceExec>() {
        Some(exec) => {
            let source = Leaf::rearranged(exec.data_source(), scan.clone());
            Ok(Transformed::yes(Arc::new(DataSourceExec::new(source)) as _))
        }
        None => Ok(Transformed::no(node)),
    })
    .map(|transformed| transformed.data)
}

fn scan_in(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<FileScanConfig>> {
    let mut found = None;
    plan.apply(|node| {
        found = node.downcast_ref::<DataSourceExec>().and_then(|exec| Leaf::scan(exec.data_source())).cloned();
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}
