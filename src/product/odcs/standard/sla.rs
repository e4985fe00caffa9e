//! Service level agreements.

use super::super::shape::{Object, Shape, may, must};
use super::common::{CUSTOM_PROPERTIES, DEFINITIONS, ID};

pub(super) static PROMISE: Object = Object::new(
    "an item of `slaProperties`",
    &[
        may("id", ID),
        must("property", Shape::Text),
        must("value", Shape::Scalar),
        may("valueExt", Shape::Scalar),
        may("unit", Shape::Text),
        may("element", Shape::Text),
        may("driver", Shape::Text),
        may("description", Shape::Text),
        may("scheduler", Shape::Text),
        may("schedule", Shape::Text),
        may("customProperties", CUSTOM_PROPERTIES),
        may("authoritativeDefinitions", DEFINITIONS),
    ],
);
