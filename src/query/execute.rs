//! Running a plan: on the engine's runtime, one task per query, with a short queue to whoever reads.
//!
//! The reader is released on time whatever the query does: its own clock ends the stream, and dropping the
//! stream stops the query at its next pause. A stream that ends without an error is complete; one whose task
//! vanished says so. It works in a slot of the engine's, from one batch to the next, and in none while its reader
//! does not read.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::physical_plan::execute_stream;
use futures::{FutureExt, Stream, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use super::admission::Admission;
use super::error::Phase;
use super::interrupt::Interrupt;
use super::planning::Runnable;
use super::wire::to_wire;
use super::{GovernedPlan, QueryError};

/// Batches that wait for a slow reader. With the one being made it is what a query holds outside the pool.
const QUEUE: usize = 2;

enum Message {
    Batch(RecordBatch),
    Failed(QueryError),
    /// All batches have been sent.
    End,
}

/// The rows of a query.
pub struct RecordStream {
    schema: SchemaRef,
    messages: mpsc::Receiver<Message>,
    deadline: Pin<Box<Sleep>>,
    stopper: Stopper,
    done: bool,
}

/// Stops a query from outside, whoever holds its rows.
#[derive(Clone)]
pub struct Stopper {
    task: AbortHandle,
    interrupt: Arc<Interrupt>,
}

impl Stopper {
    /// Tells the query that nobody wants it any more.
    pub fn stop(&self) {
        self.interrupt.raise();
        self.task.abort();
    }
}

impl RecordStream {
    /// Starts `plan` on `runtime`, as soon as there is a slot, which must be by the moment beside its `admission`.
    pub(super) fn start(
        plan: GovernedPlan,
        (mut admission, patience): (Admission, Instant),
        deadline: Instant,
        runtime: &Handle,
    ) -> Self {
        let (schema, interrupt) = (plan.schema(), Arc::clone(&plan.runnable.interrupt));
        let (sender, messages) = mpsc::channel(QUEUE);
        let task = runtime.spawn(async move {
            if timeout_at(patience.min(deadline), admission.enter()).await.is_err() {
                let hint = admission.waited_enough().retry_after;
                let busy = QueryError::busy("too many queries are running: try again later", hint);
                let _ = sender.send(Message::Failed(busy)).await;
                return;
            }
            let run = AssertUnwindSafe(run(plan, &sender, &mut admission)).catch_unwind();
            let last = match timeout_at(deadline, run).await {
                Ok(Ok(Ok(()))) => Message::End,
                Ok(Ok(Err(error))) => Message::Failed(error),
                Ok(Err(_)) => Message::Failed(QueryError::internal(&"the query panicked")),
                Err(_) => Message::Failed(QueryError::deadline()),
            };
            // Its batches may wait for the reader yet, and it is open so long, but it works no more.
            admission.leave();
            // Nobody reads any more: nothing to tell.
            let _ = sender.send(last).await;
        });
        Self {
            schema,
            messages,
            deadline: Box::pin(sleep_until(deadline)),
            stopper: Stopper { task: task.abort_handle(), interrupt },
            done: false,
        }
    }

    /// What stops the query.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// When its time is over.
    pub fn deadline(&self) -> Instant {
        self.deadline.deadline()
    }

    /// The schema of every batch.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

async fn run(plan: GovernedPlan, sender: &mpsc::Sender<Message>, admission: &mut Admission) -> Result<(), QueryError> {
    let schema = plan.schema();
    let Runnable { plan, further, context, .. } = plan.runnable;
    let failed = |error| QueryError::from_datafusion(&error, Phase::Execution);
    for plan in std::iter::once(plan).chain(further) {
        let mut batches = execute_stream(plan, Arc::clone(&context)).map_err(failed)?;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(failed)?;
            if batch.num_rows() == 0 {
                continue;
            }
            let batch = to_wire(&batch, &schema).map_err(|error| QueryError::internal(&error))?;
            hand_over(sender, admission, Message::Batch(batch)).await?;
        }
    }
    Ok(())
}

/// Hands a batch to the reader, without a slot while that takes time, and lets others go before the next.
async fn hand_over(
    sender: &mpsc::Sender<Message>,
    admission: &mut Admission,
    batch: Message,
) -> Result<(), QueryError> {
    match sender.try_send(batch) {
        Ok(()) => {}
        Err(TrySendError::Full(batch)) => {
            admission.leave();
            sender.send(batch).await.map_err(|_| QueryError::cancelled())?;
        }
        Err(TrySendError::Closed(_)) => return Err(QueryError::cancelled()),
    }
    admission.give_way().await;
    Ok(())
}

impl Stream for RecordStream {
    type Item = Result<RecordBatch, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.done {
            return Poll::Ready(None);
        }
        if self.deadline.as_mut().poll(context).is_ready() {
            self.done = true;
            self.stopper.stop();
            return Poll::Ready(Some(Err(QueryError::deadline())));
        }
        let message = ready!(self.messages.poll_recv(context));
        Poll::Ready(match message {
            Some(Message::Batch(batch)) => Some(Ok(batch)),
            Some(Message::Failed(error)) => {
                self.done = true;
                Some(Err(error))
            }
            Some(Message::End) => {
                self.done = true;
                None
            }
            None => {
                self.done = true;
                Some(Err(QueryError::cancelled()))
            }
        })
    }
}

impl Drop for RecordStream {
    fn drop(&mut self) {
        self.stopper.stop();
    }
}
