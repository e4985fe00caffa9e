//! Why a question has no answer, in the caller's words.

use std::fmt;

use thiserror::Error;
use uuid::Uuid;

use crate::authn::AuthnError;
use crate::principal::Purpose;
use crate::product::AddressError;
use crate::query::QueryError;

/// Purposes to choose from; shown as a caller reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purposes(pub Vec<Purpose>);

impl fmt::Display for Purposes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed: Vec<String> = self.0.iter().map(|purpose| format!("`{}`", purpose.as_str())).collect();
        match &listed[..] {
            [only] => write!(f, "{only}"),
            several => write!(f, "one of {}", several.join(", ")),
        }
    }
}

/// Why a question has no answer. `Display` is for the caller: it names nothing that is hidden.
#[derive(Debug, Error)]
pub enum AnswerError {
    /// There is no such product, or the caller may not know of it: the two look alike.
    #[error("product `{0}` not found")]
    NotFound(String),
    /// The caller may know of the product, but not read it.
    #[error("you may know of `{0}`, but not read it: ask its owner")]
    NotGranted(String),
    /// The caller could read the product for one of these purposes, and has stated none of them.
    #[error("`{what}` asks for a purpose: state {purposes} in the header `airside-purpose`")]
    PurposeNeeded {
        /// The product, as the caller named it.
        what: String,
        /// The purposes that would open it.
        purposes: Purposes,
    },
    /// The product's data cannot be read at present.
    #[error("the data of `{what}` cannot be read at the moment: try again later (error id {id})")]
    Unavailable {
        /// The product, as the caller named it.
        what: String,
        /// Joins this message with the operator's log.
        id: Uuid,
    },
    /// What the caller was reading is no longer permitted.
    #[error("your access has ended: it was revoked, or was granted until now")]
    Revoked,
    /// The snapshot asked for is not to be had.
    #[error("there is no snapshot `{0}` to answer from: its files are gone, or it was not kept")]
    NoSnapshot(String),
    /// What was added since a snapshot cannot be told.
    #[error(
        "what was added since snapshot `{0}` cannot be told: files were replaced or removed, or it was not kept; ask for the whole"
    )]
    NotAppended(String),
    /// What the ticket was issued for has changed.
    #[error("the product's data or policy has changed since the ticket was issued: ask again for a new one")]
    Outdated,
    /// The principal that a question is asked about would not be let in.
    #[error("the principal asked about would be refused: {}", .0.detail())]
    Supposed(#[source] AuthnError),
    /// Listing who sees it would take more questions than one call may ask.
    #[error("there are too many combinations of groups, purposes and attributes to ask about `{0}`")]
    TooManyQuestions(String),
    /// Looking behind decisions takes longer, or tells more, than one call may.
    #[error("that takes longer, or tells more, than one call may: ask about less")]
    TooLong,
    /// Others look behind decisions at this moment.
    #[error("too many look behind decisions at this moment: try again later")]
    TooMany,
    /// The audit could not be written, and nobody reads unrecorded.
    #[error("the request could not be put on record, so it is not answered: try again later (error id {id})")]
    Unrecorded {
        /// Joins this message with the operator's log.
        id: Uuid,
    },
    /// The address is of no valid form.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The statement failed.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl AnswerError {
    /// [`AnswerError::Unavailable`]; why goes to the log.
    pub(super) fn unavailable(named: &str, detail: &dyn fmt::Display) -> Self {
        let id = Uuid::now_v7();
        tracing::warn!(error_id = %id, product = named, %detail, "product unavailable");
        Self::Unavailable { what: named.to_owned(), id }
    }

    /// Its kind, as the audit calls it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "not_found",
            Self::NotGranted(_) => "not_granted",
            Self::PurposeNeeded { .. } => "purpose_needed",
            Self::Unavailable { .. } => "unavailable",
            Self::Revoked => "revoked",
            Self::Outdated => "outdated",
            Self::NoSnapshot(_) => "no_snapshot",
            Self::NotAppended(_) => "not_appended",
            Self::Unrecorded { .. } => "unrecorded",
            Self::Supposed(_) => "supposed",
            Self::TooManyQuestions(_) | Self::TooLong | Self::TooMany => "too_much",
            Self::Address(_) => "address",
            Self::Query(error) => error.kind().as_str(),
        }
    }

    /// What joins it with the log, if it went there.
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Self::Unavailable { id, .. } | Self::Unrecorded { id } => Some(*id),
            Self::Query(error) => Some(error.id()),
            Self::NotFound(_) | Self::NotGranted(_) | Self::Revoked | Self::Outdated | Self::Address(_) => None,
            Self::NoSnapshot(_)
            | Self::NotAppended(_)
            | Self::PurposeNeeded { .. }
            | Self::Supposed(_)
            | Self::TooManyQuestions(_)
            | Self::TooLong
            | Self::TooMany => None,
        }
    }
}
