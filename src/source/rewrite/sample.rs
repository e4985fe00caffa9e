//! A look at some of the rows, for what footers do not tell: how many values repeat, and how long they are.

use std::collections::HashSet;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::hash_utils::{HLL_RANDOM_STATE, create_hashes};
use datafusion::datasource::listing::PartitionedFile;
use futures::TryStreamExt;

use super::error::RewriteError;
use super::scan::Scans;

/// Files looked into, evenly spread.
const FILES: usize = 4;
/// Rows of each.
const ROWS: usize = 16 << 10;

/// What some values of each column are like.
#[derive(Debug, Default)]
pub(super) struct Sample {
    rows: usize,
    columns: Vec<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    values: usize,
    distinct: HashSet<u64>,
    bytes: usize,
}

impl Sample {
    /// Reads the beginnings of some files.
    pub async fn take(scans: &Scans, schema: &SchemaRef, files: &[PartitionedFile]) -> Result<Self, RewriteError> {
        let mut sample = Self { rows: 0, columns: schema.fields().iter().map(|_| Seen::default()).collect() };
        for at in 0..FILES.min(files.len()) {
            let Some(file) = files.get(at * files.len() / FILES.min(files.len())) else { continue };
            let mut rows = scans.beginning(schema, file.clone(), ROWS)?;
            while let Some(batch) = rows.try_next().await? {
                sample.add(&batch)?;
            }
        }
        Ok(sample)
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<(), RewriteError> {
        self.rows += batch.num_rows();
        for (seen, column) in self.columns.iter_mut().zip(batch.columns()) {
            seen.add(column)?;
        }
        Ok(())
    }

    /// Values of a column that were seen.
    pub fn distinct(&self, column: usize) -> u64 {
        self.columns.get(column).map_or(0, |seen| seen.distinct.len() as u64)
    }

    /// About how many values `rows` rows of a column have.
    pub fn expected(&self, column: usize, rows: usize) -> u64 {
        let Some(seen) = self.columns.get(column).filter(|seen| seen.values > 0) else { return 0 };
        (seen.distinct.len() as f64 / seen.values as f64 * rows as f64) as u64
    }

    /// Whether values of a column hardly repeat.
    pub fn is_mostly_distinct(&self, column: usize) -> bool {
        self.columns.get(column).is_some_and(|seen| seen.distinct.len() * 2 > seen.values)
    }

    /// Bytes of a value on average.
    pub fn width(&self, column: usize) -> u64 {
        self.columns.get(column).map_or(0, |seen| (seen.bytes / seen.values.max(1)) as u64)
    }
}

impl Seen {
    fn add(&mut self, column: &ArrayRef) -> Result<(), RewriteError> {
        // Nested values have no dictionary of their own here.
        if column.data_type().is_nested() {
            return Ok(());
        }
        let mut hashes = vec![0; column.len()];
        create_hashes([column], &HLL_RANDOM_STATE, &mut hashes)?;
        self.distinct.extend((0..column.len()).filter(|at| column.is_valid(*at)).filter_map(|at| hashes.get(at)));
        self.values += column.len() - column.null_count();
        self.bytes += match column.data_type().primitive_width() {
            Some(width) => width * (column.len() - column.null_count()),
            None => column.to_data().get_slice_memory_size().unwrap_or_default(),
        };
        Ok(())
    }
}
