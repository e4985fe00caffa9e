//! The demo's users: who they are, and the credentials that everybody may know.
//!
//! The passwords are fixed, so that snippets can be pasted. They open this demo and nothing else: the
//! gateway refuses to listen beyond loopback without TLS.

use std::fmt::Write as _;

use super::assets;
use crate::authn::{PasswordError, hash_password, hash_service_token};

/// A user of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// The name to log in with.
    pub name: &'static str,
    /// The password.
    pub password: &'static str,
    /// The groups the users file puts them in.
    pub direct_groups: &'static [&'static str],
    /// All their groups, those by nesting in `principals.toml` included.
    pub groups: &'static [&'static str],
    /// A bearer token, for accounts of services.
    pub token: Option<&'static str>,
    /// What the policies let them see.
    pub sees: &'static str,
}

/// The users of the demo, in the order they are announced.
pub fn people() -> &'static [Person] {
    &PEOPLE
}

const PEOPLE: [Person; 6] = [
    Person {
        name: "analyst",
        password: "demo-analyst",
        direct_groups: &["analysts"],
        groups: &["analysts", "staff"],
        token: None,
        sees: "customers of the market segment BUILDING, phones masked; all of sales and geography",
    },
    Person {
        name: "scientist",
        password: "demo-scientist",
        direct_groups: &["scientists"],
        groups: &["scientists", "staff"],
        token: None,
        sees: "marketing's products, personal columns masked; geography",
    },
    Person {
        name: "owner",
        password: "demo-owner",
        direct_groups: &["sales_owners"],
        groups: &["sales_owners", "staff"],
        token: None,
        sees: "all of sales; geography",
    },
    Person {
        name: "steward",
        password: "demo-steward",
        direct_groups: &["stewards"],
        groups: &["staff", "stewards"],
        token: None,
        sees: "everything, unmasked",
    },
    Person {
        name: "service",
        password: "demo-service",
        direct_groups: &["pipelines"],
        groups: &["pipelines"],
        token: Some("airt_demo-token-that-everybody-may-know"),
        sees: "all of sales and supply, for bulk reads; supply costs for the purpose `audit` alone",
    },
    Person {
        name: "nobody",
        password: "demo-nobody",
        direct_groups: &["guests"],
        groups: &["guests"],
        token: None,
        sees: "nothing",
    },
];

/// The users file: the example's head, then the users.
pub(super) fn users_file() -> Result<String, PasswordError> {
    let mut text = assets::USERS.to_owned();
    for person in people() {
        let hash = hash_password(person.password)?;
        let _ = write!(
            text,
            "\n[users.{}]\npassword = \"{hash}\"\ngroups = [{}]\n",
            person.name,
            quoted(person.direct_groups)
        );
    }
    Ok(text)
}

/// The tokens file: the example's head, then the service's token.
pub(super) fn tokens_file() -> String {
    let mut text = assets::TOKENS.to_owned();
    for person in people() {
        let Some(token) = person.token else { continue };
        let hash = hash_service_token(token);
        let _ = write!(
            text,
            "\n[tokens.{}]\nhash = \"{hash}\"\ngroups = [{}]\n",
            person.name,
            quoted(person.direct_groups)
        );
    }
    text
}

/// A key nobody knows, for tickets or masks: 32 bytes, in hex.
pub(super) fn fresh_key() -> String {
    hex::encode(rand::random::<[u8; 32]>())
        + "
"
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}
