//! Relationships: references between columns.

use super::super::faults::Faults;
use super::super::shape::{Form, List, Object, Shape, may, must};
use super::super::yaml::{Map, Value};
use super::common::{CUSTOM_PROPERTIES, is_stable_word, without_line_break};

const REFERENCE: Shape = Shape::Form(&Form {
    holds: |text| is_shorthand_reference(text) || is_qualified_reference(text),
    is: "a reference such as `orders.id` or `schema/orders/properties/id`",
});
const REFERENCES: Shape = Shape::Either(&[REFERENCE, Shape::List(&List { least: 1, ..List::of(REFERENCE) })]);

/// A relationship of a table names both ends.
pub(super) static OF_TABLE: Object = Object::new(
    "a relationship of a table",
    &[
        may("id", Shape::Text),
        may("type", Shape::Word(&["foreignKey"])),
        must("from", REFERENCES),
        must("to", REFERENCES),
        may("customProperties", CUSTOM_PROPERTIES),
    ],
)
.with_rule(both_ends_alike);

/// A relationship of a column begins at the column.
pub(super) static OF_COLUMN: Object = Object::new(
    "a relationship of a column (which begins at the column)",
    &[
        may("id", Shape::Text),
        may("type", Shape::Word(&["foreignKey"])),
        must("to", REFERENCES),
        may("customProperties", CUSTOM_PROPERTIES),
    ],
);

fn both_ends_alike(relationship: &Map, faults: &mut Faults<'_>) {
    let ends = ["from", "to"].map(|key| relationship.get(key).map(|node| &node.value));
    if let [Some(Value::Text(_)), Some(Value::List(_))] | [Some(Value::List(_)), Some(Value::Text(_))] = ends {
        faults.advise(
            relationship.line,
            "`from` and `to` must both be one column, or both lists of columns",
            "write both as lists of the same length",
        );
    }
}

/// `table.column`
fn is_shorthand_reference(text: &str) -> bool {
    let mut parts = 0;
    without_line_break(text).split('.').all(|part| {
        parts += 1;
        let mut bytes = part.bytes();
        bytes.next().is_some_and(is_initial) && bytes.all(|b| is_initial(b) || b.is_ascii_digit() || b == b'-')
    }) && parts > 1
}

/// `[file.yaml#][/]section/id/section/id`
pub(in super::super) fn is_qualified_reference(text: &str) -> bool {
    let text = without_line_break(text);
    let path = match text.split_once('#') {
        Some((file, path)) if is_file(file) => path,
        Some(_) => return false,
        None => text,
    };
    let parts: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    parts.len() >= 2
        && parts.chunks(2).all(|pair| match pair {
            [section, id] => is_section(section) && is_stable_word(id),
            _ => false,
        })
}

fn is_file(text: &str) -> bool {
    let bare = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let named = |text: &str| {
        let stem = text.strip_suffix(".yaml").or_else(|| text.strip_suffix(".yml"));
        stem.is_some_and(|stem| {
            !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b))
        })
    };
    named(bare)
}

fn is_section(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(is_initial) && bytes.all(|b| is_initial(b) || b.is_ascii_digit())
}

fn is_initial(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_have_one_of_two_forms() {
        for text in ["orders.id", "a_b.c-d.e", "_x._y"] {
            assert!(is_shorthand_reference(text), "{text}");
        }
        for text in ["orders", "orders.", ".id", "1a.b", "a b.c", "orders/id"] {
            assert!(!is_shorthand_reference(text), "{text}");
        }
        for text in [
            "schema/orders/properties/id",
            "/schema/orders",
            "other.yaml#schema/x",
            "https://example.com/a.yml#/schema/x/properties/y",
            "../a/b.yaml#schema/x-1/properties/y_2",
        ] {
            assert!(is_qualified_reference(text), "{text}");
        }
        for text in [
            "schema",
            "schema/orders/properties",
            "a.txt#schema/x",
            "#schema/x",
            "schema/a b",
            "schema//x",
            "sch-ema/x",
            "schema/x/",
        ] {
            assert!(!is_qualified_reference(text), "{text}");
        }
    }
}
