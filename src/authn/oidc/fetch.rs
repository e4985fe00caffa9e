//! Fetching an issuer's discovery document and keys, trusting the network as little as possible.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::keys::KeySet;
use crate::authn::config::OidcConfig;
use crate::outbound::{Patience, client, leads_here, with_causes};

const CONNECT: Duration = Duration::from_secs(3);
/// For each of the two documents, from connecting to the last byte.
const TOTAL: Duration = Duration::from_secs(5);
const MAX_DOCUMENT: usize = 1024 * 1024;

#[derive(Debug, Clone)]
pub(super) struct Fetcher {
    http: reqwest::Client,
    issuer: String,
    discovery: Url,
    allow_http_loopback: bool,
}

/// A discovery document: the one thing that must agree, and what is needed of the rest. Read for one thing at a time, so
/// that what it says amiss of signing people in leaves bearer tokens alone.
#[derive(Debug, Deserialize)]
struct Discovery<T> {
    issuer: String,
    #[serde(flatten)]
    rest: T,
}

/// Where its keys are.
#[derive(Debug, Deserialize)]
struct Keys {
    jwks_uri: String,
}

/// What it says of signing people in; an issuer of tokens for services may say nothing.
#[derive(Debug, Deserialize)]
struct Login {
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Where an issuer signs people in.
#[derive(Debug)]
pub(super) struct Endpoints {
    pub(super) authorization: Url,
    pub(super) token: Url,
    /// Whether the client's secret goes into the form; else into the header, which is the standard's default.
    pub(super) secret_in_form: bool,
    /// Whether whoever comes back must say from which issuer.
    pub(super) names_itself: bool,
}

impl Fetcher {
    pub(super) fn new(config: &OidcConfig, base: &Path) -> Result<Self, String> {
        let issuer = &config.issuer;
        let about = |reason: &str| format!("the issuer `{issuer}` {reason}");
        let url = Url::parse(issuer).map_err(|error| about(&format!("is no URL: {error}")))?;
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err(about("has a query, a fragment or a user, which an issuer may not"));
        }
        if !acceptable(&url, config.allow_http_loopback) {
            return Err(about("must be https (`allow_http_loopback` excepts 127.0.0.1 and localhost)"));
        }
        let discovery = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let discovery = Url::parse(&discovery).map_err(|error| about(&format!("is no URL: {error}")))?;

        let ca = config.ca.as_ref().map(|ca| base.join(ca));
        let patience = Patience { connect: CONNECT, total: TOTAL };
        let http =
            client(&url, patience, ca.as_deref()).map_err(|error| about(&format!("cannot be asked: {error}")))?;
        Ok(Self { http, issuer: issuer.clone(), discovery, allow_http_loopback: config.allow_http_loopback })
    }

    /// The host it is at, for people.
    pub(super) fn host(&self) -> String {
        self.discovery.host_str().unwrap_or_default().to_owned()
    }

    /// The issuer's name, for messages.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The keys that the issuer publishes now.
    ///
    /// # Errors
    /// What went wrong, for the log.
    pub(super) async fn keys(&self) -> Result<KeySet, String> {
        let Keys { jwks_uri } = self.discover().await?;
        KeySet::parse(&self.document(self.address("jwks_uri", &jwks_uri)?).await?)
    }

    /// Where the issuer signs people in.
    ///
    /// # Errors
    /// What went wrong, for the log.
    pub(super) async fn endpoints(&self) -> Result<Endpoints, String> {
        let login: Login = self.discover().await?;
        let endpoint = |name: &str, url: Option<String>| {
            self.address(name, &url.ok_or_else(|| format!("the discovery document has no `{name}`"))?)
        };
        let methods = login.token_endpoint_auth_methods_supported.unwrap_or_default();
        let offers = |method: &str| methods.iter().any(|offered| offered == method);
        Ok(Endpoints {
            authorization: endpoint("authorization_endpoint", login.authorization_endpoint)?,
            token: endpoint("token_endpoint", login.token_endpoint)?,
            secret_in_form: offers("client_secret_post") && !offers("client_secret_basic"),
            names_itself: login.authorization_response_iss_parameter_supported,
        })
    }

    /// Sends a form and answers the status and the document that come back.
    ///
    /// # Errors
    /// What went wrong, for the log.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        url: &Url,
        form: &[(&str, &str)],
        basic: Option<(String, String)>,
    ) -> Result<(reqwest::StatusCode, T), String> {
        let request = self.http.post(url.clone()).header(reqwest::header::ACCEPT, "application/json").form(form);
        let request = match basic {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        };
        // The error's text has the address, never the form.
        let response = request.send().await.map_err(|error| format!("`{url}`: {}", with_causes(&error)))?;
        Ok((response.status(), read(url, response).await?))
    }

    async fn discover<T: DeserializeOwned>(&self) -> Result<T, String> {
        let discovery: Discovery<T> = self.document(self.discovery.clone()).await?;
        // An exact match, or a document of one tenant could speak for another.
        if discovery.issuer != self.issuer {
            return Err(format!("the discovery document is of the issuer `{}`", discovery.issuer));
        }
        Ok(discovery.rest)
    }

    fn address(&self, name: &str, url: &str) -> Result<Url, String> {
        let url = Url::parse(url).map_err(|error| format!("`{name}` is no URL: {error}"))?;
        if !acceptable(&url, self.allow_http_loopback) {
            return Err(format!("`{name}` is not https"));
        }
        Ok(url)
    }

    async fn document<T: DeserializeOwned>(&self, url: Url) -> Result<T, String> {
        let response = self.http.get(url.clone()).send().await;
        let response = response.map_err(|error| format!("`{url}`: {}", with_causes(&error)))?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("`{url}` answers {}", response.status()));
        }
        read(&url, response).await
    }
}

async fn read<T: DeserializeOwned>(url: &Url, mut response: reqwest::Response) -> Result<T, String> {
    let mut body = Vec::new();
    let failed = |error: reqwest::Error| format!("`{url}`: {}", with_causes(&error));
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_DOCUMENT {
            return Err(format!("`{url}` answers more than {MAX_DOCUMENT} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    // What a parser says may repeat the text, and the text may be a token.
    serde_json::from_slice(&body)
        .map_err(|error| format!("`{url}` answers no such document (line {}, column {})", error.line(), error.column()))
}

/// https, or http to this machine when that is allowed.
fn acceptable(url: &Url, allow_http_loopback: bool) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => allow_http_loopback && leads_here(url),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_for_this_machine_only() {
        let cases = [
            ("https://login.example.com/tenant", true, true),
            ("http://127.0.0.1:9400", true, true),
            ("http://localhost:9400", false, true),
            ("http://[::1]/", false, true),
            ("http://login.example.com", false, false),
            ("http://localhost.example.com", false, false),
            ("http://127.0.0.1.example.com", false, false),
            ("file:///etc/passwd", false, false),
            ("ftp://127.0.0.1/", false, false),
        ];
        for (url, _, with_permission) in cases {
            let parsed = Url::parse(url).unwrap();
            assert_eq!(acceptable(&parsed, true), with_permission, "{url}");
            assert_eq!(acceptable(&parsed, false), url.starts_with("https"), "{url}");
        }
    }
}
