//! People: signing in to the pages, and the personal tokens they take along.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::Utc;

use super::super::error::AuthnError;
use super::super::oidc::{Departure, Flow, Provider, Return};
use super::super::person::{Origin, Person};
use super::super::personal::{self, Held, PersonalTokens};
use super::super::verified::{Method, Verified};
use super::{Authenticator, no_passwords};
use crate::seal::Secret;

/// The user name that goes with anybody's personal token.
const ANYBODY: &str = "token";

impl Authenticator {
    /// Signs somebody in with name and password. A token in the password's place is none: a token makes no tokens.
    ///
    /// # Errors
    /// [`AuthnError`] when they are not a user's, or have failed too often.
    pub async fn sign_in(&self, user: &str, password: &Secret) -> Result<Person, AuthnError> {
        let users = self.users().ok_or_else(no_passwords)?;
        let today = self.basic(&users, user, password).await?;
        Ok(Person::of_users(user, &today.fingerprint))
    }

    /// Whether there are passwords to sign in with.
    pub fn takes_passwords(&self) -> bool {
        self.users.is_some()
    }

    /// The identity providers that people can sign in at, each by the number it has in configuration.
    pub fn providers(&self) -> Vec<Provider> {
        let numbered = self.issuers.iter().enumerate();
        numbered
            .filter_map(|(number, issuer)| Some(Provider { number, label: issuer.login()?.label().to_owned() }))
            .collect()
    }

    /// Sends somebody to sign in at a provider; from there they come back to `redirect_uri`. None when there is no such
    /// provider.
    ///
    /// # Errors
    /// [`AuthnError::IssuerUnavailable`] when it cannot be asked where to.
    pub async fn depart(&self, provider: usize, redirect_uri: &str) -> Result<Option<Departure>, AuthnError> {
        match self.issuers.get(provider).and_then(|issuer| Some((issuer, issuer.login()?))) {
            Some((issuer, login)) => login.depart(issuer.name(), redirect_uri).await.map(Some),
            None => Ok(None),
        }
    }

    /// Signs somebody in who comes back from a provider.
    ///
    /// # Errors
    /// [`AuthnError`] when what they bring is not what the provider gave for this very departure.
    pub async fn arrive(&self, flow: &Flow, returned: &Return, redirect_uri: &str) -> Result<Person, AuthnError> {
        let issuer = self.issuers.iter().find(|issuer| issuer.name() == flow.issuer());
        let (issuer, login) = issuer
            .and_then(|issuer| Some((issuer, issuer.login()?)))
            .ok_or_else(|| AuthnError::rejected("a sign-in at an issuer that is no longer configured"))?;
        let verified = login.arrive(issuer, flow, returned, redirect_uri).await?;
        self.nameable(issuer, &verified.subject)?;
        Ok(Person::of_issuer(&verified.subject, issuer.name(), verified.claims))
    }

    /// What is known today of somebody who signed in earlier.
    ///
    /// # Errors
    /// [`AuthnError`] when they were removed, have another password, or their issuer may no longer name them.
    pub fn person(&self, person: &Person) -> Result<Verified, AuthnError> {
        match &person.origin {
            Origin::Users { fingerprint } => {
                let users = self.users().ok_or_else(no_passwords)?;
                let user = users
                    .get(&person.subject)
                    .ok_or_else(|| AuthnError::rejected(format!("user `{}` is no longer there", person.subject)))?;
                if user.fingerprint != *fingerprint {
                    let detail = format!("user `{}` has another password since", person.subject);
                    return Err(AuthnError::rejected(detail));
                }
                Ok(user.verified(&person.subject, Method::Session, None))
            }
            Origin::Oidc { issuer: name, claims } => {
                let issuer = self
                    .issuers
                    .iter()
                    .find(|issuer| issuer.name() == name)
                    .ok_or_else(|| AuthnError::rejected("somebody of an issuer that is no longer configured"))?;
                let subject = issuer.named_by(claims)?;
                if *subject != *person.subject {
                    return Err(AuthnError::rejected("the issuer names its people otherwise since"));
                }
                self.nameable(issuer, &subject)?;
                Ok(Verified {
                    subject,
                    method: Method::Oidc(name.as_str().into()),
                    groups: BTreeSet::new(),
                    claims: claims.clone(),
                    expires: None,
                    entry: None,
                })
            }
        }
    }

    /// The personal tokens, if they are configured.
    pub fn personal_tokens(&self) -> Option<&PersonalTokens> {
        self.personal.as_deref()
    }

    /// A password that is a personal token.
    pub(super) fn personal_token<'a>(&'a self, password: &'a Secret) -> Option<(&'a Arc<PersonalTokens>, &'a str)> {
        let token = password.expose_str().filter(|password| personal::split(password).is_some())?;
        Some((self.personal.as_ref()?, token))
    }

    /// Whom a personal token names that comes with a user's name.
    pub(super) async fn personal_as(
        &self,
        user: &str,
        tokens: &Arc<PersonalTokens>,
        token: &str,
    ) -> Result<Verified, AuthnError> {
        let verified = self.personal_bearer(tokens, token).await?;
        if user == ANYBODY || *user == *verified.subject {
            Ok(verified)
        } else {
            Err(AuthnError::rejected(format!("a personal token of `{}` with another's name", verified.subject)))
        }
    }

    /// Whom a personal token names.
    pub(super) async fn personal_bearer(
        &self,
        tokens: &Arc<PersonalTokens>,
        token: &str,
    ) -> Result<Verified, AuthnError> {
        self.of_personal(&tokens.verify(token, Utc::now()).await?)
    }

    pub(super) fn of_personal(&self, held: &Held) -> Result<Verified, AuthnError> {
        let owner = self.person(held.person())?;
        Ok(Verified {
            method: Method::PersonalToken(owner.method.issuer().cloned()),
            expires: Some(held.expires),
            entry: Some(Arc::from(held.entry())),
            ..owner
        })
    }
}
