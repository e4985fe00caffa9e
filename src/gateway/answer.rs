//! A question answered: parsed, authorized, planned, run.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use uuid::Uuid;

use super::Gateway;
use super::column::{Told, ToldColumn};
use super::error::AnswerError;
use super::publish::{DatasetKey, Published};
use super::question::{Caller, ProductQuestion, Question};
use super::receipt::{Reading, Receipt};
use super::snapshots::{SnapshotRef, Snapshots};
use super::standing::{Held, held};
use crate::product::{Address, Name, VersionRequirement};
use crate::query::{GovernedPlan, Parameters, PlanDetail, Statement};
use crate::source::DatasetSource;

/// What a question would give, and which parameters it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The result's schema, exactly as its batches will have it.
    pub schema: SchemaRef,
    /// What is told of each of its columns, where it comes from a table.
    pub columns: Vec<Option<ToldColumn>>,
    /// The types of the parameters `$1`, `$2` and so on; none where the statement does not tell.
    pub parameters: Vec<Option<DataType>>,
}

/// A planned answer. Nothing has been read yet.
pub struct Answer {
    pub(super) plan: GovernedPlan,
    pub(super) snapshots: Vec<SnapshotRef>,
    pub(super) decision: Uuid,
    pub(super) kind: &'static str,
    pub(super) statement: Statement,
    pub(super) parameters: Vec<DataType>,
    pub(super) reading: Reading,
    pub(super) caller: Caller,
    pub(super) held: Vec<Held>,
    pub(super) columns: Vec<Option<ToldColumn>>,
    pub(super) published: Arc<Published>,
}

impl Answer {
    /// The result's schema, exactly as its batches have it.
    pub fn schema(&self) -> SchemaRef {
        self.plan.schema()
    }

    /// What is told of each column of the schema, where it comes from a table.
    pub fn columns(&self) -> &[Option<ToldColumn>] {
        &self.columns
    }

    /// The plan as text, for those who look after the mesh.
    pub(super) fn plan_text(&self, detail: PlanDetail) -> String {
        self.plan.text(detail)
    }

    /// The snapshots it reads.
    pub fn snapshots(&self) -> &[SnapshotRef] {
        &self.snapshots
    }

    /// The same answer under a decision that was told before.
    #[must_use]
    pub fn decided(self, decision: Uuid) -> Self {
        Self { decision, ..self }
    }

    /// What it is made of.
    pub fn receipt(&self) -> Receipt {
        Receipt {
            decision: self.decision,
            policy_version: self.published.mesh().policies().version().to_owned(),
            purpose: self.caller.purpose.clone(),
            datasets: self.reading.receipts(),
        }
    }
}

impl Gateway {
    /// The statement of a question. A product asked for by its address becomes one too, so that
    /// whatever asks is governed alike.
    pub(super) fn statement(&self, caller: &Caller, question: &Question) -> Result<Statement, AnswerError> {
        match question {
            Question::Sql(sql) => Ok(Statement::parse(sql, &self.limits)?),
            Question::Product(question) => self.scan(caller, question),
        }
    }

    /// A statement's text with `schema` before the tables it names without one; none if there are none, or it is no
    /// statement.
    pub fn within_schema(&self, sql: &str, schema: &Name) -> Option<String> {
        Statement::parse(sql, &self.limits).ok()?.within_schema(sql, schema.as_str())
    }

    fn scan(&self, caller: &Caller, question: &ProductQuestion) -> Result<Statement, AnswerError> {
        let published = self.published.load();
        let Address { domain, version, .. } = &question.address;
        let named = question.address.to_string();
        let found = published.mesh().resolve(&question.address);
        let grant = published.grant(&caller.principal, &caller.purpose, found, &named)?;
        let dataset = &grant.dataset().name;
        let table = match version {
            None => dataset.to_string(),
            Some(VersionRequirement { major, minor: None, patch: None }) => format!("{dataset}_v{major}"),
            Some(version) => format!("{dataset}@{version}"),
        };
        let columns = (!question.columns.is_empty()).then_some(question.columns.as_slice());
        let filter = question.filter.as_deref();
        Ok(Statement::scan(domain.as_str(), &table, columns, filter, question.limit, &self.limits)?)
    }

    /// Plans a statement with the caller's grants. With `pinned` it reads those snapshots, or says that they are gone.
    pub(super) async fn answer(
        &self,
        caller: &Caller,
        statement: &Statement,
        parameters: impl Into<Parameters>,
        pinned: Option<&[SnapshotRef]>,
    ) -> Result<Answer, AnswerError> {
        let parameters = parameters.into();
        let published = self.published.load_full();
        let find = |key: &DatasetKey, current: Option<&Arc<DatasetSource>>| match pinned {
            None => current.cloned(),
            Some(pinned) => self.pinned(pinned, key, current),
        };
        let mut snapshots = Snapshots::new(&find);
        let tables = published.authorize(caller, statement, &mut snapshots)?;
        let used = snapshots.into_used();
        let (held, mut reading) = (held(&tables), Reading::of(&tables, &used));
        let told = Told::of(&tables);
        let types = parameters.first().iter().map(|value| value.data_type()).collect();
        let plan = self.engine.plan(published.mesh().name(), statement, tables, parameters).await?;
        reading.only(&plan);
        let columns = told.columns(plan.sources());
        Ok(Answer {
            plan,
            snapshots: used.into_iter().map(|used| used.reference).collect(),
            decision: Uuid::now_v7(),
            kind: Question::SQL,
            statement: statement.clone(),
            parameters: types,
            reading,
            caller: caller.clone(),
            held,
            columns,
            published,
        })
    }

    fn pinned(
        &self,
        pinned: &[SnapshotRef],
        key: &DatasetKey,
        current: Option<&Arc<DatasetSource>>,
    ) -> Option<Arc<DatasetSource>> {
        let dataset = key.to_string();
        let id = &pinned.iter().find(|snapshot| snapshot.dataset == dataset)?.id;
        match current.filter(|source| source.snapshot().id() == id) {
            Some(current) => Some(Arc::clone(current)),
            None => self.retired.get(id),
        }
    }

    /// What a statement would give and which parameters it takes.
    pub(super) async fn description(&self, caller: &Caller, statement: &Statement) -> Result<Described, AnswerError> {
        let published = self.published.load_full();
        let tables = published.authorize(caller, statement, &mut Snapshots::current())?;
        let told = Told::of(&tables);
        let description = self.engine.describe(published.mesh().name(), statement, tables).await?;
        let columns = told.columns(&description.sources);
        Ok(Described { schema: description.schema, columns, parameters: description.parameters })
    }
}
