//! Signing people in at an issuer: the authorization code flow with PKCE.
//!
//! Who signed in is told by the ID token alone, verified as every token is and besides for this client and this
//! departure (`aud`, `azp`, `nonce`). Groups and claims are read from it or, where configuration says that the issuer
//! puts them there, from the access token, which is then verified as the gateway verifies a bearer token. So the same
//! person has the same rights in a browser and by a token of the issuer's, and an incomplete list of groups is refused
//! here as it is there.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Mutex;
use url::form_urlencoded;

use super::fetch::{Endpoints, Fetcher};
use super::issuer::Issuer;
use crate::authn::config::{ClaimsFrom, OidcLoginConfig};
use crate::authn::error::AuthnError;
use crate::authn::verified::{Verified, is_plain_text};
use crate::seal::Secret;

/// Longest code and state that are looked at, in bytes.
const MAX_PARAMETER: usize = 4096;
/// Between two attempts to ask an issuer that is down.
const PAUSE: Duration = Duration::from_secs(5);
/// What configuration may not set: the flow's own.
const OWN: [&str; 9] = [
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// An identity provider that people can sign in at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its number in configuration.
    pub number: usize,
    /// What people know it as.
    pub label: String,
}

/// Somebody on the way to a provider.
#[derive(Debug)]
pub struct Departure {
    /// Where they go.
    pub url: String,
    /// What they must bring back; to be kept where only their own browser has it.
    pub flow: Flow,
}

/// What binds a return to its departure.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    issuer: String,
    state: String,
    nonce: String,
    verifier: String,
}

/// What somebody brings back from a provider, as the browser says.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Return {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

impl Flow {
    pub(in crate::authn) fn issuer(&self) -> &str {
        &self.issuer
    }
}

/// The gateway as a client of one issuer.
#[derive(Debug)]
pub(in crate::authn) struct CodeFlow {
    client_id: String,
    secret: Option<Secret>,
    label: String,
    scope: String,
    parameters: Vec<(String, String)>,
    claims_from: ClaimsFrom,
    fetcher: Fetcher,
    ttl: Duration,
    asked: Mutex<Option<Asked>>,
}

#[derive(Debug)]
struct Asked {
    at: Instant,
    endpoints: Result<Arc<Endpoints>, String>,
}

/// What the token endpoint answers, be it well or not.
#[derive(Deserialize)]
struct Tokens {
    id_token: Option<String>,
    access_token: Option<String>,
    error: Option<String>,
}

impl CodeFlow {
    /// # Errors
    /// Why the configuration cannot be right.
    pub(super) fn new(config: &OidcLoginConfig, fetcher: Fetcher, ttl: Duration, base: &Path) -> Result<Self, String> {
        let graphic = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if !graphic(&config.client_id) {
            return Err("`login.client_id` is empty or has blanks".to_owned());
        }
        if let Some(scope) = config.scopes.iter().find(|scope| !graphic(scope) || scope.contains(['"', '\\'])) {
            return Err(format!("`{}` in `login.scopes` is no scope", scope.escape_debug()));
        }
        if let Some(name) = config.parameters.keys().find(|name| OWN.contains(&name.as_str())) {
            return Err(format!("`{name}` in `login.parameters` is the flow's own"));
        }
        let secret = config.client_secret.as_ref().map(|secret| secret.resolve(base)).transpose();
        let secret = secret.map_err(|error| error.to_string())?;
        if secret.as_ref().is_some_and(|secret| secret.expose_str().is_none()) {
            return Err("`login.client_secret` is no text".to_owned());
        }
        let label = config.label.clone().unwrap_or_else(|| fetcher.host());
        if !is_plain_text(&label) {
            return Err("`login.label` is no plain text".to_owned());
        }
        let mut scopes = vec!["openid"];
        scopes.extend(config.scopes.iter().map(String::as_str).filter(|scope| *scope != "openid"));
        Ok(Self {
            client_id: config.client_id.clone(),
            secret,
            label,
            scope: scopes.join(" "),
            parameters: config.parameters.clone().into_iter().collect(),
            claims_from: config.claims_from,
            fetcher,
            ttl,
            asked: Mutex::new(None),
        })
    }

    pub(in crate::authn) fn label(&self) -> &str {
        &self.label
    }

    pub(in crate::authn) async fn depart(&self, issuer: &str, redirect_uri: &str) -> Result<Departure, AuthnError> {
        let endpoints = self.endpoints().await?;
        let flow = Flow { issuer: issuer.to_owned(), state: random(), nonce: random(), verifier: random() };
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&flow.verifier));
        let mut url = endpoints.authorization.clone();
        url.set_fragment(None);
        url.query_pairs_mut()
            .extend_pairs(&self.parameters)
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", &self.scope)
            .append_pair("state", &flow.state)
            .append_pair("nonce", &flow.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(Departure { url: url.into(), flow })
    }

    pub(in crate::authn) async fn arrive(
        &self,
        issuer: &Issuer,
        flow: &Flow,
        returned: &Return,
        redirect_uri: &str,
    ) -> Result<Verified, AuthnError> {
        let endpoints = self.endpoints().await?;
        let code = returned.code_for(flow, endpoints.names_itself)?;
        let tokens = self.exchange(&endpoints, flow, code, redirect_uri).await?;
        let id_token = tokens.id_token.ok_or_else(|| AuthnError::rejected("the issuer gave no ID token"))?;
        let signed_in = issuer.verify_for(&id_token, std::slice::from_ref(&self.client_id)).await?;
        self.is_ours(&signed_in.claims, flow)?;
        match self.claims_from {
            ClaimsFrom::IdToken => Ok(signed_in),
            ClaimsFrom::AccessToken => {
                let token =
                    tokens.access_token.ok_or_else(|| AuthnError::rejected("the issuer gave no access token"))?;
                let verified = issuer.verify(&token).await?;
                if verified.claims.get("sub") != signed_in.claims.get("sub") {
                    return Err(AuthnError::rejected("the ID token and the access token are of two people"));
                }
                Ok(verified)
            }
        }
    }

    /// What an ID token must say besides what every token must.
    fn is_ours(&self, claims: &Map<String, Value>, flow: &Flow) -> Result<(), AuthnError> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if !text("nonce").is_some_and(|nonce| same(nonce, &flow.nonce)) {
            return Err(AuthnError::rejected("an ID token of another sign-in (`nonce`)"));
        }
        let for_several = claims.get("aud").and_then(Value::as_array).is_some_and(|several| several.len() > 1);
        if (for_several || claims.contains_key("azp")) && text("azp") != Some(&self.client_id) {
            return Err(AuthnError::rejected("an ID token for another client (`azp`)"));
        }
        if !claims.contains_key("sub") {
            return Err(AuthnError::rejected("an ID token without `sub`"));
        }
        Ok(())
    }

    async fn exchange(
        &self,
        endpoints: &Endpoints,
        flow: &Flow,
        code: &str,
        redirect_uri: &str,
    ) -> Result<Tokens, AuthnError> {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", flow.verifier.as_str()),
        ];
        let mut basic = None;
        match self.secret.as_ref().and_then(Secret::expose_str) {
            Some(secret) if endpoints.secret_in_form => {
                form.extend([("client_id", self.client_id.as_str()), ("client_secret", secret)]);
            }
            Some(secret) => {
                // RFC 6749 2.3.1: both are encoded as in a form first.
                let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                basic = Some((encoded(&self.client_id), encoded(secret)));
            }
            None => form.push(("client_id", &self.client_id)),
        }
        let answered = self.fetcher.post::<Tokens>(&endpoints.token, &form, basic).await;
        let (status, tokens) = answered.map_err(|detail| AuthnError::IssuerUnavailable { detail })?;
        if status == reqwest::StatusCode::OK && tokens.error.is_none() {
            return Ok(tokens);
        }
        let error = shown(tokens.error.as_deref());
        Err(AuthnError::rejected(format!("the issuer gives no tokens for the code: {status}, `{error}`")))
    }

    /// Where to sign in, asked for again in time and never in a hurry.
    async fn endpoints(&self) -> Result<Arc<Endpoints>, AuthnError> {
        let mut asked = self.asked.lock().await;
        let known = asked
            .as_ref()
            .filter(|asked| asked.at.elapsed() < if asked.endpoints.is_ok() { self.ttl.max(PAUSE) } else { PAUSE });
        let endpoints = match known {
            Some(known) => known.endpoints.clone(),
            None => {
                let endpoints = self.fetcher.endpoints().await.map(Arc::new);
                *asked = Some(Asked { at: Instant::now(), endpoints: endpoints.clone() });
                endpoints
            }
        };
        endpoints.map_err(|reason| AuthnError::IssuerUnavailable {
            detail: format!("the issuer `{}`: {reason}", self.fetcher.issuer()),
        })
    }
}

impl Return {
    /// The code, if this is the return of that departure.
    fn code_for(&self, flow: &Flow, must_name_issuer: bool) -> Result<&str, AuthnError> {
        // RFC 9207: another issuer's code must not be taken to this one.
        match &self.iss {
            Some(iss) if *iss != flow.issuer => return Err(AuthnError::rejected("a return from another issuer")),
            None if must_name_issuer => {
                return Err(AuthnError::rejected("a return that does not say from which issuer"));
            }
            _ => {}
        }
        if !self.state.as_deref().is_some_and(|state| same(state, &flow.state)) {
            return Err(AuthnError::rejected("a return of another sign-in (`state`)"));
        }
        if let Some(error) = &self.error {
            return Err(AuthnError::rejected(format!("the issuer signs nobody in: `{}`", shown(Some(error)))));
        }
        let code = self.code.as_deref().filter(|code| !code.is_empty() && code.len() <= MAX_PARAMETER);
        code.ok_or_else(|| AuthnError::rejected("a return without a code"))
    }
}

fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

fn random() -> String {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// An error code of the protocol; anything else may be anything.
fn shown(error: Option<&str>) -> &str {
    let code = |error: &&str| error.len() <= 64 && error.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    error.filter(code).unwrap_or("no known error")
}

#[cfg(test)]
mod tests;
