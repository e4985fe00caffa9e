use proptest::prelude::*;

use super::*;

fn parse(sql: &str) -> Result<Statement, QueryError> {
    Statement::parse(sql, &Limits::default())
}

fn tables(sql: &str) -> Vec<String> {
    parse(sql).unwrap().tables().iter().map(ToString::to_string).collect()
}

fn refusal(sql: &str) -> (QueryErrorKind, String) {
    match parse(sql) {
        Ok(_) => panic!("accepted: {sql}"),
        Err(error) => (error.kind(), error.message().to_owned()),
    }
}

#[test]
fn queries_pass() {
    for sql in [
        "SELECT 1",
        "SELECT * FROM sales.orders",
        "select o.*, count(*) over (partition by region order by id rows between 1 preceding and current row) \
         from mesh.sales.orders o;",
        "WITH a AS (SELECT * FROM s.t) SELECT * FROM a UNION ALL SELECT * FROM a ORDER BY 1 LIMIT 5 OFFSET 2",
        "SELECT region, sum(amount) FILTER (WHERE amount > 0) FROM s.t GROUP BY ROLLUP(region) HAVING count(*) > 1",
        "SELECT CASE WHEN a = 1 THEN 'x' ELSE 'y' END, CAST(a AS DECIMAL(10, 2)), a::BIGINT, DATE '2020-01-01' FROM s.t",
        "SELECT * FROM s.t WHERE id IN (SELECT id FROM s.u WHERE u.id = t.id) AND EXISTS (SELECT 1 FROM s.v)",
        "SELECT extract(year FROM d), substring(n FROM 2 FOR 3), trim(BOTH 'x' FROM n), position('a' IN n) FROM s.t",
        "SELECT * FROM s.t WHERE n LIKE 'a%' AND d BETWEEN DATE '2020-01-01' AND now() - INTERVAL '1 day'",
        "VALUES (1, 'a'), (2, 'b')",
        "SELECT a FROM s.t JOIN s.u USING (id) LEFT JOIN s.v ON v.id = t.id CROSS JOIN s.w",
        "SELECT DISTINCT ON (a) a, b FROM s.t ORDER BY a, b",
        "SELECT {fn upper(n)} FROM s.t",
    ] {
        parse(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

#[test]
fn everything_else_is_refused_by_its_name() {
    for (sql, name) in [
        ("EXPLAIN SELECT 1", "EXPLAIN"),
        ("EXPLAIN ANALYZE VERBOSE SELECT 1", "EXPLAIN"),
        ("DESCRIBE sales.orders", "DESCRIBE"),
        ("SHOW TABLES", "SHOW"),
        ("SHOW ALL", "SHOW"),
        ("SET datafusion.execution.batch_size = 1", "SET"),
        ("RESET datafusion.execution.batch_size", "RESET"),
        ("COPY s.t TO '/tmp/x.parquet'", "COPY"),
        ("CREATE EXTERNAL TABLE x STORED AS PARQUET LOCATION '/etc/passwd'", "CREATE EXTERNAL TABLE"),
        ("CREATE TABLE x AS SELECT 1", "CREATE"),
        ("CREATE VIEW x AS SELECT 1", "CREATE"),
        ("INSERT INTO s.t VALUES (1)", "INSERT"),
        ("UPDATE s.t SET a = 1", "UPDATE"),
        ("DELETE FROM s.t", "DELETE"),
        ("DROP TABLE s.t", "DROP"),
        ("PREPARE p AS SELECT 1", "PREPARE"),
        ("EXECUTE p", "EXECUTE"),
        ("BEGIN", "BEGIN"),
        ("USE x", "USE"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("SELECT * INTO x FROM s.t", "SELECT INTO"),
        ("SELECT * FROM s.t FOR UPDATE", "FOR UPDATE"),
        ("SELECT * FROM 's3://bucket/x.parquet'", "a file in place of a table"),
        ("SELECT * FROM '/etc/passwd'", "a file in place of a table"),
        ("SELECT * FROM generate_series(1, 1000000)", "table function `generate_series`"),
        ("SELECT * FROM range(1, 10)", "table function `range`"),
        ("SELECT * FROM read_parquet('x')", "table function `read_parquet`"),
        ("SELECT * FROM sales.get_it(1)", "table function `sales.get_it`"),
        ("SELECT * FROM TABLE(range(1, 2))", "a table function"),
        ("SELECT * FROM LATERAL range(1, 2)", "table function `range`"),
        ("WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT * FROM r) SELECT * FROM r", "WITH RECURSIVE"),
        ("SELECT input_file_name() FROM s.t", "function `input_file_name`"),
        ("SELECT FILE_ROW_INDEX() FROM s.t", "function `file_row_index`"),
        ("SELECT version()", "function `version`"),
        ("SELECT arrow_cast(a, 'FixedSizeBinary(2000000000)') FROM s.t", "function `arrow_cast`"),
        ("SELECT array_repeat(1, 1000000000)", "function `array_repeat`"),
        ("SELECT range(1, 1000000000)", "function `range`"),
        ("SELECT generate_series(1, 1000000000)", "function `generate_series`"),
        ("SELECT levenshtein(a, b) FROM s.t", "function `levenshtein`"),
        ("SELECT no_such(1)", "function `no_such`"),
        ("SELECT s.f(1)", "function `s.f`"),
        ("SELECT [1, 2]", "an array literal"),
        ("SELECT {'a': 1}", "a struct literal"),
        ("SELECT a FROM s.t WHERE (a, b) IN ((1, 2))", "a row of several values"),
        ("SELECT overlay(a PLACING a FROM 1)", "OVERLAY"),
        ("SELECT CAST(a AS INT[2000000000]) FROM s.t", "type `"),
        ("SELECT * FROM s.t TABLESAMPLE (10)", "TABLESAMPLE"),
        ("SELECT * FROM s.t FETCH FIRST 1 ROWS ONLY", "FETCH"),
        ("SELECT a @> b FROM s.t", "operator `@>`"),
        ("TABLE s.t", "syntax error"),
        ("SELECT 1 UNION (INSERT INTO x VALUES (1))", "INSERT"),
        ("SELECT * FROM s.t PIVOT (sum(a) FOR b IN (1))", "PIVOT"),
    ] {
        let (kind, message) = refusal(sql);
        assert!(message.starts_with(name), "{sql}: {message}");
        assert!(matches!(kind, QueryErrorKind::Unsupported | QueryErrorKind::Syntax), "{sql}: {kind:?} {message}");
    }
}

#[test]
fn tables_are_those_of_datasets() {
    assert_eq!(tables("SELECT 1"), [""; 0]);
    assert_eq!(tables("SELECT * FROM Sales.ORDERS, mesh.sales.orders"), ["sales.orders", "mesh.sales.orders"]);
    assert_eq!(tables("SELECT * FROM \"Sales\".\"O\""), ["Sales.O"]);
    assert_eq!(tables("WITH orders AS (SELECT * FROM s.t) SELECT * FROM orders"), ["s.t"]);
    // The expression is not in sight of itself, nor outside of its query.
    assert_eq!(tables("WITH t AS (SELECT * FROM t) SELECT * FROM t"), ["t"]);
    assert_eq!(tables("SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) x, a"), ["a"]);
    assert_eq!(tables("WITH a AS (SELECT 1), b AS (SELECT * FROM a) SELECT * FROM b JOIN s.a USING (x)"), ["s.a"]);
    assert_eq!(
        tables(
            "SELECT (SELECT max(x) FROM s.a), * FROM s.b WHERE EXISTS (SELECT 1 FROM s.c) ORDER BY (SELECT 1 FROM s.d)"
        ),
        ["s.a", "s.b", "s.c", "s.d"]
    );
    assert_eq!(
        tables("SELECT count(*) FILTER (WHERE a IN (SELECT a FROM s.x)) OVER (ORDER BY (SELECT 1 FROM s.y)) FROM s.z"),
        ["s.x", "s.y", "s.z"]
    );
    assert_eq!(tables("SELECT * FROM information_schema.tables"), ["information_schema.tables"]);
}

#[test]
fn parameters_are_numbered() {
    for (sql, count) in [
        ("SELECT 1", 0),
        ("SELECT * FROM s.t WHERE a = ? AND b = '?' AND c = ? -- ?", 2),
        ("SELECT * FROM s.t WHERE a = $2 AND b = $1 AND c = $2", 2),
        ("SELECT * FROM s.t LIMIT ? OFFSET ?", 2),
    ] {
        assert_eq!(parse(sql).unwrap().parameters(), count, "{sql}");
    }
    insta::assert_snapshot!(
        parse("SELECT * FROM s.t WHERE a = ? OR b IN (?, ?)").unwrap(),
        @"SELECT * FROM s.t WHERE a = $1 OR b IN ($2, $3)"
    );
    for sql in ["SELECT ?, $1", "SELECT $2", "SELECT $0", "SELECT $name", "SELECT ?1", "SELECT $99999999999999999999"] {
        assert_eq!(refusal(sql).0, QueryErrorKind::Invalid, "{sql}");
    }
}

#[test]
fn what_is_too_large_is_refused_by_counting() {
    let doubling = |step: &str| {
        let mut sql = String::from("WITH c0 AS (SELECT 1 AS x)");
        for i in 1..24 {
            sql += &format!(", c{i} AS ({})", step.replace('#', &format!("c{}", i - 1)));
        }
        sql + " SELECT * FROM c23"
    };
    let cases = [
        format!("SELECT '{}'", "x".repeat(300_000)),
        format!("SELECT {}1", "1+".repeat(1000)),
        format!("SELECT {}1", "1+".repeat(20_000)),
        format!("SELECT {}1", "NOT ".repeat(20_000)),
        format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("SELECT {}1{}", "(SELECT ".repeat(5_000), ")".repeat(5_000)),
        format!("SELECT 1 {}", "UNION ALL SELECT 1 ".repeat(5_000)),
        format!("SELECT a{} FROM s.t", "[1]".repeat(10_000)),
        format!("SELECT a{}", "::INT".repeat(10_000)),
        format!("SELECT CASE{} END", " WHEN a THEN b".repeat(13_000)),
        format!("SELECT 1 IN (1{})", ",1".repeat(6_000)),
        format!("SELECT 1{}", ",1".repeat(6_000)),
        format!("SELECT {}1", "?,".repeat(1_500)),
        format!("SELECT * FROM s.t{}", ", s.t".repeat(300)),
        "SELECT a FROM s.t GROUP BY CUBE(a,b,c,d,e,f,g,h,i,j,k,l)".to_owned(),
        "SELECT a FROM s.t GROUP BY CUBE(a,b,c,d,e,f), CUBE(a,b,c,d,e,f)".to_owned(),
        format!("SELECT {}a FROM s.t", "concat(a, a), ".repeat(70)),
        doubling("SELECT * FROM # UNION ALL SELECT * FROM #"),
        doubling("SELECT a.x FROM # a, # b"),
        doubling("SELECT (SELECT max(x) FROM #) + (SELECT max(x) FROM #) AS x"),
    ];
    for sql in cases {
        let (kind, message) = refusal(&sql);
        assert!(matches!(kind, QueryErrorKind::Limit | QueryErrorKind::Syntax), "{}: {kind:?} {message}", &sql[..60]);
    }
}

#[test]
fn a_tree_as_deep_as_its_text_is_refused_without_a_crash() {
    for sql in [format!("SELECT 1::INT{}", "[]".repeat(20_000)), format!("SELECT a{}", " COLLATE b".repeat(20_000))] {
        let _ = parse(&sql);
    }
}

#[test]
fn a_product_request_becomes_a_statement() {
    let limits = Limits::default();
    let columns = ["id".to_owned(), "we\"ird".to_owned()];
    let statement = Statement::scan(
        &Scan {
            schema: "sales",
            table: "orders",
            columns: Some(&columns),
            filter: Some("id > 3 AND region = 'EU'"),
            limit: Some(7),
        },
        &limits,
    )
    .unwrap();
    insta::assert_snapshot!(
        statement,
        @r#"SELECT "id", "we""ird" FROM "sales"."orders" WHERE id > 3 AND region = 'EU' LIMIT 7"#
    );
    assert_eq!(statement.tables().len(), 1);
    for filter in [
        "1 = 1) UNION SELECT * FROM hr.salaries WHERE (1 = 1",
        "1 = 1; DROP TABLE x",
        "id IN (SELECT id FROM hr.salaries)",
        "id = ?",
        "input_file_name() = ''",
        "",
        "id = 1 AS x",
        "id = 1 LIMIT 1",
    ] {
        assert!(
            Statement::scan(
                &Scan { schema: "sales", table: "orders", columns: None, filter: Some(filter), limit: None },
                &limits
            )
            .is_err(),
            "{filter}"
        );
    }
    assert!(
        Statement::scan(
            &Scan { schema: "sales", table: "orders", columns: Some(&[]), filter: None, limit: None },
            &limits
        )
        .is_err()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(512), ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(sql in any::<String>()) {
        let _ = parse(&sql);
    }

    #[test]
    fn no_row_of_words_panics(words in prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..40)) {
        let _ = parse(&words.join(" "));
        let _ = Statement::scan(&Scan { schema: "s", table: "t", columns: None, filter: Some(&words.join(" ")), limit: None }, &Limits::default());
    }
}

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "a",
    "b",
    "s.t",
    "(",
    ")",
    ",",
    "*",
    "+",
    "=",
    "1",
    "'x'",
    "WITH",
    "AS",
    "UNION",
    "ALL",
    "GROUP BY",
    "ORDER BY",
    "LIMIT",
    "CASE",
    "WHEN",
    "THEN",
    "END",
    "CAST",
    "INT",
    "IN",
    "EXISTS",
    "NOT",
    "NULL",
    "IS",
    "BETWEEN",
    "AND",
    "OR",
    "LIKE",
    "?",
    "$1",
    "OVER",
    "PARTITION BY",
    "count",
    "JOIN",
    "ON",
    "USING",
    "[",
    "]",
    "::",
    "INTERVAL",
    "DATE",
    "EXTRACT",
    "VALUES",
    "EXPLAIN",
    ";",
    "||",
    "FILTER",
    "LATERAL",
    "UNNEST",
    "CUBE",
    "\"q\"",
];

/// The parser backs up where a word may be a function's name; in brackets within brackets it would do so without end.
#[test]
fn no_syntax_error_takes_long_to_find() {
    let words = [
        "CASE",
        "CAST",
        "CEIL",
        "CONVERT",
        "EXISTS",
        "EXTRACT",
        "FLOOR",
        "INTERVAL",
        "NOT",
        "OVERLAY",
        "POSITION",
        "SAFE_CAST",
        "STRUCT",
        "SUBSTRING",
        "TRIM",
        "TRY_CAST",
        "abs",
        "",
    ];
    for word in words {
        for frame in ["SELECT "] {
            for depth in [14, 60] {
                for end in ["1 1", "1 AS INT)", "x IN y)"] {
                    let sql = format!("{frame}{}{end}", format!("{word}(").repeat(depth));
                    let (sent, answer) = std::sync::mpsc::channel();
                    let started = std::time::Instant::now();
                    std::thread::spawn(move || sent.send(parse(&sql).is_err()));
                    let refused = answer.recv_timeout(std::time::Duration::from_secs(20));
                    assert_eq!(refused, Ok(true), "{frame}{word}( x {depth} {end}");
                    let took = started.elapsed();
                    assert!(took < std::time::Duration::from_secs(5), "{frame}{word}( x {depth} {end}: {took:?}");
                }
            }
        }
    }
}
