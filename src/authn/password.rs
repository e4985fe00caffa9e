//! Password hashes: making them, and verifying without letting that be abused.
//!
//! One verification takes 19 MiB and some 20 ms of a core by design, so it runs on blocking threads,
//! a few at a time, behind a queue that has an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use thiserror::Error;
use tokio::sync::Semaphore;

use super::credentials::MAX_PASSWORD;
use super::error::AuthnError;
use crate::seal::Secret;

/// Least memory of an accepted hash, in KiB: the least that OWASP recommends.
const MIN_MEMORY: u32 = 7 * 1024;
/// Most memory of an accepted hash, in KiB.
const MAX_MEMORY: u32 = 256 * 1024;
/// Most memory × passes of an accepted hash.
const MAX_WORK: u64 = 1024 * 1024;

/// Sign-ins that may wait for a turn.
const MAX_WAITING: usize = 256;
/// How long one waits for its turn.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Why a text is no password, or no hash of one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PasswordError {
    /// Empty, or too long.
    #[error("a password has 1 to {MAX_PASSWORD} bytes")]
    Length,
    /// Hashing failed.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
    /// Not the text of an argon2id hash.
    #[error("is not an argon2id hash (`$argon2id$v=19$…`)")]
    Form,
    /// So cheap that guessing is, or so dear that signing in is a denial of service.
    #[error("has parameters that are too weak or too costly")]
    Parameters,
}

/// Hashes a password for the users file, with argon2id and a fresh salt.
///
/// # Errors
/// [`PasswordError`] when the password is empty or too long.
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    if password.is_empty() || password.len() > MAX_PASSWORD {
        return Err(PasswordError::Length);
    }
    let mut salt = [0_u8; 16];
    rand::fill(&mut salt);
    argon2()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map(|hash: PasswordHash| hash.to_string())
        .map_err(|error| PasswordError::Hash(error.to_string()))
}

/// Reads a hash of the users file and refuses what is no honest argon2id.
pub(super) fn parse(text: &str) -> Result<PasswordHash, PasswordError> {
    let hash = PasswordHash::new(text).map_err(|_| PasswordError::Form)?;
    let whole = hash.salt.is_some_and(|salt| salt.len() >= 8) && hash.hash.is_some_and(|output| output.len() >= 16);
    if hash.algorithm.as_str() != "argon2id" || hash.version != Some(Version::V0x13.into()) || !whole {
        return Err(PasswordError::Form);
    }
    let params = Params::try_from(&hash).map_err(|_| PasswordError::Form)?;
    let sound =
        (MIN_MEMORY..=MAX_MEMORY).contains(&params.m_cost()) && params.p_cost() <= 16 && work(&params) <= MAX_WORK;
    if sound { Ok(hash) } else { Err(PasswordError::Parameters) }
}

/// How long a hash takes to verify, in no unit.
pub(super) fn cost(hash: &PasswordHash) -> u64 {
    Params::try_from(hash).map_or(0, |params| work(&params))
}

fn work(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

/// Verifies passwords, a few at a time.
#[derive(Debug)]
pub(super) struct Verifier {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Verifier {
    pub(super) fn new() -> Self {
        let turns = std::thread::available_parallelism().map_or(1, |n| n.get().div_ceil(2)).min(8);
        Self { turns: Arc::new(Semaphore::new(turns)), waiting: AtomicUsize::new(0) }
    }

    /// Whether `password` is the one that was hashed.
    ///
    /// # Errors
    /// [`AuthnError::Throttled`] when too many wait already, or the turn does not come in time.
    pub(super) async fn verify(&self, password: &Secret, hash: Arc<PasswordHash>) -> Result<bool, AuthnError> {
        let place = Place::take(&self.waiting).ok_or(AuthnError::Throttled { retry_after: MAX_WAIT })?;
        let turn = tokio::time::timeout(MAX_WAIT, Arc::clone(&self.turns).acquire_owned()).await;
        drop(place);
        let Ok(Ok(turn)) = turn else {
            return Err(AuthnError::Throttled { retry_after: MAX_WAIT });
        };
        let password = password.clone();
        // The turn ends with the work, not with the caller's interest in it.
        let verified = tokio::task::spawn_blocking(move || {
            let verified = argon2().verify_password(password.expose(), &*hash).is_ok();
            drop(turn);
            verified
        });
        verified.await.map_err(|error| AuthnError::rejected(format!("verifying the password failed: {error}")))
    }
}

/// A place in the queue, given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::AcqRel) < MAX_WAITING).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_verifies_its_password_only() {
        let text = hash_password("correct horse").unwrap();
        let hash = Arc::new(parse(&text).unwrap());
        let verifier = Verifier::new();
        assert!(verifier.verify(&Secret::new("correct horse"), Arc::clone(&hash)).await.unwrap());
        assert!(!verifier.verify(&Secret::new("correct horsf"), hash).await.unwrap());
        assert_ne!(text, hash_password("correct horse").unwrap(), "salts are fresh");
    }

    #[test]
    fn only_sound_argon2id_is_accepted() {
        let tail = "YWJjZGVmZ2hpamtsbW5vcA$b6ZZJrrAnN39gkIwdJrw3TT4ixe6u4Z5G0Y6yBfmjWs";
        assert!(parse(&format!("$argon2id$v=19$m=19456,t=2,p=1${tail}")).is_ok());
        let cases = [
            ("$argon2i$v=19$m=19456,t=2,p=1", PasswordError::Form),
            ("$argon2id$v=16$m=19456,t=2,p=1", PasswordError::Form),
            ("$argon2id$m=19456,t=2,p=1", PasswordError::Form),
            ("$argon2id$v=19$m=64,t=1,p=1", PasswordError::Parameters),
            ("$argon2id$v=19$m=4194304,t=1,p=1", PasswordError::Parameters),
            ("$argon2id$v=19$m=262144,t=900,p=1", PasswordError::Parameters),
        ];
        for (head, expected) in cases {
            assert_eq!(parse(&format!("{head}${tail}")).unwrap_err(), expected, "{head}");
        }
        for text in ["", "hunter2", "$argon2id$v=19$m=19456,t=2,p=1", "$2b$12$abcdefghijklmnopqrstuv"] {
            assert_eq!(parse(text).unwrap_err(), PasswordError::Form, "{text}");
        }
    }

    #[tokio::test]
    async fn the_queue_has_an_end() {
        let verifier = Verifier::new();
        let _places: Vec<_> = (0..MAX_WAITING).map(|_| Place::take(&verifier.waiting).unwrap()).collect();
        let hash = Arc::new(parse(&hash_password("x").unwrap()).unwrap());
        assert!(matches!(verifier.verify(&Secret::new("x"), hash).await, Err(AuthnError::Throttled { .. })));
        assert_eq!(verifier.waiting.load(Ordering::Acquire), MAX_WAITING, "a refused one gives its place back");
    }
}
