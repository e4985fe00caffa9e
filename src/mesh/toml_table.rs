//! Small TOML files, walked so that every mistake is reported with its line.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::bundle::TextFile;
use crate::fault::Fault;

/// A table with the faults found in it so far.
pub(super) struct TomlTable<'a> {
    file: &'a Path,
    text: &'a str,
    table: DeTable<'a>,
    pub faults: Vec<Fault>,
}

impl<'a> TomlTable<'a> {
    /// Parses a file that may have `keys` and no others at its top.
    pub fn parse(source: &'a TextFile, keys: &[&str]) -> Self {
        let (table, errors) = DeTable::parse_recoverable(&source.text);
        let mut this = Self { file: &source.file, text: &source.text, table: table.into_inner(), faults: Vec::new() };
        for error in errors {
            let fault = this.fault(error.span().unwrap_or(0..0), format!("the file is not TOML: {}", error.message()));
            this.faults.push(fault);
        }
        let unknown = this.table.keys().filter(|key| !keys.contains(&key.get_ref().as_ref()));
        let unknown: Vec<Fault> = unknown
            .map(|key| {
                let fault = this.fault(key.span(), format!("`{}` is not a key of this file", key.get_ref()));
                fault.hint(format!("its keys are `{}`", keys.join("`, `")))
            })
            .collect();
        this.faults.extend(unknown);
        this
    }

    /// A text; one that is empty is a fault.
    pub fn text(&mut self, key: &str) -> Option<String> {
        let value = self.table.get(key)?;
        match value.get_ref() {
            DeValue::String(text) if !text.trim().is_empty() => Some(text.to_string()),
            _ => {
                let fault = self.fault(value.span(), format!("`{key}` must be text"));
                self.faults.push(fault);
                None
            }
        }
    }

    /// A text with its line.
    pub fn text_at(&mut self, key: &str) -> Option<(String, u32)> {
        let text = self.text(key)?;
        let line = self.table.get(key).map(|value| self.line(value.span()))?;
        Some((text, line))
    }

    /// A whole number that is not negative.
    pub fn number(&mut self, key: &str) -> Option<usize> {
        let value = self.table.get(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => usize::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        if number.is_none() {
            let fault = self.fault(value.span(), format!("`{key}` must be a number, 0 or more"));
            self.faults.push(fault);
        }
        number
    }

    /// A list of texts with the line of each; empty when the key is absent.
    pub fn texts(&mut self, key: &str) -> Vec<(String, u32)> {
        let Some(value) = self.table.get(key) else { return Vec::new() };
        let items: Option<Vec<(String, u32)>> = match value.get_ref() {
            DeValue::Array(items) => items.iter().map(|item| self.item(item)).collect(),
            _ => None,
        };
        if let Some(items) = items {
            return items;
        }
        let fault = self.fault(value.span(), format!("`{key}` must be a list of texts"));
        self.faults.push(fault);
        Vec::new()
    }

    fn item(&self, item: &Spanned<DeValue<'a>>) -> Option<(String, u32)> {
        match item.get_ref() {
            DeValue::String(text) => Some((text.to_string(), self.line(item.span()))),
            _ => None,
        }
    }

    fn fault(&self, span: Range<usize>, reason: String) -> Fault {
        Fault::new(self.file, reason).at(self.line(span))
    }

    fn line(&self, span: Range<usize>) -> u32 {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        u32::try_from(1 + before.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX)
    }
}
