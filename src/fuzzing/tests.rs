//! The fuzz targets' bodies over generated input: noise, and words of each language in any order.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const POLICY: &[&str] = &[
    "permit",
    "forbid",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ";",
    ",",
    "when",
    "unless",
    "principal",
    "action",
    "resource",
    "context",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "&&",
    "||",
    "!",
    "-",
    "+",
    "*",
    "has",
    "like",
    "in",
    "is",
    "if",
    "then",
    "else",
    "true",
    "false",
    "0",
    "9223372036854775807",
    "\"EU\"",
    "\"a*\"",
    ".row",
    ".row.region",
    ".row.note",
    ".row.amount",
    ".row.price",
    ".now",
    ".purpose",
    ".contains",
    ".lessThan",
    "decimal",
    "datetime",
    "\"2026-01-01\"",
    "Group::\"analysts\"",
    "Action::\"query\"",
    "Action::\"read\"",
    "sales::orders",
    "Product::\"sales.orders\"",
    "Domain::\"sales\"",
    "Column::\"sales.orders.note\"",
    "@id",
    "@mask",
    "(\"hmac\")",
    "?principal",
    "permit (principal, action == Action::\"query\", resource is sales::orders) when {",
    "};",
    "resource.row has note &&",
    "principal has region &&",
    "principal.region",
    "principal.regions.contains",
    "//",
    "\n",
    "é",
    "\u{202e}",
];

const SQL: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "HAVING",
    "ORDER BY",
    "LIMIT",
    "OFFSET",
    "WITH",
    "AS",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    ";",
    "*",
    "sales.orders",
    "sales.find",
    "amount =>",
    "a",
    "b",
    "1",
    "-1",
    "1e999",
    "'x'",
    "\"x\"",
    "$1",
    "?",
    "+",
    "-",
    "/",
    "%",
    "||",
    "::",
    "=",
    "<>",
    "<",
    ">",
    "~",
    "->",
    "NOT",
    "AND",
    "OR",
    "IN",
    "IS NULL",
    "LIKE",
    "ESCAPE '!'",
    "BETWEEN",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "CAST(",
    "AS INT)",
    "EXISTS",
    "UNION ALL",
    "JOIN",
    "LEFT JOIN",
    "ON",
    "USING",
    "LATERAL",
    "VALUES",
    "UNNEST",
    "OVER",
    "PARTITION BY",
    "FILTER",
    "DISTINCT",
    "INTERVAL",
    "DATE",
    "POSITION(",
    "EXTRACT(",
    "count(*)",
    "abs(",
    "repeat(",
    "concat(",
    "CUBE",
    "ROLLUP",
    "GROUPING SETS",
    "QUALIFY",
    "WINDOW",
    "FETCH",
    "FOR UPDATE",
    "INTO",
    "COPY",
    "SET",
    "--",
    "/*",
    "*/",
    "RECURSIVE",
    "EXCEPT",
    "NATURAL",
    "TABLESAMPLE",
    "PIVOT",
    "ARRAY",
    "STRUCT",
    "MAP",
    "NULL",
    "TRUE",
    "\u{0}",
    "é",
    "\n",
];

const YAML: &[&str] = &[
    "apiVersion: v3.2.0\n",
    "kind: DataContract\n",
    "id: sales.orders\n",
    "version: 1.0.0\n",
    "status: active\n",
    "domain: sales\n",
    "dataProduct: orders\n",
    "name: orders\n",
    "servers:\n",
    "schema:\n",
    "properties:\n",
    "customProperties:\n",
    "  ",
    "    ",
    "- ",
    "- {",
    "}",
    "[",
    "]",
    ", ",
    "name: x",
    "server: s",
    "type: local",
    "path: a.parquet",
    "format: parquet",
    "logicalType: string",
    "logicalType: object",
    "physicalType: \"DECIMAL(38,2)\"",
    "required: true",
    "property: airside.query",
    "property: airside.maskDefault",
    "value: hmac",
    "value: SELECT 1",
    "&a",
    "*a",
    "<<: *a",
    "|\n",
    ">\n",
    "'",
    "\"",
    "#",
    "? ",
    ": ",
    "---\n",
    "!!binary x",
    "!x",
    "\t",
    "\n",
    "~",
    "é",
    "\u{0}",
    "\u{feff}",
    "9999999999999999999999",
];

fn words(of: &'static [&'static str], separator: &'static str) -> impl Strategy<Value = String> {
    vec(select(of), 0..60).prop_map(move |words| words.join(separator))
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..400), vec(select(vec![0_u8, 1, 2, 8, 10, 18, 26, 34, 64, 127, 128, 255]), 0..400)]
}

/// Bytes that start as something well formed and are then damaged.
fn damaged(whole: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = whole.len();
    (vec((0..length, any::<u8>()), 0..6), 0..=length).prop_map(move |(changes, end)| {
        let mut bytes = whole.clone();
        changes.into_iter().for_each(|(at, byte)| bytes[at] = byte);
        bytes.truncate(end.max(length / 2));
        bytes
    })
}

proptest! {
    // Loading checks a policy from all sides, which takes its time without optimisation.
    #![proptest_config(ProptestConfig { cases: (ProptestConfig::default().cases / 8).max(1), ..ProptestConfig::default() })]

    #[test]
    fn policies(text in prop_oneof![words(POLICY, " "), ".{0,200}"]) {
        policy(&text);
        policy(&format!("permit (principal, action == Action::\"query\", resource is sales::orders) when {{ {text} }};"));
    }

}

proptest! {
    #[test]
    fn contracts(text in prop_oneof![words(YAML, ""), ".{0,200}"], at in 0..CONTRACT.len()) {
        contract(&text);
        // Something strange within something good.
        let at = (0..=at).rev().find(|at| CONTRACT.is_char_boundary(*at)).unwrap_or_default();
        contract(&format!("{}{text}{}", &CONTRACT[..at], &CONTRACT[at..]));
    }

    #[test]
    fn statements(text in prop_oneof![words(SQL, " "), ".{0,200}"]) {
        statement(&text);
        statement(&format!("SELECT {text} FROM sales.orders"));
    }

    #[test]
    fn flight_messages(bytes in bytes()) {
        descriptor(&bytes);
        command(&bytes);
        ticket(&bytes);
        parameters(&bytes);
    }

    #[test]
    fn damaged_parameters(bytes in damaged(crate::serve::flight::fuzzing::sample_parameters())) {
        parameters(&bytes);
    }
}

#[test]
fn the_samples_are_good_ones() {
    contract(CONTRACT);
    assert_eq!(PRODUCT.datasets[0].columns.len(), 8);
    assert!(crate::serve::flight::fuzzing::is_row(&crate::serve::flight::fuzzing::sample_parameters()));
}
