//! What the solver does not see: changes of contracts, and of which mask a policy names. They are compared as they stand.
//!
//! What classification, tags, purposes and masks do to decisions is in the conditions, and so in the verdicts; this tells an
//! owner where a verdict comes from.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::side::Side;
use crate::policy::vocabulary::Action;
use crate::product::{Column, Mask, Product, Status};

/// What changed between two versions of a dataset.
pub(super) fn of(old: &Side<'_>, new: &Side<'_>) -> Vec<String> {
    let mut changes = Vec::new();
    of_product(old.product, new.product, &mut changes);
    of_columns(old, new, &mut changes);
    of_masks(old, new, &mut changes);
    changes
}

fn of_product(old: &Product, new: &Product, changes: &mut Vec<String>) {
    let mut told = |what: &str, was: String, is: String| {
        if was != is {
            changes.push(format!("{what}: {was} → {is}"));
        }
    };
    told("classification", quoted(&old.classification), quoted(&new.classification));
    told("tags", listed(&old.tags), listed(&new.tags));
    told("owner", quoted(&old.owner), quoted(&new.owner));
    let purposes = |product: &Product| match product.purposes.is_empty() {
        true => "none asked for".to_owned(),
        false => listed(&product.purposes),
    };
    told("purposes", purposes(old), purposes(new));
    let default =
        |product: &Product| if product.default_version { "default version" } else { "not the default version" };
    told(&format!("version {}", new.version), default(old).to_owned(), default(new).to_owned());
    let status = |status: Status| match status {
        Status::Draft => "draft",
        Status::Active => "active",
        Status::Deprecated => "deprecated",
        Status::Retired => "retired",
    };
    told("status", status(old.status).to_owned(), status(new.status).to_owned());
}

fn of_columns(old: &Side<'_>, new: &Side<'_>, changes: &mut Vec<String>) {
    for column in &new.dataset.columns {
        match old.dataset.column(&column.name) {
            Some(was) => of_column(was, column, changes),
            None => changes.push(format!("the column `{}` is new", column.name)),
        }
    }
    let gone = old.dataset.columns.iter().filter(|column| new.dataset.column(&column.name).is_none());
    changes.extend(gone.map(|column| format!("the column `{}` is gone", column.name)));
}

fn of_column(old: &Column, new: &Column, changes: &mut Vec<String>) {
    let mut told = |what: &str, was: String, is: String| {
        if was != is {
            changes.push(format!("{what} of `{}`: {was} → {is}", new.name));
        }
    };
    told("classification", quoted(&old.classification), quoted(&new.classification));
    told("tags", listed(&old.tags), listed(&new.tags));
    let mask = |column: &Column| column.mask_default.map_or_else(|| "none".to_owned(), quoted);
    told("default mask", mask(old), mask(new));
    if new.nullable && !old.nullable {
        changes.push(format!("`{}` may be missing now: rows without it have nothing to be compared with", new.name));
    }
}

/// Which permit names which mask.
fn of_masks(old: &Side<'_>, new: &Side<'_>, changes: &mut Vec<String>) {
    let (was, is) = (masks(old), masks(new));
    for (id, mask) in &is {
        match was.iter().find(|(known, _)| known == id) {
            Some((_, before)) if before == mask => {}
            Some((_, before)) => changes.push(format!("the mask of `{id}`: `{before}` → `{mask}`")),
            None => changes.push(format!("`{id}` masks by `{mask}`, and is new")),
        }
    }
    for (id, mask) in was.iter().filter(|(id, _)| is.iter().all(|(known, _)| known != id)) {
        changes.push(format!(
            "`{id}`, which masked by `{mask}`, is gone: it no longer bounds how columns are shown either"
        ));
    }
}

fn masks(side: &Side<'_>) -> BTreeSet<(String, Mask)> {
    let slice = side.slices.of.get(&Action::ReadMasked);
    let permits = slice.into_iter().flat_map(|slice| slice.permits.policies());
    let named = permits.filter_map(|policy| {
        let id: &str = policy.id().as_ref();
        Some((id.to_owned(), side.domain.set.rules.get(id)?.mask?))
    });
    named.collect()
}

fn quoted(what: impl Display) -> String {
    format!("`{what}`")
}

fn listed(words: &BTreeSet<String>) -> String {
    if words.is_empty() {
        return "none".to_owned();
    }
    words.iter().map(quoted).collect::<Vec<_>>().join(", ")
}
