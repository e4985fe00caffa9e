//! One issuer: from a token's text to somebody verified.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::code_flow::CodeFlow;
use super::fetch::Fetcher;
use super::key_cache::{KeyCache, KeyError};
use crate::authn::config::OidcConfig;
use crate::authn::error::AuthnError;
use crate::authn::verified::{Method, Verified, names_a_subject};

/// Clocks may not be configured to differ by more.
const MAX_LEEWAY: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(in crate::authn) struct Issuer {
    name: Arc<str>,
    audience: Vec<String>,
    algorithms: Vec<Algorithm>,
    name_claim: String,
    name_prefix: String,
    pub(in crate::authn) may_name_local_users: bool,
    leeway: Duration,
    keys: Arc<KeyCache>,
    login: Option<CodeFlow>,
}

impl Issuer {
    /// # Errors
    /// The reason why the configuration cannot be right. An issuer that is merely down is no
    /// reason: it is asked when its first token comes.
    pub(in crate::authn) fn new(config: &OidcConfig, base: &Path) -> Result<Self, String> {
        let about = |reason: &str| format!("the issuer `{}` {reason}", config.issuer);
        if config.audience.is_empty() || config.audience.iter().any(String::is_empty) {
            return Err(about("has no `audience`: any token of it for anybody would be accepted"));
        }
        if config.algorithms.is_empty() {
            return Err(about("has no `algorithms`"));
        }
        if config.leeway > MAX_LEEWAY {
            return Err(about("has a `leeway` of more than 5 minutes"));
        }
        if config.name_claim.is_empty() {
            return Err(about("has an empty `name_claim`"));
        }
        let fetcher = Fetcher::new(config, base)?;
        let login = config.login.as_ref().map(|login| CodeFlow::new(login, fetcher.clone(), config.keys_ttl, base));
        let login = login.transpose().map_err(|reason| about(&format!("signs nobody in: {reason}")))?;
        Ok(Self {
            name: config.issuer.as_str().into(),
            audience: config.audience.clone(),
            algorithms: config.algorithms.iter().map(|algorithm| (*algorithm).into()).collect(),
            name_claim: config.name_claim.clone(),
            name_prefix: config.name_prefix.clone(),
            may_name_local_users: config.may_name_local_users,
            leeway: config.leeway,
            keys: Arc::new(KeyCache::new(fetcher, config.keys_ttl)),
            login,
        })
    }

    /// Another pause between fetches, for tests that cannot wait.
    #[cfg(test)]
    pub(super) fn with_pause(config: &OidcConfig, pause: Duration) -> Self {
        let cache = KeyCache::new(Fetcher::new(config, Path::new("")).unwrap(), config.keys_ttl).with_pause(pause);
        Self { keys: Arc::new(cache), ..Self::new(config, Path::new("")).unwrap() }
    }

    pub(in crate::authn) fn name(&self) -> &str {
        &self.name
    }

    /// How it signs people in to the pages, if it does.
    pub(in crate::authn) fn login(&self) -> Option<&CodeFlow> {
        self.login.as_ref()
    }

    /// Verifies a token that says it is of this issuer.
    pub(in crate::authn) async fn verify(&self, token: &str) -> Result<Verified, AuthnError> {
        self.verify_for(token, &self.audience).await
    }

    /// The same for a token that is meant for one of these.
    pub(super) async fn verify_for(&self, token: &str, audience: &[String]) -> Result<Verified, AuthnError> {
        let header = jsonwebtoken::decode_header(token)
            .map_err(|error| AuthnError::rejected(format!("an unreadable token header: {error}")))?;
        self.acceptable(&header)?;
        let key = self.keys.key(header.kid.as_deref(), header.alg).await.map_err(|error| match error {
            KeyError::Unknown => AuthnError::rejected(format!(
                "the issuer `{}` has no key for kid {:?} and {:?}",
                self.name,
                header.kid.as_deref().map(shorten),
                header.alg
            )),
            KeyError::Unavailable(detail) => AuthnError::IssuerUnavailable { detail },
        })?;

        let data =
            jsonwebtoken::decode::<Map<String, Value>>(token, &key.decoding, &self.validation(header.alg, audience))
                .map_err(|error| match error.kind() {
                    ErrorKind::ExpiredSignature => AuthnError::Expired,
                    _ => AuthnError::rejected(format!("a token of the issuer `{}`: {error}", self.name)),
                })?;
        self.claims(data.claims, Utc::now())
    }

    /// What a header must say before its key is even looked for.
    fn acceptable(&self, header: &Header) -> Result<(), AuthnError> {
        if !self.algorithms.contains(&header.alg) {
            return Err(AuthnError::rejected(format!("the algorithm {:?} is not accepted", header.alg)));
        }
        // A critical extension is one that must be understood; none is. An unencoded payload (RFC
        // 7797) and an encrypted one are other formats.
        let other_format = header.crit.is_some() || header.enc.is_some() || header.zip.is_some();
        if other_format || header.extras.inner().contains_key("b64") {
            return Err(AuthnError::rejected("a token with extensions that are not understood"));
        }
        let typ = header.typ.as_deref().map(str::to_ascii_lowercase);
        match typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ)) {
            None | Some("jwt" | "at+jwt") => Ok(()),
            Some(other) => Err(AuthnError::rejected(format!("a token of type `{}`", shorten(other)))),
        }
    }

    fn validation(&self, algorithm: Algorithm, audience: &[String]) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = self.leeway.as_secs();
        validation.validate_nbf = true;
        validation.set_issuer(&[&*self.name]);
        validation.set_audience(audience);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation
    }

    /// What the library does not check of claims whose signature has been verified.
    fn claims(&self, claims: Map<String, Value>, now: DateTime<Utc>) -> Result<Verified, AuthnError> {
        // The library would take a list of issuers that contains ours.
        if claims.get("iss").and_then(Value::as_str) != Some(&*self.name) {
            return Err(AuthnError::rejected("`iss` is not one issuer"));
        }
        if let Some(issued) = claims.get("iat") {
            let latest = (now + self.leeway).timestamp();
            #[expect(clippy::cast_precision_loss, reason = "seconds of this century are exact in an f64")]
            if !issued.as_f64().is_some_and(|issued| issued <= latest as f64) {
                return Err(AuthnError::rejected("`iat` lies in the future or is no time"));
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "a float's cast to an integer saturates")]
        let expires = claims.get("exp").and_then(Value::as_f64).map(|seconds| seconds as i64);
        let expires = expires
            .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
            .ok_or_else(|| AuthnError::rejected("`exp` is beyond all time"))?;
        if claims.contains_key("cnf") {
            // Bound to a key whose proof this gateway does not take: without it, it may be stolen.
            return Err(AuthnError::rejected("a token bound to a key (`cnf`) presented as a plain bearer token"));
        }
        let subject = self.named_by(&claims)?;
        Ok(Verified {
            subject,
            method: Method::Oidc(Arc::clone(&self.name)),
            groups: BTreeSet::new(),
            claims,
            expires: Some(expires),
            entry: None,
        })
    }

    /// Whom claims name that were verified, now or earlier.
    pub(in crate::authn) fn named_by(&self, claims: &Map<String, Value>) -> Result<Arc<str>, AuthnError> {
        complete_groups(claims)?;
        self.subject(claims)
    }

    fn subject(&self, claims: &Map<String, Value>) -> Result<Arc<str>, AuthnError> {
        let claim = &self.name_claim;
        let name = claims
            .get(claim)
            .and_then(Value::as_str)
            .ok_or_else(|| AuthnError::rejected(format!("a token without a text in the claim `{claim}`")))?;
        // Whoever may choose a mail address may choose somebody else's.
        if claim == "email" && claims.get("email_verified") != Some(&Value::Bool(true)) {
            return Err(AuthnError::rejected("the caller is named by `email`, but `email_verified` is not true"));
        }
        let subject = format!("{}{name}", self.name_prefix);
        if name.is_empty() || !names_a_subject(&subject) {
            return Err(AuthnError::rejected(format!("the claim `{claim}` holds no name")));
        }
        Ok(subject.into())
    }
}

/// Refuses a token that admits not to carry all groups: Entra leaves the list out beyond 200 groups
/// (or 6, in the implicit flow) and points elsewhere instead, by `_claim_names` and
/// `_claim_sources`, `hasgroups`, or `groups:srcN`.
fn complete_groups(claims: &Map<String, Value>) -> Result<(), AuthnError> {
    let says_something = |name: &str| {
        claims.get(name).is_some_and(|value| match value {
            Value::Null | Value::Bool(false) => false,
            Value::Object(map) => !map.is_empty(),
            _ => true,
        })
    };
    let admits = ["_claim_names", "_claim_sources", "hasgroups"].into_iter().find(|name| says_something(name));
    let elsewhere = claims.keys().any(|name| name.starts_with("groups:src"));
    match admits.or(elsewhere.then_some("groups:src…")) {
        Some(name) => Err(AuthnError::incomplete_groups(format!("the token carries `{name}`: claims are left out"))),
        None => Ok(()),
    }
}

/// The issuer that a token says it is of: unverified, good only for choosing whom to ask.
pub(in crate::authn) fn issuer_of(token: &str) -> Result<String, AuthnError> {
    #[derive(Deserialize)]
    struct Says {
        iss: String,
    }
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(AuthnError::malformed("not a JWT of three parts"));
    };
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| AuthnError::malformed("a JWT not in base64url"))?;
    serde_json::from_slice::<Says>(&payload)
        .map(|says| says.iss)
        .map_err(|_| AuthnError::rejected("a JWT without an issuer"))
}

/// The beginning of what a stranger wrote, for the log.
fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}
