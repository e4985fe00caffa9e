//! Warnings about a mesh that is right: what its authors may have meant otherwise.

use std::collections::BTreeSet;

use super::Mesh;
use crate::fault::Fault;

/// The groups that principals are known to be in, beside those of `principals.toml`.
#[derive(Debug, Clone, Default)]
pub struct KnownGroups {
    /// Those of the users and tokens files.
    pub named: BTreeSet<String>,
    /// Whether these files are at hand at all.
    pub complete: bool,
    /// Whether identity providers may bring others along.
    pub providers: bool,
}

impl Mesh {
    /// What may be meant otherwise, of every domain.
    pub fn advice(&self, known: &KnownGroups) -> Vec<Fault> {
        let above = self.directory.groups_above();
        let mut found = self.policies.swallowed_filters(&above);
        let directory = self.directory.known_groups();
        // A directory that names no groups says nothing of which there are.
        if !directory.is_empty() {
            let all: BTreeSet<String> = directory.union(&known.named).cloned().collect();
            let complete = known.complete && !(known.providers && self.directory.takes_unlisted_groups());
            found.extend(self.policies.unknown_groups(&all, complete));
        }
        for product in self.domains.values().flat_map(|domain| &domain.products) {
            found.extend(self.policies.roles_against_policies(product, &above));
        }
        found.sort();
        found.dedup();
        found
    }
}
