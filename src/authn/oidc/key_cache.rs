//! Keeping an issuer's keys: fetched when needed, refreshed in time, and never more often than the
//! issuer can bear, whatever tokens strangers send.
//!
//! - A key at hand is used at once. When the set is past its time, one task fetches it anew while
//!   calls go on with the old one; far past it, they wait.
//! - An unknown key id means the issuer may have rotated: one fetch at a time, and a pause between
//!   two. Everybody else waits for that fetch and shares its result.
//! - While the issuer is down the last good set serves, for a day.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use jsonwebtoken::Algorithm;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::fetch::Fetcher;
use super::keys::{KeySet, VerificationKey};

/// Between two fetches that unknown keys or failures ask for.
const PAUSE: Duration = Duration::from_secs(5);
/// Beyond this age, keys that could not be refreshed are no longer trusted.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug)]
pub(super) struct KeyCache {
    fetcher: Fetcher,
    ttl: Duration,
    pause: Duration,
    current: ArcSwapOption<KeySet>,
    last: Arc<Mutex<Option<Attempt>>>,
    /// Whether the last attempt failed.
    down: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    at: Instant,
    succeeded: bool,
}

/// Why there is no key for a token.
#[derive(Debug)]
pub(super) enum KeyError {
    /// The issuer publishes no such key.
    Unknown,
    /// The issuer could not be asked; why, for the log.
    Unavailable(String),
}

impl KeyCache {
    pub(super) fn new(fetcher: Fetcher, ttl: Duration) -> Self {
        Self {
            fetcher,
            ttl,
            pause: PAUSE,
            current: ArcSwapOption::empty(),
            last: Arc::default(),
            down: AtomicBool::new(false),
        }
    }

    /// Another pause, for tests that cannot wait.
    #[cfg(test)]
    pub(super) fn with_pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// The key for a token's key id and algorithm.
    pub(super) async fn key(
        self: &Arc<Self>,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<VerificationKey>, KeyError> {
        let held = self.current.load_full();
        if let Some(key) = held.as_ref().and_then(|set| set.find(kid, algorithm).filter(|_| self.serves(set))) {
            return Ok(key);
        }
        let last = Arc::clone(&self.last).lock_owned().await;
        let (set, asked) = self.refreshed(held, last).await?;
        match set.find(kid, algorithm) {
            Some(key) => Ok(key),
            None if asked => Err(KeyError::Unknown),
            None => Err(self.unavailable("an unknown key, and the last attempt to fetch keys failed")),
        }
    }

    /// Whether a set is used as it is. One just past its time is, and is renewed meanwhile.
    fn serves(self: &Arc<Self>, set: &Arc<KeySet>) -> bool {
        let age = set.age();
        if age >= self.ttl
            && let Ok(last) = Arc::clone(&self.last).try_lock_owned()
        {
            let (cache, held) = (Arc::clone(self), Some(Arc::clone(set)));
            tokio::spawn(async move { drop(cache.refreshed(held, last).await) });
        }
        // Nobody waits for an issuer that is known to be down.
        age < self.ttl.saturating_mul(2) || (age < MAX_AGE && self.down.load(Ordering::Acquire))
    }

    /// The set after an attempt to fetch it, by us or by whoever held the lock before; and whether
    /// it is what the issuer says now (or said a pause ago).
    async fn refreshed(
        &self,
        held: Option<Arc<KeySet>>,
        mut last: OwnedMutexGuard<Option<Attempt>>,
    ) -> Result<(Arc<KeySet>, bool), KeyError> {
        let current = self.current.load_full();
        let renewed = match (&current, &held) {
            (Some(current), Some(held)) => !Arc::ptr_eq(current, held),
            (current, _) => current.is_some(),
        };
        if !renewed && last.is_none_or(|attempt| attempt.at.elapsed() >= self.pause) {
            // Noted before fetching: a caller who gives up does not undo the attempt.
            *last = Some(Attempt { at: Instant::now(), succeeded: false });
            let fetched = self.fetcher.keys().await;
            self.down.store(fetched.is_err(), Ordering::Release);
            match fetched {
                Ok(set) => {
                    self.current.store(Some(Arc::new(set)));
                    *last = Some(Attempt { at: Instant::now(), succeeded: true });
                }
                Err(reason) => {
                    tracing::warn!(issuer = self.fetcher.issuer(), reason, "the issuer's keys cannot be fetched");
                }
            }
        }
        let asked = last.is_some_and(|attempt| attempt.succeeded);
        match self.current.load_full() {
            Some(set) if set.age() < MAX_AGE => Ok((set, asked)),
            _ => Err(self.unavailable("its keys could not be fetched")),
        }
    }

    fn unavailable(&self, reason: &str) -> KeyError {
        KeyError::Unavailable(format!("the issuer `{}`: {reason}", self.fetcher.issuer()))
    }
}
