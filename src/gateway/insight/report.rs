//! What is told: plain data, the same for the command line and for the wire.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

/// The decisions about what somebody asks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained {
    /// Who is supposed to ask.
    pub principal: PrincipalShown,
    /// For which purpose; empty for none.
    pub purpose: String,
    /// As of when.
    pub at: DateTime<Utc>,
    /// The version of the policies that decided.
    pub policy_version: String,
    /// Every dataset the question names.
    pub datasets: Vec<DatasetExplained>,
    /// The plan that would run, one operator a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Why there is no plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_plan: Option<String>,
}

/// A principal, as sign-in would make it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PrincipalShown {
    /// Its name.
    pub user: String,
    /// All its groups. Not told over the wire: an owner need not know somebody's other groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// Its attributes, as policies would write them. Not told over the wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<BTreeMap<String, String>>,
}

/// The decision about one dataset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DatasetExplained {
    /// As the question names it.
    pub asked: String,
    /// `domain.product@version`, and `/dataset` where they differ.
    pub product: String,
    /// `permitted`, `unreadable`, `hidden` or `purpose`.
    pub decision: &'static str,
    /// Why, in a sentence.
    pub why: String,
    /// When the clock may change it.
    pub valid_until: Option<DateTime<Utc>>,
    /// The rows shown: a filter, `all` or `none`; absent when nothing may be read.
    pub rows: Option<String>,
    /// The policies that made the filter.
    pub row_policies: Vec<RowPolicy>,
    /// Every column of the contract.
    pub columns: Vec<ColumnExplained>,
    /// Every policy that decided, with its place.
    pub policies: Vec<PolicyNamed>,
    /// Permits that speak of the dataset and do not hold for this principal.
    pub others: Vec<PolicyNamed>,
}

/// A policy of the rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowPolicy {
    /// Its id.
    pub policy: String,
    /// `permit`, `ceiling` or `forbid`.
    pub effect: &'static str,
    /// The rows it shows or, of a forbid, leaves.
    pub rows: String,
}

/// How a column is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// As it is.
    Raw,
    /// Under a mask.
    Masked,
    /// Not at all.
    Absent,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnExplained {
    /// Its name.
    pub name: String,
    /// How it is shown.
    pub shown: Shown,
    /// Under which mask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<&'static str>,
    /// Why, in a few words.
    pub why: String,
}

/// A policy and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyNamed {
    /// Its id.
    pub id: String,
    /// `permit`, `forbid` or `ceiling`.
    pub effect: &'static str,
    /// Its file.
    pub file: String,
    /// The line it begins on.
    pub line: u32,
}

/// Who gets what of a dataset or of one of its columns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccessReport {
    /// `domain.product@version`, and `/dataset` where they differ.
    pub product: String,
    /// The column, if one was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// As of when.
    pub at: DateTime<Utc>,
    /// The version of the policies that decided.
    pub policy_version: String,
    /// The answers.
    pub rows: Vec<AccessRow>,
    /// What the answers leave open.
    pub notes: Vec<String>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccessRow {
    /// Whom it is about.
    pub who: Who,
    /// The attributes for which it holds; empty if they do not matter.
    pub condition: String,
    /// The purposes for which it holds: `none`, `another` for one that no policy names, or `any`.
    pub purposes: Vec<String>,
    /// From when on, if not now.
    pub from: Option<DateTime<Utc>>,
    /// Until when, if it ends.
    pub until: Option<DateTime<Utc>>,
    /// What they get.
    pub access: Access,
}

/// Whom an answer is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "lowercase")]
pub enum Who {
    /// Whoever signs in, in no group at all.
    Anybody,
    /// Members of a group, and of the groups it lies within.
    Group(String),
    /// One user.
    User(String),
    /// A domain, for its derived products.
    Domain(String),
}

/// What somebody gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Access {
    /// `permitted`, `unreadable`, `hidden` or `purpose`.
    pub decision: &'static str,
    /// The rows: a filter, `all` or `none`; absent when nothing may be read.
    pub rows: Option<String>,
    /// The columns shown as they are.
    pub raw: Vec<String>,
    /// The columns shown under a mask.
    pub masked: BTreeMap<String, &'static str>,
    /// The columns not shown.
    pub absent: Vec<String>,
}
