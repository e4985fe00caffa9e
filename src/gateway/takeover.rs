//! A running gateway follows its mesh: a change is taken over as a whole, or not at all.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Gateway;
use super::feed::Following;
use super::opening::Look;
use super::publish::Published;
use crate::fault::Fault;
use crate::mesh::{self, FileEdit, Mesh, MeshConfig, RootStore, Watcher};
use crate::product::Product;
use crate::source::Stores;

/// How often records of snapshots are looked through for old ones.
const SWEEP: Duration = Duration::from_secs(60 * 60);

/// The pause between two looks at datasets that reads have found changed; what the first of them took is added. However
/// often somebody reads, a store whose files change all the time is listed no more often.
const PAUSE: Duration = Duration::from_secs(1);

/// How long commands wait for an answer of a store that a root lies in; its own timeouts end most waits before.
const AT_A_DESK: Duration = Duration::from_secs(600);

/// A mesh that is being read.
type Reading<'a> = BoxFuture<'a, Result<Mesh, Vec<Fault>>>;

/// What became of a changed mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takeover {
    TakenOver,
    Refused,
}

impl Gateway {
    /// Serves `mesh` from now on, unless datasets that are served would be lost. Answers under way keep what they
    /// started with.
    async fn take_over(&self, mesh: Arc<Mesh>, look: Look) -> Takeover {
        let previous = self.published.load_full();
        let next = Published::open(mesh, &self.openings, &self.engine, &self.limits, Some(&previous), look).await;
        let mut lost = previous.lost_in(&next).peekable();
        if lost.peek().is_some() {
            for trouble in lost {
                tracing::error!(%trouble, contract = %trouble.file.display(), "{REFUSED}");
            }
            return Takeover::Refused;
        }
        drop(lost);
        self.kept.retire(&previous, &next);
        self.kept.record(&next).await;
        if next.mesh().version() != previous.mesh().version() || next.troubles() != previous.troubles() {
            next.report();
        }
        self.published.store(Arc::new(next));
        self.following.send_replace(Following::Yes);
        Takeover::TakenOver
    }

    /// Follows the mesh's files and the products' data until `ended`: a changed mesh that loads without fault is taken
    /// over, one with faults is logged and the last good one stays. Every `refresh` the products' files are listed
    /// again, and what the watcher cannot see (a root in an object store) or what was refused is read again. A dataset
    /// whose reader was told that it changed is looked at at once, so that asking again helps. None of it waits for a mesh
    /// that is being read: its root may lie in a store that hangs.
    pub async fn follow(&self, config: &MeshConfig, watcher: Watcher, refresh: Duration, ended: CancellationToken) {
        let mut changes = watcher.changes();
        let mut sweeps = interval(SWEEP);
        let mut ticks = interval(refresh);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        let unwatched = config.has_remote_root();
        let mut last = Takeover::TakenOver;
        let mut rested = Instant::now();
        let mut reading: Option<Reading<'_>> = None;
        // Something changed while a mesh was being read, which may have missed it.
        let mut missed = false;
        loop {
            tokio::select! {
                () = ended.cancelled() => {
                    self.following.send_replace(Following::Ended);
                    return;
                }
                _ = sweeps.tick() => self.kept.sweep(&self.published.load_full()).await,
                _ = ticks.tick() => {
                    if reading.is_none() && (unwatched || last == Takeover::Refused) {
                        reading = Some(self.read(config));
                    }
                    self.take_over(self.mesh(), Look::Again).await;
                }
                read = async { match reading.as_mut() { Some(reading) => reading.await, None => pending().await } } => {
                    last = self.reload(read).await;
                    reading = std::mem::take(&mut missed).then(|| self.read(config));
                }
                () = self.openings.late() => {
                    self.take_over(self.mesh(), Look::AtLate).await;
                }
                () = async { sleep_until(rested).await; self.openings.met_change().await } => {
                    if self.published.load().has_changed() {
                        let begun = Instant::now();
                        self.take_over(self.mesh(), Look::AtChanged).await;
                        rested = Instant::now() + begun.elapsed() + PAUSE;
                    }
                }
                changed = changes.changed() => {
                    if changed.is_err() {
                        tracing::error!("the mesh is no longer watched");
                        return ended.cancelled().await;
                    }
                    missed = reading.is_some();
                    reading = reading.or_else(|| Some(self.read(config)));
                }
            }
        }
    }

    fn mesh(&self) -> Arc<Mesh> {
        Arc::clone(self.published.load().mesh())
    }

    /// Reads the mesh as it is now.
    fn read<'a>(&'a self, config: &'a MeshConfig) -> Reading<'a> {
        load_within(config, self.openings.stores(), self.openings.patience()).boxed()
    }

    async fn reload(&self, read: Result<Mesh, Vec<Fault>>) -> Takeover {
        let outcome = match read {
            Ok(mesh) if mesh.version() == self.published.load().mesh().version() => return Takeover::TakenOver,
            Ok(mesh) => self.take_over(Arc::new(mesh), Look::Again).await,
            Err(faults) => {
                for fault in &faults {
                    tracing::error!(%fault, "{REFUSED}");
                }
                Takeover::Refused
            }
        };
        metrics::counter!("airside_mesh_takeovers_total", "outcome" => outcome.as_str()).increment(1);
        outcome
    }
}

/// Reads a mesh, with the configured stores for roots that lie in one.
///
/// # Errors
/// Every fault of every file.
pub async fn load(config: &MeshConfig, stores: &Stores) -> Result<Mesh, Vec<Fault>> {
    load_edited(config, stores, &[]).await
}

/// [`load`], which waits no longer than `patience` for each answer of a store that a root lies in.
///
/// # Errors
/// As [`load`].
pub async fn load_within(config: &MeshConfig, stores: &Stores, patience: Duration) -> Result<Mesh, Vec<Fault>> {
    Mesh::load_with(config, &opening(stores, patience)).await
}

/// Reads a mesh as it would be with some policies and contracts changed.
///
/// # Errors
/// Every fault of every file.
pub async fn load_edited(config: &MeshConfig, stores: &Stores, edits: &[FileEdit]) -> Result<Mesh, Vec<Fault>> {
    Mesh::load_edited(config, &opening(stores, AT_A_DESK), edits).await
}

/// Reads the contracts of a mesh and nothing else of it.
///
/// # Errors
/// Every fault of the contracts, and of finding them.
pub async fn load_contracts(config: &MeshConfig, stores: &Stores) -> Result<Vec<Arc<Product>>, Vec<Fault>> {
    mesh::load_contracts(config, &opening(stores, AT_A_DESK)).await
}

/// How roots in object stores are opened.
fn opening(stores: &Stores, patience: Duration) -> impl Fn(&Url) -> Result<RootStore, String> + Send + Sync {
    move |url: &Url| {
        let (store, _) = stores.open_prefix(url.as_str()).map_err(|error| error.to_string())?;
        Ok(RootStore { store, patience })
    }
}

impl Takeover {
    fn as_str(self) -> &'static str {
        match self {
            Self::TakenOver => "taken_over",
            Self::Refused => "refused",
        }
    }
}

const REFUSED: &str = "the mesh or its data has a fault: what was served before stays in service";
