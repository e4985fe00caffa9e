//! What an owner grants: of which product, to whom, how much of it, until when.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::principal::Purpose;
use crate::product::{Mask, Name, ProductId};

/// Who gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grantee {
    /// Everybody in a group, or in a group within it.
    Group(String),
    /// One principal.
    User(String),
}

/// What is granted: a product, or one of its datasets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The product.
    pub product: ProductId,
    /// One dataset of it; none for all.
    pub dataset: Option<Name>,
}

/// A grant as asked for.
#[derive(Debug, Clone)]
pub struct GrantRequest {
    /// What is granted.
    pub target: Target,
    /// To whom.
    pub to: Grantee,
    /// Which rows, as the owner writes it; none for all.
    pub rows: Option<String>,
    /// For which purpose alone.
    pub purpose: Option<Purpose>,
    /// Until when, that moment excluded.
    pub until: Option<DateTime<Utc>>,
    /// Columns shown as they are, default mask or not.
    pub raw: Vec<String>,
    /// Columns shown under a mask of the owner's choice.
    pub masks: Vec<(String, Mask)>,
}

/// Longest key without its purpose, so that the ids made of it stay within what an id may have.
const LONGEST_KEY: usize = 50;

impl Grantee {
    /// Reads `analysts` or `user:ada`; none when it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("user:") {
            Some(user) if well_formed(user, 256) && user.trim() == user => Some(Self::User(user.to_owned())),
            Some(_) => None,
            None => {
                let group = text.strip_prefix("group:").unwrap_or(text);
                let formed = group.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && group.len() <= 128
                    && group.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
                formed.then(|| Self::Group(group.to_owned()))
            }
        }
    }

    /// As ids name it.
    fn in_key(&self) -> String {
        match self {
            Self::Group(group) => group.clone(),
            Self::User(user) if user.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) => {
                format!("user={user}")
            }
            Self::User(user) => format!("user=~{}", short_digest(user)),
        }
    }

    /// The principal of a policy's scope.
    pub(super) fn scope(&self) -> String {
        match self {
            Self::Group(group) => format!("principal in Group::\"{group}\""),
            Self::User(user) => format!("principal == User::\"{}\"", user.replace('\\', "\\\\").replace('"', "\\\"")),
        }
    }
}

/// `analysts`, `user ada`.
impl std::fmt::Display for Grantee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Group(group) => f.write_str(group),
            Self::User(user) => write!(f, "user {user}"),
        }
    }
}

/// `sales.orders`, `sales.orders/lines`.
impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.product)?;
        match &self.dataset {
            Some(dataset) => write!(f, "/{dataset}"),
            None => Ok(()),
        }
    }
}

impl Target {
    /// What the ids of the target's grants to somebody begin with; a purpose follows after `@`.
    pub fn key(&self, to: &Grantee) -> String {
        let dataset = self.dataset.as_ref().map(|dataset| format!("/{dataset}")).unwrap_or_default();
        let key = format!("{}{dataset}:{}", self.product.name, to.in_key());
        if key.len() <= LONGEST_KEY { format!("grant:{key}") } else { format!("grant:~{}", short_digest(&key)) }
    }
}

impl GrantRequest {
    /// What the ids of its policies begin with: one key, one grant.
    pub fn key(&self) -> String {
        let key = self.target.key(&self.to);
        match &self.purpose {
            Some(purpose) => format!("{key}@{}", purpose.as_str()),
            None => key,
        }
    }
}

/// A text that a name in a message or a file can be: no control characters, not too long.
fn well_formed(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Enough of a digest to tell texts apart.
pub(super) fn short_digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..8])
}
