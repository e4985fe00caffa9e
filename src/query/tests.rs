//! The engine as the gateway uses it: schemas, parameters, functions, limits of time and memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray, Date32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::ScalarValue;
use futures::{StreamExt, TryStreamExt};

use super::fixture::{Fixture, MESH, Shows, asker, column, equal};
use super::*;
use crate::principal::Identity;

/// A table of 5000 rows, as `sales.t` (all of it) and `sales.g` (the even half).
async fn world(config: &EngineConfig) -> Fixture {
    let ids: Vec<i64> = (0..5_000).collect();
    let parity = StringArray::from_iter_values(ids.iter().map(|id| if id % 2 == 0 { "even" } else { "odd" }));
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from(ids.clone())) as ArrayRef, true),
        ("parity", Arc::new(parity) as ArrayRef, true),
        ("day", Arc::new(Date32Array::from_iter_values(0..5_000)) as ArrayRef, true),
    ])
    .unwrap();
    let columns = [column("id", DataType::Int64), column("parity", DataType::Utf8), column("day", DataType::Date32)];
    let mut world = Fixture::new(config);
    world.write("t.parquet", &[batch], 1_000);
    world.add("t", &columns, "t.parquet", Shows::everything()).await;
    world.add("g", &columns, "t.parquet", Shows { rows: equal("parity", "even"), masks: &[], hidden: &[] }).await;
    world
}

fn small() -> EngineConfig {
    EngineConfig { threads: 2, ..EngineConfig::default() }
}

async fn kind(world: &Fixture, sql: &str) -> QueryErrorKind {
    match world.run(sql).await {
        Ok(_) => panic!("answered: {sql}"),
        Err(error) => error.kind(),
    }
}

#[tokio::test]
async fn announced_planned_and_sent_schemas_are_one() {
    let world = world(&small()).await;
    for (sql, parameters) in [
        ("SELECT * FROM sales.t LIMIT 1", vec![]),
        ("SELECT id, id, count(*) AS n, 'x' AS c FROM sales.g GROUP BY id LIMIT 1", vec![]),
        ("SELECT parity || '!' AS p, upper(parity), CAST(id AS VARCHAR) FROM sales.t LIMIT 1", vec![]),
        ("SELECT id = $1 AS same, id + $1 AS more FROM sales.g LIMIT 1", vec![ScalarValue::Int64(Some(1))]),
        ("SELECT id FROM sales.t WHERE parity = $1 AND day > $2 LIMIT 1", vec!["odd".into(), "1970-01-05".into()]),
        ("SELECT array_agg(parity), max(day), approx_distinct(parity) FROM sales.t", vec![]),
        ("SELECT a.id, b.id FROM sales.t a LEFT JOIN sales.g b ON a.id = b.id LIMIT 1", vec![]),
    ] {
        let described = world.describe(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")).schema;
        let plan = world.plan(sql, parameters).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(plan.schema(), described, "{sql}");
        let stream = world.execute(plan);
        assert_eq!(*stream.schema(), described, "{sql}");
        let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
        assert!(!batches.is_empty(), "{sql}");
        for batch in batches {
            assert_eq!(batch.schema(), described, "{sql}");
        }
    }
}

#[tokio::test]
async fn parameters_are_inferred_bound_and_checked() {
    let world = world(&small()).await;
    let sql = "SELECT count(*) FROM sales.g WHERE id < ? AND parity = ? AND day BETWEEN ? AND ?";
    let described = world.describe(sql).await.unwrap();
    assert_eq!(
        described.parameters,
        [Some(DataType::Int64), Some(DataType::Utf8), Some(DataType::Date32), Some(DataType::Date32)]
    );
    let day = |day| ScalarValue::Date32(Some(day));
    let bound = vec![ScalarValue::Int32(Some(100)), ScalarValue::LargeUtf8(Some("even".into())), day(10), day(20)];
    let batches = world.run_with(sql, bound).await.unwrap();
    assert_eq!(super::fixture::texts(&batches), ["6"]);
    let null = vec![ScalarValue::Null, "even".into(), day(10), day(20)];
    assert_eq!(super::fixture::texts(&world.run_with(sql, null).await.unwrap()), ["0"]);
    for wrong in [vec![], vec![day(1)], vec!["x".into(), "even".into(), day(10), day(20)]] {
        let error = world.run_with(sql, wrong).await.unwrap_err();
        assert_eq!(error.kind(), QueryErrorKind::Invalid, "{error}");
    }
    assert_eq!(world.describe("SELECT $1").await.unwrap().parameters, [None]);
}

#[tokio::test]
async fn each_row_of_parameters_is_answered_in_turn() {
    let world = world(&small()).await;
    let run = async |sql: &str, rows: Vec<Vec<ScalarValue>>| world.run_with(sql, Parameters::rows(rows)).await;
    let sql = "SELECT id FROM sales.g WHERE id = $1 OR id = $1 + 1 ORDER BY id";
    let row = |id: i64| vec![ScalarValue::from(id)];
    let batches = run(sql, vec![row(4), row(0), row(100_000), row(4)]).await.unwrap();
    let ids = |batches: &[RecordBatch]| -> Vec<i64> {
        batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
    };
    let alone: Vec<_> = [run(sql, vec![row(4)]).await.unwrap(), run(sql, vec![row(0)]).await.unwrap()].concat();
    assert_eq!(ids(&batches), [ids(&alone), ids(&run(sql, vec![row(4)]).await.unwrap())].concat());
    for (sql, rows) in [
        ("SELECT id FROM sales.g WHERE id = $1", vec![row(1), vec![]]),
        ("SELECT id FROM sales.g", vec![row(1), row(2)]),
        ("SELECT $1", vec![row(1), vec!["x".into()]]),
    ] {
        let error = run(sql, rows).await.unwrap_err();
        assert_eq!(error.kind(), QueryErrorKind::Invalid, "{error}");
    }
    assert_eq!(run("SELECT count(*) FROM sales.g", vec![vec![], vec![]]).await.unwrap().len(), 2);
}

#[tokio::test]
async fn mistakes_are_told_by_kind_and_without_values() {
    let world = world(&small()).await;
    use QueryErrorKind as Kind;
    for (sql, expected) in [
        ("SELEC id FROM sales.t", Kind::Syntax),
        ("SELECT id FROM sales.t WHERE", Kind::Syntax),
        ("SELECT nothing FROM sales.t", Kind::UnknownColumn),
        ("SELECT t.nothing FROM sales.t", Kind::UnknownColumn),
        ("SELECT other.id FROM sales.t", Kind::UnknownColumn),
        ("SELECT id FROM sales.t a, sales.t b", Kind::Invalid),
        ("SELECT id + parity FROM sales.t", Kind::Invalid),
        ("SELECT abs(parity, 1) FROM sales.t", Kind::Invalid),
        ("SELECT id FROM sales.t GROUP BY parity", Kind::Invalid),
        ("SELECT id FROM sales.t UNION SELECT id, id FROM sales.t", Kind::Invalid),
        ("SELECT 1 / 0", Kind::Execution),
        ("SELECT 1 / (id - id) FROM sales.t", Kind::Execution),
        ("SELECT CAST(parity AS INT) FROM sales.t", Kind::Execution),
        ("SELECT CAST('abc' AS INT)", Kind::Execution),
        ("SELECT to_date(parity) FROM sales.g", Kind::Execution),
        ("SELECT parity ~ '(' FROM sales.t", Kind::Invalid),
    ] {
        let error = match world.run(sql).await {
            Ok(_) => panic!("answered: {sql}"),
            Err(error) => error,
        };
        assert_eq!(error.kind(), expected, "{sql}: {error}");
        let told = error.to_string().replace(&error.id().to_string(), "");
        for word in ["even", "odd", "abc", "parity", "datafusion", "Did you", "day"] {
            assert!(!told.contains(word), "{sql}: {error}");
        }
    }
}

#[tokio::test]
async fn functions_that_grow_are_bounded() {
    let world = world(&small()).await;
    let doubling = |step: &str| {
        let mut sql = "WITH c0 AS (SELECT parity AS s FROM sales.t LIMIT 1)".to_owned();
        for i in 1..24 {
            sql += &format!(", c{i} AS (SELECT {step} AS s FROM c{})", i - 1);
        }
        sql + " SELECT length(s) FROM c23"
    };
    for sql in [
        "SELECT length(repeat('x', 2000000000))".to_owned(),
        "SELECT length(repeat(parity, 2000000000)) FROM sales.t".to_owned(),
        "SELECT length(lpad('x', 2000000000, 'y'))".to_owned(),
        "SELECT length(rpad(parity, 2000000000, 'y')) FROM sales.t".to_owned(),
        "SELECT length(replace(repeat('a', 60000), 'a', repeat('b', 60000)))".to_owned(),
        "SELECT length(regexp_replace(repeat('a', 60000), '', repeat('b', 60000), 'g'))".to_owned(),
        "SELECT length(to_char(now(), repeat('%c', 30000)))".to_owned(),
        "SELECT length(concat_ws(repeat('x', 60000), 'a', 'b', 'c', 'd'))".to_owned(),
        "SELECT repeat('x', 60000) FROM sales.t".to_owned(),
        "SELECT sum(length(repeat(parity, 30000))) FROM sales.t".to_owned(),
        doubling("s || s"),
        doubling("concat(s, s)"),
        doubling("replace(s, 'e', 'ee')"),
        doubling("encode(CAST(s AS BYTEA), 'hex')"),
    ] {
        let started = Instant::now();
        assert_eq!(kind(&world, &sql).await, QueryErrorKind::Limit, "{sql}");
        assert!(started.elapsed() < Duration::from_secs(20), "{sql}");
    }
    for (sql, row) in [
        ("SELECT 'a' || 'b' || 3", "ab3"),
        ("SELECT 'a' || NULL", "NULL"),
        (
            "SELECT concat('a', NULL, 'b'), concat_ws('-', 'a', 'b'), lpad('7', 3, '0'), repeat('ab', 2)",
            "ab,a-b,007,abab",
        ),
        ("SELECT replace('aXa', 'X', 'b'), regexp_replace('foo42', '[0-9]+', '#'), encode('a', 'hex')", "aba,foo#,61"),
        ("SELECT max(parity || CAST(id AS VARCHAR)) || '!' FROM sales.g WHERE parity || 'x' = 'evenx'", "even998!"),
        ("SELECT to_char(DATE '2024-03-01', '%Y/%m')", "2024/03"),
        ("SELECT count(*), sum(length(repeat(parity, 100))) FROM sales.t", "5000,1750000"),
    ] {
        assert_eq!(world.rows(sql).await, [row], "{sql}");
    }
}

#[tokio::test]
async fn a_query_ends_on_time_and_when_nobody_reads() {
    let config = EngineConfig { query_timeout_seconds: 1, max_concurrent_queries: 2, ..small() };
    let world = world(&config).await;
    let endless = "SELECT count(*) FROM sales.t a, sales.t b, sales.t c WHERE a.id + b.id + c.id < 0";
    let started = Instant::now();
    assert_eq!(kind(&world, endless).await, QueryErrorKind::Deadline);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    // The engine is free again.
    let world = self::world(&EngineConfig { query_timeout_seconds: 60, ..config }).await;
    for _ in 0..4 {
        let plan = world.plan(endless, Vec::new()).await.unwrap();
        let mut stream = world.execute(plan);
        assert!(tokio::time::timeout(Duration::from_millis(200), stream.next()).await.is_err());
        drop(stream);
    }
    let started = Instant::now();
    assert_eq!(world.rows("SELECT count(*) FROM sales.t").await, ["5000"]);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_slow_reader_holds_few_batches() {
    let world = world(&EngineConfig { batch_size: 100, ..small() }).await;
    let plan = world.plan("SELECT a.id FROM sales.t a, sales.t b", Vec::new()).await.unwrap();
    let mut stream = world.execute(plan);
    assert!(stream.next().await.unwrap().is_ok());
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(stream);
}

#[tokio::test]
async fn neither_a_stalled_reader_nor_an_export_keeps_others_waiting() {
    let world = world(&EngineConfig { batch_size: 100, max_concurrent_queries: 1, ..small() }).await;
    let export = "SELECT a.id FROM sales.t a, sales.t b";
    let mut stalled = world.execute(world.plan(export, Vec::new()).await.unwrap());
    assert!(stalled.next().await.unwrap().is_ok());
    let mut read = world.execute(world.plan(export, Vec::new()).await.unwrap());
    let reading = async { while read.next().await.unwrap().is_ok() {} };
    let others = async {
        for _ in 0..5 {
            assert_eq!(world.rows("SELECT count(*) FROM sales.t").await, ["5000"]);
        }
    };
    tokio::select! {
        () = reading => panic!("25 million rows in no time"),
        () = others => {}
    }
    assert!(stalled.next().await.unwrap().is_ok(), "and it goes on when its reader does");
}

#[tokio::test]
async fn no_more_is_open_than_may_be() {
    let config = EngineConfig { max_open_queries: 3, max_open_queries_per_principal: Some(2), ..small() };
    let world = world(&config).await;
    let other = Identity::User("other".into());
    let mut open = vec![world.engine.admit(&asker()).unwrap(), world.engine.admit(&asker()).unwrap()];
    for (who, says) in [(&asker(), "too many of your queries"), (&other, "too many queries")] {
        open.extend(world.engine.admit(who).ok());
        let busy = world.engine.admit(who).unwrap_err();
        assert_eq!(busy.kind(), QueryErrorKind::ResourcesExhausted);
        assert!(busy.message().starts_with(says) && busy.retry_after().is_some(), "{busy}");
    }
    drop(open);
    assert_eq!(world.rows("SELECT count(*) FROM sales.t").await, ["5000"]);
}

#[tokio::test]
async fn a_wait_for_a_turn_ends() {
    let config = EngineConfig { max_concurrent_queries: 1, max_wait_seconds: 0, ..small() };
    let world = world(&config).await;
    // It makes no batch before its end.
    let long = "SELECT count(*) FROM sales.t a, sales.t b, sales.t c WHERE a.id + b.id + c.id < 0";
    let mut first = world.execute(world.plan(long, Vec::new()).await.unwrap());
    assert!(tokio::time::timeout(Duration::from_millis(200), first.next()).await.is_err());
    let waited = world.run("SELECT count(*) FROM sales.t").await.unwrap_err();
    assert_eq!(waited.kind(), QueryErrorKind::ResourcesExhausted);
    assert!(waited.retry_after().is_some());
}

#[tokio::test]
async fn planning_is_bounded() {
    let world = world(&EngineConfig { planning_timeout_seconds: 0, ..small() }).await;
    let statement = Statement::parse("SELECT 1", &Limits::default()).unwrap();
    let error = world.engine.plan(&asker(), MESH, &statement, Vec::new(), Vec::new()).await.unwrap_err();
    assert!(matches!(error.kind(), QueryErrorKind::Deadline | QueryErrorKind::ResourcesExhausted), "{error}");
}

#[tokio::test]
async fn memory_is_bounded() {
    let world = world(&EngineConfig { memory_limit: 200_000, spill_limit: 0, ..small() }).await;
    let sql = "SELECT count(*) FROM (SELECT DISTINCT a.id, b.id AS other FROM sales.t a, sales.t b)";
    assert_eq!(kind(&world, sql).await, QueryErrorKind::ResourcesExhausted);
}

#[tokio::test]
async fn zero_columns_and_duplicate_names_pass() {
    let world = world(&small()).await;
    for (sql, names) in [
        ("SELECT id, id AS id, \"id\" FROM sales.t WHERE id = 3 ORDER BY id", ["id", "id", "id"]),
        ("SELECT count(*), COUNT(*), count(*) FROM sales.t WHERE id = 3", ["count(*)", "count(*)", "count(*)"]),
        ("SELECT a.id, b.id, 1 AS id FROM sales.t a JOIN sales.t b ON a.id = b.id LIMIT 1", ["id", "id", "id"]),
    ] {
        let batches = world.run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let schema = batches[0].schema();
        assert_eq!(schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), names, "{sql}");
        assert_eq!(schema, world.describe(sql).await.unwrap().schema);
    }
    assert_eq!(world.rows("SELECT count(*) FROM sales.g WHERE false").await, ["0"]);
    assert!(world.run("SELECT id FROM sales.t LIMIT 0").await.unwrap().is_empty());
    assert_eq!(world.rows("VALUES (1, 'a'), (2, NULL)").await, ["1,a", "2,NULL"]);
}

#[tokio::test]
async fn what_the_limits_let_pass_is_planned_in_time() {
    let world = world(&EngineConfig { planning_timeout_seconds: 120, ..small() }).await;
    let nested = |open: &str, close: &str, times: usize| format!("{}1{}", open.repeat(times), close.repeat(times));
    for (what, sql) in [
        ("sum", format!("SELECT id{} FROM sales.g", "+1".repeat(180))),
        ("constants", format!("SELECT 1{}", "+1".repeat(180))),
        (
            "or",
            format!(
                "SELECT id FROM sales.g WHERE id = 0{}",
                (1..180).map(|n| format!(" OR id = {n}")).collect::<String>()
            ),
        ),
        (
            "in",
            format!(
                "SELECT id FROM sales.g WHERE id IN (0{})",
                (1..5_000).map(|n| format!(",{n}")).collect::<String>()
            ),
        ),
        ("columns", format!("SELECT id{} FROM sales.g", (1..2_000).map(|n| format!(",id+{n}")).collect::<String>())),
        (
            "joins",
            format!(
                "SELECT t0.id FROM sales.g t0{}",
                (1..60).map(|n| format!(" JOIN sales.g t{n} ON t{n}.id = t0.id")).collect::<String>()
            ),
        ),
        (
            "cross",
            format!("SELECT 1 FROM sales.g t0{}", (1..60).map(|n| format!(", sales.g t{n}")).collect::<String>()),
        ),
        ("unions", format!("SELECT id FROM sales.g{}", " UNION ALL SELECT id FROM sales.g".repeat(90))),
        ("subqueries", nested("SELECT id FROM sales.g WHERE id IN (SELECT id FROM sales.g WHERE id IN (", "))", 8)),
        ("functions", format!("SELECT {} FROM sales.g", nested("abs(", ")", 40))),
        ("case", format!("SELECT CASE{} END FROM sales.g", " WHEN id = 1 THEN 2".repeat(1_000))),
    ] {
        let started = Instant::now();
        let planned = world.plan(&sql, Vec::new()).await;
        assert!(planned.is_ok(), "{what}: {:?}", planned.err());
        // Without optimisation and beside other work: an order of magnitude more than it takes.
        assert!(started.elapsed() < Duration::from_secs(60), "{what}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn what_depends_on_the_moment_is_answered() {
    let world = world(&small()).await;
    for sql in [
        "SELECT now(), current_timestamp, current_date(), current_time() FROM sales.t LIMIT 1",
        "SELECT id FROM sales.g WHERE day < current_date() - INTERVAL '30' DAY",
        "SELECT id FROM sales.t WHERE now() > TIMESTAMP '2020-01-01' AND date_part('year', now()) > 2020",
        "SELECT date_trunc('month', now())",
    ] {
        let described = world.describe(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")).schema;
        let batches = world.run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert!(batches.iter().any(|batch| batch.num_rows() > 0), "{sql}");
        assert_eq!(batches[0].schema(), described, "{sql}");
    }
}

/// The examples that DataFusion documents its functions with; some are over tables or with words that are refused.
#[tokio::test]
async fn permitted_functions_answer_their_own_examples() {
    use QueryErrorKind::{Syntax, UnknownTable, Unsupported};
    let world = world(&small()).await;
    let mut answered = 0;
    for function in &functions::Functions::permitted().scalar {
        let example = function.documentation().and_then(|documented| documented.sql_example.as_deref());
        let statements = example.unwrap_or_default().split('>').skip(1).filter_map(|text| text.split_once(';'));
        for (sql, _) in statements {
            match world.run(sql).await {
                Ok(_) => answered += 1,
                Err(error) if matches!(error.kind(), Syntax | UnknownTable | Unsupported) => {}
                Err(error) => panic!("{}: {sql}: {error}", function.name()),
            }
        }
    }
    assert!(answered > 120, "{answered}");
}
