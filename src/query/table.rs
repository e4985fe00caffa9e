//! What a statement may read: each table with the grant that shows it and the place its rows come from.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::ObjectStore;

use super::{Statement, TableName};
use crate::policy::Grant;
use crate::source::{DatasetSource, SourceError};

/// One table of a statement, as one principal may see it.
#[derive(Debug, Clone)]
pub struct GovernedTable {
    /// The schema the statement names: a domain.
    pub schema: String,
    /// The table the statement names: a dataset, maybe with its version (`orders_v2`).
    pub table: String,
    /// What of it is shown.
    pub grant: Grant,
    /// Where its rows come from.
    pub rows: Rows,
}

/// A table's columns without its rows, to see whether a statement plans: it opens nothing, so it needs no grant.
#[derive(Debug, Clone)]
pub struct TableShape {
    /// The table as the statement names it.
    pub name: TableName,
    /// Its columns.
    pub columns: SchemaRef,
}

/// Where the rows of a dataset come from.
#[derive(Debug, Clone)]
pub enum Rows {
    /// Parquet files.
    Files(Arc<FileRows>),
    /// A statement over other datasets, read with the grants of the domain that owns this one.
    Derived {
        /// The contract's SQL.
        statement: Arc<Statement>,
        /// The tables it names, each with a grant to the domain.
        tables: Vec<GovernedTable>,
    },
}

/// An opened file dataset: an exact list of files and how its columns stand in them.
#[derive(Clone)]
pub struct FileRows {
    /// The scan of all files: no predicate, no projection, no limit.
    pub(super) scan: FileScanConfig,
    /// For each column of the contract, its position in the scan's table schema.
    pub(super) columns: Vec<usize>,
    /// Where the files lie, under the URL the scan names.
    pub(super) store: (ObjectStoreUrl, Arc<dyn ObjectStore>),
    /// The dataset as a plain table; only for a grant that hides nothing of it.
    plain: Option<Arc<dyn TableProvider>>,
    source: DatasetSource,
}

impl FileRows {
    /// The files of an opened dataset, for a grant of it.
    ///
    /// # Errors
    /// [`SourceError::WrongGrant`] for a grant of another dataset.
    pub fn open(source: &DatasetSource, grant: &Grant) -> Result<Self, SourceError> {
        // One group: the optimiser cuts it into as many partitions as it wants.
        let scan = source.file_scan(grant, 1)?;
        let columns = (0..source.dataset().columns.len()).map_while(|column| source.raw_index(column)).collect();
        let plain = if grant.is_unrestricted() { Some(source.provider(grant)?) } else { None };
        Ok(Self { scan, columns, store: source.store(), plain, source: source.clone() })
    }
}

impl GovernedTable {
    /// The plain table, if the grant hides nothing.
    pub(super) fn plain(&self) -> Option<&Arc<dyn TableProvider>> {
        match &self.rows {
            Rows::Files(rows) if self.grant.is_unrestricted() && rows.fit(&self.grant) => rows.plain.as_ref(),
            _ => None,
        }
    }
}

/// Two tables are the same to a statement: under the same names, the same is shown of the same rows.
impl PartialEq for GovernedTable {
    fn eq(&self, other: &Self) -> bool {
        (&self.schema, &self.table) == (&other.schema, &other.table)
            && self.grant.shows_as(&other.grant)
            && self.rows == other.rows
    }
}

impl PartialEq for Rows {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Files(one), Self::Files(other)) => one.source.is(&other.source),
            (
                Self::Derived { statement: one, tables: of_one },
                Self::Derived { statement: other, tables: of_other },
            ) => Arc::ptr_eq(one, other) && of_one == of_other,
            (Self::Files(_), Self::Derived { .. }) | (Self::Derived { .. }, Self::Files(_)) => false,
        }
    }
}

impl FileRows {
    /// How many files are read.
    pub(super) fn files(&self) -> usize {
        self.source.file_count()
    }

    /// A scan of all these files' rows, the first `rows` of them read apart; none where that is not worth it.
    pub(super) async fn first_rows_apart(&self, scan: &FileScanConfig, rows: usize) -> Option<FileScanConfig> {
        self.source.first_rows_apart(scan, rows).await
    }

    /// The bytes of a row of these columns in memory, on the average; none where the files do not tell.
    pub(super) fn row_width(&self, columns: &BTreeSet<String>) -> Option<usize> {
        let all = self.source.dataset().columns.iter().enumerate();
        let read = all.filter(|(_, column)| columns.contains(&column.name));
        read.map(|(at, _)| self.source.width(at)).sum()
    }

    /// Whether the grant speaks of the columns that these files were opened for.
    pub(super) fn fit(&self, grant: &Grant) -> bool {
        Arc::ptr_eq(self.source.dataset(), grant.dataset()) || self.source.dataset() == grant.dataset()
    }
}

/// Written by hand: what it holds names files.
impl fmt::Debug for FileRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileRows({} columns)", self.columns.len())
    }
}
