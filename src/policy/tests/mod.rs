//! The policy layer as its callers see it: sources in, decisions out.

mod advice;
mod decisions;
pub(super) mod fixtures;
mod insight;
mod masks;
mod purposes;
mod refusals;
pub(super) mod residuals;
