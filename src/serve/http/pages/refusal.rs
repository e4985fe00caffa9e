//! The one table from why somebody is not let in to what their browser is told.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use maud::html;

use super::layout;
use crate::authn::AuthnError;

/// The status of a refusal.
pub(super) fn status(error: &AuthnError) -> StatusCode {
    match error {
        AuthnError::Missing
        | AuthnError::Malformed { .. }
        | AuthnError::Rejected { .. }
        | AuthnError::Expired
        | AuthnError::IncompleteGroups { .. } => StatusCode::UNAUTHORIZED,
        AuthnError::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
        AuthnError::IssuerUnavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Says no to somebody who tried to sign in, and to the log why. Whoever is signed in stays so: anybody's link leads here.
pub(super) fn page(error: &AuthnError) -> Response {
    let body = html! {
        h1 { "Not signed in" }
        p.refusal { (sentence(error)) }
        p { a href="/login" { "Try again" } }
    };
    let mut response = layout::page(status(error), "Not signed in", None, &body);
    said(&mut response, error);
    response
}

/// The refusal as a sentence.
pub(super) fn sentence(error: &AuthnError) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

/// Notes a refusal: when to come again in the response, why in the log.
pub(super) fn said(response: &mut Response, error: &AuthnError) {
    metrics::counter!("airside_page_sign_ins_total", "outcome" => "refused").increment(1);
    tracing::info!(detail = error.detail(), "nobody was signed in to the pages");
    if let AuthnError::Throttled { retry_after } = error {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1)));
    }
}
