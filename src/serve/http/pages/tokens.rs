//! `/token`: a person's own tokens; a new one is shown once.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::session::{Sent, Session};
use super::{Pages, layout};
use crate::audit::{Entry, Failure, Outcome};
use crate::authn::{PersonalToken, PersonalTokenError, PersonalTokens, TokenId};
use crate::gateway::{AnswerError, TokenAct};
use crate::seal::Secret;

/// What the form offers at first, in days.
const USUAL: u32 = 30;

/// The list, and the form for another.
pub(super) async fn show(State(pages): State<Arc<Pages>>, session: Session) -> Response {
    with_list(&pages, &session, StatusCode::OK, &html! {}).await
}

/// Makes a token, once that is on record.
pub(super) async fn create(State(pages): State<Arc<Pages>>, sent: Sent) -> Response {
    match made_on_record(&pages, &sent).await {
        Ok((token, secret)) => with_list(&pages, &sent.session, StatusCode::OK, &made(&pages, &token, &secret)).await,
        Err(refusal) => refused(&pages, &sent.session, refusal).await,
    }
}

async fn made_on_record(pages: &Arc<Pages>, sent: &Sent) -> Result<(PersonalToken, Secret), Refusal> {
    let (person, label) = (sent.session.person.clone(), sent.field("label").trim().to_owned());
    let days = sent.field("days").trim().parse().unwrap_or(0);
    let draft = work(pages, move |tokens| tokens.draft(&person, &label, days, Utc::now())).await?;
    let entry = pages.gateway.record_token(&sent.session.principal, TokenAct::Make, draft.shown()).await?;
    closed(entry, work(pages, move |tokens| tokens.keep(draft)).await)
}

/// Revokes one of the person's own, once that is on record; another's is as one that is not there.
pub(super) async fn revoke(State(pages): State<Arc<Pages>>, sent: Sent) -> Response {
    match revoked_on_record(&pages, &sent).await {
        Ok(true) => Redirect::to("/token").into_response(),
        Ok(false) => {
            let said = html! { p.refusal { "You have no such token." } };
            with_list(&pages, &sent.session, StatusCode::NOT_FOUND, &said).await
        }
        Err(refusal) => refused(&pages, &sent.session, refusal).await,
    }
}

async fn revoked_on_record(pages: &Arc<Pages>, sent: &Sent) -> Result<bool, Refusal> {
    let Some(id) = TokenId::parse(sent.field("id")) else { return Ok(false) };
    let person = sent.session.person.clone();
    let Some(token) = work(pages, move |tokens| Ok(tokens.find(&person, &id))).await? else { return Ok(false) };
    let entry = pages.gateway.record_token(&sent.session.principal, TokenAct::Revoke, &token).await?;
    let person = sent.session.person.clone();
    closed(entry, work(pages, move |tokens| tokens.revoke(&person, &token.id)).await)
}

/// Puts on record what became of it.
fn closed<T>(entry: Entry, outcome: Result<T, Refusal>) -> Result<T, Refusal> {
    match &outcome {
        Ok(_) => entry.close(Outcome::Complete, None),
        Err(Refusal::Token(error)) => entry.close(Outcome::Failed, Some(Failure::new(error.kind(), None))),
        Err(Refusal::Off | Refusal::Unrecorded(_)) => entry.close(Outcome::Failed, None),
    }
    outcome
}

/// Why there is no answer from the tokens' folder.
enum Refusal {
    /// There are no personal tokens here.
    Off,
    /// What was asked cannot be.
    Token(PersonalTokenError),
    /// It cannot be put on record, so it is not done.
    Unrecorded(AnswerError),
}

impl From<AnswerError> for Refusal {
    fn from(error: AnswerError) -> Self {
        Self::Unrecorded(error)
    }
}

/// Files are read and written where waiting for them holds up nobody.
async fn work<T: Send + 'static>(
    pages: &Arc<Pages>,
    work: impl FnOnce(&PersonalTokens) -> Result<T, PersonalTokenError> + Send + 'static,
) -> Result<T, Refusal> {
    let pages = Arc::clone(pages);
    let done = tokio::task::spawn_blocking(move || match pages.authenticator.personal_tokens() {
        Some(tokens) => work(tokens).map_err(Refusal::Token),
        None => Err(Refusal::Off),
    });
    done.await.unwrap_or_else(|error| Err(Refusal::Token(PersonalTokenError::Folder(std::io::Error::other(error)))))
}

async fn refused(pages: &Arc<Pages>, session: &Session, refusal: Refusal) -> Response {
    let (status, what) = match &refusal {
        Refusal::Off => (StatusCode::NOT_FOUND, "this gateway keeps no personal tokens".to_owned()),
        Refusal::Token(error) => {
            let status = match error {
                PersonalTokenError::Label | PersonalTokenError::Days(_) => StatusCode::UNPROCESSABLE_ENTITY,
                PersonalTokenError::TooMany(_) => StatusCode::CONFLICT,
                PersonalTokenError::Full => StatusCode::INSUFFICIENT_STORAGE,
                PersonalTokenError::Folder(cause) => {
                    tracing::error!(%cause, "the folder of personal tokens");
                    StatusCode::SERVICE_UNAVAILABLE
                }
            };
            (status, error.to_string())
        }
        Refusal::Unrecorded(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    };
    with_list(pages, session, status, &html! { p.refusal { (what) } }).await
}

async fn with_list(pages: &Arc<Pages>, session: &Session, status: StatusCode, said: &Markup) -> Response {
    let person = session.person.clone();
    let listed = work(pages, move |tokens| Ok((tokens.of(&person)?, tokens.max_days()))).await;
    let body = match &listed {
        Ok((tokens, max_days)) => html! {
            h1 { "Tokens" }
            p {
                "A token signs your tools in as you: as a bearer token, or as the password of your own name or of "
                code { "token" } ". It ends by itself, and at once when you revoke it."
            }
            (said)
            (list(tokens, session))
            (form(session, *max_days))
        },
        Err(Refusal::Off) => html! { h1 { "Tokens" } p.refusal { "This gateway keeps no personal tokens." } },
        // What was done is told nevertheless: a new token is shown this once.
        Err(Refusal::Token(error)) => html! { h1 { "Tokens" } (said) p.refusal { (error) } },
        Err(Refusal::Unrecorded(error)) => html! { h1 { "Tokens" } (said) p.refusal { (error) } },
    };
    layout::page(status, "Tokens", Some(session), &body)
}

fn made(pages: &Pages, token: &PersonalToken, secret: &Secret) -> Markup {
    html! {
        section.card.new {
            h2 { "Your new token" }
            p { "Copy it now: it is not shown again." }
            pre id="token" { (secret.expose_str().unwrap_or_default()) }
            p.facts { (token.label) ", until " (day(token.expires)) ". Connect to " code { (pages.flight.url()) } "." }
        }
    }
}

fn list(tokens: &[PersonalToken], session: &Session) -> Markup {
    let now = Utc::now();
    html! {
        @if tokens.is_empty() { p { "You have no tokens." } } @else {
            table id="tokens" {
                thead { tr { th { "Label" } th { "Ends in" } th { "Made" } th { "Until" } th {} } }
                tbody {
                    @for token in tokens {
                        tr {
                            td { (token.label) }
                            td { code { "…" (token.last_four) } }
                            td { (day(token.created)) }
                            td { @if token.expires <= now { span.badge.no { "expired" } } @else { (day(token.expires)) } }
                            td {
                                form method="post" action="/token/revoke" {
                                    (layout::csrf(session))
                                    input type="hidden" name="id" value=(token.id);
                                    button.quiet type="submit" { "Revoke" }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn form(session: &Session, max_days: u32) -> Markup {
    html! {
        form.card method="post" action="/token" {
            h2 { "Make a token" }
            (layout::csrf(session))
            label { "What it is for" input name="label" maxlength="64" required placeholder="DBeaver on my laptop"; }
            label { "Days" input name="days" type="number" min="1" max=(max_days) value=(USUAL.min(max_days)) required; }
            button type="submit" { "Make it" }
        }
    }
}

fn day(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%d %H:%M UTC").to_string()
}
