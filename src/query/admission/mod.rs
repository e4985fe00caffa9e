//! Admission: how many queries work at the same time, and who is next.
//!
//! ```text
//! opens ──▶ waits (fair) ──▶ works, in a slot ──▶ done
//!               ▲                   │ hands a batch over while somebody waits,
//!               └───────────────────┘ or its reader has not taken the one before
//! ```
//!
//! Nobody knows beforehand which query is a long one, so nothing is sorted by size: a query has its slot from one batch
//! to the next, and gives way there. So an answer of one batch waits for as many batches of others as there are principals
//! before it, never for an export to end; and whoever does not read holds no slot at all, only what it has open, which is
//! bounded by itself. An aggregate makes no batch before its end, and keeps its slot until then.
//!
//! INVARIANT: whoever is in a slot waits for nobody who waits for one: memory is granted or refused at once, and a
//! hand-over that would block leaves the slot first.

mod gate;
mod queue;
#[cfg(test)]
mod tests;

pub use gate::Admission;
pub(super) use gate::{Bounds, Busy, Gate};
