//! What a principal may see: Cedar policies turned into [`Grant`]s.
//!
//! ```text
//! statement ─▶ scope, source_check ─▶ load (validated against schema)     once, at load
//!                                        │
//! principal, purpose, dataset, now ─▶ decide ─▶ residual ─▶ Grant         per request, remembered
//! ```
//!
//! Cedar lives behind this module only: its partial evaluator is experimental, and pinned.

mod advice;
mod asking;
mod authoring;
mod cedar;
mod columns;
mod dataset;
mod decide;
mod error;
mod explain;
mod foreign;
mod grant;
mod literals;
mod load;
mod mentions;
mod residual;
mod row_filter;
mod schema;
mod scope;
mod source_check;
mod statement;
mod vocabulary;

pub use advice::GroupsAbove;
pub use authoring::{AuthoringError, Block, GrantRequest, Grantee, PolicyFile, Target, Written, write as write_grant};
pub use decide::{Decision, Policies};
pub use explain::{ActionReasons, Author, ColumnReasons, Explanation, PolicyPlace, Reasons, RowReasons};
pub use grant::{Grant, GrantedColumn};
pub use load::{DomainPolicies, PolicyInput};
pub use mentions::Mentions;
pub use row_filter::{Comparison, Literal, PatternElement, RowFilter};
pub use statement::PolicySource;

#[cfg(test)]
mod tests;
