//! Proofs about policies: not for some principals and rows, as a test has them, but for all there could ever be.
//!
//! ```text
//! policies of a side ─side─▶ conditions ─known─▶ what contracts decide is decided ─question─▶ left ⇒ right?
//!                                                                              ─solver─▶ holds │ fails: example
//! ```
//!
//! Cedar's own symbolic compiler, whose encoding is verified in Lean, turns a question into SMT, and cvc5 answers it.
//! Owners run this at their desks and in their CI; the server never does, and needs no solver.
//!
//! The composition of permits, ceilings, forbids and masks is written a second time here, as conditions instead of
//! decisions. `tests` holds it against the decisions over generated policies, principals and rows.

mod alike;
mod alive;
mod changes;
mod compare;
mod errors;
mod example;
mod known;
mod logic;
mod question;
mod side;
mod solver;

use std::collections::BTreeSet;
use std::time::Duration;

pub use compare::{ActionDifference, DatasetDifference, Finding, MeshSide, Verdict, Versions};
pub use example::Example;
pub use solver::ProofError;

use self::errors::Reason;
use self::known::Asker;
use self::side::{DomainSide, Side};
use self::solver::Solver;
use super::Policies;
use super::load::Rule;
use super::vocabulary::Action;
use crate::fault::Fault;

/// What was found out about the policies of a mesh.
#[derive(Debug, Clone, Default)]
pub struct Proofs {
    /// Policies that can error.
    pub faults: Vec<Fault>,
    /// Policies about which something could not be proven.
    pub unproven: Vec<Fault>,
    /// Permits that permit nothing.
    pub warnings: Vec<Fault>,
    /// How many policies were looked at.
    pub policies: usize,
}

/// What differs between two meshes.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// Datasets about which anything differs.
    pub datasets: Vec<DatasetDifference>,
    /// Groups that lie within others in one mesh and not in the other.
    pub groups: Vec<GroupChange>,
}

/// A group that lies within another in one mesh alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChange {
    /// The group.
    pub group: String,
    /// The group it lies within.
    pub within: String,
    /// Whether it does so in the new mesh; else it did in the old one.
    pub added: bool,
}

impl Comparison {
    /// Whether it is proven that the new mesh permits no more than the old one.
    pub fn permits_no_more(&self) -> bool {
        let actions = self.datasets.iter().flat_map(|dataset| &dataset.actions);
        self.groups.iter().all(|change| !change.added)
            && actions.into_iter().all(|action| action.verdict().permits_no_more())
    }
}

/// Proves of every policy that it cannot error, and looks for permits that permit nothing. `alone`: the mesh is a part of a
/// larger one, so that a shared permit may be for others. `progress` hears each domain.
///
/// # Errors
/// [`ProofError`] when the solver cannot be run.
pub fn prove(
    policies: &Policies,
    alone: bool,
    limit: Duration,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Proofs, ProofError> {
    solver::on_a_deep_stack(|| {
        let mut solver = Solver::start(limit)?;
        let mut proofs = Proofs::default();
        let mut permits = alive::Permits::default();
        let mut ids = BTreeSet::new();
        let mut domains: Vec<_> = policies.domains.keys().collect();
        domains.sort();
        for domain in domains {
            progress(domain.as_str());
            let Some(side) = DomainSide::new(policies, domain) else { continue };
            let mut known = errors::Known::default();
            for product in side.served().values().flatten() {
                for dataset in &product.datasets {
                    let Some(side) = Side::new(&side, product, dataset) else { continue };
                    never_errors(&mut solver, &mut known, &side, &mut proofs);
                    permits.look(&mut solver, &side);
                    let slices = side.slices.of.values();
                    let all = slices.flat_map(|slice| slice.policies.policies().chain(slice.ceilings.policies()));
                    ids.extend(all.filter_map(|policy| {
                        let place = &side.domain.set.rules.get(policy.id().as_ref() as &str)?.place;
                        Some((place.file.clone(), policy.id().to_string()))
                    }));
                }
            }
        }
        proofs.warnings = permits.found(alone);
        proofs.policies = ids.len();
        for faults in [&mut proofs.faults, &mut proofs.unproven, &mut proofs.warnings] {
            faults.sort();
            faults.dedup();
        }
        Ok(proofs)
    })?
}

/// Compares what two meshes permit. `progress` hears each domain.
///
/// # Errors
/// [`ProofError`] when the solver cannot be run.
pub fn compare(
    old: MeshSide<'_>,
    new: MeshSide<'_>,
    limit: Duration,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Comparison, ProofError> {
    solver::on_a_deep_stack(|| {
        let mut solver = Solver::start(limit)?;
        let datasets = compare::compare(&mut solver, old, new, progress);
        Ok(Comparison { datasets, groups: group_changes(&old, &new) })
    })?
}

fn group_changes(old: &MeshSide<'_>, new: &MeshSide<'_>) -> Vec<GroupChange> {
    let pairs = |side: &MeshSide<'_>| -> BTreeSet<(String, String)> {
        let pairs =
            side.groups.iter().flat_map(|(group, above)| above.iter().map(|above| (group.clone(), above.clone())));
        pairs.collect()
    };
    let (was, is) = (pairs(old), pairs(new));
    let change = |added: bool| {
        move |(group, within): &(String, String)| GroupChange { group: group.clone(), within: within.clone(), added }
    };
    is.difference(&was).map(change(true)).chain(was.difference(&is).map(change(false))).collect()
}

fn never_errors(solver: &mut Solver, known: &mut errors::Known, side: &Side<'_>, proofs: &mut Proofs) {
    for action in Action::ALL {
        let Some(slice) = side.slices.of.get(&action) else { continue };
        for policy in slice.policies.policies().chain(slice.ceilings.policies()) {
            let Some(rule) = side.domain.set.rules.get(policy.id().as_ref() as &str) else { continue };
            for asker in Asker::ALL {
                let found = match known.of(solver, side, policy, asker, action) {
                    Ok(found) => found,
                    Err(error) => {
                        proofs.unproven.push(at(rule, format!("whether `{}` can error: {error}", policy.id())));
                        continue;
                    }
                };
                for erring in found {
                    let who = if erring.asker == Asker::User { "a user" } else { "a domain" };
                    let asked = format!("when {who} asks for `{}` of a `{}`", erring.action, erring.resource);
                    match erring.reason {
                        Reason::Errs(example) => {
                            let example = example.map(|example| format!(": {example}")).unwrap_or_default();
                            let denies = if rule.place.permits { "" } else { ", and closes what it was not meant to" };
                            let reason = format!(
                                "`{}` can error {asked}{example}; a policy that errors denies all that was asked{denies}",
                                policy.id()
                            );
                            proofs.faults.push(at(rule, reason).hint(
                                "look at attributes only where they are there (`principal has x && principal.x == …`), \
                                 and compute nothing: write results as literals",
                            ));
                        }
                        Reason::Unknown(reason) => {
                            proofs
                                .unproven
                                .push(at(rule, format!("whether `{}` can error {asked}: {reason}", policy.id())));
                        }
                    }
                }
            }
        }
    }
}

fn at(rule: &Rule, reason: String) -> Fault {
    Fault::new(&rule.place.file, reason).at(rule.place.line)
}

#[cfg(test)]
mod tests;
