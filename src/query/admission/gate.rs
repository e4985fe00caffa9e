//! The gate: how many are in, who is open, and what changes when one comes or goes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::RngExt;
use tokio::sync::oneshot;

use super::queue::FairQueue;
use crate::principal::Identity;

/// The hint to come again is between these, in seconds, before it is scattered.
const SOONEST: f64 = 1.0;
const LATEST: f64 = 30.0;

/// What a gate lets pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Those that work at the same time.
    pub(crate) slots: usize,
    /// Those begun and not ended: working, waiting, and those whose readers do not read.
    pub(crate) open: usize,
    /// The same of one party.
    pub(crate) open_of_one: usize,
}

/// Refused at the gate, or not let in on time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy {
    /// Whether what is full is the caller's own share.
    pub(crate) own: bool,
    /// When to ask again.
    pub(crate) retry_after: Duration,
}

/// What lets in. Its clones are the same gate.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bounds: Bounds,
    /// What the metrics call that which passes.
    of: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    working: usize,
    waiting: FairQueue<Identity, Waiter>,
    open: usize,
    open_of: HashMap<Identity, usize>,
    tickets: u64,
}

#[derive(Debug)]
struct Waiter {
    since: Instant,
    called: oneshot::Sender<()>,
}

/// Something begun. Dropping it ends it, wherever it is.
#[derive(Debug)]
pub struct Admission {
    gate: Gate,
    party: Identity,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    /// Under this ticket; or it was called, and does not know yet.
    Waiting(u64),
    Slot,
}

impl Gate {
    pub(crate) fn new(of: &'static str, bounds: Bounds) -> Self {
        let bounds = Bounds { slots: bounds.slots.max(1), ..bounds };
        Self(Arc::new(Shared { bounds, of, state: Mutex::default() }))
    }

    /// Begins something of `party`'s, outside yet.
    ///
    /// # Errors
    /// [`Busy`] when too much is open.
    pub(crate) fn open(&self, party: &Identity) -> Result<Admission, Busy> {
        let mut state = self.state();
        let own = state.open_of.get(party).is_some_and(|open| *open >= self.0.bounds.open_of_one);
        if own || state.open >= self.0.bounds.open {
            return Err(self.busy(&state, own));
        }
        state.open += 1;
        *state.open_of.entry(party.clone()).or_default() += 1;
        self.tell(&state);
        Ok(Admission { gate: self.clone(), party: party.clone(), place: Place::Outside })
    }

    fn busy(&self, state: &State, own: bool) -> Busy {
        metrics::counter!("airside_admission_refused_total", "of" => self.0.of).increment(1);
        let longest = state.waiting.fronts().map(|waiter| waiter.since.elapsed().as_secs_f64()).fold(SOONEST, f64::max);
        // Else all who are refused together come back together.
        let scatter = rand::rng().random_range(1.0..2.0);
        Busy { own, retry_after: Duration::from_secs_f64(longest.min(LATEST) * scatter) }
    }

    /// Calls as many in as there are slots for.
    fn call(&self, state: &mut State) {
        while state.working < self.0.bounds.slots
            && let Some(waiter) = state.waiting.pop()
        {
            metrics::histogram!("airside_admission_wait_seconds", "of" => self.0.of).record(waiter.since.elapsed());
            state.working += 1;
            // Whoever does not listen any more gives the slot back as it leaves.
            let _ = waiter.called.send(());
        }
        self.tell(state);
    }

    fn tell(&self, state: &State) {
        let gauge = |name: &'static str, value: usize| metrics::gauge!(name, "of" => self.0.of).set(value as f64);
        gauge("airside_admission_working", state.working);
        gauge("airside_admission_waiting", state.waiting.len());
        gauge("airside_admission_open", state.open);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Working, waiting, open.
    #[cfg(test)]
    pub(super) fn counts(&self) -> [usize; 3] {
        let state = self.state();
        assert_eq!(state.open, state.open_of.values().sum::<usize>(), "{state:?}");
        [state.working, state.waiting.len(), state.open]
    }
}

impl Admission {
    /// Waits for a slot. To be dropped in the middle, and called again.
    pub(crate) async fn enter(&mut self) {
        self.leave();
        let called = {
            let mut state = self.gate.state();
            if state.working < self.gate.0.bounds.slots && state.waiting.len() == 0 {
                state.working += 1;
                self.gate.tell(&state);
                self.place = Place::Slot;
                return;
            }
            let (tells, called) = oneshot::channel();
            let ticket = state.tickets;
            state.tickets += 1;
            state.waiting.push(&self.party, ticket, Waiter { since: Instant::now(), called: tells });
            self.gate.tell(&state);
            self.place = Place::Waiting(ticket);
            called
        };
        // Only this one takes its ticket out, so it is called.
        let _ = called.await;
        self.place = Place::Slot;
    }

    /// Gives the slot back, or stops waiting for one.
    pub(crate) fn leave(&mut self) {
        let mut state = self.gate.state();
        match std::mem::replace(&mut self.place, Place::Outside) {
            Place::Outside => return,
            Place::Waiting(ticket) if state.waiting.remove(&self.party, ticket) => {}
            Place::Waiting(_) | Place::Slot => state.working = state.working.saturating_sub(1),
        }
        self.gate.call(&mut state);
    }

    /// Lets others go first, if any wait.
    pub(crate) async fn give_way(&mut self) {
        if self.gate.state().waiting.len() > 0 {
            self.leave();
        }
        if self.place != Place::Slot {
            self.enter().await;
        }
    }

    /// What to say when the wait was too long.
    pub(crate) fn waited_enough(&self) -> Busy {
        self.gate.busy(&self.gate.state(), false)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.leave();
        let mut state = self.gate.state();
        state.open = state.open.saturating_sub(1);
        if let Some(open) = state.open_of.get_mut(&self.party) {
            *open -= 1;
            if *open == 0 {
                state.open_of.remove(&self.party);
            }
        }
        self.gate.tell(&state);
    }
}
