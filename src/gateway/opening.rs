//! Datasets of files opened and looked at again, each store on its own account: one that hangs holds up its own datasets
//! and nobody else's.
//!
//! Who waits does so for a while and no longer. What is not open by then goes on opening, and is taken over when it is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::sync::{Notify, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::publish::DatasetKey;
use crate::product::{Dataset, ProductId};
use crate::source::{DatasetSource, SourceError, Stores, store_of};

/// Datasets of one store that are opened at once.
const AT_ONCE: usize = 16;

/// Which datasets a mesh's publication looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// All of them.
    Again,
    /// Those that were late, and new ones.
    AtLate,
    /// Those that a read has found changed: the rest stays as it is, troubles included.
    AtChanged,
}

/// Why a dataset, or a newer snapshot of it, could not be opened.
#[derive(Debug, Clone)]
pub(super) struct NotOpened {
    pub(super) reason: String,
    /// The snapshot that still answers.
    pub(super) kept: Option<Arc<DatasetSource>>,
    /// Whether it is the store's trouble, which may pass by itself.
    pub(super) passing: bool,
}

impl From<String> for NotOpened {
    fn from(reason: String) -> Self {
        Self { reason, kept: None, passing: false }
    }
}

/// A dataset to open.
pub(super) struct Wanted<'a> {
    pub(super) key: DatasetKey,
    pub(super) product: &'a ProductId,
    pub(super) dataset: &'a Arc<Dataset>,
    /// The folder or URL below which its files lie.
    pub(super) root: &'a str,
    /// Its snapshot of before, if that is of the same dataset in the same place.
    pub(super) previous: Option<Arc<DatasetSource>>,
}

/// What is being opened.
pub(super) struct Openings {
    stores: Stores,
    patience: Duration,
    running: Mutex<HashMap<DatasetKey, Running>>,
    slots: Mutex<HashMap<String, Arc<Semaphore>>>,
    late: Arc<Notify>,
}

type Opening = Shared<BoxFuture<'static, Result<Arc<DatasetSource>, NotOpened>>>;

struct Running {
    dataset: Arc<Dataset>,
    root: String,
    opening: Opening,
    /// Nobody waits any more.
    overdue: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Openings {
    /// Opens from `stores`; who waits does so for `patience`.
    pub(super) fn new(stores: Stores, patience: Duration) -> Self {
        Self { stores, patience, running: Mutex::default(), slots: Mutex::default(), late: Arc::default() }
    }

    /// The stores.
    pub(super) fn stores(&self) -> &Stores {
        &self.stores
    }

    /// How long is waited for them.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Until when whoever begins to wait now waits.
    pub(super) fn until(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.patience).unwrap_or(now)
    }

    /// Returns once a read has met a file that was replaced or removed.
    pub(super) async fn met_change(&self) {
        self.stores.met_change().await;
    }

    /// Returns once a dataset that was late can be taken over.
    pub(super) async fn late(&self) {
        self.late.notified().await;
    }

    /// The dataset as its files are now; what it was before where it is not looked at.
    pub(super) async fn open(
        &self,
        wanted: Wanted<'_>,
        look: Look,
        until: Instant,
    ) -> Result<Arc<DatasetSource>, NotOpened> {
        let (key, previous, place) = (wanted.key.clone(), wanted.previous.clone(), wanted.root.to_owned());
        let (opening, overdue, task) = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            let same = |running: &Running| running.dataset == *wanted.dataset && running.root == wanted.root;
            match (running.get(&key).filter(|running| same(running)), look, &previous) {
                (Some(running), _, _) => (running.opening.clone(), Arc::clone(&running.overdue), running.task.clone()),
                (None, Look::AtLate, Some(previous)) => return Ok(Arc::clone(previous)),
                (None, _, _) => {
                    let begun = self.begin(wanted);
                    let parts = (begun.opening.clone(), Arc::clone(&begun.overdue), begun.task.clone());
                    running.insert(key.clone(), begun);
                    parts
                }
            }
        };
        // What was late before is not waited for again: it says when it is there.
        let until = if overdue.load(Ordering::SeqCst) && !task.is_finished() { Instant::now() } else { until };
        if let Ok(opened) = timeout_at(until, opening).await {
            self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            return opened;
        }
        overdue.store(true, Ordering::SeqCst);
        if task.is_finished() {
            self.late.notify_one();
        }
        let seconds = self.patience.as_secs();
        let reason = format!("`{}` has not answered within {seconds} s", store_of(&place));
        Err(NotOpened { reason, kept: previous, passing: true })
    }

    fn begin(&self, wanted: Wanted<'_>) -> Running {
        let Wanted { product, dataset, root, previous, .. } = wanted;
        let (stores, slots, late) = (self.stores.clone(), self.slots(root), Arc::clone(&self.late));
        let overdue = Arc::new(AtomicBool::new(false));
        let is_overdue = Arc::clone(&overdue);
        let (product, wanted, place) = (product.clone(), Arc::clone(dataset), root.to_owned());
        let task = tokio::spawn(async move {
            let opened = {
                let _slot = slots.acquire_owned().await;
                look(&stores, &place, &product, &wanted, previous).await
            };
            if is_overdue.load(Ordering::SeqCst) {
                late.notify_one();
            }
            opened
        });
        let abort = task.abort_handle();
        let opening = task.map(|done| done.unwrap_or_else(|error| Err(NotOpened::from(error.to_string()))));
        Running {
            dataset: Arc::clone(dataset),
            root: root.to_owned(),
            opening: opening.boxed().shared(),
            overdue,
            task: abort,
        }
    }

    /// Forgets what is being opened that nobody serves any more.
    pub(super) fn forget_others(&self, is_served: impl Fn(&DatasetKey) -> bool) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).retain(|key, _| is_served(key));
    }

    /// The turns of the store that a root lies in.
    fn slots(&self, root: &str) -> Arc<Semaphore> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(store_of(root)).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
    }
}

async fn look(
    stores: &Stores,
    root: &str,
    product: &ProductId,
    dataset: &Arc<Dataset>,
    previous: Option<Arc<DatasetSource>>,
) -> Result<Arc<DatasetSource>, NotOpened> {
    let Some(source) = previous else {
        let opened = DatasetSource::open(stores, root, product, dataset).await;
        let not_opened =
            |error: SourceError| NotOpened { reason: error.to_string(), kept: None, passing: error.is_transient() };
        return opened.map(Arc::new).map_err(not_opened);
    };
    match source.refresh().await {
        Ok(None) => Ok(source),
        Ok(Some(newer)) => Ok(Arc::new(newer)),
        // A store that fails for a moment, or a file that breaks the contract, must not take the product away.
        Err(error) => Err(NotOpened { reason: error.to_string(), kept: Some(source), passing: error.is_transient() }),
    }
}
