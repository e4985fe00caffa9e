//! The one table from what went wrong to what a client is told: gRPC code and message.
//!
//! No arm catches all, so a new kind of failure asks here which code it has.

use std::fmt;
use std::time::Duration;

use rand::RngExt;
use thiserror::Error;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use uuid::Uuid;

use super::ticket::TicketError;
use crate::authn::AuthnError;
use crate::gateway::AnswerError;
use crate::principal::PurposeError;
use crate::product::AddressError;
use crate::query::QueryErrorKind;

/// Why a call fails. `Display` is for the caller.
#[derive(Debug, Error)]
pub enum FlightError {
    /// Nobody knows who calls.
    #[error(transparent)]
    Authn(#[from] AuthnError),
    /// The purpose is of no valid form.
    #[error(transparent)]
    Purpose(#[from] PurposeError),
    /// The address is of no valid form.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The ticket or handle is not accepted.
    #[error(transparent)]
    Ticket(#[from] TicketError),
    /// The question has no answer.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The request is not of the protocol's form.
    #[error("{0}")]
    Malformed(String),
    /// The protocol has it, Airside does not.
    #[error("{0} is not supported")]
    Unimplemented(String),
    /// The caller asks to write.
    #[error("{0} is not supported: the gateway is read-only")]
    ReadOnly(String),
    /// The caller has polls enough.
    #[error("too many questions are being planned: poll for those, or cancel some")]
    TooManyPolls,
    /// The client waits no longer.
    #[error("the call took longer than its client would wait")]
    Deadline,
    /// A fault of ours.
    #[error("internal error (error id {id})")]
    Internal {
        /// Joins this message with the operator's log.
        id: Uuid,
    },
}

impl FlightError {
    /// A fault of ours; its detail goes to the log.
    pub fn internal(detail: impl fmt::Display) -> Self {
        let id = Uuid::now_v7();
        tracing::error!(error_id = %id, %detail, "call failed");
        Self::Internal { id }
    }

    /// What only the log may say, where there is more than the message.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Authn(error) => Some(error.detail()),
            _ => None,
        }
    }

    /// What the log says: the message, without the words of the statement that a syntax error repeats, since
    /// literals are data.
    pub fn logged(&self) -> String {
        match self {
            Self::Answer(AnswerError::Query(error)) if error.kind() == QueryErrorKind::Syntax => {
                format!("syntax error (error id {})", error.id())
            }
            other => other.to_string(),
        }
    }

    /// When to ask again, where time alone helps. Of the limits of a statement it never does.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Authn(AuthnError::Throttled { retry_after }) => Some(*retry_after),
            Self::Answer(AnswerError::TooMany) | Self::TooManyPolls => {
                Some(Duration::from_secs_f64(rand::rng().random_range(2.0..4.0)))
            }
            Self::Answer(AnswerError::Query(error)) => error.retry_after(),
            _ => None,
        }
    }

    /// The gRPC code.
    pub fn code(&self) -> Code {
        match self {
            Self::Authn(error) => match error {
                AuthnError::Missing
                | AuthnError::Malformed { .. }
                | AuthnError::Rejected { .. }
                | AuthnError::Expired
                | AuthnError::IncompleteGroups { .. } => Code::Unauthenticated,
                AuthnError::Throttled { .. } => Code::ResourceExhausted,
                AuthnError::IssuerUnavailable { .. } => Code::Unavailable,
            },
            Self::Purpose(_) | Self::Address(_) | Self::Malformed(_) => Code::InvalidArgument,
            Self::Ticket(error) => match error {
                TicketError::Invalid | TicketError::Expired => Code::InvalidArgument,
                TicketError::Foreign | TicketError::Purpose => Code::PermissionDenied,
            },
            Self::Answer(error) => answer_code(error),
            Self::Unimplemented(_) | Self::ReadOnly(_) => Code::Unimplemented,
            Self::TooManyPolls => Code::ResourceExhausted,
            Self::Deadline => Code::DeadlineExceeded,
            Self::Internal { .. } => Code::Internal,
        }
    }
}

fn answer_code(error: &AnswerError) -> Code {
    match error {
        AnswerError::NotFound(_) | AnswerError::NoSnapshot(_) => Code::NotFound,
        AnswerError::NotAppended(_) => Code::FailedPrecondition,
        AnswerError::NotGranted(_) | AnswerError::PurposeNeeded { .. } | AnswerError::Revoked => Code::PermissionDenied,
        AnswerError::Unavailable { .. } | AnswerError::Outdated | AnswerError::Unrecorded { .. } => Code::Unavailable,
        AnswerError::Address(_) | AnswerError::Supposed(_) => Code::InvalidArgument,
        AnswerError::TooManyQuestions(_) | AnswerError::TooLong | AnswerError::TooMany => Code::ResourceExhausted,
        AnswerError::Query(error) => match error.kind() {
            QueryErrorKind::Syntax
            | QueryErrorKind::Unsupported
            | QueryErrorKind::UnknownColumn
            | QueryErrorKind::Invalid
            | QueryErrorKind::Execution => Code::InvalidArgument,
            QueryErrorKind::UnknownTable => Code::NotFound,
            QueryErrorKind::NotGranted => Code::PermissionDenied,
            QueryErrorKind::Limit | QueryErrorKind::ResourcesExhausted => Code::ResourceExhausted,
            QueryErrorKind::Deadline => Code::DeadlineExceeded,
            QueryErrorKind::Cancelled => Code::Cancelled,
            QueryErrorKind::SourceChanged | QueryErrorKind::SourceUnavailable => Code::Unavailable,
            QueryErrorKind::Internal => Code::Internal,
        },
    }
}

impl From<FlightError> for Status {
    fn from(error: FlightError) -> Self {
        match error.retry_after() {
            Some(after) => {
                let hint = ErrorDetails::with_retry_info(Some(after));
                Self::with_error_details(error.code(), error.to_string(), hint)
            }
            None => Self::new(error.code(), error.to_string()),
        }
    }
}
