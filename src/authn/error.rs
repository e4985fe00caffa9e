//! Why somebody was not let in.
//!
//! Each variant's message is for the caller and says no more than a caller may know: an unknown
//! user and a wrong password read the same. What went wrong in detail is for the log, see
//! [`AuthnError::detail`].

use std::time::Duration;

use thiserror::Error;

/// Why a caller is not authenticated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthnError {
    /// Nothing was presented.
    #[error("no credentials: send `authorization: Basic …` or `authorization: Bearer …`, or a client certificate")]
    Missing,
    /// What was presented has no form this gateway knows.
    #[error("the credentials are malformed")]
    Malformed {
        /// For the log.
        detail: String,
    },
    /// What was presented is not accepted.
    #[error("the credentials are not accepted")]
    Rejected {
        /// For the log.
        detail: String,
    },
    /// A genuine token whose time is over.
    #[error("the credentials have expired: sign in again")]
    Expired,
    /// A genuine token that does not say all groups (or names them in a way that cannot be read).
    /// It is refused, because a rule that forbids a group something would not see the group.
    #[error(
        "the token's list of groups is incomplete: have the identity provider put the complete list into the \
         token, or only the groups assigned to this application"
    )]
    IncompleteGroups {
        /// For the log.
        detail: String,
    },
    /// Too many failures, or too many sign-ins at once.
    #[error("too many attempts: try again in {} s", retry_after.as_secs().max(1))]
    Throttled {
        /// When another attempt is worth it.
        retry_after: Duration,
    },
    /// The token's issuer cannot be asked for its keys just now, so the token cannot be checked.
    #[error("the token's issuer cannot be reached: try again later")]
    IssuerUnavailable {
        /// For the log.
        detail: String,
    },
}

impl AuthnError {
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::Malformed { detail: detail.into() }
    }

    pub(super) fn rejected(detail: impl Into<String>) -> Self {
        Self::Rejected { detail: detail.into() }
    }

    pub(super) fn incomplete_groups(detail: impl Into<String>) -> Self {
        Self::IncompleteGroups { detail: detail.into() }
    }

    /// The whole story, for the log only. It never contains a credential.
    pub fn detail(&self) -> &str {
        match self {
            Self::Missing => "no credentials were presented",
            Self::Expired => "the credentials have expired",
            Self::Throttled { .. } => "throttled",
            Self::Malformed { detail }
            | Self::Rejected { detail }
            | Self::IncompleteGroups { detail }
            | Self::IssuerUnavailable { detail } => detail,
        }
    }
}
