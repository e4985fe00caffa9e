//! The one thread that writes. What waits is written together: one write and one fsync for all of it.
//!
//! Openings and denials wait for their line and fail with it. Closings wait for nobody and are not lost: those that
//! cannot be written now are kept and written first as soon as that works again. There are never more of them than
//! answers under way.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use uuid::Uuid;

use super::error::AuditError;
use super::journal::Journal;

/// What the thread is told.
pub(super) enum Order {
    /// Write this, and say so.
    Record {
        body: Vec<u8>,
        done: oneshot::Sender<Result<(), AuditError>>,
        /// Its place in the queue, free again once it is written.
        place: OwnedSemaphorePermit,
    },
    /// Write this some time soon.
    Closing(Vec<u8>),
    /// Write all there is, sign it, say so, and end.
    Finish(oneshot::Sender<()>),
}

/// Records written together, at most.
const GROUP: usize = 1024;

/// How long what need not be safe at once may take to become so, and how long closings wait to be tried again.
const TICK: Duration = Duration::from_secs(1);

/// Runs until it is told to finish, or nobody is left to tell.
pub(super) fn run(mut journal: Journal, orders: &Receiver<Order>, checkpoint_every: Duration) {
    let mut writer = Writer { backlog: Vec::new(), failing: false };
    let mut last_checkpoint = Instant::now();
    let mut last_tick = Instant::now();
    let finished = loop {
        let (group, end) = next_group(orders, TICK.saturating_sub(last_tick.elapsed()));
        writer.write(&mut journal, group);
        if let Some(end) = end {
            break end;
        }
        if last_tick.elapsed() >= TICK {
            last_tick = Instant::now();
            writer.write(&mut journal, Vec::new());
            writer.report(journal.sync());
        }
        if last_checkpoint.elapsed() >= checkpoint_every {
            last_checkpoint = Instant::now();
            writer.report(journal.checkpoint());
        }
    };
    writer.write(&mut journal, Vec::new());
    writer.report(journal.checkpoint().and_then(|()| journal.sync()));
    if !writer.backlog.is_empty() {
        tracing::error!(records = writer.backlog.len(), "closing records of the audit could not be written");
    }
    // Whoever starts next may have the files at once.
    drop(journal);
    if let Some(done) = finished {
        let _ = done.send(());
    }
}

/// Why the thread ends, and whom to tell.
type End = Option<oneshot::Sender<()>>;

/// Waits for an order, then takes what else is there.
fn next_group(orders: &Receiver<Order>, patience: Duration) -> (Vec<Order>, Option<End>) {
    let mut group = Vec::new();
    match orders.recv_timeout(patience) {
        Ok(Order::Finish(done)) => return (group, Some(Some(done))),
        Ok(order) => group.push(order),
        Err(RecvTimeoutError::Timeout) => return (group, None),
        Err(RecvTimeoutError::Disconnected) => return (group, Some(None)),
    }
    while group.len() < GROUP {
        match orders.try_recv() {
            Ok(Order::Finish(done)) => return (group, Some(Some(done))),
            Ok(order) => group.push(order),
            Err(_) => break,
        }
    }
    (group, None)
}

struct Writer {
    /// Closings that could not be written yet.
    backlog: Vec<Vec<u8>>,
    failing: bool,
}

impl Writer {
    /// Writes a group, after what is left of those before.
    fn write(&mut self, journal: &mut Journal, group: Vec<Order>) {
        if group.is_empty() && self.backlog.is_empty() {
            return;
        }
        let closings = self.backlog.len();
        let mut bodies = std::mem::take(&mut self.backlog);
        let mut late: Vec<usize> = (0..closings).collect();
        let mut waiting = Vec::new();
        for order in group {
            match order {
                Order::Record { body, done, place } => {
                    bodies.push(body);
                    waiting.push((done, place));
                }
                Order::Closing(body) => {
                    late.push(bodies.len());
                    bodies.push(body);
                }
                Order::Finish(_) => {}
            }
        }
        let outcome = journal.append(&bodies);
        if outcome.is_err() {
            self.backlog = late.into_iter().filter_map(|at| bodies.get_mut(at).map(std::mem::take)).collect();
        }
        metrics::counter!("airside_audit_records_total").increment(if outcome.is_ok() {
            bodies.len() as u64
        } else {
            0
        });
        let id = self.report(outcome);
        for (done, place) in waiting {
            let _ = done.send(id.map_or(Ok(()), |id| Err(AuditError::Unrecorded { id })));
            drop(place);
        }
    }

    /// Logs what went wrong, and names it.
    fn report(&mut self, outcome: io::Result<()>) -> Option<Uuid> {
        match outcome {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the audit can be written again");
                }
                None
            }
            Err(cause) => {
                let id = Uuid::now_v7();
                self.failing = true;
                metrics::counter!("airside_audit_failures_total").increment(1);
                tracing::error!(error_id = %id, %cause, "the audit cannot be written: requests are refused");
                Some(id)
            }
        }
    }
}
