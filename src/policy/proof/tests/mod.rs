//! Proofs held against decisions: what is proven no decision may contradict, and each example must be decided differently.

mod differential;
mod verdicts;

use std::time::Duration;

use super::{Comparison, MeshSide, compare};
use crate::policy::GroupsAbove;
use crate::policy::tests::fixtures::{Loaded, Mesh};

const LIMIT: Duration = Duration::from_secs(10);

/// Two meshes compared.
fn compared(old: &Loaded<'_>, new: &Loaded<'_>) -> Comparison {
    let none = GroupsAbove::new();
    let side = |loaded| MeshSide { policies: loaded, groups: &none };
    compare(side(&old.policies), side(&new.policies), LIMIT, &|_| {}).unwrap()
}

/// Two meshes of these policies of `sales`, compared; each action that differs, with its verdict and its words.
fn between(old: &Mesh, new: &Mesh) -> Vec<String> {
    let comparison = compared(&old.load(), &new.load());
    let mut said = Vec::new();
    for action in comparison.datasets.iter().flat_map(|dataset| &dataset.actions) {
        said.push(format!("{} {}", action.action, action.verdict().as_str()));
        for finding in action.wider.iter().chain(&action.narrower) {
            let example = finding.example.as_ref().map(ToString::to_string);
            let columns = finding.columns.join(" ");
            said.push(format!("  {columns} {} {}", finding.shown.unwrap_or_default(), example.unwrap_or_default()));
        }
        said.extend(action.unproven.iter().cloned());
    }
    said.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}
