//! What footers tell of a file's columns, as far as it can be relied on.
//!
//! DataFusion plans by these and answers COUNT, MIN and MAX from them, so whatever is not certain is
//! left out: a null count the writer did not give is not zero, bounds of floats ignore NaN, bounds of
//! text may be cut short, and old writers ordered some types wrongly.

use std::cmp::Ordering;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use datafusion::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

use super::agreement::{Agreed, Leaves};
use super::fit::{Fit, fit};

/// Statistics of one file in the contract's types: its own columns, then its partition columns.
pub(super) fn of_file(
    footer: &ParquetMetaData,
    agreed: &Agreed,
    columns: &[&Field],
    partition: &[ScalarValue],
) -> Statistics {
    let rows = rows_of(footer);
    let bytes = footer.row_groups().iter().map(|group| count(group.total_byte_size())).fold(0, usize::saturating_add);
    let leaves = Leaves::of(footer);
    let own = columns.iter().zip(&agreed.places).map(|(field, place)| match place {
        Some(at) => {
            let known = leaves.of_root(*at).and_then(|leaf| of_column(footer, agreed.schema.field(*at), leaf, rows));
            in_type(known.unwrap_or_default(), agreed.schema.field(*at).data_type(), field.data_type(), rows)
        }
        None => all_null(field.data_type(), rows),
    });
    let partition = partition.iter().map(|value| of_partition(value, rows));
    Statistics {
        num_rows: Precision::Exact(rows),
        total_byte_size: Precision::Inexact(bytes),
        column_statistics: own.chain(partition).collect(),
    }
}

/// Whether the footer proves that each value of a column, which it has as `field`, is one of another type as well.
pub(super) fn prove_fit(footer: &ParquetMetaData, field: &Field, leaf: usize, wanted: &DataType) -> bool {
    let rows = rows_of(footer);
    let Some(known) = of_column(footer, field, leaf, rows) else { return false };
    let fits = |bound: &Precision<ScalarValue>| matches!(bound, Precision::Exact(value) if value.cast_to(wanted).is_ok_and(|value| !value.is_null()));
    known.null_count == Precision::Exact(rows) || (fits(&known.min_value) && fits(&known.max_value))
}

/// What is known of a column of the file's type, of the contract's. Only what widens is converted, since only then
/// the bounds stay bounds.
fn in_type(known: ColumnStatistics, file: &DataType, contract: &DataType, rows: usize) -> ColumnStatistics {
    if file == contract {
        return known;
    }
    let widens = file.is_primitive() && matches!(fit(contract, file, false), Fit::Wider | Fit::Finer);
    let cast = |value: &ScalarValue| value.cast_to(contract).ok().filter(|value| widens && !value.is_null());
    let bound = |bound: &Precision<ScalarValue>| match (bound.get_value().and_then(cast), bound.is_exact()) {
        (Some(value), Some(true)) => Precision::Exact(value),
        (Some(value), _) => Precision::Inexact(value),
        (None, _) => Precision::Absent,
    };
    ColumnStatistics {
        null_count: known.null_count,
        min_value: bound(&known.min_value),
        max_value: bound(&known.max_value),
        byte_size: match byte_size(contract, rows) {
            Precision::Absent => known.byte_size,
            size => size,
        },
        ..ColumnStatistics::default()
    }
}

/// Of a column that the file lacks.
fn all_null(data_type: &DataType, rows: usize) -> ColumnStatistics {
    let byte_size = byte_size(data_type, rows);
    ColumnStatistics { null_count: Precision::Exact(rows), byte_size, ..ColumnStatistics::default() }
}

fn rows_of(footer: &ParquetMetaData) -> usize {
    footer.row_groups().iter().map(|group| count(group.num_rows())).fold(0, usize::saturating_add)
}

fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or_default()
}

/// Every row has the value of the folder's name.
fn of_partition(value: &ScalarValue, rows: usize) -> ColumnStatistics {
    let known = ColumnStatistics { byte_size: byte_size(&value.data_type(), rows), ..ColumnStatistics::default() };
    if value.is_null() {
        return all_null(&value.data_type(), rows);
    }
    ColumnStatistics {
        null_count: Precision::Exact(0),
        min_value: Precision::Exact(value.clone()),
        max_value: Precision::Exact(value.clone()),
        distinct_count: Precision::Exact(usize::from(rows > 0)),
        ..known
    }
}

fn byte_size(data_type: &DataType, rows: usize) -> Precision<usize> {
    data_type.primitive_width().map_or(Precision::Absent, |width| Precision::Exact(width.saturating_mul(rows)))
}

/// Of a column in the type it is read in; nothing is known of nested ones.
fn of_column(footer: &ParquetMetaData, field: &Field, leaf: usize, rows: usize) -> Option<ColumnStatistics> {
    if field.data_type().is_nested() {
        return None;
    }
    let groups = footer.row_groups();
    let mut known = ColumnStatistics { byte_size: byte_size(field.data_type(), rows), ..ColumnStatistics::default() };
    let converter = StatisticsConverter::from_column_index(leaf, field, footer.file_metadata().schema_descr())
        .ok()?
        .with_missing_null_counts_as_zero(false);
    if known.byte_size == Precision::Absent {
        known.byte_size = text_size(groups, leaf, rows);
    }
    let nulls = converter.row_group_null_counts(groups).ok()?;
    if nulls.null_count() == 0 {
        let sum = nulls.values().iter().fold(0_u64, |sum, nulls| sum.saturating_add(*nulls));
        if let Some(sum) = usize::try_from(sum).ok().filter(|sum| *sum <= rows) {
            known.null_count = Precision::Exact(sum);
        }
    }
    if groups.iter().any(|group| wrongly_ordered(group, leaf)) {
        return Some(known);
    }
    let (mins, maxes) = (converter.row_group_mins(groups).ok()?, converter.row_group_maxes(groups).ok()?);
    let min_exact = converter.row_group_is_min_value_exact(groups).ok()?;
    let max_exact = converter.row_group_is_max_value_exact(groups).ok()?;
    known.min_value = Bound { values: &mins, exact: &min_exact, groups, nulls: &nulls }.fold(field, |a, b| a < b);
    known.max_value = Bound { values: &maxes, exact: &max_exact, groups, nulls: &nulls }.fold(field, |a, b| a > b);
    // Bounds that contradict each other are a damaged footer's; the planner would repeat them in its complaint.
    if let (Some(min), Some(max)) = (known.min_value.get_value(), known.max_value.get_value())
        && !matches!(min.partial_cmp(max), Some(Ordering::Less | Ordering::Equal))
    {
        (known.min_value, known.max_value) = (Precision::Absent, Precision::Absent);
    }
    Some(known)
}

/// The bytes of a column of texts: as Arrow has them where the writer tells, else as the file has them.
fn text_size(groups: &[RowGroupMetaData], leaf: usize, rows: usize) -> Precision<usize> {
    let columns = || groups.iter().filter_map(|group| group.columns().get(leaf));
    let told = columns().map(|column| column.unencoded_byte_array_data_bytes().map(count));
    match told.sum::<Option<usize>>() {
        Some(told) => Precision::Exact(told.saturating_add(rows.saturating_mul(size_of::<i32>()))),
        None => {
            Precision::Inexact(columns().map(|column| count(column.uncompressed_size())).fold(0, usize::saturating_add))
        }
    }
}

fn wrongly_ordered(group: &RowGroupMetaData, leaf: usize) -> bool {
    group
        .columns()
        .get(leaf)
        .and_then(|column| column.statistics())
        .is_some_and(|statistics| statistics.is_min_max_deprecated() && !statistics.is_min_max_backwards_compatible())
}

/// One bound of a column, for each row group.
struct Bound<'a> {
    values: &'a ArrayRef,
    exact: &'a BooleanArray,
    groups: &'a [RowGroupMetaData],
    nulls: &'a UInt64Array,
}

impl Bound<'_> {
    /// The bound over all row groups; absent unless each group with values has one.
    fn fold(&self, field: &Field, better: fn(&ScalarValue, &ScalarValue) -> bool) -> Precision<ScalarValue> {
        let mut best: Option<ScalarValue> = None;
        let mut exact = !matches!(field.data_type(), DataType::Float16 | DataType::Float32 | DataType::Float64);
        for (at, group) in self.groups.iter().enumerate() {
            if group.num_rows() == 0 {
                continue;
            }
            if self.values.is_null(at) {
                let empty = self.nulls.is_valid(at) && self.nulls.value(at) == group.num_rows().unsigned_abs();
                if empty {
                    continue;
                }
                return Precision::Absent;
            }
            let Ok(value) = ScalarValue::try_from_array(self.values, at) else { return Precision::Absent };
            // Only values without a fixed width are ever cut short.
            let whole = field.data_type().is_primitive() || *field.data_type() == DataType::Boolean;
            exact &= whole || (self.exact.is_valid(at) && self.exact.value(at));
            match &best {
                Some(best) if !better(&value, best) => {}
                _ => best = Some(value),
            }
        }
        match best {
            Some(value) if value.data_type() != *field.data_type() => Precision::Absent,
            Some(value) if exact => Precision::Exact(value),
            Some(value) => Precision::Inexact(value),
            None => Precision::Absent,
        }
    }
}
