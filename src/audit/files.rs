//! The files of a folder: what they are called, and in which order they follow each other.
//!
//! `gw1-000042-20261122.jsonl` is the forty-second file of the instance `gw1`, begun on that day.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use super::config::is_instance;
use super::error::AuditSetupError;

/// One file of an instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditFile {
    /// Whose it is.
    pub instance: String,
    /// Which one, counted from 1.
    pub number: u64,
    /// The day it was begun.
    pub day: NaiveDate,
    /// Where it lies.
    pub path: PathBuf,
}

impl AuditFile {
    pub(super) fn new(dir: &Path, instance: &str, number: u64, day: NaiveDate) -> Self {
        let path = dir.join(format!("{instance}-{number:06}-{}.jsonl", day.format("%Y%m%d")));
        Self { instance: instance.to_owned(), number, day, path }
    }

    /// The file at `path`, if its name is of the form of an audit's.
    pub fn parse(path: &Path) -> Option<Self> {
        let stem = path.file_name()?.to_str()?.strip_suffix(".jsonl")?;
        let (rest, day) = stem.rsplit_once('-')?;
        let (instance, number) = rest.rsplit_once('-')?;
        if number.len() < 6 || !number.bytes().all(|b| b.is_ascii_digit()) || !is_instance(instance) {
            return None;
        }
        Some(Self {
            instance: instance.to_owned(),
            number: number.parse().ok()?,
            day: NaiveDate::parse_from_str(day, "%Y%m%d").ok()?,
            path: path.to_owned(),
        })
    }

    /// Its name without the folder.
    pub fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Makes the file, which must not be there yet.
    pub(super) fn create(&self) -> io::Result<File> {
        private(OpenOptions::new().append(true).create_new(true)).open(&self.path)
    }

    /// Opens the file for appending.
    pub(super) fn append(&self) -> io::Result<File> {
        OpenOptions::new().append(true).open(&self.path)
    }
}

/// Only its owner may read what is made so.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

/// The audit's files in a folder, by instance and number. Others are passed over.
///
/// # Errors
/// [`AuditSetupError::Io`] when the folder cannot be read.
pub fn list(dir: &Path) -> Result<Vec<AuditFile>, AuditSetupError> {
    let entries = fs::read_dir(dir).map_err(AuditSetupError::io(dir))?;
    let mut files = Vec::new();
    for entry in entries {
        files.extend(AuditFile::parse(&entry.map_err(AuditSetupError::io(dir))?.path()));
    }
    files.sort();
    Ok(files)
}

/// A folder that one process writes an instance's files in.
pub(super) struct Folder {
    pub(super) dir: PathBuf,
    pub(super) instance: String,
    /// Held as long as the process writes.
    _lock: File,
}

impl Folder {
    /// Makes the folder if there is none, and takes the instance's lock.
    pub(super) fn open(dir: &Path, instance: &str) -> Result<Self, AuditSetupError> {
        make_private_dir(dir).map_err(AuditSetupError::io(dir))?;
        let path = dir.join(format!("{instance}.lock"));
        let lock = private(OpenOptions::new().write(true).create(true).truncate(false))
            .open(&path)
            .map_err(AuditSetupError::io(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), instance: instance.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(AuditSetupError::Locked(path)),
            Err(fs::TryLockError::Error(cause)) => Err(AuditSetupError::Io { path, cause }),
        }
    }

    /// The instance's files, the oldest first.
    pub(super) fn files(&self) -> Result<Vec<AuditFile>, AuditSetupError> {
        Ok(list(&self.dir)?.into_iter().filter(|file| file.instance == self.instance).collect())
    }

    /// Makes files made or deleted survive a crash of the machine.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

fn make_private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}
