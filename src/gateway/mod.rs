//! The use cases: a question answered, a catalog shown, a changed mesh taken over. It knows no transport;
//! Flight, the pages and the command line share these paths, so that no protocol forgets what another enforces.

mod answer;
mod ask;
mod authorize;
mod cancel;
mod catalog;
mod column;
mod derive;
mod error;
mod feed;
pub mod insight;
mod kept;
mod moment;
mod named;
mod publish;
mod question;
mod receipt;
mod running;
mod snapshots;
mod standing;
mod takeover;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, watch};

pub use answer::{Answer, Described, Parts};
pub use catalog::Listing;
pub use column::ToldColumn;
pub use error::AnswerError;
pub use feed::{Change, Feed, Follower};
pub use named::QueryListing;
pub use publish::Trouble;
pub use question::{Caller, ProductQuestion, Question};
pub use receipt::{DatasetReceipt, Receipt};
pub use running::{Counted, Reader, Running};
pub use snapshots::{Pinned, SnapshotRef};
pub use takeover::{load, load_edited};

use self::cancel::Cancellations;
use self::feed::Following;
use self::kept::Kept;
use self::publish::Published;
use crate::audit::Audit;
use crate::authn::{AuthnError, Verified};
use crate::fault::Fault;
use crate::principal::Principal;
use crate::query::{Engine, Limits};
pub use crate::source::Part;
use crate::source::{DatasetSource, History, Stores};

/// Answers questions from the mesh published last.
pub struct Gateway {
    published: ArcSwap<Published>,
    /// Snapshots that may still be asked for, though a newer one answers new questions.
    kept: Kept,
    engine: Engine,
    stores: Stores,
    limits: Limits,
    /// Callers that look behind decisions.
    inspections: Arc<Semaphore>,
    audit: Audit,
    cancellations: Cancellations,
    following: watch::Sender<Following>,
    feeds: Arc<Semaphore>,
}

impl Gateway {
    /// Publishes `mesh`: opens every dataset it serves. One that cannot be opened is not served; the others are.
    /// Snapshots that were replaced stay for `kept`, as long as a ticket lives, and in `history` beyond.
    pub async fn open(
        mesh: crate::mesh::Mesh,
        stores: Stores,
        engine: Engine,
        limits: Limits,
        kept: Duration,
        history: History,
        audit: Audit,
    ) -> Self {
        let published = Published::open(Arc::new(mesh), &stores, &engine, &limits, None).await;
        published.report();
        let snapshots = Kept::new(history, kept);
        snapshots.record(&published).await;
        Self {
            published: ArcSwap::from_pointee(published),
            kept: snapshots,
            engine,
            stores,
            limits,
            inspections: Arc::new(Semaphore::new(insight::INSPECTIONS)),
            audit,
            cancellations: Cancellations::new(kept),
            following: watch::Sender::new(Following::Yes),
            feeds: Arc::new(Semaphore::new(feed::FEEDS)),
        }
    }

    /// The mesh's name: the catalog of SQL.
    pub fn mesh_name(&self) -> String {
        self.published.load().mesh().name().to_string()
    }

    /// The principal that policies know for an authenticated party.
    ///
    /// # Errors
    /// [`AuthnError`] when what is known of the party is incomplete.
    pub fn principal(&self, verified: &Verified) -> Result<Principal, AuthnError> {
        self.published.load().mesh().directory().principal(verified)
    }

    /// One line of counts, naming nothing: for `/readyz`.
    pub fn readiness(&self) -> String {
        let published = self.published.load();
        let (served, troubled) = published.counts();
        format!(
            "mesh version {}\ndatasets served {served}\ndatasets unavailable {troubled}\n",
            published.mesh().version()
        )
    }

    /// What is wrong with the policy tests themselves.
    pub fn test_faults(&self) -> Vec<Fault> {
        self.published.load().mesh().test_faults().to_vec()
    }

    /// The files that are served, each dataset's by its name and version.
    pub fn sources(&self) -> Vec<(String, Arc<DatasetSource>)> {
        self.published.load().sources().map(|(key, source)| (key.to_string(), Arc::clone(source))).collect()
    }

    /// What keeps datasets from being served, for their owners.
    pub fn troubles(&self) -> Vec<Trouble> {
        self.published.load().troubles().to_vec()
    }
}
