//! Why a decision is as it is, for those who look after a mesh: the reasons, and where their policies stand.
//!
//! Deciding and explaining are one walk ([`super::asking`]): an explanation is a decision that kept its notes.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::asking::Asking;
use super::decide::{STACK, valid_until};
use super::error::PolicyError;
use super::load::Rule;
use super::mentions::Mentions;
use super::statement::{Origin, Statement};
use super::vocabulary::Action;
use super::{Decision, Policies, RowFilter};
use crate::principal::{Principal, Purpose};
use crate::product::{Dataset, Mask, Name, Product};

/// A decision with all that made it.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// What [`Policies::decide`] says.
    pub decision: Decision,
    /// Why.
    pub reasons: Reasons,
    /// When the clock may change it; none while no policy that concerns the principal looks at the clock.
    pub valid_until: Option<DateTime<Utc>>,
    /// Permits of what was denied that speak of this dataset, and do not hold here: what somebody else would be
    /// permitted by.
    pub others: Vec<String>,
}

/// What a decision was made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reasons {
    /// May it be known of?
    pub discover: ActionReasons,
    /// Which rows? None when that was not asked, since it may not be known of.
    pub rows: Option<RowReasons>,
    /// Which columns? One entry for each column of the contract, in its order; empty when that was not asked.
    pub columns: Vec<ColumnReasons>,
}

/// The policies that decided one action; ids, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionReasons {
    /// The permits that hold.
    pub permits: Vec<String>,
    /// The forbids that hold: then nothing is permitted.
    pub forbids: Vec<String>,
    /// Permits that would hold, but no ceiling allows.
    pub withheld: Vec<String>,
    /// Whether a policy errored, which denies.
    pub failed: bool,
}

/// The policies that decided the rows, each with the rows it speaks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowReasons {
    /// The permits, with the rows they show.
    pub permits: Vec<(String, RowFilter)>,
    /// The ceilings that bound the domain's permits, with the rows they allow.
    pub ceilings: Vec<(String, RowFilter)>,
    /// The forbids, with the rows they leave.
    pub forbids: Vec<(String, RowFilter)>,
    /// Permits that would hold, but no ceiling allows.
    pub withheld: Vec<String>,
    /// Whether a policy errored, which denies.
    pub failed: bool,
}

/// The policies that decided one column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnReasons {
    /// Its position in the dataset's columns.
    pub index: usize,
    /// `readColumn`.
    pub read: ActionReasons,
    /// `readRaw`.
    pub raw: ActionReasons,
    /// `readMasked`.
    pub masked: ActionReasons,
    /// The permits of `readMasked` that bound how the column is shown, whether they show it or not.
    pub bounds: Vec<(String, Mask)>,
}

/// Who wrote a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// The platform: it holds in every domain.
    Governance,
    /// The platform: it bounds what domains may permit.
    Ceiling,
    /// A domain.
    Domain(Name),
}

/// Where a policy stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyPlace {
    /// Whose it is.
    pub author: Author,
    /// Its file, as the mesh was read.
    pub file: PathBuf,
    /// The line it begins on.
    pub line: u32,
    /// Whether it permits; else it forbids.
    pub permits: bool,
}

impl RowReasons {
    /// The ids of all policies that made the filter.
    pub fn ids(&self) -> impl Iterator<Item = &String> {
        self.permits.iter().chain(&self.ceilings).chain(&self.forbids).map(|(id, _)| id)
    }
}

impl PolicyPlace {
    pub(super) fn of(statement: &Statement) -> Self {
        let author = match &statement.origin {
            Origin::Governance => Author::Governance,
            Origin::Ceiling => Author::Ceiling,
            Origin::Domain(domain) => Author::Domain(domain.clone()),
        };
        Self { author, file: statement.file().to_owned(), line: statement.line(), permits: statement.permits() }
    }

    /// The file as everybody in the mesh may call it: below its domain's folder, or below governance.
    pub fn short(&self) -> String {
        let name = self.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match &self.author {
            Author::Governance => format!("governance/{name}"),
            Author::Ceiling => format!("governance/ceilings/{name}"),
            Author::Domain(_) => format!("policies/{name}"),
        }
    }
}

impl Policies {
    /// The decision about a dataset, with its reasons. It answers as [`Policies::decide`] does, and is not remembered.
    ///
    /// # Errors
    /// A text for operators, when the dataset is not one the policies were loaded with, or Cedar fails: then the
    /// decision denies.
    pub fn explain(
        &self,
        principal: &Principal,
        purpose: &Purpose,
        product: &Arc<Product>,
        dataset: &Arc<Dataset>,
        now: DateTime<Utc>,
    ) -> Result<Explanation, String> {
        let explain = || -> Result<Explanation, PolicyError> {
            let about = self.about(product, dataset)?;
            let valid_until = valid_until(about.set, about.slices, principal, now);
            let asking = Asking::new(&self.cedar, about.set, about.slices, about.entities, principal, purpose, now)?;
            let (_, reasons) = asking.explain(valid_until);
            // What is asked beyond the policies (a purpose that the product requires) is part of deciding.
            let decision = self.decide(principal, purpose, product, dataset, now);
            let denied = match &reasons.rows {
                None => Some(Action::Discover),
                Some(rows) if rows.permits.is_empty() => Some(Action::Query),
                Some(_) if matches!(decision, Decision::Permit(_)) => None,
                Some(_) => Some(Action::ReadColumn),
            };
            let slice = denied.and_then(|action| about.slices.of.get(&action));
            let mut others: Vec<String> = slice
                .into_iter()
                .flat_map(|slice| slice.permits.policies())
                .map(|policy| policy.id().to_string())
                .collect();
            others.sort();
            Ok(Explanation { decision, reasons, valid_until, others })
        };
        stacker::maybe_grow(STACK, STACK, explain).map_err(|error| error.to_string())
    }

    /// Whether `principal` may look behind the decisions about a product: `administer` of it or of its domain.
    pub fn administers(
        &self,
        principal: &Principal,
        purpose: &Purpose,
        product: &Arc<Product>,
        now: DateTime<Utc>,
    ) -> bool {
        let Some(dataset) = product.datasets.first() else { return false };
        let ask = || {
            let about = self.about(product, dataset)?;
            Asking::new(&self.cedar, about.set, about.slices, about.entities, principal, purpose, now)?.administers()
        };
        stacker::maybe_grow(STACK, STACK, ask).unwrap_or_else(|error| {
            tracing::error!(product = %product.id, principal = %principal.identity, %error, "a decision failed and denies");
            false
        })
    }

    /// Where a policy stands that decides in `domain`.
    pub fn place(&self, domain: &Name, id: &str) -> Option<&PolicyPlace> {
        Some(&self.domains.get(domain)?.rules.get(id)?.place)
    }

    /// Whom and what the policies name that can touch a dataset.
    pub fn mentions(&self, domain: &Name, dataset: &Name) -> Mentions {
        let Some(set) = self.domains.get(domain) else { return Mentions::default() };
        let ids = set.slices.get(dataset).into_iter().flat_map(|slices| &slices.ids);
        let rules = ids.filter_map(|id| set.rules.get(id));
        rules.map(|rule: &Rule| rule.mentions.clone()).fold(Mentions::default(), Mentions::and)
    }
}
