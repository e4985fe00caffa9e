//! The first rows of a scan, read before all others.
//!
//! A decoder fetches a row group as a whole before it shows a row of it, in batches of one size. Where batches are made
//! large for an export, whoever reads waits for all that. So the first pages of the first row group become a scan of
//! their own, and the rest of the row group follows.

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder};
use datafusion::parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use datafusion::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use super::dataset::DatasetSource;

/// How many times as many a row group has, for it to be worth the second look at its first pages.
const WORTH_CUTTING: usize = 4;

impl DatasetSource {
    /// The scan of the same rows, in the same order, the first `rows` of them apart; none where the files have no page index or
    /// are too small for it to matter. For scans of this source that leave nothing out.
    pub async fn first_rows_apart(&self, scan: &FileScanConfig, rows: usize) -> Option<FileScanConfig> {
        let (first, others) = scan.file_groups.split_first()?;
        let (file, following) = first.files().split_first()?;
        // What is wrong with a footer is said when the file is read.
        let footer = self.footer_of(&file.object_meta).await.ok()?;
        let files = cut(file, &footer, rows)?.into_iter().chain(following.iter().cloned()).collect();
        let groups = std::iter::once(FileGroup::new(files)).chain(others.iter().cloned()).collect();
        Some(FileScanConfigBuilder::from(scan.clone()).with_file_groups(groups).build())
    }
}

/// A file, or the stretch of it that is read: the first rows, the rest of their row group, and the other row groups.
fn cut(file: &PartitionedFile, footer: &ParquetMetaData, rows: usize) -> Option<Vec<PartitionedFile>> {
    let read: Vec<bool> = footer.row_groups().iter().map(|group| begins_within(file, group)).collect();
    let first = read.iter().position(|read| *read)?;
    let all = usize::try_from(footer.row_groups().get(first)?.num_rows()).ok()?;
    let pages = footer.offset_index()?.get(first)?;
    // Without an index of its pages all of a column is fetched, for the first rows and again for the rest.
    if all < rows.saturating_mul(WORTH_CUTTING) || pages.iter().any(|column| column.page_locations().len() < 2) {
        return None;
    }
    let of_first = |selectors: Vec<RowSelector>| {
        let mut access = ParquetAccessPlan::new_none(read.len());
        access.set(first, RowGroupAccess::Selection(RowSelection::from(selectors)));
        file.clone().with_extension(access)
    };
    let rest = all - rows;
    let mut cut = vec![
        of_first(vec![RowSelector::select(rows), RowSelector::skip(rest)]),
        of_first(vec![RowSelector::skip(rows), RowSelector::select(rest)]),
    ];
    if read.iter().skip(first + 1).any(|read| *read) {
        let others = |(at, read): (usize, &bool)| match read {
            true if at != first => RowGroupAccess::Scan,
            _ => RowGroupAccess::Skip,
        };
        cut.push(file.clone().with_extension(ParquetAccessPlan::new(read.iter().enumerate().map(others).collect())));
    }
    Some(cut)
}

/// Whether a row group belongs to what is read of the file: by where it begins, as the Parquet reader decides.
fn begins_within(file: &PartitionedFile, group: &RowGroupMetaData) -> bool {
    let Some(range) = &file.range else { return true };
    let Some(column) = group.columns().first() else { return false };
    range.contains(column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset()))
}
