//! Through the front door, in Rust: the real binary, spoken to with arrow-flight's clients.
//!
//! What people use besides (pyarrow, ADBC, pandas, polars, DuckDB) is tested in `tests/clients`; here is
//! what needs exactness to the bit: schemas of metadata, sealed tickets, and bytes that no client library
//! would send.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that meets the unexpected fails")]

mod gateway;
mod metadata;
mod products;
mod start;
mod statements;
mod strangers;
mod tickets;
