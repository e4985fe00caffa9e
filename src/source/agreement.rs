//! Whether a file keeps what the contract promises, column by column.
//!
//! A file agrees when it holds the contract's values in another *encoding*: a view or dictionary for a
//! string, another offset width, another width of the same decimal, another display zone of the same
//! instants. It disagrees when reading it would *convert* values: another unit, another precision,
//! another width of integer. Conversions lose, overflow or surprise; the contract's author decides.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use datafusion::parquet::basic::Type as PhysicalType;
use datafusion::parquet::file::metadata::ParquetMetaData;

use super::error::SourceError;
use crate::product::Column;

/// One file and its footer.
pub(super) struct File<'a> {
    pub name: &'a str,
    pub footer: &'a Arc<ParquetMetaData>,
}

impl File<'_> {
    /// Checks the file against the columns it must hold, and gives the schema to read it with: the file's
    /// own, with the contract's type where only the encoding differs.
    pub fn agree(&self, columns: &[&Column]) -> Result<SchemaRef, SourceError> {
        let damaged = |error: &dyn std::fmt::Display| SourceError::Damaged {
            file: self.name.to_owned(),
            reason: error.to_string(),
        };
        let read = |options| ArrowReaderMetadata::try_new(Arc::clone(self.footer), options);
        let own = read(ArrowReaderOptions::new()).map_err(|error| damaged(&error))?;
        let own = own.schema();
        let mut fields: Vec<Arc<Field>> = own.fields().iter().cloned().collect();
        for column in columns {
            let at = self.position(own, column)?;
            let field = own.field(at);
            let int96 = self.is_int96(at);
            if !agrees(&column.data_type, field.data_type(), int96) {
                return Err(self.disagrees(
                    column,
                    format!(
                        "has type {} in the file and {} in the contract\n    hint: {}",
                        field.data_type(),
                        column.data_type,
                        hint(&column.data_type, field.data_type(), int96),
                    ),
                ));
            }
            if !column.nullable && field.is_nullable() {
                self.holds_no_null(column, at)?;
            }
            if !column.data_type.is_nested() && *field.data_type() != column.data_type {
                fields[at] = Arc::new(field.clone().with_data_type(column.data_type.clone()));
            }
        }
        let wanted = Arc::new(Schema::new_with_metadata(fields, own.metadata().clone()));
        // Where the reader cannot decode into the contract's encoding, the values are cast after reading.
        let readable = read(ArrowReaderOptions::new().with_schema(Arc::clone(&wanted))).is_ok();
        Ok(if readable { wanted } else { Arc::clone(own) })
    }

    /// Where the column is. Names are compared exactly: engines that fold case would read another column.
    fn position(&self, schema: &Schema, column: &Column) -> Result<usize, SourceError> {
        let name = &column.physical_name;
        let mut found = schema.fields().iter().enumerate().filter(|(_, field)| field.name() == name);
        match (found.next(), found.next()) {
            (Some((at, _)), None) => Ok(at),
            (Some(_), Some(_)) => Err(self.disagrees(column, "is there more than once".into())),
            (None, _) => {
                let alike = schema.fields().iter().find(|field| field.name().eq_ignore_ascii_case(name));
                Err(self.disagrees(
                    column,
                    match alike {
                        Some(field) => format!(
                            "is missing\n    hint: the file has `{}`; names are compared exactly, so give it as `physicalName`",
                            field.name()
                        ),
                        None => "is missing\n    hint: write it, or remove it from the contract's next version".into(),
                    },
                ))
            }
        }
    }

    /// A required column of an optional field: the footer must not count any null. Where it counts none at
    /// all, reading refuses the first null it meets.
    fn holds_no_null(&self, column: &Column, at: usize) -> Result<(), SourceError> {
        let descriptor = self.footer.file_metadata().schema_descr();
        let Some(leaf) = (0..descriptor.num_columns()).find(|leaf| descriptor.get_column_root_idx(*leaf) == at) else {
            return Ok(());
        };
        if column.data_type.is_nested() {
            return Ok(());
        }
        let nulls: u64 = self
            .footer
            .row_groups()
            .iter()
            .filter_map(|group| group.columns().get(leaf)?.statistics()?.null_count_opt())
            .fold(0, u64::saturating_add);
        if nulls == 0 {
            return Ok(());
        }
        let reason = format!(
            "lacks a value in {nulls} rows, though the contract requires one\n    hint: mend the file, or say `required: false`"
        );
        Err(self.disagrees(column, reason))
    }

    fn is_int96(&self, at: usize) -> bool {
        let descriptor = self.footer.file_metadata().schema_descr();
        (0..descriptor.num_columns()).any(|leaf| {
            descriptor.get_column_root_idx(leaf) == at && descriptor.column(leaf).physical_type() == PhysicalType::INT96
        })
    }

    fn disagrees(&self, column: &Column, reason: String) -> SourceError {
        SourceError::Disagrees { file: self.name.to_owned(), column: column.physical_name.clone(), reason }
    }
}

/// Whether the file's type holds the contract's values, in whatever encoding.
fn agrees(contract: &DataType, file: &DataType, int96: bool) -> bool {
    use DataType as T;
    match (contract, file) {
        (T::Dictionary(_, contract), file) => agrees(contract, file, int96),
        (contract, T::Dictionary(_, file)) => agrees(contract, file, int96),
        (T::Utf8 | T::LargeUtf8 | T::Utf8View, T::Utf8 | T::LargeUtf8 | T::Utf8View) => true,
        (T::Binary | T::LargeBinary | T::BinaryView, T::Binary | T::LargeBinary | T::BinaryView) => true,
        // INT96 has neither unit nor zone of its own. Writers put microseconds into it; coarser would round.
        (T::Timestamp(unit, _), T::Timestamp(..)) if int96 => {
            matches!(unit, TimeUnit::Microsecond | TimeUnit::Nanosecond)
        }
        (T::Timestamp(unit, zone), T::Timestamp(file_unit, file_zone)) => {
            unit == file_unit && zone.is_some() == file_zone.is_some()
        }
        (contract, file) if decimal(contract).is_some() => decimal(contract) == decimal(file),
        (T::List(contract) | T::LargeList(contract), T::List(file) | T::LargeList(file)) => {
            agrees(contract.data_type(), file.data_type(), false)
        }
        (T::FixedSizeList(contract, size), T::FixedSizeList(file, file_size)) => {
            size == file_size && agrees(contract.data_type(), file.data_type(), false)
        }
        (T::Struct(contract), T::Struct(file)) => children_agree(contract, file),
        (T::Map(contract, _), T::Map(file, _)) => match (contract.data_type(), file.data_type()) {
            (T::Struct(contract), T::Struct(file)) if contract.len() == 2 && file.len() == 2 => {
                contract.iter().zip(file).all(|(c, f)| agrees(c.data_type(), f.data_type(), false))
            }
            _ => false,
        },
        _ => contract == file,
    }
}

/// Every child of the contract is there; others of the file are not read.
fn children_agree(contract: &Fields, file: &Fields) -> bool {
    contract.iter().all(|child| {
        let mut found = file.iter().filter(|field| field.name() == child.name());
        match (found.next(), found.next()) {
            (Some(field), None) => agrees(child.data_type(), field.data_type(), false),
            _ => false,
        }
    })
}

/// Precision and scale, whatever the width.
fn decimal(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => Some((*precision, *scale)),
        _ => None,
    }
}

fn hint(contract: &DataType, file: &DataType, int96: bool) -> &'static str {
    use DataType as T;
    match (contract, file) {
        (T::Timestamp(..), T::Timestamp(..)) if int96 => "legacy INT96 timestamps are read in micro- or nanoseconds",
        (T::Timestamp(unit, _), T::Timestamp(file_unit, _)) if unit != file_unit => {
            "units of time are not converted: state the file's unit in the contract, or rewrite the file"
        }
        (T::Timestamp(..), T::Timestamp(..)) => {
            "instants (with a time zone) and local times are different: state which the file holds"
        }
        (T::Utf8 | T::LargeUtf8 | T::Utf8View, T::Binary | T::LargeBinary | T::BinaryView) => {
            "the file does not mark these bytes as text: write the column with the STRING logical type"
        }
        (contract, file) if contract.is_integer() && file.is_integer() => {
            "widths of integers are not converted: state the file's in the contract, or rewrite the file"
        }
        _ => "state the file's type in the contract, or rewrite the file",
    }
}

#[cfg(test)]
mod tests {
    use DataType as T;

    use super::*;

    #[test]
    fn encodings_agree_and_conversions_do_not() {
        let dictionary = |value| T::Dictionary(Box::new(T::Int32), Box::new(value));
        let zoned = |zone: &str| T::Timestamp(TimeUnit::Microsecond, Some(zone.into()));
        let list = |name: &str, item| T::List(Arc::new(Field::new(name, item, true)));
        let record = |fields: &[(&str, T)]| {
            T::Struct(fields.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect())
        };
        for (contract, file) in [
            (T::Utf8, T::LargeUtf8),
            (T::Utf8, T::Utf8View),
            (T::Utf8, dictionary(T::Utf8View)),
            (T::Binary, T::BinaryView),
            (T::Int64, dictionary(T::Int64)),
            (T::Decimal128(12, 2), T::Decimal64(12, 2)),
            (zoned("UTC"), zoned("Europe/Berlin")),
            (list("item", T::Utf8), list("element", T::LargeUtf8)),
            (record(&[("a", T::Int32)]), record(&[("b", T::Utf8), ("a", T::Int32)])),
        ] {
            assert!(agrees(&contract, &file, false), "{contract} {file}");
        }
        for (contract, file) in [
            (T::Int64, T::Int32),
            (T::Int64, T::UInt64),
            (T::Utf8, T::Binary),
            (T::Utf8, T::Int64),
            (T::Float64, T::Float32),
            (T::Decimal128(12, 2), T::Decimal128(12, 3)),
            (T::Decimal128(12, 2), T::Float64),
            (T::Date32, T::Date64),
            (T::Timestamp(TimeUnit::Microsecond, None), T::Timestamp(TimeUnit::Nanosecond, None)),
            (T::Timestamp(TimeUnit::Microsecond, None), zoned("UTC")),
            (record(&[("a", T::Int32)]), record(&[("A", T::Int32)])),
            (list("item", T::Utf8), list("item", T::Int32)),
        ] {
            assert!(!agrees(&contract, &file, false), "{contract} {file}");
        }
        assert!(agrees(&zoned("UTC"), &T::Timestamp(TimeUnit::Nanosecond, None), true));
        assert!(!agrees(&T::Timestamp(TimeUnit::Second, None), &T::Timestamp(TimeUnit::Nanosecond, None), true));
    }
}
