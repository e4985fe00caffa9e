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
use super::snapshots::{Pinned, SnapshotRef, Snapshots};
use super::standing::{Held, held};
use crate::product::{Address, VersionRequirement};
use crate::query::{Description, GovernedPlan, GovernedTable, PlanDetail, Rows, Shape, Statement};
use crate::source::{DatasetSource, Part};

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
    pub(super) divisible: Option<Divisible>,
}

/// An answer that several readers may fetch in parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Divisible {
    filtered: bool,
    bytes: u64,
}

/// Whether an answer is to come in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// No.
    One,
    /// Where every row of the dataset is wanted: a filter is likely to leave little.
    OfWholeDatasets,
    /// Wherever it can.
    Many,
}

impl Answer {
    /// How many parts of about `bytes` of files it comes in, `most` at most: one unless each row comes from one row of a
    /// single dataset of files.
    pub fn parts(&self, wanted: Parts, bytes: u64, most: u32) -> u32 {
        match (self.divisible, wanted) {
            (Some(whole), Parts::Many) => Part::count_of(whole.bytes, bytes, most),
            (Some(whole), Parts::OfWholeDatasets) if !whole.filtered => Part::count_of(whole.bytes, bytes, most),
            _ => 1,
        }
    }
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
        parameters: Vec<ScalarValue>,
        pinned: Option<&Pinned>,
    ) -> Result<Answer, AnswerError> {
        let published = self.published.load_full();
        let find = |key: &DatasetKey, current: Option<&Arc<DatasetSource>>| match pinned {
            None => current.cloned(),
            Some(Pinned { snapshots, part }) => {
                let source = self.pinned(snapshots, key, current)?;
                Some(part.map_or(source.clone(), |part| Arc::new(source.part(part))))
            }
        };
        let mut snapshots = Snapshots::new(&find);
        let tables = published.authorize(caller, statement, &mut snapshots)?;
        let used = snapshots.into_used();
        let of_files = matches!(&tables[..], [GovernedTable { rows: Rows::Files(_), .. }]);
        let bytes = used.iter().map(|used| used.bytes).sum();
        let (held, mut reading) = (held(&tables), Reading::of(&tables, &used));
        let types = parameters.iter().map(ScalarValue::data_type).collect();
        let plan = self.engine.plan(published.mesh().name(), statement, tables, parameters).await?;
        reading.only(&plan);
        let divisible = match plan.shape() {
            Shape::RowWise { filtered } if of_files => Some(Divisible { filtered, bytes }),
            Shape::RowWise { .. } | Shape::Other => None,
        };
        // INVARIANT: only of rows that each come from one row do parts make the whole.
        if pinned.is_some_and(|pinned| pinned.part.is_some()) && divisible.is_none() {
            return Err(AnswerError::Outdated);
        }
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
            published,
            divisible,
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
