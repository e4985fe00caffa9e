//! How new files are laid out.
//!
//! Point lookups live in the layout: rows sorted by key, pages of few rows with bounds of their own, bloom filters on
//! keys, and no dictionary where it only repeats the column.

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::parquet::arrow::ArrowSchemaConverter;
use datafusion::parquet::basic::{Compression, CompressionCodec, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::SortingColumn;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};
use datafusion::parquet::schema::types::ColumnPath;

use super::sample::Sample;
use crate::product::Dataset;
use crate::source::advice::{FEW_VALUES, Keys};

/// Rows of a page: what a point lookup decodes.
const PAGE_ROWS: usize = 8 << 10;
/// Rows of a row group at most: several to a file, to spread over threads and skip by.
const GROUP_ROWS: usize = 128 << 10;
/// Uncompressed bytes of a row group, about: it is held in memory until it is whole.
const GROUP_BYTES: u64 = 64 << 20;
/// Bytes after which a file is followed by another.
pub(super) const FILE_BYTES: usize = 512 << 20;

/// Bytes of a dictionary page after which the writer gives it up.
const DICTIONARY_BYTES: u64 = 1 << 20;
/// Texts longer than this are read, not compared: bounds of their pages would be as long as the texts.
const LONG_TEXT: u64 = 64;
/// Values of a key below which a bloom filter is not worth its bytes.
const FEW_KEYS: u64 = FEW_VALUES / 8;

/// What new files are like.
#[derive(Debug, Clone)]
pub(super) struct FileLayout {
    pub properties: WriterProperties,
    pub group_rows: usize,
    /// Names of columns, for whoever wants to know before.
    pub bloom_filters: Vec<String>,
    pub no_dictionary: Vec<String>,
    pub codec: &'static str,
}

/// What is known of the old files.
pub(super) struct Known<'a> {
    pub schema: &'a SchemaRef,
    pub dataset: &'a Dataset,
    pub keys: &'a Keys,
    pub sample: &'a Sample,
    /// Uncompressed, on average.
    pub row_bytes: u64,
    /// The codec of all columns of all files, if it is one.
    pub codec: Option<CompressionCodec>,
    /// Positions in the schema.
    pub sort_by: &'a [usize],
}

impl FileLayout {
    pub fn of(known: &Known<'_>) -> Result<Self, ParquetError> {
        let rows = usize::try_from(GROUP_BYTES / known.row_bytes.max(1)).unwrap_or(usize::MAX);
        let group_rows = rows.clamp(PAGE_ROWS, GROUP_ROWS) / PAGE_ROWS * PAGE_ROWS;
        let (compression, codec) = match known.codec {
            Some(CompressionCodec::SNAPPY) => (Compression::SNAPPY, "snappy"),
            _ => (Compression::ZSTD(ZstdLevel::try_new(3)?), "zstd"),
        };
        let mut properties = WriterProperties::builder()
            .set_compression(compression)
            .set_max_row_group_row_count(Some(group_rows))
            // Rows differ in size: what is held in memory must not.
            .set_max_row_group_bytes(usize::try_from(GROUP_BYTES * 4).ok())
            .set_data_page_row_count_limit(PAGE_ROWS)
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_sorting_columns(sorting(known.schema, known.sort_by)?);
        let (mut bloom_filters, mut no_dictionary) = (Vec::new(), Vec::new());
        for (at, field) in known.schema.fields().iter().enumerate().filter(|(_, f)| !f.data_type().is_nested()) {
            let path = ColumnPath::new(vec![field.name().clone()]);
            let is_one = |of: &[usize]| {
                of.iter().filter_map(|at| known.dataset.columns.get(*at)).any(|c| c.physical_name == *field.name())
            };
            let dictionary = known.sample.expected(at, group_rows) * known.sample.width(at);
            if is_one(&known.keys.unique)
                || known.sample.is_mostly_distinct(at)
                || dictionary > DICTIONARY_BYTES * 3 / 4
            {
                properties = properties.set_column_dictionary_enabled(path.clone(), false);
                no_dictionary.push(field.name().clone());
            }
            if is_one(&known.keys.lookups) && known.sample.distinct(at) > FEW_KEYS {
                properties = properties
                    .set_column_bloom_filter_fpp(path.clone(), 0.01)
                    .set_column_bloom_filter_max_ndv(path.clone(), group_rows as u64);
                bloom_filters.push(field.name().clone());
            }
            let selected_by = is_one(&known.keys.lookups) || known.sort_by.contains(&at);
            if known.sample.width(at) > LONG_TEXT && !selected_by {
                properties = properties.set_column_statistics_enabled(path, EnabledStatistics::Chunk);
            }
        }
        Ok(Self { properties: properties.build(), group_rows, bloom_filters, no_dictionary, codec })
    }
}

/// The sorting columns as footers name them: by their place among the leaves.
fn sorting(schema: &Schema, sort_by: &[usize]) -> Result<Option<Vec<SortingColumn>>, ParquetError> {
    let leaves = ArrowSchemaConverter::new().convert(schema)?;
    let leaf = |at: &usize| {
        let name = schema.fields().get(*at)?.name();
        let is = |leaf: &usize| matches!(leaves.column(*leaf).path().parts(), [only] if only == name);
        let column_idx = i32::try_from((0..leaves.num_columns()).find(is)?).ok()?;
        Some(SortingColumn { column_idx, descending: false, nulls_first: false })
    };
    let columns: Vec<SortingColumn> = sort_by.iter().filter_map(leaf).collect();
    Ok((!columns.is_empty()).then_some(columns))
}
