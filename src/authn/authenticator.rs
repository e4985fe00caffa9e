//! The front door: from credentials to somebody verified, whatever their kind.

mod people;
mod rehearsal;

pub use rehearsal::Role;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use chrono::Utc;

use super::certificate::CertificateNames;
use super::config::AuthnConfig;
use super::credentials::Credentials;
use super::error::AuthnError;
use super::oidc::{Issuer, issuer_of};
use super::password::Verifier;
use super::personal::{self, PersonalTokens};
use super::reloaded::Reloaded;
use super::service_tokens::{self, ServiceTokens};
use super::session::{self, Sessions};
use super::throttle::Throttle;
use super::users::{User, Users};
use super::verified::{Method, Verified};
use crate::fault::Fault;
use crate::seal::{SealKeys, Secret};

/// Verifies credentials. One per gateway, shared by all its listeners.
#[derive(Debug)]
pub struct Authenticator {
    users: Option<Reloaded<Users>>,
    tokens: Option<Reloaded<ServiceTokens>>,
    personal: Option<Arc<PersonalTokens>>,
    sessions: Sessions,
    issuers: Vec<Issuer>,
    certificates: Option<CertificateNames>,
    passwords: Verifier,
    throttle: Throttle,
}

impl Authenticator {
    /// Builds it from configuration. Relative paths start from `base`; `keys` seal the session
    /// tokens. Reads the users and tokens files, but asks no issuer: one that is down does not keep
    /// the gateway from starting.
    ///
    /// # Errors
    /// Every [`Fault`] of the files and of the section itself.
    pub fn new(config: &AuthnConfig, base: &Path, keys: SealKeys) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let users = config.users.as_ref().map(|path| Reloaded::open(base.join(path), Users::parse));
        let users = kept(users, &mut faults);
        let tokens = config.tokens.as_ref().map(|path| Reloaded::open(base.join(path), ServiceTokens::parse));
        let tokens = kept(tokens, &mut faults);

        let section = |reason: String| vec![Fault::new("[authn]", reason)];
        let personal =
            config.personal_tokens.as_ref().map(|tokens| PersonalTokens::open(tokens, base).map_err(section));
        let personal = kept(personal, &mut faults);
        let certificates = config.mtls.as_ref().map(|mtls| CertificateNames::new(mtls).map_err(section));
        let certificates = kept(certificates, &mut faults);
        let mut issuers: Vec<Issuer> = Vec::new();
        for (i, oidc) in config.oidc.iter().enumerate() {
            let earlier = config.oidc.get(..i).unwrap_or_default();
            if earlier.iter().any(|other| other.issuer == oidc.issuer) {
                faults.extend(section(format!("the issuer `{}` is configured twice", oidc.issuer)));
            }
            if earlier.iter().any(|other| other.name_prefix == oidc.name_prefix) {
                let reason = format!("the issuer `{}` has the same `name_prefix` as another", oidc.issuer);
                let hint = "give each issuer a `name_prefix` of its own: the same name may be two people";
                faults.extend(section(reason).into_iter().map(|fault| fault.hint(hint)));
            }
            issuers.extend(kept(Some(Issuer::new(oidc, base).map_err(section)), &mut faults));
        }
        if config.session_ttl.is_zero() {
            faults.extend(section("`session_ttl` is nothing".to_owned()));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            users,
            tokens,
            personal: personal.map(Arc::new),
            sessions: Sessions::new(keys, config.session_ttl),
            issuers,
            certificates,
            passwords: Verifier::new(),
            throttle: Throttle::default(),
        })
    }

    /// Looks now whether the users and tokens files changed. They are looked at twice a second
    /// anyway; this is for a watcher that knows.
    pub fn reload(&self) {
        if let Some(users) = &self.users {
            users.reload();
        }
        if let Some(tokens) = &self.tokens {
            tokens.reload();
        }
    }

    /// Verifies whatever a call presents.
    ///
    /// # Errors
    /// [`AuthnError`] when that does not establish who calls.
    pub async fn authenticate(&self, credentials: &Credentials) -> Result<Verified, AuthnError> {
        match credentials {
            Credentials::Basic { user, password } => match self.personal_token(password) {
                Some((tokens, token)) => self.personal_as(user, tokens, token).await,
                None => {
                    let users = self.users().ok_or_else(no_passwords)?;
                    Ok(self.basic(&users, user, password).await?.verified(user, Method::Password, None))
                }
            },
            Credentials::Bearer(token) => self.bearer(token).await,
            Credentials::Certificate(der) => self.certificate(der),
        }
    }

    /// Verifies a name and a password and gives a session token, to be sent as a bearer token from
    /// then on. For a personal token in the password's place it gives the same back.
    ///
    /// # Errors
    /// [`AuthnError`] when they are not a user's, or have failed too often.
    pub async fn handshake_basic(&self, user: &str, password: &Secret) -> Result<(Verified, String), AuthnError> {
        if let Some((tokens, token)) = self.personal_token(password) {
            return Ok((self.personal_as(user, tokens, token).await?, token.to_owned()));
        }
        let users = self.users().ok_or_else(no_passwords)?;
        let today = self.basic(&users, user, password).await?;
        let (token, expires) = self.sessions.issue(user, today, Utc::now())?;
        Ok((today.verified(user, Method::Password, Some(expires)), token))
    }

    /// The user of this name and password. Whatever is made of it is made of the users as they were read for it.
    async fn basic<'a>(&self, users: &'a Users, user: &str, password: &Secret) -> Result<&'a User, AuthnError> {
        self.unthrottled(user)?;
        let (hash, theirs) = users.hash_for(user);
        let hash = hash.ok_or_else(|| AuthnError::rejected("there are no users"))?;
        let matches = self.passwords.verify(password, hash).await?;
        // Guesses sent at once have all passed the first look; each counts before the next answer.
        self.unthrottled(user)?;
        match users.get(user) {
            Some(found) if matches && theirs => {
                self.throttle.succeeded(user);
                Ok(found)
            }
            _ => {
                self.throttle.failed(user, Instant::now());
                Err(AuthnError::rejected(format!("wrong user or password for `{}`", user.escape_debug())))
            }
        }
    }

    /// The groups that the users and tokens files name.
    pub fn groups(&self) -> BTreeSet<String> {
        let users = self.users().map(|users| users.groups()).unwrap_or_default();
        let tokens = self.tokens.as_ref().map(|tokens| tokens.get().groups()).unwrap_or_default();
        users.into_iter().chain(tokens).collect()
    }

    fn unthrottled(&self, user: &str) -> Result<(), AuthnError> {
        let retry_after = self.throttle.wait(user, Instant::now());
        if retry_after.is_zero() { Ok(()) } else { Err(AuthnError::Throttled { retry_after }) }
    }

    /// Verifies a bearer token. Its form tells its kind: `airs_…` is a session, `airt_…` a service
    /// token, `airp_…` a personal one, three parts with dots between them a JWT.
    ///
    /// # Errors
    /// [`AuthnError`] when it is none of them, or not accepted.
    pub async fn bearer(&self, token: &Secret) -> Result<Verified, AuthnError> {
        let token = token
            .expose_str()
            .filter(|token| token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')));
        let token = token.ok_or_else(|| AuthnError::malformed("a bearer token with characters that none has"))?;
        if token.starts_with(session::PREFIX) {
            let users = self.users().ok_or_else(no_passwords)?;
            self.sessions.verify(token, &users, Utc::now())
        } else if token.starts_with(service_tokens::PREFIX) {
            let tokens =
                self.tokens.as_ref().ok_or_else(|| AuthnError::rejected("no service tokens are configured"))?;
            tokens.get().verify(token, Utc::now())
        } else if token.starts_with(personal::PREFIX) {
            let tokens =
                self.personal.as_ref().ok_or_else(|| AuthnError::rejected("no personal tokens are configured"))?;
            self.personal_bearer(tokens, token).await
        } else if token.bytes().filter(|b| *b == b'.').count() == 2 {
            self.jwt(token).await
        } else {
            // `Bearer None` and the like.
            Err(AuthnError::malformed("a bearer token of no known form"))
        }
    }

    async fn jwt(&self, token: &str) -> Result<Verified, AuthnError> {
        let name = issuer_of(token)?;
        let issuer = self
            .issuers
            .iter()
            .find(|issuer| issuer.name() == name)
            .ok_or_else(|| AuthnError::rejected("a JWT of an issuer that is not configured"))?;
        let verified = issuer.verify(token).await?;
        self.nameable(issuer, &verified.subject)?;
        Ok(verified)
    }

    /// Refuses a name that is not for this issuer to give.
    fn nameable(&self, issuer: &Issuer, subject: &str) -> Result<(), AuthnError> {
        if issuer.may_name_local_users || !self.is_local(subject) {
            return Ok(());
        }
        Err(AuthnError::rejected(format!(
            "the issuer `{}` names `{subject}`, whom the users or tokens file names too; give it a `name_prefix`, \
             or say `may_name_local_users = true` if they are the same",
            issuer.name()
        )))
    }

    fn is_local(&self, subject: &str) -> bool {
        self.users().is_some_and(|users| users.get(subject).is_some())
            || self.tokens.as_ref().is_some_and(|tokens| tokens.get().name(subject))
    }

    /// Says whom a client certificate names whose chain TLS has verified.
    ///
    /// # Errors
    /// [`AuthnError`] when it names nobody, or certificates are not configured to.
    pub fn certificate(&self, der: &[u8]) -> Result<Verified, AuthnError> {
        // A client may present a certificate for the connection's sake alone.
        self.certificates.as_ref().ok_or(AuthnError::Missing)?.verify(der)
    }

    /// Whom credentials that were accepted earlier name by now, for answers under way; none when they were withdrawn: a
    /// removed user or token, a changed password. That they have expired meanwhile does not withdraw them.
    pub async fn recall(&self, verified: &Verified) -> Option<Verified> {
        match &verified.method {
            Method::Password | Method::Session => {
                let today = self.users()?;
                let user = today.get(&verified.subject)?;
                let unchanged = verified.entry.as_deref() == Some(&user.fingerprint);
                unchanged.then(|| user.verified(&verified.subject, verified.method.clone(), verified.expires))
            }
            Method::ServiceToken => self.tokens.as_ref()?.get().recall(verified),
            Method::PersonalToken(_) => {
                let held = self.personal.as_ref()?.recall(verified.entry.as_deref()?).await?;
                self.of_personal(&held).ok()
            }
            // Their issuers are not asked again; groups and policies here can take their rights away.
            Method::Oidc(_) | Method::Certificate => Some(verified.clone()),
        }
    }

    fn users(&self) -> Option<Arc<Users>> {
        self.users.as_ref().map(Reloaded::get)
    }
}

fn no_passwords() -> AuthnError {
    AuthnError::rejected("no users file is configured")
}

/// The value, or its faults beside the others.
fn kept<T>(built: Option<Result<T, Vec<Fault>>>, faults: &mut Vec<Fault>) -> Option<T> {
    match built? {
        Ok(value) => Some(value),
        Err(found) => {
            faults.extend(found);
            None
        }
    }
}

#[cfg(test)]
mod tests;
