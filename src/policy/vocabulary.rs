//! What the mesh's things are called in Cedar, in one place.
//!
//! Datasets are entity types of their own (their rows differ), named by domain and dataset; everything
//! else is one global type whose ids are dotted paths. Row types end in `_Row`: names of the mesh are
//! lowercase, so no dataset can be called like another's row.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use cedar_policy::{EntityId, EntityTypeName, EntityUid};

use super::error::PolicyError;
use crate::product::Name;

/// What a principal may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Action {
    /// Know that a dataset exists.
    Discover,
    /// Read its rows.
    Query,
    /// See a column, under its default mask if it has one.
    ReadColumn,
    /// See a column as it is, default mask or not.
    ReadRaw,
    /// See a column under the mask the policy names.
    ReadMasked,
    /// Change a product.
    Publish,
    /// Look behind a domain's decisions.
    Administer,
}

/// The action group most grants name.
pub(super) const READ: &str = "read";

impl Action {
    pub(super) const ALL: [Self; 7] = [
        Self::Discover,
        Self::Query,
        Self::ReadColumn,
        Self::ReadRaw,
        Self::ReadMasked,
        Self::Publish,
        Self::Administer,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Query => "query",
            Self::ReadColumn => "readColumn",
            Self::ReadRaw => "readRaw",
            Self::ReadMasked => "readMasked",
            Self::Publish => "publish",
            Self::Administer => "administer",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }

    /// Whether the group `read` holds it.
    pub(super) fn is_read(self) -> bool {
        matches!(self, Self::Discover | Self::Query | Self::ReadColumn)
    }

    /// Whether it is asked of columns.
    pub(super) fn is_of_columns(self) -> bool {
        matches!(self, Self::ReadColumn | Self::ReadRaw | Self::ReadMasked)
    }

    /// The members of the group `read`.
    pub(super) fn read_group() -> BTreeSet<Self> {
        Self::ALL.into_iter().filter(|action| action.is_read()).collect()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

pub(super) const USER: &str = "User";
pub(super) const GROUP: &str = "Group";
pub(super) const DOMAIN: &str = "Domain";
pub(super) const PRODUCT: &str = "Product";
pub(super) const COLUMN: &str = "Column";
pub(super) const ACTION: &str = "Action";

/// The attribute of a dataset that holds its row.
pub(super) const ROW: &str = "row";

/// The id of the one row that stands for all of a dataset's rows.
pub(super) const ANY_ROW: &str = "?";

/// The type of a dataset's entity: `sales::orders`.
pub(super) fn dataset_type(domain: &Name, dataset: &Name) -> String {
    format!("{domain}::{dataset}")
}

/// The type of a dataset's row, within its domain's namespace: `orders_Row`.
pub(super) fn row_type_name(dataset: &Name) -> String {
    format!("{dataset}_Row")
}

/// The type of a dataset's row: `sales::orders_Row`.
pub(super) fn row_type(domain: &Name, dataset: &Name) -> String {
    format!("{domain}::{}", row_type_name(dataset))
}

/// The id of a dataset's entity: `sales.orders`.
pub(super) fn dataset_id(domain: &Name, dataset: &Name) -> String {
    format!("{domain}.{dataset}")
}

/// The id of a column's entity: `sales.orders.amount`.
pub(super) fn column_id(domain: &Name, dataset: &Name, column: &str) -> String {
    format!("{domain}.{dataset}.{column}")
}

/// An entity's identity. Ids are data, never parsed: quotes in them stay quotes.
pub(super) fn uid(type_name: &str, id: &str) -> Result<EntityUid, PolicyError> {
    Ok(EntityUid::from_type_name_and_id(EntityTypeName::from_str(type_name)?, EntityId::new(id)))
}
