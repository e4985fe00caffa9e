//! Flight SQL's metadata commands: their schemas, and the batches that answer them.

mod column;
mod info;
mod keys;
mod metadata;
mod types;

pub use column::annotated;
pub use metadata::metadata_schema;
