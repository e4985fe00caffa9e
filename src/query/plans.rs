//! Plans kept for whoever asks the same again: what GetFlightInfo has planned, DoGet runs; a prepared statement is planned
//! once for all its values.
//!
//! Kept are optimised logical plans, which may be used again and again. How one is run is kept for one use: its dynamic
//! filters are filled in as it runs.
//!
//! INVARIANT: a plan is used only for whom it was made, and only where the tables of today's grants and snapshots are the
//! ones it was made with, masked under the same key. So nobody needs to be told that a policy or a file changed: a plan
//! over what was before fits no question of today, and goes unused.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

use super::planning::{Planned, Runnable, Template};
use super::{Engine, GovernedPlan, GovernedTable, MaskKey, Parameters, QueryError, Rows, Statement};
use crate::principal::{Identity, Purpose};

/// Who asks, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asker {
    /// The principal.
    pub identity: Identity,
    /// Its purpose.
    pub purpose: Purpose,
}

/// How long a plan that nobody asks for is kept.
const KEPT: Duration = Duration::from_secs(60);
/// How much is kept, in KiB, about.
const MOST: u64 = 256 << 10;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Question {
    asker: Asker,
    mesh: String,
    statement: Statement,
    /// None for the statement before its parameters are bound.
    parameters: Option<Parameters>,
}

/// What a plan was made over.
#[derive(Clone, PartialEq)]
struct Basis {
    tables: Vec<GovernedTable>,
    key: MaskKey,
}

impl Basis {
    fn files(&self) -> usize {
        fn of(tables: &[GovernedTable]) -> usize {
            let files = |table: &GovernedTable| match &table.rows {
                Rows::Files(rows) => rows.files(),
                Rows::Derived { tables, .. } => of(tables),
            };
            tables.iter().map(files).sum()
        }
        of(&self.tables)
    }

    /// Whether all its rows come from files. A derived dataset's statement is planned as its plan is made to run, and may
    /// look at the clock.
    fn is_of_files(&self) -> bool {
        self.tables.iter().all(|table| matches!(table.rows, Rows::Files(_)))
    }
}

struct Kept<T> {
    basis: Basis,
    plan: T,
}

struct Answer {
    planned: Arc<Planned>,
    ready: Arc<Mutex<Option<Runnable>>>,
}

/// Where a plan waits that was made and not run.
pub(super) struct Place(Arc<Mutex<Option<Runnable>>>);

/// The plans that an engine keeps.
pub(super) struct Plans {
    templates: Cache<Question, Arc<Kept<Arc<Template>>>>,
    answers: Cache<Question, Arc<Kept<Answer>>>,
}

impl Plans {
    pub(super) fn new() -> Self {
        Self { templates: cache(), answers: cache() }
    }
}

fn cache<T: Send + Sync + 'static>() -> Cache<Question, Arc<Kept<T>>> {
    Cache::builder()
        .time_to_idle(KEPT)
        .max_capacity(MOST)
        .weigher(|question, kept: &Arc<Kept<T>>| weight(question, &kept.basis))
        .build()
}

/// In KiB, generously: a plan has expressions for the words of its statement, and lists its files.
fn weight(question: &Question, basis: &Basis) -> u32 {
    let values = question.parameters.as_ref().map_or(0, Parameters::size);
    let kib = 8 + question.statement.text_size() / 16 + values / 512 + basis.files() / 2;
    u32::try_from(kib).unwrap_or(u32::MAX)
}

/// What is kept of a question, if it was made over `basis`.
fn found<T: Send + Sync + 'static>(
    kept: &Cache<Question, Arc<Kept<T>>>,
    question: &Question,
    basis: &Basis,
) -> Option<Arc<Kept<T>>> {
    kept.get(question).filter(|kept| kept.basis == *basis)
}

impl Engine {
    /// As [`Engine::plan`], for somebody: what was planned before for the same question over the same tables is not planned
    /// again.
    ///
    /// # Errors
    /// As [`Engine::plan`].
    pub async fn plan_for(
        &self,
        asker: Asker,
        mesh: &str,
        statement: &Statement,
        tables: Vec<GovernedTable>,
        parameters: impl Into<Parameters>,
    ) -> Result<GovernedPlan, QueryError> {
        let parameters = parameters.into();
        let who = asker.identity.clone();
        let mut question = Question { asker, mesh: mesh.to_owned(), statement: statement.clone(), parameters: None };
        let basis = Basis { tables, key: self.mask_key() };
        let template = match statement.parameters() {
            0 => None,
            _ => found(&self.plans.templates, &question, &basis),
        };
        let unbound = question.clone();
        question.parameters = Some(parameters.clone());
        let kept = found(&self.plans.answers, &question, &basis);
        if let Some(kept) = &kept
            && let Some(runnable) = kept.plan.ready.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            reused("run");
            let place = Some(Place(Arc::clone(&kept.plan.ready)));
            return Ok(GovernedPlan { planned: Arc::clone(&kept.plan.planned), runnable, place });
        }
        reused(match (&kept, &template) {
            (Some(_), _) => "answer",
            (None, Some(_)) => "template",
            (None, None) => "none",
        });
        let begin = self.governed(mesh, basis.tables.clone(), basis.key.clone());
        let known = kept.as_ref().map(|kept| Arc::clone(&kept.plan.planned));
        let (known_template, rows) = (template.as_ref().map(|kept| Arc::clone(&kept.plan)), parameters.0);
        let (planned, template, runnable) = self
            .on_planning_thread(&who, statement, begin, |planner, handle| {
                let (planned, template) = match known {
                    Some(planned) => (planned, None),
                    None => {
                        let template = match known_template {
                            Some(template) => template,
                            None => Arc::new(handle.block_on(planner.template())?),
                        };
                        (Arc::new(planner.bind(&template, rows)?), Some(template))
                    }
                };
                let runnable = handle.block_on(planner.runnable(&planned))?;
                Ok((planned, template, runnable))
            })
            .await?;
        if let Some(template) = template
            && statement.parameters() > 0
        {
            let kept = Kept { basis: basis.clone(), plan: template };
            self.plans.templates.insert(unbound, Arc::new(kept));
        }
        let ready = match kept {
            Some(kept) => Arc::clone(&kept.plan.ready),
            None => Arc::default(),
        };
        let place = (planned.is_lasting() && basis.is_of_files()).then(|| Place(Arc::clone(&ready)));
        if planned.is_lasting() {
            let plan = Answer { planned: Arc::clone(&planned), ready };
            self.plans.answers.insert(question, Arc::new(Kept { basis, plan }));
        }
        Ok(GovernedPlan { planned, runnable, place })
    }
}

impl GovernedPlan {
    /// Leaves a plan that is not run for whoever asks the same next.
    pub fn set_aside(self) {
        if let Some(Place(place)) = self.place {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.runnable);
        }
    }
}

fn reused(part: &'static str) {
    metrics::counter!("airside_plans_total", "reused" => part).increment(1);
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Int64Type};
    use datafusion::common::ScalarValue;
    use datafusion::physical_plan::ExecutionPlan;
    use futures::TryStreamExt;

    use super::*;
    use crate::policy::{Comparison, Literal, RowFilter};
    use crate::product::Mask;
    use crate::query::fixture::{Fixture, MESH, Shows, column};
    use crate::query::{EngineConfig, Limits};

    async fn world() -> Fixture {
        let mut world = Fixture::new(&EngineConfig { threads: 2, ..EngineConfig::default() });
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
        world.write("t.parquet", &[RecordBatch::try_from_iter_with_nullable([("id", ids, true)]).unwrap()], 50);
        let columns = [column("id", DataType::Int64)];
        world.add("t", &columns, "t.parquet", Shows::everything()).await;
        let derived = vec![world.tables[0].clone()];
        world.add_derived("d", &columns, "SELECT id FROM sales.t", derived, Shows::everything());
        world
    }

    fn asker(name: &str) -> Asker {
        Asker { identity: Identity::User(name.into()), purpose: Purpose::default() }
    }

    impl Fixture {
        async fn plan_for(&self, name: &str, sql: &str, values: Vec<ScalarValue>) -> GovernedPlan {
            let statement = Statement::parse(sql, &Limits::default()).unwrap();
            let named = |table: &GovernedTable| statement.tables().iter().any(|name| name.table == table.table);
            let tables = self.tables.iter().filter(|table| named(table)).cloned().collect();
            self.engine.plan_for(asker(name), MESH, &statement, tables, values).await.unwrap()
        }

        async fn count(&self, plan: GovernedPlan) -> usize {
            let batches: Vec<RecordBatch> = self.execute(plan).try_collect().await.unwrap();
            batches.iter().map(RecordBatch::num_rows).sum()
        }
    }

    fn same(one: &Arc<dyn ExecutionPlan>, other: &Arc<dyn ExecutionPlan>) -> bool {
        Arc::ptr_eq(one, other)
    }

    #[tokio::test]
    async fn what_is_set_aside_is_run_once() {
        let world = world().await;
        let sql = "SELECT id FROM sales.t WHERE id < 7 ORDER BY id LIMIT 5";
        let first = world.plan_for("ada", sql, vec![]).await;
        let (made, planned) = (Arc::clone(&first.runnable.plan), Arc::clone(&first.planned));
        first.set_aside();
        let second = world.plan_for("ada", sql, vec![]).await;
        assert!(same(&second.runnable.plan, &made), "set aside, and taken");
        let third = world.plan_for("ada", sql, vec![]).await;
        assert!(!same(&third.runnable.plan, &made), "taken once");
        assert!(Arc::ptr_eq(&third.planned, &planned), "but not thought about again");
        assert_eq!((world.count(second).await, world.count(third).await), (5, 5));
    }

    #[tokio::test]
    async fn nobody_gets_a_plan_made_for_another_or_over_other_tables() {
        let mut world = world().await;
        let sql = "SELECT id FROM sales.t";
        let first = world.plan_for("ada", sql, vec![]).await;
        let planned = Arc::clone(&first.planned);
        first.set_aside();
        let others = world.plan_for("bob", sql, vec![]).await;
        assert!(!Arc::ptr_eq(&others.planned, &planned));
        let columns = [column("id", DataType::Int64)];
        let seven = RowFilter::Compare { column: "id".into(), op: Comparison::Equal, value: Literal::Number(7) };
        for (shows, rows) in [
            (Shows { rows: seven, masks: &[], hidden: &[] }, 1),
            (Shows { masks: &[("id", Mask::Null)], ..Shows::everything() }, 100),
            // The very same, opened again: it may be of other files.
            (Shows::everything(), 100),
        ] {
            let table = world.governed("t", &columns, "t.parquet", shows).await;
            let tables = std::mem::replace(&mut world.tables, vec![table]);
            let plan = world.plan_for("ada", sql, vec![]).await;
            assert!(!Arc::ptr_eq(&plan.planned, &planned));
            assert_eq!(world.count(plan).await, rows);
            world.tables = tables;
        }
    }

    #[tokio::test]
    async fn a_statement_is_planned_once_for_all_its_values() {
        let world = world().await;
        let sql = "SELECT id FROM sales.t WHERE id = $1";
        for value in [3_i64, 4, 3] {
            let plan = world.plan_for("ada", sql, vec![value.into()]).await;
            let batches: Vec<RecordBatch> = world.execute(plan).try_collect().await.unwrap();
            assert_eq!(batches[0].column(0).as_primitive::<Int64Type>().values(), &[value]);
        }
        world.engine.plans.templates.run_pending_tasks();
        world.engine.plans.answers.run_pending_tasks();
        assert_eq!(world.engine.plans.templates.entry_count(), 1);
        assert_eq!(world.engine.plans.answers.entry_count(), 2);
    }

    #[tokio::test]
    async fn what_looks_at_the_clock_is_planned_when_it_is_asked() {
        let world = world().await;
        for (sql, kept, ready) in [
            ("SELECT id, now() FROM sales.t", false, false),
            ("SELECT id FROM sales.t WHERE random() < 2", false, false),
            // Its own statement may: it is planned as the plan is made to run.
            ("SELECT id FROM sales.d", true, false),
            ("SELECT id + 1 FROM sales.t", true, true),
        ] {
            let first = world.plan_for("ada", sql, vec![]).await;
            let (planned, made) = (Arc::clone(&first.planned), Arc::clone(&first.runnable.plan));
            first.set_aside();
            let again = world.plan_for("ada", sql, vec![]).await;
            assert_eq!(Arc::ptr_eq(&planned, &again.planned), kept, "{sql}");
            assert_eq!(same(&made, &again.runnable.plan), ready, "{sql}");
        }
    }
}
