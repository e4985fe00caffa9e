//! The folder of tokens: written so that a reader sees a file whole or not at all, read as if anybody had written it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::record::Record;
use super::token::TokenId;

const EXTENSION: &str = ".json";
/// Largest file read, in bytes: an identity provider's claims are the most of it.
const MAX_FILE: u64 = 64 * 1024;
/// Files that were complained of and are remembered.
const MOST_COMPLAINTS: usize = 1000;

#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    complained: Mutex<BTreeSet<PathBuf>>,
}

impl Folder {
    /// The folder at this path, which need not be there yet.
    ///
    /// # Errors
    /// Why it cannot hold tokens.
    pub(super) fn new(path: PathBuf) -> Result<Self, String> {
        match fs::metadata(&path) {
            Ok(found) if !found.is_dir() => return Err("is no folder".to_owned()),
            #[cfg(unix)]
            Ok(found) if std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o002 != 0 => {
                return Err("may be written to by everybody, and whoever writes there signs in as anybody".to_owned());
            }
            _ => {}
        }
        Ok(Self { path, complained: Mutex::default() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder if it is not there, for this user alone.
    pub(super) fn make(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.path)
    }

    /// The record of a token; none when there is no such file, or none that can be read.
    pub(super) fn read(&self, id: &TokenId) -> Option<Record> {
        let path = self.file(id);
        match read(&path).map(|text| Record::parse(&text, id)) {
            Ok(Ok(record)) => Some(record),
            Ok(Err(reason)) => self.complain(path, &reason),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => self.complain(path, &error.to_string()),
        }
    }

    /// The ids of all files whose name begins so.
    ///
    /// # Errors
    /// When the folder cannot be read. One that is not there has none.
    pub(super) fn ids(&self, beginning: &str) -> io::Result<Vec<TokenId>> {
        let mut ids = Vec::new();
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ids),
            entries => entries?,
        };
        for entry in entries {
            let name = entry?.file_name();
            let Some(name) = name.to_str().filter(|name| name.starts_with(beginning)) else { continue };
            match name.strip_suffix(EXTENSION).and_then(TokenId::parse) {
                Some(id) => ids.push(id),
                // One that is being written, or was when a process ended.
                None if name.starts_with('.') => {}
                None => drop(self.complain::<()>(self.path.join(name), "is not called like a token's file")),
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// Writes a new record.
    pub(super) fn write(&self, record: &Record) -> io::Result<()> {
        self.make()?;
        let text = serde_json::to_vec_pretty(record).map_err(io::Error::other)?;
        if text.len() as u64 > MAX_FILE {
            return Err(io::Error::other(format!("the record of a token would have {} bytes", text.len())));
        }
        let (partial, whole) = (self.path.join(format!(".{}.partial", record.id)), self.file(&record.id));
        if whole.exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = || -> io::Result<()> {
            let mut file = options.open(&partial)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&partial, &whole)?;
            File::open(&self.path)?.sync_all()
        };
        written().inspect_err(|_| drop(fs::remove_file(&partial)))
    }

    /// Deletes a record; false when there was none.
    pub(super) fn remove(&self, id: &TokenId) -> io::Result<bool> {
        match fs::remove_file(self.file(id)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn file(&self, id: &TokenId) -> PathBuf {
        self.path.join(format!("{id}{EXTENSION}"))
    }

    /// One line a file, however often it is met.
    fn complain<T>(&self, path: PathBuf, reason: &str) -> Option<T> {
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if complained.len() < MOST_COMPLAINTS && complained.insert(path.clone()) {
            tracing::warn!(file = %path.display(), reason, "a file in the folder of personal tokens is ignored");
        }
        None
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for whoever writes to it.
    let found = fs::symlink_metadata(path)?;
    if !found.is_file() || found.len() > MAX_FILE {
        return Err(io::Error::other("is no file, or too large for a token's"));
    }
    let mut text = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut text)?;
    Ok(text)
}
