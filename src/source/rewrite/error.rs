//! Why files are not written anew.

use std::error::Error;

use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;
use thiserror::Error;

use crate::source::error::{SourceError, SourceFault, classify};

/// Why a dataset's files are not written anew. The text names files and is for their owner.
#[derive(Debug, Error)]
pub enum RewriteError {
    /// The dataset's own files.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A column to sort by that is not there.
    #[error("`{column}` is nothing to sort by: {reason}")]
    SortBy {
        /// The column as asked for.
        column: String,
        /// What keeps it from that.
        reason: &'static str,
    },
    /// Files that cannot be one table.
    #[error(
        "column `{0}` has different types in the files, and the contract does not say which one is meant (of a nested one \
         it cannot)\n    hint: name it in the contract, or write it alike in all files"
    )]
    Mixed(String),
    /// Columns that are told apart by case, in some of the files.
    #[error("`{0}` and `{1}` differ in case alone, and some files have only one of them\n    hint: give them one name")]
    Alike(String, String),
    /// A location that would take the new files in at once.
    #[error(
        "the new folder `{folder}` would be read at once by the location `{location}`, and its rows be seen twice\n    hint: let each location name a folder of its own"
    )]
    Served {
        /// The new folder's location.
        folder: String,
        /// Whose location that is.
        location: String,
    },
    /// No place for a new folder.
    #[error(
        "no folder can be made beside the location `{0}`\n    hint: let the location name a folder below the data root"
    )]
    NoPlace(String),
    /// Somebody else's.
    #[error("`{0}` is there already\n    hint: try again; each attempt has a folder of its own")]
    Exists(String),
    /// Writing failed.
    #[error("cannot write `{what}`: {cause}")]
    Write {
        /// The file or folder.
        what: String,
        /// What the store or disk said.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The old files are not what they were.
    #[error("the files changed while they were written anew\n    hint: try again when nobody writes")]
    Changed,
    /// The new files do not hold the old rows: a defect.
    #[error("the new files do not hold the rows of the old ones in `{0}`, so they were removed")]
    Differs(String),
    /// The contract does not agree with the new files: a defect, or a contract that changed.
    #[error("the new files do not keep the contract `{contract}`, so they were removed: {cause}")]
    Disagrees {
        /// Name and version.
        contract: String,
        /// How.
        #[source]
        cause: SourceError,
    },
    /// Somebody called it off.
    #[error("interrupted; the new folder was removed")]
    Interrupted,
    /// Sorting or reading failed.
    #[error("the rows cannot be read or sorted: {0}")]
    Engine(DataFusionError),
}

impl RewriteError {
    pub(super) fn write(what: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Write { what: what.into(), cause: cause.into() }
    }

    pub(super) fn encode(what: &str, error: ParquetError) -> Self {
        let ParquetError::External(cause) = error else { return Self::write(what, error) };
        // The writer wraps what the disk or store said, maybe more than once.
        match cause.downcast::<ParquetError>() {
            Ok(inner) => Self::encode(what, *inner),
            Err(cause) => Self::write(what, cause),
        }
    }
}

impl From<DataFusionError> for RewriteError {
    fn from(error: DataFusionError) -> Self {
        match classify(&error) {
            Some(SourceFault::Changed) => Self::Changed,
            _ => Self::Engine(error),
        }
    }
}
