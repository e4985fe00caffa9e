//! What many sections share.

use super::super::shape::{Form, List, Object, Shape, may, must};

/// `tags`
pub(super) const TAGS: Shape = TEXTS;
/// Any list of texts.
pub(super) const TEXTS: Shape = Shape::List(&List::of(Shape::Text));
/// `customProperties`
pub(super) const CUSTOM_PROPERTIES: Shape = Shape::List(&List::of(Shape::Object(&CUSTOM_PROPERTY)));
/// `authoritativeDefinitions`
pub(super) const DEFINITIONS: Shape = Shape::List(&List::of(Shape::Object(&DEFINITION)));
/// `id`
pub(super) const ID: Shape = Shape::Form(&STABLE_ID);
/// `synonyms`
pub(super) const SYNONYMS: Shape = Shape::List(&List::of(Shape::Object(&SYNONYM)));

static STABLE_ID: Form = Form { holds: is_stable_id, is: "an id without spaces and without any of . # / \\ @ ! % & ^" };

static CUSTOM_PROPERTY: Object = Object::new(
    "a custom property",
    &[
        may("id", ID),
        must("property", Shape::Text),
        must("value", Shape::Any),
        may("description", Shape::Text),
        may("vendor", Shape::Text),
    ],
);

static DEFINITION: Object = Object::new(
    "an authoritative definition",
    &[may("id", ID), must("url", Shape::Text), must("type", Shape::Text), may("description", Shape::Text)],
);

static SYNONYM: Object = Object::new(
    "a synonym",
    &[
        may("id", ID),
        must("synonym", Shape::Text),
        may("description", Shape::Text),
        may("locale", Shape::Text),
        may("source", Shape::Text),
        may("status", Shape::Text),
        may("customProperties", CUSTOM_PROPERTIES),
    ],
);

/// The standard's pattern ends in `$`, which the official validator lets stand before a last line break.
pub(super) fn without_line_break(text: &str) -> &str {
    text.strip_suffix('\n').unwrap_or(text)
}

fn is_stable_id(text: &str) -> bool {
    is_stable_word(without_line_break(text))
}

pub(super) fn is_stable_word(text: &str) -> bool {
    let refused = |c: char| is_space(c) || ".#/\\@!%&^".contains(c);
    !text.is_empty() && !text.contains(refused)
}

/// White space as the official validator's patterns know it.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}
