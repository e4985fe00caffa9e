//! Why a question has no answer, in the caller's words.

use std::fmt;

use thiserror::Error;
use uuid::Uuid;

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
    /// What the ticket was issued for has changed.
    #[error("the product's data or policy has changed since the ticket was issued: ask again for a new one")]
    Outdated,
    /// The address is of no valid form.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The statement failed.
    #[error(transparent)]
    Query(#[from] QueryError),
}
