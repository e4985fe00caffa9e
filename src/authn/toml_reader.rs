//! Reading the platform's TOML files so that every fault names its line.
//!
//! Deriving `Deserialize` stops at the first mistake and loses the place of later ones; these
//! files are walked by hand, and each helper notes what it finds wrong and goes on.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use serde_json::{Number, Value};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use crate::fault::Fault;

/// A key or a value with its place.
pub(super) type Placed<'a, 'i> = &'a Spanned<DeValue<'i>>;

/// The faults found in one file.
pub(super) struct Faults<'a> {
    text: &'a str,
    file: &'a Path,
    found: Vec<Fault>,
}

impl<'a> Faults<'a> {
    /// Parses a file's text. Syntax errors are faults already.
    pub(super) fn parse(text: &'a str, file: &'a Path) -> (Self, DeTable<'a>) {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut faults = Self { text, file, found: Vec::new() };
        for error in errors {
            let reason = format!("not TOML: {}", error.message());
            match error.span() {
                Some(span) => faults.add(span, reason),
                None => faults.found.push(Fault::new(file, reason)),
            }
        }
        (faults, table.into_inner())
    }

    /// Notes a fault at `span`.
    pub(super) fn add(&mut self, span: Range<usize>, reason: impl Into<String>) {
        let fault = self.fault(span, reason);
        self.found.push(fault);
    }

    /// Notes a fault at `span`, with advice.
    pub(super) fn advise(&mut self, span: Range<usize>, reason: impl Into<String>, hint: impl Into<String>) {
        let fault = self.fault(span, reason).hint(hint);
        self.found.push(fault);
    }

    fn fault(&self, span: Range<usize>, reason: impl Into<String>) -> Fault {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        Fault::new(self.file, reason).at(u32::try_from(line).unwrap_or(u32::MAX))
    }

    /// `value`, unless faults were found.
    pub(super) fn result<T>(self, value: T) -> Result<T, Vec<Fault>> {
        if self.found.is_empty() { Ok(value) } else { Err(self.found) }
    }

    /// Every key of `table` must be one of `known`.
    pub(super) fn only(&mut self, table: &DeTable<'_>, known: &[&str]) {
        for key in table.keys() {
            if !known.contains(&key.get_ref().as_ref()) {
                let listed = known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
                let reason = format!("unknown key `{}`", key.get_ref());
                self.advise(key.span(), reason, format!("known here: {listed}"));
            }
        }
    }

    pub(super) fn table<'v, 'i>(&mut self, value: Placed<'v, 'i>, what: &str) -> Option<&'v DeTable<'i>> {
        self.typed(value, value.get_ref().as_table(), what, "a table")
    }

    /// A table under `key`; none, without a fault, when the key is absent.
    pub(super) fn table_at<'v, 'i>(&mut self, table: &'v DeTable<'i>, key: &str) -> Option<&'v DeTable<'i>> {
        table.get(key).and_then(|value| self.table(value, key))
    }

    pub(super) fn text<'v>(&mut self, value: Placed<'v, '_>, what: &str) -> Option<&'v str> {
        self.typed(value, value.get_ref().as_str(), what, "a string")
    }

    pub(super) fn flag(&mut self, value: Placed<'_, '_>, what: &str) -> Option<bool> {
        self.typed(value, value.get_ref().as_bool(), what, "true or false")
    }

    pub(super) fn number(&mut self, value: Placed<'_, '_>, what: &str) -> Option<i64> {
        let number = value.get_ref().as_integer().and_then(integer);
        self.typed(value, number, what, "a whole number of 64 bits")
    }

    /// An array of strings, each with its place.
    pub(super) fn texts<'v>(&mut self, value: Placed<'v, '_>, what: &str) -> Vec<(&'v str, Range<usize>)> {
        let Some(array) = self.typed(value, value.get_ref().as_array(), what, "a list of strings") else {
            return Vec::new();
        };
        array.iter().filter_map(|item| Some((self.text(item, what)?, item.span()))).collect()
    }

    /// A list of group names under `groups`.
    pub(super) fn groups(&mut self, table: &DeTable<'_>) -> BTreeSet<String> {
        let Some(value) = table.get("groups") else { return BTreeSet::new() };
        let mut groups = BTreeSet::new();
        for (name, span) in self.texts(value, "groups") {
            if self.names_a_group(name, span) {
                groups.insert(name.to_owned());
            }
        }
        groups
    }

    /// Notes a fault unless `name` has the form of a group's name.
    pub(super) fn names_a_group(&mut self, name: &str, span: Range<usize>) -> bool {
        let formed = super::verified::names_a_group(name);
        if !formed {
            let hint =
                "a group's name is at most 128 letters, digits, `-`, `_` and `.`, beginning with a letter or digit";
            self.advise(span, format!("`{name}` is not a group's name"), hint);
        }
        formed
    }

    /// Notes a fault unless `name` can name a caller.
    pub(super) fn names_a_subject(&mut self, name: &str, span: Range<usize>) -> bool {
        let formed = super::verified::names_a_subject(name);
        if !formed {
            let hint = "write at most 256 visible characters, not beginning with `domain:`";
            self.advise(span, format!("`{}` cannot name a user or a service", name.escape_debug()), hint);
        }
        formed
    }

    fn typed<T>(&mut self, value: Placed<'_, '_>, read: Option<T>, what: &str, wanted: &str) -> Option<T> {
        if read.is_none() {
            let reason = format!("`{what}` is {}, but must be {wanted}", value.get_ref().type_str());
            self.add(value.span(), reason);
        }
        read
    }
}

/// A TOML value as the JSON that a token would have carried. None for what JSON cannot say.
pub(super) fn json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => Value::Number(integer(number)?.into()),
        DeValue::Float(number) => Value::Number(Number::from_f64(number.as_str().parse().ok()?)?),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect::<Option<_>>()?,
        DeValue::Table(table) => Value::Object(
            table
                .iter()
                .map(|(key, value)| Some((key.get_ref().to_string(), json(value.get_ref())?)))
                .collect::<Option<_>>()?,
        ),
    })
}

fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}
