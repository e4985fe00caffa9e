//! What holds for every page: whom it answers, how long it takes, and what a browser may do with it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::{Pages, layout};

/// For a whole request, its form included; an identity provider is given less.
const PATIENCE: Duration = Duration::from_secs(30);

/// No script, no frame, nothing from elsewhere, and no form that leads away. Referrers stay within the site: without any,
/// browsers would not say where a form comes from.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Answers only what was asked of this site, and only forms that it sent.
pub(super) async fn guard(State(pages): State<Arc<Pages>>, request: Request, next: Next) -> Response {
    let response = match refused(&pages, &request) {
        Some(refusal) => refusal,
        None => match tokio::time::timeout(PATIENCE, next.run(request)).await {
            Ok(response) => response,
            Err(_) => layout::failure(StatusCode::REQUEST_TIMEOUT, "The request took too long."),
        },
    };
    with_headers(response).await
}

fn refused(pages: &Pages, request: &Request) -> Option<Response> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    if !pages.site.is_asked(request.headers(), authority) {
        // A second name of the same place would have cookies of its own.
        let there = format!("{}{}", pages.site.origin, request.uri().path());
        return Some(if reads {
            Redirect::to(&there).into_response()
        } else {
            layout::failure(StatusCode::FORBIDDEN, "This is not the address of these pages.")
        });
    }
    let foreign = !reads && !pages.site.sent(request.headers());
    foreign.then(|| layout::failure(StatusCode::FORBIDDEN, "This form was not sent from these pages."))
}

/// Adds the headers to a response.
pub(super) async fn with_headers(mut response: Response) -> Response {
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
