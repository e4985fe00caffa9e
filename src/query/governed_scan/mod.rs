//! The governed scan: a dataset as one principal may see it, as a single leaf of the plan.
//!
//! A view would not do. Optimisers move predicates: the user's `CAST(note AS INT) >= 0` ends up before the
//! policy's filter and raises an error that quotes a hidden row. So all that the policy asks for happens
//! inside one opaque leaf, whose statistics, equivalences, metrics, messages and `Debug` tell nothing.
//!
//! ```text
//!      what the optimiser sees            what runs inside
//!
//!      DataSourceExec: governed           Projection   masks, contract names
//!                                           Filter     row filter, accepted predicates
//!                                             Scan     Parquet, or the plan of a derived dataset
//! ```
//!
//! - `provider`: the table a session registers;
//! - `leaf`: the data source; `pushdown`: which predicates it takes (those that cannot fail);
//! - `lower`: a grant's row filter as an expression over the raw columns;
//! - `mask`: what is shown in place of a value;
//! - `first_rows`: what an export reads first;
//! - `compact`: batches without the bytes of what is not shown.

mod compact;
mod first_rows;
mod leaf;
mod lower;
mod mask;
mod provider;
mod pushdown;

pub(super) use first_rows::first_rows_apart;
pub(super) use provider::{GovernedProvider, Origin};

#[cfg(test)]
mod evolution_tests;
#[cfg(test)]
mod pruning_tests;
#[cfg(test)]
mod tests;
