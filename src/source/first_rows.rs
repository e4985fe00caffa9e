//! The first rows of a scan, read before all others.
//!
//! A decoder fetches a row group as a whole before it shows a row of it, in batches of one size. Where batches are made
//! large for an export, whoever reads waits for all that. So the first pages of the first row group become a scan of
//! their own, and the rest of the row group follows.

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder};
use datafusion::parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use datafusion::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use datafusion::parquet::file::page_index::offset_index::{OffsetIndexMetaData, PageLocation};

use super::dataset::DatasetSource;

/// How many times as much a row group has, in rows and in bytes, as what is read first: that is fetched twice.
const WORTH_CUTTING: u8 = 4;

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
    let group = footer.row_groups().get(first)?;
    let all = usize::try_from(group.num_rows()).ok()?;
    let bytes = bytes_of_first(rows, group, footer.offset_index()?.get(first)?)?;
    let all_bytes = sum(group.columns().iter().map(|column| Some(column.compressed_size())))?;
    if rows > all / usize::from(WORTH_CUTTING) || bytes > all_bytes / i64::from(WORTH_CUTTING) {
        return None;
    }
    let of_first = |selectors: Vec<RowSelector>| {
        let mut access = ParquetAccessPlan::new_none(read.len());
        access.set(first, RowGroupAccess::Selection(RowSelection::from(selectors)));
        file.clone().with_extension(access)
    };
    let rest = all.checked_sub(rows)?;
    let mut cut = vec![
        of_first(vec![RowSelector::select(rows), RowSelector::skip(rest)]),
        of_first(vec![RowSelector::skip(rows), RowSelector::select(rest)]),
    ];
    if read.iter().skip(first + 1).any(|read| *read) {
        // The reader leaves out what begins outside the stretch.
        let mut others = ParquetAccessPlan::new_all(read.len());
        others.skip(first);
        cut.push(file.clone().with_extension(others));
    }
    Some(cut)
}

/// The bytes that the first rows of a row group take in its file, dictionaries included; none where its pages are not known:
/// all of a column would be fetched, for the first rows and again for the rest.
fn bytes_of_first(rows: usize, group: &RowGroupMetaData, pages: &[OffsetIndexMetaData]) -> Option<i64> {
    let is_first = |page: &&PageLocation| usize::try_from(page.first_row_index).is_ok_and(|row| row < rows);
    let columns = group.columns().iter().zip(pages);
    sum(columns.map(|(column, pages)| {
        let last = pages.page_locations().iter().rfind(is_first)?;
        last.offset.checked_add(last.compressed_page_size.into())?.checked_sub(begin(column))
    }))
}

/// The sum, if there is one: footers may say anything.
fn sum(mut sizes: impl Iterator<Item = Option<i64>>) -> Option<i64> {
    sizes.try_fold(0_i64, |sum, size| sum.checked_add(size?))
}

fn begin(column: &ColumnChunkMetaData) -> i64 {
    column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset())
}

/// Whether a row group belongs to what is read of the file: by where it begins, as the Parquet reader decides.
fn begins_within(file: &PartitionedFile, group: &RowGroupMetaData) -> bool {
    let Some(range) = &file.range else { return true };
    let Some(column) = group.columns().first() else { return false };
    range.contains(begin(column))
}
