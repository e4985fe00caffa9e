//! Session tokens: what a password handshake gives, so that the password is sent once.
//!
//! The token is sealed state, not a key into a map of ours: every replica with the same keys
//! accepts it. It carries no rights. Each use reads today's users file, so a user who is removed
//! or whose password changes is out at once.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::error::AuthnError;
use super::users::{User, Users};
use super::verified::{Method, Verified};
use crate::seal::SealKeys;

/// How every session token begins.
pub(super) const PREFIX: &str = "airs_";

const PURPOSE: &str = "airside.session";

#[derive(Debug)]
pub(super) struct Sessions {
    keys: SealKeys,
    ttl: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Session {
    subject: String,
    /// Of the password hash at sign-in.
    fingerprint: String,
    #[serde(with = "chrono::serde::ts_seconds")]
    issued: DateTime<Utc>,
    #[serde(with = "chrono::serde::ts_seconds")]
    expires: DateTime<Utc>,
}

impl Sessions {
    pub(super) fn new(keys: SealKeys, ttl: Duration) -> Self {
        Self { keys, ttl }
    }

    /// A token for a user whose password was just verified, and when it ends.
    pub(super) fn issue(
        &self,
        subject: &str,
        user: &User,
        now: DateTime<Utc>,
    ) -> Result<(String, DateTime<Utc>), AuthnError> {
        let failed = |detail: &str| AuthnError::rejected(format!("a session cannot be issued: {detail}"));
        let expires = chrono::Duration::from_std(self.ttl).ok().and_then(|ttl| now.checked_add_signed(ttl));
        let expires = expires.ok_or_else(|| failed("its end is beyond all time"))?;
        let session =
            Session { subject: subject.to_owned(), fingerprint: user.fingerprint.clone(), issued: now, expires };
        let plaintext = serde_json::to_vec(&session).map_err(|error| failed(&error.to_string()))?;
        Ok((format!("{PREFIX}{}", self.keys.seal(PURPOSE, &plaintext)), expires))
    }

    /// Whom a session token names today.
    pub(super) fn verify(&self, token: &str, users: &Users, now: DateTime<Utc>) -> Result<Verified, AuthnError> {
        let sealed = token.strip_prefix(PREFIX).ok_or_else(|| AuthnError::rejected("not a session token"))?;
        let plaintext = self.keys.open(PURPOSE, sealed).map_err(|_| AuthnError::rejected("not a session of ours"))?;
        let session: Session = serde_json::from_slice(&plaintext)
            .map_err(|error| AuthnError::rejected(format!("an unreadable session: {error}")))?;
        if session.expires <= now {
            return Err(AuthnError::Expired);
        }
        let user = users
            .get(&session.subject)
            .ok_or_else(|| AuthnError::rejected(format!("user `{}` is no longer there", session.subject)))?;
        if user.fingerprint != session.fingerprint {
            return Err(AuthnError::rejected(format!("user `{}` has another password since", session.subject)));
        }
        Ok(user.verified(&session.subject, Method::Session, Some(session.expires)))
    }
}

impl User {
    /// The user as somebody verified.
    pub(super) fn verified(&self, subject: &str, method: Method, expires: Option<DateTime<Utc>>) -> Verified {
        Verified {
            subject: Arc::from(subject),
            method,
            groups: self.groups.clone(),
            claims: self.claims.clone(),
            expires,
            entry: Some(self.fingerprint.as_str().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn users(name: &str, hash: &str) -> Users {
        Users::parse(&format!("[users.{name}]\npassword = '{hash}'\n"), Path::new("users.toml")).unwrap()
    }

    #[test]
    fn a_session_names_its_user_until_it_ends() {
        let hash = "$argon2id$v=19$m=8192,t=1,p=1$YWJjZGVmZ2hpamtsbW5vcA$b6ZZJrrAnN39gkIwdJrw3TT4ixe6u4Z5G0Y6yBfmjWs";
        let today = users("alice", hash);
        let keys = SealKeys::ephemeral();
        let sessions = Sessions::new(keys.clone(), Duration::from_secs(60));
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let (token, expires) = sessions.issue("alice", today.get("alice").unwrap(), now).unwrap();

        let replica = Sessions::new(keys, Duration::from_secs(1));
        assert_eq!(&*replica.verify(&token, &today, now).unwrap().subject, "alice");
        assert_eq!(sessions.verify(&token, &today, expires), Err(AuthnError::Expired));

        let changed = users("alice", &hash.replace("YWJj", "YWJk"));
        let stranger = Sessions::new(SealKeys::ephemeral(), Duration::from_secs(60));
        for refused in [
            sessions.verify(&token, &users("bob", hash), now),
            sessions.verify(&token, &changed, now),
            stranger.verify(&token, &today, now),
            sessions.verify(&token[..token.len() - 2], &today, now),
            sessions.verify("airs_", &today, now),
        ] {
            assert!(matches!(refused, Err(AuthnError::Rejected { .. })), "{refused:?}");
        }
    }
}
