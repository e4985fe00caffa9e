//! The policy layer as its callers see it: sources in, decisions out.

mod decisions;
mod fixtures;
mod insight;
mod masks;
mod refusals;
mod residuals;
