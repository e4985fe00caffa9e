//! Personal tokens: what a person takes along to tools that know a password or a bearer token and no more.
//!
//! ```text
//! airp_<id>_<secret>      id: 8 digits of the owner's digest, 12 random ones; secret: 256 random bits
//! <dir>/<id>.json         who owns it, its hash, label, beginning and end
//! ```
//!
//! One small file a token, in a folder that replicas share: a token works on each of them and after a restart, and
//! deleting the file revokes it. The id names the file, so that looking one up reads one file; its first digits find
//! a person's own without reading everybody's. A plain hash is enough for 256 random bits.

mod folder;
mod record;
mod token;
mod tokens;

pub use token::TokenId;
pub(super) use tokens::Held;
pub use tokens::{DraftToken, PersonalToken, PersonalTokenError, PersonalTokens};

pub(super) use token::{PREFIX, split};
