//! The files that changes write: what they say, and that they keep what people wrote.

use std::fs;

use serde_json::{Map, json};

use super::FileEdit;
use super::case::{Case, added, without};
use super::probe::Probe;
use crate::policy::Decision;

fn case(name: &str) -> Case {
    let mut claims = Map::new();
    claims.insert("org.region".into(), json!("EMEA: \"x\""));
    claims.insert("level".into(), json!(["a", "no"]));
    let probe =
        Probe { user: "somebody_in_analysts".into(), groups: ["analysts".to_owned()].into(), claims, lacking: vec![] };
    Case {
        name: name.into(),
        probe,
        purpose: Some("audit".into()),
        product: "sales.orders".into(),
        at: Some("2026-12-31T23:59:59Z".parse().unwrap()),
        decision: Decision::Hidden,
    }
}

fn parsed(text: &str) -> serde_json::Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn cases_are_yaml_that_reads_back() {
    let text = added(None, &[case("analysts read: \"it\" # all")], "grant:orders:analysts").unwrap();
    let read = parsed(&text);
    assert_eq!(
        read["tests"][0],
        json!({
            "name": "analysts read: \"it\" # all",
            "principal": {
                "user": "somebody_in_analysts", "groups": ["analysts"],
                "claims": {"org.region": "EMEA: \"x\"", "level": ["a", "no"]},
            },
            "purpose": "audit", "product": "sales.orders", "at": "2026-12-31T23:59:59Z",
            "expect": {"denied": "hidden"},
        })
    );
}

#[test]
fn cases_come_and_go_and_the_others_stay() {
    for hand in [
        "tests:\n  - name: mine\n    product: a.b\n    expect: {denied: hidden}\n",
        "# About.\ntests:\n- name: mine # orders\n  product: a.b\n  expect:\n    denied: hidden\n",
    ] {
        let one = added(Some(hand), &[case("one"), case("two")], "grant:orders:a").unwrap();
        let both = added(Some(&one), &[case("three")], "grant:orders:ab").unwrap();
        let names = |text: &str| -> Vec<String> {
            let read = parsed(text);
            read["tests"].as_array().unwrap().iter().map(|test| test["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&both), ["mine", "one", "two", "three"]);
        let rest = without(&both, |key| key == "grant:orders:a").unwrap();
        assert_eq!(names(&rest), ["mine", "three"]);
        assert_eq!(without(&rest, |key| key == "grant:orders:ab").unwrap(), hand, "as it was");
    }
    let ours = added(None, &[case("one")], "k").unwrap();
    assert_eq!(without(&ours, |key| key == "k"), None, "nothing is left");
    for odd in ["tests: []\n", "other: 1\n", "tests:\n  - a\nmore: 1\n", "- a\n"] {
        assert_eq!(added(Some(odd), &[case("x")], "k"), None, "{odd}");
    }
}

#[test]
fn a_file_is_written_as_a_whole_and_never_over_anothers_change() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policies/grants_orders.cedar");
    let edit = |before: Option<&str>, after: Option<&str>| FileEdit {
        file: file.clone(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    };
    edit(None, Some("one")).apply().unwrap();
    assert!(edit(None, Some("two")).apply().is_err(), "it is there by now");
    assert!(edit(Some("other"), Some("two")).apply().is_err());
    edit(Some("one"), Some("two")).apply().unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "two");
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "no draft is left");
    edit(Some("two"), None).apply().unwrap();
    assert!(!file.exists());
}
