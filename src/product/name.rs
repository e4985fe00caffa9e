//! The one form every name of the mesh has: `[a-z][a-z0-9_]*`, short, and no word that SQL,
//! Cedar or Airside's own addresses give a meaning to.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// A name of a domain, product, dataset or named query. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Longest name accepted, in bytes.
pub const MAX_NAME_LENGTH: usize = 64;

/// Why a text is not a [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Not of the form `[a-z][a-z0-9_]*`, or too long.
    #[error("`{0}` is not a name: a name matches [a-z][a-z0-9_]* and has at most {MAX_NAME_LENGTH} characters")]
    Form(String),
    /// A word with a meaning of its own.
    #[error("`{0}` is reserved and cannot be a name")]
    Reserved(String),
    /// `_vN` marks the versions of a product in SQL.
    #[error("`{0}` ends in `_vN`, which addresses a product's version")]
    VersionSuffix(String),
}

impl Name {
    /// Parses a name.
    ///
    /// # Errors
    /// [`NameError`] when the text is not of a name's form or is reserved.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let mut bytes = text.bytes();
        let formed = bytes.next().is_some_and(|b| b.is_ascii_lowercase())
            && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            && text.len() <= MAX_NAME_LENGTH;
        if !formed {
            return Err(NameError::Form(text.to_owned()));
        }
        if RESERVED.binary_search(&text).is_ok() {
            return Err(NameError::Reserved(text.to_owned()));
        }
        if version_suffix(text).is_some() {
            return Err(NameError::VersionSuffix(text.to_owned()));
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Splits `orders_v2` into `orders` and `2`; none for a text without such a suffix.
pub fn version_suffix(text: &str) -> Option<(&str, u64)> {
    let (stem, digits) = text.rsplit_once("_v")?;
    let canonical =
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if stem.is_empty() || !canonical {
        return None;
    }
    Some((stem, digits.parse().ok()?))
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Lets maps keyed by names be asked with plain text.
impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Words that SQL (as DataFusion's parser reads it), Cedar or Airside reserve, sorted.
const RESERVED: &[&str] = &[
    "action",
    "all",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "between",
    "binary",
    "both",
    "by",
    "case",
    "cast",
    "catalog",
    "check",
    "cluster",
    "collate",
    "column",
    "connect",
    "constraint",
    "context",
    "create",
    "cross",
    "cube",
    "current",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "decimal",
    "default",
    "delete",
    "desc",
    "distinct",
    "distribute",
    "do",
    "domain",
    "drop",
    "else",
    "end",
    "except",
    "exists",
    "explain",
    "extract",
    "false",
    "fetch",
    "filter",
    "final",
    "for",
    "forbid",
    "foreign",
    "format",
    "from",
    "full",
    "global",
    "grant",
    "group",
    "grouping",
    "has",
    "having",
    "if",
    "ilike",
    "in",
    "information_schema",
    "initially",
    "inner",
    "insert",
    "intersect",
    "interval",
    "into",
    "is",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "match",
    "mesh",
    "minus",
    "natural",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "over",
    "overlaps",
    "partition",
    "permit",
    "pivot",
    "placing",
    "prewhere",
    "primary",
    "principal",
    "product",
    "qualify",
    "references",
    "regexp",
    "resource",
    "returning",
    "right",
    "rlike",
    "rollup",
    "row",
    "rows",
    "sample",
    "select",
    "semi",
    "session_user",
    "set",
    "settings",
    "similar",
    "some",
    "sort",
    "start",
    "symmetric",
    "table",
    "tablesample",
    "then",
    "to",
    "top",
    "trailing",
    "true",
    "type",
    "union",
    "unique",
    "unless",
    "unnest",
    "unpivot",
    "update",
    "user",
    "using",
    "values",
    "view",
    "when",
    "where",
    "window",
    "with",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowercase_words() {
        for good in ["orders", "customer_lifetime_value", "a", "o2", "orders_v", "v2", "x_v02"] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "Orders", "2orders", "_x", "or-ders", "größe", "a b", "../x", &"x".repeat(65)] {
            assert!(matches!(Name::parse(bad), Err(NameError::Form(_))), "{bad}");
        }
    }

    #[test]
    fn words_with_a_meaning_are_refused() {
        assert!(RESERVED.is_sorted(), "binary search needs the list sorted");
        for word in ["select", "permit", "principal", "catalog", "information_schema"] {
            assert_eq!(Name::parse(word), Err(NameError::Reserved(word.into())));
        }
        assert_eq!(Name::parse("orders_v2"), Err(NameError::VersionSuffix("orders_v2".into())));
    }
}
