//! The engine: a statement and the grants it needs, turned into a stream of record batches.
//!
//! ```text
//! SQL text ──Statement::parse──▶ Statement        (one query, allow-listed, within its limits)
//! Statement + GovernedTables ──Engine::plan──▶ GovernedPlan   (only a Grant yields a scan)
//! GovernedPlan ──Engine::execute──▶ RecordStream  (bounded memory and time, compacted batches)
//! ```
//!
//! Nothing here decides who may read what: the grants in [`GovernedTable`] say it, and the governed scan
//! enforces it below everything a statement can express. Nothing here speaks to clients either, but the
//! messages of [`QueryError`] are theirs to read: they name nothing that is hidden.

mod admission;
mod engine;
mod error;
mod execute;
mod explain;
#[cfg(test)]
mod fixture;
mod functions;
mod governed_scan;
mod interrupt;
mod limits;
mod mask_key;
mod parameters;
mod planning;
mod plans;
mod provenance;
mod reads;
mod session;
mod shape;
mod statement;
mod suggestions;
mod table;
mod wire;

#[cfg(test)]
mod named_tests;
#[cfg(test)]
mod tests;

pub use admission::Admission;
pub use engine::{Engine, EngineConfig, EngineError};
pub use error::{QueryError, QueryErrorKind};
pub use execute::{RecordStream, Stopper};
pub use explain::PlanDetail;
pub use limits::Limits;
pub use mask_key::{DatedKeyConfig, MaskConfig, MaskKey, MaskKeyError, MaskKeys};
pub use parameters::Parameters;
pub use planning::{Description, GovernedPlan};
pub use plans::Asker;
pub use provenance::ColumnSource;
pub use shape::Shape;
pub use statement::{Arguments, FindQuery, QueryTemplate, Scan, Statement, TableName};
pub use table::{FileRows, GovernedTable, Rows, TableShape};
pub use wire::wire_schema;
