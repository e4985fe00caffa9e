//! What a contract promises, as the rest of Airside reads it: products, datasets, columns.
//!
//! These are not the shapes of the contract file (`super::odcs` has those): here everything has
//! been checked, defaults have been filled in, and types are Arrow's.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::address::ProductId;
use super::lines::Lines;
use super::mask::Mask;
use super::name::Name;
use super::query::NamedQuery;
use super::version::Version;

/// One version of a data product. Immutable; a changed contract makes a new one.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// `domain.product`.
    pub id: ProductId,
    /// The contract's version.
    pub version: Version,
    /// Where the version stands in its life.
    pub status: Status,
    /// Whether the owner marked this version as the one that answers the unversioned address.
    pub default_version: bool,
    /// The contract's human name.
    pub title: Option<String>,
    /// What it is for, from the contract's description.
    pub description: Option<String>,
    /// The product's own classification; columns have theirs.
    pub classification: String,
    /// The contract's tags.
    pub tags: BTreeSet<String>,
    /// Who answers for it: the contract's team, or the domain's owner.
    pub owner: String,
    /// The purposes one of which a consumer must state; none when it need not.
    pub purposes: BTreeSet<String>,
    /// Whom the contract describes as its consumers. They grant nothing.
    pub roles: Vec<Role>,
    /// Its tables, at least one, in the contract's order.
    pub datasets: Vec<Arc<Dataset>>,
    /// The queries it offers by name, in the contract's order.
    pub queries: Vec<Arc<NamedQuery>>,
    /// Promises of the contract's `slaProperties`, as written.
    pub promises: Vec<Promise>,
    /// Where its consumers get help: channel and, if given, address.
    pub support: Vec<(String, Option<String>)>,
    /// The contract's file, for faults and logs only: consumers never learn it.
    pub file: PathBuf,
    /// Where things stand in it.
    pub lines: Lines,
}

/// A kind of consumer as the contract describes it (ODCS `roles`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name: in a mesh, that of a group.
    pub name: String,
    /// Whether the contract says that it reads; a role that says nothing of its access is meant to.
    pub reads: bool,
    /// Where it stands in the contract.
    pub line: u32,
}

/// A check of quality that the contract promises, on a dataset or one of its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QualityRule {
    /// The metric of the standard's library (`rowCount`, `nullValues`, …), else `sql`, `custom` or `text`.
    pub kind: String,
    /// The column it is about; none for the dataset as a whole.
    pub column: Option<String>,
}

/// Where a contract version stands (ODCS `status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Announced or being written: checked, never served.
    Draft,
    /// Served.
    Active,
    /// Served, and says so.
    Deprecated,
    /// No longer served.
    Retired,
}

/// One promise of a service level agreement, as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Promise {
    /// ODCS `property`: `frequency`, `latency`, `retention`, …
    pub property: String,
    /// Its value, as text.
    pub value: String,
    /// Its unit, if given.
    pub unit: Option<String>,
    /// What it is about: `dataset.column`, if given.
    pub element: Option<String>,
}

/// One table of a product.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Unique in its domain.
    pub name: Name,
    /// The contract's description.
    pub description: Option<String>,
    /// Its columns, in the contract's order.
    pub columns: Vec<Column>,
    /// Names of the columns of its primary key, in key order; empty without one.
    pub primary_key: Vec<String>,
    /// References to other datasets.
    pub foreign_keys: Vec<ForeignKey>,
    /// The checks of quality the contract promises.
    pub quality: Vec<QualityRule>,
    /// Where its rows come from.
    pub origin: Origin,
}

/// One column that the contract promises.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name for consumers.
    pub name: String,
    /// Its name in the files (ODCS `physicalName`, else the name).
    pub physical_name: String,
    /// Its type, exactly as consumers see it.
    pub data_type: DataType,
    /// Whether a row may lack it (ODCS `required` negated).
    pub nullable: bool,
    /// Whether no two rows share a value.
    pub unique: bool,
    /// The contract's description.
    pub description: Option<String>,
    /// Its classification, else the product's.
    pub classification: String,
    /// Its tags.
    pub tags: BTreeSet<String>,
    /// The mask under which `readColumn` shows it, if the contract names one.
    pub mask_default: Option<Mask>,
}

#[cfg(test)]
impl Column {
    /// A column of which the contract says no more than its type.
    pub fn plain(name: &str, data_type: DataType) -> Self {
        Self {
            name: name.into(),
            physical_name: name.into(),
            data_type,
            nullable: true,
            unique: false,
            description: None,
            classification: "internal".into(),
            tags: BTreeSet::new(),
            mask_default: None,
        }
    }
}

/// A reference from columns of one dataset to columns of another, maybe of another product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The referring columns.
    pub columns: Vec<String>,
    /// The domain of the dataset referred to.
    pub domain: Name,
    /// The dataset referred to.
    pub dataset: Name,
    /// The columns referred to, one for each referring column.
    pub references: Vec<String>,
}

/// Where a dataset's rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Parquet files: the contract's storage server.
    Files(Location),
    /// SQL over other datasets of the mesh, run as the domain.
    Derived {
        /// One SELECT statement.
        sql: String,
    },
}

/// A place of Parquet files, as the contract writes it. It has not been resolved: `source` checks that
/// it stays within the domain's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// A path relative to the domain's root, an absolute path or an object store URL; may hold a
    /// glob (`*`, `?`, `[…]`); a folder means every `*.parquet` below it, with `key=value` folders as
    /// partition columns.
    pub url: String,
    /// The environment or account name the configuration knows the store's credentials by (ODCS `server`).
    pub server: String,
}

impl Product {
    /// The dataset of this name.
    pub fn dataset(&self, name: &str) -> Option<&Arc<Dataset>> {
        self.datasets.iter().find(|dataset| dataset.name.as_str() == name)
    }

    /// The named query of this name.
    pub fn query(&self, name: &str) -> Option<&Arc<NamedQuery>> {
        self.queries.iter().find(|query| query.name.as_str() == name)
    }

    /// Whether the product may be read for this purpose: it asks for none, or for this one among others.
    pub fn accepts(&self, purpose: &str) -> bool {
        self.purposes.is_empty() || self.purposes.contains(purpose)
    }

    /// Whether consumers can be answered from this version.
    pub fn is_served(&self) -> bool {
        matches!(self.status, Status::Active | Status::Deprecated)
    }
}

impl Dataset {
    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// All columns as an Arrow schema: what an unrestricted grant shows.
    pub fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(Column::field).collect::<Vec<_>>()))
    }
}

impl Column {
    /// The column as an Arrow field.
    pub fn field(&self) -> Field {
        Field::new(&self.name, self.data_type.clone(), self.nullable)
    }
}
