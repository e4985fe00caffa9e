//! Finding claims, and making typed attributes of them.

use serde_json::{Map, Value};

use crate::principal::{Attribute, AttributeType};

/// The claim at a path. A claim of exactly that name comes first (`https://example.com/groups` is
/// one name), then dots reach into objects (`realm_access.roles`). `null` is absent.
pub(super) fn find<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    let found = claims.get(path).or_else(|| {
        let mut steps = path.split('.');
        let first = claims.get(steps.next()?)?;
        steps.try_fold(first, |value, step| value.as_object()?.get(step))
    });
    found.filter(|value| !value.is_null())
}

/// A claim as an attribute of its declared type; none when it is of another. Nothing is converted:
/// `"3"` is not a number, and one text is not a list.
pub(super) fn attribute(value: &Value, kind: AttributeType) -> Option<Attribute> {
    match kind {
        AttributeType::Text => value.as_str().map(|text| Attribute::Text(text.to_owned())),
        AttributeType::Number => value.as_i64().map(Attribute::Number),
        AttributeType::Flag => value.as_bool().map(Attribute::Flag),
        AttributeType::Texts => value
            .as_array()?
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .map(Attribute::Texts),
    }
}

/// A value's JSON type, for messages that must not repeat the value.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
