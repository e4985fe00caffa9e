//! The governed scan through the engine: parity with a filter and masks written by hand, attacks, bytes.

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use datafusion::physical_plan::displayable;

use crate::policy::RowFilter;
use crate::product::{Column, Mask};
use crate::query::QueryErrorKind;
use crate::query::fixture::{Fixture, Shows, column, contains, equal, texts, wire_bytes};
use std::sync::Arc;

const GROUP: usize = 500;
const ROWS: i64 = 10_000;

fn columns() -> Vec<Column> {
    vec![
        column("id", DataType::Int64),
        column("region", DataType::Utf8),
        column("note", DataType::Utf8),
        column("email", DataType::Utf8),
        column("salary", DataType::Int64),
        column("secret", DataType::Utf8),
    ]
}

/// Rows of the EU are shown. What must not be is a canary: the notes of the US (no numbers, so that casting
/// them fails), every secret, every raw address.
fn batch(mixed: bool) -> RecordBatch {
    let ids: Vec<i64> = (0..ROWS).collect();
    let eu = |id: i64| if mixed { id % 2 == 0 } else { (id / GROUP as i64) % 2 == 0 };
    let text = |make: &dyn Fn(i64) -> String| {
        Arc::new(StringArray::from_iter_values(ids.iter().map(|id| make(*id)))) as ArrayRef
    };
    RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(ids.clone())) as ArrayRef),
        ("region", text(&|id| if eu(id) { "EU" } else { "US" }.to_owned())),
        ("note", text(&|id| if eu(id) { id.to_string() } else { format!("CANARY{id:016}") })),
        ("email", text(&|id| format!("user{id}@secretmail.example"))),
        (
            "salary",
            Arc::new(Int64Array::from_iter_values(ids.iter().map(|id| if eu(*id) { 1000 + id % 977 } else { 5 }))),
        ),
        ("secret", text(&|id| format!("CANARY-SECRET{id}"))),
    ])
    .unwrap()
}

async fn world(mixed: bool, threads: usize) -> Fixture {
    let mut world = Fixture::with_threads(threads);
    world.write("p/1.parquet", &[batch(mixed).slice(0, 6_000)], GROUP);
    world.write("p/2.parquet", &[batch(mixed).slice(6_000, 4_000)], GROUP);
    let governed = || Shows { rows: equal("region", "EU"), masks: &[("email", Mask::Redact)], hidden: &["secret"] };
    world.add("g", &columns(), "p", governed()).await;
    world.add("p", &columns(), "p", Shows::everything()).await;
    world
}

/// What the governed table should be like.
const BY_HAND: &str = "(SELECT id, region, note, CASE WHEN email IS NOT NULL THEN '***' END AS email, salary FROM sales.p WHERE region = 'EU')";

const QUERIES: &[&str] = &[
    "SELECT count(*) FROM T",
    "SELECT 1 FROM T",
    "SELECT * FROM T LIMIT 0",
    "SELECT min(id), max(id), min(salary), sum(salary) FROM T",
    "SELECT * FROM T",
    "SELECT email, count(*) FROM T GROUP BY email",
    "SELECT email FROM T WHERE email = 'user0@secretmail.example'",
    "SELECT id FROM T WHERE email = '***' AND id < 1000",
    "SELECT id, note FROM T WHERE id BETWEEN 1500 AND 2502",
    "SELECT count(*) FROM T WHERE id IN (3, 1000, 9998) AND note IS NOT NULL",
    "SELECT region, note, email FROM T WHERE id < 600 OR salary > 1970",
    "SELECT count(*) FROM T WHERE NOT (region <> 'US') OR (id < 10 AND CAST(note AS INT) < 5)",
    "SELECT count(*) FROM T WHERE CAST(note AS INT) >= 0",
    "SELECT count(*) FROM T WHERE 1000 / (salary - 5) > 0",
    "SELECT count(*) FROM T WHERE note LIKE '12%' AND note NOT LIKE '%7'",
    "SELECT count(*) FROM T WHERE note ~ '^1'",
    "SELECT id, note FROM T ORDER BY id DESC LIMIT 3",
    "SELECT id FROM T ORDER BY region, id LIMIT 3",
    "SELECT note FROM T ORDER BY CAST(note AS BIGINT) DESC LIMIT 1",
    "SELECT email FROM T ORDER BY email, id LIMIT 1",
    "SELECT count(*) FROM (SELECT id FROM T LIMIT 77)",
    "SELECT count(*) FROM (SELECT * FROM T WHERE id > 5000 LIMIT 10)",
    "SELECT a.id, b.note FROM T a JOIN T b ON a.id = b.id WHERE a.id < 100",
    "SELECT a.id FROM T a JOIN T b ON a.email = b.email AND a.id = b.id WHERE b.id < 50",
    "SELECT count(*) FROM T a LEFT JOIN (VALUES (1000), (1001), (1500)) d(k) ON a.id = d.k WHERE d.k IS NULL",
    "SELECT d.k, t.note FROM (VALUES (1000), (1001), (1500)) d(k) JOIN T t ON t.id = d.k",
    "SELECT t.id FROM (VALUES (1000), (1001)) d(k) JOIN T t ON CAST(t.note AS BIGINT) = d.k",
    "SELECT count(*) FROM T WHERE id IN (SELECT id + 1 FROM T) OR EXISTS (SELECT 1 FROM T u WHERE u.id = T.id + 2)",
    "SELECT region, salary, rank() OVER (PARTITION BY salary ORDER BY id) FROM T WHERE id < 3000",
    "WITH a AS (SELECT id, note FROM T WHERE id > 9000) SELECT * FROM a UNION SELECT id, email FROM T WHERE id < 20",
    "SELECT DISTINCT region FROM T",
    "SELECT max(note), min(email) FROM T HAVING count(*) > 1",
];

fn over(query: &str, table: &str) -> String {
    // Column references like `T.id` need a name, whatever the table is.
    query
        .replace("FROM T", &format!("FROM {table} AS t"))
        .replace("JOIN T t", &format!("JOIN {table} AS t"))
        .replace("JOIN T b", &format!("JOIN {table} AS b"))
        .replace("AS t t", "AS t")
        .replace("AS t a", "AS a")
        .replace("AS t u", "AS u")
        .replace("T.id", "t.id")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn answers_are_those_of_a_filter_and_masks_written_by_hand() {
    for mixed in [false, true] {
        for threads in [1, 2] {
            let world = world(mixed, threads).await;
            for query in QUERIES {
                let (governed, by_hand) = (over(query, "sales.g"), over(query, BY_HAND));
                let batches = world.run(&governed).await.unwrap_or_else(|error| panic!("{governed}: {error:?}"));
                let bytes = wire_bytes(&batches);
                for canary in ["CANARY", "secretmail"] {
                    assert!(!contains(&bytes, canary), "{canary} in the bytes of {query}");
                }
                assert_eq!(texts(&batches), world.rows(&by_hand).await, "{query} mixed={mixed} threads={threads}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_hidden_has_no_name() {
    let world = world(true, 1).await;
    for (sql, kind) in [
        ("SELECT secret FROM sales.g", QueryErrorKind::UnknownColumn),
        ("SELECT g.secret FROM sales.g", QueryErrorKind::UnknownColumn),
        ("SELECT id FROM sales.g ORDER BY secret", QueryErrorKind::UnknownColumn),
        ("SELECT count(*) FROM sales.g WHERE upper(secret) = 'X'", QueryErrorKind::UnknownColumn),
        ("SELECT * FROM sales.nothing", QueryErrorKind::UnknownTable),
        ("SELECT * FROM hr.salaries", QueryErrorKind::UnknownTable),
        ("SELECT * FROM g", QueryErrorKind::UnknownTable),
        ("SELECT * FROM other.sales.g", QueryErrorKind::UnknownTable),
        ("SELECT * FROM information_schema.tables", QueryErrorKind::UnknownTable),
        ("SELECT * FROM information_schema.df_settings", QueryErrorKind::UnknownTable),
    ] {
        let error = world.run(sql).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{sql}: {error}");
        for word in ["salary", "region", "email", "CANARY", "Did you", "Valid", "parquet"] {
            assert!(!error.to_string().contains(word), "{sql}: {error}");
        }
    }
    assert!(world.run("SELECT id FROM mesh.sales.g LIMIT 1").await.is_ok());
}

#[tokio::test]
async fn a_masked_column_is_what_it_shows() {
    let mut world = Fixture::with_threads(2);
    world.write("p.parquet", &[batch(true)], GROUP);
    for (name, mask) in [("nulls", Mask::Null), ("partials", Mask::Partial), ("digests", Mask::Hmac)] {
        let shows = Shows { rows: RowFilter::All, masks: &[("email", mask)], hidden: &["secret"] };
        world.add(name, &columns(), "p.parquet", shows).await;
    }
    for (sql, rows) in [
        ("SELECT count(email), count(*) FROM sales.nulls", "0,10000"),
        ("SELECT count(*) FROM sales.nulls WHERE email IS NULL", "10000"),
        ("SELECT count(*) FROM sales.nulls WHERE email = 'user5@secretmail.example'", "0"),
        ("SELECT DISTINCT email FROM sales.partials WHERE id < 10", "********************mple"),
        ("SELECT count(*) FROM sales.partials WHERE email LIKE 'user%'", "0"),
        ("SELECT count(DISTINCT email) FROM sales.digests", "10000"),
        ("SELECT count(*) FROM sales.digests a JOIN sales.digests b ON a.email = b.email AND a.id = b.id", "10000"),
        ("SELECT count(*) FROM sales.digests WHERE email LIKE '%@%'", "0"),
    ] {
        let batches = world.run(sql).await.unwrap();
        assert_eq!(texts(&batches), [rows], "{sql}");
        assert!(!contains(&wire_bytes(&batches), "secretmail"), "{sql}");
    }
    let digests = world.run("SELECT email FROM sales.digests").await.unwrap();
    assert!(!contains(&wire_bytes(&digests), "secretmail"));
}

#[tokio::test]
async fn plans_tell_nothing_of_the_inside() {
    let world = world(false, 2).await;
    let shown = async |sql: &str| {
        let plan = world.plan(sql, Vec::new()).await.unwrap().runnable.plan;
        let debug = format!("{plan:?}");
        for word in ["CANARY", "parquet", "secret", "EU"] {
            assert!(!debug.contains(word), "{word} in {debug}");
        }
        displayable(plan.as_ref()).indent(false).to_string()
    };
    insta::assert_snapshot!(
        shown("SELECT id FROM sales.g WHERE id > 5 AND salary IS NOT NULL").await,
        @"DataSourceExec: governed=sales.g, columns=[id], predicates=2"
    );
    insta::assert_snapshot!(shown("SELECT id FROM sales.g WHERE CAST(note AS INT) > 5 AND id < 9").await, @r"
    FilterExec: CAST(note@1 AS Int32) > 5, projection=[id@0]
      DataSourceExec: governed=sales.g, columns=[id, note], predicates=1
    ");
    insta::assert_snapshot!(shown("SELECT email FROM sales.g WHERE email > 'a' ORDER BY region").await, @r"
    ProjectionExec: expr=[email@0 as email]
      SortPreservingMergeExec: [region@1 ASC NULLS LAST]
        ProjectionExec: expr=[email@1 as email, region@0 as region]
          SortExec: expr=[region@0 ASC NULLS LAST], preserve_partitioning=[true]
            FilterExec: email@1 > a
              DataSourceExec: governed=sales.g, columns=[region, email]
    ");
    insta::assert_snapshot!(shown("SELECT id, note FROM sales.g ORDER BY id DESC LIMIT 3").await, @r"
    SortPreservingMergeExec: [id@0 DESC], fetch=3
      SortExec: TopK(fetch=3), expr=[id@0 DESC], preserve_partitioning=[true]
        DataSourceExec: governed=sales.g, columns=[id, note], dynamic_filters=1
    ");
    insta::assert_snapshot!(shown("SELECT count(*) FROM sales.g").await, @r"
    ProjectionExec: expr=[count(Int64(1))@0 as count(*)]
      AggregateExec: mode=Final, gby=[], aggr=[count(Int64(1))]
        CoalescePartitionsExec
          AggregateExec: mode=Partial, gby=[], aggr=[count(Int64(1))]
            DataSourceExec: governed=sales.g, columns=[]
    ");
    insta::assert_snapshot!(shown("SELECT a.id FROM sales.g a JOIN sales.g b ON a.id = b.id WHERE b.id = 7").await, @r"
    CooperativeExec
      HashJoinExec: mode=CollectLeft, join_type=Inner, on=[(id@0, id@0)], projection=[id@0]
        CoalescePartitionsExec
          DataSourceExec: governed=sales.g, columns=[id], predicates=1
        DataSourceExec: governed=sales.g, columns=[id], predicates=1, dynamic_filters=1
    ");
}

#[tokio::test]
async fn nobody_sees_rows_of_a_grant_of_nothing() {
    let mut world = Fixture::with_threads(1);
    world.write("p.parquet", &[batch(true)], GROUP);
    world.add("none", &columns(), "p.parquet", Shows { rows: RowFilter::Nothing, masks: &[], hidden: &[] }).await;
    assert_eq!(world.rows("SELECT count(*) FROM sales.none").await, ["0"]);
    assert!(world.rows("SELECT * FROM sales.none").await.is_empty());
}

#[tokio::test]
async fn a_derived_dataset_hides_what_its_statement_hides() {
    for threads in [1, 2] {
        let mut world = Fixture::with_threads(threads);
        world.write("p.parquet", &[batch(true)], GROUP);
        let source = || async { world.governed("p", &columns(), "p.parquet", Shows::everything()).await };
        let derived = [column("id", DataType::Int64), column("note", DataType::Utf8), column("email", DataType::Utf8)];
        // The NULL that nullif makes still covers the value in the slot.
        let sql = "SELECT nullif(note, note) AS ghost, email, note, id FROM sales.p WHERE region = 'EU'";
        let (first, second) = (source().await, source().await);
        let ghosts = [column("ghost", DataType::Utf8), column("id", DataType::Int64)];
        world.add_derived(
            "d",
            &derived,
            sql,
            vec![first],
            Shows {
                rows: RowFilter::Present { column: "note".into(), present: true },
                masks: &[("email", Mask::Partial)],
                hidden: &[],
            },
        );
        world.add_derived("ghosts", &ghosts, &sql.replace("'EU'", "'US'"), vec![second], Shows::everything());
        for (sql, rows) in [
            ("SELECT count(*) FROM sales.d", "5000"),
            ("SELECT count(*) FROM sales.d WHERE CAST(note AS INT) >= 0", "5000"),
            ("SELECT id, email FROM sales.d WHERE id = 10", "10,*********************mple"),
            ("SELECT count(*) FROM sales.d a JOIN sales.d b ON a.id = b.id", "5000"),
            ("SELECT max(id) FROM (SELECT * FROM sales.d ORDER BY id LIMIT 3)", "4"),
            ("SELECT count(ghost), count(*) FROM sales.ghosts", "0,5000"),
        ] {
            assert_eq!(world.rows(sql).await, [rows], "{sql}");
        }
        let batches = world.run("SELECT * FROM sales.ghosts").await.unwrap();
        assert!(!contains(&wire_bytes(&batches), "CANARY"));
        let batches = world.run("SELECT * FROM sales.d").await.unwrap();
        assert!(!contains(&wire_bytes(&batches), "CANARY") && !contains(&wire_bytes(&batches), "secretmail"));
        // The source of a derived dataset is not the caller's.
        assert_eq!(world.run("SELECT * FROM sales.p").await.unwrap_err().kind(), QueryErrorKind::UnknownTable);
        // Its errors are its own.
        let error = world.run("SELECT region FROM sales.d").await.unwrap_err();
        assert_eq!(error.kind(), QueryErrorKind::UnknownColumn);
    }
}

#[tokio::test]
async fn a_file_that_goes_is_said_to_have_gone_and_nothing_else() {
    let world = world(true, 2).await;
    let plan = world.plan("SELECT sum(salary) FROM sales.g", Vec::new()).await.unwrap();
    std::fs::remove_file(world.folder.path().join("p/2.parquet")).unwrap();
    let error = futures::TryStreamExt::try_collect::<Vec<_>>(world.execute(plan)).await.unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::SourceChanged, "{error}");
    assert!(!error.to_string().contains("parquet"));
}
