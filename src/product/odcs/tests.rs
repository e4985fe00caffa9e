//! Contracts good and bad, the mistakes authors make, and texts nobody should write.

use std::fs;
use std::path::{Path, PathBuf};

use arrow::datatypes::{DataType, TimeUnit};
use proptest::prelude::*;

use super::{parse, validate};
use crate::fault::Fault;
use crate::product::{Mask, Name, Origin, Product, Status};

const EXAMPLE: &str = include_str!("../../../tests/contracts/good/customer_lifetime_value.odcs.yaml");

fn corpus(kind: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contracts").join(kind);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read_to_string(file).unwrap())).collect()
}

fn parsed(domain: &str, text: &str) -> Result<Product, Vec<Fault>> {
    parse(Path::new("x.odcs.yaml"), text, &Name::parse(domain).unwrap())
}

/// A contract of one table with these columns.
fn with_columns(columns: &str) -> String {
    let indented = columns.lines().map(|line| format!("      {line}\n")).collect::<String>();
    format!(
        "apiVersion: v3.2.0\nkind: DataContract\nid: x\nversion: 1.0.0\nstatus: active\ndomain: sales\ndataProduct: orders\n\
         servers: [{{server: s, type: local, path: ./d, format: parquet}}]\nschema:\n  - name: orders\n    properties:\n{indented}"
    )
}

/// The faults of a contract with these columns, as `line: reason`, lines counted from the first column.
fn faults_of(columns: &str) -> Vec<String> {
    let faults = parsed("sales", &with_columns(columns)).err().unwrap_or_default();
    faults.into_iter().map(|fault| format!("{}: {}", fault.line.unwrap() - 11, fault.reason)).collect()
}

#[test]
fn the_corpus_is_judged_as_the_official_validator_judges_it() {
    let (good, bad) = (corpus("good"), corpus("bad"));
    assert!(good.len() + bad.len() >= 40);
    for (file, text) in good {
        assert_eq!(validate(&file, &text), [], "{}", file.display());
    }
    for (file, text) in bad {
        let faults = validate(&file, &text);
        assert!(!faults.is_empty(), "{} is refused officially", file.display());
        assert!(faults.iter().all(|fault| fault.line.is_some()), "{faults:?}");
    }
}

#[test]
fn the_example_becomes_a_product() {
    let product = parsed("marketing", EXAMPLE).unwrap();
    assert_eq!(product.id.to_string(), "marketing.customer_lifetime_value");
    assert_eq!(
        (product.status, product.default_version, product.classification.as_str()),
        (Status::Active, true, "confidential")
    );
    assert_eq!((product.owner.as_str(), product.title.as_deref()), ("marketing-data", Some("Customer lifetime value")));
    assert_eq!(product.promises.len(), 3);
    assert_eq!(product.promises[2].element.as_deref(), Some("customer_lifetime_value.updated_at"));
    assert_eq!(product.support[0].0, "marketing-data-help");
    let dataset = &product.datasets[0];
    assert_eq!(dataset.primary_key, ["customer_id"]);
    let Origin::Files(location) = &dataset.origin else { panic!("files") };
    assert_eq!(
        (location.server.as_str(), location.url.as_str()),
        ("storage", "./data/customer_lifetime_value/*.parquet")
    );
    let email = dataset.column("email").unwrap();
    assert_eq!(
        (email.mask_default, email.nullable, email.classification.as_str()),
        (Some(Mask::Hmac), true, "restricted")
    );
    assert_eq!(dataset.column("updated_at").unwrap().data_type, DataType::Timestamp(TimeUnit::Microsecond, None));
}

/// What authors get wrong most: the reason, the line and the hint they see.
#[test]
fn common_mistakes_are_explained() {
    let base = with_columns("- {name: id, logicalType: integer}\n- name: note\n  logicalType: string");
    for (from, to, expected) in [
        (
            "version: 1.0.0",
            "version: 1.0",
            "x.odcs.yaml:4: `version` must be text, not `1.0`\n    hint: write it in quotes: \"1.0\"",
        ),
        (
            "logicalType: string",
            "logicaltype: string",
            "x.odcs.yaml:14: `logicaltype` is not a key of a column\n    hint: did you mean `logicalType`?",
        ),
        (
            "logicalType: string",
            "logicalType: varchar",
            "x.odcs.yaml:14: `varchar` is not a value of `logicalType`\n    hint: write one of `string`, `date`, `timestamp`, `time`, `number`, `integer`, `object`, `array`, `boolean`, `map`, `vector`",
        ),
        (
            "status: active",
            "status: live",
            "x.odcs.yaml:5: `live` is not a status\n    hint: write one of `proposed`, `draft`, `active`, `deprecated`, `retired`",
        ),
        (
            "status: active\n",
            "",
            "x.odcs.yaml:1: the contract has no status\n    hint: write one of `proposed`, `draft`, `active`, `deprecated`, `retired`",
        ),
        (
            "domain: sales",
            "domain: finance",
            "x.odcs.yaml:6: the contract is of domain `finance` but lies in the folder of `sales`\n    hint: write `domain: sales`, or move the file",
        ),
        (
            "dataProduct: orders",
            "dataProduct: Customer Orders",
            "x.odcs.yaml:7: the product's name: `Customer Orders` is not a name: a name matches [a-z][a-z0-9_]* and has at most 64 characters\n    hint: write `dataProduct: customer_orders`",
        ),
        (
            "version: 1.0.0",
            "version: 1.0.0-beta",
            "x.odcs.yaml:4: `1.0.0-beta` is not a version: write major.minor.patch, as in `1.2.0`",
        ),
        (
            "  - name: orders",
            "  - name: orders\n    primaryKey: true",
            "x.odcs.yaml:11: `primaryKey` is not a key of a table (an item of `schema`)\n    hint: `primaryKey` belongs to a column",
        ),
        (
            "name: note",
            "name: ID",
            "x.odcs.yaml:13: there is another column named `ID`\n    hint: names that differ in case only count as the same",
        ),
        (
            "logicalType: string",
            "logicalType: string\n        required: yes please",
            "x.odcs.yaml:15: `required` must be true or false, not text",
        ),
        (
            "type: local, path: ./d, format: parquet",
            "type: local, path: ./d",
            "x.odcs.yaml:8: a server lacks `format`\n    hint: add `format:`",
        ),
        (
            "type: local, path: ./d, format: parquet",
            "type: local, path: ./d, format: csv",
            "x.odcs.yaml:8: no server of the contract holds the files\n    hint: add a server of type `local`, `s3`, `azure` or `custom` with `format: parquet`, or the custom property `airside.query` to a derived table",
        ),
        (
            "domain: sales",
            "domain: on",
            "x.odcs.yaml:6: `domain` must be text, not `true`\n    hint: YAML reads this word as true: write it in quotes",
        ),
    ] {
        assert!(base.contains(from), "{from}");
        let faults = parsed("sales", &base.replacen(from, to, 1)).unwrap_err();
        let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(shown.iter().any(|fault| fault == expected), "expected {expected}\nfound {shown:#?}");
    }
}

#[test]
fn every_fault_of_a_file_is_reported_at_once() {
    let text = with_columns("- {name: id, logicalType: integr}\n- {name: a, physicalType: WIBBLE}\n- {nam: b, logicalType: string}\n- {name: c, logicalType: date, customProperties: [{property: airside.maskDefault, value: hmac}]}")
        .replace("status: active", "status: live");
    let faults = parsed("sales", &text).unwrap_err();
    let lines: Vec<u32> = faults.iter().filter_map(|fault| fault.line).collect();
    assert_eq!(lines, [5, 12, 13, 14, 14, 15], "{faults:#?}");
}

#[test]
fn types_come_from_both_kinds_of_type() {
    use DataType as D;
    let utc = || Some("UTC".into());
    for (column, expected) in [
        ("logicalType: string", D::Utf8),
        ("logicalType: integer", D::Int64),
        ("logicalType: integer, logicalTypeOptions: {format: u8}", D::UInt8),
        ("logicalType: number", D::Float64),
        ("logicalType: number, logicalTypeOptions: {format: f32}", D::Float32),
        ("logicalType: boolean", D::Boolean),
        ("logicalType: date", D::Date32),
        ("logicalType: time", D::Time64(TimeUnit::Microsecond)),
        ("logicalType: timestamp", D::Timestamp(TimeUnit::Microsecond, None)),
        ("logicalType: timestamp, logicalTypeOptions: {timezone: true}", D::Timestamp(TimeUnit::Microsecond, utc())),
        ("logicalType: string, physicalType: CHAR(15)", D::Utf8),
        ("logicalType: integer, physicalType: int", D::Int32),
        ("logicalType: number, physicalType: 'DECIMAL(15, 2)'", D::Decimal128(15, 2)),
        ("logicalType: number, physicalType: NUMERIC(5)", D::Decimal128(5, 0)),
        (
            "logicalType: timestamp, physicalType: TIMESTAMP(9) WITH TIME ZONE",
            D::Timestamp(TimeUnit::Nanosecond, utc()),
        ),
        ("physicalType: 'timestamp(3)'", D::Timestamp(TimeUnit::Millisecond, None)),
        ("physicalType: BLOB", D::Binary),
        ("physicalType: UINT16", D::UInt16),
        ("physicalType: 'INTEGER[]'", D::new_list(D::Int32, true)),
        ("physicalType: 'ARRAY<ARRAY<DOUBLE>>'", D::new_list(D::new_list(D::Float64, true), true)),
        ("logicalType: array, items: {logicalType: string, required: true}", D::new_list(D::Utf8, false)),
    ] {
        let product = parsed("sales", &with_columns(&format!("- {{name: c, {column}}}")))
            .unwrap_or_else(|faults| panic!("{column}: {faults:?}"));
        assert_eq!(product.datasets[0].columns[0].data_type, expected, "{column}");
    }
    let nested = "- {name: c, logicalType: object, properties: [{name: a, logicalType: integer, required: true}, {name: b, logicalType: map, map: {key: {logicalType: string}, value: {logicalType: date}}}]}";
    let product = parsed("sales", &with_columns(nested)).unwrap();
    assert!(
        matches!(&product.datasets[0].columns[0].data_type, D::Struct(fields) if fields.len() == 2 && !fields[0].is_nullable())
    );
}

#[test]
fn contradictory_and_unknown_types_are_refused() {
    for (column, reason) in [
        ("logicalType: string, physicalType: INTEGER", "`INTEGER` is not a physical type of a string"),
        ("logicalType: date, physicalType: TIMESTAMP", "`TIMESTAMP` is not a physical type of a date"),
        ("physicalType: GEOMETRY", "`GEOMETRY` is no physical type that Airside knows"),
        ("physicalType: DECIMAL", "`DECIMAL` says neither precision nor scale"),
        ("physicalType: 'DECIMAL(39,2)'", "`DECIMAL(39,2)` has a precision or scale out of range"),
        ("physicalType: TIMESTAMP(4)", "`TIMESTAMP(4)` has a precision that Arrow has no unit for"),
        (
            "logicalType: integer, physicalType: BIGINT, logicalTypeOptions: {format: i32}",
            "the option `format` contradicts `physicalType`",
        ),
        ("logicalType: integer, logicalTypeOptions: {format: i128}", "Airside has no integers of format `i128`"),
        ("logicalType: array", "the list does not say what its items are"),
        ("logicalType: object", "the object does not say what its fields are"),
        ("description: none", "column `c` has no type"),
        ("logicalType: '${TYPE}'", "`${TYPE}`: Airside fills in no variables"),
    ] {
        assert_eq!(faults_of(&format!("- {{name: c, {column}}}")), [format!("1: {reason}")], "{column}");
    }
}

#[test]
fn airside_properties_have_their_places() {
    let mask = |name: &str, value: &str| {
        format!("- {{name: c, logicalType: string, customProperties: [{{property: {name}, value: {value}}}]}}")
    };
    assert_eq!(faults_of(&mask("airside.maskDefault", "null")), [""; 0]);
    for (columns, reason) in [
        (mask("airside.maskDefault", "year"), "1: the mask `year` is not defined on a column of type text"),
        (mask("airside.maskDefault", "hash"), "1: `hash` is not a mask: the masks are null, redact, hmac, partial and year"),
        (mask("airside.maskDefault", "1"), "1: `airside.maskDefault` must be the name of a mask, not a number"),
        (mask("airside.mask", "hmac"), "1: `airside.mask` is no property that Airside knows"),
        (mask("Airside.MaskDefault", "hmac"), "1: `Airside.MaskDefault` is no property that Airside knows"),
        (mask("airside.classification", "secret"), "1: `airside.classification` has no effect here"),
        ("- {name: c, logicalType: object, properties: [{name: d, logicalType: string, customProperties: [{property: airside.maskDefault, value: hmac}]}]}".into(), "1: `airside.maskDefault` has no effect here"),
        ("- {name: c, logicalType: string, customProperties: [{property: airside.maskDefault, value: hmac}, {property: airside.maskDefault, value: 'null'}]}".into(), "1: `airside.maskDefault` is given twice"),
    ] {
        assert_eq!(faults_of(&columns), [reason], "{columns}");
    }
}

#[test]
fn purposes_are_listed_or_one() {
    let with = |value: &str| {
        let custom = format!("customProperties: [{{property: airside.purposes, value: {value}}}]\nschema:");
        with_columns("- {name: c, logicalType: string}").replace("schema:", &custom)
    };
    for (value, purposes) in [("audit", vec!["audit"]), ("[fraud-check, audit]", vec!["audit", "fraud-check"])] {
        let product = parsed("sales", &with(value)).unwrap();
        assert_eq!(product.purposes.iter().map(String::as_str).collect::<Vec<_>>(), purposes);
        assert!(product.accepts("audit") && !product.accepts("") && !product.accepts("x"));
    }
    for (value, reason) in [
        ("[]", "`airside.purposes` lists no purpose"),
        ("[Audit]", "`Audit` is no purpose"),
        ("''", "`` is no purpose"),
        ("[audit, audit]", "the purpose `audit` is given twice"),
        ("[1]", "a purpose is text, not a number"),
        ("true", "`airside.purposes` must be a purpose or a list of purposes, not true or false"),
    ] {
        let faults = parsed("sales", &with(value)).unwrap_err();
        assert_eq!(
            faults.iter().map(|fault| (fault.line, fault.reason.as_str())).collect::<Vec<_>>(),
            [(Some(9), reason)]
        );
    }
}

#[test]
fn roles_and_quality_rules_are_kept() {
    let text = with_columns("- {name: c, logicalType: string, quality: [{metric: nullValues, mustBe: 0}]}");
    let text = format!(
        "{text}    quality: [{{type: sql, query: x, mustBe: 0}}]\nroles: [{{role: a}}, {{role: b, access: READ}}, {{role: c, access: write}}]\n"
    );
    let product = parsed("sales", &text).unwrap();
    let roles: Vec<_> = product.roles.iter().map(|role| (role.name.as_str(), role.reads, role.line)).collect();
    assert_eq!(roles, [("a", true, 14), ("b", true, 14), ("c", false, 14)]);
    let rules: Vec<_> = product.datasets[0].quality.iter().map(|r| (r.kind.as_str(), r.column.as_deref())).collect();
    assert_eq!(rules, [("sql", None), ("nullValues", Some("c"))]);
}

#[test]
fn derived_tables_bring_their_query() {
    let text = EXAMPLE.replace(
        "    dataGranularityDescription",
        "    customProperties: [{property: airside.query, value: SELECT 1}]\n    dataGranularityDescription",
    );
    let product = parsed("marketing", &text).unwrap();
    assert_eq!(product.datasets[0].origin, Origin::Derived { sql: "SELECT 1".into() });
}

#[test]
fn the_files_are_where_one_server_says() {
    let of = |servers: &str| {
        let text = with_columns("- {name: c, logicalType: string}")
            .replace("[{server: s, type: local, path: ./d, format: parquet}]", servers);
        parsed("sales", &text).map_err(|faults| faults[0].reason.clone()).map(|product| {
            match &product.datasets[0].origin {
                Origin::Files(location) => format!("{} {}", location.server, location.url),
                Origin::Derived { .. } => String::new(),
            }
        })
    };
    let flight = "{server: flight, type: custom, customProperties: [{property: physicalServer, value: b}]}";
    let (a, b) = (
        "{server: a, type: s3, location: 's3://b/a/'}",
        "{server: b, type: custom, format: parquet, location: 'gs://b/{model}'}",
    );
    assert_eq!(of(&format!("[{a}]")).unwrap(), "a s3://b/a/");
    assert_eq!(of(&format!("[{flight}, {a}, {b}]")).unwrap(), "b gs://b/orders");
    assert_eq!(of(&format!("[{a}, {b}]")).unwrap_err(), "several servers could hold the files: `a`, `b`");
    assert_eq!(
        of(&format!("[{flight}, {a}]")).unwrap_err(),
        "`physicalServer` names the server `b`, which the contract does not have"
    );
    assert_eq!(of(&format!("[{a}, {a}]")).unwrap_err(), "there are two servers named `a`");
    assert_eq!(
        of("[{server: a, type: s3, location: 's3://${BUCKET}/a'}]").unwrap_err(),
        "Airside fills in no variables"
    );
    assert_eq!(
        of("[{server: a, type: postgres, host: h, port: 1, database: d, schema: s}]").unwrap_err(),
        "no server of the contract holds the files"
    );
}

#[test]
fn keys_become_foreign_keys() {
    let text = with_columns(
        "- {name: id, logicalType: integer, primaryKey: true, primaryKeyPosition: 2, relationships: [{to: customers.customer.id}]}\n\
         - {name: line, logicalType: integer, primaryKey: true, primaryKeyPosition: 1}",
    ) + "    relationships: [{from: [orders.id, orders.line], to: [lines.a, lines.b]}, {from: schema/orders/properties/id, to: other.yaml#schema/x}]\n";
    let product = parsed("sales", &text).unwrap();
    let dataset = &product.datasets[0];
    assert_eq!(dataset.primary_key, ["line", "id"]);
    let keys: Vec<String> = dataset
        .foreign_keys
        .iter()
        .map(|key| format!("{:?} {}.{} {:?}", key.columns, key.domain, key.dataset, key.references))
        .collect();
    assert_eq!(keys, [r#"["id"] customers.customer ["id"]"#, r#"["id", "line"] sales.lines ["a", "b"]"#]);
    for (relationship, reason) in [
        ("{to: orders.nothing}", "1: `orders` has no column `nothing`"),
        ("{to: [a.b, c.d]}", "1: the columns of `to` are of different tables"),
        ("{to: [a.b, a.c]}", "1: the relationship joins 1 columns to 2"),
        ("{to: a.b.c.d}", "1: `a.b.c.d` does not refer to a column of a table"),
    ] {
        assert_eq!(
            faults_of(&format!("- {{name: id, logicalType: integer, relationships: [{relationship}]}}")),
            [reason]
        );
    }
}

#[test]
fn bombs_are_defused() {
    let nested = format!("a: {}1{}", "[".repeat(200), "]".repeat(200));
    let mut laughs = String::from("a: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for level in b'b'..=b'z' {
        let (this, last) = (char::from(level), char::from(level - 1));
        laughs += &format!(
            "{this}: &{this} [*{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}, *{last}]\n"
        );
    }
    let wide = (0..60_000).map(|n| format!("k{n}: 1\n")).collect::<String>();
    let huge = "a".repeat(2 << 20);
    for text in [
        nested,
        laughs,
        wide,
        huge,
        "a: &a [*a]".into(),
        "? [a]\n: b".into(),
        String::new(),
        "\u{feff}".into(),
        "a: \u{7}".into(),
    ] {
        let faults = validate(Path::new("x"), &text);
        assert!(!faults.is_empty() && faults.len() <= 500, "{}", &text[..text.len().min(40)]);
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC*") {
        let _ = parsed("sales", &text);
    }

    #[test]
    fn no_mangled_contract_makes_the_parser_panic(
        at in 0..EXAMPLE.len(), length in 0..40usize, insert in "[ -~\\n\\t\u{e9}\u{2028}]{0,6}|&a |\\*a|<<: |!!int |\\$\\{A\\}|- |: |\\? ",
    ) {
        let start = (0..=at).rev().find(|at| EXAMPLE.is_char_boundary(*at)).unwrap_or(0);
        let end = (start + length..=EXAMPLE.len()).find(|at| EXAMPLE.is_char_boundary(*at)).unwrap_or(EXAMPLE.len());
        let text = format!("{}{insert}{}", &EXAMPLE[..start], &EXAMPLE[end..]);
        if let Err(faults) = parsed("marketing", &text) {
            prop_assert!(!faults.is_empty(), "refused without a reason");
        }
    }
}

const NAMED: &str = include_str!("../../../tests/contracts/good/named_queries.odcs.yaml");

#[test]
fn named_queries_are_read_with_their_parameters() {
    let product = parsed("marketing", NAMED).unwrap();
    let shown: Vec<String> = product
        .queries
        .iter()
        .map(|query| {
            let parameters = query.parameters.iter().map(|parameter| {
                let default = parameter.default.as_ref().map(|default| format!(" = {default:?}")).unwrap_or_default();
                format!("{} {}{default}", parameter.name, parameter.data_type)
            });
            format!("{}: {}({})", query.line, query.name, parameters.collect::<Vec<_>>().join(", "))
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    24: get_value(customer_id BIGINT)
    30: get_value_by_segment(segment VARCHAR = Text("FURNITURE"), since DATE = Text("2020-01-01"), least DECIMAL(15,2) = Number("0.50"))
    33: count_customers()
    "#);
    assert_eq!(product.queries[0].description.as_deref(), Some("What one customer has been worth to us."));
    assert!(product.queries[1].needs_nothing() && !product.queries[0].needs_nothing());
}

#[test]
fn every_mistake_in_a_named_query_has_its_line() {
    for (from, to, expected) in [
        (
            "name: get_value\n",
            "name: customer_value\n",
            "20: the query `customer_value` has a name that its product has",
        ),
        ("name: count_customers", "name: get_value", "33: the query `get_value` has a name that another query has"),
        (
            "name: get_value\n",
            "name: Get Value\n",
            "20: the query's name: `Get Value` is not a name: a name matches [a-z][a-z0-9_]* and has at most 64 characters",
        ),
        (
            "name: get_value\n",
            "name: get_v2\n",
            "20: the query's name: `get_v2` ends in `_vN`, which addresses a product's version",
        ),
        ("name: least", "name: select", "29: the parameter's name: `select` is reserved and cannot be a name"),
        ("name: least", "name: since", "29: the query has two parameters named `since`"),
        ("description: What", "descripton: What", "21: `descripton` is not a key of a named query"),
        (
            "logicalType: string, default",
            "logicaltype: string, default",
            "27: `logicaltype` is not a key of a parameter",
        ),
        ("logicalType: string, default: F", "default: F", "27: the parameter `segment` has no type"),
        (
            "logicalType: string, default",
            "logicalType: varchar, default",
            "27: `varchar` is not a value of `logicalType`",
        ),
        ("physicalType: BIGINT", "physicalType: VARCHAR", "23: `VARCHAR` is not a physical type of a integer"),
        (
            "logicalType: string, default: F",
            "physicalType: BLOB, default: F",
            "27: the parameter `segment` cannot be of this type",
        ),
        ("default: \"2020-01-01\"", "default: \"2020-02-30\"", "28: the default of the parameter `since` is no DATE"),
        ("default: 0.50", "default: 0.505", "29: the default of the parameter `least` is no DECIMAL(15,2)"),
        ("default: 0.50", "default: [1]", "29: `default` must be a single value, not a list"),
        (
            "{name: count_customers, sql: SELECT count(*) AS customers FROM marketing.customer_value}",
            "{name: count_customers}",
            "33: a named query lacks `sql`",
        ),
        ("SELECT count(*) AS customers FROM marketing.customer_value", "\"\"", "33: the query's SQL is empty"),
        ("airside.queries", "airside.querys", "18: `airside.querys` is no property that Airside knows"),
    ] {
        let text = NAMED.replacen(from, to, 1);
        assert_ne!(text, NAMED, "{from}");
        let faults = parsed("marketing", &text).expect_err(expected);
        let shown: Vec<String> = faults.iter().map(|f| format!("{}: {}", f.line.unwrap(), f.reason)).collect();
        assert!(shown.contains(&expected.to_owned()), "{expected}\n{shown:#?}");
    }
    let misplaced = NAMED
        .replace("customProperties:", "    customProperties:")
        .replace("\n  - property: airside", "\n      - property: airside");
    assert!(parsed("marketing", &misplaced).is_err());
}
