//! The Open Data Contract Standard 3.2.0, section by section.
//!
//! Each file describes the keys of one section as its official JSON Schema (and the two rules the official
//! validator adds to it) has them. That the two agree is tested over `tests/contracts`.

mod common;
mod context;
mod contract;
mod quality;
mod relationship;
mod schema;
mod server;
mod sla;
mod support;
mod team;

use super::shape::Object;

pub(super) use contract::CONTRACT;
pub(super) use relationship::is_qualified_reference;

/// Every mapping with keys of its own that a misplaced key may belong to.
static OBJECTS: &[&Object] = &[
    &contract::CONTRACT,
    &contract::DESCRIPTION,
    &schema::OBJECT,
    &schema::COLUMN,
    &server::SERVER,
    &quality::CHECK,
    &quality::LIBRARY,
    &quality::SQL,
    &quality::CUSTOM,
    &sla::PROMISE,
    &team::TEAM,
    &team::MEMBER,
    &team::ROLE,
    &support::CHANNEL,
    &support::PRICE,
];

/// The mappings that have a key, in an author's words, at most three.
pub(super) fn homes_of(key: &str) -> Vec<String> {
    let objects = OBJECTS.iter().filter(|object| object.keys.iter().any(|known| known.name == key));
    let servers = server::types_with(key).map(|word| format!("a server of type `{word}`"));
    objects.map(|object| object.is.to_owned()).chain(servers).take(3).collect()
}
