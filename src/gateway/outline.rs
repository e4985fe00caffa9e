//! What a question will give, known before a row is read: its schema, what is told of its columns, its snapshots, its
//! receipt. A planned [`Answer`] has one. That of a whole dataset follows from the grant alone, so that describing a
//! product, and listing a thousand, plans nothing.
//!
//! INVARIANT: both are the same. A ticket seals the outline's schema, and DoGet, which plans, holds its own against it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use uuid::Uuid;

use super::Gateway;
use super::answer::{Answer, Divisible};
use super::catalog::Listing;
use super::column::{Told, ToldColumn};
use super::publish::{DatasetKey, Published};
use super::question::{Caller, ProductQuestion, Question};
use super::receipt::{Reading, Receipt};
use super::snapshots::{SnapshotRef, Snapshots};
use crate::policy::Grant;
use crate::query::{ColumnSource, GovernedTable, Rows, TableName, wire_schema};
use crate::source::Part;

/// What a question will give.
pub struct Outline {
    /// The result's schema, exactly as its batches will have it.
    pub schema: SchemaRef,
    /// What is told of each column of the schema, where it comes from a table.
    pub columns: Vec<Option<ToldColumn>>,
    /// The snapshots it reads, and the named queries as it asks them.
    pub snapshots: Vec<SnapshotRef>,
    /// What it is made of.
    pub receipt: Receipt,
    divisible: Option<Divisible>,
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

impl Outline {
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
    /// What it will give.
    pub fn outline(&self) -> Outline {
        Outline {
            schema: self.schema(),
            columns: self.columns().to_vec(),
            snapshots: self.snapshots().to_vec(),
            receipt: self.receipt(),
            divisible: self.divisible,
        }
    }
}

impl Gateway {
    /// What a question for a whole dataset will give, if it is one that can be had; of any other, and of why it cannot be
    /// had, [`Gateway::ask`] tells.
    pub fn outline(&self, caller: &Caller, question: &Question) -> Option<Outline> {
        let Question::Product(question) = question else { return None };
        let address = &question.address;
        let published = self.published.load_full();
        if *question != ProductQuestion::all(address.clone()) || published.query(address).is_some() {
            return None;
        }
        let found = published.mesh().resolve(address)?;
        let grant = published.grant(&caller.principal, &caller.purpose, Some(found), &address.to_string()).ok()?;
        published.outline(caller, question, &grant)
    }

    /// As [`Gateway::outline`], for a dataset of the caller's catalog under the grant found there.
    pub fn listed_outline(&self, caller: &Caller, listing: &Listing) -> Option<Outline> {
        let question = ProductQuestion::all(listing.address.clone());
        self.published.load().outline(caller, &question, listing.grant.as_ref()?)
    }
}

impl Published {
    /// What a whole dataset gives under a grant; none where only planning tells.
    fn outline(&self, caller: &Caller, question: &ProductQuestion, grant: &Grant) -> Option<Outline> {
        let (schema, table) = (question.address.domain.to_string(), question.table(&grant.dataset().name));
        let name = TableName { catalog: None, schema: Some(schema.clone()), table: table.clone() };
        // The very dataset that the statement of the question will read.
        let (_, dataset) = self.resolve_table(&name)?;
        if !Arc::ptr_eq(&dataset, grant.dataset()) || grant.columns().is_empty() {
            return None;
        }
        let mut snapshots = Snapshots::current();
        let rows = self.rows(grant, &caller.purpose, &name.to_string(), &mut snapshots).ok()?;
        let tables = [GovernedTable { schema, table, grant: grant.clone(), rows }];
        let [of] = &tables;
        if !self.is_sound(of) {
            return None;
        }
        let used = snapshots.into_used();
        let divisible = match of.rows {
            Rows::Files(_) => Some(Divisible { filtered: false, bytes: used.iter().map(|used| used.bytes).sum() }),
            Rows::Derived { .. } => None,
        };
        let (in_schema, in_table): (Arc<str>, Arc<str>) = (of.schema.as_str().into(), of.table.as_str().into());
        let schema = wire_schema(&grant.schema());
        let source = |column: &str| ColumnSource {
            schema: Arc::clone(&in_schema),
            table: Arc::clone(&in_table),
            column: column.to_owned(),
        };
        let sources: Vec<_> = schema.fields().iter().map(|field| Some(source(field.name()))).collect();
        Some(Outline {
            columns: Told::of(&tables).columns(&sources),
            schema,
            receipt: Receipt {
                decision: Uuid::now_v7(),
                policy_version: self.mesh().policies().version().to_owned(),
                purpose: caller.purpose.clone(),
                datasets: Reading::of(&tables, &used).receipts(),
                queries: Vec::new(),
            },
            snapshots: used.into_iter().map(|used| used.reference).collect(),
            divisible,
        })
    }

    /// Whether a table is known to plan: one of files does, and so does a derived one while its domain sees the columns
    /// that it saw when its statement was checked.
    fn is_sound(&self, table: &GovernedTable) -> bool {
        match &table.rows {
            Rows::Files(_) => true,
            Rows::Derived { tables, .. } => {
                let key = DatasetKey::new(table.grant.product(), table.grant.dataset());
                self.was_checked_with(&key, tables) && tables.iter().all(|table| self.is_sound(table))
            }
        }
    }
}
