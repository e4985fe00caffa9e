//! How the contract's columns stand in a dataset's files and folders, and whether each file keeps what is promised.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::ParquetMetaData;

use crate::product::{Column, Dataset};
use crate::source::agreement::File;
use crate::source::error::{SourceError, SourceFault, classify};
use crate::source::snapshot::{Snapshot, SnapshotFile};
use crate::source::{hive, statistics};

/// Where the contract's columns are in the scan's table: columns of the files first, then those of the
/// folders' names, each in the contract's order.
#[derive(Clone)]
pub(super) struct Layout {
    pub(super) table: TableSchema,
    /// The table's schema under the contract's names.
    pub(super) named: SchemaRef,
    pub(super) raw_index: Vec<usize>,
}

impl Layout {
    /// Which columns come from files and which from folders' names. A key counts where every file's path has
    /// it, and then wins over a column of that name in the files, as with other engines.
    pub(super) fn of(dataset: &Dataset, snapshot: &Snapshot) -> Result<(Self, Vec<Column>, Vec<Column>), SourceError> {
        let refuse = |reason| SourceError::Contract { dataset: dataset.name.to_string(), reason };
        let mut names = HashSet::new();
        for column in &dataset.columns {
            if !names.insert(&column.physical_name) {
                return Err(refuse(format!("two columns have the physical name `{}`", column.physical_name)));
            }
        }
        let mut files = Vec::new();
        let mut folders = Vec::new();
        for (index, column) in dataset.columns.iter().enumerate() {
            let has_key = |file: &&SnapshotFile| file.keys.iter().any(|key| key.key == column.physical_name);
            let with = snapshot.files().iter().filter(has_key).count();
            if with == 0 {
                files.push((index, column));
            } else if with == snapshot.files().len() {
                folders.push((index, column));
            } else {
                let column = &column.physical_name;
                return Err(refuse(format!("some files lie in a folder `{column}=…` and others do not")));
            }
        }
        if files.is_empty() {
            return Err(refuse("every column is a partition key".into()));
        }
        let fields = |columns: &[(usize, &Column)]| -> Vec<FieldRef> {
            let field = |column: &Column| Field::new(&column.physical_name, column.data_type.clone(), column.nullable);
            columns.iter().map(|(_, column)| Arc::new(field(column))).collect()
        };
        let table = TableSchema::builder(Arc::new(Schema::new(fields(&files))))
            .with_table_partition_cols(fields(&folders))
            .build();
        let mut raw_index = vec![0; dataset.columns.len()];
        for (raw, (index, _)) in files.iter().chain(&folders).enumerate() {
            raw_index[*index] = raw;
        }
        let named = files.iter().chain(&folders).map(|(_, column)| column.field()).collect::<Vec<_>>();
        let columns = |of: Vec<(usize, &Column)>| of.into_iter().map(|(_, column)| column.clone()).collect();
        Ok((Self { table, named: Arc::new(Schema::new(named)), raw_index }, columns(files), columns(folders)))
    }
}

/// What each file is checked against.
pub(super) struct FileCheck {
    pub(super) file_columns: Vec<Column>,
    pub(super) partition_columns: Vec<Column>,
    pub(super) table_fields: Vec<Field>,
}

impl FileCheck {
    pub(super) fn file(
        &self,
        file: &SnapshotFile,
        footer: &Arc<ParquetMetaData>,
    ) -> Result<PartitionedFile, SourceError> {
        let name = file.meta.location.as_ref();
        let columns: Vec<&Column> = self.file_columns.iter().collect();
        let agreed = File { name, footer }.agree(&columns)?;
        let values = self
            .partition_columns
            .iter()
            .map(|column| {
                let disagrees = |reason: String| SourceError::Disagrees {
                    file: name.to_owned(),
                    column: column.physical_name.clone(),
                    reason,
                };
                let key = file.keys.iter().find(|key| key.key == column.physical_name);
                let value = key.and_then(|key| key.value.as_deref());
                if value.is_none() && !column.nullable {
                    return Err(disagrees("is NULL in the folder's name, though the contract requires a value".into()));
                }
                hive::typed(value, &column.data_type).map_err(disagrees)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let fields: Vec<&Field> = self.table_fields.iter().collect();
        let statistics = statistics::of_file(footer, &agreed, &fields, &values);
        let mut found = PartitionedFile::new_from_meta(file.meta.clone())
            .with_partition_values(values)
            .with_arrow_schema(agreed.schema);
        // Not `with_statistics`, which takes every partition value for present.
        found.statistics = Some(Arc::new(statistics));
        Ok(found)
    }
}

pub(super) fn unreadable(file: &SnapshotFile, error: ParquetError) -> SourceError {
    let name = file.meta.location.to_string();
    match classify(&error) {
        Some(SourceFault::Changed) => SourceError::Changed { file: name },
        Some(SourceFault::Unavailable | SourceFault::Busy) => SourceError::io(name, error),
        Some(SourceFault::Damaged) | None => SourceError::Damaged { file: name, reason: error.to_string() },
    }
}
