//! The audit: who asked what, for which purpose, what the policy gave, and how it ended. Never a data value.
//!
//! ```text
//! Opening ──Audit::open──▶ Entry      durably written before the first row may leave
//! Entry ──close or drop──▶ Closing    exactly one, whatever happens
//! Denial ──Audit::deny──▶ ()          asked for and not given
//! ```
//!
//! Records are lines of JSON, numbered, chained by HMAC-SHA-256 and vouched for by signed checkpoints, so that a line
//! changed, left out, moved or cut off is noticed. One thread writes; what waits for it is bounded.

mod chain;
mod checkpoint;
mod config;
mod entry;
mod error;
mod files;
mod find;
mod journal;
mod keys;
mod medium;
mod record;
mod retention;
mod tail;
mod verify;
mod writer;

pub use checkpoint::Checkpoint;
pub use config::{AuditConfig, Destination, SyncPolicy};
pub use entry::{Audit, Entry};
pub use error::{AuditError, AuditSetupError};
pub use files::{AuditFile, list as list_files};
pub use find::{Filter, Found, find, last_checkpoint};
pub use keys::{AuditKeys, DigestKey, PublicKey};
pub use record::{Asked, Closing, DatasetRead, Denial, Failure, Opening, Outcome, Record, TokenNamed, Who};
pub use verify::{Report, Trust, Verification, verify};

#[cfg(test)]
mod tests;
