//! The directory: what the mesh makes of somebody verified.
//!
//! `governance/principals.toml` says which claims are attributes and of which type, what the
//! identity provider's groups are called here, which groups lie within others, and what single
//! principals are entitled to:
//!
//! ```toml
//! [attributes]
//! region    = { claim = "region", type = "string" }
//! clearance = { claim = "org.clearance", type = "long", required = true }
//! on_call   = { type = "bool" }                   # no claim: from entitlements alone
//!
//! [groups]
//! claim = "groups"          # of a token; a dotted path reaches into objects
//! unmapped = "named"        # or "drop": only groups listed under names
//! required = true           # a JWT without the claim is refused
//!
//! [groups.names]            # identity provider's id → name here
//! "6f1c8a52-…" = "emea"
//!
//! [groups.parents]          # emea lies within analysts
//! emea = ["analysts"]
//!
//! [entitlements.alice]
//! groups = ["stewards"]
//! attributes = { on_call = true }
//! ```
//!
//! **What is missing must not open a door.** A `permit` that asks for a group or an attribute denies
//! without it, but a `forbid` would not fire. So a list of groups that is incomplete, absent or of
//! another shape refuses the caller, instead of leaving groups out. A claim of the wrong type leaves
//! its attribute absent and is logged; in a `forbid`, Cedar's validator demands
//! `principal has clearance`, so write what may pass, `forbid … unless { principal has clearance &&
//! principal.clearance >= 3 }`, or declare the attribute `required = true`: then nobody without it
//! is let in at all. (A policy that errors for want of an attribute denies by itself.)

mod claims;
mod groups;
mod parse;
mod principal;

use std::collections::{BTreeMap, BTreeSet};

use crate::principal::{Attribute, AttributeType};

/// A read `principals.toml`. The default knows no attributes and no names: groups are taken as the
/// users file gives them.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    attributes: BTreeMap<String, Declared>,
    groups: groups::Groups,
    entitlements: BTreeMap<String, Entitlement>,
}

/// An attribute as declared.
#[derive(Debug, Clone)]
struct Declared {
    kind: AttributeType,
    claim: Option<String>,
    required: bool,
}

/// What a principal has besides its claims.
#[derive(Debug, Clone, Default)]
struct Entitlement {
    groups: BTreeSet<String>,
    attributes: BTreeMap<String, Attribute>,
}

impl Directory {
    /// The attributes that principals may have, for the policies' schema.
    pub fn attribute_types(&self) -> BTreeMap<String, AttributeType> {
        self.attributes.iter().map(|(name, declared)| (name.clone(), declared.kind)).collect()
    }

    /// The attributes without which nobody is let in.
    pub fn required_attributes(&self) -> BTreeSet<&str> {
        self.attributes.iter().filter(|(_, declared)| declared.required).map(|(name, _)| name.as_str()).collect()
    }

    /// Those whom the entitlements name.
    pub fn entitled(&self) -> impl Iterator<Item = &String> {
        self.entitlements.keys()
    }

    /// The groups that members of one group are in: itself and those it lies within.
    pub fn groups_within(&self, group: &str) -> BTreeSet<String> {
        let mut groups = BTreeSet::from([group.to_owned()]);
        self.groups.close(&mut groups);
        groups
    }

    /// For each group this file names, every group it lies within.
    pub fn groups_above(&self) -> BTreeMap<String, BTreeSet<String>> {
        let above = |group: &String| {
            let mut groups = BTreeSet::from([group.clone()]);
            self.groups.close(&mut groups);
            groups.remove(group);
            groups
        };
        self.known_groups().iter().map(|group| (group.clone(), above(group))).collect()
    }

    /// Whether tokens may bring groups along that this file does not name.
    pub fn takes_unlisted_groups(&self) -> bool {
        self.groups.claim.is_some() && self.groups.unmapped == groups::Unmapped::Named
    }

    /// The claim that an attribute is made of; none for one that entitlements alone give.
    pub fn claim_of(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute)?.claim.as_deref()
    }

    /// Somebody who is entitled to an attribute, whatever claims say.
    pub fn entitled_to(&self, attribute: &str) -> Option<&str> {
        let has = |entitlement: &Entitlement| entitlement.attributes.contains_key(attribute);
        self.entitlements.iter().find(|(_, entitlement)| has(entitlement)).map(|(name, _)| name.as_str())
    }

    /// Every group this file names. There may be others: those that users and tokens bring along.
    pub fn known_groups(&self) -> BTreeSet<String> {
        let entitled = self.entitlements.values().flat_map(|entitlement| &entitlement.groups);
        self.groups.named().chain(entitled).cloned().collect()
    }
}

#[cfg(test)]
mod tests;
