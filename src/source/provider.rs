//! A dataset as a plain DataFusion table, for those from whom nothing of it is hidden.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PrunableStatistics;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, FileSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use super::dataset::DatasetSource;

/// How many times as wide as the columns of its filters the others of a scan are, for it to pay to decode them late.
/// Measured over TPC-H: queries 4, 6 and 12 are below it and took 1.4 to 1.8 times as long when they decoded late.
const WORTH_WAITING: usize = 2;

/// All rows and columns of a dataset, under the contract's names and in its order.
#[derive(Debug)]
pub(super) struct BaseTable {
    source: DatasetSource,
    schema: SchemaRef,
}

impl BaseTable {
    pub fn new(source: DatasetSource) -> Self {
        let schema = source.dataset().schema();
        Self { source, schema }
    }

    /// The files that may hold a matching row, by their statistics and partition values; none where that
    /// leaves nothing out.
    fn files(&self, state: &dyn Session, filters: &[Expr]) -> Result<Option<Vec<PartitionedFile>>> {
        let Some(filter) = conjunction(filters.iter().cloned()) else { return Ok(None) };
        let schema = self.source.named_schema();
        let predicate = state.create_physical_expr(filter, &DFSchema::try_from(Arc::clone(schema))?)?;
        let predicate = PruningPredicateBuilder::new().with_file_schema(Arc::clone(schema)).try_build(predicate)?;
        if predicate.always_true() {
            return Ok(None);
        }
        let all = self.source.files();
        let Some(statistics) = all.iter().map(|file| file.statistics.clone()).collect() else { return Ok(None) };
        let kept = predicate.prune(&PrunableStatistics::new(statistics, Arc::clone(schema)))?;
        if kept.iter().all(|kept| *kept) {
            return Ok(None);
        }
        Ok(Some(all.iter().zip(kept).filter(|(_, kept)| *kept).map(|(file, _)| file.clone()).collect()))
    }

    /// Whether the other columns are decoded only where the filters hold. It pays where they are wider than those of the
    /// filters, which are decoded once to see and, in part, once more to be read; so it does where nothing is known.
    fn decodes_late(&self, filters: &[Expr], columns: &[usize]) -> bool {
        let filtered: BTreeSet<&str> =
            filters.iter().flat_map(|filter| filter.column_refs()).map(|column| column.name.as_str()).collect();
        let (filtered, others): (Vec<usize>, Vec<usize>) =
            columns.iter().partition(|column| filtered.contains(self.schema.field(**column).name().as_str()));
        let width = |columns: &[usize]| columns.iter().map(|column| self.source.width(*column)).sum::<Option<usize>>();
        match (width(&filtered), width(&others)) {
            (Some(filtered), Some(others)) if !filters.is_empty() => {
                others > WORTH_WAITING * filtered || !filters.iter().all(cannot_fail)
            }
            _ => true,
        }
    }

    fn raw_order(&self) -> Result<Vec<usize>> {
        let raw = |index| self.source.raw_index(index);
        (0..self.schema.fields().len())
            .map(raw)
            .collect::<Option<_>>()
            .ok_or_else(|| DataFusionError::Internal("a column of the contract has no place in the scan".into()))
    }

    /// The contract's columns at these positions, as the scan computes them.
    fn projection(&self, columns: &[usize]) -> Result<ProjectionExprs> {
        let expression = |index: &usize| {
            let column = self.source.raw_column(*index)?;
            Some(ProjectionExpr::new(Arc::new(column), self.schema.field(*index).name().clone()))
        };
        let expressions = columns.iter().map(expression).collect::<Option<Vec<_>>>();
        let expressions =
            expressions.ok_or_else(|| DataFusionError::Internal("a projected column does not exist".into()))?;
        Ok(ProjectionExprs::new(expressions))
    }
}

/// Whether a filter has an answer for every row. One that has not is asked of the rows only that those before it let pass,
/// which the decoder does and a filter behind it does not.
fn cannot_fail(filter: &Expr) -> bool {
    use Operator::{And, Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq, Or};
    let safe = |part: &Expr| match part {
        Expr::BinaryExpr(binary) => {
            matches!(binary.op, And | Or | Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
        }
        Expr::Column(_)
        | Expr::Literal(..)
        | Expr::Not(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::Between(_)
        | Expr::InList(_) => true,
        _ => false,
    };
    !filter.exists(|part| Ok(!safe(part))).unwrap_or(true)
}

#[async_trait]
impl TableProvider for BaseTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn statistics(&self) -> Option<Statistics> {
        let order = self.raw_order().ok()?;
        let all = self.source.statistics();
        let of = |raw: &usize| all.column_statistics.get(*raw).cloned().unwrap_or_default();
        Some(Statistics { column_statistics: order.iter().map(of).collect(), ..all.clone() })
    }

    /// Files are left out by their statistics here; the filter itself reaches the Parquet reader by
    /// DataFusion's physical pushdown.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (url, store) = self.source.store();
        state.runtime_env().register_object_store(url.as_ref(), store);
        let (files, statistics) = match self.files(state, filters) {
            Ok(Some(files)) => {
                let each = files.iter().filter_map(|file| file.statistics.as_deref());
                let statistics = Statistics::try_merge_iter(each, self.source.raw_schema())?;
                (files, statistics)
            }
            // A filter that statistics cannot answer is no error: every file is looked at.
            Ok(None) | Err(_) => (self.source.files().to_vec(), self.source.statistics().clone()),
        };
        let partitions = state.config().target_partitions();
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let columns = projection.unwrap_or(&all);
        if files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(Arc::new(self.schema.project(columns)?))));
        }
        let projection = self.projection(columns)?;
        let late = self.decodes_late(filters, columns);
        let scan = self.source.scan_of(files, statistics, partitions, late).with_limit(limit).build();
        let file_source: Option<Arc<dyn FileSource>> = scan.file_source().try_pushdown_projection(&projection)?;
        let file_source = file_source
            .ok_or_else(|| DataFusionError::Internal("the Parquet source refuses a projection of columns".into()))?;
        let scan = FileScanConfigBuilder::from(scan).with_source(file_source).build();
        Ok(DataSourceExec::from_data_source(scan))
    }
}
