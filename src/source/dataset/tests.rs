//! Datasets over files that the tests write; here is what they share.

mod agreement;
mod counting;
mod footers;
mod places;
mod scanning;
mod snapshots;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use datafusion::arrow::array::*;
use datafusion::arrow::datatypes::{DataType, Int32Type, Int64Type, TimeUnit};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::common::ScalarValue;
use datafusion::common::stats::Precision;
use datafusion::datasource::source::DataSourceExec;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use object_store::memory::InMemory;
use object_store::{ObjectStoreExt, PutPayload};

use super::*;
use crate::policy::{GrantedColumn, RowFilter};
use crate::product::{Column, Location, Name, Origin, Product, Status, Version};
use crate::source::{SourceFault, SourceLimits, StoresConfig, classify};

struct World {
    folder: Arc<tempfile::TempDir>,
    stores: Stores,
    data_root: String,
    product: Arc<Product>,
    dataset: Arc<Dataset>,
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Replaced,
    Overwritten,
    Deleted,
    Truncated,
}

impl Change {
    fn make(self, world: &World) {
        let path = world.path("b.parquet");
        match self {
            // As careful writers do: a new file takes the place of the old.
            Self::Replaced => {
                world.write("c.tmp", [("id", ints(&[5, 6]))]);
                fs::rename(world.path("c.tmp"), path).unwrap();
            }
            // The same name, size and modification time.
            Self::Overwritten => {
                let modified = fs::metadata(&path).unwrap().modified().unwrap();
                let mut bytes = fs::read(&path).unwrap();
                bytes[8] ^= 1;
                fs::write(&path, bytes).unwrap();
                fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
            }
            Self::Deleted => fs::remove_file(path).unwrap(),
            Self::Truncated => fs::File::options().write(true).open(path).unwrap().set_len(20).unwrap(),
        }
    }
}

impl World {
    fn new(columns: Vec<Column>) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let dataset = Arc::new(dataset(columns, "."));
        Self {
            stores: Stores::new(&StoresConfig::default(), Path::new(".")).unwrap(),
            data_root: folder.path().to_str().unwrap().to_owned(),
            product: Arc::new(product(&dataset)),
            dataset,
            folder,
        }
    }

    fn again(&self) -> Self {
        Self {
            folder: Arc::clone(&self.folder),
            stores: self.stores.clone(),
            data_root: self.data_root.clone(),
            product: Arc::clone(&self.product),
            dataset: Arc::clone(&self.dataset),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write<'a>(&self, name: &str, columns: impl IntoIterator<Item = (&'a str, ArrayRef)>) {
        self.write_with(name, columns, WriterProperties::default());
    }

    fn write_with<'a>(
        &self,
        name: &str,
        columns: impl IntoIterator<Item = (&'a str, ArrayRef)>,
        properties: WriterProperties,
    ) {
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
                .unwrap();
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        let file = fs::File::create(path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    async fn open(&self) -> Result<DatasetSource, SourceError> {
        self.open_at(".").await
    }

    async fn open_at(&self, location: &str) -> Result<DatasetSource, SourceError> {
        let dataset = Arc::new(dataset(self.dataset.columns.clone(), location));
        DatasetSource::open(&self.stores, &self.data_root, &self.product.id, &dataset).await
    }

    fn grant(&self) -> Grant {
        self.grant_for(&self.dataset)
    }

    fn grant_for(&self, dataset: &Arc<Dataset>) -> Grant {
        let columns = (0..dataset.columns.len()).map(|index| GrantedColumn { index, mask: None }).collect();
        Grant::for_tests(Arc::clone(&self.product), Arc::clone(dataset), columns, RowFilter::All)
    }

    fn context(&self, source: &DatasetSource) -> SessionContext {
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
        let provider = source.provider(&self.grant_for(source.dataset())).unwrap();
        context.register_table("t", provider).unwrap();
        context
    }

    async fn batches(&self, source: &DatasetSource, sql: &str) -> datafusion::error::Result<Vec<RecordBatch>> {
        let batches = self.context(source).sql(sql).await?.collect().await?;
        Ok(batches)
    }

    async fn sql(&self, source: &DatasetSource, sql: &str) -> datafusion::error::Result<String> {
        Ok(pretty_format_batches(&self.batches(source, sql).await?)?.to_string())
    }

    /// Each row's values as text.
    async fn rows(&self, source: &DatasetSource, sql: &str) -> Vec<String> {
        let batches = self.batches(source, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let row = |batch: &RecordBatch, row: usize| {
            let value = |array: &ArrayRef| ScalarValue::try_from_array(array, row).unwrap().to_string();
            batch.columns().iter().map(value).collect::<Vec<_>>().join(",")
        };
        batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|at| row(batch, at)).collect::<Vec<_>>()).collect()
    }

    async fn plan(&self, source: &DatasetSource, sql: &str) -> (SessionContext, Arc<dyn ExecutionPlan>) {
        let context = self.context(source);
        let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        (context, plan)
    }
}

/// How many files a plan reads.
fn files_of(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let own = plan
        .downcast_ref::<DataSourceExec>()
        .and_then(|exec| exec.data_source().downcast_ref::<FileScanConfig>())
        .map_or(0, |scan| {
            let paths = scan.file_groups.iter().flat_map(|group| group.iter()).map(|file| file.path().clone());
            paths.collect::<BTreeSet<_>>().len()
        });
    own + plan.children().into_iter().map(files_of).sum::<usize>()
}

fn ints(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn dataset(columns: Vec<Column>, location: &str) -> Dataset {
    Dataset {
        name: Name::parse("t").unwrap(),
        description: None,
        columns,
        primary_key: Vec::new(),
        foreign_keys: Vec::new(),
        quality: Vec::new(),
        origin: Origin::Files(Location { url: location.into(), server: "storage".into() }),
    }
}

fn id(domain: &str, product: &str) -> ProductId {
    ProductId { domain: Name::parse(domain).unwrap(), name: Name::parse(product).unwrap() }
}

fn product(dataset: &Arc<Dataset>) -> Product {
    Product {
        id: id("sales", "t"),
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
        datasets: vec![Arc::clone(dataset)],
        queries: Vec::new(),
        promises: Vec::new(),
        support: Vec::new(),
        lines: crate::product::Lines::default(),
        file: PathBuf::new(),
    }
}
