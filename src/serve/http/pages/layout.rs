//! What every page looks like.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::session::Session;

/// A page around a body.
pub(super) fn page(status: StatusCode, title: &str, session: Option<&Session>, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Airside" }
                link rel="stylesheet" href="/style.css";
            }
            body {
                header {
                    a.brand href="/" { "Airside" }
                    @if let Some(session) = session {
                        nav {
                            a href="/" { "Products" }
                            a href="/token" { "Tokens" }
                        }
                        form.who method="post" action="/logout" {
                            (csrf(session))
                            span { (session.principal.identity) }
                            button.quiet type="submit" { "Sign out" }
                        }
                    }
                }
                main { (body) }
            }
        }
    };
    (status, Html(page.into_string())).into_response()
}

/// The field by which a form shows where it comes from.
pub(super) fn csrf(session: &Session) -> Markup {
    html! { input type="hidden" name="csrf" value=(session.csrf()); }
}

/// A page that says what went wrong.
pub(super) fn failure(status: StatusCode, what: &str) -> Response {
    let body = html! {
        h1 { "That did not work" }
        p.refusal { (what) }
        p { a href="/" { "Back to the products" } }
    };
    page(status, "That did not work", None, &body)
}

/// Instead of every page where others could listen in.
pub(super) async fn off() -> Response {
    let body = html! {
        h1 { "Signing in is off" }
        p.refusal {
            "This listener is beyond loopback and has no TLS: whoever listens in would have your password. "
            "Give it TLS, or let it listen on loopback behind something that encrypts."
        }
    };
    page(StatusCode::FORBIDDEN, "Signing in is off", None, &body)
}
