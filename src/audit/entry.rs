//! The audit as the gateway holds it, and the entry of one answer.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Instant;

use chrono::Utc;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Semaphore, oneshot};
use uuid::Uuid;

use super::config::{AuditConfig, Destination};
use super::error::{AuditError, AuditSetupError};
use super::journal::Journal;
use super::keys::{AuditKeys, DigestKey};
use super::record::{Asked, Closing, Denial, Failure, Opening, Outcome, Record};
use super::writer::{self, Order};
use crate::policy::Grant;
use crate::query::Statement;
use crate::seal::Key32;

/// Puts on record who reads what. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    /// None where the configuration says `off`.
    writing: Option<Writing>,
    digests: DigestKey,
}

#[derive(Clone)]
struct Writing {
    orders: Sender<Order>,
    /// Places for openings and denials that wait.
    places: Arc<Semaphore>,
}

impl Audit {
    /// No audit, where the configuration says so.
    pub fn off() -> Self {
        Self { writing: None, digests: DigestKey::new(&Key32::random()) }
    }

    /// The audit that the configuration asks for. Files are continued, after a check of the last one.
    ///
    /// # Errors
    /// [`AuditSetupError`] when keys, folder or files are not to be had, or cannot be continued.
    pub fn start(config: &AuditConfig, base: &Path) -> Result<Self, AuditSetupError> {
        if config.to == Destination::Off {
            return Ok(Self::off());
        }
        let keys = AuditKeys::from_config(config, base)?;
        let digests = keys.digests().clone();
        let journal = match config.to {
            Destination::Stdout => Journal::on_stdout(config, keys)?,
            Destination::Files | Destination::Off => Journal::open(config, keys)?,
        };
        Self::run(journal, config, digests)
    }

    pub(super) fn run(journal: Journal, config: &AuditConfig, digests: DigestKey) -> Result<Self, AuditSetupError> {
        let (orders, receiver) = mpsc::channel();
        let every = config.checkpoint_every();
        thread::Builder::new()
            .name("airside-audit".to_owned())
            .spawn(move || writer::run(journal, &receiver, every))
            .map_err(AuditSetupError::Thread)?;
        let places = Arc::new(Semaphore::new(config.queue.clamp(1, Semaphore::MAX_PERMITS)));
        Ok(Self { writing: Some(Writing { orders, places }), digests })
    }

    /// Whether anything is recorded.
    pub fn is_on(&self) -> bool {
        self.writing.is_some()
    }

    /// A statement as it goes on record: `question` says how it was asked (`sql`, `product`, …), `grants` are those of
    /// its tables, as far as they were given.
    pub fn statement<'a>(
        &self,
        question: &str,
        statement: &Statement,
        grants: impl IntoIterator<Item = &'a Grant>,
    ) -> Asked {
        Asked::statement(question, statement, grants, &self.digests)
    }

    /// A text that could not be read as a statement, as it goes on record.
    pub fn text(&self, question: &str, text: &str) -> Asked {
        Asked::text(question, text, &self.digests)
    }

    /// What stands on record for a word of the caller's own.
    pub fn digest(&self, word: &str) -> String {
        format!("#{}", self.digests.digest(word))
    }

    /// Puts an answer on record before its first row leaves. Only once this gives an entry may rows be sent; they may be
    /// made meanwhile. What is recorded is made only where something is.
    ///
    /// # Errors
    /// [`AuditError::Unrecorded`] when it could not be written: then nobody may read.
    pub fn open(&self, opening: impl FnOnce() -> Opening) -> BoxFuture<'static, Result<Entry, AuditError>> {
        let since = Instant::now();
        let begun = self.writing.clone().map(|writing| (writing, opening()));
        let written = async move {
            let (id, orders) = match begun {
                None => (Uuid::now_v7(), None),
                Some((writing, opening)) => {
                    let id = opening.id;
                    writing.record(Record::Opening(opening)).await?;
                    (id, Some(writing.orders))
                }
            };
            Ok(Entry { id, orders, since, rows: 0, bytes: 0, closed: false })
        };
        written.boxed()
    }

    /// Puts on record what was asked and not answered.
    ///
    /// # Errors
    /// [`AuditError::Unrecorded`] when it could not be written.
    pub async fn deny(&self, denial: impl FnOnce() -> Denial) -> Result<(), AuditError> {
        match &self.writing {
            None => Ok(()),
            Some(writing) => writing.record(Record::Denial(denial())).await,
        }
    }

    /// Writes all there is, signs a checkpoint, and ends. What is opened later fails.
    pub async fn finish(&self) {
        let Some(writing) = &self.writing else { return };
        let (done, finished) = oneshot::channel();
        if writing.orders.send(Order::Finish(done)).is_ok() {
            let _ = finished.await;
        }
    }
}

impl Writing {
    async fn record(&self, record: Record) -> Result<(), AuditError> {
        let Self { orders, places } = self;
        // A semaphore that is never closed always gives a permit, and a thread that has ended answers nobody.
        let place = Arc::clone(places).acquire_owned().await.map_err(|_| gone())?;
        let (done, written) = oneshot::channel();
        orders.send(Order::Record { body: record.body(Utc::now()), done, place }).map_err(|_| gone())?;
        written.await.map_err(|_| gone())?
    }
}

fn gone() -> AuditError {
    let id = Uuid::now_v7();
    tracing::error!(error_id = %id, "the audit has ended: requests are refused");
    AuditError::Unrecorded { id }
}

/// An answer on record, to be closed. One that is let go without a word is on record as dropped.
#[must_use = "an entry that is dropped at once says that the answer was"]
#[derive(Debug)]
pub struct Entry {
    id: Uuid,
    orders: Option<Sender<Order>>,
    since: Instant,
    rows: u64,
    bytes: u64,
    closed: bool,
}

impl Entry {
    /// The opening's id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Counts what was handed to the transport.
    pub fn sent(&mut self, rows: u64, bytes: u64) {
        self.rows += rows;
        self.bytes += bytes;
    }

    /// Puts the end on record. It does not wait.
    pub fn close(mut self, outcome: Outcome, error: Option<Failure>) {
        self.record(outcome, error);
    }

    fn record(&mut self, outcome: Outcome, error: Option<Failure>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let Some(orders) = self.orders.take() else { return };
        let closing = Closing {
            id: self.id,
            outcome,
            error,
            rows: self.rows,
            bytes: self.bytes,
            milliseconds: u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        if orders.send(Order::Closing(Record::Closing(closing).body(Utc::now()))).is_err() {
            tracing::error!(audit_id = %self.id, outcome = outcome.as_str(), "the audit has ended before an answer did");
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.record(Outcome::Dropped, None);
    }
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Order")
    }
}
