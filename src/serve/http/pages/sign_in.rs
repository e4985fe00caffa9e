//! `/login` and `/logout`.
//!
//! The form carries a token that its own browser holds sealed in a cookie: nobody is signed in as somebody else by a
//! form from elsewhere.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Duration, Utc};
use maud::html;
use serde::{Deserialize, Serialize};

use super::session::{Sent, Session, fields, foreign, random, same};
use super::{Pages, cookies, layout, refusal};
use crate::authn::{AuthnError, Credentials, Person};

const PURPOSE: &str = "airside.page.form";
const COOKIE: &str = "-form";
/// How long the form may lie open.
const PATIENCE: Duration = Duration::minutes(30);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Offered {
    csrf: String,
    #[serde(with = "chrono::serde::ts_seconds")]
    expires: DateTime<Utc>,
}

/// The form, unless there is no need for it.
pub(super) async fn show(State(pages): State<Arc<Pages>>, session: Result<Session, Response>) -> Response {
    match session {
        Ok(_) => Redirect::to("/").into_response(),
        Err(_) => form(&pages, StatusCode::OK, None),
    }
}

/// Signs somebody in with name and password.
pub(super) async fn sign_in(State(pages): State<Arc<Pages>>, request: Request) -> Response {
    let offered = offered(&pages, request.headers());
    let fields = match fields(request, &pages).await {
        Ok(fields) => fields,
        Err(response) => return response,
    };
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    if !offered.is_some_and(|offered| same(field("csrf"), &offered)) {
        return foreign();
    }
    match verified(&pages, field("user"), field("password")).await {
        Ok(person) => {
            let mut response = pages.let_in(person);
            cookies::clear(response.headers_mut(), &pages.site, COOKIE);
            response
        }
        Err(error) => {
            let mut response = form(&pages, refusal::status(&error), Some(&error));
            refusal::said(&mut response, &error);
            response
        }
    }
}

/// Ends the session.
pub(super) async fn sign_out(State(pages): State<Arc<Pages>>, _sent: Sent) -> Response {
    let mut response = Redirect::to("/login").into_response();
    pages.end_session(response.headers_mut());
    response
}

async fn verified(pages: &Pages, user: &str, password: &str) -> Result<Person, AuthnError> {
    match Credentials::password(user, password)? {
        Credentials::Basic { user, password } => pages.authenticator.sign_in(&user, &password).await,
        Credentials::Bearer(_) | Credentials::Certificate(_) => Err(AuthnError::Missing),
    }
}

/// What the form of this browser carries.
fn offered(pages: &Pages, headers: &HeaderMap) -> Option<String> {
    let sealed = cookies::get(headers, &pages.site.cookie(COOKIE))?;
    let offered: Offered = serde_json::from_slice(&pages.keys.open(PURPOSE, sealed).ok()?).ok()?;
    (offered.expires > Utc::now()).then_some(offered.csrf)
}

fn form(pages: &Pages, status: StatusCode, error: Option<&AuthnError>) -> Response {
    let offered = Offered { csrf: random(), expires: Utc::now() + PATIENCE };
    let providers = pages.authenticator.providers();
    let body = html! {
        h1 { "Sign in" }
        @if let Some(error) = error { p.refusal { (refusal::sentence(error)) } }
        @if pages.authenticator.takes_passwords() {
            form.card method="post" action="/login" {
                input type="hidden" name="csrf" value=(offered.csrf);
                label { "Name" input name="user" autocomplete="username" required autofocus; }
                label { "Password" input name="password" type="password" autocomplete="current-password" required; }
                button type="submit" { "Sign in" }
            }
        }
        @for provider in &providers {
            p { a.button href={ "/login/oidc/" (provider.number) } { "Sign in with " (provider.label) } }
        }
        @if !pages.authenticator.takes_passwords() && providers.is_empty() {
            p { "This gateway has neither passwords nor an identity provider to sign in with." }
        }
    };
    let mut response = layout::page(status, "Sign in", None, &body);
    match serde_json::to_vec(&offered) {
        Ok(offered) => {
            let sealed = pages.keys.seal(PURPOSE, &offered);
            cookies::set(response.headers_mut(), &pages.site, COOKIE, &sealed, PATIENCE.num_seconds());
            response
        }
        Err(error) => {
            tracing::error!(%error, "the form to sign in cannot be made");
            layout::failure(StatusCode::INTERNAL_SERVER_ERROR, "Signing in does not work at the moment.")
        }
    }
}
