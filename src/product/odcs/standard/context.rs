//! Context: guidance for agents and tools.

use super::super::shape::{List, Object, Shape, may, must};
use super::common::{CUSTOM_PROPERTIES, DEFINITIONS, TAGS};

/// `context`: instructions alone, or a mapping.
pub(super) const CONTEXT: Shape = Shape::Either(&[Shape::Text, Shape::Object(&MAPPING)]);

static MAPPING: Object = Object::new(
    "a context",
    &[
        may("instructions", Shape::Text),
        may("verifiedStatements", Shape::List(&List::of(Shape::Object(&STATEMENT)))),
        may("constraints", Shape::List(&List::of(Shape::Object(&CONSTRAINT)))),
    ],
);

static STATEMENT: Object = Object::new(
    "a verified statement",
    &[
        may("id", Shape::Text),
        must("question", Shape::Text),
        may("answer", Shape::Text),
        may("authoritativeDefinitions", DEFINITIONS),
        may("tags", TAGS),
        may("customProperties", CUSTOM_PROPERTIES),
    ],
);

static CONSTRAINT: Object = Object::new(
    "a constraint",
    &[
        may("id", Shape::Text),
        must("constraint", Shape::Text),
        may("authoritativeDefinitions", DEFINITIONS),
        may("tags", TAGS),
        may("customProperties", CUSTOM_PROPERTIES),
    ],
);
