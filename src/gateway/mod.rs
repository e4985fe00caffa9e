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
mod opening;
mod outline;
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

pub use answer::{Answer, Described};
pub use ask::TokenAct;
pub use catalog::Listing;
pub use column::ToldColumn;
pub use error::AnswerError;
pub use feed::{Change, Feed, Follower};
pub use named::QueryListing;
pub use outline::{Outline, Parts};
pub use publish::{DatasetKey, Trouble};
pub use question::{Caller, ProductQuestion, Question};
pub use receipt::{DatasetReceipt, Receipt};
pub use running::{Counted, Reader, Running};
pub use snapshots::{Pinned, SnapshotRef};
pub use takeover::{load, load_contracts, load_edited, load_within};

use self::cancel::Cancellations;
use self::feed::Following;
use self::kept::Kept;
use self::opening::{Look, Openings};
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
    openings: Openings,
    limits: Limits,
    /// Callers that look behind decisions.
    inspections: Arc<Semaphore>,
    audit: Audit,
    cancellations: Cancellations,
    following: watch::Sender<Following>,
    feeds: Arc<Semaphore>,
}

/// Where a gateway's data comes from, and how long it is kept in mind.
pub struct Data {
    /// The stores of the products' files.
    pub stores: Stores,
    /// How long a look at them waits.
    pub patience: Duration,
    /// How long snapshots that were replaced stay in memory: as long as a ticket lives.
    pub kept: Duration,
    /// Where they are on record beyond that.
    pub history: History,
}

impl Data {
    /// For whoever asks a few questions and ends.
    pub fn once(stores: Stores) -> Self {
        let (patience, kept) = (Duration::from_secs(600), Duration::from_secs(60));
        Self { stores, patience, kept, history: History::off() }
    }
}

impl Gateway {
    /// Publishes `mesh`: opens every dataset it serves. One that cannot be opened is not served; the others are.
    pub async fn open(mesh: crate::mesh::Mesh, data: Data, engine: Engine, limits: Limits, audit: Audit) -> Self {
        let Data { stores, patience, kept, history } = data;
        let openings = Openings::new(stores, patience);
        let published = Published::open(Arc::new(mesh), &openings, &engine, &limits, None, Look::Again).await;
        published.report();
        let snapshots = Kept::new(history, kept);
        snapshots.record(&published).await;
        Self {
            published: ArcSwap::from_pointee(published),
            kept: snapshots,
            engine,
            openings,
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
