//! Which snapshot of each dataset an answer reads: those of now, or those a ticket was issued for.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::publish::DatasetKey;
use crate::source::{DatasetSource, Part};

/// The snapshot that an answer reads of one dataset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotRef {
    /// `domain.dataset@version`.
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

/// A snapshot that an answer reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsedSnapshot {
    /// Which.
    pub reference: SnapshotRef,
    /// When the last of its files changed.
    pub changed: Option<DateTime<Utc>>,
    /// The bytes of its files.
    pub bytes: u64,
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
        let snapshot = source.snapshot();
        self.used.push(UsedSnapshot {
            reference: SnapshotRef { dataset: key.to_string(), id: snapshot.id().to_owned() },
            changed: snapshot.files().iter().map(|file| file.meta.last_modified).max(),
            bytes: snapshot.files().iter().map(|file| file.meta.size).fold(0, u64::saturating_add),
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
