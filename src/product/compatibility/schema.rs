//! What differs between two versions of a product, as their consumers see it.

use std::collections::BTreeSet;

use crate::product::model::{Column, Dataset, Product, Status};
use crate::product::query::{NamedQuery, Parameter};

/// What a change means to consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something that was promised is not any more.
    Breaking,
    /// More is promised.
    Addition,
    /// The promise stands as it was.
    Note,
}

/// One difference.
#[derive(Debug)]
pub(super) struct Change {
    pub kind: Kind,
    /// Where in the newer contract.
    pub line: Option<u32>,
    pub what: String,
}

/// Everything that differs, in the contracts' order.
pub(super) fn changes(was: &Product, is: &Product) -> Vec<Change> {
    let mut changes = Changes { list: Vec::new(), is };
    if was.status == Status::Active && is.status == Status::Deprecated {
        changes.add(Kind::Note, is.lines.status(), "it is deprecated".to_owned());
    }
    for old in &was.datasets {
        match is.dataset(old.name.as_str()) {
            Some(new) => changes.dataset(old, new),
            None => changes.add(Kind::Breaking, None, format!("the dataset `{}` is gone", old.name)),
        }
    }
    for new in is.datasets.iter().filter(|new| was.dataset(new.name.as_str()).is_none()) {
        let line = is.lines.dataset(new.name.as_str());
        changes.add(Kind::Addition, line, format!("the dataset `{}` is new", new.name));
    }
    for old in &was.queries {
        match is.query(old.name.as_str()) {
            Some(new) => changes.query(old, new),
            None => changes.add(Kind::Breaking, None, format!("the query `{}` is gone", old.name)),
        }
    }
    for new in is.queries.iter().filter(|new| was.query(new.name.as_str()).is_none()) {
        changes.add(Kind::Addition, Some(new.line), format!("the query `{}` is new", new.name));
    }
    changes.list
}

struct Changes<'a> {
    list: Vec<Change>,
    is: &'a Product,
}

impl Changes<'_> {
    fn add(&mut self, kind: Kind, line: Option<u32>, what: String) {
        self.list.push(Change { kind, line, what });
    }

    fn dataset(&mut self, old: &Dataset, new: &Dataset) {
        let name = new.name.as_str();
        let whole = self.is.lines.dataset(name);
        for column in &old.columns {
            match new.column(&column.name) {
                Some(now) => self.column(name, column, now),
                None => {
                    // The same column of the files under a name that was not there.
                    let renamed = new.columns.iter().find(|now| {
                        now.physical_name == column.physical_name
                            && now.data_type == column.data_type
                            && old.column(&now.name).is_none()
                    });
                    let (line, what) = match renamed {
                        Some(now) => (self.is.lines.column(name, &now.name), format!("is called `{}` now", now.name)),
                        None => (whole, "is gone".to_owned()),
                    };
                    self.add(Kind::Breaking, line, format!("the column `{}` of `{name}` {what}", column.name));
                }
            }
        }
        for column in new.columns.iter().filter(|now| old.column(&now.name).is_none()) {
            let line = self.is.lines.column(name, &column.name);
            self.add(Kind::Addition, line, format!("the column `{}` of `{name}` is new", column.name));
        }
        let order = |of: &Dataset, other: &Dataset| -> Vec<String> {
            let shared = of.columns.iter().filter(|column| other.column(&column.name).is_some());
            shared.map(|column| column.name.clone()).collect()
        };
        if order(old, new) != order(new, old) {
            self.add(Kind::Addition, whole, format!("the columns of `{name}` have another order"));
        }
        self.keys(old, new);
    }

    fn column(&mut self, dataset: &str, old: &Column, new: &Column) {
        let line = self.is.lines.column(dataset, &new.name);
        let shown = format!("`{}` of `{dataset}`", new.name);
        if old.data_type != new.data_type {
            let what = format!("the column {shown} is {}, and was {}", new.data_type, old.data_type);
            self.add(Kind::Breaking, line, what);
        }
        match (old.nullable, new.nullable) {
            (false, true) => {
                self.add(Kind::Breaking, line, format!("the column {shown} may be NULL, and was required"))
            }
            (true, false) => self.add(Kind::Addition, line, format!("the column {shown} is required")),
            _ => {}
        }
        match (old.unique, new.unique) {
            (true, false) => self.add(Kind::Breaking, line, format!("the column {shown} is not unique any more")),
            (false, true) => self.add(Kind::Addition, line, format!("the column {shown} is unique")),
            _ => {}
        }
    }

    fn keys(&mut self, old: &Dataset, new: &Dataset) {
        let name = new.name.as_str();
        let line = self.is.lines.dataset(name);
        if old.primary_key != new.primary_key {
            let (kind, what) = match (old.primary_key.is_empty(), new.primary_key.is_empty()) {
                (true, _) => (Kind::Addition, format!("`{name}` has a primary key: {}", listed(&new.primary_key))),
                (_, true) => (Kind::Breaking, format!("`{name}` has no primary key any more")),
                _ => {
                    let (is, was) = (listed(&new.primary_key), listed(&old.primary_key));
                    (Kind::Breaking, format!("the primary key of `{name}` is {is}, and was {was}"))
                }
            };
            self.add(kind, line, what);
        }
        for key in old.foreign_keys.iter().filter(|key| !new.foreign_keys.contains(key)) {
            let to = format!("`{}.{}`", key.domain, key.dataset);
            let what = format!("the foreign key {} of `{name}` to {to} is gone", listed(&key.columns));
            self.add(Kind::Breaking, line, what);
        }
        for key in new.foreign_keys.iter().filter(|key| !old.foreign_keys.contains(key)) {
            let to = format!("`{}.{}`", key.domain, key.dataset);
            let what = format!("the foreign key {} of `{name}` to {to} is new", listed(&key.columns));
            self.add(Kind::Addition, line, what);
        }
    }

    /// Arguments are given in the order of the parameters, or by their names.
    fn query(&mut self, old: &NamedQuery, new: &NamedQuery) {
        let (name, line) = (&new.name, Some(new.line));
        for (at, was) in old.parameters.iter().enumerate() {
            match new.parameters.get(at).filter(|is| is.name == was.name) {
                Some(is) => self.parameter(new, was, is),
                None => {
                    let elsewhere = new.parameters.iter().any(|is| is.name == was.name);
                    let what = if elsewhere { "has another place" } else { "is gone" };
                    self.add(Kind::Breaking, line, format!("the parameter `{}` of `{name}` {what}", was.name));
                }
            }
        }
        let known: BTreeSet<_> = old.parameters.iter().map(|parameter| &parameter.name).collect();
        for is in new.parameters.iter().filter(|is| !known.contains(&is.name)) {
            let (kind, what) = match is.default {
                Some(_) => (Kind::Addition, "is new"),
                None => (Kind::Breaking, "is new, and has no default"),
            };
            self.add(kind, line, format!("the parameter `{}` of `{name}` {what}", is.name));
        }
        if old.sql != new.sql {
            self.add(Kind::Note, line, format!("the SQL of `{name}` is another: its result is not compared"));
        }
    }

    fn parameter(&mut self, query: &NamedQuery, was: &Parameter, is: &Parameter) {
        let shown = format!("the parameter `{}` of `{}`", is.name, query.name);
        let line = Some(query.line);
        if was.data_type != is.data_type {
            self.add(Kind::Breaking, line, format!("{shown} is {}, and was {}", is.data_type, was.data_type));
        }
        match (&was.default, &is.default) {
            (Some(_), None) => self.add(Kind::Breaking, line, format!("{shown} has no default any more")),
            (None, Some(_)) => self.add(Kind::Addition, line, format!("{shown} has a default")),
            (Some(old), Some(new)) if old != new => {
                self.add(Kind::Note, line, format!("{shown} has another default"));
            }
            _ => {}
        }
    }
}

fn listed(columns: &[String]) -> String {
    columns.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ")
}
