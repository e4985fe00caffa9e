//! Says when the files of a mesh changed.
//!
//! The truth is the digest of the files' contents, taken again when the file system reports something, and
//! every now and then regardless: notifications miss network folders, and their number is limited. So a touch
//! or a swapped link that changes nothing says nothing, and no kind of change is missed for long.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use thiserror::Error;
use tokio::sync::watch;

use super::config::MeshConfig;
use super::layout::Kind;
use super::roots;

/// How changes are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchConfig {
    /// How long files must have been quiet before they are read again.
    pub quiet: Duration,
    /// How often they are read regardless of notifications.
    pub poll: Duration,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self { quiet: Duration::from_millis(150), poll: Duration::from_secs(30) }
    }
}

/// Why a mesh cannot be watched.
#[derive(Debug, Error)]
pub enum WatchError {
    /// The thread that watches could not be started.
    #[error("the watching thread could not be started")]
    Thread(#[source] std::io::Error),
}

/// Watches the local roots of a mesh until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    changes: watch::Receiver<String>,
    signals: Sender<Signal>,
}

/// What wakes the thread.
#[derive(Debug)]
enum Signal {
    FilesTouched,
    Stop,
}

impl Watcher {
    /// Watches the local roots that `config` names. `known` is the version of the mesh that was loaded, so a
    /// change between loading and watching is noticed too.
    ///
    /// # Errors
    /// [`WatchError`] when no thread can be started. A lack of notifications is no error: files are still read
    /// every now and then.
    pub fn start(config: &MeshConfig, known: &str, options: WatchConfig) -> Result<Self, WatchError> {
        let (sender, signals) = mpsc::channel();
        let (announce, changes) = watch::channel(known.to_owned());
        let config = config.clone();
        let notifier = Notifier::start(&sender);
        let thread = thread::Builder::new().name("mesh-watch".into());
        thread.spawn(move || run(&config, options, &signals, notifier, &announce)).map_err(WatchError::Thread)?;
        Ok(Self { changes, signals: sender })
    }

    /// A channel whose value is the digest of the files as they are now; it changes with them. Files that
    /// cannot be made into a mesh are announced as well: loading says what is wrong.
    pub fn changes(&self) -> watch::Receiver<String> {
        self.changes.clone()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // The thread may have ended already.
        let _ = self.signals.send(Signal::Stop);
    }
}

fn run(
    config: &MeshConfig,
    options: WatchConfig,
    signals: &Receiver<Signal>,
    mut notifier: Notifier,
    announce: &watch::Sender<String>,
) {
    loop {
        notifier.follow(config);
        let digest = roots::read_folders(config).version();
        announce.send_if_modified(|known| {
            let changed = *known != digest;
            if changed {
                known.clone_from(&digest);
            }
            changed
        });
        match signals.recv_timeout(options.poll) {
            Ok(Signal::FilesTouched) => {
                if !settle(signals, options.quiet) {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        }
        if announce.is_closed() {
            return;
        }
    }
}

/// Waits until nothing has been touched for `quiet`, but not forever. False when the watcher is gone.
fn settle(signals: &Receiver<Signal>, quiet: Duration) -> bool {
    let deadline = Instant::now() + quiet * 10;
    while Instant::now() < deadline {
        match signals.recv_timeout(quiet) {
            Ok(Signal::FilesTouched) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    true
}

/// Notifications of the file system, where it gives any.
struct Notifier {
    inner: Option<RecommendedWatcher>,
    followed: BTreeSet<PathBuf>,
}

impl Notifier {
    fn start(signals: &Sender<Signal>) -> Self {
        let signals = signals.clone();
        let inner = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let only_read = event.as_ref().is_ok_and(|event| event.kind.is_access());
            if !only_read {
                // The thread may have ended already.
                let _ = signals.send(Signal::FilesTouched);
            }
        });
        match inner {
            Ok(inner) => Self { inner: Some(inner), followed: BTreeSet::new() },
            Err(error) => {
                tracing::warn!(%error, "no file notifications: the mesh is read again every now and then only");
                Self { inner: None, followed: BTreeSet::new() }
            }
        }
    }

    /// Follows the folders that are there now: new domains come, links are swapped.
    fn follow(&mut self, config: &MeshConfig) {
        let Some(inner) = &mut self.inner else { return };
        let wanted = folders(config);
        for gone in self.followed.difference(&wanted) {
            // A folder that was deleted is no longer followed anyway.
            let _ = inner.unwatch(gone);
        }
        let mut followed = BTreeSet::new();
        for folder in wanted {
            // Following again after a swap needs the old one released: the path is the same, the folder is not.
            let known = self.followed.contains(&folder);
            if known {
                let _ = inner.unwatch(&folder);
            }
            match inner.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    followed.insert(folder);
                }
                Err(error) => tracing::debug!(folder = %folder.display(), %error, "folder not followed"),
            }
        }
        self.followed = followed;
    }
}

/// The folders whose entries matter, and the parents of the roots, where links to them are swapped. Data
/// folders are not among them: they may be large, and their files are no part of the mesh.
fn folders(config: &MeshConfig) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for (root, kind) in roots::folders(config) {
        found.extend(root.parent().filter(|parent| parent.is_dir()).map(Path::to_owned));
        let mut add = |folder: PathBuf| {
            // The folder as it is named, and as it really is: both may change.
            found.extend(std::fs::canonicalize(&folder).ok().filter(|real| real.is_dir()));
            if folder.is_dir() {
                found.insert(folder);
            }
        };
        add(root.to_owned());
        match kind {
            Kind::Governance => add(root.join("ceilings")),
            Kind::Domain => ["products", "policies"].into_iter().for_each(|part| add(root.join(part))),
            Kind::Mesh => {
                add(root.join("governance"));
                add(root.join("governance/ceilings"));
                let domains = root.join("domains");
                for entry in std::fs::read_dir(&domains).into_iter().flatten().flatten() {
                    let domain = entry.path();
                    ["products", "policies"].into_iter().for_each(|part| add(domain.join(part)));
                    add(domain);
                }
                add(domains);
            }
        }
    }
    found.remove(Path::new(""));
    found
}
