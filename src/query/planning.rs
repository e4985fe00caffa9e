//! From a statement to a plan that can run: names, types, optimisation, all on a planning thread.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::TaskContext;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::physical_plan::ExecutionPlan;

use super::error::Phase;
use super::functions::check_literals;
use super::governed_scan::first_rows_apart;
use super::interrupt::{Interrupt, interruptible};
use super::plans::Place;
use super::provenance::{ColumnSource, sources};
use super::reads::Reads;
use super::session::Sessions;
use super::shape::Shape;
use super::suggestions;
use super::wire::{wire_schema, wire_type};
use super::{FileRows, GovernedTable, MaskKey, QueryError, Rows, Statement, TableShape};
use crate::policy::RowFilter;

/// What a statement answers and asks for, without its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The schema of its results, as it will be on the wire.
    pub schema: SchemaRef,
    /// The types of its parameters `$1`, `$2` and so on; none where the statement does not tell.
    pub parameters: Vec<Option<DataType>>,
    /// For those that it does not tell, a type that suits their place; values of any type are taken.
    pub suggestions: Vec<Option<DataType>>,
    /// Of each column of the schema, the table's column that it plainly is.
    pub sources: Vec<Option<ColumnSource>>,
}

/// The values of parameters, brought to the types that the statement expects of them.
fn fitted(
    values: Vec<ScalarValue>,
    statement: &Statement,
    expected: &[Option<DataType>],
) -> Result<ParamValues, QueryError> {
    if values.len() != statement.parameters() {
        return Err(QueryError::invalid(format!(
            "the statement has {} parameters, {} were given",
            statement.parameters(),
            values.len()
        )));
    }
    let values = values.into_iter().zip(expected).enumerate().map(|(at, (value, expected))| {
        let misfit = || QueryError::invalid(format!("the value of parameter `${}` does not fit", at + 1));
        if value.data_type().is_nested() {
            return Err(QueryError::invalid("a parameter is a plain value, not a list or struct"));
        }
        match expected {
            Some(expected) if *expected != value.data_type() => value
                .cast_to(expected)
                .ok()
                // It arrives as it was given, or not at all: a rounded one would answer another question.
                .filter(|cast| holds(cast, &value))
                .ok_or_else(misfit),
            _ => Ok(value),
        }
    });
    Ok(values.collect::<Result<Vec<_>, _>>()?.into())
}

/// Whether a value that was cast is still what it was.
fn holds(cast: &ScalarValue, value: &ScalarValue) -> bool {
    if value.data_type().is_string() || value.is_null() {
        return true;
    }
    cast.cast_to(&value.data_type()).is_ok_and(|back| back == *value)
}

/// What a statement means over its tables, its parameters bound and the plan optimised: everything but how it is run.
pub(super) struct Planned {
    /// One plan for each row of parameters.
    optimised: Vec<LogicalPlan>,
    schema: SchemaRef,
    reads: Reads,
    sources: Vec<Option<ColumnSource>>,
    shape: Shape,
    lasting: bool,
}

impl Planned {
    /// Whether it would be planned the same at another moment: nothing in it looks at the clock or at chance.
    pub(super) fn is_lasting(&self) -> bool {
        self.lasting
    }
}

/// A statement's plan before its parameters are bound.
pub(super) struct Template {
    logical: LogicalPlan,
    /// The types of the parameters, as far as the statement tells them.
    expected: Vec<Option<DataType>>,
    /// The schema that was told before there were values; none without parameters.
    announced: Option<SchemaRef>,
}

/// How a plan is run, once: its dynamic filters are filled in as it runs.
pub(super) struct Runnable {
    pub(super) plan: Arc<dyn ExecutionPlan>,
    /// One plan for each further row of parameters, to run after it.
    pub(super) further: Vec<Arc<dyn ExecutionPlan>>,
    pub(super) context: Arc<TaskContext>,
    pub(super) interrupt: Arc<Interrupt>,
}

/// A plan that may run once.
pub struct GovernedPlan {
    pub(super) planned: Arc<Planned>,
    pub(super) runnable: Runnable,
    /// Where it is kept for whoever asks the same again.
    pub(super) place: Option<Place>,
}

impl GovernedPlan {
    /// Of each column of the schema, the table's column that it plainly is.
    pub fn sources(&self) -> &[Option<ColumnSource>] {
        &self.planned.sources
    }

    /// Whether it takes its rows one by one from a single table.
    pub fn shape(&self) -> Shape {
        self.planned.shape
    }

    /// The columns it reads of a table, by the names the statement gives schema and table; none for a table that
    /// planning found it need not read. Of a derived dataset's own sources it does not tell.
    pub fn columns_read(&self, schema: &str, table: &str) -> Option<&BTreeSet<String>> {
        self.planned.reads.of(schema, table)
    }

    /// The schema of its results, as it will be on the wire.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.planned.schema)
    }
}

impl fmt::Debug for GovernedPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GovernedPlan").field("schema", &self.planned.schema).finish_non_exhaustive()
    }
}

/// About how large a batch of an export is, and how many rows it has at most.
const EXPORT_BYTES: usize = 8 << 20;
const EXPORT_ROWS: usize = 64 << 10;

/// One statement on its way: a session of its own and the time by which it must be planned.
pub(super) struct Planner {
    state: SessionState,
    interrupt: Arc<Interrupt>,
    statement: Statement,
    tables: Vec<GovernedTable>,
    deadline: Instant,
    /// Whether a principal asks, who must not learn what named queries read.
    withholds: bool,
}

impl Planner {
    pub(super) fn new(
        sessions: &Arc<Sessions>,
        mesh: &str,
        statement: Statement,
        tables: &[GovernedTable],
        key: &MaskKey,
        deadline: Instant,
    ) -> Result<Self, QueryError> {
        let interrupt = Arc::new(Interrupt::default());
        let state = sessions.open(mesh, &statement, tables, key, &interrupt)?;
        Ok(Self { state, interrupt, statement, tables: tables.to_vec(), deadline, withholds: true })
    }

    /// For a statement over tables of which no row is read.
    pub(super) fn sketching(
        sessions: &Sessions,
        mesh: &str,
        statement: Statement,
        tables: &[TableShape],
        deadline: Instant,
    ) -> Result<Self, QueryError> {
        let interrupt = Arc::new(Interrupt::default());
        let state = sessions.open_shapes(mesh, &statement, tables, &interrupt)?;
        Ok(Self { state, interrupt, statement, tables: Vec::new(), deadline, withholds: false })
    }

    /// The statement's schema and parameters.
    pub(super) async fn describe(self) -> Result<Description, QueryError> {
        let plan = self.logical().await?;
        let parameters = self.parameter_types(&plan)?;
        let mut suggested = suggestions::of_plan(&plan).map_err(|error| planning(&error))?;
        let suggest = |at: usize| suggested.remove(&format!("${}", at + 1)).map(|data_type| wire_type(&data_type));
        let suggestions = (0..parameters.len()).map(suggest).collect();
        let analysed = self.analyse(plan)?;
        let schema = wire_schema(analysed.schema().as_arrow());
        Ok(Description { schema: self.statement.rename(schema), parameters, suggestions, sources: sources(&analysed) })
    }

    /// The statement's plan before its parameters are bound.
    pub(super) async fn template(&self) -> Result<Template, QueryError> {
        let logical = self.logical().await?;
        let expected = self.parameter_types(&logical)?;
        let announced = match self.statement.parameters() {
            0 => None,
            _ => Some(wire_schema(self.analyse(logical.clone())?.schema().as_arrow())),
        };
        Ok(Template { logical, expected, announced })
    }

    /// The plan with its parameters bound: once for each of `rows`, which is at least one.
    pub(super) fn bind(&self, template: &Template, rows: Vec<Vec<ScalarValue>>) -> Result<Planned, QueryError> {
        let Template { logical, expected, announced } = template;
        let mut all: Option<Planned> = None;
        for values in rows {
            let values = fitted(values, &self.statement, expected)?;
            let bound = match announced {
                None => logical.clone(),
                Some(_) => logical.clone().with_param_values(values).map_err(|error| planning(&error))?,
            };
            let bound = self.analyse(bound)?;
            let own = wire_schema(bound.schema().as_arrow());
            let schema = announced.as_ref().map_or_else(|| Arc::clone(&own), |announced| as_announced(announced, &own));
            let schema = self.statement.rename(schema);
            let (sources, lasting) = (sources(&bound), is_lasting(&bound).map_err(|error| planning(&error))?);
            let shape = Shape::of(&bound).map_err(|error| planning(&error))?;
            let optimised = self.optimised(bound)?;
            let reads = Reads::of_plan(&optimised).map_err(|error| planning(&error))?;
            match &mut all {
                None => all = Some(Planned { optimised: vec![optimised], schema, reads, sources, shape, lasting }),
                // Where the statement does not tell a column's type, a parameter may.
                Some(all) if all.schema != schema => {
                    return Err(QueryError::invalid("the rows of parameters give results of different types"));
                }
                Some(all) => {
                    all.optimised.push(optimised);
                    all.reads.extend(reads);
                    all.shape = Shape::Other;
                }
            }
        }
        all.ok_or_else(|| QueryError::internal(&"a statement is planned for at least one row of parameters"))
    }

    /// How `planned` is run.
    pub(super) async fn runnable(mut self, planned: &Planned) -> Result<Runnable, QueryError> {
        let usual = self.state.config().batch_size();
        let export = self.export(planned).filter(|(_, rows)| *rows > usual);
        if let Some((_, rows)) = export {
            *self.state.config_mut() = self.state.config().clone().with_batch_size(rows);
        }
        let mut plans = Vec::with_capacity(planned.optimised.len());
        for optimised in &planned.optimised {
            let mut plan = self.physical(optimised).await?;
            if let Some((files, _)) = &export {
                plan = first_rows_apart(plan, files, usual).await.map_err(|error| planning(&error))?;
            }
            plans.push(plan);
        }
        let mut plans = plans.into_iter();
        let plan = plans.next().ok_or_else(|| QueryError::internal(&"a plan has at least one part"))?;
        Ok(Runnable { plan, further: plans.collect(), context: self.state.task_ctx(), interrupt: self.interrupt })
    }

    /// The files whose rows are sent as they are read, if they are, and how many rows a batch then has best: each batch has
    /// its costs, from the decoder to the client. Batches that are worked on or filtered stay small enough for the processor's
    /// caches, and what a filter leaves of them is not read in stretches as long as such a batch.
    fn export(&self, planned: &Planned) -> Option<(Arc<FileRows>, usize)> {
        let [table @ GovernedTable { rows: Rows::Files(files), .. }] = &self.tables[..] else { return None };
        let columns = planned.reads.of(&table.schema, &table.table)?;
        match planned.shape {
            Shape::RowWise { filtered: false } if *table.grant.rows() == RowFilter::All => {
                let rows = (EXPORT_BYTES / files.row_width(columns)?.max(1)).min(EXPORT_ROWS);
                Some((Arc::clone(files), rows))
            }
            Shape::RowWise { .. } | Shape::Other => None,
        }
    }

    async fn logical(&self) -> Result<LogicalPlan, QueryError> {
        self.in_time()?;
        let plan = self.state.statement_to_plan(self.statement.to_parsed()).await;
        match plan {
            Ok(plan) => Ok(plan),
            Err(error) => Err(self.withheld().await.unwrap_or_else(|| planning(&error))),
        }
    }

    /// What to say when it is a named query that does not plan: it did for its owner, so a column that it names is
    /// hidden from this principal. The words of the error would be the owner's, not the caller's.
    async fn withheld(&self) -> Option<QueryError> {
        for call in self.statement.calls().iter().filter(|_| self.withholds) {
            if self.state.statement_to_plan(call.to_parsed()).await.is_err() {
                return Some(QueryError::query_not_granted(&call.named));
            }
        }
        None
    }

    fn analyse(&self, plan: LogicalPlan) -> Result<LogicalPlan, QueryError> {
        self.in_time()?;
        let analysed = self.state.analyzer().execute_and_check(plan, self.state.config_options(), |_, _| {});
        analysed.map_err(|error| planning(&error))
    }

    fn optimised(&self, analysed: LogicalPlan) -> Result<LogicalPlan, QueryError> {
        self.in_time()?;
        let optimised = self.state.optimizer().optimize(analysed, &self.state, |_, _| {});
        let optimised = optimised.map_err(|error| planning(&error))?;
        check_literals(&optimised)?;
        Ok(optimised)
    }

    async fn physical(&self, optimised: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>, QueryError> {
        self.in_time()?;
        let plan = self.state.query_planner().create_physical_plan(optimised, &self.state).await;
        plan.and_then(|plan| interruptible(plan, &self.interrupt)).map_err(|error| planning(&error))
    }

    /// The types of the parameters, as far as the statement tells them.
    fn parameter_types(&self, plan: &LogicalPlan) -> Result<Vec<Option<DataType>>, QueryError> {
        let known = plan.get_parameter_types().map_err(|error| planning(&error))?;
        let types = (1..=self.statement.parameters()).map(|number| {
            if let Some(declared) = self.statement.argument_type(number) {
                return Some(declared.as_arrow().clone());
            }
            match known.get(&format!("${number}")) {
                Some(Some(DataType::Null) | None) | None => None,
                Some(Some(data_type)) => Some(wire_type(data_type)),
            }
        });
        Ok(types.collect())
    }

    /// Planning cannot be interrupted, but it need not go on when nobody waits.
    fn in_time(&self) -> Result<(), QueryError> {
        if Instant::now() < self.deadline { Ok(()) } else { Err(QueryError::deadline()) }
    }
}

fn planning(error: &DataFusionError) -> QueryError {
    QueryError::from_datafusion(error, Phase::Planning)
}

/// Whether all functions of an analysed plan give the same for the same, at any time. Optimising folds those of the clock.
fn is_lasting(analysed: &LogicalPlan) -> DataFusionResult<bool> {
    let mut lasting = true;
    analysed.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| match part {
                Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
                    lasting = false;
                    Ok(TreeNodeRecursion::Stop)
                }
                _ => Ok(TreeNodeRecursion::Continue),
            })
        })
    })?;
    Ok(lasting)
}

/// What was announced before parameters had values holds, except where their types were not known.
fn as_announced(announced: &Schema, own: &Schema) -> SchemaRef {
    let fields = announced.fields().iter().zip(own.fields()).map(|(announced, own)| match announced.data_type() {
        DataType::Null => Arc::clone(own),
        _ => Arc::clone(announced),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Plans a derived dataset's statement, each time in a session that knows its domain's tables only.
pub(super) struct DerivedPlanner {
    sessions: Arc<Sessions>,
    mesh: Arc<str>,
    statement: Arc<Statement>,
    tables: Vec<GovernedTable>,
    /// The outer statement's.
    key: MaskKey,
}

impl DerivedPlanner {
    pub(super) fn new(
        sessions: Arc<Sessions>,
        mesh: Arc<str>,
        statement: Arc<Statement>,
        tables: Vec<GovernedTable>,
        key: MaskKey,
    ) -> Self {
        Self { sessions, mesh, statement, tables, key }
    }

    /// Its plan, to stop when the outer one is to. The time it takes is the outer statement's.
    pub(super) async fn plan(&self, interrupt: &Arc<Interrupt>) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        if self.statement.parameters() > 0 {
            return Err(DataFusionError::Internal("a derived dataset has parameters".into()));
        }
        let state = self.sessions.open(&self.mesh, &self.statement, &self.tables, &self.key, interrupt)?;
        let logical = state.statement_to_plan(self.statement.to_parsed()).await?;
        let analysed = state.analyzer().execute_and_check(logical, state.config_options(), |_, _| {})?;
        let optimised = state.optimizer().optimize(analysed, &state, |_, _| {})?;
        interruptible(state.query_planner().create_physical_plan(&optimised, &state).await?, interrupt)
    }
}
