//! A domain: who answers for it, what it offers, and where its files may lie.

use std::sync::Arc;

use super::bundle::TextFile;
use super::index::Index;
use super::policy_test::PolicyTest;
use super::toml_table::TomlTable;
use crate::fault::Fault;
use crate::product::{Name, Product};

/// A domain of the mesh.
#[derive(Debug, Clone)]
pub struct Domain {
    /// Its name.
    pub name: Name,
    /// Who answers for it.
    pub owner: String,
    /// How to reach the owner.
    pub contact: Option<String>,
    /// Where consumers get help.
    pub support: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// The folder or URL it was read from.
    pub place: String,
    /// The folder or URL that its contracts' places are relative to, and below which they must stay. It has
    /// not been resolved: `source` does that.
    pub data: String,
    /// Every version of its products, drafts and retired ones too, by name and version.
    pub products: Vec<Arc<Product>>,
    /// The same by name.
    pub(super) index: Index,
    /// Its policy tests, in the order of their files.
    pub tests: Vec<Arc<PolicyTest>>,
}

/// What `domain.toml` says.
#[derive(Debug, Default)]
pub(super) struct About {
    pub name: Option<String>,
    pub owner: String,
    pub contact: Option<String>,
    pub support: Option<String>,
    pub description: Option<String>,
}

/// Reads a `domain.toml`, as far as it can be read.
pub(super) fn about(source: &TextFile, faults: &mut Vec<Fault>) -> About {
    let mut table = TomlTable::parse(source, &["name", "owner", "contact", "support", "description"]);
    let about = About {
        name: table.text("name"),
        owner: table.text("owner").unwrap_or_default(),
        contact: table.text("contact"),
        support: table.text("support"),
        description: table.text("description"),
    };
    if about.owner.is_empty() && table.faults.is_empty() {
        let fault = Fault::new(&source.file, "the domain names no owner");
        table.faults.push(fault.hint("add `owner = \"…\"`: the team that answers for the domain"));
    }
    faults.append(&mut table.faults);
    about
}
