//! What in a dataset's files makes it slow, as far as their footers tell: no data is read for it.
//!
//! ```text
//! footer ──file──▶ FileFacts ─┐
//! footer ──file──▶ FileFacts ─┼─survey──▶ Survey: findings over all files
//! footer ──file──▶ FileFacts ─┘
//! ```
//!
//! A finding is told once a dataset, with the number of files it is about: a product of ten thousand files has
//! one owner, who writes them all with one program.

mod file;
mod finding;
mod keys;
mod overlap;
mod survey;
mod threshold;

pub(super) use keys::Keys;
pub(super) use threshold::FEW_VALUES;

pub use finding::{Bytes, Finding, Share};
pub use survey::{Survey, survey};

#[cfg(test)]
mod tests;
