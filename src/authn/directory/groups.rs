//! Groups: their names here, and which lie within which.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::claims;
use crate::authn::error::AuthnError;
use crate::authn::verified::{Verified, names_a_group};

/// The `[groups]` of the file.
#[derive(Debug, Clone)]
pub(super) struct Groups {
    /// Where a token lists them.
    pub(super) claim: Option<String>,
    /// Whether a JWT must have that claim.
    pub(super) required: bool,
    pub(super) unmapped: Unmapped,
    /// The identity provider's id → the name here.
    pub(super) names: BTreeMap<String, String>,
    /// Group → the groups it lies directly within. Without cycles.
    pub(super) parents: BTreeMap<String, Vec<String>>,
}

/// What becomes of a token's group that `names` does not list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unmapped {
    /// It keeps its name, if it has the form of one.
    Named,
    /// It is left out.
    Drop,
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            claim: None,
            required: true,
            unmapped: Unmapped::Named,
            names: BTreeMap::new(),
            parents: BTreeMap::new(),
        }
    }
}

impl Groups {
    /// Every group the file names.
    pub(super) fn named(&self) -> impl Iterator<Item = &String> {
        self.names.values().chain(self.parents.keys()).chain(self.parents.values().flatten())
    }

    /// The groups of somebody verified, by their names here, those they lie within not yet included.
    pub(super) fn of(&self, verified: &Verified) -> Result<BTreeSet<String>, AuthnError> {
        // Those of the platform's own files already are names.
        let mut groups: BTreeSet<String> =
            verified.groups.iter().map(|group| self.names.get(group).unwrap_or(group).clone()).collect();
        let Some(claim) = &self.claim else { return Ok(groups) };
        let Some(value) = claims::find(&verified.claims, claim) else {
            // A client can often choose a token's scopes, and so leave the claim out.
            if self.required && verified.method.issuer().is_some() {
                return Err(AuthnError::incomplete_groups(format!(
                    "the token has no claim `{claim}`; put `required = false` under `[groups]` if that means no groups"
                )));
            }
            return Ok(groups);
        };
        for listed in listed(value, claim)? {
            if let Some(name) = self.name(listed) {
                groups.insert(name.to_owned());
            }
        }
        Ok(groups)
    }

    /// What a group of a token is called here, if it counts.
    fn name<'a>(&'a self, listed: &'a str) -> Option<&'a str> {
        if let Some(name) = self.names.get(listed) {
            return Some(name);
        }
        if self.unmapped == Unmapped::Drop || !names_a_group(listed) {
            tracing::debug!(group = %listed.escape_debug(), "a group of a token is not known here");
            return None;
        }
        // In many directories anybody may found a group and call it what they like. A name that
        // stands for a certain id is not had by being called so.
        if self.names.values().any(|name| name == listed) {
            tracing::warn!(group = listed, "a group of a token bears the name that `names` gives to another id");
            return None;
        }
        Some(listed)
    }

    /// Adds every group that the given ones lie within.
    pub(super) fn close(&self, groups: &mut BTreeSet<String>) {
        let mut open: Vec<String> = groups.iter().cloned().collect();
        while let Some(group) = open.pop() {
            for parent in self.parents.get(&group).into_iter().flatten() {
                if groups.insert(parent.clone()) {
                    open.push(parent.clone());
                }
            }
        }
    }

    /// A group on a cycle of parents, if there is one.
    pub(super) fn on_a_cycle(&self) -> Option<&str> {
        self.parents.keys().map(String::as_str).find(|group| {
            let mut above: BTreeSet<String> = self.parents.get(*group).into_iter().flatten().cloned().collect();
            self.close(&mut above);
            above.contains(*group)
        })
    }
}

/// The groups a claim lists. Any other shape is refused rather than read as fewer groups.
fn listed<'v>(value: &'v Value, claim: &str) -> Result<Vec<&'v str>, AuthnError> {
    let odd = |what: &str| AuthnError::incomplete_groups(format!("the claim `{claim}` is {what}, not a list of texts"));
    match value {
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().ok_or_else(|| odd(&format!("a list with {} in it", claims::kind_of(item)))))
            .collect(),
        // Some providers write a single group without the list; several in one text are not read.
        Value::String(one) if names_a_group(one) => Ok(vec![one]),
        other => Err(odd(claims::kind_of(other))),
    }
}
