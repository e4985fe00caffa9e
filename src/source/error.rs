//! What can go wrong between a contract and its files: at opening ([`SourceError`], whose text is for
//! the owner and names files) and while reading ([`SourceFault`], found in an engine's error).

use std::error::Error;

use datafusion::arrow::error::ArrowError;
use datafusion::parquet::errors::ParquetError;
use thiserror::Error;

use super::location::LocationError;
use super::store::StoreError;

/// Why a dataset cannot be opened.
///
/// The text names files and is for the dataset's owner and the log. A caller gets
/// [`SourceError::for_caller`].
#[derive(Debug, Error)]
pub enum SourceError {
    /// The contract's location does not stay below the domain's root, or is malformed.
    #[error("location `{location}`: {source}")]
    Location {
        /// The location as the contract writes it.
        location: String,
        /// What is wrong with it.
        #[source]
        source: LocationError,
    },
    /// The store is not configured or wrongly so.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store or disk does not answer as it should.
    #[error("cannot read `{what}`: {source}")]
    Io {
        /// The file or folder.
        what: String,
        /// What the store said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Nothing is there.
    #[error(
        "location `{location}`: no file found\n    hint: a folder is read for `*.parquet`; names that start with `_` or `.` are skipped"
    )]
    NoFile {
        /// The location as the contract writes it.
        location: String,
    },
    /// More files than the limit.
    #[error("location `{location}` holds more than {limit} files\n    hint: compact the files, or raise `max_files`")]
    TooManyFiles {
        /// The location as the contract writes it.
        location: String,
        /// The limit.
        limit: usize,
    },
    /// A file that is no readable Parquet.
    #[error("`{file}` is not a readable Parquet file: {reason}")]
    Damaged {
        /// The file.
        file: String,
        /// What the reader said.
        reason: String,
    },
    /// A file that does not keep the contract.
    #[error("`{file}`: column `{column}` {reason}")]
    Disagrees {
        /// The file.
        file: String,
        /// The column's name in the files.
        column: String,
        /// How file and contract disagree.
        reason: String,
    },
    /// A column of the contract that is in none of the files.
    #[error(
        "no file has the column `{column}`\n    hint: correct `physicalName`; a column that is new is written to a file before a contract names it"
    )]
    Nowhere {
        /// The column's name in the files; dots lead into structs.
        column: String,
    },
    /// The contract itself cannot be read from files.
    #[error("dataset `{dataset}` cannot be read from files: {reason}")]
    Contract {
        /// The dataset.
        dataset: String,
        /// Why.
        reason: String,
    },
    /// The files changed while the dataset was being opened.
    #[error("`{file}` changed while the dataset was being opened")]
    Changed {
        /// The file.
        file: String,
    },
    /// A grant for something else.
    #[error("the grant is not for dataset `{dataset}`, or hides part of it")]
    WrongGrant {
        /// The dataset of this source.
        dataset: String,
    },
    /// The engine refused what was asked of it: a defect of Airside.
    #[error("the engine refused the scan: {0}")]
    Engine(#[from] datafusion::error::DataFusionError),
}

impl SourceError {
    /// The message for whoever asked for the dataset: no path, no name of a file or store.
    pub fn for_caller(&self) -> &'static str {
        match self {
            Self::Io { .. } | Self::Changed { .. } => "the product's files cannot be read just now, ask again",
            Self::Location { .. }
            | Self::Store(_)
            | Self::NoFile { .. }
            | Self::TooManyFiles { .. }
            | Self::Damaged { .. }
            | Self::Disagrees { .. }
            | Self::Nowhere { .. }
            | Self::Contract { .. } => "the product's files do not keep its contract; its owner has to mend them",
            Self::WrongGrant { .. } | Self::Engine(_) => "the product cannot be read",
        }
    }

    /// Whether asking again may succeed without anybody mending anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Changed { .. })
    }

    pub(super) fn io(what: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Io { what: what.into(), source: source.into() }
    }
}

/// What happened to a dataset's files while a query read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceFault {
    /// A file is no longer the one of the snapshot: replaced, overwritten or deleted. Open the dataset
    /// again, then ask again.
    Changed,
    /// The store refused or did not answer, retries included.
    Unavailable,
    /// So many requests wait for the store that this one gave up before it was made.
    Busy,
    /// A file's bytes are no valid Parquet, though its footer was.
    Damaged,
}

/// The mark that [`super::pinned`] puts into the error chain when a file is not the snapshot's.
#[derive(Debug, Error)]
#[error("a file is not the one of the snapshot: {0}")]
pub(super) struct FileChanged(pub &'static str);

/// The mark for a footer that points to bytes its file does not have.
#[derive(Debug, Error)]
#[error("a footer points outside its file")]
pub(super) struct OutsideFile;

/// The mark of a request that waited too long for its turn at a store.
#[derive(Debug, Error)]
#[error("the store `{store}` has too many requests waiting: no turn within {seconds} s")]
pub(super) struct NoTurn {
    pub store: String,
    pub seconds: u64,
}

/// Looks through an error's chain of causes for what happened to a dataset's files; none if it is not
/// about files.
pub fn classify(error: &(dyn Error + 'static)) -> Option<SourceFault> {
    let mut fault = None;
    let mut cause = Some(error);
    while let Some(current) = cause {
        if current.is::<FileChanged>() {
            return Some(SourceFault::Changed);
        }
        if current.is::<OutsideFile>() {
            return Some(SourceFault::Damaged);
        }
        if current.is::<NoTurn>() {
            return Some(SourceFault::Busy);
        }
        // The chain passes through boxes and shared pointers, whose `source` skips what they hold.
        if let Some(error) = held::<object_store::Error>(current) {
            match error {
                object_store::Error::Precondition { .. }
                | object_store::Error::NotModified { .. }
                | object_store::Error::NotFound { .. } => return Some(SourceFault::Changed),
                _ => fault = Some(SourceFault::Unavailable),
            }
        } else if let Some(error) = held::<ParquetError>(current) {
            match error {
                ParquetError::External(inner) => {
                    let inner: &(dyn Error + 'static) = inner.as_ref();
                    cause = Some(inner);
                    continue;
                }
                _ => fault = fault.or(Some(SourceFault::Damaged)),
            }
        } else if let Some(ArrowError::ParquetError(_)) = held::<ArrowError>(current) {
            fault = fault.or(Some(SourceFault::Damaged));
        }
        cause = current.source();
    }
    fault
}

fn held<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    error
        .downcast_ref::<E>()
        .or_else(|| error.downcast_ref::<Box<E>>().map(AsRef::as_ref))
        .or_else(|| error.downcast_ref::<std::sync::Arc<E>>().map(AsRef::as_ref))
}

#[cfg(test)]
mod tests {
    use datafusion::error::DataFusionError;

    use super::*;

    fn store_error(source: impl Error + Send + Sync + 'static) -> object_store::Error {
        object_store::Error::Precondition { path: "secret/path".into(), source: Box::new(source) }
    }

    #[test]
    fn a_changed_file_is_found_below_every_wrapping() {
        let changed = || ParquetError::External(Box::new(store_error(FileChanged("size"))));
        let wrapped = [
            DataFusionError::ParquetError(Box::new(changed())),
            DataFusionError::Context("reading".into(), Box::new(DataFusionError::from(changed()))),
            DataFusionError::Shared(std::sync::Arc::new(DataFusionError::from(changed()))),
            DataFusionError::External(Box::new(DataFusionError::from(changed()))),
            DataFusionError::ObjectStore(Box::new(store_error(FileChanged("size")))),
            DataFusionError::ArrowError(Box::new(ArrowError::ExternalError(Box::new(changed()))), None),
        ];
        for error in wrapped {
            assert_eq!(classify(&error), Some(SourceFault::Changed), "{error}");
        }
    }

    #[test]
    fn other_faults_are_told_apart() {
        let generic = object_store::Error::Generic { store: "S3", source: "timeout".into() };
        let error = DataFusionError::from(ParquetError::External(Box::new(generic)));
        assert_eq!(classify(&error), Some(SourceFault::Unavailable));
        let error = DataFusionError::from(ParquetError::General("bad page".into()));
        assert_eq!(classify(&error), Some(SourceFault::Damaged));
        assert_eq!(classify(&DataFusionError::Plan("no column `x`".into())), None);
    }
}
