//! Which snapshot of each dataset an answer reads: those of now, or those a ticket was issued for.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::publish::DatasetKey;
use crate::query::QueryTemplate;
use crate::source::{DatasetSource, Part};

/// The snapshot that an answer reads of one dataset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotRef {
    /// `domain.dataset@version`, or `domain.product@version/query`.
    pub dataset: String,
    /// The snapshot's id.
    pub id: String,
}

/// What a ticket says is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The snapshots it was issued for.
    pub snapshots: Vec<SnapshotRef>,
    /// The part of the answer's only dataset, when others read the rest.
    pub part: Option<Part>,
}

impl Pinned {
    /// The id of a dataset's snapshot.
    pub(super) fn of(&self, dataset: &DatasetKey) -> Option<&str> {
        let dataset = dataset.to_string();
        self.snapshots.iter().find(|snapshot| snapshot.dataset == dataset).map(|snapshot| snapshot.id.as_str())
    }
}

impl SnapshotRef {
    /// The snapshot that a source reads.
    pub(super) fn new(key: &DatasetKey, source: &DatasetSource) -> Self {
        Self { dataset: key.to_string(), id: source.snapshot().id().to_owned() }
    }

    /// A named query as it is asked now: its name cannot be a dataset's.
    pub(super) fn of_query(query: &Arc<QueryTemplate>) -> Self {
        Self { dataset: query.to_string(), id: query.digest().to_owned() }
    }
}

/// A snapshot that an answer reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsedSnapshot {
    /// Which.
    pub reference: SnapshotRef,
    /// When the last of its files changed.
    pub changed: Option<DateTime<Utc>>,
    /// The bytes of its files that are read.
    pub bytes: u64,
    /// The earlier snapshot whose files are not read.
    pub since: Option<String>,
}

/// Gives the snapshot to read of a dataset, which is shown with its current one; none when it is gone.
pub type FindSnapshot<'a> = &'a (dyn Fn(&DatasetKey, Option<&Arc<DatasetSource>>) -> Option<Arc<DatasetSource>> + Sync);

/// Where the snapshots of an answer come from, and what it read.
pub struct Snapshots<'a> {
    find: FindSnapshot<'a>,
    used: Vec<UsedSnapshot>,
}

impl<'a> Snapshots<'a> {
    /// Snapshots as `find` gives them.
    pub fn new(find: FindSnapshot<'a>) -> Self {
        Self { find, used: Vec::new() }
    }

    /// Those of now.
    pub fn current() -> Snapshots<'static> {
        Snapshots::new(&|_, current| current.cloned())
    }

    /// The snapshot to read of a dataset; it is remembered as used.
    pub fn find(&mut self, key: &DatasetKey, current: Option<&Arc<DatasetSource>>) -> Option<Arc<DatasetSource>> {
        let source = (self.find)(key, current)?;
        self.used.push(UsedSnapshot {
            reference: SnapshotRef::new(key, &source),
            changed: source.snapshot().changed(),
            bytes: source.bytes(),
            since: source.earlier().map(str::to_owned),
        });
        Some(source)
    }

    /// The snapshots used, each once, in the order of their names.
    pub fn into_used(mut self) -> Vec<UsedSnapshot> {
        self.used.sort();
        self.used.dedup();
        self.used
    }
}
