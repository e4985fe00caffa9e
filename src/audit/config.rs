//! The section `[audit]`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::error::AuditSetupError;
use crate::seal::SecretRef;

/// The section `[audit]`. That there is none is a choice too, so it is written: `to = "off"`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// Where records go.
    pub to: Destination,
    /// The folder of the files.
    pub dir: PathBuf,
    /// The key of the chain: 32 random bytes. The others are derived from it unless they are named.
    pub key: Option<SecretRef>,
    /// The seed of the key that signs checkpoints: 32 random bytes.
    pub signing_key: Option<SecretRef>,
    /// The key of the digests that stand for literals: 32 random bytes.
    pub digest_key: Option<SecretRef>,
    /// What this replica's files are called; the host's name without one.
    pub instance: Option<String>,
    /// When a record counts as written.
    pub sync: SyncPolicy,
    /// A file of so many bytes is followed by a new one. So is yesterday's.
    pub rotate_bytes: u64,
    /// Files whose last record is older are deleted; 0 keeps them.
    pub keep_days: u32,
    /// The oldest files are deleted while all together have more bytes; 0 keeps them.
    pub keep_bytes: u64,
    /// Seconds between two signed checkpoints, if anything was recorded.
    pub checkpoint_seconds: u64,
    /// A file to which every checkpoint is appended, for keeping elsewhere.
    pub checkpoint_file: Option<PathBuf>,
    /// Openings that may wait to be written; more wait their turn.
    pub queue: usize,
}

/// Where records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Destination {
    /// Files in a folder, rotated and kept as configured.
    Files,
    /// Standard output, for whatever collects it. Each start begins a chain of its own.
    Stdout,
    /// Nowhere.
    Off,
}

/// When a record counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncPolicy {
    /// When the disk has it: one fsync for all that wait.
    Always,
    /// When the system has it; the disk gets it within a second. A crash of the machine may lose that second.
    Interval,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            to: Destination::Files,
            dir: "audit".into(),
            key: None,
            signing_key: None,
            digest_key: None,
            instance: None,
            sync: SyncPolicy::Always,
            rotate_bytes: 64 << 20,
            keep_days: 0,
            keep_bytes: 0,
            checkpoint_seconds: 300,
            checkpoint_file: None,
            queue: 1024,
        }
    }
}

impl AuditConfig {
    /// Makes relative paths start at `base`.
    pub fn resolve_against(&mut self, base: &Path) {
        self.dir = base.join(&self.dir);
        self.checkpoint_file = self.checkpoint_file.as_ref().map(|path| base.join(path));
    }

    /// The time between two checkpoints.
    pub(super) fn checkpoint_every(&self) -> Duration {
        Duration::from_secs(self.checkpoint_seconds.max(1))
    }

    /// What this replica's files are called.
    ///
    /// # Errors
    /// [`AuditSetupError::Instance`] when the configured name cannot be part of a file's name.
    pub(super) fn instance(&self) -> Result<String, AuditSetupError> {
        match &self.instance {
            Some(name) if is_instance(name) => Ok(name.clone()),
            Some(name) => Err(AuditSetupError::Instance(name.clone())),
            None => Ok(host().filter(|name| is_instance(name)).unwrap_or_else(|| "airside".to_owned())),
        }
    }
}

/// Whether the text may name an instance: it becomes part of a file's name.
pub(super) fn is_instance(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}

/// The host's name, where the system tells it in a file.
fn host() -> Option<String> {
    let name =
        ["/proc/sys/kernel/hostname", "/etc/hostname"].iter().find_map(|path| std::fs::read_to_string(path).ok());
    name.map(|name| name.trim().to_owned())
}
