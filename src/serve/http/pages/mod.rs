//! The pages for people: sign in, see what there is and how to connect to it, make a token for one's tools.
//!
//! They are plain HTML: no script, nothing from elsewhere. What they show is [`Gateway::catalog`], so they know no more
//! than the person may. Nothing is kept here: a session is a sealed cookie, a token a file of `authn`'s.

mod connect;
mod cookies;
mod guard;
mod layout;
mod product;
mod products;
mod provider;
mod refusal;
mod session;
mod sign_in;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Router, middleware};

use super::site::{FlightAddress, Site};
use crate::authn::Authenticator;
use crate::gateway::Gateway;
use crate::seal::SealKeys;

/// Bytes of a form.
const MAX_FORM: usize = 16 * 1024;

/// What the pages need.
pub(super) struct Pages {
    pub(super) gateway: Arc<Gateway>,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) keys: SealKeys,
    pub(super) session_ttl: Duration,
    pub(super) site: Site,
    pub(super) flight: FlightAddress,
}

/// The pages' routes.
pub(super) fn routes(pages: Pages) -> Router {
    let pages = Arc::new(pages);
    Router::new()
        .route("/", get(products::show))
        .route("/products/{domain}/{product}", get(product::show))
        .route("/token", get(tokens::show).post(tokens::create))
        .route("/token/revoke", post(tokens::revoke))
        .route("/login", get(sign_in::show).post(sign_in::sign_in))
        .route("/login/oidc/{provider}", get(provider::depart))
        .route("/login/callback", get(provider::arrive))
        .route("/logout", post(sign_in::sign_out))
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .layer(from_fn_with_state(Arc::clone(&pages), guard::guard))
        .route("/style.css", get(style))
        .with_state(pages)
}

/// What is there instead where others could listen in.
pub(super) fn off() -> Router {
    let paths = ["/", "/products/{domain}/{product}", "/token", "/login", "/login/oidc/{provider}", "/login/callback"];
    let router = paths.iter().fold(Router::new(), |router, path| router.route(path, get(layout::off)));
    router.route("/style.css", get(style)).layer(middleware::map_response(guard::with_headers))
}

async fn style() -> ([(header::HeaderName, &'static str); 3], &'static str) {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, include_str!("style.css"))
}
