//! The team and the roles.

use super::super::shape::{List, Object, Shape, may, must};
use super::common::{CUSTOM_PROPERTIES, DEFINITIONS, ID, TAGS};

pub(super) static TEAM: Object = Object::new(
    "a team",
    &[
        may("id", ID),
        may("name", Shape::Text),
        may("description", Shape::Text),
        may("members", Shape::List(&List::of(Shape::Object(&MEMBER)))),
        may("tags", TAGS),
        may("customProperties", CUSTOM_PROPERTIES),
        may("authoritativeDefinitions", DEFINITIONS),
    ],
);

pub(super) static MEMBER: Object = Object::new(
    "a member of a team",
    &[
        may("id", ID),
        must("username", Shape::Text),
        may("name", Shape::Text),
        may("description", Shape::Text),
        may("role", Shape::Text),
        may("dateIn", Shape::Text),
        may("dateOut", Shape::Text),
        may("replacedByUsername", Shape::Text),
        may("tags", TAGS),
        may("customProperties", CUSTOM_PROPERTIES),
        may("authoritativeDefinitions", DEFINITIONS),
    ],
);

/// Roles describe; they never grant.
pub(super) static ROLE: Object = Object::new(
    "a role",
    &[
        may("id", ID),
        must("role", Shape::Text),
        may("description", Shape::Text),
        may("access", Shape::Text),
        may("firstLevelApprovers", Shape::Text),
        may("secondLevelApprovers", Shape::Text),
        may("customProperties", CUSTOM_PROPERTIES),
    ],
);
