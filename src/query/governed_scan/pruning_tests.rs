//! What the Parquet reader leaves out: by the row filter, by the caller's infallible predicates, by dynamic filters.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::metrics::MetricValue;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::leaf::Leaf;
use crate::product::Mask;
use crate::query::fixture::{Fixture, Shows, column, equal};

const ROWS: i64 = 8_000;
const GROUP: i64 = 1_000;
const PAGE: usize = 100;

/// Eight row groups: the even ones of the EU, `id` in order within all, `code` in no order and with bloom filters.
async fn world() -> Fixture {
    let mut world = Fixture::with_threads(1);
    let ids: Vec<i64> = (0..ROWS).collect();
    let texts = |text: &dyn Fn(i64) -> String| {
        Arc::new(StringArray::from_iter_values(ids.iter().map(|id| text(*id)))) as ArrayRef
    };
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(ids.clone())) as ArrayRef),
        ("region", texts(&|id| if (id / GROUP) % 2 == 0 { "EU" } else { "US" }.to_owned())),
        ("code", texts(&|id| format!("{:08}", (id * 48_271_003) % 99_991_009))),
        ("email", texts(&|id| format!("user{id}@mail.example"))),
    ])
    .unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(GROUP as usize))
        .set_data_page_row_count_limit(PAGE)
        .set_write_batch_size(PAGE)
        .set_bloom_filter_enabled(true)
        .build();
    let file = std::fs::File::create(world.folder.path().join("p.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let columns = ["region", "code", "email"].map(|name| column(name, DataType::Utf8));
    let columns: Vec<_> = std::iter::once(column("id", DataType::Int64)).chain(columns).collect();
    let shows = Shows { rows: equal("region", "EU"), masks: &[("email", Mask::Redact)], hidden: &[] };
    world.add("g", &columns, "p.parquet", shows).await;
    world
}

/// The leaves of a plan, in order.
fn leaves(plan: &Arc<dyn ExecutionPlan>) -> Vec<Leaf> {
    let own = plan.downcast_ref::<DataSourceExec>().and_then(|exec| exec.data_source().downcast_ref::<Leaf>());
    own.cloned().into_iter().chain(plan.children().into_iter().flat_map(leaves)).collect()
}

/// What the reader left out and kept: row groups by statistics, by bloom filters, rows by pages.
#[derive(Debug, PartialEq)]
struct Pruned {
    groups: (usize, usize),
    blooms: (usize, usize),
    rows: (usize, usize),
}

/// Runs a statement over files of its own and looks at what its one leaf read.
async fn pruned(sql: &str) -> Pruned {
    let world = world().await;
    let plan = world.plan(sql, Vec::new()).await.unwrap();
    let [leaf] = leaves(&plan.runnable.plan).try_into().unwrap_or_else(|_| panic!("one leaf in {sql}"));
    let context = Arc::clone(&plan.runnable.context);
    let rows: Vec<_> = world.execute(plan).try_collect().await.unwrap();
    assert!(rows.iter().map(RecordBatch::num_rows).sum::<usize>() > 0, "{sql}");
    // Every plan made of a leaf counts in the same place.
    let mut scan = leaf.inside(context.session_config());
    while let Some(child) = scan.children().first().map(|child| Arc::clone(child)) {
        scan = child;
    }
    let metrics = scan.metrics().unwrap();
    let of = |wanted: &str| {
        let values = metrics.iter().filter_map(|metric| match metric.value() {
            MetricValue::PruningMetrics { name, pruning_metrics } if name == wanted => {
                Some((pruning_metrics.pruned(), pruning_metrics.matched()))
            }
            _ => None,
        });
        values.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    };
    Pruned {
        groups: of("row_groups_pruned_statistics"),
        blooms: of("row_groups_pruned_bloom_filter"),
        rows: of("page_index_rows_pruned"),
    }
}

#[tokio::test]
async fn row_groups_pages_and_blooms_are_pruned() {
    // The row filter alone: every other row group.
    let filter = pruned("SELECT id, email FROM sales.g").await;
    assert_eq!(filter.groups, (4, 4));
    // A predicate of the caller's that cannot fail, on top.
    let range = pruned("SELECT email FROM sales.g WHERE id BETWEEN 2150 AND 2249").await;
    assert_eq!(range.groups, (7, 1));
    assert_eq!(range.rows, (800, 200), "pages of {PAGE} rows");
    // A value that lies between the least and the greatest of every group, and is in one.
    let code = pruned("SELECT id FROM sales.g WHERE code = '74765180'").await;
    assert_eq!(code.groups, (4, 4));
    assert_eq!(code.blooms, (3, 1));
    // One that can fail, and one that looks at a mask, prune nothing more.
    for fallible in ["1000 / (id + 1) >= 0", "email = '***'", "CAST(code AS BIGINT) = 74765180"] {
        let kept = pruned(&format!("SELECT id FROM sales.g WHERE {fallible}")).await;
        assert_eq!((kept.groups, kept.blooms.0, kept.rows.0), ((4, 4), 0, 0), "{fallible}");
    }
}

/// The columns that the reader is asked for, and the values of the statement's first column.
async fn read(world: &Fixture, sql: &str) -> (Vec<String>, Vec<Option<String>>) {
    let plan = world.plan(sql, Vec::new()).await.unwrap();
    let [leaf] = leaves(&plan.runnable.plan).try_into().unwrap_or_else(|_| panic!("one leaf in {sql}"));
    let mut scan = leaf.inside(plan.runnable.context.session_config());
    while let Some(child) = scan.children().first().map(|child| Arc::clone(child)) {
        scan = child;
    }
    let names = scan.schema().fields().iter().map(|field| field.name().clone()).collect();
    let batches: Vec<RecordBatch> = world.execute(plan).try_collect().await.unwrap();
    let texts = |batch: &RecordBatch| {
        let texts = batch.column(0).as_string::<i32>();
        texts.iter().map(|text| text.map(str::to_owned)).collect::<Vec<_>>()
    };
    (names, batches.iter().flat_map(texts).collect())
}

#[tokio::test]
async fn what_a_mask_shows_alike_in_every_row_is_not_read() {
    let mut world = Fixture::with_threads(1);
    let texts = |texts: [Option<&str>; 4]| Arc::new(StringArray::from(texts.to_vec())) as ArrayRef;
    let region = texts([Some("EU"), Some("US"), Some("EU"), None]);
    let gaps = texts([Some("a"), Some("b"), None, Some("d")]);
    let full = texts([Some("a"), Some("b"), Some("c"), Some("d")]);
    let batch = RecordBatch::try_from_iter([("region", region), ("gaps", gaps), ("full", full)]).unwrap();
    world.write("m.parquet", &[batch], 2);
    let columns = ["region", "gaps", "full"].map(|name| column(name, DataType::Utf8));
    for (table, mask) in [("redacted", Mask::Redact), ("nothing", Mask::Null), ("tail", Mask::Partial)] {
        let shows = Shows { rows: equal("region", "EU"), masks: &[("gaps", mask), ("full", mask)], hidden: &[] };
        world.add(table, &columns, "m.parquet", shows).await;
    }
    let (stars, star) = (|| Some("***".to_owned()), || Some("*".to_owned()));
    for (column, table, reads, shows) in [
        ("full", "redacted", "", [stars(), stars()]),
        ("gaps", "redacted", "gaps", [stars(), None]),
        ("full", "nothing", "", [None, None]),
        ("gaps", "nothing", "", [None, None]),
        ("full", "tail", "full", [star(), star()]),
    ] {
        let (names, values) = read(&world, &format!("SELECT {column} FROM sales.{table}")).await;
        assert_eq!((names.join(" ").as_str(), values.as_slice()), (reads, &shows[..]), "{column}, {table}");
    }
}

#[tokio::test]
async fn a_joins_dynamic_filter_prunes_in_the_leaf() {
    let joined = pruned("SELECT t.id, t.email FROM (VALUES (2150), (2151)) d(k) JOIN sales.g t ON t.id = d.k").await;
    assert_eq!(joined.groups, (7, 1));
    assert_eq!(joined.rows, (900, 100));
}

#[tokio::test]
async fn a_top_ks_dynamic_filter_arrives_in_the_leaf() {
    let world = world().await;
    let plan = world.plan("SELECT id, email FROM sales.g ORDER BY id DESC LIMIT 3", Vec::new()).await.unwrap();
    let shown = displayable(plan.runnable.plan.as_ref()).indent(false).to_string();
    assert!(shown.contains("dynamic_filters=1"), "{shown}");
}
