//! Where things stand in a contract's file, for faults that are found later than at reading.

use std::collections::BTreeMap;

/// Lines of a contract, counted from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    version: Option<u32>,
    status: Option<u32>,
    datasets: BTreeMap<String, u32>,
    columns: BTreeMap<(String, String), u32>,
}

impl Lines {
    /// The lines of the contract's version and status.
    pub(super) fn new(version: u32, status: u32) -> Self {
        Self { version: Some(version), status: Some(status), ..Self::default() }
    }

    pub(super) fn add_dataset(&mut self, dataset: &str, line: u32) {
        self.datasets.insert(dataset.to_owned(), line);
    }

    pub(super) fn add_column(&mut self, dataset: &str, column: &str, line: u32) {
        self.columns.insert((dataset.to_owned(), column.to_owned()), line);
    }

    /// Of the contract's version.
    pub fn version(&self) -> Option<u32> {
        self.version
    }

    /// Of its status.
    pub fn status(&self) -> Option<u32> {
        self.status
    }

    /// Of a dataset.
    pub fn dataset(&self, dataset: &str) -> Option<u32> {
        self.datasets.get(dataset).copied()
    }

    /// Of a column, else of its dataset.
    pub fn column(&self, dataset: &str, column: &str) -> Option<u32> {
        self.columns.get(&(dataset.to_owned(), column.to_owned())).copied().or_else(|| self.dataset(dataset))
    }
}
