//! From a place to the exact files that lie there now.
//!
//! Local folders are walked by hand rather than through a store, because each entry's canonical path
//! has to stay below the domain's root before it is descended into or read.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::Metadata;
use std::path::{Path as FsPath, PathBuf};

use chrono::DateTime;
use futures::TryStreamExt;
use object_store::path::{Path, PathPart};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use percent_encoding::percent_decode_str;

use super::error::SourceError;
use super::hive;
use super::location::{LocationError, Place, Root, Shape};
use super::snapshot::SnapshotFile;

/// Folders nested deeper than this are refused.
const MAX_DEPTH: usize = 64;

/// Entries looked at for each file allowed: folders, markers and files of other kinds.
const ENTRIES_PER_FILE: usize = 10;

/// One listing: a location, where it resolves, and how much may be found.
pub(super) struct Listing<'a> {
    pub location: &'a str,
    pub place: &'a Place,
    pub max_files: usize,
}

impl Listing<'_> {
    /// The files of a local place, unsorted.
    pub fn local(&self, root: &FsPath) -> Result<Vec<SnapshotFile>, SourceError> {
        let base = root.join(self.place.fixed.iter().collect::<PathBuf>());
        let canonical = match base.canonicalize() {
            Ok(canonical) => canonical,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(self.no_file()),
            Err(error) => return Err(SourceError::io(base.display().to_string(), error)),
        };
        if !canonical.starts_with(root) {
            return Err(self.refused(LocationError::Escapes(base.display().to_string())));
        }
        let metadata = stat(&canonical)?;
        if metadata.is_file() && matches!(self.place.shape, Shape::Named) {
            let below = self.place.fixed.last().cloned().into_iter().collect::<Vec<_>>();
            let folders = &self.place.fixed[..self.place.fixed.len().saturating_sub(1)];
            return Ok(vec![self.local_file(folders, &below, canonical, &metadata)?]);
        }
        if !metadata.is_dir() {
            return Err(self.no_file());
        }
        let mut files = Vec::new();
        let mut entries = 0;
        let mut folders = VecDeque::from([(canonical, Vec::new())]);
        while let Some((folder, below)) = folders.pop_front() {
            let io = |error| SourceError::io(folder.display().to_string(), error);
            for entry in std::fs::read_dir(&folder).map_err(io)? {
                let entry = entry.map_err(io)?;
                entries += 1;
                if entries > self.max_entries() {
                    return Err(self.too_many());
                }
                self.entry(root, &entry, &below, &mut files, &mut folders)?;
            }
        }
        Ok(files)
    }

    fn entry(
        &self,
        root: &FsPath,
        entry: &std::fs::DirEntry,
        below: &[String],
        files: &mut Vec<SnapshotFile>,
        folders: &mut VecDeque<(PathBuf, Vec<String>)>,
    ) -> Result<(), SourceError> {
        let path = entry.path();
        let name = entry.file_name().into_string().map_err(|_| self.refused(LocationError::NotUtf8))?;
        if is_hidden(&name) {
            return Ok(());
        }
        let mut below = below.to_vec();
        below.push(name);
        let wanted = self.place.shape.matches(&below.join("/"));
        let file_type = entry.file_type().map_err(|error| SourceError::io(path.display().to_string(), error))?;
        if file_type.is_dir() {
            if below.len() > MAX_DEPTH {
                return Err(self.refused(LocationError::TooDeep(MAX_DEPTH)));
            }
            if self.place.shape.reaches(below.len() + 1) {
                folders.push_back((path, below));
            }
            return Ok(());
        }
        if file_type.is_symlink() {
            // A link nobody asked for, or to nowhere, is no concern of ours.
            let leads_to_folder = std::fs::metadata(&path).is_ok_and(|target| target.is_dir());
            if leads_to_folder && (wanted || self.place.shape.reaches(below.len() + 1)) {
                return Err(self.refused(LocationError::FolderLink(path.display().to_string())));
            }
        }
        if !wanted {
            return Ok(());
        }
        let canonical = path.canonicalize().map_err(|error| SourceError::io(path.display().to_string(), error))?;
        if !canonical.starts_with(root) {
            return Err(self.refused(LocationError::Escapes(path.display().to_string())));
        }
        let metadata = stat(&canonical)?;
        if metadata.is_file() {
            if files.len() == self.max_files {
                return Err(self.too_many());
            }
            files.push(self.local_file(&self.place.fixed, &below, canonical, &metadata)?);
        }
        Ok(())
    }

    fn local_file(
        &self,
        fixed: &[String],
        below: &[String],
        canonical: PathBuf,
        metadata: &Metadata,
    ) -> Result<SnapshotFile, SourceError> {
        let location = Path::from_iter(fixed.iter().chain(below).map(String::as_str));
        let folders = fixed.iter().chain(below.split_last().map_or(&[][..], |(_, folders)| folders));
        let keys = hive::keys(folders.map(String::as_str)).map_err(|reason| self.bad_folder(&location, reason))?;
        let meta =
            local_meta(location, metadata).map_err(|error| SourceError::io(canonical.display().to_string(), error))?;
        Ok(SnapshotFile { meta, local: Some(canonical), keys })
    }

    /// The files of a place in an object store below `prefix`, unsorted.
    pub async fn remote(&self, store: &dyn ObjectStore, prefix: &[String]) -> Result<Vec<SnapshotFile>, SourceError> {
        let all = prefix.iter().chain(&self.place.fixed).map(String::as_str).collect::<Vec<_>>().join("/");
        let base = Path::parse(&all).map_err(|error| SourceError::io(&all, error))?;
        if matches!(self.place.shape, Shape::Named) {
            match store.head(&base).await {
                // Some stores show a folder as an empty object.
                Ok(meta) if meta.size == 0 && !base.as_ref().ends_with(".parquet") => {}
                Ok(meta) => return Ok(vec![self.remote_file(meta, prefix.len())?]),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(SourceError::io(base.to_string(), error)),
            }
        }
        let mut files = Vec::new();
        let mut entries = 0;
        let mut listed = store.list(Some(&base));
        while let Some(meta) = listed.try_next().await.map_err(|error| SourceError::io(base.to_string(), error))? {
            entries += 1;
            if entries > self.max_entries() {
                return Err(self.too_many());
            }
            let below: Option<Vec<_>> =
                meta.location.prefix_match(&base).map(|parts| parts.map(|part| part.as_ref().to_owned()).collect());
            let Some(below) = below.filter(|below| !below.is_empty()) else { continue };
            if below.iter().any(|name| is_hidden(name)) || !self.place.shape.matches(&below.join("/")) {
                continue;
            }
            if files.len() == self.max_files {
                return Err(self.too_many());
            }
            files.push(self.remote_file(meta, prefix.len())?);
        }
        Ok(files)
    }

    fn remote_file(&self, meta: ObjectMeta, prefix: usize) -> Result<SnapshotFile, SourceError> {
        if meta.e_tag.is_none() && meta.last_modified == DateTime::UNIX_EPOCH {
            let reason = "its store tells neither its ETag nor when it changed, so nobody would know if it did";
            return Err(SourceError::Damaged { file: meta.location.to_string(), reason: reason.to_owned() });
        }
        let parts: Vec<_> = meta.location.parts().map(|part| part.as_ref().to_owned()).collect();
        let folders = parts.split_last().map_or(&[][..], |(_, folders)| folders).iter().skip(prefix);
        let keys = hive::keys(folders.map(String::as_str)).map_err(|reason| self.bad_folder(&meta.location, reason))?;
        Ok(SnapshotFile { meta, local: None, keys })
    }

    /// A file that is said to have been one of a local place's: where it lies now, if it still may be read.
    pub fn recalled_local(&self, root: &FsPath, meta: ObjectMeta) -> Result<SnapshotFile, SourceError> {
        // The store's path encodes what its names may not hold; the folder's do not.
        let decode = |part: PathPart<'_>| percent_decode_str(part.as_ref()).decode_utf8().map(Cow::into_owned);
        let parts: Vec<String> = meta
            .location
            .parts()
            .map(decode)
            .collect::<Result<_, _>>()
            .map_err(|_| self.refused(LocationError::NotUtf8))?;
        self.names(&parts)?;
        let path = root.join(parts.iter().collect::<PathBuf>());
        let canonical = match path.canonicalize() {
            Ok(canonical) => canonical,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(SourceError::Changed { file: path.display().to_string() });
            }
            Err(error) => return Err(SourceError::io(path.display().to_string(), error)),
        };
        if !canonical.starts_with(root) {
            return Err(self.refused(LocationError::Escapes(path.display().to_string())));
        }
        let today = local_meta(meta.location.clone(), &stat(&canonical)?);
        if today.map_err(|error| SourceError::io(path.display().to_string(), error))? != meta {
            return Err(SourceError::Changed { file: path.display().to_string() });
        }
        let folders = parts.split_last().map_or(&[][..], |(_, folders)| folders);
        let keys = hive::keys(folders.iter().map(String::as_str));
        let keys = keys.map_err(|reason| self.bad_folder(&meta.location, reason))?;
        Ok(SnapshotFile { meta, local: Some(canonical), keys })
    }

    /// The same for a place in an object store, which is not asked.
    pub fn recalled_remote(&self, prefix: &[String], meta: ObjectMeta) -> Result<SnapshotFile, SourceError> {
        let parts: Vec<String> = meta.location.parts().map(|part| part.as_ref().to_owned()).collect();
        self.names(parts.strip_prefix(prefix).ok_or_else(|| self.refused(LocationError::Outside))?)?;
        self.remote_file(meta, prefix.len())
    }

    /// Whether the location names a file, by its path below the root.
    fn names(&self, path: &[String]) -> Result<(), SourceError> {
        let outside = || self.refused(LocationError::Outside);
        let below = path.strip_prefix(self.place.fixed.as_slice()).ok_or_else(outside)?;
        let is_named = below.is_empty() && matches!(self.place.shape, Shape::Named);
        let is_hidden = below.iter().any(|name| is_hidden(name));
        if is_named || (!below.is_empty() && !is_hidden && self.place.shape.matches(&below.join("/"))) {
            Ok(())
        } else {
            Err(outside())
        }
    }

    fn max_entries(&self) -> usize {
        self.max_files.saturating_mul(ENTRIES_PER_FILE).max(1_000)
    }

    pub fn no_file(&self) -> SourceError {
        SourceError::NoFile { location: self.location.to_owned() }
    }

    fn too_many(&self) -> SourceError {
        SourceError::TooManyFiles { location: self.location.to_owned(), limit: self.max_files }
    }

    fn refused(&self, source: LocationError) -> SourceError {
        SourceError::Location { location: self.location.to_owned(), source }
    }

    fn bad_folder(&self, file: &Path, reason: String) -> SourceError {
        SourceError::Damaged { file: file.to_string(), reason }
    }
}

/// Looks at a place now.
pub(super) async fn list(
    listing: Listing<'_>,
    root: &Root,
    store: Option<&dyn ObjectStore>,
) -> Result<Vec<SnapshotFile>, SourceError> {
    let files = match (root, store) {
        (Root::Local { canonical, .. }, _) => {
            let (root, location, place) = (canonical.clone(), listing.location.to_owned(), listing.place.clone());
            let max_files = listing.max_files;
            let walk = move || Listing { location: &location, place: &place, max_files }.local(&root);
            tokio::task::spawn_blocking(walk).await.map_err(|error| SourceError::io(listing.location, error))??
        }
        (Root::Remote { prefix, .. }, Some(store)) => listing.remote(store, prefix).await?,
        (Root::Remote { .. }, None) => return Err(listing.no_file()),
    };
    if files.is_empty() { Err(listing.no_file()) } else { Ok(files) }
}

/// Markers, temporary and metadata files: `_SUCCESS`, `_delta_log`, `.part.crc`.
fn is_hidden(name: &str) -> bool {
    name.starts_with(['_', '.'])
}

fn stat(path: &FsPath) -> Result<Metadata, SourceError> {
    std::fs::metadata(path).map_err(|error| SourceError::io(path.display().to_string(), error))
}

/// A local file's state in an object's words. The ETag names the file itself (not only its path) and
/// changes with its content.
pub(super) fn local_meta(location: Path, metadata: &Metadata) -> std::io::Result<ObjectMeta> {
    let modified = metadata.modified()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    #[cfg(unix)]
    let identity = {
        use std::os::unix::fs::MetadataExt;
        // The time of last status change also betrays a write whose modification time was set back.
        format!("{:x}-{:x}-{:x}", metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
    };
    #[cfg(not(unix))]
    let identity = "0";
    let e_tag = format!("{identity}-{:x}-{:x}", since.as_nanos(), metadata.len());
    Ok(ObjectMeta { location, last_modified: modified.into(), size: metadata.len(), e_tag: Some(e_tag), version: None })
}
