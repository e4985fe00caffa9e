//! A running answer, watched until it ends.
//!
//! Whoever may read when the answer begins may not when it goes on: a policy changes, a user is removed, a grant ends.
//! A look several times a second stops the query then, and the reader's next look at the stream finds the refusal
//! in place of whatever was ready to be sent. The same way ends an answer that its reader calls off. A reader that does not look is cut off after a while, and so is one that
//! outsits its query's time.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::array::RecordBatch;
use futures::Stream;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

use super::Gateway;
use super::answer::Answer;
use super::cancel::{Started, cancelled};
use super::error::AnswerError;
use super::standing::Standing;
use crate::audit::{Entry, Failure, Outcome};
use crate::authn::{Authenticator, Verified};
use crate::query::{RecordStream, Stopper};

/// How often a running answer's standing is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Who reads a running answer, and how to be rid of it.
pub struct Reader {
    /// As whom it signed in.
    pub verified: Verified,
    /// Where that is looked up again.
    pub authenticator: Arc<Authenticator>,
    /// When it stops waiting, if it said so.
    pub deadline: Option<Instant>,
    /// Ends its transport at once.
    pub cut: CancellationToken,
    /// How long it may take to read that its answer has ended.
    pub send_timeout: Duration,
}

/// The messages of a running answer.
pub struct Running<S, T, E> {
    /// None once it has ended.
    messages: Option<Pin<Box<S>>>,
    revoked: Pin<Box<WaitForCancellationFutureOwned>>,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
    weigh: fn(&T) -> usize,
    refuse: fn(AnswerError) -> E,
    record: Record,
    _started: Started,
    _finished: DropGuard,
}

impl Gateway {
    /// Puts on record that an answer begins and runs it for `reader`: its batches made into messages by `encode`, each of
    /// which `weigh` knows the bytes of. Dropping the stream cancels it.
    ///
    /// # Errors
    /// [`AnswerError::Unrecorded`] when it cannot be put on record, `Cancelled` when it was called off before,
    /// `ResourcesExhausted` when too many queries are open already.
    pub async fn run<S, T, E>(
        self: &Arc<Self>,
        answer: Answer,
        reader: Reader,
        encode: impl FnOnce(Counted) -> S,
        weigh: fn(&T) -> usize,
        refuse: fn(AnswerError) -> E,
    ) -> Result<Running<S, T, E>, AnswerError>
    where
        S: Stream<Item = Result<T, E>>,
    {
        let Reader { verified, authenticator, deadline, cut, send_timeout } = reader;
        let started = self.cancellations.start(&answer.caller, answer.decision)?;
        let admission = match self.engine.admit(&answer.caller.principal.identity) {
            Ok(admission) => admission,
            Err(busy) => {
                let asked = || self.audit.statement(answer.kind, &answer.statement, []);
                return Err(self.denied(&answer.caller, asked, busy.into()).await);
            }
        };
        let recorded = self.record(&answer);
        let Answer { plan, caller, held, published, .. } = answer;
        let rows = self.engine.execute(plan, admission, deadline);
        // INVARIANT: no row leaves before this. The first is made meanwhile; without a record it goes with the query.
        let entry = recorded.await?;
        let (revoked, finished) = (CancellationToken::new(), CancellationToken::new());
        let standing = Standing::new(
            Arc::clone(self),
            authenticator,
            verified,
            (caller.principal, caller.purpose),
            held,
            published,
        );
        let watch = Watch {
            standing,
            query: rows.stopper(),
            deadline: rows.deadline(),
            revoked: revoked.clone(),
            cancelled: started.ended.clone(),
        };
        let over = finished.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = over.cancelled() => return,
                () = watch.until_it_must_end() => {}
            }
            tokio::select! {
                () = over.cancelled() => {}
                () = sleep(send_timeout) => {
                    metrics::counter!("airside_streams_cut_total").increment(1);
                    tracing::info!("a reader that does not read was cut off");
                    cut.cancel();
                }
            }
        });
        let tally = Arc::default();
        let record = Record { entry: Some(entry), tally: Arc::clone(&tally), bytes: 0 };
        Ok(Running {
            messages: Some(Box::pin(encode(Counted { rows, tally }))),
            revoked: Box::pin(revoked.cancelled_owned()),
            cancelled: Box::pin(started.ended.clone().cancelled_owned()),
            weigh,
            refuse,
            record,
            _started: started,
            _finished: finished.drop_guard(),
        })
    }
}

struct Watch {
    standing: Standing,
    query: Stopper,
    deadline: Instant,
    revoked: CancellationToken,
    cancelled: CancellationToken,
}

impl Watch {
    /// Returns when the reader has no more to expect but the end.
    async fn until_it_must_end(mut self) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = sleep_until(self.deadline) => return,
                () = self.cancelled.cancelled() => {
                    self.query.stop();
                    return;
                }
                _ = looks.tick() => {}
            }
            if !self.standing.holds().await {
                self.revoked.cancel();
                self.query.stop();
                metrics::counter!("airside_streams_revoked_total").increment(1);
                return;
            }
        }
    }
}

/// The rows of a running answer, counted.
pub struct Counted {
    rows: RecordStream,
    tally: Arc<Tally>,
}

/// What became of the rows, for the record.
#[derive(Debug, Default)]
struct Tally {
    rows: AtomicU64,
    failure: OnceLock<Failure>,
}

impl Stream for Counted {
    type Item = Result<RecordBatch, AnswerError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = std::task::ready!(Pin::new(&mut self.rows).poll_next(context));
        Poll::Ready(next.map(|batch| match batch {
            Ok(batch) => {
                self.tally.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                Ok(batch)
            }
            Err(error) => {
                let error = AnswerError::from(error);
                // Only the first counts, and there is one.
                let _ = self.tally.failure.set(Failure::new(error.kind(), error.id()));
                Err(error)
            }
        }))
    }
}

/// The audit's entry of a running answer.
struct Record {
    entry: Option<Entry>,
    tally: Arc<Tally>,
    bytes: u64,
}

impl Record {
    fn close(&mut self, outcome: Outcome) {
        let Some(mut entry) = self.entry.take() else { return };
        entry.sent(self.tally.rows.load(Ordering::Relaxed), self.bytes);
        entry.close(outcome, self.tally.failure.get().cloned());
    }
}

/// Whoever lets a stream go before its end has gone, or called it off.
impl Drop for Record {
    fn drop(&mut self) {
        self.close(Outcome::Cancelled);
    }
}

impl<S, T, E> Stream for Running<S, T, E>
where
    S: Stream<Item = Result<T, E>>,
{
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // INVARIANT: the refusal goes before whatever is ready: nothing more leaves once access has ended.
        if self.messages.is_some() && self.revoked.as_mut().poll(context).is_ready() {
            self.messages = None;
            self.record.close(Outcome::Revoked);
            return Poll::Ready(Some(Err((self.refuse)(AnswerError::Revoked))));
        }
        if self.messages.is_some() && self.cancelled.as_mut().poll(context).is_ready() {
            self.messages = None;
            self.record.close(Outcome::Cancelled);
            return Poll::Ready(Some(Err((self.refuse)(cancelled()))));
        }
        let Some(messages) = self.messages.as_mut() else { return Poll::Ready(None) };
        let next = std::task::ready!(messages.as_mut().poll_next(context));
        match &next {
            Some(Ok(message)) => self.record.bytes += (self.weigh)(message) as u64,
            Some(Err(_)) => self.record.close(Outcome::Failed),
            None => {
                self.messages = None;
                self.record.close(Outcome::Complete);
            }
        }
        Poll::Ready(next)
    }
}
