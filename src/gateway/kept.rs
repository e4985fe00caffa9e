//! Snapshots that newer ones have replaced: in memory for as long as a ticket lives, on record for as long as configured.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use moka::sync::Cache;

use super::publish::{DatasetKey, Published};
use super::snapshots::SnapshotRef;
use crate::source::{DatasetSource, History, Record, SourceError};

/// Sources remembered; the least recently used go first.
const REMEMBERED: u64 = 100_000;

/// The snapshots that may still be asked for.
pub(super) struct Kept {
    recent: Cache<SnapshotRef, Arc<DatasetSource>>,
    history: Arc<History>,
}

impl Kept {
    /// Keeps what is replaced in memory for `recent`, and on record in `history`.
    pub(super) fn new(history: History, recent: Duration) -> Self {
        let recent = Cache::builder().max_capacity(REMEMBERED).time_to_live(recent).build();
        Self { recent, history: Arc::new(history) }
    }

    /// Keeps what `next` no longer serves of `previous`.
    pub(super) fn retire(&self, previous: &Published, next: &Published) {
        for (key, source) in previous.sources() {
            let stays = next.source(key).is_some_and(|newer| newer.snapshot().id() == source.snapshot().id());
            if !stays {
                self.recent.insert(SnapshotRef::new(key, source), Arc::clone(source));
            }
        }
    }

    /// A snapshot that was replaced not long ago.
    pub(super) fn recent(&self, key: &DatasetKey, id: &str) -> Option<Arc<DatasetSource>> {
        self.recent.get(&SnapshotRef { dataset: key.to_string(), id: id.to_owned() })
    }

    /// The snapshot of a dataset with this id, whose current one is given; none if it is not known, or its files are gone.
    ///
    /// # Errors
    /// [`SourceError`] when its files cannot be read just now.
    pub(super) async fn find(
        &self,
        key: &DatasetKey,
        current: &Arc<DatasetSource>,
        id: &str,
    ) -> Result<Option<Arc<DatasetSource>>, SourceError> {
        if current.snapshot().id() == id {
            return Ok(Some(Arc::clone(current)));
        }
        let wanted = SnapshotRef { dataset: key.to_string(), id: id.to_owned() };
        let record = match self.recent.get(&wanted) {
            Some(recent) if recent.dataset() == current.dataset() => {
                return Ok(Some(recent).filter(|recent| !recent.has_changed()));
            }
            // Its contract has changed since, perhaps in nothing but the place.
            Some(recent) => Record::seen(recent.snapshot(), recent.location()),
            None => match self.on_record(&wanted).await {
                Some(record) => record,
                None => return Ok(None),
            },
        };
        match current.recall(record, id).await {
            Ok(Some(source)) => {
                let source = Arc::new(source);
                self.recent.insert(wanted, Arc::clone(&source));
                Ok(Some(source))
            }
            Ok(None) => {
                tracing::error!(
                    dataset = wanted.dataset,
                    snapshot = wanted.id,
                    "a record is not of the snapshot it is named by"
                );
                Ok(None)
            }
            Err(SourceError::Io { what, source }) => Err(SourceError::Io { what, source }),
            Err(error) => {
                tracing::info!(dataset = wanted.dataset, snapshot = wanted.id, %error, "a snapshot cannot be read any more");
                Ok(None)
            }
        }
    }

    async fn on_record(&self, wanted: &SnapshotRef) -> Option<Record> {
        let (history, sought) = (Arc::clone(&self.history), wanted.clone());
        let found = tokio::task::spawn_blocking(move || history.find(&sought.dataset, &sought.id)).await;
        found.map_err(std::io::Error::other).and_then(|found| found).unwrap_or_else(|error| {
            tracing::error!(dataset = wanted.dataset, snapshot = wanted.id, %error, "the record of a snapshot cannot be read");
            None
        })
    }

    /// Puts on record what is served.
    pub(super) async fn record(&self, published: &Published) {
        let sources: Vec<_> = published.sources().map(|(key, source)| (key.to_string(), Arc::clone(source))).collect();
        let history = Arc::clone(&self.history);
        let write = move || {
            for (dataset, source) in &sources {
                let Some(location) = source.location() else { continue };
                if let Err(error) = history.record(dataset, source.snapshot(), location) {
                    metrics::counter!("airside_snapshot_records_failed_total").increment(1);
                    tracing::error!(%dataset, %error, "a snapshot could not be put on record");
                }
            }
        };
        let _ = tokio::task::spawn_blocking(write).await;
    }

    /// Forgets records of snapshots that were replaced too long ago.
    pub(super) async fn sweep(&self, published: &Published) {
        let current: HashSet<_> =
            published.sources().map(|(key, source)| (key.to_string(), source.snapshot().id().to_owned())).collect();
        let history = Arc::clone(&self.history);
        let sweep = move || {
            if let Err(error) = history.sweep(&current, SystemTime::now()) {
                tracing::error!(%error, "old records of snapshots could not be removed");
            }
        };
        let _ = tokio::task::spawn_blocking(sweep).await;
    }
}
