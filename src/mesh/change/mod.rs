//! Changes that owners ask for, grants and their revocation: planned against the mesh as it is, checked against
//! the mesh as it would be, then written.
//!
//! ```text
//! request, mesh ──Change::grant, ::revoke──▶ Change (policy files)
//! mesh with these edits ──Change::outcome──▶ Outcome (decisions before and after, policy tests) ──▶ files
//! ```
//!
//! [`Relocation`] points a contract at another place of its files.

mod case;
mod edit;
mod outcome;
mod plan;
mod probe;
mod relocation;

pub use edit::FileEdit;
pub use outcome::{Asked, Outcome};
pub use plan::{Change, ChangeError};
pub use relocation::{Move, Relocation, RelocationError};

#[cfg(test)]
mod tests;
