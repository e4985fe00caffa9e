//! Sessions: who has signed in, kept by their browser in a sealed cookie.
//!
//! The cookie holds who the person is, no rights: each page looks up today's. What an identity provider said of somebody
//! can be longer than browsers keep in one cookie, so it may take several. Every form carries a token that only this
//! session's pages know.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Form, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{Pages, cookies, layout, refusal};
use crate::authn::{AuthnError, Person};
use crate::principal::Principal;

const PURPOSE: &str = "airside.page.session";
/// Characters of one cookie; browsers keep 4096 bytes with its name and attributes.
const PART: usize = 3800;
/// Cookies of one session at most: more would not fit into a request's headers.
const PARTS: usize = 4;

/// Somebody who is signed in, as they are today.
pub(super) struct Session {
    pub(super) person: Person,
    pub(super) principal: Principal,
    csrf: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    person: Person,
    csrf: String,
    #[serde(with = "chrono::serde::ts_seconds")]
    expires: DateTime<Utc>,
}

impl Session {
    /// What forms must carry.
    pub(super) fn csrf(&self) -> &str {
        &self.csrf
    }
}

impl Pages {
    /// Lets somebody in who has just signed in: sends their browser to the first page with a fresh session.
    pub(super) fn let_in(&self, person: Person) -> Response {
        // Refused at the door rather than on every page.
        let principal = self.authenticator.person(&person).and_then(|verified| self.gateway.principal(&verified));
        let principal = match principal {
            Ok(principal) => principal,
            Err(error) => return refusal::page(&error),
        };
        let ttl = chrono::Duration::from_std(self.session_ttl).unwrap_or(chrono::Duration::days(1));
        let expires = Utc::now().checked_add_signed(ttl).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let sealed = serde_json::to_vec(&Sealed { person, csrf: random(), expires });
        let sealed = sealed.map(|session| self.keys.seal(PURPOSE, &session)).unwrap_or_default();
        let parts: Vec<&str> =
            sealed.as_bytes().chunks(PART).filter_map(|part| std::str::from_utf8(part).ok()).collect();
        if parts.is_empty() || parts.len() > PARTS {
            let error = AuthnError::Rejected { detail: format!("a session of {} bytes", sealed.len()) };
            return refusal::page(&error);
        }
        metrics::counter!("airside_page_sign_ins_total", "outcome" => "signed_in").increment(1);
        tracing::info!(principal = %principal.identity, "signed in to the pages");
        let mut response = Redirect::to("/").into_response();
        self.end_session(response.headers_mut());
        for (i, part) in parts.into_iter().enumerate() {
            cookies::set(response.headers_mut(), &self.site, &kind(i), part, ttl.num_seconds());
        }
        response
    }

    /// Takes the session's cookies back.
    pub(super) fn end_session(&self, headers: &mut HeaderMap) {
        for i in 0..PARTS {
            cookies::clear(headers, &self.site, &kind(i));
        }
    }

    /// Whoever a request's cookies say is signed in.
    fn session(&self, headers: &HeaderMap) -> Result<Session, AuthnError> {
        let part = |i: usize| cookies::get(headers, &self.site.cookie(&kind(i))).filter(|part| !part.is_empty());
        let sealed: String = (0..PARTS).map_while(part).collect();
        if sealed.is_empty() {
            return Err(AuthnError::Missing);
        }
        let rejected = |detail: &str| AuthnError::Rejected { detail: detail.to_owned() };
        let opened = self.keys.open(PURPOSE, &sealed).map_err(|_| rejected("not a session of these pages"))?;
        let session: Sealed = serde_json::from_slice(&opened).map_err(|_| rejected("an unreadable session"))?;
        if session.expires <= Utc::now() {
            return Err(AuthnError::Expired);
        }
        let principal = self.gateway.principal(&self.authenticator.person(&session.person)?)?;
        Ok(Session { person: session.person, principal, csrf: session.csrf })
    }
}

fn kind(part: usize) -> String {
    if part == 0 { String::new() } else { format!("-{part}") }
}

/// A text that nobody guesses.
pub(super) fn random() -> String {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

impl FromRequestParts<Arc<Pages>> for Session {
    type Rejection = Response;

    /// Whoever is not signed in is sent to where that is done.
    async fn from_request_parts(parts: &mut Parts, pages: &Arc<Pages>) -> Result<Self, Response> {
        pages.session(&parts.headers).map_err(|error| {
            let mut response = Redirect::to("/login").into_response();
            if error != AuthnError::Missing {
                tracing::debug!(detail = error.detail(), "a session has ended");
                pages.end_session(response.headers_mut());
            }
            response
        })
    }
}

/// A form that this session's pages sent, and its fields.
pub(super) struct Sent {
    pub(super) session: Session,
    fields: HashMap<String, String>,
}

impl Sent {
    /// A field's text; empty when it was left out.
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map(String::as_str).unwrap_or_default()
    }
}

impl FromRequest<Arc<Pages>> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, pages: &Arc<Pages>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let session = Session::from_request_parts(&mut parts, pages).await?;
        let fields = fields(Request::from_parts(parts, body), pages).await?;
        if !fields.get("csrf").is_some_and(|csrf| same(csrf, session.csrf())) {
            return Err(foreign());
        }
        Ok(Self { session, fields })
    }
}

/// The fields of a form.
pub(super) async fn fields(request: Request, pages: &Arc<Pages>) -> Result<HashMap<String, String>, Response> {
    match Form::from_request(request, pages).await {
        Ok(Form(fields)) => Ok(fields),
        Err(error) => Err(layout::failure(error.status(), "The form cannot be read.")),
    }
}

/// A form from elsewhere, or of a session that is over.
pub(super) fn foreign() -> Response {
    layout::failure(
        StatusCode::FORBIDDEN,
        "This form is too old, or was not sent from these pages. Go back, and load the page again.",
    )
}

pub(super) fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}
