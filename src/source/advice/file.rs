//! What one footer tells.

use std::collections::BTreeSet;

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::common::ScalarValue;
use datafusion::parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use datafusion::parquet::arrow::{ProjectionMask, parquet_to_arrow_schema_by_columns};
use datafusion::parquet::basic::{BoundaryOrder, CompressionCodec, Encoding, Type as PhysicalType};
use datafusion::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use datafusion::parquet::file::statistics::Statistics;
use datafusion::parquet::schema::types::SchemaDescriptor;

use super::keys::Keys;
use super::overlap::{Range, ascending};
use super::threshold::{FEW_VALUES, FEWEST_RANGES, SMALL_DICTIONARY_BYTES, WORTHWHILE_ROWS};
use crate::product::Dataset;

/// One file, looked at. Columns are positions in the contract, where the contract has them.
#[derive(Debug, Default)]
pub(super) struct FileFacts {
    /// The folders on its path.
    pub folder: String,
    pub bytes: u64,
    pub rows: u64,
    pub groups: usize,
    pub largest_group_rows: u64,
    pub largest_group_bytes: u64,
    pub compressed_bytes: u64,
    pub no_page_index: bool,
    pub no_statistics: Vec<usize>,
    pub no_bloom_filter: Vec<usize>,
    pub dictionary_on_unique: Vec<usize>,
    /// By their names in the file, as the contract need not have them.
    pub dictionary_given_up: BTreeSet<String>,
    pub uncompressed: bool,
    pub slow_codec: Option<&'static str>,
    pub int96: Vec<usize>,
    pub order_untold: bool,
    /// Of every column that rows may be sorted by.
    pub orders: Vec<Order>,
}

/// The ranges of a column.
#[derive(Debug)]
pub(super) struct Order {
    pub column: usize,
    pub groups: Vec<Range>,
    /// Only of files whose row groups alone are too few to tell.
    pub pages: Vec<Range>,
}

/// Looks at one footer.
pub(super) fn look(folder: String, bytes: u64, footer: &ParquetMetaData, dataset: &Dataset, keys: &Keys) -> FileFacts {
    let file = File { footer, dataset, keys };
    let groups = footer.row_groups();
    let sum = |of: fn(&RowGroupMetaData) -> i64| groups.iter().map(|group| of(group).unsigned_abs()).sum::<u64>();
    let most = |of: fn(&RowGroupMetaData) -> i64| groups.iter().map(|g| of(g).unsigned_abs()).max().unwrap_or(0);
    let orders: Vec<Order> = keys.orders().filter_map(|column| file.order(column)).collect();
    let codec =
        |codec: CompressionCodec| groups.iter().flat_map(|g| g.columns()).any(|c| c.compression_codec() == codec);
    FileFacts {
        folder,
        bytes,
        rows: sum(RowGroupMetaData::num_rows),
        groups: groups.len(),
        largest_group_rows: most(RowGroupMetaData::num_rows),
        largest_group_bytes: most(RowGroupMetaData::total_byte_size),
        compressed_bytes: sum(RowGroupMetaData::compressed_size),
        no_page_index: file.lacks_page_index(),
        no_statistics: file.without_statistics(),
        no_bloom_filter: keys.lookups.iter().copied().filter(|column| file.wants_bloom_filter(*column)).collect(),
        dictionary_on_unique: keys.unique.iter().copied().filter(|column| file.has_dictionary(*column)).collect(),
        dictionary_given_up: file.dictionaries_given_up(),
        uncompressed: codec(CompressionCodec::UNCOMPRESSED)
            && groups.iter().flat_map(|g| g.columns()).all(|c| c.compression_codec() == CompressionCodec::UNCOMPRESSED),
        slow_codec: [(CompressionCodec::GZIP, "gzip"), (CompressionCodec::BROTLI, "brotli")]
            .into_iter()
            .find_map(|(kind, name)| codec(kind).then_some(name)),
        int96: file.int96(),
        order_untold: file.order_untold(&orders),
        orders,
    }
}

struct File<'a> {
    footer: &'a ParquetMetaData,
    dataset: &'a Dataset,
    keys: &'a Keys,
}

impl File<'_> {
    fn schema(&self) -> &SchemaDescriptor {
        self.footer.file_metadata().schema_descr()
    }

    /// Where a column of the contract is among the file's; none if it is not there, or nested.
    fn leaf(&self, column: usize) -> Option<usize> {
        leaf(self.schema(), &self.dataset.columns.get(column)?.physical_name)
    }

    /// A column in each row group that is large enough to matter.
    fn chunks(&self, column: usize) -> impl Iterator<Item = &ColumnChunkMetaData> {
        let leaf = self.leaf(column);
        let groups = self.footer.row_groups().iter().filter(|group| group.num_rows().unsigned_abs() > WORTHWHILE_ROWS);
        groups.filter_map(move |group| group.columns().get(leaf?))
    }

    /// What queries select by: keys and dates, else every column.
    fn selected_by(&self) -> Vec<usize> {
        let known: BTreeSet<usize> = self.keys.lookups.iter().chain(&self.keys.dates).copied().collect();
        if known.is_empty() { (0..self.dataset.columns.len()).collect() } else { known.into_iter().collect() }
    }

    /// Bounds of pages are missing of all that queries select by, or where the pages are.
    fn lacks_page_index(&self) -> bool {
        let large = self.footer.row_groups().iter().enumerate();
        let mut large = large.filter(|(_, group)| group.num_rows().unsigned_abs() > WORTHWHILE_ROWS).peekable();
        if large.peek().is_none() {
            return false;
        }
        let (Some(bounds), Some(_)) = (self.footer.column_index(), self.footer.offset_index()) else { return true };
        let leaves: Vec<usize> = self.selected_by().into_iter().filter_map(|column| self.leaf(column)).collect();
        let has = |group: usize, leaf: &usize| {
            bounds
                .get(group)
                .and_then(|group| group.get(*leaf))
                .is_some_and(|index| index.get_boundary_order().is_some())
        };
        !leaves.is_empty() && large.any(|(group, _)| !leaves.iter().any(|leaf| has(group, leaf)))
    }

    /// Of what queries select by. Where that is any column, one with bounds is enough.
    fn without_statistics(&self) -> Vec<usize> {
        let has = |chunk: &ColumnChunkMetaData| match chunk.statistics() {
            Some(statistics) => {
                let empty = statistics.null_count_opt() == Some(chunk.num_values().unsigned_abs());
                empty || (statistics.min_bytes_opt().is_some() && statistics.max_bytes_opt().is_some())
            }
            None => false,
        };
        // INT96 has a finding of its own.
        let ordered = |leaf: usize| self.schema().column(leaf).physical_type() != PhysicalType::INT96;
        let lacks = |column: &usize| self.leaf(*column).is_some_and(ordered) && self.chunks(*column).any(|c| !has(c));
        let all = self.selected_by();
        let missing: Vec<usize> = all.iter().copied().filter(lacks).collect();
        let known = !self.keys.lookups.is_empty() || !self.keys.dates.is_empty();
        if known || missing.len() == all.len() { missing } else { Vec::new() }
    }

    fn wants_bloom_filter(&self, column: usize) -> bool {
        self.chunks(column).any(|chunk| chunk.bloom_filter_offset().is_none() && !has_few_values(chunk))
    }

    fn has_dictionary(&self, column: usize) -> bool {
        self.chunks(column).any(|chunk| chunk.dictionary_page_offset().is_some())
    }

    /// Columns some of whose pages are dictionary-encoded and others not: the dictionary outgrew its limit. Unique
    /// columns have a finding of their own.
    fn dictionaries_given_up(&self) -> BTreeSet<String> {
        let unique: Vec<usize> = self.keys.unique.iter().filter_map(|column| self.leaf(*column)).collect();
        let chunks = self.footer.row_groups().iter().flat_map(|group| group.columns().iter().enumerate());
        chunks
            .filter(|(leaf, chunk)| !unique.contains(leaf) && gave_dictionary_up(chunk))
            .map(|(_, chunk)| chunk.column_path().string())
            .collect()
    }

    fn int96(&self) -> Vec<usize> {
        let is = |leaf: usize| self.schema().column(leaf).physical_type() == PhysicalType::INT96;
        (0..self.dataset.columns.len()).filter(|column| self.leaf(*column).is_some_and(is)).collect()
    }

    /// The column's range in each row group, and in each page where these are few.
    fn order(&self, column: usize) -> Option<Order> {
        let leaf = self.leaf(column)?;
        let schema = self.schema();
        // The file's own type, so that nothing is converted.
        let mask = ProjectionMask::leaves(schema, [leaf]);
        let own = parquet_to_arrow_schema_by_columns(schema, mask, None).ok()?;
        let converter = StatisticsConverter::from_column_index(leaf, own.fields().first()?, schema).ok()?;
        let groups = self.footer.row_groups();
        let of_groups = ranges(&converter.row_group_mins(groups).ok()?, &converter.row_group_maxes(groups).ok()?);
        let of_pages = match (self.footer.column_index(), self.footer.offset_index()) {
            (Some(bounds), Some(places)) if groups.len() < FEWEST_RANGES => {
                let all: Vec<usize> = (0..groups.len()).collect();
                let mins = converter.data_page_mins(bounds, places, &all).ok();
                let maxes = converter.data_page_maxes(bounds, places, &all).ok();
                mins.zip(maxes).map(|(mins, maxes)| ranges(&mins, &maxes)).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        Some(Order { column, groups: of_groups, pages: of_pages })
    }

    /// Sorted by its key, as far as bounds of pages tell, without saying so.
    fn order_untold(&self, orders: &[Order]) -> bool {
        let groups = self.footer.row_groups();
        let Some(order) = orders.first().filter(|order| self.keys.primary.first() == Some(&order.column)) else {
            return false;
        };
        let Some((leaf, bounds)) = self.leaf(order.column).zip(self.footer.column_index()) else { return false };
        let index = |at: usize| bounds.get(at).and_then(|group| group.get(leaf));
        let sorted = |at: usize| index(at).is_some_and(|i| i.get_boundary_order() == Some(BoundaryOrder::ASCENDING));
        let enough = order.groups.len().max(order.pages.len()) >= FEWEST_RANGES;
        enough
            && groups.iter().all(|group| group.sorting_columns().is_none_or(|columns| columns.is_empty()))
            && order.groups.len() == groups.len()
            && ascending(&order.groups)
            && (0..groups.len()).all(sorted)
    }
}

/// Where a top-level column is among a file's, be it in another case; none if it is not there, or nested.
fn leaf(schema: &SchemaDescriptor, name: &str) -> Option<usize> {
    let find = |is: &dyn Fn(&str) -> bool| {
        (0..schema.num_columns()).find(|at| matches!(schema.column(*at).path().parts(), [only] if is(only)))
    };
    find(&|own| own == name).or_else(|| find(&|own| own.to_lowercase() == name.to_lowercase()))
}

fn ranges(mins: &ArrayRef, maxes: &ArrayRef) -> Vec<Range> {
    let range = |at: usize| {
        let known = mins.is_valid(at) && maxes.is_valid(at);
        known.then(|| {
            Some((ScalarValue::try_from_array(mins, at).ok()?, ScalarValue::try_from_array(maxes, at).ok()?))
        })?
    };
    (0..mins.len().min(maxes.len())).filter_map(range).collect()
}

fn gave_dictionary_up(chunk: &ColumnChunkMetaData) -> bool {
    let dictionary = |mask: Encoding| matches!(mask, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
    chunk.dictionary_page_offset().is_some()
        && chunk.page_encoding_stats_mask().is_some_and(|pages| {
            let mut pages = pages.encodings().collect::<Vec<_>>();
            pages.dedup();
            pages.iter().any(|page| dictionary(*page)) && pages.iter().any(|page| !dictionary(*page))
        })
}

/// Whether each row group can be expected to have them all.
fn has_few_values(chunk: &ColumnChunkMetaData) -> bool {
    let few = |distinct: u64| distinct < FEW_VALUES;
    if let Some(statistics) = chunk.statistics() {
        if let Some(distinct) = statistics.distinct_count_opt() {
            return few(distinct);
        }
        let span = match statistics {
            Statistics::Int32(of) => of.max_opt().zip(of.min_opt()).map(|(max, min)| max.abs_diff(*min).into()),
            Statistics::Int64(of) => of.max_opt().zip(of.min_opt()).map(|(max, min)| max.abs_diff(*min)),
            _ => None,
        };
        if span.is_some_and(few) {
            return true;
        }
    }
    // All pages by the dictionary, and that a small one.
    let dictionary = chunk.dictionary_page_offset().map(|at| chunk.data_page_offset().saturating_sub(at));
    !gave_dictionary_up(chunk) && dictionary.is_some_and(|bytes| (0..SMALL_DICTIONARY_BYTES).contains(&bytes))
}
