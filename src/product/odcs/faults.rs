//! The collector every step of reading a contract, or a file of policy tests, reports to.

use std::path::Path;

use crate::fault::Fault;

/// More faults than this help nobody.
const MOST: usize = 500;

/// Faults of one file, in the order they were found.
pub(crate) struct Faults<'a> {
    file: &'a Path,
    found: Vec<Fault>,
}

impl<'a> Faults<'a> {
    pub(crate) fn of(file: &'a Path) -> Self {
        Self { file, found: Vec::new() }
    }

    /// Reports a fault without advice.
    pub(crate) fn add(&mut self, line: u32, reason: impl Into<String>) {
        self.push(Fault::new(self.file, reason).at(line));
    }

    /// Reports a fault with advice.
    pub(crate) fn advise(&mut self, line: u32, reason: impl Into<String>, hint: impl Into<String>) {
        self.push(Fault::new(self.file, reason).at(line).hint(hint));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether more would not be kept, so that looking for them is idle.
    pub(crate) fn is_full(&self) -> bool {
        self.found.len() >= MOST
    }

    /// All faults, by line.
    pub(crate) fn into_sorted(mut self) -> Vec<Fault> {
        self.found.sort_by_key(|fault| fault.line);
        self.found.dedup();
        self.found
    }

    fn push(&mut self, fault: Fault) {
        if !self.is_full() {
            self.found.push(fault);
        }
    }
}
