//! Slowing down whoever guesses passwords.
//!
//! After a few failures a name must wait, each time twice as long, up to a minute. Names that do
//! not exist are treated alike, or waiting would tell which do. Sessions already given go on: a
//! stranger's guesses delay a user's next sign-in, and nothing else.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures that cost nothing.
const FREE: u32 = 5;
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);
/// After this long without a failure, a name's failures are forgotten.
const FORGET: Duration = Duration::from_secs(15 * 60);
/// Names remembered at once.
const CAPACITY: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Throttle {
    failures: Mutex<HashMap<String, Failures>>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn wait(self, now: Instant) -> Duration {
        let Some(doublings) = self.count.checked_sub(FREE) else { return Duration::ZERO };
        let pause = Duration::from_secs(1 << doublings.min(6)).min(LONGEST);
        pause.saturating_sub(now.saturating_duration_since(self.last))
    }

    fn forgotten(self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) >= FORGET
    }
}

impl Throttle {
    /// How long `name` must still wait before another attempt is looked at.
    pub(super) fn wait(&self, name: &str, now: Instant) -> Duration {
        self.with(|all| all.get(name).map_or(Duration::ZERO, |failures| failures.wait(now)))
    }

    pub(super) fn failed(&self, name: &str, now: Instant) {
        self.with(|all| {
            if all.len() >= CAPACITY && !all.contains_key(name) {
                all.retain(|_, failures| !failures.forgotten(now));
                let oldest = all.iter().min_by_key(|(_, failures)| failures.last).map(|(name, _)| name.clone());
                if let Some(oldest) = oldest.filter(|_| all.len() >= CAPACITY) {
                    all.remove(&oldest);
                }
            }
            let failures = all.entry(name.to_owned()).or_insert(Failures { count: 0, last: now });
            if failures.forgotten(now) {
                failures.count = 0;
            }
            *failures = Failures { count: failures.count.saturating_add(1), last: now };
        });
    }

    pub(super) fn succeeded(&self, name: &str) {
        self.with(|all| all.remove(name));
    }

    fn with<T>(&self, f: impl FnOnce(&mut HashMap<String, Failures>) -> T) -> T {
        f(&mut self.failures.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_doubles_and_ends() {
        let throttle = Throttle::default();
        let start = Instant::now();
        let waits: Vec<_> = (0..14)
            .map(|_| {
                throttle.failed("alice", start);
                throttle.wait("alice", start).as_secs()
            })
            .collect();
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        assert_eq!(throttle.wait("bob", start), Duration::ZERO);
        assert_eq!(throttle.wait("alice", start + LONGEST), Duration::ZERO);
        throttle.succeeded("alice");
        assert_eq!(throttle.wait("alice", start), Duration::ZERO);
    }

    #[test]
    fn failures_are_forgotten_in_time() {
        let throttle = Throttle::default();
        let start = Instant::now();
        (0..20).for_each(|_| throttle.failed("alice", start));
        throttle.failed("alice", start + FORGET);
        assert_eq!(throttle.wait("alice", start + FORGET), Duration::ZERO);
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for i in 0..CAPACITY + 100 {
            throttle.failed(&i.to_string(), start + Duration::from_millis(i as u64));
        }
        assert_eq!(throttle.with(|all| all.len()), CAPACITY);
    }
}
