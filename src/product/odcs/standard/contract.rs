//! The contract itself: what stands at the left margin.

use super::super::shape::{List, Object, Shape, may, must};
use super::common::{CUSTOM_PROPERTIES, DEFINITIONS, TAGS};
use super::context::CONTEXT;
use super::schema::OBJECT;
use super::server::SERVER;
use super::sla::PROMISE;
use super::support::{CHANNEL, PRICE};
use super::team::{MEMBER, ROLE, TEAM};

pub(in super::super) static CONTRACT: Object = Object::new(
    "a contract",
    &[
        must("version", Shape::Text),
        must("kind", Shape::Word(&["DataContract"])),
        must("apiVersion", Shape::Word(API_VERSIONS)),
        must("id", Shape::Text),
        may("name", Shape::Text),
        may("tenant", Shape::Text),
        may("tags", TAGS),
        may("status", Shape::Text),
        may("servers", Shape::List(&List::of(Shape::Object(&SERVER)))),
        may("dataProduct", Shape::Text),
        may("description", Shape::Object(&DESCRIPTION)),
        may("domain", Shape::Text),
        may("context", CONTEXT),
        may("schema", Shape::List(&List::of(Shape::Object(&OBJECT)))),
        may("support", Shape::List(&List::of(Shape::Object(&CHANNEL)))),
        may("price", Shape::Object(&PRICE)),
        may("team", Shape::Either(&[Shape::Object(&TEAM), Shape::List(&List::of(Shape::Object(&MEMBER)))])),
        may("roles", Shape::List(&List::of(Shape::Object(&ROLE)))),
        may("slaDefaultElement", Shape::Text),
        may("slaProperties", Shape::List(&List::of(Shape::Object(&PROMISE)))),
        may("authoritativeDefinitions", DEFINITIONS),
        may("customProperties", CUSTOM_PROPERTIES),
        may("contractCreatedTs", Shape::Text),
    ],
);

/// The versions of the standard that its 3.2.0 schema names.
const API_VERSIONS: &[&str] = &["v3.2.0", "v3.1.0", "v3.0.2", "v3.0.1", "v3.0.0", "v2.2.2", "v2.2.1", "v2.2.0"];

/// The one mapping that the standard leaves open.
pub(super) static DESCRIPTION: Object = Object {
    open: true,
    ..Object::new(
        "a description",
        &[
            may("usage", Shape::Text),
            may("purpose", Shape::Text),
            may("limitations", Shape::Text),
            may("authoritativeDefinitions", DEFINITIONS),
            may("customProperties", CUSTOM_PROPERTIES),
        ],
    )
};
