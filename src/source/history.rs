//! Snapshots on record: which files a dataset consisted of earlier, so that an answer can be asked for as of then, and the
//! files added since, whichever replica saw it and however often it has started anew.
//!
//! A record is believed as little as a listing: [`super::DatasetSource::recall`] holds each of its files against the
//! contract's location, and all of them against the id that was asked for. Where the contract has moved on, as
//! `airside optimize --switch` moves it, that is the location of then, which is sealed. So whoever can write here can make
//! Airside forget, and nothing else.

use std::collections::HashSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path as FsPath, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use object_store::ObjectMeta;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::snapshot::Snapshot;
use crate::seal::SealKeys;

/// What seals a location.
const PURPOSE: &str = "airside.snapshot.location";
/// What a record's file is called after its snapshot's id.
const SUFFIX: &str = ".json.zst";
/// Good for paths that repeat themselves, and fast.
const LEVEL: i32 = 3;
/// Most bytes that a record may unfold to: a million files with long names.
const MAX_RECORD: u64 = 512 << 20;

/// `[snapshots]`: what is kept of snapshots that were replaced.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryConfig {
    /// A folder for records of them, which replicas may share; without it they are known for as long as tickets last, and
    /// to this process alone.
    pub folder: Option<PathBuf>,
    /// Days that one is known after it was replaced.
    pub keep_days: u32,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self { folder: None, keep_days: 30 }
    }
}

/// The records of snapshots.
pub struct History {
    folder: Option<PathBuf>,
    keep: Duration,
    keys: SealKeys,
}

/// What is on record of a snapshot: not believed before [`super::DatasetSource::recall`] has held it against its id and
/// the contract.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    files: Vec<RecordedFile>,
    /// The contract's location of then, with the dataset and the snapshot it is of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    sealed: Option<String>,
    /// The same, believed.
    #[serde(skip)]
    location: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RecordedFile {
    path: String,
    size: u64,
    modified: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    e_tag: Option<String>,
}

impl History {
    /// Records in the configured folder, which is made if it is not there. Relative paths start at `base`. The keys are
    /// those of the replicas that share it.
    ///
    /// # Errors
    /// When the folder can be neither found nor made.
    pub fn open(config: &HistoryConfig, base: &FsPath, keys: SealKeys) -> io::Result<Self> {
        let folder = config.folder.as_ref().map(|folder| base.join(folder));
        if let Some(folder) = &folder {
            make(folder)?;
        }
        Ok(Self { folder, keep: Duration::from_secs(u64::from(config.keep_days) * 24 * 60 * 60), keys })
    }

    /// No records.
    pub fn off() -> Self {
        Self { folder: None, keep: Duration::ZERO, keys: SealKeys::ephemeral() }
    }

    /// Writes down a snapshot of `dataset`, whose files lie at `location`, unless that is done.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn record(&self, dataset: &str, snapshot: &Snapshot, location: &str) -> io::Result<()> {
        let Some(path) = self.path(dataset, snapshot.id()) else { return Ok(()) };
        if path.try_exists()? {
            return Ok(());
        }
        let folder = path.parent().map_or_else(PathBuf::new, FsPath::to_owned);
        make(&folder)?;
        // Read in whole or not at all: another replica may look at any time.
        let unfinished = folder.join(format!(".{}", Uuid::now_v7()));
        let sealed = self.keys.seal(PURPOSE, &plain(dataset, snapshot.id(), location)?);
        let record = Record { sealed: Some(sealed), ..Record::of(snapshot) };
        let written = write(&unfinished, &record).and_then(|()| std::fs::rename(&unfinished, &path));
        written.inspect_err(|_| {
            let _ = std::fs::remove_file(&unfinished);
        })
    }

    /// What is on record of the snapshot of `dataset` with this id, if anything is.
    ///
    /// # Errors
    /// When there is a record that cannot be read.
    pub fn find(&self, dataset: &str, id: &str) -> io::Result<Option<Record>> {
        let Some(path) = self.path(dataset, id) else { return Ok(None) };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut json = Vec::new();
        zstd::Decoder::new(file)?.take(MAX_RECORD).read_to_end(&mut json)?;
        let mut record: Record = serde_json::from_slice(&json).map_err(io::Error::other)?;
        record.location = record.sealed.as_deref().and_then(|sealed| self.location(dataset, id, sealed));
        Ok(Some(record))
    }

    /// What was sealed for this snapshot of this dataset; none under a key that is no longer known.
    fn location(&self, dataset: &str, id: &str, sealed: &str) -> Option<String> {
        let opened = self.keys.open(PURPOSE, sealed).ok()?;
        let (of, snapshot, location): (String, String, String) = serde_json::from_slice(&opened).ok()?;
        (of == dataset && snapshot == id).then_some(location)
    }

    /// Forgets what was replaced too long ago. `current` are the datasets' snapshots of now, which keep their time.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn sweep(&self, current: &HashSet<(String, String)>, now: SystemTime) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        for (dataset, id) in current {
            // Touched, so that other replicas and the next start see how long it was in use.
            if let Some(file) = self.path(dataset, id).and_then(|path| File::options().append(true).open(path).ok()) {
                file.set_modified(now)?;
            }
        }
        for dataset in std::fs::read_dir(folder)? {
            let dataset = dataset?;
            if !dataset.file_type()?.is_dir() {
                continue;
            }
            for record in std::fs::read_dir(dataset.path())? {
                let record = record?;
                let age = record.metadata().and_then(|about| about.modified()).map(|since| now.duration_since(since));
                if matches!(age, Ok(Ok(age)) if age > self.keep) {
                    std::fs::remove_file(record.path())?;
                }
            }
        }
        Ok(())
    }

    /// Where a record lies; none without a folder, and for what is no snapshot's id.
    fn path(&self, dataset: &str, id: &str) -> Option<PathBuf> {
        let is_id = id.len() == 64 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let folder = self.folder.as_ref().filter(|_| is_id)?;
        Some(folder.join(dataset).join(format!("{id}{SUFFIX}")))
    }
}

fn make(folder: &FsPath) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn plain(dataset: &str, id: &str, location: &str) -> io::Result<Vec<u8>> {
    serde_json::to_vec(&(dataset, id, location)).map_err(io::Error::other)
}

fn write(path: &FsPath, record: &Record) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut packed = zstd::Encoder::new(file, LEVEL)?;
    serde_json::to_writer(&mut packed, record)?;
    packed.finish()?.flush()
}

impl Record {
    /// What this process has seen itself.
    pub fn seen(snapshot: &Snapshot, location: Option<&str>) -> Self {
        Self { location: location.map(str::to_owned), ..Self::of(snapshot) }
    }

    fn of(snapshot: &Snapshot) -> Self {
        let files = snapshot.files().iter().map(|file| RecordedFile {
            path: file.meta.location.to_string(),
            size: file.meta.size,
            modified: file.meta.last_modified,
            e_tag: file.meta.e_tag.clone(),
        });
        Self { files: files.collect(), sealed: None, location: None }
    }

    /// Where the files lay, if that is certain.
    pub(super) fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// The files, as a store would list them. Fails with the reason on what is no path of a store.
    pub(super) fn files(self) -> Result<Vec<ObjectMeta>, String> {
        let file = |file: RecordedFile| {
            let location = Path::parse(&file.path).map_err(|error| error.to_string())?;
            let RecordedFile { size, modified: last_modified, e_tag, .. } = file;
            Ok(ObjectMeta { location, last_modified, size, e_tag, version: None })
        };
        self.files.into_iter().map(file).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::snapshot::SnapshotFile;

    fn snapshot(paths: &[&str]) -> Snapshot {
        let file = |path: &&str| SnapshotFile {
            meta: ObjectMeta {
                location: Path::from(*path),
                last_modified: DateTime::from_timestamp_nanos(1_700_000_000_123_456_789),
                size: 7,
                e_tag: Some("\"e\"".to_owned()),
                version: None,
            },
            local: None,
            keys: Vec::new(),
        };
        Snapshot::new("s3://b", paths.iter().map(file).collect())
    }

    fn history(folder: &FsPath, keep_days: u32) -> History {
        let config = HistoryConfig { folder: Some("records".into()), keep_days };
        History::open(&config, folder, SealKeys::ephemeral()).unwrap()
    }

    #[test]
    fn what_is_recorded_is_found_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let history = history(folder.path(), 1);
        let recorded = snapshot(&["a.parquet", "day=1/b c.parquet"]);
        for _ in 0..2 {
            history.record("sales.orders@1.0.0", &recorded, "data/*.parquet").unwrap();
        }
        let found = history.find("sales.orders@1.0.0", recorded.id()).unwrap().unwrap();
        assert_eq!(found.location(), Some("data/*.parquet"));
        assert_eq!(found.files().unwrap(), recorded.files().iter().map(|file| file.meta.clone()).collect::<Vec<_>>());
        assert!(history.find("sales.lines@1.0.0", recorded.id()).unwrap().is_none());
        assert!(history.find("sales.orders@1.0.0", snapshot(&[]).id()).unwrap().is_none());
        assert!(History::off().find("sales.orders@1.0.0", recorded.id()).unwrap().is_none());
    }

    #[test]
    fn a_location_is_believed_of_its_own_snapshot_and_under_a_known_key() {
        let folder = tempfile::tempdir().unwrap();
        let history = history(folder.path(), 1);
        let recorded = snapshot(&["a.parquet"]);
        let record = |dataset: &str| history.record(dataset, &recorded, "data/a.parquet").unwrap();
        let path = |dataset: &str| history.path(dataset, recorded.id()).unwrap();
        record("d.p@1.0.0");
        record("d.q@1.0.0");
        std::fs::copy(path("d.q@1.0.0"), path("d.p@1.0.0")).unwrap();
        let location = |history: &History| {
            let found = history.find("d.p@1.0.0", recorded.id()).unwrap().unwrap();
            found.location().map(str::to_owned)
        };
        assert_eq!(location(&history), None, "it is another dataset's");
        std::fs::remove_file(path("d.p@1.0.0")).unwrap();
        record("d.p@1.0.0");
        assert!(location(&history).is_some());
        let stranger = History { keys: SealKeys::ephemeral(), folder: history.folder.clone(), keep: history.keep };
        assert_eq!(location(&stranger), None);
    }

    #[test]
    fn an_id_is_no_path() {
        let folder = tempfile::tempdir().unwrap();
        let history = history(folder.path(), 1);
        std::fs::write(folder.path().join("secret.json.zst"), b"x").unwrap();
        for id in ["../../secret", "", "a/b", &"A".repeat(64), &"g".repeat(64), &"../".repeat(22)] {
            assert!(history.find("d.p@1.0.0", id).unwrap().is_none(), "{id}");
        }
    }

    #[test]
    fn a_damaged_record_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let history = history(folder.path(), 1);
        let recorded = snapshot(&["a.parquet"]);
        history.record("d.p@1.0.0", &recorded, "a.parquet").unwrap();
        let path = history.path("d.p@1.0.0", recorded.id()).unwrap();
        std::fs::write(path, b"no zstd").unwrap();
        assert!(history.find("d.p@1.0.0", recorded.id()).is_err());
    }

    #[test]
    fn only_what_was_replaced_long_ago_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let history = history(folder.path(), 2);
        let (old, current) = (snapshot(&["a"]), snapshot(&["b"]));
        for snapshot in [&old, &current] {
            history.record("d.p@1.0.0", snapshot, "a").unwrap();
        }
        let known = |snapshot: &Snapshot| history.find("d.p@1.0.0", snapshot.id()).unwrap().is_some();
        let in_use = HashSet::from([("d.p@1.0.0".to_owned(), current.id().to_owned())]);
        let days = |days: u64| SystemTime::now() + Duration::from_secs(days * 24 * 60 * 60);
        history.sweep(&in_use, days(1)).unwrap();
        assert!(known(&old) && known(&current));
        history.sweep(&in_use, days(3)).unwrap();
        assert!(!known(&old) && known(&current));
        history.sweep(&HashSet::new(), days(6)).unwrap();
        assert!(!known(&current));
    }
}
