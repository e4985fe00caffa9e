//! How the demo's Parquet files are laid out: as Airside likes to read them.
//!
//! Point lookups live in the layout. Rows are sorted by key and the page index is written, so that a
//! lookup reads one page; keys carry bloom filters and no dictionary (it would only repeat them), columns
//! of few values do. Strings are plain Utf8.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use tpchgen_arrow::RecordBatchIterator;

use super::tables::Table;

/// Rows of a row group: several per file to spread over threads and prune by.
const ROW_GROUP_ROWS: usize = 128 * 1024;
/// Rows of a page: what a point lookup decodes.
const PAGE_ROWS: usize = 8 * 1024;

/// What a table's columns are like.
struct Columns {
    /// The key, which the rows are sorted by.
    key: &'static [&'static str],
    /// Looked up by equality beside the key.
    lookups: &'static [&'static str],
    /// Nearly every value is another: a dictionary would only grow the file.
    distinct: &'static [&'static str],
    /// Free text: nobody compares it, so pages carry no bounds of it.
    text: &'static [&'static str],
}

fn columns(table: Table) -> Columns {
    let (key, lookups, distinct, text): (&'static [_], &'static [_], &'static [_], &'static [_]) = match table {
        Table::LineItem => (
            &["l_orderkey", "l_linenumber"],
            &["l_partkey", "l_suppkey"],
            &["l_orderkey", "l_partkey", "l_extendedprice"],
            &["l_comment"],
        ),
        Table::Orders => {
            (&["o_orderkey"], &["o_custkey"], &["o_orderkey", "o_custkey", "o_totalprice"], &["o_comment"])
        }
        Table::PartSupp => (&["ps_partkey", "ps_suppkey"], &["ps_suppkey"], &["ps_partkey"], &["ps_comment"]),
        Table::Customer => (
            &["c_custkey"],
            &["c_name", "c_phone"],
            &["c_custkey", "c_name", "c_address", "c_phone", "c_acctbal"],
            &["c_comment"],
        ),
        Table::Part => (&["p_partkey"], &["p_name"], &["p_partkey", "p_name"], &["p_comment"]),
        Table::Supplier => {
            (&["s_suppkey"], &["s_name"], &["s_suppkey", "s_name", "s_address", "s_phone", "s_acctbal"], &["s_comment"])
        }
        Table::Nation => (&["n_nationkey"], &[], &["n_nationkey", "n_name"], &["n_comment"]),
        Table::Region => (&["r_regionkey"], &[], &["r_regionkey", "r_name"], &["r_comment"]),
    };
    Columns { key, lookups, distinct, text }
}

/// Writes one file, telling `written` the rows of every batch; returns how many there were.
pub(super) fn write(
    table: Table,
    batches: Box<dyn RecordBatchIterator>,
    path: &Path,
    mut written: impl FnMut(usize),
) -> Result<(), ParquetError> {
    let schema = plain_schema(batches.schema());
    let file = File::create(path)?;
    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties(table, &schema)?))?;
    for batch in batches {
        writer.write(&plain(&batch, &schema)?)?;
        written(batch.num_rows());
    }
    writer.into_inner()?.sync_all()?;
    Ok(())
}

fn properties(table: Table, schema: &Schema) -> Result<WriterProperties, ParquetError> {
    let columns = columns(table);
    let key = columns.key.iter().filter_map(|name| schema.index_of(name).ok());
    let key = key.filter_map(|index| i32::try_from(index).ok());
    let sorting = key.map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: false }).collect();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(Some(sorting));
    for name in columns.distinct.iter().chain(columns.text) {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(*name), false);
    }
    for name in columns.text {
        properties = properties.set_column_statistics_enabled(ColumnPath::from(*name), EnabledStatistics::Chunk);
    }
    // The second column of a key says little by itself, unless it is looked up.
    for name in columns.key.iter().take(1).chain(columns.lookups) {
        let path = ColumnPath::from(*name);
        properties = properties
            .set_column_bloom_filter_fpp(path.clone(), 0.01)
            .set_column_bloom_filter_max_ndv(path, ROW_GROUP_ROWS as u64);
    }
    Ok(properties.build())
}

/// The schema with Utf8 for views: what a contract's VARCHAR means, and what goes over the wire.
fn plain_schema(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8View => Arc::new(Field::new(field.name(), DataType::Utf8, field.is_nullable())),
        _ => Arc::clone(field),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn plain(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ParquetError> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| cast(column, field.data_type()));
    let columns = columns.collect::<Result<Vec<ArrayRef>, _>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
