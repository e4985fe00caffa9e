//! YAML as a tree that remembers its lines.
//!
//! Serde would stop at the first mistake and forget where values stood. This reader keeps every line, so
//! that one run reports every fault; it resolves plain words as the official validator's YAML library does
//! (YAML 1.1 without timestamps: `no` is a flag, `1.0` a number); and it bounds what a hostile file can
//! cost: size, depth, and nodes after aliases have been expanded. Policy tests are read by it as well.

mod node;
mod read;
mod scalar;
mod tabs;

pub(crate) use node::{Map, Node, Value};
pub(crate) use read::read;
