//! Secrets: where they come from, and how Airside seals what it hands to clients.
//!
//! Session tokens and tickets are kept by the client, not in a map of ours, so that any replica can
//! answer. They are encrypted and authenticated under keys that configuration names by reference;
//! a secret never stands in a configuration file itself.

mod key32;
mod keys;
mod secret;

pub use key32::Key32;
pub use keys::{SealError, SealKeys};
pub use secret::{Secret, SecretError, SecretRef};
