//! A store that knows a snapshot's files and nothing else, each in the state the snapshot saw.
//!
//! The Parquet reader asks for ranges, one after the other, over minutes. A file that is replaced
//! meanwhile would give a mixture of two files. So every read states the ETag it expects, and what
//! comes back is compared with the snapshot again, since a store may ignore the condition.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeDelta;
use futures::stream::BoxStream;
use futures::{StreamExt, TryFutureExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result, coalesce_ranges,
};
use tokio::sync::Notify;

use super::error::{FileChanged, OutsideFile};
use super::listing::local_meta;
use super::snapshot::Snapshot;

/// The files of one snapshot, for reading.
pub(super) struct PinnedStore {
    id: String,
    root: Arc<str>,
    files: HashMap<Path, Pinned>,
    remote: Option<Arc<dyn ObjectStore>>,
    changed: AtomicBool,
    met_change: Arc<Notify>,
}

struct Pinned {
    meta: ObjectMeta,
    local: Option<PathBuf>,
}

impl PinnedStore {
    /// Pins a snapshot. `root` is the store's origin or the domain's folder; `met_change` hears of every read that meets
    /// another state.
    pub fn new(root: &str, snapshot: &Snapshot, remote: Option<Arc<dyn ObjectStore>>, met_change: Arc<Notify>) -> Self {
        let pin = |file: &super::snapshot::SnapshotFile| {
            (file.meta.location.clone(), Pinned { meta: file.meta.clone(), local: file.local.clone() })
        };
        Self {
            id: snapshot.id().to_owned(),
            root: root.into(),
            files: snapshot.files().iter().map(pin).collect(),
            remote,
            changed: AtomicBool::new(false),
            met_change,
        }
    }

    /// The store's origin or the domain's folder.
    pub fn root(&self) -> &Arc<str> {
        &self.root
    }

    /// Whether a read has met a file that is not the snapshot's any more.
    pub fn has_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    /// Ranges of one file, in its pinned state.
    pub async fn read(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let pinned = self.pinned(location)?;
        for range in ranges {
            if range.start > range.end || range.end > pinned.meta.size {
                return Err(Error::Generic { store: STORE, source: Box::new(OutsideFile) });
            }
        }
        match (&pinned.local, &self.remote) {
            (Some(path), _) => {
                let (path, meta, ranges) = (path.clone(), pinned.meta.clone(), ranges.to_vec());
                let read = tokio::task::spawn_blocking(move || read_local(&path, &meta, &ranges)).await;
                read.map_err(Error::from)?.inspect_err(|error| self.note(error))
            }
            (None, Some(store)) => {
                let fetch = |range: Range<u64>| {
                    let length = range.end - range.start;
                    let options = GetOptions { range: Some(range.into()), ..GetOptions::default() };
                    self.fetch(store, pinned, options).and_then(async move |result| {
                        let bytes = result.bytes().await?;
                        if bytes.len() as u64 == length { Ok(bytes) } else { Err(changed("length")) }
                    })
                };
                coalesce_ranges(ranges, fetch, OBJECT_STORE_COALESCE_DEFAULT)
                    .await
                    .inspect_err(|error| self.note(error))
            }
            (None, None) => Err(unknown()),
        }
    }

    async fn fetch(&self, store: &Arc<dyn ObjectStore>, pinned: &Pinned, mut options: GetOptions) -> Result<GetResult> {
        match &pinned.meta.e_tag {
            Some(e_tag) if !e_tag.starts_with("W/") => options.if_match = Some(self.condition(e_tag)),
            // A weak ETag matches nothing (RFC 9110, 13.1.1); what comes back is held against it all the same.
            // The header has whole seconds: round up, lest every read be refused.
            _ => {
                options.if_unmodified_since = Some(pinned.meta.last_modified + TimeDelta::milliseconds(999));
            }
        }
        let result = store.get_opts(&pinned.meta.location, options).await?;
        same(&pinned.meta, &result.meta)?;
        Ok(result)
    }

    /// Azure lists ETags without the quotes that its conditions want.
    fn condition(&self, e_tag: &str) -> String {
        let azure = self.root.starts_with("az://") || self.root.starts_with("abfss://");
        if azure && !e_tag.contains('"') { format!("\"{e_tag}\"") } else { e_tag.to_owned() }
    }

    fn pinned(&self, location: &Path) -> Result<&Pinned> {
        self.files.get(location).ok_or_else(unknown)
    }

    fn note(&self, error: &Error) {
        if matches!(error, Error::Precondition { .. } | Error::NotModified { .. } | Error::NotFound { .. }) {
            self.note_change();
        }
    }

    /// A file has turned out not to be the snapshot's any more.
    pub fn note_change(&self) {
        self.changed.store(true, Ordering::Relaxed);
        self.met_change.notify_one();
    }
}

const STORE: &str = "snapshot";

fn changed(what: &'static str) -> Error {
    Error::Precondition { path: String::new(), source: Box::new(FileChanged(what)) }
}

fn unknown() -> Error {
    Error::NotFound { path: String::new(), source: "no such file in the snapshot".into() }
}

fn read_only() -> Error {
    Error::NotSupported { source: "a snapshot is read by name only".into() }
}

/// Whether a file is still the pinned one.
fn same(pinned: &ObjectMeta, now: &ObjectMeta) -> Result<()> {
    if pinned.size != now.size {
        return Err(changed("size"));
    }
    match (&pinned.e_tag, &now.e_tag) {
        (Some(pinned), Some(now)) if bare(pinned) != bare(now) => Err(changed("etag")),
        (Some(_), Some(_)) => Ok(()),
        // Listings tell fractions of a second that headers do not.
        _ if pinned.last_modified.timestamp() != now.last_modified.timestamp() => Err(changed("time")),
        _ => Ok(()),
    }
}

fn bare(e_tag: &str) -> &str {
    e_tag.strip_prefix("W/").unwrap_or(e_tag).trim_matches('"')
}

/// Reads through one open file, whose state is compared before and after: neither another file at the
/// path nor a write in between goes unnoticed.
fn read_local(path: &FsPath, pinned: &ObjectMeta, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
    let io = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => changed("deleted"),
        std::io::ErrorKind::UnexpectedEof => changed("truncated"),
        _ => Error::Generic { store: STORE, source: Box::new(error) },
    };
    let check = |metadata: std::fs::Metadata| same(pinned, &local_meta(Path::default(), &metadata).map_err(io)?);
    // Before opening, because opening a pipe that took the file's place would block.
    check(std::fs::metadata(path).map_err(io)?)?;
    let mut file = File::open(path).map_err(io)?;
    check(file.metadata().map_err(io)?)?;
    let mut found = Vec::with_capacity(ranges.len());
    for range in ranges {
        let length = usize::try_from(range.end - range.start).map_err(|_| unknown())?;
        let mut bytes = vec![0; length];
        file.seek(SeekFrom::Start(range.start)).map_err(io)?;
        file.read_exact(&mut bytes).map_err(io)?;
        found.push(Bytes::from(bytes));
    }
    check(file.metadata().map_err(io)?)?;
    Ok(found)
}

#[async_trait]
impl ObjectStore for PinnedStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let pinned = self.pinned(location)?;
        options.check_preconditions(&pinned.meta)?;
        let size = pinned.meta.size;
        let range = match &options.range {
            Some(range) => {
                range.as_range(size).map_err(|error| Error::Generic { store: STORE, source: Box::new(error) })?
            }
            None => 0..size,
        };
        // A head reads nothing, yet says whether the file is still there as pinned.
        let wanted = if options.head { range.start..range.start } else { range.clone() };
        let result = match (&pinned.local, &self.remote) {
            (None, Some(store)) => {
                let options = GetOptions { range: options.range, head: options.head, ..GetOptions::default() };
                self.fetch(store, pinned, options).await.inspect_err(|error| self.note(error))?
            }
            _ => {
                let bytes = self.read(location, &[wanted]).await?.pop().unwrap_or_default();
                let stream = futures::stream::once(async move { Ok(bytes) }).boxed();
                GetResult {
                    payload: GetResultPayload::Stream(stream),
                    meta: pinned.meta.clone(),
                    range,
                    attributes: Default::default(),
                }
            }
        };
        Ok(result)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.read(location, ranges).await
    }

    fn list(&self, _prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        futures::stream::once(async { Err(read_only()) }).boxed()
    }

    async fn list_with_delimiter(&self, _prefix: Option<&Path>) -> Result<ListResult> {
        Err(read_only())
    }

    async fn put_opts(&self, _location: &Path, _payload: PutPayload, _opts: PutOptions) -> Result<PutResult> {
        Err(read_only())
    }

    async fn put_multipart_opts(
        &self,
        _location: &Path,
        _opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only())
    }

    fn delete_stream(&self, _locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        futures::stream::once(async { Err(read_only()) }).boxed()
    }

    async fn copy_opts(&self, _from: &Path, _to: &Path, _options: CopyOptions) -> Result<()> {
        Err(read_only())
    }
}

impl fmt::Debug for PinnedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinnedStore({})", self.id)
    }
}

impl fmt::Display for PinnedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "snapshot {}", self.id)
    }
}
