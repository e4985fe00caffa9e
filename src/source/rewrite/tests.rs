use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::*;
use datafusion::arrow::datatypes::{DataType, Int32Type};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::file::properties::WriterProperties;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use super::*;
use crate::product::{Column, Dataset, Location, Name, Origin, ProductId};
use crate::source::{DatasetSource, Stores, StoresConfig};

const STAMP: &str = "20261123T081500Z";

struct World {
    folder: tempfile::TempDir,
    dataset: Dataset,
}

impl World {
    fn new(location: &str) -> Self {
        let dataset = Dataset {
            name: Name::parse("orders").unwrap(),
            description: None,
            columns: vec![Column::plain("id", DataType::Int64), Column::plain("note", DataType::Utf8)],
            primary_key: vec!["id".into()],
            foreign_keys: Vec::new(),
            quality: Vec::new(),
            origin: Origin::Files(Location { url: location.into(), server: "storage".into() }),
        };
        Self { folder: tempfile::tempdir().unwrap(), dataset }
    }

    fn root(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    fn write(&self, name: &str, columns: &[(&str, ArrayRef)]) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, parquet(columns)).unwrap();
    }

    async fn open(&self) -> DatasetSource {
        let stores = Stores::new(&StoresConfig::default(), Path::new(".")).unwrap();
        self.open_with(&stores, self.root()).await
    }

    async fn open_with(&self, stores: &Stores, root: &str) -> DatasetSource {
        let id = ProductId { domain: Name::parse("sales").unwrap(), name: Name::parse("orders").unwrap() };
        DatasetSource::open(stores, root, &id, &Arc::new(self.dataset.clone())).await.unwrap()
    }

    /// Folders and files below the root, with their rows.
    fn files(&self) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                let name = path.strip_prefix(self.folder.path()).unwrap().to_str().unwrap().to_owned();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(path);
                } else {
                    let rows = read(&path).num_rows();
                    found.insert(name, rows);
                }
            }
        }
        found
    }
}

fn parquet(columns: &[(&str, ArrayRef)]) -> Vec<u8> {
    let columns = columns.iter().map(|(name, array)| (*name, Arc::clone(array), true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(5_000)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn read(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap();
    let (schema, reader) = (Arc::clone(reader.schema()), reader.build().unwrap());
    datafusion::arrow::compute::concat_batches(&schema, &reader.map(Result::unwrap).collect::<Vec<_>>()).unwrap()
}

fn ints(of: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(of))
}

fn texts(of: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(of.into_iter().map(|at| (at % 7 != 0).then(|| format!("note {at}"))).collect::<StringArray>())
}

/// Every number below `rows`, in no order.
fn shuffled(rows: i64) -> impl Iterator<Item = i64> + Clone {
    (0..rows).map(move |at| at * 7_919 % rows)
}

fn options(sort_by: &[&str]) -> RewriteOptions {
    let means = Means { memory: 64 << 20, spill_limit: 1 << 30, spill_dir: None, threads: 2 };
    let sort_by = sort_by.iter().map(|name| (*name).to_owned()).collect();
    RewriteOptions { sort_by, stamp: STAMP.into(), tag: None, means }
}

async fn rewrite_with(source: &DatasetSource, options: RewriteOptions) -> Result<(Rewrite, Rewritten), RewriteError> {
    let plan = Rewrite::plan(source, &[], options.clone()).await?;
    let (_stop, mut interrupt) = tokio::sync::watch::channel(false);
    let rewritten = plan.run(&[], &options.means, &mut interrupt, &|_| ()).await?;
    Ok((plan, rewritten))
}

async fn rewrite(source: &DatasetSource, sort_by: &[&str]) -> Result<(Rewrite, Rewritten), RewriteError> {
    rewrite_with(source, options(sort_by)).await
}

fn is_sorted(column: &ArrayRef) -> bool {
    let column = column.as_any().downcast_ref::<Int64Array>().unwrap();
    column.values().is_sorted()
}

#[tokio::test]
async fn files_are_sorted_into_a_folder_beside_and_nothing_is_left_to_advise() {
    let world = World::new("data/orders/*.parquet");
    const ROWS: i64 = 100_000;
    for file in 0..20 {
        let of = move || shuffled(ROWS).skip(file * 5_000).take(5_000);
        // What the contract does not name is kept.
        world.write(
            &format!("data/orders/{file}.parquet"),
            &[("id", ints(of())), ("x", ints(of())), ("note", texts(of()))],
        );
    }
    let source = world.open().await;
    let before = super::super::advice::survey(&source).await.unwrap();
    assert!(!before.findings.is_empty());
    let (plan, rewritten) = rewrite(&source, &[]).await.unwrap();
    assert_eq!(plan.location(), format!("data/orders-{STAMP}/"));
    assert_eq!((rewritten.survey.rows, rewritten.survey.findings), (100_000, Vec::new()));
    let new = format!("data/orders-{STAMP}/part-00000.parquet");
    let files = world.files();
    assert_eq!((files.len(), files.get(&new)), (21, Some(&100_000)));
    let rows = read(&world.folder.path().join(new));
    assert!(is_sorted(rows.column(0)) && rows.num_columns() == 3);
    assert!(source.is_current().await.unwrap());
}

#[tokio::test]
async fn sorting_spills_within_little_memory() {
    let world = World::new("data");
    world.write("data/a.parquet", &[("id", ints(shuffled(200_000))), ("note", texts(shuffled(200_000)))]);
    let source = world.open().await;
    let mut options = options(&[]);
    options.means.memory = 3 << 20;
    rewrite_with(&source, options.clone()).await.unwrap();
    assert!(is_sorted(read(&world.folder.path().join(format!("data-{STAMP}/part-00000.parquet"))).column(0)));
    // Where it cannot spill, it fails and leaves nothing.
    fs::remove_dir_all(world.folder.path().join(format!("data-{STAMP}"))).unwrap();
    options.means.spill_limit = 1 << 10;
    assert!(matches!(rewrite_with(&source, options).await, Err(RewriteError::Engine(_))));
    assert_eq!(world.files().len(), 1);
}

#[tokio::test]
async fn partitions_keep_their_folders_and_files_of_different_times_become_one_table() {
    let mut world = World::new("data/year=*/");
    world.dataset.columns.push(Column::plain("year", DataType::Int32));
    let dictionary: DictionaryArray<Int32Type> = vec!["a", "b", "a"].into_iter().collect();
    world.write("data/year=2024/old.parquet", &[("id", ints([3, 1, 2])), ("note", texts([3, 1, 2]))]);
    world.write(
        "data/year=2024/new.parquet",
        &[("id", ints([6, 5, 4])), ("note", Arc::new(dictionary)), ("added", ints([1, 2, 3]))],
    );
    world.write("data/year=a%2Fb%20c/x.parquet", &[("id", ints([])), ("note", texts([]))]);
    world.dataset.columns[2].data_type = DataType::Utf8;
    let (_, rewritten) = rewrite(&world.open().await, &[]).await.unwrap();
    assert_eq!(rewritten.survey.rows, 6);
    let files = world.files();
    let at = |folder: &str| files.get(&format!("data-{STAMP}/{folder}/part-00000.parquet")).copied();
    assert_eq!((at("year=2024"), at("year=a%2Fb%20c"), files.len()), (Some(6), Some(0), 5));
    let rows = read(&world.folder.path().join(format!("data-{STAMP}/year=2024/part-00000.parquet")));
    assert!(is_sorted(rows.column(0)));
    assert_eq!(rows.column_by_name("added").unwrap().null_count(), 3);
}

#[tokio::test]
async fn what_a_server_reads_is_the_same_before_and_after() {
    let mut world = World::new("data/*.parquet");
    world.dataset.columns.push(Column::plain("amount", DataType::Int64));
    let narrow: ArrayRef = Arc::new(Int32Array::from(vec![7, 8]));
    world.write("data/a.parquet", &[("ID", ints([4, 2])), ("Note", texts([4, 2])), ("amount", narrow)]);
    world.write("data/b.parquet", &[("id", ints([3, 1])), ("amount", ints([9, 1 << 40]))]);
    let source = world.open().await;
    let (plan, _) = rewrite(&source, &[]).await.unwrap();
    let rows = async |source: &DatasetSource| {
        let scan = source.scan_of(source.files().to_vec(), source.statistics().clone(), 1, true).build();
        let context = datafusion::prelude::SessionContext::new();
        let (url, store) = source.store();
        context.register_object_store(url.as_ref(), store);
        let plan = datafusion::datasource::source::DataSourceExec::from_data_source(scan);
        let batches = datafusion::physical_plan::collect(plan, context.task_ctx()).await.unwrap();
        let shown = datafusion::arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
        let mut lines: Vec<String> = shown.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let before = rows(&source).await;
    assert!(before.contains(&"| 2  | note 2 | 8             |".to_owned()), "{before:#?}");
    world.dataset.origin = Origin::Files(Location { url: plan.location().into(), server: "s".into() });
    assert_eq!(rows(&world.open().await).await, before);
    // Columns beside the contract's that only case tells apart: nobody can say which is which.
    world.write("data/c.parquet", &[("id", ints([5])), ("x", ints([1]))]);
    world.write("data/d.parquet", &[("id", ints([6])), ("X", ints([1]))]);
    world.dataset.origin = Origin::Files(Location { url: "data/*.parquet".into(), server: "s".into() });
    let outcome = rewrite(&world.open().await, &[]).await;
    assert!(matches!(outcome, Err(RewriteError::Alike(..))));
}

#[tokio::test]
async fn without_a_key_rows_keep_their_order() {
    let mut world = World::new("data/*.parquet");
    world.dataset.primary_key.clear();
    world.write("data/b.parquet", &[("id", ints([9, 7])), ("note", texts([1, 2]))]);
    world.write("data/a.parquet", &[("id", ints([5, 8])), ("note", texts([3, 4]))]);
    let source = world.open().await;
    rewrite(&source, &[]).await.unwrap();
    let ids = |folder: &str| read(&world.folder.path().join(folder).join("part-00000.parquet")).column(0).to_data();
    assert_eq!(ids(&format!("data-{STAMP}")), ints([5, 8, 9, 7]).to_data());
    // The same second, the same folder: it is somebody else's.
    assert!(matches!(rewrite(&source, &["id"]).await, Err(RewriteError::Exists(_))));
    for bad in [&["nope"][..], &["id", "id"]] {
        assert!(matches!(rewrite(&source, bad).await, Err(RewriteError::SortBy { .. })), "{bad:?}");
    }
}

#[tokio::test]
async fn nothing_is_left_when_files_change_or_somebody_calls_it_off() {
    let world = World::new("data/*.parquet");
    world.write("data/a.parquet", &[("id", ints([1])), ("note", texts([1]))]);
    let source = world.open().await;
    let run = async |stop: bool| {
        let plan = Rewrite::plan(&source, &[], options(&[])).await?;
        let (_stop, mut interrupt) = tokio::sync::watch::channel(stop);
        plan.run(&[], &options(&[]).means, &mut interrupt, &|_| ()).await
    };
    assert!(matches!(run(true).await, Err(RewriteError::Interrupted)));
    world.write("data/b.parquet", &[("id", ints([2])), ("note", texts([2]))]);
    assert!(matches!(run(false).await, Err(RewriteError::Changed)));
    fs::remove_file(world.folder.path().join("data/b.parquet")).unwrap();
    let plan = Rewrite::plan(&source, &[], options(&[])).await.unwrap();
    world.write("data/a.parquet", &[("id", ints([7])), ("note", texts([7]))]);
    let (_stop, mut interrupt) = tokio::sync::watch::channel(false);
    let outcome = plan.run(&[], &options(&[]).means, &mut interrupt, &|_| ()).await;
    assert!(matches!(outcome, Err(RewriteError::Changed)), "{outcome:?}");
    assert_eq!(world.files().len(), 1);
}

#[tokio::test]
async fn a_folder_that_would_be_served_at_once_is_refused() {
    let world = World::new("data/orders/");
    world.write("data/orders/a.parquet", &[("id", ints([1])), ("note", texts([1]))]);
    let source = world.open().await;
    let neighbour = |location: &str| Neighbour { data_root: world.root().into(), location: location.into() };
    for (location, refused) in [("data/", true), ("**/*.parquet", true), ("data/orders/", false), ("data/lines", false)]
    {
        let plan = Rewrite::plan(&source, &[neighbour(location)], options(&[])).await;
        assert_eq!(matches!(plan, Err(RewriteError::Served { .. })), refused, "{location}");
    }
    #[cfg(unix)]
    {
        // Beside a folder that links lead to from elsewhere, nothing is written.
        let elsewhere = tempfile::tempdir().unwrap();
        let mut linked = World::new("data/orders/");
        linked.write("real/orders/a.parquet", &[("id", ints([1])), ("note", texts([1]))]);
        std::os::unix::fs::symlink(elsewhere.path(), linked.folder.path().join("data")).unwrap();
        linked.dataset.origin = Origin::Files(Location { url: "real/orders/".into(), server: "s".into() });
        let source = linked.open().await;
        std::os::unix::fs::symlink(elsewhere.path(), linked.folder.path().join(format!("real/orders-{STAMP}")))
            .unwrap();
        assert!(matches!(rewrite(&source, &[]).await, Err(RewriteError::Exists(_))));
    }
}

#[tokio::test]
async fn object_stores_are_written_too() {
    let store = Arc::new(InMemory::new());
    let put = async |path: &str, from: i64| {
        let ids: Vec<i64> = shuffled(30_000).map(|at| at + from).collect();
        let bytes = parquet(&[("id", ints(ids.clone())), ("note", texts(ids))]);
        store.put(&path.into(), PutPayload::from(bytes)).await.unwrap();
    };
    put("sales/orders/year=2024/a.parquet", 0).await;
    put("sales/orders/year=2025/a.parquet", 50_000).await;
    let stores = Stores::for_tests("s3://bucket", Arc::clone(&store) as Arc<dyn ObjectStore>);
    let world = World::new("s3://bucket/sales/orders/");
    let source = world.open_with(&stores, "s3://bucket/sales/").await;
    let (plan, rewritten) = rewrite(&source, &[]).await.unwrap();
    assert_eq!(
        (plan.location(), rewritten.survey.rows),
        (format!("s3://bucket/sales/orders-{STAMP}/").as_str(), 60_000)
    );
    let new = format!("sales/orders-{STAMP}/year=2025/part-00000.parquet");
    assert!(store.head(&new.as_str().into()).await.unwrap().size > 0);
    assert!(matches!(rewrite(&source, &[]).await, Err(RewriteError::Exists(_))));
    rewritten.discard().await.unwrap();
    assert!(store.head(&new.as_str().into()).await.is_err());
    assert!(source.is_current().await.unwrap());
}
