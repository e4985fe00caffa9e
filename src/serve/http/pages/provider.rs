//! `/login/oidc/{provider}` and `/login/callback`: to an identity provider and back.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use super::{Pages, cookies, layout, refusal};
use crate::authn::{AuthnError, Flow, Person, Return};

const PURPOSE: &str = "airside.page.flow";
const COOKIE: &str = "-flow";
/// How long signing in elsewhere may take.
const PATIENCE: Duration = Duration::minutes(10);

/// What the browser keeps while it is away.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Away {
    flow: Flow,
    #[serde(with = "chrono::serde::ts_seconds")]
    expires: DateTime<Utc>,
}

/// Sends somebody to sign in at a provider.
pub(super) async fn depart(State(pages): State<Arc<Pages>>, Path(provider): Path<String>) -> Response {
    let number = provider.parse().unwrap_or(usize::MAX);
    let departure = match pages.authenticator.depart(number, &pages.site.redirect_uri()).await {
        Ok(Some(departure)) => departure,
        Ok(None) => return layout::failure(StatusCode::NOT_FOUND, "There is no such identity provider."),
        Err(error) => return refusal::page(&error),
    };
    match serde_json::to_vec(&Away { flow: departure.flow, expires: Utc::now() + PATIENCE }) {
        Ok(away) => {
            let mut response = Redirect::to(&departure.url).into_response();
            let sealed = pages.keys.seal(PURPOSE, &away);
            cookies::set(response.headers_mut(), &pages.site, COOKIE, &sealed, PATIENCE.num_seconds());
            response
        }
        Err(error) => {
            tracing::error!(%error, "nobody can be sent to a provider");
            layout::failure(StatusCode::INTERNAL_SERVER_ERROR, "Signing in does not work at the moment.")
        }
    }
}

/// Lets somebody in who comes back from one. Whatever comes of it, a departure is good for one return.
pub(super) async fn arrive(
    State(pages): State<Arc<Pages>>,
    returned: Result<Query<Return>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let returned = returned.map(|Query(returned)| returned).unwrap_or_default();
    let mut response = match arrived(&pages, &returned, &headers).await {
        Ok(person) => pages.let_in(person),
        Err(error) => refusal::page(&error),
    };
    cookies::clear(response.headers_mut(), &pages.site, COOKIE);
    response
}

async fn arrived(pages: &Pages, returned: &Return, headers: &HeaderMap) -> Result<Person, AuthnError> {
    let rejected = |detail: &str| AuthnError::Rejected { detail: detail.to_owned() };
    let sealed = cookies::get(headers, &pages.site.cookie(COOKIE)).filter(|sealed| !sealed.is_empty());
    let sealed = sealed.ok_or_else(|| rejected("a return from a provider without a departure"))?;
    let opened = pages.keys.open(PURPOSE, sealed).map_err(|_| rejected("not a departure from these pages"))?;
    let away: Away = serde_json::from_slice(&opened).map_err(|_| rejected("an unreadable departure"))?;
    if away.expires <= Utc::now() {
        return Err(AuthnError::Expired);
    }
    pages.authenticator.arrive(&away.flow, returned, &pages.site.redirect_uri()).await
}
