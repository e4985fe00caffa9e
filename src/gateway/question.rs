//! What may be asked, free of any transport.

use crate::principal::{Principal, Purpose};
use crate::product::{Address, Argument, Name, VersionRequirement};

/// Who asks, and for which purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The authenticated principal.
    pub principal: Principal,
    /// The purpose stated.
    pub purpose: Purpose,
}

/// A question that rows answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// A SQL statement.
    Sql(String),
    /// One product, without SQL.
    Product(ProductQuestion),
}

impl Question {
    pub(super) const SQL: &'static str = "sql";

    /// Its kind, as the audit calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Sql(_) => Self::SQL,
            Self::Product(_) => "product",
        }
    }
}

/// One product's rows, or those of a named query, maybe fewer of them and fewer columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductQuestion {
    /// Which product.
    pub address: Address,
    /// The columns wanted, in this order; none means all that the caller may see.
    pub columns: Vec<String>,
    /// A SQL expression over its columns.
    pub filter: Option<String>,
    /// At most so many rows.
    pub limit: Option<u64>,
    /// The arguments of a named query, by name.
    pub arguments: Vec<(String, Argument)>,
    /// The id of the snapshot to answer from; the current one without it.
    pub as_of: Option<String>,
    /// The id of an earlier snapshot: only rows of files that it did not have.
    pub since: Option<String>,
}

impl ProductQuestion {
    /// Everything of the product that the caller may see.
    pub fn all(address: Address) -> Self {
        Self {
            address,
            columns: Vec::new(),
            filter: None,
            limit: None,
            arguments: Vec::new(),
            as_of: None,
            since: None,
        }
    }

    /// The table's name in the question's statement: the dataset's or named query's, under the version asked for.
    pub(super) fn table(&self, name: &Name) -> String {
        match &self.address.version {
            None => name.to_string(),
            Some(VersionRequirement { major, minor: None, patch: None }) => format!("{name}_v{major}"),
            Some(version) => format!("{name}@{version}"),
        }
    }
}
