//! The keys of the `hmac` mask, and which of them masks now.
//!
//! A key may be replaced at a moment that the configuration names, so that all replicas switch together and
//! nobody has to be there. A statement takes its key when it is planned and keeps it: one answer, its derived
//! datasets included, is masked under one key. Digests made under a key with an id say so, `2026q4:…`, since
//! digests of different keys do not compare.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::seal::{Secret, SecretError, SecretRef};

/// The section `[masks]`.
///
/// ```toml
/// [masks]
/// key = "file:secrets/masks.key"            # one key, forever
///
/// keys = [                                  # or several, each from its moment on
///   { id = "2026q3", key = "file:secrets/masks-2026q3.key", from = 2026-07-01T00:00:00Z },
///   { id = "2026q4", key = "file:secrets/masks-2026q4.key", from = 2026-10-01T00:00:00Z },
/// ]
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaskConfig {
    /// The one key, by reference. Replicas share it; digests change with it.
    pub key: Option<SecretRef>,
    /// Keys that follow each other, the oldest first.
    pub keys: Vec<DatedKeyConfig>,
}

/// One of the keys that follow each other.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatedKeyConfig {
    /// What digests made under it begin with.
    pub id: String,
    /// The key, by reference.
    pub key: SecretRef,
    /// From when on it masks.
    #[serde(deserialize_with = "moment")]
    pub from: DateTime<Utc>,
}

/// Why the masks have no key.
#[derive(Debug, Error)]
pub enum MaskKeyError {
    /// A key cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A key that could be guessed.
    #[error("`{0}` names a key of fewer than {MIN_KEY} bytes")]
    Short(String),
    /// No key masks yet.
    #[error("no key of `masks.keys` masks yet: the first begins at {0}; name the one that masks until then")]
    Future(String),
}

/// The fewest bytes that make a key.
const MIN_KEY: usize = 16;
/// Longest id of a key.
const MAX_ID: usize = 32;

impl MaskConfig {
    /// Refuses what contradicts itself, whatever the keys are.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.key.is_some() && !self.keys.is_empty() {
            return Err("`masks.key` and `masks.keys` are both set: keep one of them");
        }
        let formed = |id: &str| {
            (1..=MAX_ID).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        };
        if !self.keys.iter().all(|key| formed(&key.id)) {
            return Err("an id of `masks.keys` is not 1 to 32 lowercase letters, digits, `-` and `_`");
        }
        for (at, key) in self.keys.iter().enumerate() {
            let before = &self.keys[..at];
            if before.iter().any(|other| other.id == key.id) {
                return Err("two keys of `masks.keys` have the same id: digests would not tell them apart");
            }
            if before.last().is_some_and(|last| last.from >= key.from) {
                return Err("`masks.keys` are not in order: each begins after the one before it");
            }
        }
        Ok(())
    }

    /// Reads the keys. `base` is the folder that relative paths start from.
    ///
    /// # Errors
    /// [`MaskKeyError`] when one cannot be had, or none masks at `now`.
    pub fn load(&self, base: &Path, now: DateTime<Utc>) -> Result<MaskKeys, MaskKeyError> {
        let read = |reference: &SecretRef, name: String| {
            let secret = reference.resolve(base)?;
            if secret.expose().len() < MIN_KEY { Err(MaskKeyError::Short(name)) } else { Ok(secret) }
        };
        if let Some(reference) = &self.key {
            return Ok(MaskKey::new(read(reference, "masks.key".into())?).into());
        }
        let Some(first) = self.keys.first() else {
            tracing::warn!(
                "neither `masks.key` nor `masks.keys` is set: digests of the hmac mask change with every start"
            );
            return Ok(MaskKey::random().into());
        };
        if first.from > now {
            return Err(MaskKeyError::Future(first.from.to_rfc3339_opts(SecondsFormat::Secs, true)));
        }
        let keys = self.keys.iter().map(|dated| {
            let secret = read(&dated.key, format!("masks.keys.{}", dated.id))?;
            Ok((dated.from, MaskKey { secret: Arc::new(secret), id: Some(dated.id.as_str().into()) }))
        });
        Ok(MaskKeys(keys.collect::<Result<Vec<_>, MaskKeyError>>()?.into()))
    }
}

/// A key of the `hmac` mask. Whoever has it can test guesses, so it is configured by reference and never
/// shown.
#[derive(Clone)]
pub struct MaskKey {
    secret: Arc<Secret>,
    id: Option<Arc<str>>,
}

impl MaskKey {
    /// A key without an id.
    pub fn new(secret: Secret) -> Self {
        Self { secret: Arc::new(secret), id: None }
    }

    /// A key that nobody knows and that ends with the process: digests are equal within it only.
    pub fn random() -> Self {
        Self::new(Secret::new(rand::random::<[u8; 32]>()))
    }

    /// The key's bytes, for the mask alone.
    pub(super) fn expose(&self) -> &[u8] {
        self.secret.expose()
    }

    /// What digests under this key begin with.
    pub(super) fn prefix(&self) -> String {
        self.id.as_ref().map(|id| format!("{id}:")).unwrap_or_default()
    }
}

/// Whether they are the same key in memory.
impl PartialEq for MaskKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.secret, &other.secret)
    }
}

impl fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskKey")
    }
}

/// The keys of the `hmac` mask, each with the moment it begins at, the oldest first.
#[derive(Debug, Clone)]
pub struct MaskKeys(Arc<[(DateTime<Utc>, MaskKey)]>);

impl MaskKeys {
    /// The key that masks at `now`: the latest that has begun. A clock that stands before all of them, as it
    /// cannot at the start, takes the first.
    pub(super) fn at(&self, now: DateTime<Utc>) -> MaskKey {
        let begun = self.0.iter().rev().find(|(from, _)| *from <= now);
        // INVARIANT: there is one, by construction; a key nobody knows shows nothing if not.
        begun.or(self.0.first()).map_or_else(MaskKey::random, |(_, key)| key.clone())
    }
}

impl From<MaskKey> for MaskKeys {
    fn from(key: MaskKey) -> Self {
        Self([(DateTime::<Utc>::MIN_UTC, key)].into())
    }
}

/// A moment as TOML writes it, or as text, for the environment. One without a zone would switch replicas apart.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Toml {
            #[serde(rename = "$__toml_private_datetime")]
            text: String,
        },
    }
    let (Written::Text(text) | Written::Toml { text }) = Written::deserialize(deserializer)?;
    DateTime::parse_from_rfc3339(&text).map(|moment| moment.to_utc()).map_err(|_| {
        serde::de::Error::custom(format!("`{text}` is no moment with a zone: write it as 2026-10-01T00:00:00Z"))
    })
}

#[cfg(test)]
mod tests {
    use figment::Figment;
    use figment::providers::{Format, Toml};

    use super::*;

    fn parse(text: &str) -> Result<MaskConfig, String> {
        Figment::from(Toml::string(text)).extract().map_err(|error| error.to_string())
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    const TWO: &str = r#"keys = [
        { id = "2026q3", key = "file:a", from = 2026-07-01T00:00:00Z },
        { id = "2026q4", key = "file:b", from = "2026-10-01T02:00:00+02:00" }]"#;

    #[test]
    fn the_latest_key_that_has_begun_masks() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "a".repeat(32)).unwrap();
        std::fs::write(folder.path().join("b"), "b".repeat(32)).unwrap();
        let config = parse(TWO).unwrap();
        config.check().unwrap();
        let keys = config.load(folder.path(), at("2026-09-30T00:00:00Z")).unwrap();
        for (now, prefix, key) in [
            ("2026-07-01T00:00:00Z", "2026q3:", 'a'),
            ("2026-09-30T23:59:59.999Z", "2026q3:", 'a'),
            ("2026-10-01T00:00:00Z", "2026q4:", 'b'),
            ("2030-01-01T00:00:00Z", "2026q4:", 'b'),
        ] {
            let found = keys.at(at(now));
            assert_eq!((found.prefix().as_str(), found.expose()[0]), (prefix, key as u8), "{now}");
        }
        let refused = config.load(folder.path(), at("2026-06-30T00:00:00Z")).unwrap_err().to_string();
        assert!(refused.contains("the first begins at 2026-07-01T00:00:00Z"), "{refused}");
        std::fs::write(folder.path().join("b"), "short").unwrap();
        let refused = config.load(folder.path(), at("2026-09-30T00:00:00Z")).unwrap_err().to_string();
        assert_eq!(refused, "`masks.keys.2026q4` names a key of fewer than 16 bytes");
    }

    #[test]
    fn one_key_has_no_prefix() {
        let keys = MaskKeys::from(MaskKey::random());
        assert_eq!(keys.at(at("1970-01-01T00:00:00Z")).prefix(), "");
        assert_eq!(keys.at(Utc::now()), keys.at(at("1970-01-01T00:00:00Z")));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (text, reason) in [
            (format!("key = \"file:a\"\n{TWO}"), "both set"),
            (TWO.replace("2026q3", "2026 Q3"), "is not 1 to 32"),
            (TWO.replace("2026q3", ""), "is not 1 to 32"),
            (TWO.replace("2026q3", "a:b"), "is not 1 to 32"),
            (TWO.replace("2026q3", "2026q4"), "the same id"),
            (TWO.replace("2026-07", "2026-11"), "not in order"),
        ] {
            let refused = parse(&text).unwrap().check().unwrap_err();
            assert!(refused.contains(reason), "{text}: {refused}");
        }
        for (text, reason) in [
            (TWO.replace("00Z", "00"), "no moment with a zone"),
            (TWO.replace("2026-07-01T00:00:00Z", "2026-07-01"), "no moment with a zone"),
            (TWO.replace("file:a", "hunter2"), "by reference"),
            (TWO.replace("id =", "name ="), "name"),
        ] {
            let refused = parse(&text).unwrap_err();
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }
}
