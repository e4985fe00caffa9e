//! The journal: lines appended, whole or not at all; files following each other; the chain through all of it.
//!
//! What cannot be written in full is taken back, so that the file always ends where the chain does. If even that
//! fails, the file is let go and read anew before the next line.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use chrono::{NaiveDate, Utc};

use super::chain::Head;
use super::checkpoint::Checkpoint;
use super::config::{AuditConfig, SyncPolicy};
use super::error::AuditSetupError;
use super::files::{AuditFile, Folder, private};
use super::keys::AuditKeys;
use super::medium::Medium;
use super::record::{Previous, Record, Retired, Start};
use super::retention::Keep;
use super::tail::{self, Tail};

/// The version of the records' format.
pub(super) const FORMAT: u32 = 1;

/// Where lines go, and where the chain stands.
pub(super) struct Journal {
    keys: AuditKeys,
    instance: String,
    /// None for standard output.
    folder: Option<Folder>,
    sync: SyncPolicy,
    rotate_bytes: u64,
    keep: Keep,
    checkpoint_file: Option<PathBuf>,
    head: Head,
    current: Option<Current>,
    /// The line after the last checkpoint.
    checkpointed: u64,
    /// Whether something was appended and not synced.
    unsynced: bool,
    /// What a crash left behind, until it is on record.
    torn: Vec<Record>,
}

/// What is being appended to.
struct Current {
    medium: Box<dyn Medium>,
    file: Option<AuditFile>,
    day: NaiveDate,
    length: u64,
}

impl Journal {
    /// Goes on where the folder's last file ends, or begins.
    pub(super) fn open(config: &AuditConfig, keys: AuditKeys) -> Result<Self, AuditSetupError> {
        let instance = config.instance()?;
        let mut journal =
            Self { folder: Some(Folder::open(&config.dir, &instance)?), ..Self::to_stdout(config, keys, instance) };
        journal.resume()?;
        Ok(journal)
    }

    /// Begins a chain on standard output.
    pub(super) fn on_stdout(config: &AuditConfig, keys: AuditKeys) -> Result<Self, AuditSetupError> {
        let mut journal = Self::to_stdout(config, keys, config.instance()?);
        journal.begin_stdout().map_err(AuditSetupError::io("standard output"))?;
        Ok(journal)
    }

    fn to_stdout(config: &AuditConfig, keys: AuditKeys, instance: String) -> Self {
        Self {
            keys,
            instance,
            folder: None,
            sync: config.sync,
            rotate_bytes: config.rotate_bytes.max(1),
            keep: Keep { days: config.keep_days, bytes: config.keep_bytes },
            checkpoint_file: config.checkpoint_file.clone(),
            head: Head::BEGINNING,
            current: None,
            checkpointed: 0,
            unsynced: false,
            torn: Vec::new(),
        }
    }

    /// Appends bodies of records as lines. All of them are written, as safely as configured, or none.
    pub(super) fn append(&mut self, bodies: &[Vec<u8>]) -> io::Result<()> {
        let bytes: u64 = bodies.iter().map(|body| body.len() as u64 + 128).sum();
        self.make_ready(bytes)?;
        self.write(bodies, self.sync == SyncPolicy::Always)
    }

    /// Brings what was appended to the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if !self.unsynced {
            return Ok(());
        }
        if let Some(current) = &mut self.current {
            current.medium.sync()?;
        }
        self.unsynced = false;
        Ok(())
    }

    /// Signs where the chain stands, if anything was recorded since the last time.
    pub(super) fn checkpoint(&mut self) -> io::Result<()> {
        if self.head.seq <= self.checkpointed || self.current.is_none() {
            return Ok(());
        }
        let checkpoint = Checkpoint::sign(&self.keys, &self.instance, &self.head);
        self.write(&[Record::Checkpoint(checkpoint.clone()).body(Utc::now())], true)?;
        self.checkpointed = self.head.seq;
        if let Some(path) = &self.checkpoint_file
            && let Err(cause) = export(path, &checkpoint)
        {
            tracing::error!(path = %path.display(), %cause, "a checkpoint of the audit could not be exported");
        }
        Ok(())
    }

    /// Makes sure that there is something to append `bytes` to.
    fn make_ready(&mut self, bytes: u64) -> io::Result<()> {
        let today = Utc::now().date_naive();
        match &self.current {
            None if self.folder.is_none() => self.begin_stdout(),
            None => self.resume().map_err(io::Error::other),
            Some(current) if current.file.is_none() => Ok(()),
            Some(current) if current.day < today || current.length + bytes > self.rotate_bytes => self.rotate(),
            Some(_) => Ok(()),
        }?;
        self.record_torn()
    }

    /// Writes lines to what is open now.
    fn write(&mut self, bodies: &[Vec<u8>], sync: bool) -> io::Result<()> {
        let Some(current) = &mut self.current else { return Err(io::ErrorKind::NotConnected.into()) };
        let mut head = self.head.clone();
        let mut lines = Vec::with_capacity(bodies.iter().map(|body| body.len() + 128).sum());
        for body in bodies {
            head.append(&self.keys.chain, body, &mut lines);
        }
        let written = current.medium.append(&lines).and_then(|()| if sync { current.medium.sync() } else { Ok(()) });
        if let Err(cause) = written {
            if current.medium.cut_back(current.length).is_err() {
                self.current = None;
            }
            return Err(cause);
        }
        current.length += lines.len() as u64;
        self.head = head;
        self.unsynced = !sync;
        Ok(())
    }

    fn start(&self, previous: Option<Previous>) -> Vec<u8> {
        let start = Start {
            format: FORMAT,
            airside: env!("CARGO_PKG_VERSION").to_owned(),
            instance: self.instance.clone(),
            previous,
            checkpoint_key: self.keys.public_key().to_string(),
        };
        Record::Start(start).body(Utc::now())
    }

    fn begin_stdout(&mut self) -> io::Result<()> {
        self.head = Head::BEGINNING;
        self.checkpointed = 0;
        let medium = Box::new(io::stdout());
        self.current = Some(Current { medium, file: None, day: Utc::now().date_naive(), length: 0 });
        self.write(&[self.start(None)], false)
    }

    /// Closes the file with a checkpoint and begins the next one.
    fn rotate(&mut self) -> io::Result<()> {
        self.checkpoint()?;
        self.sync()?;
        let file = self.current.as_ref().and_then(|current| current.file.clone());
        self.begin(file)?;
        self.retire();
        Ok(())
    }

    /// Begins the file after `before`.
    fn begin(&mut self, before: Option<AuditFile>) -> io::Result<()> {
        let Some(folder) = &self.folder else { return self.begin_stdout() };
        let day = Utc::now().date_naive();
        let number = before.as_ref().map_or(1, |file| file.number + 1);
        let file = AuditFile::new(&folder.dir, &self.instance, number, day);
        let previous = before.map(|file| Previous { file: file.name(), head: self.head.clone() });
        let medium = Box::new(file.create()?);
        let made = folder.sync();
        let next = Current { medium, file: Some(file.clone()), day, length: 0 };
        let old = self.current.replace(next);
        if let Err(cause) = made.and_then(|()| self.write(&[self.start(previous)], true)) {
            // Without its first line it is nobody's file; if it cannot go, it is found when the folder is read anew.
            self.current = if fs::remove_file(&file.path).is_ok() { old } else { None };
            return Err(cause);
        }
        Ok(())
    }

    /// Deletes the files that need not be kept. That it cannot is no reason not to record.
    fn retire(&mut self) {
        if let Err(cause) = self.try_retire() {
            tracing::error!(%cause, "old files of the audit could not be deleted");
        }
    }

    /// Deletes the files that need not be kept, each put on record before.
    fn try_retire(&mut self) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let files = folder.files().map_err(io::Error::other)?;
        let sized = files.into_iter().map(|file| Ok((file.clone(), fs::metadata(&file.path)?.len())));
        let files = sized.collect::<io::Result<Vec<_>>>()?;
        let surplus = self.keep.surplus(&files, Utc::now().date_naive());
        for pair in files.windows(2).take(surplus) {
            let [(old, _), (next, _)] = pair else { continue };
            // What the next file says of it is what a later check will want to see on record.
            let Some(previous) = tail::start_of(next).and_then(|start| start.previous) else { break };
            self.write(&[Record::Retired(Retired { file: old.name(), head: previous.head }).body(Utc::now())], true)?;
            fs::remove_file(&old.path)?;
            tracing::info!(file = old.name(), "a file of the audit was deleted, as configured");
        }
        match &self.folder {
            Some(folder) if surplus > 0 => folder.sync(),
            _ => Ok(()),
        }
    }

    /// Reads where the last file ends, takes out what a crash left unfinished, and goes on there.
    fn resume(&mut self) -> Result<(), AuditSetupError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let dir = folder.dir.clone();
        let failed = |cause| AuditSetupError::Io { path: dir, cause };
        let Tail { last, torn } = tail::read(&folder.files()?, &self.keys.chain)?;
        self.torn.extend(torn);
        let Some(end) = last else {
            return self.begin(None).and_then(|()| self.record_torn()).map_err(failed);
        };
        let medium = end.file.append().map_err(AuditSetupError::io(&end.file.path))?;
        self.head = end.head;
        self.checkpointed = end.checkpointed;
        let renewed = end.start.checkpoint_key != self.keys.public_key().to_string();
        self.current =
            Some(Current { medium: Box::new(medium), day: end.file.day, file: Some(end.file), length: end.length });
        self.record_torn().and_then(|()| if renewed { self.rotate() } else { Ok(()) }).map_err(failed)?;
        self.retire();
        Ok(())
    }

    /// Puts on record what was taken out; what cannot be written now is kept for the next time.
    fn record_torn(&mut self) -> io::Result<()> {
        if self.torn.is_empty() {
            return Ok(());
        }
        let bodies: Vec<_> = self.torn.iter().map(|record| record.body(Utc::now())).collect();
        self.write(&bodies, true)?;
        self.torn.clear();
        tracing::warn!("a crash left an unfinished line in the audit; it was taken out, and that is on record");
        Ok(())
    }
}

fn export(path: &PathBuf, checkpoint: &Checkpoint) -> io::Result<()> {
    let mut line = serde_json::to_vec(checkpoint)?;
    line.push(b'\n');
    let mut file = private(fs::OpenOptions::new().append(true).create(true)).open(path)?;
    file.write_all(&line)?;
    file.sync_data()
}

#[cfg(test)]
impl Journal {
    /// Appends from now on to what `wrap` makes of the medium.
    pub(super) fn divert(&mut self, wrap: impl FnOnce(Box<dyn Medium>) -> Box<dyn Medium>) {
        if let Some(current) = self.current.take() {
            self.current = Some(Current { medium: wrap(current.medium), ..current });
        }
    }
}
