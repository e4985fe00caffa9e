//! Sign-in without credentials: for those who ask what somebody would see, and for policy tests that go through
//! the front door of a gateway of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use serde_json::{Map, Value};

use super::super::password::{self, Verifier, hash_password};
use super::super::reloaded::Reloaded;
use super::super::session::Sessions;
use super::super::throttle::Throttle;
use super::super::users::{User, Users};
use super::super::verified::{Method, Verified};
use super::Authenticator;
use crate::seal::SealKeys;

/// Somebody in a rehearsal: groups and claims, as the users file would give them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Role {
    /// Direct groups.
    pub groups: BTreeSet<String>,
    /// Claims.
    pub claims: Map<String, Value>,
}

/// How long a rehearsal's sessions are good for.
const SESSION: Duration = Duration::from_secs(3600);

impl Authenticator {
    /// An authenticator that knows this cast and nobody else, with a session token for each. The tokens are sealed
    /// with `keys`, so a gateway with other keys takes none of them; the password is one that nobody knows.
    ///
    /// # Errors
    /// A text for operators, when a password cannot be hashed or a session not sealed.
    pub fn rehearsal(cast: BTreeMap<String, Role>, keys: SealKeys) -> Result<(Self, BTreeMap<String, String>), String> {
        let random = hex::encode(rand::random::<[u8; 32]>());
        let hash = hash_password(&random).map_err(|error| error.to_string())?;
        let password = Arc::new(password::parse(&hash).map_err(|error| error.to_string())?);
        let users = cast.into_iter().map(|(name, Role { groups, claims })| {
            (name, User { password: Arc::clone(&password), groups, claims, fingerprint: random.clone() })
        });
        let users = Users::of(users.collect());
        let sessions = Sessions::new(keys, SESSION);
        let mut tokens = BTreeMap::new();
        for name in users.names() {
            let Some(user) = users.get(name) else { continue };
            let (token, _) = sessions.issue(name, user, Utc::now()).map_err(|error| error.detail().to_owned())?;
            tokens.insert(name.clone(), token);
        }
        let authenticator = Self {
            users: Some(Reloaded::fixed(users, Users::parse)),
            tokens: None,
            personal: None,
            sessions,
            issuers: Vec::new(),
            certificates: None,
            passwords: Verifier::new(),
            throttle: Throttle::default(),
        };
        Ok((authenticator, tokens))
    }

    /// What the users file gives one of its users, without any password.
    pub fn role_of(&self, user: &str) -> Option<Role> {
        let users = self.users()?;
        let Verified { groups, claims, .. } = users.get(user)?.verified(user, Method::Session, None);
        Some(Role { groups, claims })
    }

    /// A user, or the service that a token names, as they would be known who signed in now: for what acts in their place.
    pub fn named(&self, name: &str) -> Option<Verified> {
        let user = self.users().and_then(|users| Some(users.get(name)?.verified(name, Method::Session, None)));
        user.or_else(|| self.tokens.as_ref()?.get().of_subject(name))
    }

    /// Everybody in the users file.
    pub fn users_by_name(&self) -> Vec<String> {
        self.users().map(|users| users.names().cloned().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::AuthnError;
    use crate::seal::Secret;

    #[tokio::test]
    async fn a_rehearsal_knows_its_cast_alone() {
        let role = Role { groups: ["analysts".to_owned()].into(), claims: Map::new() };
        let cast = BTreeMap::from([("ada".to_owned(), role.clone())]);
        let (ours, tokens) = Authenticator::rehearsal(cast.clone(), SealKeys::ephemeral()).unwrap();
        let (other, _) = Authenticator::rehearsal(cast, SealKeys::ephemeral()).unwrap();
        let token = Secret::new(tokens["ada"].as_bytes().to_vec());
        let verified = ours.bearer(&token).await.unwrap();
        assert_eq!((&*verified.subject, verified.groups), ("ada", role.groups));
        assert!(matches!(other.bearer(&token).await, Err(AuthnError::Rejected { .. })), "other keys, another cast");
        assert!(ours.role_of("eve").is_none());
    }
}
