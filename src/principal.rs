//! Who asks, and for which purpose.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::product::{MAX_PURPOSE, Name, is_purpose};

/// An authenticated party with everything policies may ask about it.
///
/// Groups are complete: nesting and entitlements have been applied. Attributes come from verified
/// claims or the entitlements file, never from what a client says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    /// Its identity.
    pub identity: Identity,
    /// Every group it belongs to, nested ones included.
    pub groups: BTreeSet<String>,
    /// Its typed attributes; one that is unknown is absent.
    pub attributes: BTreeMap<String, Attribute>,
}

/// The two kinds of principal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// A person or a service, by the name the configuration gives it.
    User(Arc<str>),
    /// A domain, reading the sources of its derived products.
    Domain(Name),
}

/// A typed attribute of a principal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// Cedar `String`.
    Text(String),
    /// Cedar `Long`.
    Number(i64),
    /// Cedar `Bool`.
    Flag(bool),
    /// Cedar `Set<String>`.
    Texts(BTreeSet<String>),
}

/// The types an [`Attribute`] may be declared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttributeType {
    /// Cedar `String`.
    Text,
    /// Cedar `Long`.
    Number,
    /// Cedar `Bool`.
    Flag,
    /// Cedar `Set<String>`.
    Texts,
}

impl Principal {
    /// A domain, reading the sources of its derived products. It is in no group.
    pub fn domain(name: Name) -> Self {
        Self { identity: Identity::Domain(name), groups: BTreeSet::new(), attributes: BTreeMap::new() }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => f.write_str(name),
            Self::Domain(name) => write!(f, "domain:{name}"),
        }
    }
}

/// Why the data is wanted; policies may ask about it. Empty when the client states none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Purpose(Arc<str>);

/// A text that cannot be a purpose.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a purpose is at most {MAX_PURPOSE} lowercase letters, digits, `-` and `_`")]
pub struct PurposeError;

impl Purpose {
    /// Parses a purpose: `[a-z0-9_-]{0,64}`.
    ///
    /// # Errors
    /// [`PurposeError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, PurposeError> {
        if text.is_empty() || is_purpose(text) { Ok(Self(text.into())) } else { Err(PurposeError) }
    }

    /// The purpose as text; empty when none was stated.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
