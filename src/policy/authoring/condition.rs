//! The row condition of a grant, understood, and as Cedar says it.
//!
//! Whatever may be missing, a column that may be NULL or an attribute of the principal, gets its `has`, outside
//! of any negation: a row of which nothing is known is not shown.

use std::collections::{BTreeMap, BTreeSet};

use super::side::{Side, has};

/// A condition, with negations at its leaves.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Test(Test),
}

/// One comparison, with what must be there for it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Test {
    /// The Cedar text of the comparison.
    text: String,
    /// Columns that may be NULL.
    columns: BTreeSet<String>,
    attributes: BTreeSet<String>,
    /// The attribute it compares with a literal, and that literal as written: a value worth testing with.
    pub(super) sample: Option<(String, String)>,
}

impl Test {
    pub(super) fn of(text: String, sides: &[&Side]) -> Self {
        let columns = sides.iter().filter_map(|side| match side {
            Side::Column { name, optional: true, .. } => Some(name.clone()),
            _ => None,
        });
        let attributes = sides.iter().filter_map(|side| match side {
            Side::Attribute { name, .. } => Some(name.clone()),
            _ => None,
        });
        Self { text, columns: columns.collect(), attributes: attributes.collect(), sample: None }
    }
}

impl Condition {
    /// The condition in Cedar, as the operands of one `&&`. Each guard stands before the first test that needs it.
    pub(super) fn cedar(&self) -> Vec<String> {
        let mut guarded = BTreeSet::new();
        self.conjuncts(&mut guarded)
    }

    fn conjuncts(&self, guarded: &mut BTreeSet<String>) -> Vec<String> {
        match self {
            Self::All(parts) => parts.iter().flat_map(|part| part.conjuncts(guarded)).collect(),
            Self::Any(parts) => {
                // What one alternative knows, another does not.
                let parts = parts.iter().map(|part| {
                    let conjuncts = part.conjuncts(&mut guarded.clone());
                    if conjuncts.len() == 1 { conjuncts.concat() } else { format!("({})", conjuncts.join(" && ")) }
                });
                vec![format!("({})", parts.collect::<Vec<_>>().join(" || "))]
            }
            Self::Test(test) => {
                let attributes = test.attributes.iter().map(|name| has("principal", name));
                let columns = test.columns.iter().map(|name| has("resource.row", name));
                let mut parts: Vec<String> =
                    attributes.chain(columns).filter(|guard| guarded.insert(guard.clone())).collect();
                parts.push(test.text.clone());
                parts
            }
        }
    }

    /// The attributes of the principal it looks at, each with a literal it is compared with, if there is one.
    pub(super) fn attributes(&self) -> BTreeMap<String, Option<String>> {
        let mut found = BTreeMap::new();
        self.collect_attributes(&mut found);
        found
    }

    fn collect_attributes(&self, found: &mut BTreeMap<String, Option<String>>) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.collect_attributes(found)),
            Self::Test(test) => {
                for name in &test.attributes {
                    let sample = test.sample.as_ref().filter(|(of, _)| of == name).map(|(_, text)| text.clone());
                    let known = found.entry(name.clone()).or_default();
                    *known = known.take().or(sample);
                }
            }
        }
    }
}

/// Parts that hold all, or one of them.
pub(super) fn joined(mut parts: Vec<Condition>, all: bool) -> Condition {
    if parts.len() == 1 {
        return parts.swap_remove(0);
    }
    if all { Condition::All(parts) } else { Condition::Any(parts) }
}
