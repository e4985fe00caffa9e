//! JWTs of OpenID Connect issuers.
//!
//! A token's header chooses a key among those its issuer publishes, and nothing more: which
//! algorithms a key may be used with is decided by the key's own type and the configuration, keys
//! named or carried by the token (`jku`, `jwk`, `x5u`) are ignored, and no claim is believed before
//! the signature, the issuer, the audience and the times have been verified. The one thing read
//! earlier is `iss`, to choose which issuer must have signed.

mod code_flow;
mod fetch;
mod issuer;
mod key_cache;
mod keys;

pub use code_flow::{Departure, Flow, Provider, Return};

pub(super) use issuer::{Issuer, issuer_of};

#[cfg(test)]
pub(in crate::authn) mod test_issuer;
#[cfg(test)]
mod tests;
