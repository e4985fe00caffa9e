//! A question answered: parsed, authorized, planned, run.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use uuid::Uuid;

use super::Gateway;
use super::column::{Told, ToldColumn};
use super::error::AnswerError;
use super::moment::Chosen;
use super::publish::{DatasetKey, Published};
use super::question::{Caller, ProductQuestion, Question};
use super::receipt::{Reading, Receipt};
use super::snapshots::{Pinned, SnapshotRef, Snapshots};
use super::standing::{Held, held};
use crate::product::{Name, Origin};
use crate::query::{
    Arguments, Asker, Description, GovernedPlan, GovernedTable, Parameters, PlanDetail, QueryError, Rows, Scan, Shape,
    Statement,
};
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
    /// For those that it does not tell, a type that suits their place; values of any type are taken.
    pub suggestions: Vec<Option<DataType>>,
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
    pub(super) divisible: Option<Divisible>,
}

/// An answer that several readers may fetch in parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Divisible {
    /// Whether rows are left out.
    pub(super) filtered: bool,
    /// The bytes of the files it is read from.
    pub(super) bytes: u64,
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

    /// The snapshots it reads, and the named queries as it asks them.
    pub fn snapshots(&self) -> &[SnapshotRef] {
        &self.snapshots
    }

    /// Leaves a planned answer for the call that fetches it.
    pub fn set_aside(self) {
        self.plan.set_aside();
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

    /// A statement's text with `schema` before the tables it names without one; none if there are none, or it is no
    /// statement.
    pub fn within_schema(&self, sql: &str, schema: &Name) -> Option<String> {
        Statement::within_schema(sql, schema.as_str(), &self.limits)
    }

    fn scan(
        &self,
        published: &Published,
        caller: &Caller,
        question: &ProductQuestion,
    ) -> Result<Statement, AnswerError> {
        let ProductQuestion { address, columns, filter, limit, arguments, as_of, since } = question;
        let named = address.to_string();
        let columns = (!columns.is_empty()).then_some(columns.as_slice());
        let scan =
            Scan { schema: address.domain.as_str(), table: "", columns, filter: filter.as_deref(), limit: *limit };
        let of_snapshots = as_of.is_some() || since.is_some();
        let without_snapshots =
            || QueryError::invalid(format!("`{named}` is made of other datasets and has no snapshots of its own"));
        if let found @ Some(_) = published.query(address) {
            let template = published.callable(caller, found, &named, || AnswerError::NotFound(named.clone()))?;
            if of_snapshots {
                return Err(without_snapshots().into());
            }
            let table = question.table(&template.declared().name);
            let arguments = Arguments::Given(arguments);
            return Ok(Statement::scan_query(&Scan { table: &table, ..scan }, &template, arguments, &self.limits)?);
        }
        let found = published.mesh().resolve(address);
        let grant = published.grant(&caller.principal, &caller.purpose, found, &named)?;
        if !arguments.is_empty() {
            return Err(QueryError::invalid(format!("`{named}` is no named query, so it takes no arguments")).into());
        }
        if of_snapshots && matches!(grant.dataset().origin, Origin::Derived { .. }) {
            return Err(without_snapshots().into());
        }
        Ok(Statement::scan(&Scan { table: &question.table(&grant.dataset().name), ..scan }, &self.limits)?)
    }

    /// Plans a statement with the caller's grants. With `pinned` it reads those snapshots, or says that they are gone; and of one dataset what was `chosen`.
    pub(super) async fn answer(
        &self,
        caller: &Caller,
        statement: &Statement,
        parameters: impl Into<Parameters>,
        pinned: Option<&Pinned>,
        chosen: Option<&Chosen>,
    ) -> Result<Answer, AnswerError> {
        let parameters = parameters.into();
        let published = self.published.load_full();
        let part = pinned.and_then(|pinned| pinned.part);
        let find = |key: &DatasetKey, current: Option<&Arc<DatasetSource>>| {
            let source = match (chosen, pinned) {
                (Some(chosen), _) if chosen.dataset == *key => Arc::clone(&chosen.source),
                (_, Some(pinned)) => self.pinned(pinned, key, current)?,
                (_, None) => current.cloned()?,
            };
            Some(match part {
                Some(part) => Arc::new(source.part(part)),
                None => source,
            })
        };
        let mut snapshots = Snapshots::new(&find);
        // Another question under the same name is not what the ticket was issued for.
        let queries: Vec<SnapshotRef> = statement.queries().into_iter().map(SnapshotRef::of_query).collect();
        if pinned.is_some_and(|pinned| !queries.iter().all(|query| pinned.snapshots.contains(query))) {
            return Err(AnswerError::Outdated);
        }
        let tables = published.authorize(caller, statement, &mut snapshots)?;
        let used = snapshots.into_used();
        let of_files = matches!(&tables[..], [GovernedTable { rows: Rows::Files(_), .. }]);
        let bytes = used.iter().map(|used| used.bytes).sum();
        let (held, mut reading) = (held(&tables), Reading::of(&tables, &used));
        let told = Told::of(&tables);
        let types = parameters.first().iter().map(|value| value.data_type()).collect();
        let asker = Asker { identity: caller.principal.identity.clone(), purpose: caller.purpose.clone() };
        let plan = self.engine.plan_for(asker, published.mesh().name(), statement, tables, parameters).await?;
        reading.only(&plan);
        let divisible = match plan.shape() {
            Shape::RowWise { filtered } if of_files => Some(Divisible { filtered, bytes }),
            Shape::RowWise { .. } | Shape::Other => None,
        };
        // INVARIANT: only of rows that each come from one row do parts make the whole.
        if pinned.is_some_and(|pinned| pinned.part.is_some()) && divisible.is_none() {
            return Err(AnswerError::Outdated);
        }
        let columns = told.columns(plan.sources());
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
            columns,
            published,
            divisible,
        })
    }

    fn pinned(
        &self,
        pinned: &Pinned,
        key: &DatasetKey,
        current: Option<&Arc<DatasetSource>>,
    ) -> Option<Arc<DatasetSource>> {
        let id = pinned.of(key)?;
        match current.filter(|source| source.snapshot().id() == id) {
            Some(current) => Some(Arc::clone(current)),
            None => self.kept.recent(key, id),
        }
    }

    /// What a statement would give and which parameters it takes.
    pub(super) async fn description(&self, caller: &Caller, statement: &Statement) -> Result<Described, AnswerError> {
        let published = self.published.load_full();
        let tables = published.authorize(caller, statement, &mut Snapshots::current())?;
        let told = Told::of(&tables);
        let who = &caller.principal.identity;
        let description = self.engine.describe(who, published.mesh().name(), statement, tables).await?;
        let columns = told.columns(&description.sources);
        let Description { schema, parameters, suggestions, .. } = description;
        Ok(Described { schema, columns, parameters, suggestions })
    }
}
