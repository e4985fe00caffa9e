//! A dataset's files written anew, laid out as [`super::advice`] likes them, into a folder beside the old ones.
//!
//! ```text
//! files of one partition ──scan, sort (spills)──▶ rows ──digest──▶ row groups ──▶ new files
//!                                                            new files ──scan──▶ digest ── equal? ──▶ told
//! ```
//!
//! INVARIANT: no reader sees a new file before its owner points the contract at the new folder: every location of the
//! mesh is held against the folder first. Old files are read in their pinned state and never touched; if they changed
//! meanwhile, or anything else fails, the new folder is removed again.
//!
//! Whole files are read, also what the contract does not name: other versions of it may.

mod columns;
mod digest;
mod error;
mod layout;
mod place;
mod plan;
mod run;
mod sample;
mod scan;
mod target;

pub use error::RewriteError;
pub use place::{beside, same_place};
pub use plan::{Means, Neighbour, Rewrite, RewriteOptions};
pub use run::{Interrupt, Rewritten};

#[cfg(test)]
mod tests;
