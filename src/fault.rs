//! A fault in what domains or the platform wrote: a contract, a policy, a configuration file.
//!
//! Loaders do not stop at the first mistake. They gather every [`Fault`], so that one run of
//! `airside check` tells an owner all there is to mend.

use std::fmt;
use std::path::{Path, PathBuf};

/// One mistake in a file, with what its author can do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The file the mistake stands in.
    pub file: PathBuf,
    /// Its line, counted from 1; absent when the file as a whole is at fault.
    pub line: Option<u32>,
    /// What is wrong: lowercase, no full stop, the author's words in backticks.
    pub reason: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Fault {
    /// A fault of the file as a whole.
    pub fn new(file: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self { file: file.as_ref().to_owned(), line: None, reason: reason.into(), hint: None }
    }

    /// The same fault, placed on `line` (counted from 1).
    #[must_use]
    pub fn at(mut self, line: u32) -> Self {
        self.line = Some(line);
        self
    }

    /// The same fault, with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// `file:line: reason`, then the hint on an indented line of its own.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.reason)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n    hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}
