//! No data value goes on record.

use proptest::prelude::*;

use super::fixture::{random_digests, set};
use crate::audit::{Asked, DatasetRead};
use crate::query::{Limits, Statement};

fn redacted(sql: &str) -> String {
    let statement = Statement::parse(sql, &Limits::default()).unwrap();
    let columns = set(&["o_orderkey", "o_clerk", "we ird"]);
    statement.redacted(&|word| columns.contains(word), &|value| format!("<{}>", value.len()))
}

#[test]
fn literals_and_unknown_names_become_digests() {
    let cases = [
        (
            "SELECT o_clerk FROM sales.orders WHERE o_clerk = 'Ada'",
            "SELECT o_clerk FROM sales.orders WHERE o_clerk = '#<3>'",
        ),
        (
            "SELECT * FROM sales.orders WHERE O_ORDERKEY IN (17, -250, 1.5)",
            "SELECT * FROM sales.orders WHERE O_ORDERKEY IN ('#<2>', -'#<3>', '#<3>')",
        ),
        (
            "SELECT \"we ird\", \"other\" FROM \"sales\".\"orders\"",
            "SELECT \"we ird\", \"#<5>\" FROM \"sales\".\"orders\"",
        ),
        (
            "SELECT * FROM sales.orders WHERE o_clerk = \"ada@x.org\"",
            "SELECT * FROM sales.orders WHERE o_clerk = \"#<9>\"",
        ),
        ("SELECT * FROM sales.orders WHERE o_clerk = ada", "SELECT * FROM sales.orders WHERE o_clerk = \"#<3>\""),
        ("SELECT count(*) AS n FROM sales.orders_v2", "SELECT count(*) AS \"#<1>\" FROM sales.orders_v2"),
        (
            "SELECT DATE '2020-01-01' + INTERVAL '7 days' FROM s.t LIMIT 5 OFFSET 2",
            "SELECT DATE '#<10>' + INTERVAL '#<6>' FROM s.t LIMIT 5 OFFSET 2",
        ),
        (
            "SELECT * FROM s.t WHERE o_clerk LIKE 'ab%' ESCAPE '!'",
            "SELECT * FROM s.t WHERE o_clerk LIKE '#<3>' ESCAPE '#<1>'",
        ),
        (
            "SELECT * FROM s.t WHERE o_clerk = ? OR o_orderkey = ?",
            "SELECT * FROM s.t WHERE o_clerk = $1 OR o_orderkey = $2",
        ),
        ("SELECT /* ada@x.org */ 1 -- secret", "SELECT '#<1>'"),
        (
            "SELECT N'abc', X'abcd', E'a\\nb', $$secret$$, $tag$secret$tag$",
            "SELECT '#<3>', '#<4>', '#<3>', '#<6>', '#<6>'",
        ),
        ("SELECT CASE WHEN TRUE THEN upper('x') END FROM s.t", "SELECT CASE WHEN true THEN upper('#<1>') END FROM s.t"),
        ("WITH ada AS (SELECT 1) SELECT * FROM ada", "WITH \"#<3>\" AS (SELECT '#<1>') SELECT * FROM \"#<3>\""),
        ("SELECT * FROM \"O'Hare\".\"ada@x.org\"", "SELECT * FROM \"#<6>\".\"#<9>\""),
        ("SELECT 'it''s', '\"', 1e10, .5", "SELECT '#<4>', '#<1>', '#<4>', '#<2>'"),
    ];
    let wrong: Vec<_> =
        cases.iter().map(|(sql, expected)| (redacted(sql), *expected)).filter(|(a, b)| a != b).collect();
    assert_eq!(wrong, []);
}

#[test]
fn what_cannot_be_read_is_a_digest_and_a_length() {
    let digests = random_digests();
    let asked = Asked::text("sql", "SELEC 'ada@x.org'", &digests);
    assert_eq!((asked.statement, asked.bytes), (None, Some(17)));
    assert_eq!(asked.digest.unwrap(), digests.digest("SELEC 'ada@x.org'"));
    assert_ne!(digests.digest("a"), random_digests().digest("a"));
    assert_eq!(digests.digest("a").len(), 16);
}

#[test]
fn a_read_narrows_to_the_columns_used() {
    let read = DatasetRead {
        dataset: "sales.orders@1.0.0".to_owned(),
        snapshot: None,
        columns: vec!["a".to_owned(), "b".to_owned()],
        masks: [("b".to_owned(), "hmac".to_owned())].into(),
        filtered: true,
        policies: Vec::new(),
        through: None,
    };
    assert_eq!(read.clone().only(&set(&["a"])).masks.len(), 0);
    assert_eq!(read.only(&set(&["b", "c"])).columns, ["b"]);
}

fn literal() -> impl Strategy<Value = (String, String)> {
    let text =
        "[ -~äß€🙂]{3,20}".prop_filter("a word of SQL is no secret", |text| !HARMLESS.contains(&&*text.to_uppercase()));
    prop_oneof![
        text.clone().prop_map(|text| (format!("'{}'", text.replace('\'', "''")), text)),
        text.prop_filter("it cannot be a name", |text| !text.contains('"'))
            .prop_map(|text| (format!("\"{text}\""), text)),
        (100_u64..).prop_map(|number| (number.to_string(), number.to_string())),
        (100_u32.., 100_u32..).prop_map(|(a, b)| (format!("{a}.{b}"), format!("{a}.{b}"))),
        "zz[a-z]{3,10}".prop_map(|word| (word.clone(), word)),
    ]
}

/// Words that the frames of the generated statements contain.
const HARMLESS: &[&str] = &["SELECT", "FROM", "WHERE", "AND", "LIKE", "CASE", "WHEN", "THEN", "END", "IN", "BETWEEN"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_literal_is_left(
        frame in prop::sample::select(vec![
            "SELECT # FROM s.t WHERE o_clerk = # AND # LIKE #",
            "SELECT o_clerk AS a, CASE WHEN # = o_clerk THEN # END FROM s.t",
            "SELECT upper(#) FROM s.t WHERE o_clerk IN (#, #, -#) OR x BETWEEN # AND #",
            "SELECT * FROM (SELECT # AS b FROM s.t) c WHERE EXISTS (SELECT # FROM s.t)",
            "SELECT sum(#) FILTER (WHERE o_clerk = #) OVER (ORDER BY #) FROM s.t GROUP BY #",
        ]),
        literals in prop::collection::vec(literal(), 6),
    ) {
        let mut sql = String::new();
        let mut used = Vec::new();
        for (part, (written, value)) in frame.split('#').zip(literals.iter().cycle()) {
            sql += part;
            sql += written;
            used.push(value);
        }
        // The frame ends where its last part does.
        let surplus = literals[(frame.split('#').count() - 1) % literals.len()].0.len();
        sql.truncate(sql.len() - surplus);
        used.pop();
        if let Ok(statement) = Statement::parse(&sql, &Limits::default()) {
            let shape = frame.to_lowercase();
            let redacted = statement.redacted(&|word| word == "o_clerk", &|_| "·".to_owned());
            for value in used.into_iter().filter(|value| !shape.contains(&value.to_lowercase())) {
                prop_assert!(!redacted.contains(value.as_str()), "{value} in {redacted}");
            }
        }
    }
}
