//! Answers called off by name: whoever asked a question may end every stream of it that runs in this process.
//!
//! An answer is known by its decision, which its tickets carry, and by whose it is. What is called off stays so for as
//! long as a ticket lives, so that a stream that was about to begin does not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Gateway;
use super::error::AnswerError;
use super::question::Caller;
use crate::principal::Identity;
use crate::query::QueryError;

/// Whose decision.
type Key = (Identity, Uuid);

/// Decisions remembered as called off; the least recently used go first.
const REMEMBERED: u64 = 100_000;

/// What runs, and what was called off.
#[derive(Clone)]
pub(super) struct Cancellations {
    running: Arc<Mutex<HashMap<Key, Streams>>>,
    called_off: Cache<Key, ()>,
}

/// The streams of one answer.
struct Streams {
    ended: CancellationToken,
    count: usize,
}

/// A stream that is to end when its answer is called off; it is known as long as this lives.
pub(super) struct Started {
    pub(super) ended: CancellationToken,
    key: Key,
    all: Cancellations,
}

impl Cancellations {
    /// Remembers what was called off for `kept`.
    pub(super) fn new(kept: Duration) -> Self {
        let called_off = Cache::builder().max_capacity(REMEMBERED).time_to_live(kept).build();
        Self { running: Arc::default(), called_off }
    }

    /// A stream begins.
    ///
    /// # Errors
    /// When its answer was called off.
    pub(super) fn start(&self, caller: &Caller, decision: Uuid) -> Result<Started, AnswerError> {
        let key = (caller.principal.identity.clone(), decision);
        let ended = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            let streams =
                running.entry(key.clone()).or_insert_with(|| Streams { ended: CancellationToken::new(), count: 0 });
            streams.count += 1;
            streams.ended.clone()
        };
        let started = Started { ended, key, all: self.clone() };
        // INVARIANT: looked at after the stream can be found, so that whoever calls it off meanwhile ends it or is seen here.
        if self.called_off.contains_key(&started.key) { Err(cancelled()) } else { Ok(started) }
    }

    fn call_off(&self, key: Key) -> bool {
        self.called_off.insert(key.clone(), ());
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.get(&key).map(|streams| streams.ended.cancel()).is_some()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let mut running = self.all.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(streams) = running.get_mut(&self.key) {
            streams.count -= 1;
            if streams.count == 0 {
                running.remove(&self.key);
            }
        }
    }
}

impl Gateway {
    /// Calls off the caller's answer of this decision: what streams of it ends, and no stream of it begins.
    pub fn cancel(&self, caller: &Caller, decision: Uuid) {
        let ran = self.cancellations.call_off((caller.principal.identity.clone(), decision));
        metrics::counter!("airside_cancelled_total").increment(1);
        tracing::info!(%decision, ran, "called off");
    }

    /// Whether the caller's answer of this decision may go on.
    ///
    /// # Errors
    /// When it was called off.
    pub fn check_cancelled(&self, caller: &Caller, decision: Uuid) -> Result<(), AnswerError> {
        let key = (caller.principal.identity.clone(), decision);
        if self.cancellations.called_off.contains_key(&key) { Err(cancelled()) } else { Ok(()) }
    }
}

/// What the reader of an answer is told that was called off.
pub(super) fn cancelled() -> AnswerError {
    QueryError::cancelled().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::principal::{Principal, Purpose};

    fn caller(name: &str) -> Caller {
        let identity = Identity::User(name.into());
        let principal = Principal { identity, groups: Default::default(), attributes: Default::default() };
        Caller { principal, purpose: Purpose::default() }
    }

    #[test]
    fn every_stream_of_an_answer_ends_and_none_begins() {
        let all = Cancellations::new(Duration::from_secs(60));
        let (ada, eve, decision) = (caller("ada"), caller("eve"), Uuid::now_v7());
        let streams = [all.start(&ada, decision).unwrap(), all.start(&ada, decision).unwrap()];
        let (others, other) = (all.start(&eve, decision).unwrap(), all.start(&ada, Uuid::now_v7()).unwrap());
        assert!(all.call_off((ada.principal.identity.clone(), decision)));
        assert!(streams.iter().all(|stream| stream.ended.is_cancelled()));
        assert!(!others.ended.is_cancelled() && !other.ended.is_cancelled());
        assert!(all.start(&ada, decision).is_err());
        assert!(all.start(&eve, decision).is_ok());
        drop((streams, others, other));
        assert!(all.running.lock().unwrap().is_empty());
        assert!(!all.call_off((eve.principal.identity.clone(), decision)));
    }
}
