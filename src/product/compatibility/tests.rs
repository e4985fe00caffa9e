use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::product::{Name, odcs};

const CONTRACT: &str = "\
apiVersion: v3.2.0
kind: DataContract
id: orders
version: 1.2.0
status: active
domain: sales
dataProduct: orders
servers: [{server: s, type: local, path: './d/{model}', format: parquet}]
customProperties:
  - property: airside.queries
    value:
      - name: by_key
        parameters: [{name: key, logicalType: integer}, {name: note, logicalType: string, default: x}]
        sql: SELECT id FROM sales.orders WHERE id = $key AND note = $note
schema:
  - name: orders
    properties:
      - {name: id, logicalType: integer, required: true, unique: true, primaryKey: true}
      - {name: note, logicalType: string, physicalName: NOTE}
      - {name: line, logicalType: integer, relationships: [{to: lines.id}]}
  - name: lines
    properties:
      - {name: id, logicalType: integer, physicalType: INTEGER}
";

fn product(text: &str) -> Arc<Product> {
    let parsed = odcs::parse(Path::new("orders.odcs.yaml"), text, &Name::parse("sales").unwrap());
    Arc::new(parsed.unwrap_or_else(|faults| panic!("{faults:?}\n{text}")))
}

/// The contract with some texts replaced.
fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(CONTRACT.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "{old}");
        text.replacen(old, new, 1)
    })
}

/// Faults as `line: reason`, then the other changes.
fn told(old: &[&str], new: &[&str]) -> (Vec<String>, Vec<String>) {
    let products = |texts: &[&str]| texts.iter().map(|text| product(text)).collect::<Vec<_>>();
    let found = compare(&products(old), &products(new));
    let shown = |fault: &Fault| format!("{}: {}", fault.line.unwrap_or(0), fault.reason);
    (found.faults.iter().map(shown).collect(), found.changes)
}

const ID: &str = "{name: id, logicalType: integer, required: true, unique: true, primaryKey: true}";
const NOTE: &str = "{name: note, logicalType: string, physicalName: NOTE}";
const LATER: (&str, &str) = ("version: 1.2.0", "version: 1.3.0");

#[test]
fn what_consumers_rely_on_may_not_go() {
    let cases: Vec<(Vec<(&str, &str)>, &str)> = vec![
        (
            vec![("      - {name: note, logicalType: string, physicalName: NOTE}\n", "")],
            "16: the column `note` of `orders` is gone",
        ),
        (
            vec![(
                "{name: note, logicalType: string, physicalName",
                "{name: remark, logicalType: string, physicalName",
            )],
            "19: the column `note` of `orders` is called `remark` now",
        ),
        (
            vec![("physicalType: INTEGER", "physicalType: BIGINT")],
            "23: the column `id` of `lines` is Int64, and was Int32",
        ),
        (vec![("required: true, ", "")], "18: the column `id` of `orders` may be NULL, and was required"),
        (vec![("unique: true, ", "")], "18: the column `id` of `orders` is not unique any more"),
        (vec![(", primaryKey: true", "")], "16: `orders` has no primary key any more"),
        (
            vec![(", primaryKey: true", ""), ("physicalName: NOTE", "physicalName: NOTE, primaryKey: true")],
            "16: the primary key of `orders` is `note`, and was `id`",
        ),
        (
            vec![(", relationships: [{to: lines.id}]", "")],
            "16: the foreign key `line` of `orders` to `sales.lines` is gone",
        ),
        (vec![("name: by_key", "name: by_id")], "0: the query `by_key` is gone"),
        (
            vec![("{name: key, logicalType: integer}", "{name: key, logicalType: string}")],
            "14: the parameter `key` of `by_key` is VARCHAR, and was BIGINT",
        ),
        (vec![(", default: x", "")], "14: the parameter `note` of `by_key` has no default any more"),
        (
            vec![("{name: key, logicalType: integer},", "{name: nr, logicalType: integer},"), ("$key", "$nr")],
            "14: the parameter `key` of `by_key` is gone",
        ),
        (
            vec![
                ("default: x}]", "default: x}, {name: more, logicalType: string}]"),
                ("$note", "$note AND note = $more"),
            ],
            "14: the parameter `more` of `by_key` is new, and has no default",
        ),
    ];
    for (edits, expected) in cases {
        for (later, versions) in [(true, "1.2.0 → 1.3.0"), (false, "1.2.0")] {
            let new = edited(&[edits.clone(), if later { vec![LATER] } else { Vec::new() }].concat());
            let (faults, _) = told(&[CONTRACT], &[&new]);
            let (line, reason) = expected.split_once(": ").unwrap();
            let expected = format!("{line}: sales.orders {versions}: {reason}");
            assert!(faults.contains(&expected), "{expected} in {faults:?}");
        }
        // Under a new major version, with the old one kept, everything may change.
        let new = edited(&[edits, vec![("version: 1.2.0", "version: 2.0.0\n")]].concat());
        assert_eq!(told(&[CONTRACT], &[CONTRACT, &new]).0, Vec::<String>::new());
    }
    let lines = CONTRACT.split_at(CONTRACT.find("  - name: lines").unwrap()).0;
    let alone = lines.replace(", relationships: [{to: lines.id}]", "");
    assert_eq!(
        told(&[CONTRACT], &[&alone.replace(LATER.0, LATER.1)]).0,
        [
            "0: sales.orders 1.2.0 → 1.3.0: the dataset `lines` is gone",
            "16: sales.orders 1.2.0 → 1.3.0: the foreign key `line` of `orders` to `sales.lines` is gone",
        ]
    );
}

#[test]
fn additions_make_a_new_version_and_break_nothing() {
    let added = format!("{NOTE}\n      - {{name: more, logicalType: string}}");
    let cases: Vec<(Vec<(&str, &str)>, &str)> = vec![
        (vec![(NOTE, &added)], "the column `more` of `orders` is new"),
        (
            vec![("physicalName: NOTE", "physicalName: NOTE, required: true")],
            "the column `note` of `orders` is required",
        ),
        (vec![("physicalName: NOTE", "physicalName: NOTE, unique: true")], "the column `note` of `orders` is unique"),
        (vec![(NOTE, ID), (ID, NOTE)], "the columns of `orders` have another order"),
        (vec![("physicalType: INTEGER", "physicalType: INTEGER, primaryKey: true")], "`lines` has a primary key: `id`"),
        (
            vec![("default: x}]", "default: x}, {name: more, logicalType: string, default: y}]"), ("$note", "$more")],
            "the parameter `more` of `by_key` is new",
        ),
    ];
    for (edits, expected) in cases {
        let (faults, changes) = told(&[CONTRACT], &[&edited(&[edits.clone(), vec![LATER]].concat())]);
        assert_eq!(faults, Vec::<String>::new());
        let expected_change = format!("sales.orders 1.2.0 → 1.3.0: {expected}");
        assert!(changes.contains(&expected_change), "{expected_change} in {changes:?}");
        let (faults, _) = told(&[CONTRACT], &[&edited(&edits)]);
        assert_eq!(faults, [format!("4: sales.orders 1.2.0 is not what it was: {expected}")]);
    }
}

#[test]
fn what_consumers_do_not_see_may_change() {
    for (old, new) in [
        ("./d/{model}", "./elsewhere/{model}"),
        ("physicalName: NOTE", "physicalName: REMARK"),
        ("physicalName: NOTE", "physicalName: NOTE, classification: public, tags: [x], description: y"),
        ("id: orders", "id: others"),
        ("status: active", "status: deprecated"),
        ("default: x", "default: y"),
        ("WHERE id", "WHERE id > 0 AND id"),
    ] {
        let (faults, _) = told(&[CONTRACT], &[&edited(&[(old, new)])]);
        assert_eq!(faults, Vec::<String>::new(), "{new}");
    }
}

#[test]
fn versions_end_as_announced_and_go_forward() {
    let at = |version: &str, status: &str| {
        let version = format!("version: {version}");
        edited(&[("version: 1.2.0", &version), ("status: active", &format!("status: {status}"))])
    };
    let marked = |text: String| {
        text.replace("customProperties:\n", "customProperties:\n  - {property: airside.defaultVersion, value: true}\n")
    };
    let gone = "4: sales.orders: version 1.2.0 is gone, and was not retired";
    type Case = (Vec<String>, Vec<String>, Vec<&'static str>, Vec<&'static str>);
    let cases: Vec<Case> = vec![
        (vec![at("1.2.0", "active")], vec![], vec![gone], vec![]),
        (vec![at("1.2.0", "deprecated")], vec![], vec![gone], vec![]),
        (vec![at("1.2.0", "retired")], vec![], vec![], vec![]),
        (vec![at("1.2.0", "draft")], vec![], vec![], vec![]),
        (
            vec![at("1.2.0", "active")],
            vec![at("2.0.0", "active")],
            vec![gone],
            vec!["sales.orders: version 2.0.0 is new", "sales.orders: the default version is 2.0.0, and was 1.2.0"],
        ),
        (
            vec![at("1.2.0", "active")],
            vec![at("1.2.0", "retired")],
            vec!["5: sales.orders: version 1.2.0 is retired, and its consumers were not told"],
            vec![],
        ),
        (
            vec![at("1.2.0", "active")],
            vec![at("1.2.0", "draft")],
            vec!["5: sales.orders: version 1.2.0 is a draft again, so it is not served any more"],
            vec![],
        ),
        (
            vec![at("1.2.0", "deprecated")],
            vec![at("1.2.0", "retired")],
            vec![],
            vec!["sales.orders: version 1.2.0 is retired"],
        ),
        (
            vec![at("1.2.0", "active")],
            vec![at("1.2.0", "deprecated")],
            vec![],
            vec!["sales.orders 1.2.0: it is deprecated"],
        ),
        (
            vec![at("1.2.0", "active")],
            vec![at("1.2.0", "retired"), at("1.3.0", "active")],
            vec![],
            vec!["sales.orders: version 1.3.0 is new"],
        ),
        (
            vec![at("1.2.0", "active")],
            vec![at("1.1.9", "active")],
            vec!["4: sales.orders: the version went back from 1.2.0 to 1.1.9"],
            vec!["sales.orders: version 1.1.9 is new"],
        ),
        (
            vec![at("1.2.0", "active")],
            vec![at("0.9.0", "active")],
            vec!["4: sales.orders: the version went back from 1.2.0 to 0.9.0"],
            vec!["sales.orders: version 0.9.0 is new", "sales.orders: the default version is 0.9.0, and was 1.2.0"],
        ),
        (
            vec![marked(at("1.2.0", "active")), at("2.0.0", "active")],
            vec![at("1.2.0", "active")],
            vec!["4: sales.orders: version 2.0.0 is gone, and was not retired"],
            vec![],
        ),
        (vec![], vec![at("1.0.0", "active")], vec![], vec!["sales.orders: version 1.0.0 is new"]),
        (
            vec![marked(at("1.2.0", "active")), at("2.0.0", "active")],
            vec![at("1.2.0", "active"), marked(at("2.0.0", "active"))],
            vec![],
            vec!["sales.orders: the default version is 2.0.0, and was 1.2.0"],
        ),
    ];
    for (old, new, faults, changes) in cases {
        let texts = |of: &[String]| of.iter().map(|text| product(text)).collect::<Vec<_>>();
        let found = compare(&texts(&old), &texts(&new));
        let shown: Vec<_> = found.faults.iter().map(|f| format!("{}: {}", f.line.unwrap_or(0), f.reason)).collect();
        assert_eq!(
            (shown, found.changes.iter().map(String::as_str).collect::<Vec<_>>()),
            (faults.iter().map(ToString::to_string).collect(), changes)
        );
        assert!(found.faults.iter().all(|fault| fault.hint.is_some()));
    }
}
