//! A running answer, watched until it ends.
//!
//! Whoever may read when the answer begins may not when it goes on: a policy changes, a user is removed, a grant ends.
//! A look several times a second stops the query then, and the reader's next look at the stream finds the refusal
//! in place of whatever was ready to be sent. A reader that does not look is cut off after a while, and so is one that
//! outsits its query's time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

use super::Gateway;
use super::answer::Answer;
use super::error::AnswerError;
use super::standing::Standing;
use crate::authn::{Authenticator, Verified};
use crate::query::{RecordStream, Stopper};

/// How often a running answer's standing is looked at.
const LOOK: Duration = Duration::from_millis(250);

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
pub struct Running<S, E> {
    /// None once it has ended.
    messages: Option<Pin<Box<S>>>,
    revoked: Pin<Box<WaitForCancellationFutureOwned>>,
    refuse: fn(AnswerError) -> E,
    _finished: DropGuard,
}

impl Gateway {
    /// Runs an answer for `reader`, its batches made into messages by `encode`. Dropping the stream cancels it.
    pub fn run<S, T, E>(
        self: &Arc<Self>,
        answer: Answer,
        reader: Reader,
        encode: impl FnOnce(RecordStream) -> S,
        refuse: fn(AnswerError) -> E,
    ) -> Running<S, E>
    where
        S: Stream<Item = Result<T, E>>,
    {
        let Reader { verified, authenticator, deadline, cut, send_timeout } = reader;
        let Answer { plan, caller, held, published, .. } = answer;
        let rows = self.engine.execute(plan, deadline);
        let (revoked, finished) = (CancellationToken::new(), CancellationToken::new());
        let standing = Standing::new(
            Arc::clone(self),
            authenticator,
            verified,
            (caller.principal, caller.purpose),
            held,
            published,
        );
        let watch = Watch { standing, query: rows.stopper(), deadline: rows.deadline(), revoked: revoked.clone() };
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
        Running {
            messages: Some(Box::pin(encode(rows))),
            revoked: Box::pin(revoked.cancelled_owned()),
            refuse,
            _finished: finished.drop_guard(),
        }
    }
}

struct Watch {
    standing: Standing,
    query: Stopper,
    deadline: Instant,
    revoked: CancellationToken,
}

impl Watch {
    /// Returns when the reader has no more to expect but the end.
    async fn until_it_must_end(mut self) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = sleep_until(self.deadline) => return,
                _ = looks.tick() => {}
            }
            if !self.standing.holds() {
                self.revoked.cancel();
                self.query.stop();
                metrics::counter!("airside_streams_revoked_total").increment(1);
                return;
            }
        }
    }
}

impl<S, T, E> Stream for Running<S, E>
where
    S: Stream<Item = Result<T, E>>,
{
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // INVARIANT: the refusal goes before whatever is ready: nothing more leaves once access has ended.
        if self.messages.is_some() && self.revoked.as_mut().poll(context).is_ready() {
            self.messages = None;
            return Poll::Ready(Some(Err((self.refuse)(AnswerError::Revoked))));
        }
        let Some(messages) = self.messages.as_mut() else { return Poll::Ready(None) };
        let next = std::task::ready!(messages.as_mut().poll_next(context));
        if next.is_none() {
            self.messages = None;
        }
        Poll::Ready(next)
    }
}
