//! Flight SQL's metadata commands: their schemas, and the batches that answer them.

mod info;
mod metadata;

pub use metadata::metadata_schema;
