//! Quality: checks on a table or a column.

use super::super::faults::Faults;
use super::super::shape::{Key, List, Object, Parts, Shape, may, must, word_of};
use super::super::yaml::Map;
use super::common::{CUSTOM_PROPERTIES, DEFINITIONS, ID, TAGS};

/// `quality`
pub(super) const QUALITY: Shape = Shape::List(&List::of(Shape::Object(&CHECK)));

pub(super) static CHECK: Object = Object::new(
    "a quality check",
    &[
        may("id", ID),
        may("authoritativeDefinitions", DEFINITIONS),
        may("businessImpact", Shape::Text),
        may("customProperties", CUSTOM_PROPERTIES),
        may("description", Shape::Text),
        may("dimension", Shape::Word(DIMENSIONS)),
        may("method", Shape::Text),
        may("name", Shape::Text),
        may("schedule", Shape::Text),
        may("scheduler", Shape::Text),
        may("severity", Shape::Text),
        may("tags", TAGS),
        may("type", Shape::Word(TYPES)),
        may("unit", Shape::Text),
    ],
)
.with_parts(parts)
.with_rule(one_operator);

const DIMENSIONS: &[&str] =
    &["accuracy", "completeness", "conformity", "consistency", "coverage", "timeliness", "uniqueness"];
const TYPES: &[&str] = &["text", "library", "sql", "custom"];
const METRICS: &[&str] = &["nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount"];

pub(super) static LIBRARY: Object = Object::new(
    "a quality check of type `library`",
    &[must("metric", Shape::Word(METRICS)), may("rule", Shape::Text), may("arguments", Shape::Free)],
);

pub(super) static SQL: Object = Object::new("a quality check of type `sql`", &[must("query", Shape::Text)]);

pub(super) static CUSTOM: Object = Object::new(
    "a quality check of type `custom`",
    &[must("engine", Shape::Text), must("implementation", Shape::Either(&[Shape::Text, Shape::Free]))],
);

const OPERATORS: &[Key] = &[
    may("mustBe", Shape::Any),
    may("mustNotBe", Shape::Any),
    may("mustBeGreaterThan", Shape::Number),
    may("mustBeGreaterOrEqualTo", Shape::Number),
    may("mustBeLessThan", Shape::Number),
    may("mustBeLessOrEqualTo", Shape::Number),
    may("mustBeBetween", Shape::List(&RANGE)),
    may("mustNotBeBetween", Shape::List(&RANGE)),
];

static RANGE: List = List { item: Shape::Number, least: 2, most: 2, distinct: true };

/// A check that names a metric is one of the library, whatever type it states.
fn is_library(check: &Map) -> bool {
    check.text("type") == Some("library") || check.text("metric").is_some()
}

fn parts(check: &Map) -> Parts {
    let word = word_of(check.get("type"), TYPES);
    if word.is_none() && check.get("type").is_some() {
        return Parts::Unknown;
    }
    let mut keys = Vec::new();
    if is_library(check) {
        keys.extend_from_slice(LIBRARY.keys);
    }
    match word {
        Some("sql") => keys.extend_from_slice(SQL.keys),
        Some("custom") => keys.extend_from_slice(CUSTOM.keys),
        _ => {}
    }
    if is_library(check) || word == Some("sql") {
        keys.extend_from_slice(OPERATORS);
    }
    Parts::Known(keys)
}

/// Checks that compare do so with exactly one operator.
fn one_operator(check: &Map, faults: &mut Faults<'_>) {
    if !is_library(check) && check.text("type") != Some("sql") {
        return;
    }
    let given: Vec<&str> =
        OPERATORS.iter().map(|operator| operator.name).filter(|operator| check.get(operator).is_some()).collect();
    match given[..] {
        [_] => {}
        [] => faults.advise(
            check.line,
            "the quality check compares with nothing",
            "add one operator, such as `mustBe: 0` or `mustBeGreaterThan: 0`",
        ),
        [_, second, ..] => faults.advise(
            check.line_of(second),
            format!("the quality check has {} operators", given.len()),
            "keep one; make another check of the other",
        ),
    }
}
