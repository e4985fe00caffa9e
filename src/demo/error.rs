//! What can go wrong while a demo mesh is made.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::authn::PasswordError;

/// Why there is no demo mesh.
#[derive(Debug, Error)]
pub enum DemoError {
    /// A scale that makes no TPC-H data.
    #[error("`{0}` is not a scale: give a number from {min} to {max}", min = super::tables::MIN_SCALE, max = super::tables::MAX_SCALE)]
    Scale(f64),
    /// The folder belongs to somebody else.
    #[error("`{}` is not empty and holds no demo mesh: name another folder", .0.display())]
    Occupied(PathBuf),
    /// No folder was named, and the environment knows none.
    #[error("the environment names no cache folder: say with `--dir` where to keep the demo mesh")]
    NoFolder,
    /// A file could not be read or written.
    #[error("cannot use `{}`: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A Parquet file could not be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the writer says.
        source: parquet::errors::ParquetError,
    },
    /// A password could not be hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl DemoError {
    /// Turns a system error into one that names the path.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}
