//! Named queries: what their calls become, which arguments they take, and what they never tell.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use futures::TryStreamExt;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::fixture::{Fixture, MESH, Shows, asker, calling, column, equal, query, texts};
use super::*;
use crate::product::Argument;

const BY_ID: &str = "SELECT id, region FROM sales.t WHERE id = $wanted";

/// `sales.t`, of which the principal sees the rows of `EU` and not the column `secret`; `sales.u`, all of it.
async fn world() -> Fixture {
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from_iter_values(0..6)) as ArrayRef, true),
        ("region", Arc::new(StringArray::from(vec!["EU", "US", "EU", "US", "EU", "US"])) as ArrayRef, true),
        ("secret", Arc::new(StringArray::from(vec!["s"; 6])) as ArrayRef, true),
    ]);
    let columns = [column("id", DataType::Int64), column("region", DataType::Utf8), column("secret", DataType::Utf8)];
    let mut world = Fixture::with_threads(2);
    world.write("t.parquet", &[batch.unwrap()], 10);
    let shows = Shows { rows: equal("region", "EU"), masks: &[], hidden: &["secret"] };
    world.add("t", &columns, "t.parquet", shows).await;
    world.add("u", &columns, "t.parquet", Shows::everything()).await;
    world
}

fn by_id() -> Arc<QueryTemplate> {
    query("by_id", &[("wanted", DataType::Int64, None)], BY_ID).unwrap()
}

async fn rows(world: &Fixture, sql: &str, queries: &[Arc<QueryTemplate>], values: Vec<ScalarValue>) -> String {
    let plan = world.plan_calling(sql, queries, values).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let batches: Vec<RecordBatch> = world.execute(plan).try_collect().await.unwrap();
    texts(&batches).join(" ")
}

#[test]
fn a_call_becomes_a_table_expression_before_all_others() {
    let statement = calling(
        "WITH w AS (SELECT 1 AS id) SELECT by_id.region FROM sales.by_id(4) JOIN w USING (id) \
         JOIN Sales.By_Id(wanted => $1) AS other ON true",
        &[by_id()],
    )
    .unwrap();
    insta::assert_snapshot!(
        statement,
        @r#"WITH "sales.by_id#1" AS (SELECT id, region FROM sales.t WHERE id = 4), "sales.by_id#2" AS (SELECT id, region FROM sales.t WHERE id = CAST($1 AS BIGINT)), w AS (SELECT 1 AS id) SELECT by_id.region FROM "sales.by_id#1" AS "by_id" JOIN w USING(id) JOIN "sales.by_id#2" AS other ON true"#
    );
    assert_eq!(statement.tables().iter().map(ToString::to_string).collect::<Vec<_>>(), ["sales.t"]);
    assert_eq!(statement.queries().iter().map(ToString::to_string).collect::<Vec<_>>(), ["sales.offers@1.0.0/by_id"]);
    assert_eq!(statement.parameters(), 1);
    let redacted = statement.redacted(&|_| false, &|value| format!("<{value}>"));
    assert!(redacted.contains(r#"WITH "sales.by_id#1" AS"#) && redacted.contains("'#<4>'"), "{redacted}");
}

#[tokio::test]
async fn rows_are_the_callers_own_however_the_query_is_asked() {
    let world = world().await;
    let defaulted = query(
        "lowest",
        &[("least", DataType::Int64, Some(Argument::Number("2".into()))), ("most", DataType::Int64, None)],
        "WITH w AS (SELECT * FROM sales.t) SELECT id FROM w WHERE id >= $least ORDER BY id LIMIT $most",
    );
    let queries = [by_id(), defaulted.unwrap()];
    for (sql, values, expected) in [
        ("SELECT * FROM sales.by_id(4)", vec![], "4,EU"),
        // Row 3 is not of the caller's region.
        ("SELECT * FROM sales.by_id(3)", vec![], ""),
        ("SELECT region FROM mesh.sales.by_id('4')", vec![], "EU"),
        ("SELECT * FROM sales.by_id(?)", vec![ScalarValue::Int32(Some(2))], "2,EU"),
        ("SELECT * FROM sales.by_id(wanted => $1) WHERE id = $1", vec!["2".into()], "2,EU"),
        ("SELECT id FROM sales.lowest(most => 5)", vec![], "2 4"),
        ("SELECT id FROM sales.lowest(0, 1) UNION ALL SELECT id FROM sales.by_id(4)", vec![], "0 4"),
        ("SELECT (SELECT max(id) FROM sales.by_id(2)) AS m, u.id FROM sales.u WHERE id = 1", vec![], "2,1"),
        // A name of the caller's does not reach into the query, nor one of the query's out of it.
        ("WITH w AS (SELECT 9 AS id) SELECT lowest.id, w.id FROM sales.lowest(4, $1), w", vec![1i64.into()], "4,9"),
        (r#"WITH "sales.t" AS (SELECT 4 AS id, 'x' AS region) SELECT region FROM sales.by_id(4)"#, vec![], "EU"),
        ("SELECT * FROM sales.by_id(NULL)", vec![], ""),
        ("SELECT * FROM sales.by_id(-4)", vec![], ""),
    ] {
        assert_eq!(rows(&world, sql, &queries, values).await, expected, "{sql}");
    }
}

#[test]
fn arguments_are_refused_by_their_parameter() {
    let two = query(
        "two",
        &[("a", DataType::Int64, None), ("b", DataType::Utf8, Some(Argument::Null))],
        "SELECT id FROM sales.t WHERE id = $a AND region = $b",
    );
    let queries = [two.unwrap(), by_id()];
    for (call, expected) in [
        ("two()", "`sales.two` asks for the argument `a`, a BIGINT"),
        ("two(b => 'x')", "`sales.two` asks for the argument `a`, a BIGINT"),
        ("two('x')", "the argument `a` of `sales.two` must be a BIGINT"),
        ("two(4.2)", "the argument `a` of `sales.two` must be a BIGINT"),
        ("two(9223372036854775808)", "the argument `a` of `sales.two` must be a BIGINT"),
        ("two(1, 2)", "the argument `b` of `sales.two` must be a VARCHAR"),
        ("two(1, 'x', 3)", "`sales.two` takes 2 arguments, `a`, `b`, 3 were given"),
        ("two(1, a => 2)", "the argument `a` of `sales.two` is given twice"),
        ("two(1, c => 2)", "`sales.two` has no parameter `c`"),
        ("two(a => 1, 'x')", "arguments of `sales.two` are written in order, or after those as `name => value`"),
        ("two(1 + 1)", "the argument `a` of `sales.two` must be a literal or a parameter"),
        ("two((SELECT 1))", "the argument `a` of `sales.two` must be a literal or a parameter"),
        ("two(id)", "the argument `a` of `sales.two` must be a literal or a parameter"),
        ("two(*)", "the argument `a` of `sales.two` must be a literal or a parameter"),
        ("two($1, $1)", "the parameter `$1` is the argument of two types, BIGINT and VARCHAR"),
        ("three(1)", "query `sales.three` not found"),
        ("by_id(1) TABLESAMPLE BERNOULLI (1)", "TABLESAMPLE is not supported"),
    ] {
        let error = calling(&format!("SELECT * FROM sales.{call}"), &queries).unwrap_err();
        assert_eq!(error.message(), expected, "{call}");
    }
    let other = calling("SELECT * FROM by_id(1)", &queries).unwrap_err();
    assert_eq!(
        (other.kind(), other.message()),
        (QueryErrorKind::Unsupported, "table function `by_id` is not supported")
    );
}

#[test]
fn what_a_declaration_cannot_be_is_said() {
    let number = [("n", DataType::Int64, None)];
    for (sql, expected) in [
        ("SELECT id FROM sales.t", "the parameter `n` is not used: write `$n`"),
        ("SELECT id FROM sales.t WHERE id = $n OR id = $m", "`$m` is no parameter that the query declares"),
        ("SELECT id FROM sales.t WHERE id = ? OR id = $n", "`?` is no parameter that the query declares"),
        ("SELECT id FROM sales.t WHERE id = $1 OR id = $n", "`$1` is no parameter that the query declares"),
        ("DELETE FROM sales.t WHERE id = $n", "DELETE is not supported: the gateway is read-only"),
        ("SELECT id FROM sales.t WHERE id = $n; SELECT 1", "more than one statement is not supported"),
        ("SELECT * FROM sales.by_id($n)", "table function `sales.by_id` is not supported"),
        ("SELECT read_text('x') FROM sales.t WHERE id = $n", "function `read_text` is not supported"),
    ] {
        let error = query("q", &number, sql).unwrap_err();
        assert_eq!(error.message(), expected, "{sql}");
    }
}

#[test]
fn many_calls_stay_within_the_limits_of_a_statement() {
    let union = |parts: usize| vec![BY_ID; parts].join(" UNION ALL ");
    let large = query("large", &[("wanted", DataType::Int64, None)], &union(40)).unwrap();
    let calls = |count: usize| format!("SELECT * FROM {}", vec!["sales.large(1)"; count].join(", "));
    assert!(calling(&calls(1), &[Arc::clone(&large)]).is_ok());
    let error = calling(&calls(2), &[Arc::clone(&large)]).unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::Limit);
    let error = calling(&calls(5_000), &[large]).unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::Limit);
    let nested = (0..90).fold("sales.by_id(1)".to_owned(), |inner, at| format!("(SELECT * FROM {inner}) AS t{at}"));
    let error = calling(&format!("SELECT * FROM {nested}"), &[by_id()]).map(|_| ());
    assert!(error.is_err_and(|error| matches!(error.kind(), QueryErrorKind::Limit | QueryErrorKind::Syntax)));
}

#[tokio::test]
async fn a_column_that_the_query_names_and_the_caller_may_not_see_is_not_told() {
    let world = world().await;
    let telling = query("telling", &[], "SELECT id FROM sales.t WHERE secret = 's'").unwrap();
    for sql in [
        "SELECT * FROM sales.telling()",
        // A column of an outer query does not stand in for it.
        "SELECT (SELECT max(id) FROM sales.telling()) FROM sales.u",
        "SELECT 1 AS secret FROM sales.telling()",
    ] {
        let error = world.plan_calling(sql, &[Arc::clone(&telling)], vec![]).await.unwrap_err();
        assert_eq!(error.kind(), QueryErrorKind::NotGranted, "{sql}");
        assert_eq!(error.message(), "the query `sales.telling` reads more than you may: ask its owner");
    }
    let own = world.plan_calling("SELECT nope FROM sales.by_id(1)", &[by_id()], vec![]).await.unwrap_err();
    assert_eq!((own.kind(), own.message()), (QueryErrorKind::UnknownColumn, "column `nope` not found"));
}

#[tokio::test]
async fn parameters_have_the_declared_types_and_values_arrive_whole() {
    let world = world().await;
    let statement = calling("SELECT * FROM sales.by_id(?)", &[by_id()]).unwrap();
    let described = world.engine.describe(&asker(), MESH, &statement, world.tables.clone()).await.unwrap();
    assert_eq!(described.parameters, [Some(DataType::Int64)]);
    let plan = world.plan_calling("SELECT * FROM sales.by_id(?)", &[by_id()], vec![4i64.into()]).await.unwrap();
    assert_eq!(plan.schema(), described.schema);
    for value in [ScalarValue::Float64(Some(4.2)), ScalarValue::from("x"), ScalarValue::UInt64(Some(u64::MAX))] {
        let error = world.plan_calling("SELECT * FROM sales.by_id(?)", &[by_id()], vec![value]).await.unwrap_err();
        assert_eq!(error.message(), "the value of parameter `$1` does not fit");
    }
}

#[tokio::test]
async fn every_type_of_parameter_arrives() {
    let world = world().await;
    let text = |text: &str| Argument::Text(text.to_owned());
    let number = |text: &str| Argument::Number(text.to_owned());
    use ScalarValue as S;
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    for (data_type, argument, expected) in [
        (DataType::Int8, number("-128"), S::Int8(Some(-128))),
        (DataType::Int16, number("7"), S::Int16(Some(7))),
        (DataType::Int32, text("7"), S::Int32(Some(7))),
        (DataType::Int64, number("9223372036854775807"), S::Int64(Some(i64::MAX))),
        (DataType::UInt8, number("255"), S::UInt8(Some(255))),
        (DataType::UInt16, number("7"), S::UInt16(Some(7))),
        (DataType::UInt32, number("7"), S::UInt32(Some(7))),
        (DataType::UInt64, number("18446744073709551615"), S::UInt64(Some(u64::MAX))),
        (DataType::Float32, number("1.5"), S::Float32(Some(1.5))),
        (DataType::Float64, number("1e10"), S::Float64(Some(1e10))),
        (DataType::Decimal128(15, 2), text("12.50"), S::Decimal128(Some(1250), 15, 2)),
        (DataType::Boolean, Argument::Flag(true), S::Boolean(Some(true))),
        (DataType::Date32, text("1970-01-11"), S::Date32(Some(10))),
        (micros, text("1970-01-01T00:00:01"), S::TimestampMicrosecond(Some(1_000_000), None)),
        (DataType::Timestamp(TimeUnit::Second, None), text("1970-01-01T00:00:01"), S::TimestampSecond(Some(1), None)),
        // SQL has no other zoned type.
        (zoned, text("1970-01-01T01:00:00+01:00"), S::TimestampNanosecond(Some(0), Some("UTC".into()))),
        (DataType::Utf8, Argument::Null, S::Utf8(None)),
    ] {
        let echo = query("echo", &[("v", data_type.clone(), None)], "SELECT $v AS v FROM sales.u WHERE id = 1");
        let scan = Scan { schema: "sales", table: "echo", columns: None, filter: None, limit: None };
        let given = [("v".to_owned(), argument)];
        let echo = echo.unwrap();
        let statement = Statement::scan_query(&scan, &echo, Arguments::Given(&given), &Limits::default()).unwrap();
        let plan = world.engine.plan(&asker(), MESH, &statement, world.tables.clone(), vec![]).await.unwrap();
        let open = Statement::scan_query(&scan, &echo, Arguments::Open, &Limits::default()).unwrap();
        let described = world.engine.describe(&asker(), MESH, &open, world.tables.clone()).await.unwrap();
        assert_eq!(described.parameters, [Some(data_type.clone())]);
        assert_eq!(described.schema.field(0).data_type(), plan.schema().field(0).data_type(), "{data_type}");
        let batches: Vec<RecordBatch> = world.execute(plan).try_collect().await.unwrap();
        let arrived = ScalarValue::try_from_array(batches[0].column(0), 0).unwrap();
        assert_eq!(arrived, expected, "{data_type}");
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        prop::collection::vec(
            prop::sample::select(vec!["'", "''", "\\", "\"", "--", "/*", "$v", "$1", "?", ";", "\0", "a"]),
            0..20
        )
        .prop_map(|parts| parts.concat()),
    ]
}

/// Whatever a caller gives arrives as the value it is, and says nothing else.
#[test]
fn any_text_arrives_as_itself() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let world = runtime.block_on(world());
    let sql = "SELECT $v AS v, $v AS w FROM sales.u WHERE id = 1";
    let echo = query("echo", &[("v", DataType::Utf8, None)], sql).unwrap();
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() });
    let outcome = runner.run(&any_text(), |value| {
        let scan = Scan { schema: "sales", table: "echo", columns: None, filter: Some("v = w"), limit: None };
        let given = [("v".to_owned(), Argument::Text(value.clone()))];
        let statement = Statement::scan_query(&scan, &echo, Arguments::Given(&given), &Limits::default()).unwrap();
        let written = format!("SELECT v FROM sales.echo('{}')", value.replace('\'', "''"));
        let written = calling(&written, std::slice::from_ref(&echo)).unwrap();
        for statement in [statement, written] {
            let arrived = runtime.block_on(async {
                let plan = world.engine.plan(&asker(), MESH, &statement, world.tables.clone(), vec![]).await.unwrap();
                let batches: Vec<RecordBatch> = world.execute(plan).try_collect().await.unwrap();
                ScalarValue::try_from_array(batches[0].column(0), 0).unwrap()
            });
            prop_assert_eq!(arrived, ScalarValue::from(value.as_str()));
        }
        Ok(())
    });
    outcome.unwrap();
}
