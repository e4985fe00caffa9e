//! Whether contracts keep what earlier ones promised: nothing that consumers of a major version rely on may go.
//!
//! A consumer asks for `sales.orders@1`, or for the default, and reads columns by name and type. So compared are, per
//! product, each version that was served with the one that answers in its place now: itself, else the highest of its
//! major version. What consumers cannot see may change (where files are, what columns are called in them, how rows are
//! derived); who may see what is the policies' matter, and `airside diff` compares it.
//!
//! The reader's schema is Arrow's, so another type breaks it even if it is a wider one, and so does NULL where there was
//! none. Keys count as promises: joins rely on them. The order of columns does not: they are read by name.

mod schema;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::address::ProductId;
use super::model::{Product, Status};
use super::version::Version;
use crate::fault::Fault;
use schema::{Change, Kind};

/// What changed between two sets of contracts.
#[derive(Debug, Default)]
pub struct Compatibility {
    /// What breaks consumers under the same major version, and where a version is not what it was.
    pub faults: Vec<Fault>,
    /// Every other change, in a line each.
    pub changes: Vec<String>,
}

/// Compares the contracts that were with those that are to be.
pub fn compare(old: &[Arc<Product>], new: &[Arc<Product>]) -> Compatibility {
    let mut found = Compatibility::default();
    let ids: BTreeSet<&ProductId> = old.iter().chain(new).map(|product| &product.id).collect();
    for id in ids {
        let versions = |of: &'_ [Arc<Product>]| -> Vec<Arc<Product>> {
            let mut all: Vec<_> = of.iter().filter(|product| product.id == *id).cloned().collect();
            all.sort_by_key(|product| product.version);
            all
        };
        let (before, after) = (versions(old), versions(new));
        // Nobody reads what is not served.
        for was in before.iter().filter(|product| product.is_served()) {
            found.version(was, &before, &after);
        }
        let known = |version: Version| before.iter().any(|was| was.version == version && was.is_served());
        for product in after.iter().filter(|product| product.is_served() && !known(product.version)) {
            found.changes.push(format!("{id}: version {} is new", product.version));
        }
        found.moved_default(id, &before, &after);
    }
    found.faults.sort();
    found
}

impl Compatibility {
    /// What became of a version that was served.
    fn version(&mut self, was: &Product, before: &[Arc<Product>], after: &[Arc<Product>]) {
        let same = after.iter().find(|product| product.version == was.version);
        let served = || after.iter().filter(|product| product.is_served());
        let highest = served().rfind(|product| product.version.major == was.version.major);
        let is_new = |product: &Product| before.iter().all(|known| known.version != product.version);
        let lower = served().next_back().filter(|last| last.version < was.version && is_new(last));
        match (same, highest.or(lower)) {
            (Some(is), _) if is.is_served() => self.schema(was, is, after),
            (_, Some(is)) if is.version > was.version => self.schema(was, is, after),
            (Some(is), _) => self.ended(was, is),
            (None, Some(is)) => {
                let reason = format!("{}: the version went back from {} to {}", was.id, was.version, is.version);
                let hint = format!("write a version after {}", was.version);
                self.faults.push(placed(is, is.lines.version(), reason).hint(hint));
            }
            (None, None) => {
                let reason = format!("{}: version {} is gone, and was not retired", was.id, was.version);
                let hint = "keep the contract, `deprecated` and then `retired`; what is retired may be removed";
                self.faults.push(placed(was, was.lines.version(), reason).hint(hint));
            }
        }
    }

    /// A version that is no longer served, and nothing of its major in its place.
    fn ended(&mut self, was: &Product, is: &Product) {
        let (id, version) = (&was.id, was.version);
        let (reason, hint) = match (was.status, is.status) {
            (Status::Deprecated, Status::Retired) => {
                return self.changes.push(format!("{id}: version {version} is retired"));
            }
            (_, Status::Retired) => (
                format!("{id}: version {version} is retired, and its consumers were not told"),
                "write `deprecated` first: it goes on answering, and says so",
            ),
            _ => (
                format!("{id}: version {version} is a draft again, so it is not served any more"),
                "leave it `active`, or `deprecated`",
            ),
        };
        self.faults.push(placed(is, is.lines.status(), reason).hint(hint));
    }

    /// What one version promised and another one does.
    fn schema(&mut self, was: &Product, is: &Product, after: &[Arc<Product>]) {
        let same = was.version == is.version;
        let id = &is.id;
        let versions = if same { format!("{}", is.version) } else { format!("{} → {}", was.version, is.version) };
        let (breaking, others): (Vec<Change>, Vec<Change>) =
            schema::changes(was, is).into_iter().partition(|change| change.kind == Kind::Breaking);
        let next = after.iter().map(|product| product.version.major).max().unwrap_or(is.version.major) + 1;
        for change in &breaking {
            let reason = format!("{id} {versions}: {}", change.what);
            let hint = format!("publish it as version {next}.0.0 in a contract of its own, beside this one");
            self.faults.push(placed(is, change.line, reason).hint(hint));
        }
        let additions: Vec<&str> =
            others.iter().filter(|change| change.kind == Kind::Addition).map(|change| change.what.as_str()).collect();
        if same && breaking.is_empty() && !additions.is_empty() {
            let reason = format!("{id} {versions} is not what it was: {}", additions.join(", "));
            let hint = format!("a change makes a new version: write `version: {}`", next_minor(is.version, after));
            self.faults.push(placed(is, is.lines.version(), reason).hint(hint));
            self.notes(id, &versions, others.iter().filter(|change| change.kind == Kind::Note));
        } else {
            self.notes(id, &versions, others.iter());
        }
    }

    fn notes<'a>(&mut self, id: &ProductId, versions: &str, changes: impl Iterator<Item = &'a Change>) {
        self.changes.extend(changes.map(|change| format!("{id} {versions}: {}", change.what)));
    }

    /// The address without a version: its owner moves it, and consumers get another schema then.
    fn moved_default(&mut self, id: &ProductId, before: &[Arc<Product>], after: &[Arc<Product>]) {
        let (Some(was), Some(is)) = (answering(before), answering(after)) else { return };
        if was.major != is.major {
            self.changes.push(format!("{id}: the default version is {is}, and was {was}"));
        }
    }
}

/// The version that answers where none is asked for.
fn answering(versions: &[Arc<Product>]) -> Option<Version> {
    let served: Vec<_> = versions.iter().filter(|product| product.is_served()).collect();
    match served[..] {
        [only] => Some(only.version),
        _ => served.iter().find(|product| product.default_version).map(|product| product.version),
    }
}

fn next_minor(version: Version, all: &[Arc<Product>]) -> Version {
    let minors = all.iter().filter(|product| product.version.major == version.major);
    let minor = minors.map(|product| product.version.minor).max().unwrap_or(version.minor);
    Version { major: version.major, minor: minor.saturating_add(1), patch: 0 }
}

fn placed(product: &Product, line: Option<u32>, reason: String) -> Fault {
    Fault { line, ..Fault::new(&product.file, reason) }
}
