//! Authentication: who calls, from what the wire carries.
//!
//! ```text
//! `authorization` header, peer certificate ──Credentials::parse──▶ Credentials
//! Credentials ──Authenticator::authenticate──▶ Verified   (subject, groups, claims, expiry)
//! Verified ──Directory::principal──▶ Principal            (what policies are asked about)
//! ```
//!
//! Nothing a client merely claims is believed, nothing that cannot be checked is accepted, and an
//! absent configuration lets nobody in.

mod authenticator;
mod certificate;
mod config;
mod credentials;
mod directory;
mod error;
mod oidc;
mod password;
mod person;
mod personal;
mod reloaded;
mod service_tokens;
mod session;
mod throttle;
mod toml_reader;
mod users;
mod verified;

pub use authenticator::{Authenticator, Role};
pub use config::{AuthnConfig, MtlsConfig, OidcConfig, PersonalTokensConfig, SanKind, SigningAlgorithm};
pub use credentials::Credentials;
pub use directory::Directory;
pub use error::AuthnError;
pub use oidc::{Departure, Flow, Provider, Return};
pub use password::{PasswordError, hash_password};
pub use person::Person;
pub use personal::{DraftToken, PersonalToken, PersonalTokenError, PersonalTokens, TokenId};
pub use service_tokens::{hash_service_token, mint_service_token};
pub use verified::{Method, Verified, names_a_group, names_a_subject};
