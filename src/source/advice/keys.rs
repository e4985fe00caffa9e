//! What queries select by, as far as a contract tells: keys and dates.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::DataType;

use crate::product::{Column, Dataset};
use crate::source::Snapshot;

/// Columns by their position in the contract. None of them is a partition's: these are pruned by folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::source) struct Keys {
    /// The primary key's, in its order.
    pub primary: Vec<usize>,
    /// Whose values do not repeat.
    pub unique: Vec<usize>,
    /// Looked up by equality: the key's first, unique ones, references.
    pub lookups: Vec<usize>,
    /// Dates and moments.
    pub dates: Vec<usize>,
}

impl Keys {
    /// The keys of a dataset whose files lie as in `snapshot`.
    pub fn of(dataset: &Dataset, snapshot: &Snapshot) -> Self {
        let folders: BTreeSet<&str> =
            snapshot.files().iter().flat_map(|file| &file.keys).map(|key| key.key.as_str()).collect();
        let in_files = |column: &Column| !folders.contains(column.physical_name.as_str());
        let position = |name: &String| {
            dataset
                .columns
                .iter()
                .position(|column| column.name == *name && is_key(&column.data_type) && in_files(column))
        };
        let primary: Vec<usize> = dataset.primary_key.iter().filter_map(position).collect();
        let alone = dataset.primary_key.len() == 1;
        let all = || dataset.columns.iter().enumerate().filter(|(_, column)| in_files(column));
        let is_unique = |(at, column): &(usize, &Column)| {
            is_key(&column.data_type) && (column.unique || (alone && primary.contains(at)))
        };
        let unique: Vec<usize> = all().filter(is_unique).map(|(at, _)| at).collect();
        let references = dataset.foreign_keys.iter().flat_map(|key| &key.columns).filter_map(position);
        let lookups: BTreeSet<usize> =
            primary.first().copied().into_iter().chain(unique.iter().copied()).chain(references).collect();
        let dates = all().filter(|(_, column)| is_date(&column.data_type)).map(|(at, _)| at).collect();
        Self { primary, unique, lookups: lookups.into_iter().collect(), dates }
    }

    /// What rows may usefully be sorted by, the best first.
    pub fn orders(&self) -> impl Iterator<Item = usize> + '_ {
        let first = self.primary.first().or(self.unique.first()).copied();
        first.into_iter().chain(self.dates.iter().copied().filter(move |date| Some(*date) != first))
    }
}

/// Whether a value of the type can be looked up by equality.
fn is_key(data_type: &DataType) -> bool {
    !data_type.is_nested() && !data_type.is_floating() && *data_type != DataType::Boolean
}

/// Dates and moments.
pub(in crate::source) fn is_date(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
}
