//! A person who signed in, in a form that can be kept: in the file of a personal token, in the cookie of the pages.
//!
//! What is kept is who it was and by whose word, not what it may do. A user of the users file is looked up there
//! whenever the person is met again. An identity provider cannot be asked again, so its claims are kept as it signed
//! them; whatever keeps them ends in time.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::verified::names_a_subject;

/// Claims of the sign-in itself, which say nothing about the person.
const OF_THE_SIGN_IN: [&str; 4] = ["nonce", "at_hash", "c_hash", "s_hash"];

/// Somebody who signed in with a password, or at an identity provider. Only `authn` makes one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    pub(super) subject: String,
    pub(super) origin: Origin,
}

/// By whose word a person is who they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Origin {
    /// The users file's.
    Users {
        /// Of the password hash at sign-in: another password ends what was kept.
        fingerprint: String,
    },
    /// An issuer's.
    Oidc {
        /// Its name.
        issuer: String,
        /// What it signed.
        claims: Map<String, Value>,
    },
}

impl Person {
    pub(super) fn of_users(subject: &str, fingerprint: &str) -> Self {
        Self { subject: subject.to_owned(), origin: Origin::Users { fingerprint: fingerprint.to_owned() } }
    }

    pub(super) fn of_issuer(subject: &str, issuer: &str, mut claims: Map<String, Value>) -> Self {
        claims.retain(|name, _| !OF_THE_SIGN_IN.contains(&name.as_str()));
        Self { subject: subject.to_owned(), origin: Origin::Oidc { issuer: issuer.to_owned(), claims } }
    }

    /// The person's name.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whether both are one: the same name by the same word.
    pub fn is(&self, other: &Self) -> bool {
        let by = |person: &Self| match &person.origin {
            Origin::Users { .. } => None,
            Origin::Oidc { issuer, .. } => Some(issuer.clone()),
        };
        self.subject == other.subject && by(self) == by(other)
    }

    /// Whether what was read back can name anybody.
    pub(super) fn is_sound(&self) -> bool {
        names_a_subject(&self.subject)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_by_another_word_is_another_person() {
        let claims = || json!({ "sub": "ada", "nonce": "n" }).as_object().cloned().unwrap();
        let local = Person::of_users("ada", "x");
        let foreign = Person::of_issuer("ada", "https://a", claims());
        assert!(local.is(&Person::of_users("ada", "another password")));
        assert!(foreign.is(&Person::of_issuer("ada", "https://a", Map::new())));
        for other in [&foreign, &Person::of_users("bob", "x")] {
            assert!(!local.is(other));
        }
        assert!(!foreign.is(&Person::of_issuer("ada", "https://b", claims())));
        assert!(!serde_json::to_string(&foreign).unwrap().contains("nonce"));
    }
}
