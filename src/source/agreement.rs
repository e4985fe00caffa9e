//! Whether a file keeps what the contract promises, column by column.
//!
//! Files of one dataset may be older or newer than the contract: what a file lacks and the contract does not require
//! reads as NULL, narrower types are widened (`fit`), names may differ in case (`place`), other columns are not read.
//! What could change a value, or could mean another column, is refused.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use datafusion::parquet::basic::Type as PhysicalType;
use datafusion::parquet::file::metadata::ParquetMetaData;

use super::error::SourceError;
use super::fit::{Fit, alike, fit, hint, undictionaried};
use super::place::{Place, places};
use super::statistics;
use crate::product::Column;

/// One file and its footer.
pub(super) struct File<'a> {
    pub name: &'a str,
    pub footer: &'a Arc<ParquetMetaData>,
}

/// How to read a file that agrees with its contract.
pub(super) struct Agreed {
    /// The file's own schema, with the contract's type where only the encoding differs.
    pub schema: SchemaRef,
    /// Where each column of the contract is in it; none for one that reads as NULL.
    pub places: Vec<Option<usize>>,
}

impl File<'_> {
    /// Checks the file against the columns it must hold, and says how to read it.
    pub fn agree(&self, columns: &[&Column]) -> Result<Agreed, SourceError> {
        let damaged = |error: &dyn std::fmt::Display| SourceError::Damaged {
            file: self.name.to_owned(),
            reason: error.to_string(),
        };
        let read = |options| ArrowReaderMetadata::try_new(Arc::clone(self.footer), options);
        let own = read(ArrowReaderOptions::new()).map_err(|error| damaged(&error))?;
        let own = own.schema();
        let leaves = Leaves::of(self.footer);
        let wanted: Vec<&str> = columns.iter().map(|column| column.physical_name.as_str()).collect();
        let mut fields: Vec<Arc<Field>> = own.fields().iter().cloned().collect();
        let mut at = Vec::with_capacity(columns.len());
        for (column, place) in columns.iter().zip(places(&wanted, own.fields())) {
            let place = self.place(column, place)?;
            at.push(place);
            let Some(place) = place else { continue };
            let read = self.column(column, own.field(place), leaves.of_root(place))?;
            if read != *own.field(place).data_type() {
                fields[place] = Arc::new(own.field(place).clone().with_data_type(read));
            }
        }
        let wanted = Arc::new(Schema::new_with_metadata(fields, own.metadata().clone()));
        // Where the reader cannot decode into the contract's encoding, the values are cast after reading.
        let readable = read(ArrowReaderOptions::new().with_schema(Arc::clone(&wanted))).is_ok();
        Ok(Agreed { schema: if readable { wanted } else { Arc::clone(own) }, places: at })
    }

    /// Where the column is; none if it is missing and may be.
    fn place(&self, column: &Column, place: Place) -> Result<Option<usize>, SourceError> {
        let reason = match place {
            Place::At(at) => return Ok(Some(at)),
            Place::Missing if column.nullable => return Ok(None),
            Place::Missing => {
                "is missing, and the contract requires it\n    hint: write it, or say `required: false`: then it reads as NULL"
                    .to_owned()
            }
            Place::Repeated => "is there more than once".to_owned(),
            Place::Unclear(found) => format!(
                "is not there under this name, and `{}` could be meant\n    hint: give the name exactly, as `physicalName`",
                found.join("` or `")
            ),
        };
        Err(self.disagrees(column, reason))
    }

    /// The type to read a column in.
    fn column(&self, column: &Column, field: &Field, leaf: Option<usize>) -> Result<DataType, SourceError> {
        let int96 = leaf.is_some_and(|leaf| {
            self.footer.file_metadata().schema_descr().column(leaf).physical_type() == PhysicalType::INT96
        });
        let (contract, file) = (&column.data_type, field.data_type());
        let found = fit(contract, file, int96);
        if found == Fit::No {
            let hint = hint(contract, file, int96);
            let reason = format!("has type {file} in the file and {contract} in the contract\n    hint: {hint}");
            return Err(self.disagrees(column, reason));
        }
        let coarse = field.clone().with_data_type(undictionaried(file).clone());
        if found == Fit::Finer && !leaf.is_some_and(|leaf| statistics::prove_fit(self.footer, &coarse, leaf, contract))
        {
            let reason = format!(
                "has type {file} in the file and {contract} in the contract, and its footer does not show that every \
                 value fits\n    hint: state the file's unit in the contract, or write the file again with statistics"
            );
            return Err(self.disagrees(column, reason));
        }
        if !column.nullable && field.is_nullable() {
            self.holds_no_null(column, leaf)?;
        }
        Ok(match found {
            _ if contract.is_nested() => file.clone(),
            Fit::Same => contract.clone(),
            Fit::Wider | Fit::Finer | Fit::No => undictionaried(file).clone(),
        })
    }

    /// A required column of an optional field: the footer must not count any null. Where it counts none at
    /// all, reading refuses the first null it meets.
    fn holds_no_null(&self, column: &Column, leaf: Option<usize>) -> Result<(), SourceError> {
        let Some(leaf) = leaf.filter(|_| !column.data_type.is_nested()) else { return Ok(()) };
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

    fn disagrees(&self, column: &Column, reason: String) -> SourceError {
        SourceError::Disagrees { file: self.name.to_owned(), column: column.physical_name.clone(), reason }
    }
}

/// Which of a footer's leaf columns comes first within each of its columns.
pub(super) struct Leaves(Vec<usize>);

impl Leaves {
    pub fn of(footer: &ParquetMetaData) -> Self {
        let descriptor = footer.file_metadata().schema_descr();
        let mut first = Vec::new();
        for leaf in 0..descriptor.num_columns() {
            if descriptor.get_column_root_idx(leaf) >= first.len() {
                first.push(leaf);
            }
        }
        Self(first)
    }

    pub fn of_root(&self, root: usize) -> Option<usize> {
        self.0.get(root).copied()
    }
}

/// What the contract has and no file does, as a path such as `total` or `address.street`. Where one file lacks it, it
/// was added later; where all do, its name is misspelt, and would read as NULL for ever.
pub(super) fn nowhere<'a>(columns: &[Column], schemas: impl Iterator<Item = &'a SchemaRef>) -> Option<String> {
    let mut lacking: Option<Vec<String>> = None;
    let mut last: Option<&SchemaRef> = None;
    for schema in schemas {
        // Files share their schemas.
        if last.is_some_and(|last| Arc::ptr_eq(last, schema)) {
            continue;
        }
        last = Some(schema);
        let here = lacking_in(columns, schema);
        lacking = Some(match lacking {
            None => here,
            Some(before) => before.into_iter().filter(|path| here.contains(path)).collect(),
        });
        if lacking.as_ref().is_some_and(Vec::is_empty) {
            return None;
        }
    }
    lacking?.into_iter().next()
}

fn lacking_in(columns: &[Column], schema: &Schema) -> Vec<String> {
    let wanted: Vec<&str> = columns.iter().map(|column| column.physical_name.as_str()).collect();
    let mut lacking = Vec::new();
    for (column, place) in columns.iter().zip(places(&wanted, schema.fields())) {
        let file = match place {
            Place::At(at) => Some(schema.field(at).data_type()),
            _ => None,
        };
        lacks(column.physical_name.clone(), &column.data_type, file, &mut lacking);
    }
    lacking
}

/// Gathers what a file lacks of a column: with something missing, all that is within.
fn lacks(path: String, contract: &DataType, file: Option<&DataType>, lacking: &mut Vec<String>) {
    use DataType as T;
    let children = |contract: &Fields, file: Option<&Fields>, lacking: &mut Vec<String>| {
        for child in contract {
            let own = file.and_then(|fields| fields.iter().find(|field| alike(field.name(), child.name())));
            let path = format!("{path}.{}", child.name());
            lacks(path, child.data_type(), own.map(|field| field.data_type()), lacking);
        }
    };
    if file.is_none() {
        lacking.push(path.clone());
    }
    match (contract, file) {
        (T::Struct(contract), Some(T::Struct(file))) => children(contract, Some(file), lacking),
        (T::Struct(contract), _) => children(contract, None, lacking),
        (T::List(contract) | T::LargeList(contract) | T::FixedSizeList(contract, _), file) => {
            let within = match file {
                Some(T::List(file) | T::LargeList(file) | T::FixedSizeList(file, _)) => Some(file.data_type()),
                // The list itself has been said; what is within has the same path.
                _ if matches!(contract.data_type(), T::Struct(_) | T::List(_) | T::LargeList(_)) => None,
                _ => return,
            };
            lacks(path, contract.data_type(), within, lacking);
        }
        _ => {}
    }
}
