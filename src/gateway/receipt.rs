//! What an answer is made of: of which products and versions, as of when, and what of them the policy kept back.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::publish::DatasetKey;
use super::snapshots::UsedSnapshot;
use crate::audit::DatasetRead;
use crate::policy::RowFilter;
use crate::principal::Purpose;
use crate::product::{Dataset, Mask, Product, Version};
use crate::query::{GovernedPlan, GovernedTable, QueryTemplate, Rows};

/// What an answer is made of, for whoever receives it. It tells of nothing that the answer's schema does not show.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// Names the decision; the audit's records of the answer repeat it.
    pub decision: Uuid,
    /// The version of the policies that decided.
    pub policy_version: String,
    /// The purpose they decided for.
    pub purpose: Purpose,
    /// The datasets read, in the order the statement names them.
    pub datasets: Vec<DatasetReceipt>,
    /// The named queries called.
    pub queries: Vec<Arc<QueryTemplate>>,
}

/// What is read of one dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetReceipt {
    /// `domain.product`, with `/dataset` where the dataset has another name.
    pub address: String,
    /// The contract's version.
    pub version: Version,
    /// The snapshot's id; of a derived dataset one made of its sources'.
    pub snapshot: String,
    /// The last change of its files; of a derived dataset that of the source that changed least recently.
    pub fresh_as_of: Option<DateTime<Utc>>,
    /// The columns read.
    pub columns: Vec<String>,
    /// Those of them that are masked.
    pub masked: BTreeMap<String, Mask>,
    /// Whether a policy keeps rows back.
    pub rows_restricted: bool,
    /// The earlier snapshot whose files were left out.
    pub since: Option<String>,
}

/// What an answer reads: the same for its reader's receipt and for the audit.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    tables: Vec<(String, String, Vec<DatasetRead>, DatasetReceipt)>,
}

impl Reading {
    /// Everything that the tables' grants show.
    pub(super) fn of(tables: &[GovernedTable], used: &[UsedSnapshot]) -> Self {
        let snapshot = |key: DatasetKey| used.iter().find(|used| used.reference.dataset == key.to_string());
        let id = |grant: &crate::policy::Grant| {
            snapshot(DatasetKey::new(grant.product(), grant.dataset())).map(|used| used.reference.id.clone())
        };
        let tables = tables.iter().map(|table| {
            let audited = DatasetRead::of_tables(std::slice::from_ref(table), &id);
            (table.schema.clone(), table.table.clone(), audited, receipt(table, &snapshot))
        });
        Self { tables: tables.collect() }
    }

    /// Keeps the columns that the plan reads.
    pub(super) fn only(&mut self, plan: &GovernedPlan) {
        for (schema, table, audited, receipt) in &mut self.tables {
            let columns = plan.columns_read(schema, table).cloned().unwrap_or_default();
            if let Some(first) = audited.first_mut() {
                *first = first.clone().only(&columns);
            }
            receipt.columns.retain(|column| columns.contains(column));
            receipt.masked.retain(|column, _| columns.contains(column));
        }
    }

    /// As the audit has it: the sources of derived datasets included.
    pub(super) fn audited(&self) -> Vec<DatasetRead> {
        self.tables.iter().flat_map(|(_, _, audited, _)| audited.iter().cloned()).collect()
    }

    /// As the reader has it.
    pub(super) fn receipts(&self) -> Vec<DatasetReceipt> {
        self.tables.iter().map(|(_, _, _, receipt)| receipt.clone()).collect()
    }
}

fn receipt<'a>(table: &GovernedTable, snapshot: &dyn Fn(DatasetKey) -> Option<&'a UsedSnapshot>) -> DatasetReceipt {
    let grant = &table.grant;
    let (product, dataset) = (grant.product(), grant.dataset());
    let (id, fresh_as_of) = state(table, snapshot);
    let since = match &table.rows {
        Rows::Files(_) => snapshot(DatasetKey::new(product, dataset)).and_then(|used| used.since.clone()),
        Rows::Derived { .. } => None,
    };
    DatasetReceipt {
        address: address_of(product, dataset),
        version: product.version,
        snapshot: id,
        fresh_as_of,
        columns: grant.contract_columns().map(|(column, _)| column.name.clone()).collect(),
        masked: grant.contract_columns().filter_map(|(column, mask)| Some((column.name.clone(), mask?))).collect(),
        rows_restricted: *grant.rows() != RowFilter::All,
        since,
    }
}

/// The snapshot's id and time.
fn state<'a>(
    table: &GovernedTable,
    snapshot: &dyn Fn(DatasetKey) -> Option<&'a UsedSnapshot>,
) -> (String, Option<DateTime<Utc>>) {
    match &table.rows {
        Rows::Files(_) => {
            let used = snapshot(DatasetKey::new(table.grant.product(), table.grant.dataset()));
            used.map(|used| (used.reference.id.clone(), used.changed)).unwrap_or_default()
        }
        Rows::Derived { tables, .. } => combined(tables.iter().map(|table| state(table, snapshot))),
    }
}

/// The snapshot's id and time of a dataset that is made of others: as old as the oldest of them.
pub(super) fn combined(
    sources: impl IntoIterator<Item = (String, Option<DateTime<Utc>>)>,
) -> (String, Option<DateTime<Utc>>) {
    let (mut digest, mut oldest) = (Sha256::new(), None);
    for (id, changed) in sources {
        digest.update(id);
        oldest = [oldest, changed].into_iter().flatten().min();
    }
    (hex::encode(digest.finalize()), oldest)
}

/// `domain.product`, with `/dataset` where the dataset has another name.
pub(super) fn address_of(product: &Product, dataset: &Dataset) -> String {
    if dataset.name == product.id.name { product.id.to_string() } else { format!("{}/{}", product.id, dataset.name) }
}
