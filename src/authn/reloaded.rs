//! A small file of the platform's, read again when it changed.
//!
//! Users and tokens are looked up on every call, and removing one must take effect without a
//! restart. Asking the file system costs a microsecond and happens at most twice a second; a file
//! that has become unreadable leaves the last good reading in service, and says so in the log.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;

use crate::fault::Fault;

/// How often the file system is asked.
const INTERVAL: Duration = Duration::from_millis(500);
/// Largest file read, in bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;

type Parse<T> = fn(&str, &Path) -> Result<T, Vec<Fault>>;

#[derive(Debug)]
pub(super) struct Reloaded<T> {
    path: PathBuf,
    parse: Parse<T>,
    interval: Duration,
    current: ArcSwap<T>,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    asked: Instant,
    stamp: Option<Stamp>,
}

/// What changes when a file does. The inode tells a file replaced within the clock's resolution.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Some(Self { modified: metadata.modified().ok(), length: metadata.len(), inode })
    }
}

impl<T> Reloaded<T> {
    /// Reads the file for the first time; it must be in order.
    pub(super) fn open(path: PathBuf, parse: Parse<T>) -> Result<Self, Vec<Fault>> {
        // The stamp is taken before reading, so a change in between is read again.
        let stamp = Stamp::of(&path);
        let value = read(&path, parse)?;
        Ok(Self {
            path,
            parse,
            interval: INTERVAL,
            current: ArcSwap::from_pointee(value),
            seen: Mutex::new(Seen { asked: Instant::now(), stamp }),
        })
    }

    /// A value of no file, which never changes.
    pub(super) fn fixed(value: T, parse: Parse<T>) -> Self {
        Self {
            path: PathBuf::new(),
            parse,
            interval: Duration::MAX,
            current: ArcSwap::from_pointee(value),
            seen: Mutex::new(Seen { asked: Instant::now(), stamp: None }),
        }
    }

    /// Asks the file system every time: for tests that cannot wait.
    #[cfg(test)]
    pub(super) fn at_once(mut self) -> Self {
        self.interval = Duration::ZERO;
        self
    }

    /// The file's content, as of a second ago at most.
    pub(super) fn get(&self) -> Arc<T> {
        // Whoever finds the lock taken uses what is there: somebody else is reading already.
        if let Ok(mut seen) = self.seen.try_lock()
            && seen.asked.elapsed() >= self.interval
        {
            self.refresh(&mut seen);
        }
        self.current.load_full()
    }

    /// Looks now whether the file changed, for a watcher that knows.
    pub(super) fn reload(&self) {
        self.refresh(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn refresh(&self, seen: &mut Seen) {
        let stamp = Stamp::of(&self.path);
        seen.asked = Instant::now();
        if stamp == seen.stamp {
            return;
        }
        match read(&self.path, self.parse) {
            Ok(value) => {
                self.current.store(Arc::new(value));
                tracing::info!(file = %self.path.display(), "read again");
            }
            Err(faults) => {
                for fault in &faults {
                    tracing::error!(%fault, "the last good reading stays in service");
                }
            }
        }
        seen.stamp = stamp;
    }
}

fn read<T>(path: &Path, parse: Parse<T>) -> Result<T, Vec<Fault>> {
    let fault = |reason: String| vec![Fault::new(path, reason)];
    let length = std::fs::metadata(path).map_err(|error| fault(format!("cannot be read: {error}")))?.len();
    if length > MAX_FILE {
        return Err(fault(format!("is larger than {MAX_FILE} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| fault(format!("cannot be read: {error}")))?;
    parse(&text, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str, file: &Path) -> Result<u32, Vec<Fault>> {
        text.trim().parse().map_err(|_| vec![Fault::new(file, "no number")])
    }

    #[test]
    fn a_changed_file_is_read_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n");
        std::fs::write(&path, "1").unwrap();
        let file = Reloaded::open(path.clone(), number).unwrap().at_once();
        assert_eq!(*file.get(), 1);
        for (content, expected) in [("22", 22), ("broken", 22), ("333", 333)] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(*file.get(), expected);
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(*file.get(), 333);
        assert!(Reloaded::open(path, number).is_err(), "at the start it must be there");
    }
}
