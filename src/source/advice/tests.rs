use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::*;
use datafusion::arrow::datatypes::DataType;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, GzipLevel, ZstdLevel};
use datafusion::parquet::file::metadata::SortingColumn;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use datafusion::parquet::schema::types::ColumnPath;

use super::*;
use crate::product::{Column, Dataset, ForeignKey, Location, Name, Origin, ProductId};
use crate::source::{DatasetSource, Stores, StoresConfig};

const ROWS: i64 = 120_000;
const GROUP: usize = 30_000;

/// A dataset of a key, a reference and a day, and what its files are like.
struct World {
    folder: tempfile::TempDir,
    dataset: Dataset,
}

impl World {
    fn new() -> Self {
        let name = |text: &str| Name::parse(text).unwrap();
        let reference = ForeignKey {
            columns: vec!["customer".into()],
            domain: name("customers"),
            dataset: name("customer"),
            references: vec!["id".into()],
        };
        let dataset = Dataset {
            name: name("orders"),
            description: None,
            columns: vec![
                Column::plain("id", DataType::Int64),
                Column::plain("customer", DataType::Int64),
                Column::plain("day", DataType::Date32),
                Column::plain("status", DataType::Utf8),
            ],
            primary_key: vec!["id".into()],
            foreign_keys: vec![reference],
            quality: Vec::new(),
            origin: Origin::Files(Location { url: ".".into(), server: "storage".into() }),
        };
        Self { folder: tempfile::tempdir().unwrap(), dataset }
    }

    fn write(&self, name: &str, batch: &RecordBatch, properties: WriterPropertiesBuilder) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = fs::File::create(path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties.build())).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
    }

    async fn survey(&self) -> Survey {
        let stores = Stores::new(&StoresConfig::default(), Path::new(".")).unwrap();
        let id = ProductId { domain: Name::parse("sales").unwrap(), name: Name::parse("orders").unwrap() };
        let root = self.folder.path().to_str().unwrap();
        let source = DatasetSource::open(&stores, root, &id, &Arc::new(self.dataset.clone())).await.unwrap();
        survey(&source).await.unwrap()
    }

    async fn findings(&self) -> Vec<String> {
        self.survey().await.findings.iter().map(Finding::what).collect()
    }
}

/// Rows whose key is `key(at)`; customers and days come in no order, unless the key does.
fn rows(of: std::ops::Range<i64>, key: impl Fn(i64) -> i64) -> RecordBatch {
    let all = || of.clone();
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(all().map(&key).collect::<Int64Array>())),
        ("customer", Arc::new(all().map(|at| shuffled(at) % 50_000).collect::<Int64Array>())),
        ("day", Arc::new(all().map(|at| Some((shuffled(at) % 2_000) as i32)).collect::<Date32Array>())),
        ("status", Arc::new(all().map(|at| Some(if at % 3 == 0 { "open" } else { "done" })).collect::<StringArray>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

/// A number for each, in no order, no two alike below [`ROWS`].
fn shuffled(at: i64) -> i64 {
    at * 7_919 % ROWS
}

/// As advised.
fn well() -> WriterPropertiesBuilder {
    let mut properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(GROUP))
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_sorting_columns(Some(vec![SortingColumn { column_idx: 0, descending: false, nulls_first: false }]));
    for key in ["id", "customer"] {
        properties = properties
            .set_column_bloom_filter_enabled(ColumnPath::from(key), true)
            .set_column_dictionary_enabled(ColumnPath::from(key), false);
    }
    properties
}

fn untold(properties: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    properties.set_sorting_columns(None)
}

#[tokio::test]
async fn well_written_files_get_no_advice() {
    let world = World::new();
    world.write("a.parquet", &rows(0..ROWS / 2, |at| at), well());
    world.write("b.parquet", &rows(ROWS / 2..ROWS, |at| at), well());
    let survey = world.survey().await;
    assert_eq!(survey.findings, []);
    assert_eq!((survey.files, survey.rows), (2, ROWS.unsigned_abs()));
    // Small ones neither, however they are written.
    let world = World::new();
    world.write("a.parquet", &rows(0..1000, shuffled), WriterProperties::builder());
    assert_eq!(world.findings().await, [""; 0]);
}

#[tokio::test]
async fn each_fault_of_layout_is_found_and_only_that() {
    type Change = fn(WriterPropertiesBuilder) -> WriterPropertiesBuilder;
    let cases: [(Change, &[&str]); 9] = [
        (
            |of| of.set_column_bloom_filter_enabled("customer".into(), false),
            &["no bloom filter on `customer` in its file"],
        ),
        (
            |of| of.set_column_dictionary_enabled("id".into(), true),
            &["a dictionary on `id`, which repeats no value, in its file"],
        ),
        (
            |of| of.set_column_dictionary_enabled("customer".into(), true).set_dictionary_page_size_limit(1 << 14),
            &["a dictionary on `customer` that outgrew its limit, in its file"],
        ),
        (
            |of| of.set_statistics_enabled(EnabledStatistics::Chunk).set_offset_index_disabled(true),
            &["no page index in its file"],
        ),
        (
            |of| of.set_statistics_enabled(EnabledStatistics::None),
            &["no smallest and largest values of `id`, `customer`, `day` in its file", "no page index in its file"],
        ),
        (|of| of.set_compression(Compression::GZIP(GzipLevel::default())), &["compression by gzip in its file"]),
        (|of| of.set_compression(Compression::UNCOMPRESSED), &["no compression in its file"]),
        (|of| of.set_max_row_group_row_count(Some(1_000)), &["tiny row groups in its file, 1000 rows on average"]),
        (untold, &["rows sorted by `id` without saying so in its file"]),
    ];
    for (change, expected) in cases {
        let world = World::new();
        world.write("a.parquet", &rows(0..ROWS, |at| at), change(well()));
        assert_eq!(world.findings().await, expected);
    }
}

#[tokio::test]
async fn an_order_of_the_key_or_of_a_date_is_enough() {
    let found = async |key: fn(i64) -> i64, folders: usize| {
        let world = World::new();
        for folder in 0..folders {
            let path = if folders == 1 { "a.parquet".to_owned() } else { format!("region={folder}/a.parquet") };
            world.write(&path, &rows(0..ROWS, key), untold(well()));
        }
        world.findings().await
    };
    let unsorted = ["rows in no order of any of `id`, `day`: 100 % of the row groups or pages overlap"];
    assert_eq!(found(shuffled, 1).await, unsorted);
    // Each partition is sorted by itself.
    assert_eq!(found(|at| at, 2).await, ["rows sorted by `id` without saying so in all 2 files"]);
    let mut world = World::new();
    world.dataset.primary_key.clear();
    let by_day = rows(0..ROWS, |at| at);
    let sorted = datafusion::arrow::compute::sort_to_indices(by_day.column(2), None, None).unwrap();
    let by_day = datafusion::arrow::compute::take_record_batch(&by_day, &sorted).unwrap();
    world.write("a.parquet", &by_day, untold(well()));
    assert_eq!(world.findings().await, [""; 0]);
}

#[tokio::test]
async fn files_are_counted_rather_than_listed() {
    let world = World::new();
    for at in 0..40 {
        let of = at * 3_000..(at + 1) * 3_000;
        let properties = if at < 30 { well() } else { well().set_compression(Compression::GZIP(GzipLevel::default())) };
        world.write(&format!("{at}.parquet"), &rows(of, |at| at), properties);
    }
    let found = world.findings().await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("all 40 files are small, "), "{found:?}");
    assert_eq!(found[1], "compression by gzip in 10 of 40 files");
}

#[tokio::test]
async fn one_large_row_group_is_found() {
    let world = World::new();
    let all = rows(0..600_000, |at| at);
    world.write("a.parquet", &all, well().set_max_row_group_row_count(None));
    assert_eq!(world.findings().await, ["one row group for all of up to 600000 rows in its file"]);
}

#[test]
fn findings_say_what_is_gained_and_what_to_change() {
    let finding = Finding::NoPageIndex(Share { files: 980, of: 1_000 });
    insta::assert_snapshot!(finding.to_string(), @r"
    no page index in 980 of 1000 files
        gain: a lookup or a narrow range decodes single pages rather than whole row groups
        change: let the writer record the page index (pyarrow: `write_page_index=True`)
    ");
    for (bytes, shown) in [(12, "12 bytes"), (1 << 20, "1.0 MiB"), (12_400_000_000, "11.5 GiB")] {
        assert_eq!(Bytes(bytes).to_string(), shown);
    }
}
