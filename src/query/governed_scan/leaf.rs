//! The leaf itself: a private scan, shown to DataFusion as an opaque data source.

use std::any::Any;
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{ColumnStatistics, Statistics};
use datafusion::config::ConfigOptions;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::{DataSource, DataSourceExec, OpenArgs};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, Partitioning, PhysicalExpr, PhysicalSortExpr, conjunction,
};
use datafusion::physical_plan::execution_plan::SchedulingType;
use datafusion::physical_plan::filter::FilterExecBuilder;
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, RecordOutput};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan, SortOrderPushdownResult};
use futures::StreamExt;

use super::compact::compact;
use super::pushdown::Shown;
use crate::query::error::Phase;
use crate::query::{QueryError, QueryErrorKind};

type Expr = Arc<dyn PhysicalExpr>;

/// Where the raw rows come from.
#[derive(Clone)]
pub(super) enum Raw {
    /// Files: every column, no predicate.
    Files(Arc<FileScanConfig>),
    /// The plan of a derived dataset.
    Plan(Arc<dyn ExecutionPlan>),
}

impl Raw {
    fn schema(&self) -> SchemaRef {
        match self {
            Self::Files(scan) => Arc::clone(scan.file_source().table_schema().table_schema()),
            Self::Plan(plan) => plan.schema(),
        }
    }

    fn partitions(&self) -> usize {
        match self {
            Self::Files(scan) => scan.file_groups.len(),
            Self::Plan(plan) => plan.properties().output_partitioning().partition_count(),
        }
    }
}

/// A dataset under a grant.
#[derive(Clone)]
pub(super) struct Leaf {
    /// `domain.dataset`: the only word it says of itself.
    name: Arc<str>,
    raw: Raw,
    /// The row filter, over the raw schema.
    rows: Expr,
    /// What is shown, over the raw schema: plain columns, or masks.
    shown: Vec<ProjectionExpr>,
    /// The schema shown.
    schema: SchemaRef,
    /// Predicates taken from the plan above, over the raw schema: evaluated here, exactly.
    taken: Vec<Expr>,
    /// Dynamic filters taken: hints for pruning, evaluated above as well.
    dynamic: Vec<Expr>,
    fetch: Option<usize>,
    metrics: ExecutionPlanMetricsSet,
}

/// One inner plan per execution, shared by the partitions: Parquet's work stealing lives in it.
struct InnerPlan(Arc<dyn ExecutionPlan>);

impl Leaf {
    /// A leaf that shows `shown` (over the schema of `raw`) as `schema`, where `rows` holds.
    pub(super) fn new(name: Arc<str>, raw: Raw, rows: Expr, shown: Vec<ProjectionExpr>, schema: SchemaRef) -> Self {
        Self {
            name,
            raw,
            rows,
            shown,
            schema,
            taken: Vec::new(),
            dynamic: Vec::new(),
            fetch: None,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    fn with_raw(&self, raw: Raw) -> Self {
        Self { raw, ..self.clone() }
    }

    /// The leaf over another arrangement of the same files.
    fn over(&self, source: &Arc<dyn DataSource>) -> Option<Self> {
        source.downcast_ref::<FileScanConfig>().map(|scan| self.with_raw(Raw::Files(Arc::new(scan.clone()))))
    }

    /// The scan of files behind a data source: a leaf's, or itself.
    pub(super) fn scan(source: &Arc<dyn DataSource>) -> Option<&FileScanConfig> {
        match source.downcast_ref::<Self>() {
            Some(Self { raw: Raw::Files(scan), .. }) => Some(scan),
            Some(Self { raw: Raw::Plan(_), .. }) => None,
            None => source.downcast_ref(),
        }
    }

    /// The same data source over another arrangement of the same files.
    pub(super) fn rearranged(source: &Arc<dyn DataSource>, scan: FileScanConfig) -> Arc<dyn DataSource> {
        match source.downcast_ref::<Self>() {
            Some(leaf) => Arc::new(leaf.with_raw(Raw::Files(Arc::new(scan)))),
            None => Arc::new(scan),
        }
    }

    fn is_raw(&self, index: usize) -> bool {
        self.shown.get(index).is_some_and(|shown| shown.expr.is::<Column>())
    }

    fn with_shown<T>(&self, ask: impl FnOnce(&Shown<'_>) -> T) -> T {
        ask(&Shown { schema: &self.schema, is_raw: &|index| self.is_raw(index) })
    }

    /// An expression over the schema shown, as one over the raw schema. Only for what `Shown` accepts.
    fn to_raw(&self, expr: &Expr) -> Result<Expr> {
        Arc::clone(expr)
            .transform_up(|expr| match expr.downcast_ref::<Column>() {
                Some(column) => match self.shown.get(column.index()) {
                    Some(shown) => Ok(Transformed::yes(Arc::clone(&shown.expr))),
                    None => Err(DataFusionError::Internal("a column beyond the leaf".into())),
                },
                None => Ok(Transformed::no(expr)),
            })
            .map(|transformed| transformed.data)
    }

    /// The plan inside, for tests of what it reads.
    #[cfg(test)]
    pub(super) fn inside(&self, config: &datafusion::prelude::SessionConfig) -> Arc<dyn ExecutionPlan> {
        self.inner_plan(config.options(), config.batch_size()).unwrap()
    }

    /// Scan, row filter and taken predicates, masks, limit.
    fn inner_plan(&self, config: &ConfigOptions, batch_size: usize) -> Result<Arc<dyn ExecutionPlan>> {
        // What is asked for leaves fewer rows than what is granted, mostly: it is looked at first. It cannot fail.
        let exact: Vec<Expr> = self.taken.iter().chain([&self.rows]).cloned().collect();
        let (scan, residual) = match &self.raw {
            Raw::Files(files) => self.scan_files(files, exact, config)?,
            Raw::Plan(plan) => (Arc::clone(plan), exact),
        };
        let filtered = self.filter(scan, residual, batch_size)?;
        let schema = filtered.schema();
        let shown = self
            .shown
            .iter()
            .map(|shown| {
                Ok(ProjectionExpr::new(reassign_expr_columns(Arc::clone(&shown.expr), &schema)?, shown.alias.clone()))
            })
            .collect::<Result<Vec<_>>>()?;
        let masked: Arc<dyn ExecutionPlan> = Arc::new(ProjectionExec::try_new(shown, filtered)?);
        Ok(match self.fetch {
            Some(rows) => Arc::new(LocalLimitExec::new(masked, rows)),
            None => masked,
        })
    }

    /// The scan of the files with what Parquet takes, and the filters that remain to be evaluated.
    fn scan_files(
        &self,
        files: &FileScanConfig,
        exact: Vec<Expr>,
        config: &ConfigOptions,
    ) -> Result<(Arc<dyn ExecutionPlan>, Vec<Expr>)> {
        let mut source: Arc<dyn DataSource> = Arc::new(files.clone());
        let offered = exact.iter().chain(&self.dynamic).cloned().collect();
        let answer = source.try_pushdown_filters(offered, config)?;
        if let Some(updated) = answer.updated_node {
            source = updated;
        }
        let residual: Vec<Expr> = exact
            .into_iter()
            .zip(&answer.filters)
            .filter(|(_, pushed)| matches!(pushed, PushedDown::No))
            .map(|(expr, _)| expr)
            .collect();
        let mut needed: Vec<usize> = self
            .shown
            .iter()
            .map(|shown| &shown.expr)
            .chain(&residual)
            .flat_map(collect_columns)
            .map(|column| column.index())
            .collect();
        needed.sort_unstable();
        needed.dedup();
        let projection = ProjectionExprs::from_indices(&needed, &self.raw.schema());
        if let Some(projected) = source.try_swapping_with_projection(&projection)? {
            source = projected;
        }
        Ok((Arc::new(DataSourceExec::new(source)), residual))
    }

    fn filter(
        &self,
        scan: Arc<dyn ExecutionPlan>,
        residual: Vec<Expr>,
        batch_size: usize,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if residual.is_empty() {
            return Ok(scan);
        }
        let schema = scan.schema();
        let residual =
            residual.into_iter().map(|expr| reassign_expr_columns(expr, &schema)).collect::<Result<Vec<_>>>()?;
        let mut kept = self
            .shown
            .iter()
            .flat_map(|shown| collect_columns(&shown.expr))
            .map(|column| schema.index_of(column.name()))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        kept.sort_unstable();
        kept.dedup();
        let mut filter =
            FilterExecBuilder::new(conjunction(residual), scan).with_batch_size(batch_size).with_fetch(self.fetch);
        if kept.len() < schema.fields().len() {
            filter = filter.apply_projection(Some(kept))?;
        }
        Ok(Arc::new(filter.build()?))
    }

    fn run(&self, plan: &Arc<dyn ExecutionPlan>, args: OpenArgs) -> Result<SendableRecordBatchStream> {
        let metrics = BaselineMetrics::new(&self.metrics, args.partition);
        let (schema, name) = (Arc::clone(&self.schema), Arc::clone(&self.name));
        // A plan's expressions may leave values under NULLs; Parquet and masks do not.
        let scrub = matches!(self.raw, Raw::Plan(_));
        let stream = plan.execute(args.partition, args.context).map_err(|error| opaque(&self.name, &error))?;
        let stream = stream.map(move |batch| {
            batch
                .and_then(|batch| Ok(compact(&batch, &schema, scrub)?))
                .map(|batch| batch.record_output(&metrics))
                .map_err(|error| opaque(&name, &error))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream)))
    }
}

/// An error from within a leaf: what it says is for the log, what it was for may go out.
///
/// Which error it was must not tell either, or hidden rows could be asked about by making them fail. That
/// cannot happen here: nothing of the user's that can fail is evaluated below the row filter. What is left is
/// the state of the files and of the machine.
pub(super) fn opaque(name: &str, error: &DataFusionError) -> DataFusionError {
    QueryError::from_datafusion_as(error, Phase::Execution, |kind| match kind {
        QueryErrorKind::ResourcesExhausted
        | QueryErrorKind::SourceChanged
        | QueryErrorKind::Cancelled
        | QueryErrorKind::Deadline => None,
        _ => Some((QueryErrorKind::SourceUnavailable, format!("dataset `{name}` cannot be read at the moment"))),
    })
    .into()
}

/// Never derived: the `Debug` of a plan reaches logs and messages.
impl Debug for Leaf {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Governed({})", self.name)
    }
}

impl DataSource for Leaf {
    fn open(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.open_with_args(OpenArgs::new(partition, context))
    }

    fn create_sibling_state(&self, config: &ConfigOptions) -> Option<Arc<dyn Any + Send + Sync>> {
        // A failure shows again, and is told, where a partition opens.
        let plan = self.inner_plan(config, config.execution.batch_size.into()).ok()?;
        Some(Arc::new(InnerPlan(plan)))
    }

    fn open_with_args(&self, args: OpenArgs) -> Result<SendableRecordBatchStream> {
        if let Some(inner) = args.sibling_state.as_ref().and_then(|state| state.downcast_ref::<InnerPlan>()) {
            let plan = Arc::clone(&inner.0);
            return self.run(&plan, args);
        }
        let config = args.context.session_config();
        let plan =
            self.inner_plan(config.options(), config.batch_size()).map_err(|error| opaque(&self.name, &error))?;
        self.run(&plan, args)
    }

    fn fmt_as(&self, format: DisplayFormatType, f: &mut Formatter<'_>) -> fmt::Result {
        if matches!(format, DisplayFormatType::TreeRender) {
            return writeln!(f, "governed={}", self.name);
        }
        let columns: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, "governed={}, columns=[{}]", self.name, columns.join(", "))?;
        if !self.taken.is_empty() {
            write!(f, ", predicates={}", self.taken.len())?;
        }
        if !self.dynamic.is_empty() {
            write!(f, ", dynamic_filters={}", self.dynamic.len())?;
        }
        if let Some(rows) = self.fetch {
            write!(f, ", limit={rows}")?;
        }
        Ok(())
    }

    /// The order asked for is not used: a leaf declares none.
    fn repartitioned(
        &self,
        target: usize,
        min_size: usize,
        _: Option<LexOrdering>,
    ) -> Result<Option<Arc<dyn DataSource>>> {
        let Raw::Files(files) = &self.raw else { return Ok(None) };
        let source = files.repartitioned(target, min_size, None).map_err(|error| opaque(&self.name, &error))?;
        Ok(source.and_then(|source| self.over(&source)).map(|leaf| Arc::new(leaf) as _))
    }

    fn output_partitioning(&self) -> Partitioning {
        Partitioning::UnknownPartitioning(self.raw.partitions())
    }

    /// Not delegated: a scan that knows `region = 'EU'` makes `ORDER BY region` vanish, and so tells.
    fn eq_properties(&self) -> EquivalenceProperties {
        EquivalenceProperties::new(Arc::clone(&self.schema))
    }

    fn scheduling_type(&self) -> SchedulingType {
        SchedulingType::Cooperative
    }

    /// For the order of joins: inexact, rounded to a power of two, nothing about values.
    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        let rows = match &self.raw {
            Raw::Files(files) => files.statistics().num_rows.get_value().copied(),
            Raw::Plan(_) => None,
        };
        let parts = if partition.is_some() { self.raw.partitions().max(1) } else { 1 };
        let num_rows = match rows {
            Some(rows) => {
                let rows = (rows / parts).max(1).checked_next_power_of_two().unwrap_or(usize::MAX);
                Precision::Inexact(self.fetch.map_or(rows, |fetch| fetch.min(rows)))
            }
            None => Precision::Absent,
        };
        Ok(Arc::new(Statistics {
            num_rows,
            total_byte_size: num_rows.multiply(&Precision::Inexact(16 * self.shown.len())),
            column_statistics: self.shown.iter().map(|_| ColumnStatistics::new_unknown()).collect(),
        }))
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn DataSource>> {
        Some(Arc::new(Self { fetch: limit, ..self.clone() }))
    }

    fn fetch(&self) -> Option<usize> {
        self.fetch
    }

    /// Rows that left and the time it took; Parquet's own metrics name files and count hidden rows.
    fn metrics(&self) -> ExecutionPlanMetricsSet {
        self.metrics.clone()
    }

    /// Plain columns only: an expression stays above, where it meets nothing but visible rows.
    fn try_swapping_with_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn DataSource>>> {
        let (mut shown, mut fields) = (Vec::new(), Vec::new());
        for item in projection.iter() {
            let Some(column) = item.expr.downcast_ref::<Column>() else { return Ok(None) };
            let (Some(own), Some(field)) = (self.shown.get(column.index()), self.schema.fields().get(column.index()))
            else {
                return Ok(None);
            };
            shown.push(ProjectionExpr::new(Arc::clone(&own.expr), item.alias.clone()));
            fields.push(field.as_ref().clone().with_name(&item.alias));
        }
        Ok(Some(Arc::new(Self { shown, schema: Arc::new(Schema::new(fields)), ..self.clone() })))
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Expr>,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn DataSource>>> {
        let mut leaf = self.clone();
        let mut answers = Vec::with_capacity(filters.len());
        for filter in &filters {
            // After a limit a filter would choose other rows.
            let answer = if self.fetch.is_some() {
                PushedDown::No
            } else if self.with_shown(|shown| shown.accepts(filter)) {
                leaf.taken.push(self.to_raw(filter)?);
                PushedDown::Yes
            } else {
                if self.with_shown(|shown| shown.accepts_dynamic(filter)) {
                    leaf.dynamic.push(self.to_raw(filter)?);
                }
                PushedDown::No
            };
            answers.push(answer);
        }
        let changed = leaf.taken.len() + leaf.dynamic.len() > self.taken.len() + self.dynamic.len();
        let answer = FilterPushdownPropagation::with_parent_pushdown_result(answers);
        Ok(if changed { answer.with_updated_node(Arc::new(leaf) as Arc<dyn DataSource>) } else { answer })
    }

    /// Files may be read in a better order, but the sort above stays: an exact answer would tell.
    fn try_pushdown_sort(&self, order: &[PhysicalSortExpr]) -> Result<SortOrderPushdownResult<Arc<dyn DataSource>>> {
        let Raw::Files(files) = &self.raw else { return Ok(SortOrderPushdownResult::Unsupported) };
        if self.fetch.is_some() || !order.iter().all(|sort| self.with_shown(|shown| shown.is_column(&sort.expr))) {
            return Ok(SortOrderPushdownResult::Unsupported);
        }
        let order = order
            .iter()
            .map(|sort| Ok(PhysicalSortExpr::new(self.to_raw(&sort.expr)?, sort.options)))
            .collect::<Result<Vec<_>>>()?;
        let answer = files.try_pushdown_sort(&order).map_err(|error| opaque(&self.name, &error))?;
        let (SortOrderPushdownResult::Exact { inner } | SortOrderPushdownResult::Inexact { inner }) = answer else {
            return Ok(SortOrderPushdownResult::Unsupported);
        };
        Ok(match self.over(&inner) {
            Some(leaf) => SortOrderPushdownResult::Inexact { inner: Arc::new(leaf) },
            None => SortOrderPushdownResult::Unsupported,
        })
    }

    fn with_preserve_order(&self, preserve: bool) -> Option<Arc<dyn DataSource>> {
        let Raw::Files(files) = &self.raw else { return None };
        self.over(&files.with_preserve_order(preserve)?).map(|leaf| Arc::new(leaf) as _)
    }

    /// What was taken from above, never the row filter: joins and aggregates look here for the dynamic
    /// filters they fill in.
    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Expr) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for expr in self.taken.iter().chain(&self.dynamic) {
            if matches!(visit(expr)?, TreeNodeRecursion::Stop) {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }
}
