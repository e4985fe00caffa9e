//! What can go wrong: at the start, for the operator; while serving, for the caller.

use std::path::PathBuf;

use thiserror::Error;
use uuid::Uuid;

use crate::seal::SecretError;

/// Why a request was not recorded. It is then not answered either. `Display` is for the caller.
#[derive(Debug, Clone, Error)]
pub enum AuditError {
    /// The record could not be written; the log says why under the same id.
    #[error("the request could not be recorded, so it is not answered: try again later (error id {id})")]
    Unrecorded {
        /// Joins the message with the operator's log.
        id: Uuid,
    },
}

/// Why an audit cannot be kept. For the operator: it names paths.
#[derive(Debug, Error)]
pub enum AuditSetupError {
    /// A key cannot be read.
    #[error("the audit's keys: {0}")]
    Secret(#[from] SecretError),
    /// Files are kept, and no key is named.
    #[error("`audit.key` must name a key: the chain of the files goes on over restarts")]
    NoKey,
    /// A name that cannot be part of a file's name.
    #[error("`audit.instance` is `{0}`: at most 64 letters, digits, `.`, `_` and `-`")]
    Instance(String),
    /// A folder or file cannot be read or written.
    #[error("the audit's `{path}`: {cause}", path = path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// Another process writes the same files.
    #[error("another process writes the audit `{0}`: give each replica an `audit.instance` of its own")]
    Locked(PathBuf),
    /// What is there cannot be continued.
    #[error(
        "the audit cannot go on after `{path}`, line {line}: {reason}. Look with `airside audit verify`, keep the \
         folder as it is, and name a new one in `audit.dir`",
        path = path.display()
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The writing thread could not be started.
    #[error("the audit's thread could not be started: {0}")]
    Thread(std::io::Error),
}

impl AuditSetupError {
    /// An error of the system, with its place.
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Io { path, cause }
    }
}
