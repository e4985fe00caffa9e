//! The table a session registers for a granted dataset.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column, lit};
use datafusion::physical_expr::projection::ProjectionExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::prelude::SessionConfig;

use super::leaf::{Leaf, Raw, opaque};
use super::lower::lower;
use super::mask::{MaskExpr, constant};
use crate::policy::{Grant, RowFilter};
use crate::query::interrupt::Interrupt;
use crate::query::planning::DerivedPlanner;
use crate::query::{FileRows, MaskKey};

/// Where a provider's rows come from.
pub(in crate::query) enum Origin {
    /// Opened files.
    Files(Arc<FileRows>),
    /// A derived dataset, planned anew for each scan in a session of its own.
    Derived(DerivedPlanner),
}

/// A dataset under a grant.
pub(in crate::query) struct GovernedProvider {
    name: Arc<str>,
    grant: Grant,
    origin: Origin,
    schema: SchemaRef,
    key: MaskKey,
}

impl GovernedProvider {
    pub(in crate::query) fn new(name: Arc<str>, grant: Grant, origin: Origin, key: MaskKey) -> Self {
        let schema = grant.schema();
        Self { name, grant, origin, schema, key }
    }

    /// The raw rows, and where each column of the contract stands in them.
    async fn raw(&self, session: &SessionConfig) -> Result<(Raw, Vec<usize>)> {
        match &self.origin {
            Origin::Files(rows) if rows.fit(&self.grant) => {
                let mut scan = rows.scan.clone();
                let files = scan.file_groups.iter().flat_map(|group| group.iter().cloned()).collect();
                scan.file_groups = FileGroup::new(files).split_files(session.target_partitions().max(1));
                Ok((Raw::Files(Arc::new(scan)), rows.columns.clone()))
            }
            Origin::Files(_) => Err(broken("the grant is for another dataset")),
            Origin::Derived(planner) => {
                let plan = planner.plan(&session.get_extension::<Interrupt>().unwrap_or_default()).await?;
                let plan = self.keep_contract(plan)?;
                Ok((Raw::Plan(plan), (0..self.grant.dataset().columns.len()).collect()))
            }
        }
    }

    /// The rows of a derived dataset under the contract's columns: found by name, in the contract's order and
    /// types.
    fn keep_contract(&self, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let given = plan.schema();
        let columns = self.grant.dataset().columns.iter().map(|column| {
            let (index, field) = given
                .column_with_name(&column.physical_name)
                .or_else(|| given.column_with_name(&column.name))
                .ok_or_else(|| broken(&format!("its statement has no column `{}`", column.name)))?;
            let raw: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), index));
            let expr = if field.data_type() == &column.data_type {
                raw
            } else if arrow::compute::can_cast_types(field.data_type(), &column.data_type) {
                Arc::new(CastExpr::new(raw, column.data_type.clone(), None))
            } else {
                return Err(broken(&format!("column `{}` is {}", column.name, field.data_type())));
            };
            Ok(ProjectionExpr::new(expr, column.name.clone()))
        });
        Ok(Arc::new(ProjectionExec::try_new(columns.collect::<Result<Vec<_>>>()?, plan)?))
    }

    /// The plan of a scan that shows the columns at `projection`.
    async fn scan_shown(&self, projection: &[usize], session: &SessionConfig) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = Arc::new(self.schema.project(projection)?);
        let (raw, columns) = self.raw(session).await?;
        if matches!(&raw, Raw::Files(files) if files.file_groups.is_empty()) || *self.grant.rows() == RowFilter::Nothing
        {
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let raw_schema = match &raw {
            Raw::Files(files) => Arc::clone(files.file_source().table_schema().table_schema()),
            Raw::Plan(plan) => plan.schema(),
        };
        // Asked for once: the scan copies what it knows of every column.
        let known = match &raw {
            Raw::Files(files) => files.statistics().column_statistics,
            Raw::Plan(_) => Vec::new(),
        };
        let has_no_null =
            |column: usize| known.get(column).is_some_and(|known| known.null_count == Precision::Exact(0));
        let position = |index: usize| columns.get(index).copied().filter(|raw| *raw < raw_schema.fields().len());
        let mut shown = Vec::with_capacity(projection.len());
        for at in projection {
            let granted = self.grant.columns().get(*at).ok_or_else(|| broken("a column beyond the grant"))?;
            let raw_index = position(granted.index).ok_or_else(|| broken("a column beyond the files"))?;
            let field = raw_schema.field(raw_index);
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), raw_index));
            let expr = match granted.mask {
                None => column,
                Some(mask) => match constant(mask, field.data_type(), has_no_null(raw_index)) {
                    Some(value) => lit(value),
                    None => Arc::new(MaskExpr::new(mask, column, field.data_type(), &self.key)?),
                },
            };
            shown.push(ProjectionExpr::new(expr, schema.field(shown.len()).name().clone()));
        }
        let dataset = self.grant.dataset();
        let by_name = |name: &str| position(dataset.columns.iter().position(|column| column.name == name)?);
        let rows = lower(self.grant.rows(), &raw_schema, &by_name)?;
        let leaf = Leaf::new(Arc::clone(&self.name), raw, rows, shown, schema);
        Ok(DataSourceExec::from_data_source(leaf))
    }
}

/// Something that loading should have refused.
fn broken(what: &str) -> DataFusionError {
    DataFusionError::Internal(format!("governed scan: {what}"))
}

impl fmt::Debug for GovernedProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Governed({})", self.name)
    }
}

#[async_trait]
impl TableProvider for GovernedProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// No logical rule moves a predicate in here: the physical one asks the leaf, predicate by predicate.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Unsupported; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let projection = projection.unwrap_or(&all);
        let plan = self.scan_shown(projection, session.config()).await.map_err(|error| opaque(&self.name, &error))?;
        Ok(match limit {
            Some(_) => plan.with_fetch(limit).unwrap_or(plan),
            None => plan,
        })
    }
}
