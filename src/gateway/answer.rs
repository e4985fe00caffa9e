//! A question answered: parsed, authorized, planned, run.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use uuid::Uuid;

use super::Gateway;
use super::error::AnswerError;
use super::publish::{DatasetKey, Published};
use super::question::{Caller, ProductQuestion, Question};
use super::receipt::{Reading, Receipt};
use super::snapshots::{SnapshotRef, Snapshots};
use super::standing::{Held, held};
use crate::product::{Name, VersionRequirement};
use crate::query::{Arguments, Description, GovernedPlan, PlanDetail, QueryError, Scan, Statement};
use crate::source::DatasetSource;

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
    pub(super) published: Arc<Published>,
}

impl Answer {
    /// The result's schema, exactly as its batches have it.
    pub fn schema(&self) -> SchemaRef {
        self.plan.schema()
    }

    /// The plan as text, for those who look after the mesh.
    pub(super) fn plan_text(&self, detail: PlanDetail) -> String {
        self.plan.text(detail)
    }

    /// The snapshots it reads, and the named queries as it asks them.
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
            queries: self.statement.queries().into_iter().cloned().collect(),
        }
    }
}

impl Gateway {
    /// The statement of a question. A product asked for by its address becomes one too, so that
    /// whatever asks is governed alike.
    pub(super) fn statement(&self, caller: &Caller, question: &Question) -> Result<Statement, AnswerError> {
        let published = self.published.load();
        match question {
            Question::Sql(sql) => {
                Statement::parse_with(sql, &self.limits, &mut |name| self.find_query(&published, caller, name))
            }
            Question::Product(question) => self.scan(&published, caller, question),
        }
    }

    fn scan(
        &self,
        published: &Published,
        caller: &Caller,
        question: &ProductQuestion,
    ) -> Result<Statement, AnswerError> {
        let ProductQuestion { address, columns, filter, limit, arguments } = question;
        let named = address.to_string();
        let columns = (!columns.is_empty()).then_some(columns.as_slice());
        let scan =
            Scan { schema: address.domain.as_str(), table: "", columns, filter: filter.as_deref(), limit: *limit };
        let table = |name: &Name| match &address.version {
            None => name.to_string(),
            Some(VersionRequirement { major, minor: None, patch: None }) => format!("{name}_v{major}"),
            Some(version) => format!("{name}@{version}"),
        };
        if let found @ Some(_) = published.query(address) {
            let template = published.callable(caller, found, &named, || AnswerError::NotFound(named.clone()))?;
            let table = table(&template.declared().name);
            let arguments = Arguments::Given(arguments);
            return Ok(Statement::scan_query(&Scan { table: &table, ..scan }, &template, arguments, &self.limits)?);
        }
        let found = published.mesh().resolve(address);
        let grant = published.grant(&caller.principal, &caller.purpose, found, &named)?;
        if !arguments.is_empty() {
            return Err(QueryError::invalid(format!("`{named}` is no named query, so it takes no arguments")).into());
        }
        Ok(Statement::scan(&Scan { table: &table(&grant.dataset().name), ..scan }, &self.limits)?)
    }

    /// Plans a statement with the caller's grants. With `pinned` it reads those snapshots, or says that they are gone.
    pub(super) async fn answer(
        &self,
        caller: &Caller,
        statement: &Statement,
        parameters: Vec<ScalarValue>,
        pinned: Option<&[SnapshotRef]>,
    ) -> Result<Answer, AnswerError> {
        let published = self.published.load_full();
        let find = |key: &DatasetKey, current: Option<&Arc<DatasetSource>>| match pinned {
            None => current.cloned(),
            Some(pinned) => self.pinned(pinned, key, current),
        };
        let mut snapshots = Snapshots::new(&find);
        // Another question under the same name is not what the ticket was issued for.
        let queries: Vec<SnapshotRef> = statement.queries().into_iter().map(SnapshotRef::of_query).collect();
        if pinned.is_some_and(|pinned| !queries.iter().all(|query| pinned.contains(query))) {
            return Err(AnswerError::Outdated);
        }
        let tables = published.authorize(caller, statement, &mut snapshots)?;
        let used = snapshots.into_used();
        let (held, mut reading) = (held(&tables), Reading::of(&tables, &used));
        let types = parameters.iter().map(ScalarValue::data_type).collect();
        let plan = self.engine.plan(published.mesh().name(), statement, tables, parameters).await?;
        reading.only(&plan);
        Ok(Answer {
            plan,
            snapshots: used.into_iter().map(|used| used.reference).chain(queries).collect(),
            decision: Uuid::now_v7(),
            kind: Question::SQL,
            statement: statement.clone(),
            parameters: types,
            reading,
            caller: caller.clone(),
            held,
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
    pub(super) async fn description(&self, caller: &Caller, statement: &Statement) -> Result<Description, AnswerError> {
        let published = self.published.load_full();
        let tables = published.authorize(caller, statement, &mut Snapshots::current())?;
        Ok(self.engine.describe(published.mesh().name(), statement, tables).await?)
    }
}
