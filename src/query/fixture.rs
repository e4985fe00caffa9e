//! A small mesh for tests: real files, grants made by hand, an engine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use arrow::ipc::writer::StreamWriter;
use datafusion::common::ScalarValue;
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::*;
use crate::policy::{Comparison, Grant, GrantedColumn, Literal, RowFilter};
use crate::principal::Identity;
use crate::product::{
    Argument, Column, Dataset, Location, Mask, Name, NamedQuery, Origin, Parameter, ParameterType, Product, ProductId,
    Status, Version,
};
use crate::seal::Secret;
use crate::source::{DatasetSource, Stores, StoresConfig};

pub(super) const MESH: &str = "mesh";

/// An engine and the tables that one principal sees.
pub(super) struct Fixture {
    pub(super) engine: Engine,
    pub(super) tables: Vec<GovernedTable>,
    pub(super) folder: Arc<tempfile::TempDir>,
    stores: Stores,
}

/// What a grant shows.
pub(super) struct Shows<'a> {
    pub(super) rows: RowFilter,
    pub(super) masks: &'a [(&'a str, Mask)],
    pub(super) hidden: &'a [&'a str],
}

impl Shows<'_> {
    pub(super) fn everything() -> Self {
        Self { rows: RowFilter::All, masks: &[], hidden: &[] }
    }
}

/// Who asks, where it does not matter.
pub(super) fn asker() -> Identity {
    Identity::User("asker".into())
}

impl Fixture {
    pub(super) fn new(config: &EngineConfig) -> Self {
        // What the operator would read, beside a failing test.
        let _ = tracing_subscriber::fmt().with_env_filter("airside=debug").with_test_writer().try_init();
        Self {
            engine: Engine::new(config, MaskKey::new(Secret::new([7; 32]))).unwrap(),
            tables: Vec::new(),
            folder: Arc::new(tempfile::tempdir().unwrap()),
            stores: Stores::new(&StoresConfig::default(), Path::new(".")).unwrap(),
        }
    }

    pub(super) fn with_threads(threads: usize) -> Self {
        Self::new(&EngineConfig { threads, ..EngineConfig::default() })
    }

    /// Writes `batches` as one file, row groups of `group` rows each.
    pub(super) fn write(&self, file: &str, batches: &[RecordBatch], group: usize) {
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group)).build();
        let path = self.folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = std::fs::File::create(path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batches[0].schema(), Some(properties)).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.close().unwrap();
    }

    /// Shows the files at `location` as `sales.<table>`.
    pub(super) async fn add(&mut self, table: &str, columns: &[Column], location: &str, shows: Shows<'_>) {
        let table = self.governed(table, columns, location, shows).await;
        self.tables.push(table);
    }

    pub(super) async fn governed(
        &self,
        table: &str,
        columns: &[Column],
        location: &str,
        shows: Shows<'_>,
    ) -> GovernedTable {
        let origin = Origin::Files(Location { url: location.into(), server: "storage".into() });
        let (product, dataset) = product(table, columns, origin);
        let root = self.folder.path().to_str().unwrap();
        let source = DatasetSource::open(&self.stores, root, &product.id, &dataset).await.unwrap();
        let grant = grant(&product, &dataset, shows);
        let rows = Rows::Files(Arc::new(FileRows::open(&source, &grant).unwrap()));
        GovernedTable { schema: "sales".into(), table: table.into(), grant, rows }
    }

    /// Shows the rows of `sql` over `tables` as `sales.<table>`.
    pub(super) fn add_derived(
        &mut self,
        table: &str,
        columns: &[Column],
        sql: &str,
        tables: Vec<GovernedTable>,
        shows: Shows<'_>,
    ) {
        let (product, dataset) = product(table, columns, Origin::Derived { sql: sql.into() });
        let statement = Arc::new(Statement::parse(sql, &Limits::default()).unwrap());
        let grant = grant(&product, &dataset, shows);
        let rows = Rows::Derived { statement, tables };
        self.tables.push(GovernedTable { schema: "sales".into(), table: table.into(), grant, rows });
    }

    pub(super) async fn plan(&self, sql: &str, parameters: impl Into<Parameters>) -> Result<GovernedPlan, QueryError> {
        let statement = Statement::parse(sql, &Limits::default())?;
        self.engine.plan(&asker(), MESH, &statement, self.tables.clone(), parameters).await
    }

    /// Plans a statement that may call these queries.
    pub(super) async fn plan_calling(
        &self,
        sql: &str,
        queries: &[Arc<QueryTemplate>],
        parameters: Vec<ScalarValue>,
    ) -> Result<GovernedPlan, QueryError> {
        let statement = calling(sql, queries)?;
        self.engine.plan(&asker(), MESH, &statement, self.tables.clone(), parameters).await
    }

    pub(super) async fn describe(&self, sql: &str) -> Result<Description, QueryError> {
        let statement = Statement::parse(sql, &Limits::default())?;
        self.engine.describe(&asker(), MESH, &statement, self.tables.clone()).await
    }

    pub(super) fn execute(&self, plan: GovernedPlan) -> RecordStream {
        self.engine.execute(plan, self.engine.admit(&asker()).unwrap(), None)
    }

    pub(super) async fn run(&self, sql: &str) -> Result<Vec<RecordBatch>, QueryError> {
        self.run_with(sql, Parameters::rows(Vec::new())).await
    }

    pub(super) async fn run_with(
        &self,
        sql: &str,
        parameters: impl Into<Parameters>,
    ) -> Result<Vec<RecordBatch>, QueryError> {
        self.execute(self.plan(sql, parameters).await?).try_collect().await
    }

    /// Each row's values as text, sorted.
    pub(super) async fn rows(&self, sql: &str) -> Vec<String> {
        texts(&self.run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")))
    }
}

/// Each row's values as text, sorted.
pub(super) fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows: Vec<String> = batches
        .iter()
        .flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)))
        .map(|(batch, row)| {
            let value = |array: &ArrayRef| ScalarValue::try_from_array(array, row).unwrap().to_string();
            batch.columns().iter().map(value).collect::<Vec<_>>().join(",")
        })
        .collect();
    rows.sort();
    rows
}

/// The bytes that a client would get.
pub(super) fn wire_bytes(batches: &[RecordBatch]) -> Vec<u8> {
    let Some(first) = batches.first() else { return Vec::new() };
    let mut writer = StreamWriter::try_new(Vec::new(), &first.schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

pub(super) fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

pub(super) fn equal(column: &str, value: &str) -> RowFilter {
    RowFilter::Compare { column: column.into(), op: Comparison::Equal, value: Literal::Text(value.into()) }
}

pub(super) fn column(name: &str, data_type: DataType) -> Column {
    Column::plain(name, data_type)
}

/// A query of the domain `sales`.
pub(super) fn query(
    name: &str,
    parameters: &[(&str, DataType, Option<Argument>)],
    sql: &str,
) -> Result<Arc<QueryTemplate>, QueryError> {
    let parameters = parameters.iter().map(|(name, data_type, default)| Parameter {
        name: Name::parse(name).unwrap(),
        description: None,
        data_type: ParameterType::new(data_type.clone()).unwrap(),
        default: default.clone(),
    });
    let parameters = parameters.collect();
    let (product, _) = product("offers", &[], Origin::Derived { sql: String::new() });
    let name = Name::parse(name).unwrap();
    let declared = NamedQuery { name, description: None, parameters, sql: sql.into(), line: 1 };
    QueryTemplate::parse(&product, &Arc::new(declared), &Limits::default()).map(Arc::new)
}

/// A statement that may call these queries.
pub(super) fn calling(sql: &str, queries: &[Arc<QueryTemplate>]) -> Result<Statement, QueryError> {
    Statement::parse_with(sql, &Limits::default(), &mut |name| {
        let found = queries
            .iter()
            .find(|query| name.schema.as_deref() == Some("sales") && query.declared().name.as_str() == name.table);
        found.cloned().ok_or_else(|| QueryError::unknown_query(name))
    })
}

fn product(table: &str, columns: &[Column], origin: Origin) -> (Arc<Product>, Arc<Dataset>) {
    let dataset = Arc::new(Dataset {
        name: Name::parse(table).unwrap(),
        description: None,
        columns: columns.to_vec(),
        primary_key: Vec::new(),
        foreign_keys: Vec::new(),
        quality: Vec::new(),
        origin,
    });
    let product = Product {
        id: ProductId { domain: Name::parse("sales").unwrap(), name: Name::parse(table).unwrap() },
        version: Version { major: 1, minor: 0, patch: 0 },
        status: Status::Active,
        default_version: true,
        title: None,
        description: None,
        classification: "internal".into(),
        tags: BTreeSet::new(),
        owner: "owner".into(),
        purposes: BTreeSet::new(),
        roles: Vec::new(),
        datasets: vec![Arc::clone(&dataset)],
        queries: Vec::new(),
        promises: Vec::new(),
        support: Vec::new(),
        lines: crate::product::Lines::default(),
        file: PathBuf::new(),
    };
    (Arc::new(product), dataset)
}

pub(super) fn grant(product: &Arc<Product>, dataset: &Arc<Dataset>, shows: Shows<'_>) -> Grant {
    let columns = dataset
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| !shows.hidden.contains(&column.name.as_str()))
        .map(|(index, column)| GrantedColumn {
            index,
            mask: shows.masks.iter().find(|(name, _)| *name == column.name).map(|(_, mask)| *mask),
        })
        .collect();
    Grant::for_tests(Arc::clone(product), Arc::clone(dataset), columns, shows.rows)
}
