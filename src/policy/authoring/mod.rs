//! Policies written for owners: the Cedar text of a grant, and the place it has in a file that people edit too.
//!
//! A grant is a block of policies whose ids begin with its key, `grant:orders:analysts`, under a comment that
//! ends in a digest of the block. So what was edited by hand since is told apart from what the program wrote,
//! and only the latter is ever replaced or taken out.

mod block;
mod condition;
mod read;
mod request;
mod side;
mod text;

use thiserror::Error;

pub use block::{Block, PolicyFile};
pub use request::{GrantRequest, Grantee, Target};
pub use text::{Written, write};

/// Why a grant cannot be written, in its owner's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthoringError {
    /// The row condition is none.
    #[error("the row condition: {reason}")]
    Rows {
        /// What is wrong.
        reason: String,
        /// What to write instead.
        hint: String,
    },
    /// A column cannot be granted as asked.
    #[error("{reason}")]
    Column {
        /// What is wrong.
        reason: String,
        /// What to write instead.
        hint: String,
    },
    /// What is granted, or to whom, or until when.
    #[error("{reason}")]
    Request {
        /// What is wrong.
        reason: String,
        /// What to write instead.
        hint: String,
    },
}

impl AuthoringError {
    /// What to write instead.
    pub fn hint(&self) -> &str {
        match self {
            Self::Rows { hint, .. } | Self::Column { hint, .. } | Self::Request { hint, .. } => hint,
        }
    }

    pub(super) fn request(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Request { reason: reason.into(), hint: hint.into() }
    }
}

#[cfg(test)]
mod tests;
