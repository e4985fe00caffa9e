//! The new folder: made, written, and removed again if it comes to nothing.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::parquet::arrow::async_writer::AsyncFileWriter;
use datafusion::parquet::errors::{ParquetError, Result as ParquetResult};
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::io::AsyncWriteExt;

use super::error::RewriteError;
use crate::source::location::{LocationError, Place, Root};
use crate::source::{SourceError, Stores};

/// A folder that was not there before.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Local { folder: PathBuf },
    Remote { store: Arc<dyn ObjectStore>, prefix: Path },
}

impl Target {
    /// Looks whether a folder can be made at a place, without making it.
    pub async fn at(stores: &Stores, root: &Root, place: &Place, shown: &str) -> Result<Self, RewriteError> {
        match root {
            Root::Local { canonical, .. } => {
                let Some((name, parents)) = place.fixed.split_last() else {
                    return Err(RewriteError::NoPlace(shown.to_owned()));
                };
                let parent = parents.iter().fold(canonical.clone(), |path, part| path.join(part));
                let real = parent.canonicalize();
                let real = real.map_err(|error| RewriteError::write(parent.display().to_string(), error))?;
                if !real.starts_with(canonical) {
                    let source = LocationError::Escapes(parent.display().to_string());
                    return Err(SourceError::Location { location: shown.to_owned(), source }.into());
                }
                let folder = real.join(name);
                // Whatever it is, a dangling link included.
                if fs::symlink_metadata(&folder).is_ok() {
                    return Err(RewriteError::Exists(folder.display().to_string()));
                }
                Ok(Self::Local { folder })
            }
            Root::Remote { origin, prefix } => {
                let store = stores.open(origin).map_err(SourceError::from)?;
                let all = prefix.iter().chain(&place.fixed).map(String::as_str).collect::<Vec<_>>().join("/");
                let prefix = Path::parse(&all).map_err(|error| RewriteError::write(shown, error))?;
                let found = store.list(Some(&prefix)).try_next().await;
                if found.map_err(|error| RewriteError::write(shown, error))?.is_some() {
                    return Err(RewriteError::Exists(shown.to_owned()));
                }
                Ok(Self::Remote { store, prefix })
            }
        }
    }

    /// Makes the folder, which nobody else may have made.
    pub fn make(&self) -> Result<(), RewriteError> {
        let Self::Local { folder } = self else { return Ok(()) };
        fs::create_dir(folder).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => RewriteError::Exists(folder.display().to_string()),
            _ => RewriteError::write(folder.display().to_string(), error),
        })
    }

    /// Opens a new file below the folder.
    pub async fn create(&self, folder: &str, name: &str) -> Result<(Sink, String), RewriteError> {
        match self {
            Self::Local { folder: base } => {
                let folder =
                    folder.split('/').filter(|part| !part.is_empty()).fold(base.clone(), |path, part| path.join(part));
                let path = folder.join(name);
                let shown = path.display().to_string();
                fs::create_dir_all(&folder).map_err(|error| RewriteError::write(&shown, error))?;
                let file = tokio::fs::File::create_new(&path).await;
                Ok((Sink::Local(file.map_err(|error| RewriteError::write(&shown, error))?), shown))
            }
            Self::Remote { store, prefix } => {
                let parts = [prefix.as_ref(), folder, name].into_iter().filter(|part| !part.is_empty());
                let path = parts.collect::<Vec<_>>().join("/");
                let path = Path::parse(&path).map_err(|error| RewriteError::write(&path, error))?;
                let shown = path.to_string();
                Ok((Sink::Remote { upload: BufWriter::new(Arc::clone(store), path), finishing: false }, shown))
            }
        }
    }

    /// Makes what was written last, as far as the system can promise.
    pub fn settle(&self) -> Result<(), RewriteError> {
        let Self::Local { folder } = self else { return Ok(()) };
        let sync = |path: &std::path::Path| fs::File::open(path).and_then(|folder| folder.sync_all());
        // Some file systems have no such call for folders.
        let _ = sync(folder);
        let _ = folder.parent().map(sync);
        Ok(())
    }

    /// Removes the folder and everything in it. It is only called for one that [`Target::make`] made, or that was
    /// empty before.
    pub async fn remove(&self) -> Result<(), RewriteError> {
        match self {
            Self::Local { folder } => match fs::remove_dir_all(folder) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    Err(RewriteError::write(folder.display().to_string(), error))
                }
                _ => Ok(()),
            },
            Self::Remote { store, prefix } => {
                let failed = |error| RewriteError::write(prefix.to_string(), error);
                let written: Vec<_> = store.list(Some(prefix)).try_collect().await.map_err(failed)?;
                for file in written {
                    store.delete(&file.location).await.map_err(failed)?;
                }
                Ok(())
            }
        }
    }
}

/// A file being written.
pub(super) enum Sink {
    Local(tokio::fs::File),
    Remote {
        upload: BufWriter,
        /// Whether it is being finished: then it gives up by itself.
        finishing: bool,
    },
}

impl Sink {
    /// Gives up what is on its way, so that no store keeps half an upload.
    pub async fn abort(self) {
        if let Self::Remote { mut upload, finishing: false } = self {
            // What cannot be given up now, the store's own rules clear away.
            let _ = upload.abort().await;
        }
    }
}

impl AsyncFileWriter for Sink {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, ParquetResult<()>> {
        async move {
            match self {
                Self::Local(file) => file.write_all(&bytes).await.map_err(external),
                Self::Remote { upload, .. } => upload.put(bytes).await.map_err(external),
            }
        }
        .boxed()
    }

    fn complete(&mut self) -> BoxFuture<'_, ParquetResult<()>> {
        async move {
            match self {
                Self::Local(file) => {
                    file.flush().await.map_err(external)?;
                    file.sync_all().await.map_err(external)
                }
                Self::Remote { upload, finishing } => {
                    *finishing = true;
                    upload.shutdown().await.map_err(external)
                }
            }
        }
        .boxed()
    }
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> ParquetError {
    ParquetError::External(Box::new(error))
}
